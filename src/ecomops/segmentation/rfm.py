"""Recency, frequency, monetary value: scores and named segments."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from ecomops.core import (
    Array,
    Column,
    CountColumn,
    Floats,
    InputError,
    Labels,
    Model,
    NonNegativeColumn,
    PositiveWhole,
    Text,
    Vector,
    Whole,
    check,
    validated,
)
from ecomops.segmentation.purchases import CustomerSummary

Edges = Annotated[Array | Any, Floats(core=1)]
Cuts = Annotated[Array | Any, Floats(core=1, inf=True)]


class Quantiles(Model):
    """Score by quantile: 1 to ``bins``, best is ``bins``.

    Examples
    --------
    >>> Quantiles(bins=4)
    Quantiles(bins=4, method='rank')
    """

    kind: Literal["Quantiles"] = "Quantiles"
    bins: PositiveWhole = 5
    """Number of scores k, 2 to 100."""
    method: Literal["rank", "edges"] = "rank"
    """"rank": by the share of customers below; "edges": by type-7 quantile edges, a value on an edge going up."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        check(2 <= self.bins <= 100, "bins must be from 2 to 100", self.bins)
        return self


class Thresholds(Model):
    """Score by fixed cut points: 1 plus the number of cuts reached.

    Examples
    --------
    >>> Thresholds(recency=[30, 90], frequency=[2, 5], monetary=[50, 200])
    Thresholds(recency=[30, 90], frequency=[2, 5], monetary=[50, 200])
    """

    kind: Literal["Thresholds"] = "Thresholds"
    recency: Edges
    """Days since the last purchase, ascending: fewer days than the first cut (inclusive) score best."""
    frequency: Edges
    """Orders, ascending: reaching a cut adds one."""
    monetary: Edges
    """Spend, ascending: reaching a cut adds one."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in ("recency", "frequency", "monetary"):
            cuts = getattr(self, name)
            check(cuts.ndim == 1 and np.all(np.diff(cuts) > 0), f"{name} must be one ascending list of cuts")
        return self


class RfmScores(Model):
    """The three scores of each customer, with the figures and the edges they come from.

    Examples
    --------
    >>> from ecomops.segmentation import CustomerState, customer_summary, rfm_scores
    >>> state = CustomerState.from_arrays(["a", "a", "b"], day=[0, 9, 3], spend=[10, 30, 5])
    >>> rfm_scores(customer_summary(state), rule=Quantiles(bins=2)).recency.tolist()
    [2.0, 1.0]
    """

    customer: Labels
    """Customer ids, shape (n,)."""
    recency: CountColumn
    """Score of days since the last purchase, 1 (long ago) to k, shape (n,)."""
    frequency: CountColumn
    """Score of the number of orders, shape (n,)."""
    monetary: CountColumn
    """Score of spend, shape (n,)."""
    days_since_last_purchase: NonNegativeColumn
    """Days from the last purchase to the end of observation, shape (n,)."""
    orders: CountColumn
    """Orders, shape (n,)."""
    spend: Column
    """Spend, money, shape (n,)."""
    purchase_days: CountColumn
    """Days with a purchase, shape (n,): 1 for a first-time buyer, whatever the score."""
    recency_edges: Cuts
    """Most days for each score from the best down to 2, ascending; -Infinity where nobody has such a score."""
    frequency_edges: Cuts
    """Fewest orders for each score from 2 up, ascending; Infinity where nobody has so high a score."""
    monetary_edges: Cuts
    """Least spend for each score from 2 up, ascending; Infinity where nobody has so high a score."""
    bins: PositiveWhole
    """Largest score."""

    @property
    def code(self) -> Any:
        """The three scores as one number, such as 543, shape (n,); each takes two digits where ``bins`` has two."""
        base = 10.0 ** len(str(self.bins))
        return (self.recency * base + self.frequency) * base + self.monetary


class SegmentRule(Model):
    """A named box of scores and purchase days; bounds are inclusive.

    Scores compare customers, so that first-time buyers share a middling score where most customers bought once; purchase
    days say who came back.

    Examples
    --------
    >>> SegmentRule(name="champions", recency=(4, 5), frequency=(4, 5))
    SegmentRule(name='champions', recency=(4, 5), frequency=(4, 5), monetary=(1, 100), purchase_days=(1, None))
    """

    name: Text
    """Name of the segment."""
    recency: tuple[Whole, Whole] = (1, 100)
    """Lowest and highest recency score."""
    frequency: tuple[Whole, Whole] = (1, 100)
    """Lowest and highest frequency score."""
    monetary: tuple[Whole, Whole] = (1, 100)
    """Lowest and highest monetary score."""
    purchase_days: tuple[Whole, Whole | None] = (1, None)
    """Fewest and most days with a purchase; no upper bound where the second is none."""


class RfmSegments(Model):
    """The segment of each customer, and what the segments hold.

    Examples
    --------
    >>> from ecomops.segmentation import CustomerState, customer_summary, rfm_scores, rfm_segments
    >>> state = CustomerState.from_arrays(["a", "a", "b"], day=[0, 9, 3], spend=[10, 30, 5])
    >>> rfm_segments(rfm_scores(customer_summary(state))).customer.tolist()
    ['a', 'b']
    """

    customer: Labels
    """Customer ids, shape (n,)."""
    segment: Labels
    """Segment of each customer, shape (n,)."""
    names: Labels
    """Names of the segments in the order of the rules, shape (s,)."""
    customers: Annotated[Array | Any, Floats(core=1, ge=0, whole=True)]
    """Customers in each segment, shape (s,)."""
    orders: Annotated[Array | Any, Floats(core=1, ge=0, whole=True)]
    """Orders of each segment, shape (s,)."""
    spend: Vector
    """Spend of each segment, money, shape (s,)."""


REPEAT = (2, None)
DEFAULT_RULES = (
    SegmentRule(name="champions", recency=(4, 5), frequency=(4, 5), monetary=(4, 5), purchase_days=REPEAT),
    SegmentRule(name="loyal", recency=(3, 5), frequency=(3, 5), purchase_days=REPEAT),
    SegmentRule(name="new", recency=(4, 5), purchase_days=(1, 1)),
    SegmentRule(name="promising", recency=(3, 5)),
    SegmentRule(name="cannot lose", recency=(1, 1), frequency=(4, 5), monetary=(4, 5), purchase_days=REPEAT),
    SegmentRule(name="at risk", recency=(1, 2), frequency=(3, 5), purchase_days=REPEAT),
    SegmentRule(name="hibernating", recency=(2, 2)),
    SegmentRule(name="lost", recency=(1, 1)),
)


@validated
def rfm_scores(
    summary: CustomerSummary,
    *,
    rule: Annotated[Quantiles | Thresholds, Field(discriminator="kind")] = Quantiles(),  # noqa: B008 - frozen
) -> RfmScores:
    """Score customers by recency, frequency and monetary value.

    Parameters
    ----------
    summary : CustomerSummary
        One row a customer.
    rule : Quantiles or Thresholds
        How figures become scores. Equal figures share a score, whatever the order of the rows, and the range of scores
        does not change with the data.

    Returns
    -------
    RfmScores
        Scores 1 (worst) to k (best), figures and cut points, in the order of the summary.

    Notes
    -----
    "rank": score = 1 + floor(k (below + equal / 2) / n), with the customers below and equal. "edges": 1 plus the number
    of type-7 quantiles at 1 / k, 2 / k, ... reached.

    References
    ----------
    .. [1] Hughes (1994), Strategic Database Marketing: recency, frequency and monetary value in fifths.
    .. [2] Hyndman & Fan (1996), Sample Quantiles in Statistical Packages, The American Statistician 50(4), definition 7.

    Examples
    --------
    >>> from ecomops.segmentation import CustomerState, Quantiles, customer_summary, rfm_scores
    >>> state = CustomerState.from_arrays(["a", "a", "b"], day=[0, 9, 3], spend=[10, 30, 5])
    >>> rfm_scores(customer_summary(state), rule=Quantiles(bins=2)).code.tolist()
    [222.0, 111.0]
    """
    days = np.rint(summary.days_since_last_purchase)
    figures = {"recency": -days, "frequency": summary.orders, "monetary": summary.spend}
    if isinstance(rule, Thresholds):
        scores, edges, bins = _fixed(figures, rule)
    else:
        bins = int(rule.bins)
        parts = {name: _scored(values, bins, rule.method) for name, values in figures.items()}
        scores, edges = {n: p[0] for n, p in parts.items()}, {n: p[1] for n, p in parts.items()}
    return RfmScores(
        customer=summary.customer,
        **scores,
        days_since_last_purchase=days,
        orders=summary.orders,
        spend=summary.spend,
        purchase_days=summary.frequency + 1.0,
        recency_edges=np.sort(-edges["recency"]),
        frequency_edges=edges["frequency"],
        monetary_edges=edges["monetary"],
        bins=bins,
    )


@validated
def rfm_segments(
    scores: RfmScores, *, rules: tuple[SegmentRule, ...] = DEFAULT_RULES, other: Text = "other"
) -> RfmSegments:
    """Name the segment of each customer: the first rule that fits.

    Parameters
    ----------
    scores : RfmScores
        The scores.
    rules : tuple of SegmentRule
        Boxes of scores in order of precedence. The default is made for scores 1 to 5; its "champions", "loyal", "cannot
        lose" and "at risk" came back at least once, "new" are recent first-time buyers, and "promising" the other recent
        customers: first-time buyers of a while ago, and those who came back but buy less than most.
    other : str
        Segment of those whom no rule fits.

    Returns
    -------
    RfmSegments
        Segment of each customer, and customers, orders and spend of each segment.

    Raises
    ------
    InputError
        When two rules have the same name, or the default rules meet scores other than 1 to 5.

    Examples
    --------
    >>> from ecomops.segmentation import CustomerState, SegmentRule, customer_summary, rfm_scores, rfm_segments
    >>> state = CustomerState.from_arrays(["a", "a", "b"], day=[0, 9, 3], spend=[10, 30, 5])
    >>> best = SegmentRule(name="best", recency=(4, 5))
    >>> rfm_segments(rfm_scores(customer_summary(state)), rules=(best,)).segment.tolist()
    ['best', 'other']
    """
    names = [rule.name for rule in rules]
    if len(set(names)) < len(names):
        raise InputError(f"rules must have different names, got {names}")
    if rules == DEFAULT_RULES and scores.bins != 5:
        raise InputError(
            f"rules: the default rules are for scores 1 to 5, got 1 to {scores.bins}; pass rules for these scores"
        )
    if other not in names:
        names.append(other)
    place = np.full(scores.customer.size, names.index(other))
    for rule in reversed(rules):
        inside = np.ones(place.size, dtype=bool)
        for name in ("recency", "frequency", "monetary"):
            low, high = getattr(rule, name)
            score = getattr(scores, name)
            inside &= (score >= low) & (score <= high)
        fewest, most = rule.purchase_days
        inside &= (scores.purchase_days >= fewest) & (scores.purchase_days <= (np.inf if most is None else most))
        place[inside] = names.index(rule.name)
    labels = np.array(names, dtype=object)
    size = len(names)
    return RfmSegments(
        customer=scores.customer,
        segment=labels[place],
        names=labels,
        customers=np.bincount(place, minlength=size),
        orders=np.bincount(place, weights=scores.orders, minlength=size),
        spend=np.bincount(place, weights=scores.spend, minlength=size),
    )


def _scored(values: Any, bins: int, method: str) -> tuple[Any, Any]:
    if not values.size:
        return values, np.full(bins - 1, np.inf)
    if method == "edges":
        edges = _quantile_edges(np.sort(values), bins)
        return 1.0 + np.searchsorted(edges, values, side="right"), edges
    distinct, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    # In whole numbers, so that a share on a boundary falls on the right side of it.
    twice_middle = 2 * np.cumsum(counts) - counts
    score = 1.0 + bins * twice_middle // (2 * values.size)
    edges = np.array([distinct[score > level].min(initial=np.inf) for level in range(1, bins)])
    return score[place], edges


def _quantile_edges(ordered: Any, bins: int) -> Any:
    """Return the type-7 quantiles at 1 / bins, 2 / bins, ...; one that is a value is exactly that value."""
    below, part = np.divmod(np.arange(1, bins) * (ordered.size - 1), bins)
    low, high = ordered[below], ordered[np.minimum(below + 1, ordered.size - 1)]
    return low + (high - low) * (part / bins)


def _fixed(figures: dict[str, Any], rule: Thresholds) -> tuple[dict[str, Any], dict[str, Any], int]:
    scores = {
        "recency": 1.0 + len(rule.recency) - np.searchsorted(rule.recency, -figures["recency"], side="left"),
        "frequency": 1.0 + np.searchsorted(rule.frequency, figures["frequency"], side="right"),
        "monetary": 1.0 + np.searchsorted(rule.monetary, figures["monetary"], side="right"),
    }
    edges = {"recency": -rule.recency, "frequency": rule.frequency, "monetary": rule.monetary}
    return scores, edges, 1 + max(len(rule.recency), len(rule.frequency), len(rule.monetary))
