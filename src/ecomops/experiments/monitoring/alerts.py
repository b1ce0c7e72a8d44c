"""Alerts on a metric over time: single odd values and shifts of the level, each with a stated rate of false alarms."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from scipy import special

from ecomops.core import (
    Array,
    Column,
    CountColumn,
    Floats,
    InputError,
    Model,
    NonNegativeColumn,
    NonNegativeReal,
    PositiveReal,
    PositiveWhole,
    ProbabilityReal,
    Real,
    Text,
    Texts,
    Whole,
    validated,
)
from ecomops.experiments.monitoring.baselines import Baseline, Noise, fit_baseline
from ecomops.experiments.monitoring.run_lengths import alarm_rates, threshold_of

Trend: TypeAlias = Literal["none", "linear"]
Correlation: TypeAlias = Annotated[float, Floats(scalar=True, gt=-1, lt=1)]
Periods: TypeAlias = Annotated[float, Floats(scalar=True, ge=10, le=1e8)]
Places: TypeAlias = Annotated[Array | Any, Floats(column=True, ge=-1, whole=True)]
LEAST_SEASONS, LEAST_FREEDOM = 3, 10
MOST_CORRELATED = 0.95
CLIPPED = 3.0
ABSCISSAE = 5


class MetricAlerts(Model):
    """The periods after the baseline, each with what was expected and whether it is odd.

    Examples
    --------
    >>> from ecomops.experiments import metric_alerts
    >>> week = [52, 48, 61, 90, 95]
    >>> orders = [o + (7 * d) % 13 - 6 for d, o in enumerate(week * 8)] + [50, 47, 10, 93, 99]
    >>> metric_alerts(orders, season=5, baseline=40, noise="counts").point.tolist()
    ['', '', 'below', '', '']
    """

    period: CountColumn
    """Place of the period in the values given, from 0, shape (n,)."""
    value: Column
    """The value, shape (n,)."""
    expected: Column
    """Expected value by season and trend, shape (n,)."""
    lower: Column
    """Least value that is not odd, shape (n,)."""
    upper: Column
    """Largest value that is not odd, shape (n,)."""
    score: Column
    """Standardised surprise of the value given the one before, shape (n,)."""
    point: Texts
    """"above" or "below" where the value itself is odd, shape (n,); empty elsewhere."""
    shift: Texts
    """"above" or "below" where a CUSUM calls a shift of the level, shape (n,); empty elsewhere."""
    shift_start: Places
    """Period in which the shift that is called began, by the CUSUM, shape (n,); -1 where none is called."""
    shift_size: Column
    """How large it is, in units of the metric, shape (n,); 0 where none is called."""
    upper_sum: NonNegativeColumn
    """CUSUM of rises, shape (n,); both begin again at 0 after a shift is called."""
    lower_sum: NonNegativeColumn
    """CUSUM of falls, shape (n,)."""
    threshold: PositiveReal
    """Threshold of the sums."""
    reference: NonNegativeReal
    """What a score must pass to add to a sum."""
    autocorrelation: Real
    """Correlation of neighbouring values that was taken out."""
    point_rate: ProbabilityReal
    """False alarms of single values per period."""
    run_length: PositiveReal
    """Periods between false alarms of a shift."""
    left_out: Whole
    """Values of the baseline that were left out as odd."""
    method: Text
    """Noise, season and trend."""


@validated
def metric_alerts(
    values: Column,
    *,
    season: PositiveWhole,
    baseline: PositiveWhole,
    noise: Noise = "normal",
    trend: Trend = "none",
    point_rate: ProbabilityReal = 0.001,
    run_length: Periods = 1000.0,
    shift: PositiveReal = 1.0,
    autocorrelation: Correlation | None = None,
) -> MetricAlerts:
    """Watch a metric by the hour or day: odd single values and shifts of the level, with stated rates of false alarms.

    Parameters
    ----------
    values : array, shape (baseline + n,)
        The metric in each period, in order of time and without gaps.
    season : int
        Periods until the pattern repeats: 168 for hours of a week, 7 for days of a week, 1 for none.
    baseline : int
        Periods at the start that show the metric as it should be: at least three seasons, better eight or more.
    noise : {"normal", "counts"}
        Normal with one variance, or whole numbers with the negative binomial law, whose variance is mean (1 + a mean).
    trend : {"none", "linear"}
        No trend, or one that goes on after the baseline: a straight line, for counts on the logarithm.
    point_rate : float
        False alarms of single values per period, in (0, 1).
    run_length : float
        Average number of periods between false alarms of a shift.
    shift : float
        Shift that is to be found soon, in standard deviations of one value.
    autocorrelation : float, optional
        Correlation of neighbouring values; estimated from the baseline by default, 0 for none.

    Returns
    -------
    MetricAlerts
        One row a period after the baseline.

    Raises
    ------
    InputError
        When the baseline is short, does not vary, or leaves no period to watch, or counts are not whole numbers >= 0.

    Notes
    -----
    Values of the baseline that lie more than 5 robust standard deviations from the median of their season are left out; the
    rest give means of seasons and a trend. The law of a new value includes the error of these. With scores z of that
    law and autocorrelation r, the surprise is (z_t - r z_{t-1}) / sqrt(1 - r^2). A value is odd beyond the limits of
    ``point_rate``, with Student's tails for the estimated variance. Surprises, clipped at the limits so that one value makes
    no shift, add to two CUSUMs with reference shift (1 - r) / sqrt(1 - r^2) / 2. Their threshold is that at which the mean
    rate of alarms is 1 / ``run_length``, averaged over the errors that level, variance and autocorrelation have from a
    baseline of this length: short ones cost sensitivity, not false alarms. Counts are discrete: where few are expected,
    alarms are rarer than stated.

    References
    ----------
    .. [1] Montgomery (2013), Introduction to Statistical Quality Control, 7th ed., sections 9.1 and 10.4.
    .. [2] Hampel (1974), The influence curve and its role in robust estimation, JASA 69, 383-393.
    .. [3] Jones, Champ & Rigdon (2004), The run length distribution of the CUSUM with estimated parameters, J. Quality
       Technology 36, 95-108.

    Examples
    --------
    Orders of five weekdays fall by a fifth from period 45 on.

    >>> from ecomops.experiments import metric_alerts
    >>> week = [520, 480, 610, 900, 950]
    >>> orders = [o + 7 * (-1) ** (d % 3) for d, o in enumerate(week * 9)] + [0.8 * o for o in week]
    >>> alerts = metric_alerts(orders, season=5, baseline=40, shift=2.0)
    >>> alerts.shift.tolist()[5:7], int(alerts.shift_start[6])
    (['', 'below'], 45)
    """
    data = np.asarray(values)
    _refuse_short(data, season, baseline, noise)
    fit = fit_baseline(data, season, baseline, noise, trend=trend == "linear")
    scores = fit.scores(data)
    r = _correlation(fit, scores[:baseline]) if autocorrelation is None else autocorrelation
    pull = np.sqrt(1.0 - r * r)
    # An estimated correlation is wrong by 1 / sqrt(n), which widens what is left of a value once in itself, once in the root.
    spread = pull * np.sqrt(1.0 + 2.0 / fit.kept.sum() * (autocorrelation is None))
    limit = float(-special.ndtri(point_rate / 2.0))
    before = np.clip(scores[baseline - 1 : -1], -limit, limit)
    surprise = (scores[baseline:] - r * before) / spread
    rows = slice(baseline, None)
    lower, upper = fit.limits(r * before - spread * limit, r * before + spread * limit, rows)
    reference = min(shift * (1.0 - r) / pull / 2.0, 10.0)
    threshold = _threshold(fit, r, reference, run_length, estimated=autocorrelation is None)
    sums, called, start, size = _cusum(np.clip(surprise, -limit, limit), reference, threshold)
    watched = data[rows]
    return MetricAlerts(
        period=np.arange(baseline, data.size),
        value=watched,
        expected=fit.expected[rows],
        lower=lower,
        upper=upper,
        score=surprise,
        point=_direction((watched > upper).astype(int) - (watched < lower)),
        shift=_direction(called),
        shift_start=np.where(called != 0, start + baseline, -1),
        shift_size=called * size * pull / (1.0 - r) * np.sqrt(fit.variance[rows]),
        upper_sum=sums[0],
        lower_sum=sums[1],
        threshold=threshold,
        reference=reference,
        autocorrelation=r,
        point_rate=point_rate,
        run_length=run_length,
        left_out=int((~fit.kept).sum()),
        method=f"{noise} noise, season of {season}, trend {trend}, baseline of {baseline} periods",
    )


def _refuse_short(data: Array, season: int, baseline: int, noise: Noise) -> None:
    if baseline >= data.size:
        raise InputError(f"baseline must leave a period to watch, got {baseline} of {data.size} values")
    if baseline < max(LEAST_SEASONS * season, season + LEAST_FREEDOM + 2):
        least = max(LEAST_SEASONS * season, season + LEAST_FREEDOM + 2)
        raise InputError(f"baseline must have at least {least} periods for a season of {season}, got {baseline}")
    if noise == "counts":
        bad = np.flatnonzero((data < 0) | (data != np.floor(data)))
        if bad.size:
            raise InputError(f"values must be whole numbers >= 0 for counts, got {data[bad[0]]} at index {bad[0]}")


def _correlation(fit: Baseline, scores: Array) -> float:
    """Return the correlation of neighbours among values to come, which the error of the seasons' means makes smaller."""
    z = np.clip(scores, -CLIPPED, CLIPPED)
    pairs = fit.kept[1:] & fit.kept[:-1]
    own = float(np.square(z[fit.kept]).mean())
    r = float((z[1:] * z[:-1])[pairs].mean()) / own if own > 0 and pairs.any() else 0.0
    return float(np.clip(r / (1.0 + fit.leverage), -MOST_CORRELATED, MOST_CORRELATED))


