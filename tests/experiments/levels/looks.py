"""Cases of tests and intervals that are looked at many times: group-sequential and always valid."""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.experiments.levels.case import NOMINAL, RUNS, Case, Figures, rejections
from tests.experiments.levels.means import SPEND, _pair, stack

from ecomops.experiments import (
    EffectMixture,
    Estimate,
    HwangShihDeCani,
    LanDeMets,
    MomentsByStratum,
    ObrienFleming,
    PlannedMixture,
    Pocock,
    PowerSpending,
    StitchedBound,
    WangTsiatis,
    always_valid_test,
    bernoulli_confidence_sequence,
    betting_test,
    confidence_sequence,
    group_sequential_design,
    lift_confidence_sequence,
    monitor_looks,
    poststratified_difference,
    sequential_sample_ratio_mismatch,
    stagewise_estimate,
    stopping_bounds,
    two_sample_bernoulli_test,
)

UNEVEN = np.array([0.2, 0.35, 0.7, 0.9, 1.0])


def walks(rng: np.random.Generator, fractions: Any, runs: int = RUNS, drift: float = 0.0) -> Any:
    """Return z at each look of Brownian paths."""
    steps = rng.normal(size=(runs, fractions.size)) * np.sqrt(np.diff(fractions, prepend=0.0))
    return (np.cumsum(steps, axis=1) + drift * fractions) / np.sqrt(fractions)


def bounds(boundary: Any, fractions: Any, alternative: str = "two-sided") -> Any:
    """Measure how often a path ever crosses the bounds."""

    def measure(rng: np.random.Generator) -> Figures:
        z = walks(rng, fractions)
        side = np.abs(z) if alternative == "two-sided" else z
        crossed = {
            alpha: float(
                (
                    side
                    >= np.asarray(
                        stopping_bounds(fractions, boundary=boundary, alpha=alpha, alternative=alternative).efficacy
                    )
                )
                .any(axis=1)
                .mean()
            )
            for alpha in NOMINAL
        }
        return Figures(crossed)

    return measure


def stagewise(drift: float) -> Any:
    """Measure the stage-wise p-value and interval once the experiment has stopped."""

    def measure(rng: np.random.Generator) -> Figures:
        fractions, runs = np.array([0.4, 0.7, 1.0]), RUNS
        design = group_sequential_design(fractions, boundary=LanDeMets())
        limits = np.asarray(stopping_bounds(fractions, boundary=LanDeMets()).efficacy)
        z = walks(rng, fractions, runs, drift)
        inside = {0.05: 0}
        rejected = 0
        for path in z:
            stop = int(np.argmax(np.abs(path) >= limits)) if (np.abs(path) >= limits).any() else 2
            error = 1.0 / np.sqrt(fractions[: stop + 1])
            estimate = Estimate(value=path[: stop + 1] * error, standard_error=error)
            watched = monitor_looks(design, estimate, fractions=fractions[: stop + 1])
            found = stagewise_estimate(watched, confidence=0.95)
            inside[0.05] += found.lower - 1e-9 <= drift <= found.upper + 1e-9
            rejected += found.p_value <= 0.05
        covered = {alpha: count / runs for alpha, count in inside.items()}
        return Figures({0.05: rejected / runs} if drift == 0 else {}, covered, runs)

    return measure


