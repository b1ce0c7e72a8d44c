"""The abstract base of every demand distribution: its public methods, documented once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ecomops.core import Fraction, Model, NonNegative, Num, Probability, validated
from ecomops.stats.lead_time import LeadTime

if TYPE_CHECKING:
    from ecomops.stats.distributions import Demand


class Distribution(Model):
    """A demand distribution, for one item or for a batch of items.

    Subclasses are final and give the kernels ``_cdf``, ``_sf``, ``_quantile``, ``_losses``, ``_second_loss`` and ``_over``,
    plus ``mean`` and ``variance`` as a field or a property.

    Examples
    --------
    >>> from ecomops.inventory import Normal
    >>> isinstance(Normal(mean=1, sd=1), Distribution)
    True
    >>> Normal(mean=1, sd=1)
    Normal(mean=1, sd=1)
    """

    @validated
    def cdf(self, x: Num) -> Fraction:
        """Return the probability that demand is at most ``x``.

        Parameters
        ----------
        x : float or array
            Units; broadcasts with the batch of the distribution.

        Returns
        -------
        float or array
            P(D <= x).

        Examples
        --------
        >>> from ecomops.inventory import Normal
        >>> Normal(mean=50, sd=8).cdf(50)
        0.5
        """
        return self._cdf(x)

    @validated
    def sf(self, x: Num) -> Fraction:
        """Return the probability that demand is more than ``x``, with its digits kept in the far tail.

        Parameters
        ----------
        x : float or array
            Units.

        Returns
        -------
        float or array
            P(D > x).

        Examples
        --------
        >>> from ecomops.inventory import Normal
        >>> round(Normal(mean=0, sd=1).sf(10) * 1e24, 6)
        7.619853
        """
        return self._sf(x)

    @validated
    def quantile(self, probability: Probability) -> Num:
        """Return the smallest quantity that covers demand with a probability.

        Parameters
        ----------
        probability : float or array
            In (0, 1). A tie with a step of a discrete distribution, up to 1e-12 relative (for Poisson and negative binomial
            demand relative to the smaller tail), goes to the smaller quantity.

        Returns
        -------
        float or array
            Units.

        Examples
        --------
        >>> from ecomops.inventory import Poisson
        >>> Poisson(mean=6).quantile(0.8)
        8.0
        """
        return self._quantile(probability, 1.0 - probability)

    @validated
    def loss(self, level: Num) -> NonNegative:
        """Return the expected shortage at a stock level.

        Parameters
        ----------
        level : float or array
            Units in stock.

        Returns
        -------
        float or array
            E[(D - level)+] in units.

        Examples
        --------
        >>> from ecomops.inventory import Normal
        >>> round(Normal(mean=0, sd=1).loss(0), 6)
        0.398942
        """
        return self._losses(level)[0]

    @validated
    def complementary_loss(self, level: Num) -> NonNegative:
        """Return the expected leftover at a stock level.

        Parameters
        ----------
        level : float or array
            Units in stock.

        Returns
        -------
        float or array
            E[(level - D)+] in units.

        Examples
        --------
        >>> from ecomops.inventory import Normal
        >>> round(Normal(mean=10, sd=1).complementary_loss(10), 6)
        0.398942
        """
        return self._losses(level)[1]

    @validated
    def second_loss(self, level: Num) -> NonNegative:
        """Return half the expected squared shortage at a stock level.

        Parameters
        ----------
        level : float or array
            Units in stock.

        Returns
        -------
        float or array
            E[((D - level)+)^2] / 2 in units squared.

        Examples
        --------
        >>> from ecomops.inventory import Normal
        >>> Normal(mean=0, sd=1).second_loss(0)
        0.25
        """
        return self._second_loss(level)

    @validated
    def over(self, lead_time: LeadTime) -> Demand:
        """Return the distribution of demand over a lead time plus review period.

        Demands of different periods are independent, and independent of the lead time:
        mean = mu P and variance = P sigma^2 + mu^2 Var(L) with the protection time P.

        Parameters
        ----------
        lead_time : LeadTime
            Mean, standard deviation and review period.

        Returns
        -------
        Demand
            The same family where it is closed under sums, else the family matched to the two moments.

        Raises
        ------
        InputError
            When items of a `Discrete` or `Empirical` batch need different families, or their tables are too large together.

        Notes
        -----
        Listed and sampled demand is convolved exactly, item by item, where the number of periods is whole and fixed and
        the quantities are multiples of 1, 1/2, 1/4 or 0.1 that span at most 100,000 steps over the periods; one
        period keeps any quantities. Elsewhere two moments are matched: by gamma demand, or by normal demand where a
        quantity is negative. Which of these holds for an item depends on that item alone; a batch in which it differs is
        refused, and its parts can be asked one by one.

        References
        ----------
        .. [1] Silver, Pyke & Thomas, Inventory and Production Management in Supply Chains, 4th ed., section 6.10.

        Examples
        --------
        >>> from ecomops.inventory import LeadTime, Normal
        >>> Normal(mean=100, sd=22).over(LeadTime(mean=12, sd=3))
        Normal(mean=1200, sd=309.529)
        """
        return self._over(lead_time.protection, lead_time.variance)

    if TYPE_CHECKING:

        def _cdf(self, x: Any) -> Any: ...
        def _sf(self, x: Any) -> Any: ...
        def _quantile(self, probability: Any, rest: Any) -> Any:
            """Take the tail as its own number: 1 - probability has no digits left far out."""
            ...

        def _losses(self, level: Any) -> tuple[Any, Any]:
            """Return expected shortage and leftover."""
            ...

        def _second_loss(self, level: Any) -> Any: ...
        def _over(self, periods: Any, variance: Any) -> Demand: ...


def compound_variance(mean: Any, variance: Any, periods: Any, periods_variance: Any) -> Any:
    """Return the variance of demand over a random number of periods."""
    return periods * variance + mean * mean * periods_variance