def _threshold(fit: Baseline, r: float, reference: float, run_length: float, *, estimated: bool) -> float:
    """Return the threshold at which the rate of alarms, averaged over the errors of the baseline, is as stated."""
    known = fit.freedom * (1.0 - r * r) / (1.0 + r * r)
    units = float(fit.kept.sum())
    level = np.sqrt(fit.level_variance)
    log_scale = np.sqrt(0.5 / known + ((1.0 + r) / (1.0 - r) / units if estimated else 0.0))
    nodes, weights = np.polynomial.hermite_e.hermegauss(ABSCISSAE)
    weights = np.outer(weights, weights).ravel() / np.square(weights.sum())
    moved = np.repeat(nodes * level, ABSCISSAE)
    scale = np.exp(np.tile(nodes * min(log_scale, 0.5), ABSCISSAE))

    # The errors are symmetric: the sum of falls has the mean rate of the sum of rises.
    def rates(h: Array) -> Array:
        each = alarm_rates(np.multiply.outer(h, 1.0 / scale), reference / scale, moved / scale, "greater")
        found: Array = 2.0 * each @ weights
        return found

    return float(threshold_of(np.asarray(run_length), rates, tolerance=1e-8))


def _cusum(surprise: Array, reference: float, threshold: float) -> tuple[Array, Any, Any, Array]:
    """Return both sums, the shifts called (1, -1 or 0), where they began and how large they are, in surprises."""
    sums = np.zeros((2, surprise.size))
    called, start = np.zeros(surprise.size, dtype=int), np.zeros(surprise.size, dtype=int)
    size = np.zeros(surprise.size)
    rise = fall = 0.0
    rose = fell = 0
    for place, step in enumerate(surprise.tolist()):
        rise, fall = max(rise + step - reference, 0.0), max(fall - step - reference, 0.0)
        sums[:, place] = rise, fall
        rose, fell = (place + 1 if rise == 0 else rose), (place + 1 if fall == 0 else fell)
        if max(rise, fall) > threshold:
            called[place] = 1 if rise >= fall else -1
            start[place] = rose if rise >= fall else fell
            size[place] = reference + max(rise, fall) / (place + 1 - start[place])
            rise = fall = 0.0
            rose = fell = place + 1
    return sums, called, start, size


def _direction(sign: Any) -> Any:
    return np.where(sign > 0, "above", np.where(sign < 0, "below", "")).astype(object)
