"""Sample-ratio mismatch while the units come in: e-values that may be looked at as often as one likes."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from scipy import special

from ecomops.core import (
    Array,
    Column,
    Flags,
    Floats,
    FractionColumn,
    InputError,
    Model,
    ProbabilityReal,
    Text,
    Whole,
    validated,
)
from ecomops.experiments.multiplicity import holm
from ecomops.stats.special import stirling_error

CumulativeUnits = Annotated[Array | Any, Floats(core=2, ge=0, whole=True)]
LookNumbers = Annotated[Array | Any, Floats(core=1, ge=0, whole=True)]
Ratios = Annotated[Array | Any, Floats(core=1, gt=0)]
PValues = Annotated[Array | Any, Floats(core=2, ge=0, le=1)]
EValues = Annotated[Array | Any, Floats(column=True, ge=0, inf=True)]


class SequentialSampleRatioMismatch(Model):
    """A test of the split of units over arms that holds at all looks together.

    Examples
    --------
    >>> from ecomops.experiments import sequential_sample_ratio_mismatch
    >>> sequential_sample_ratio_mismatch([[500, 490], [1000, 900], [1500, 1200]]).first_look
    3
    """

    log_e_value: Column
    """Natural logarithm of the e-value at each look, shape (n,)."""
    e_value: EValues
    """Evidence against the ratios: if they hold it ever reaches x with probability 1 / x at most, shape (n,)."""
    p_value: FractionColumn
    """Always-valid p-value, min(1, 1 / e) of the largest e-value so far, shape (n,)."""
    mismatch: Flags
    """Whether the p-value is at most the threshold, shape (n,)."""
    first_look: Whole
    """Number of the first look with a mismatch, from 1; 0 where there is none."""
    arm_p_value: PValues
    """Always-valid p-value of each arm against the rest, adjusted by Holm over the arms, shape (n, k)."""
    arm_first_look: LookNumbers
    """Number of the first look at which each arm is off, shape (k,); 0 where it is not."""
    threshold: ProbabilityReal
    """Probability of ever calling a mismatch if the ratios hold, at most."""
    method: Text
    """How it was found."""


@validated
def sequential_sample_ratio_mismatch(
    units: CumulativeUnits,
    *,
    ratios: Ratios | None = None,
    threshold: ProbabilityReal = 0.001,
    concentrations: Ratios = (100.0, 1e4, 1e6),
) -> SequentialSampleRatioMismatch:
    """Test whether units are split over arms as planned, at every look of a running test, and find the arm that is off.

    Parameters
    ----------
    units : array, shape (n, k)
        Units in each arm up to each look: cumulative counts, looks in order of time, k >= 2.
    ratios : array, shape (k,), optional
        Planned ratios, in any scale and the same at all looks; equal by default.
    threshold : float
        Probability of ever calling a mismatch while the ratios hold, whatever the number of looks.
    concentrations : array, shape (m,)
        Concentrations of the Dirichlet laws about the planned shares that are mixed in equal parts, chosen before the first
        look. Large ones find small mismatches of many units, small ones large mismatches early.

    Returns
    -------
    SequentialSampleRatioMismatch
        One row a look.

    Raises
    ------
    InputError
        When there are fewer than 2 arms, not one ratio an arm, or a count falls from one look to the next.

    Notes
    -----
    With shares p, concentration c, counts n_i and n in all, the e-value is the marginal likelihood of the units under a
    Dirichlet(c p) law over that under p: Gamma(c) / Gamma(c + n) prod_i Gamma(c p_i + n_i) / (Gamma(c p_i) p_i^n_i), a
    martingale if p holds. It is found from deviations n_i - n p_i and Stirling's series, without differences of large
    numbers. An arm is tested by the same ratio for it and the rest; Holm over the arms holds at all looks at once, since each
    p-value does.

    References
    ----------
    .. [1] Lindon & Malek (2022), Anytime-Valid Inference for Multinomial Count Data, NeurIPS 35, eq. (6)-(8).
    .. [2] Ramdas, Ruf, Larsson & Koolen (2022), Admissible anytime-valid sequential inference, section 2.

    Examples
    --------
    The third arm loses units.

    >>> from ecomops.experiments import sequential_sample_ratio_mismatch
    >>> looks = [[1010, 995, 998], [2030, 2010, 1880], [3040, 3020, 2700]]
    >>> found = sequential_sample_ratio_mismatch(looks)
    >>> found.first_look, found.arm_first_look.tolist(), found.p_value.round(6).tolist()
    (3, [0.0, 0.0, 3.0], [1.0, 0.816098, 0.00095])
    """
    if units.ndim != 2 or units.shape[1] < 2:
        raise InputError(f"units must be a table of looks and at least 2 arms, got shape {units.shape}")
    shares = np.ones(units.shape[1]) if ratios is None else np.asarray(ratios)
    if shares.shape != units.shape[1:]:
        raise InputError(f"ratios must have one value an arm, got shape {shares.shape} for {units.shape[1]} arms")
    if np.ndim(concentrations) != 1:
        raise InputError(f"concentrations must be a list, got shape {np.shape(concentrations)}")
    falling = np.argwhere(np.diff(units, axis=0) < 0)
    if falling.size:
        look, arm = falling[0]
        raise InputError(f"units must be cumulative, got fewer in arm {arm} at look {look + 2} than before")
    shares = shares / shares.sum()
    log_e = log_e_values(units, shares, concentrations)
    pairs = np.stack([units, units.sum(axis=1, keepdims=True) - units], axis=2)
    log_arms = log_e_values(pairs, np.stack([shares, 1.0 - shares], axis=1), concentrations)
    p_value = _always_valid(log_e)
    arm_p_value = holm(_always_valid(log_arms))
    with np.errstate(over="ignore", under="ignore"):
        e_value = np.exp(log_e)
    return SequentialSampleRatioMismatch(
        log_e_value=log_e,
        e_value=e_value,
        p_value=p_value,
        mismatch=p_value <= threshold,
        first_look=int(_first(p_value[:, None] <= threshold)[0]),
        arm_p_value=arm_p_value,
        arm_first_look=_first(arm_p_value <= threshold),
        threshold=threshold,
        method=f"Dirichlet-multinomial e-value, mixture of {np.size(concentrations)} concentrations",
    )


def log_e_values(units: Array, shares: Array, concentrations: Any) -> Array:
    """Return the logarithm of the e-value of counts along the last axis, mixed over the concentrations."""
    total = units.sum(axis=-1, keepdims=True)
    away = units - total * shares
    each = [_log_e_value(away, total, shares, c) for c in concentrations]
    found: Array = special.logsumexp(each, axis=0) - np.log(len(each))
    return found


def _log_e_value(away: Array, total: Array, shares: Array, concentration: float) -> Array:
    """Return the logarithm of the e-value: with x = away / ((c + n) p) the leading terms are of the size of the answer."""
    prior, grown = concentration * shares, (concentration + total) * shares
    x = away / grown
    log_ratio = np.log1p(x)
    terms = grown * (log_ratio - x) + away * log_ratio - log_ratio / 2.0
    terms += stirling_error(grown + away) - stirling_error(np.broadcast_to(prior, away.shape))
    rest = stirling_error(concentration) - stirling_error(concentration + total[..., 0])
    growth = np.log1p(total[..., 0] / concentration)
    found: Array = terms.sum(axis=-1) + rest - (shares.shape[-1] - 1) / 2.0 * growth
    return found


def _always_valid(log_e: Array) -> Array:
    with np.errstate(under="ignore"):
        found: Array = np.exp(np.minimum(-np.maximum.accumulate(log_e, axis=0), 0.0))
    return found


def _first(hits: Any) -> Any:
    """Return the number of the first look that hits, from 1, of each column; 0 where none does."""
    return np.where(hits.any(axis=0), hits.argmax(axis=0) + 1, 0)
