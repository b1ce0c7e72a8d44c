"""An exact test of two proportions that may be looked at any time: e-values of blocks of Bernoulli trials."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import numpy as np

from ecomops.core import Array, Flag, Floats, InputError, PositiveReal, validated
from ecomops.experiments.sequential.always_valid import AlwaysValidTest
from ecomops.stats.estimate import Alternative

CumulativeCounts: TypeAlias = Annotated[Array | Any, Floats(core=1, ge=0, whole=True)]
FIRST = "the first block only sets the estimates that later ones bet on"
ALIKE = "no estimates to bet on yet"


@validated
def two_sample_bernoulli_test(
    treatment_successes: CumulativeCounts,
    *,
    treatment_trials: CumulativeCounts,
    control_successes: CumulativeCounts,
    control_trials: CumulativeCounts,
    alternative: Alternative = "two-sided",
    prior: PositiveReal = 0.18,
    running: Flag = False,
) -> AlwaysValidTest:
    """Test two proportions at any look, exactly: e-value and always-valid p-value from cumulative counts.

    Parameters
    ----------
    treatment_successes, control_successes : array, shape (..., k)
        Whole numbers of successes up to each of k looks, in order of time.
    treatment_trials, control_trials : array, shape (..., k)
        Whole numbers of trials up to each look.
    alternative : {"two-sided", "greater", "less"}
        What is to be shown; one-sided, the null hypothesis is that the treatment is no better (or no worse).
    prior : float
        Successes and failures, each, that each arm starts from: the estimates are means of beta laws.
    running : bool
        Whether each p-value is that of the largest e-value so far.

    Returns
    -------
    AlwaysValidTest
        In the shape of the counts. The e-value of a look is that of all blocks up to it.

    Raises
    ------
    InputError
        When counts fall from one look to the next, or a block has more successes than trials.

    Notes
    -----
    What happened between two looks is a block of n_t + n_c trials. With p_t and p_c the estimates before it, and
    p = (n_t p_t + n_c p_c) / n, its e-value is the likelihood of its outcomes at (p_t, p_c) over that at (p, p). Its mean is at
    most 1 whatever the common proportion is, in samples of any size, so their product is an e-value at every look. How many
    trials a block has may depend on the past and on traffic, not on its own outcomes. The more looks, the fresher the
    estimates: a single look at the end has no evidence, as the first block bets on equal proportions.

    References
    ----------
    .. [1] Turner, Ly & Grunwald (2024), Generic E-variables for exact sequential k-sample tests that allow for optional
       stopping, Journal of Statistical Planning and Inference 230, theorem 1 and section 3.
    .. [2] Ramdas, Grunwald, Vovk & Shafer (2023), Game-theoretic statistics and safe anytime-valid inference, Statistical
       Science 38(4), 576-601.

    Examples
    --------
    >>> from ecomops.experiments import two_sample_bernoulli_test
    >>> found = two_sample_bernoulli_test(
    ...     [30, 62, 95, 128],
    ...     treatment_trials=[100, 200, 300, 400],
    ...     control_successes=[18, 35, 55, 72],
    ...     control_trials=[100, 200, 300, 400],
    ... )
    >>> [round(value, 2) for value in found.e_value.tolist()]
    [1.0, 19.27, 166.59, 4782.45]
    """
    looks = [part.shape[-1] for part in (treatment_successes, treatment_trials, control_successes, control_trials)]
    if len(set(looks)) > 1:
        raise InputError(f"counts must be lists of one number of looks, got {', '.join(map(str, looks))}")
    counts = np.broadcast_arrays(treatment_successes, treatment_trials, control_successes, control_trials)
    blocks = [np.diff(part, prepend=0.0, axis=-1) for part in counts]
    _refuse_blocks(blocks)
    log_e, reason = log_block_e_values(counts, blocks, alternative, prior)
    log_e = np.cumsum(log_e, axis=-1)
    best = np.maximum.accumulate(log_e, axis=-1) if running else log_e
    log_p = np.minimum(-best, 0.0)
    with np.errstate(over="ignore", under="ignore"):
        e_value, p_value = np.exp(log_e), np.exp(log_p)
    return AlwaysValidTest(
        log_e_value=log_e,
        e_value=e_value,
        p_value=p_value,
        log_p_value=log_p,
        method=f"{alternative} e-value of two Bernoulli streams, exact",
        note=np.full(log_e.shape, "", dtype=object),
        reason=reason,
    )


def log_block_e_values(counts: Any, blocks: Any, alternative: str, prior: float) -> tuple[Array, Array]:
    """Return the log of the e-value of each block, and why the first ones have none."""
    (x_t, n_t, x_c, n_c) = blocks
    before = [part - block for part, block in zip(counts, blocks, strict=True)]
    p_t = (before[0] + prior) / (before[1] + 2.0 * prior)
    p_c = (before[2] + prior) / (before[3] + 2.0 * prior)
    sign = {"two-sided": 0.0, "greater": 1.0, "less": -1.0}[alternative]
    total = n_t + n_c
    share = n_t / np.maximum(total, 1.0)
    null = share * p_t + (1.0 - share) * p_c
    # One-sided, estimates on the wrong side bet on nothing: both are the null's.
    bets = (total > 0) & ((p_t - p_c) * sign >= 0.0)
    gain = [
        successes * np.log(p / null) + (trials - successes) * np.log((1.0 - p) / (1.0 - null))
        for successes, trials, p in ((x_t, n_t, p_t), (x_c, n_c, p_c))
    ]
    seen = before[1] + before[3]
    reason = np.where(seen + total == 0, ALIKE, np.where(seen == 0, FIRST, "")).astype(object)
    return np.where(bets, gain[0] + gain[1], 0.0), reason


def _refuse_blocks(blocks: Any) -> None:
    """Refuse counts that fall, or successes without trials, with the first such look."""
    names = ("treatment_successes", "treatment_trials", "control_successes", "control_trials")
    for name, block in zip(names, blocks, strict=True):
        if np.any(block < 0):
            raise InputError(f"{name} must be cumulative counts that never fall, got a fall{_at(block < 0)}")
    for arm, successes, trials in (("treatment", blocks[0], blocks[1]), ("control", blocks[2], blocks[3])):
        bad = successes > trials
        if np.any(bad):
            place = np.unravel_index(int(bad.argmax()), bad.shape)
            raise InputError(
                f"{arm}_successes must grow by at most {arm}_trials, got {successes[place]:g} of {trials[place]:g}{_at(bad)}"
            )


def _at(bad: Any) -> str:
    place = np.unravel_index(int(bad.argmax()), bad.shape)
    return f" at index {int(place[0]) if len(place) == 1 else tuple(map(int, place))}"