def growing(rng: np.random.Generator, looks: int, skewed: bool = False) -> Estimate:
    """Return an estimate at each look of 20,000 growing samples."""
    parts = [_growing(rng, 2000, looks, skewed) for _ in range(RUNS // 2000)]
    names = ("value", "standard_error", "baseline", "baseline_error", "covariance", "n_treatment", "n_control")
    return Estimate(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _growing(rng: np.random.Generator, runs: int, looks: int, skewed: bool) -> Estimate:
    """Return an estimate at each look of a growing sample, 100 + 100 units a look, with standard errors from the data."""
    shape = (runs, looks, 100)
    sums = []
    for _ in range(2):
        rows = rng.exponential(1.0, shape) if skewed else rng.normal(1.0, 1.0, shape)
        sums.append((np.cumsum(rows.sum(axis=2), axis=1), np.cumsum(np.square(rows).sum(axis=2), axis=1)))
    n = 100.0 * np.arange(1, looks + 1)
    (mean_t, var_t), (mean_c, var_c) = [(a / n, (b - a * a / n) / (n - 1.0)) for a, b in sums]
    units = np.broadcast_to(n, mean_t.shape)
    return Estimate(
        value=mean_t - mean_c,
        standard_error=np.sqrt((var_t + var_c) / n),
        baseline=mean_c,
        baseline_error=np.sqrt(var_c / n),
        covariance=-var_c / n,
        n_treatment=units,
        n_control=units,
    )


def any_look(mixture: Any, looks: int = 60, *, skewed: bool = False, alternative: str = "two-sided") -> Any:
    """Measure how often an always-valid p-value ever falls to the level, or the sequence ever leaves out the truth."""

    def measure(rng: np.random.Generator) -> Figures:
        estimate = growing(rng, looks, skewed)
        rejected, covered = {}, {}
        for alpha in NOMINAL:
            sequence = confidence_sequence(estimate, bound=mixture, confidence=1.0 - alpha, alternative=alternative)
            covered[alpha] = _always(sequence, 0.0)
            if not isinstance(mixture, StitchedBound):
                p = always_valid_test(estimate, mixture=mixture, alpha=alpha, alternative=alternative).p_value
                rejected[alpha] = float((np.asarray(p) <= alpha).any(axis=1).mean())
        return Figures(rejected, covered)

    return measure


def _always(sequence: Any, truth: float) -> float:
    inside = (np.asarray(sequence.lower) <= truth) & (np.asarray(sequence.upper) >= truth)
    return float(inside.all(axis=1).mean())


def any_lift(rng: np.random.Generator) -> Figures:
    estimate = growing(rng, 40)
    covered = {
        alpha: _always(
            lift_confidence_sequence(estimate, bound=PlannedMixture(units=4000), confidence=1.0 - alpha), 0.0
        )
        for alpha in NOMINAL
    }
    return Figures({}, covered)


def any_proportion(rng: np.random.Generator) -> Figures:
    """Look after each of 400 trials; equal counts have one interval, so each is made once."""
    runs, trials = RUNS, np.arange(1, 401)
    k = np.cumsum(rng.random((runs, trials.size)) < 0.1, axis=1)
    code, place = np.unique(k * 1000 + trials, return_inverse=True)
    covered = {}
    for alpha in NOMINAL:
        found = bernoulli_confidence_sequence(
            code // 1000, trials=code % 1000, planned_trials=200, confidence=1.0 - alpha
        )
        inside = (np.asarray(found.lower) <= 0.1) & (np.asarray(found.upper) >= 0.1)
        covered[alpha] = float(inside[place.reshape(k.shape)].all(axis=1).mean())
    return Figures({}, covered)


def joint_looks(rng: np.random.Generator, looks: int) -> Estimate:
    """Return a post-stratified ratio with CUPED at each look of one growing experiment without an effect, 400 users a look."""
    n = 400 * looks
    stratum, arm = rng.choice(2, n, p=[0.6, 0.4]), rng.random(n) < 0.5
    sessions = 1.0 + rng.poisson(1.0, n)
    before = rng.normal(0.0, 1.0, n)
    spend = sessions * (2.0 + 1.5 * stratum + 0.5 * before + rng.normal(0.0, 1.0, n))
    rows = np.column_stack([spend, sessions, before])
    total, found = None, []
    for look in range(looks):
        now = slice(400 * look, 400 * (look + 1))
        parts = [[rows[now][(stratum[now] == s) & (arm[now] == a)] for a in (False, True)] for s in range(2)]
        new = MomentsByStratum(
            strata=["new", "old"], moments=tuple(_pair(part, ("spend", "sessions", "before")) for part in parts)
        )
        total = new if total is None else total + new
        found.append(poststratified_difference(total, treatment="t", control="c", metric=SPEND, adjust=("before",)))
    return stack(found)


def joint_group_sequential(rng: np.random.Generator) -> Figures:
    runs, fractions = RUNS, np.array([0.25, 0.5, 0.75, 1.0])
    designs = {alpha: group_sequential_design(fractions, boundary=LanDeMets(), alpha=alpha) for alpha in NOMINAL}
    limits = {
        alpha: np.asarray(stopping_bounds(fractions, boundary=LanDeMets(), alpha=alpha).efficacy) for alpha in NOMINAL
    }
    stopped = dict.fromkeys(NOMINAL, 0)
    for run in range(runs):
        estimate = joint_looks(rng, 4)
        z = np.abs(np.asarray(estimate.value) / estimate.standard_error)
        for alpha in NOMINAL:
            crossed = bool((z >= limits[alpha]).any())
            stopped[alpha] += crossed
            if run < 20:
                watched = monitor_looks(designs[alpha], estimate, fractions=fractions)
                assert (watched.verdict == "efficacy") == crossed
    return Figures({alpha: count / runs for alpha, count in stopped.items()}, {}, runs)


def joint_always_valid(rng: np.random.Generator) -> Figures:
    runs = RUNS
    looks = [joint_looks(rng, 5) for _ in range(runs)]
    names = ("value", "standard_error", "n_treatment", "n_control")
    estimate = Estimate(**{name: np.array([getattr(one, name) for one in looks]) for name in names})
    rejected, covered = {}, {}
    for alpha in NOMINAL:
        mixture = PlannedMixture(units=1200)
        p = always_valid_test(estimate, mixture=mixture, alpha=alpha).p_value
        rejected[alpha] = float((np.asarray(p) <= alpha).any(axis=1).mean())
        covered[alpha] = _always(confidence_sequence(estimate, bound=mixture, confidence=1.0 - alpha), 0.0)
    return Figures(rejected, covered, runs)


def any_split(rng: np.random.Generator) -> Figures:
    counts = np.cumsum(rng.multinomial(200, [0.5, 0.3, 0.2], size=(4000, 30)), axis=1)
    rejected = {
        alpha: float(
            np.mean(
                [
                    np.asarray(sequential_sample_ratio_mismatch(run, ratios=[5.0, 3.0, 2.0]).p_value).min() <= alpha
                    for run in counts
                ]
            )
        )
        for alpha in NOMINAL
    }
    return Figures(rejected, {}, 4000)


def two_streams(rng: np.random.Generator) -> Figures:
    """Look after each of 100 blocks of 5 and 8 trials."""
    counts = [np.cumsum(rng.binomial(n, 0.1, (RUNS, 100)), axis=1) for n in (5, 8)]
    p = two_sample_bernoulli_test(
        counts[0],
        treatment_trials=5 * np.arange(1, 101),
        control_successes=counts[1],
        control_trials=8 * np.arange(1, 101),
        running=True,
    ).p_value[:, -1]
    return Figures(rejections(p))


def bounded_mean(rng: np.random.Generator) -> Figures:
    """Look after each of 300 values: the sequence leaves the mean out just when the bets against it reach the level."""
    found = {}
    for alpha in NOMINAL:
        p = [
            betting_test(
                rng.beta(1.0, 9.0, 300),
                mean=0.1,
                least=0.0,
                most=1.0,
                looks=np.arange(1, 301),
                alpha=alpha,
                running=True,
            ).p_value[-1]
            for _ in range(4000)
        ]
        found[alpha] = float(np.mean(np.array(p) <= alpha))
    return Figures(found, {alpha: 1.0 - share for alpha, share in found.items()}, 4000)


EQUAL = np.arange(1, 6) / 5.0
JOINT = "post-stratified ratio with CUPED"
CASES = [
    *(
        Case(f"group-sequential, {type(one).__name__}", "5 equal looks", bounds(one, EQUAL), True)
        for one in (ObrienFleming(), Pocock(), WangTsiatis(exponent=0.25), LanDeMets(), HwangShihDeCani(gamma=-4.0), PowerSpending(exponent=2.0))
    ),
    Case("group-sequential, LanDeMets", "5 uneven looks", bounds(LanDeMets(), UNEVEN), True),
    Case("group-sequential, LanDeMets, one-sided", "5 uneven looks", bounds(LanDeMets(), UNEVEN, "one-sided"), True),
    Case("group-sequential, LanDeMets", "100 looks", bounds(LanDeMets(), np.arange(1, 101) / 100.0), True),
    Case("stage-wise p-value and interval", "3 looks, no effect", stagewise(0.0), slow=True),
    Case("stage-wise interval", "3 looks, drift 2", stagewise(2.0), slow=True),
    Case("always valid, planned mixture", "normal, 60 looks", any_look(PlannedMixture(units=4000)), slow=True),
    Case("always valid, planned mixture, one-sided", "normal, 60 looks", any_look(PlannedMixture(units=4000), alternative="greater"), slow=True),
    Case("always valid, planned mixture", "exponential, 60 looks", any_look(PlannedMixture(units=4000), skewed=True), slow=True),
    Case("always valid, mixture over effects (mSPRT)", "normal, 60 looks", any_look(EffectMixture(sd=0.1)), slow=True),
    Case("always valid, stitched bound", "normal, 60 looks", any_look(StitchedBound(least_units=200))),
    Case("always valid lift, Fieller", "normal, 40 looks", any_lift, slow=True),
    Case("always valid proportion", "p 0.1, after each of 400 trials", any_proportion, slow=True),
    Case("always valid, two Bernoulli streams", "p 0.1, 100 blocks of 5 + 8", two_streams),
    Case("always valid mean by betting", "beta(1, 9), after each of 300 values", bounded_mean, slow=True),
    Case("always valid sample ratio", "3 arms, 30 looks", any_split, slow=True),
    Case(f"group-sequential, {JOINT}", "4 looks of 400 users, 2 strata", joint_group_sequential, slow=True),
    Case(f"always valid, {JOINT}", "5 looks of 400 users, 2 strata", joint_always_valid, slow=True),
]  # fmt: skip
