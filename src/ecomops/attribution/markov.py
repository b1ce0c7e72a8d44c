"""Exact removal effects in the Markov chain of the paths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Self

import numpy as np
from pydantic import model_validator

from ecomops.attribution.paths import PathTable, check_channels
from ecomops.core import Array, Floats, FractionReal, InputError, Labels, Model, Real, Text, Vector, check, validated

Counts = Annotated[Array | Any, Floats(core=1, ge=0)]

NOTHING = 1e-12
"""What is left of a sum whose parts cancel, as a share of their sizes."""
ELEMENTS = 2**17
"""How many numbers of a table paths x channels are held at a time."""


class TransitionCounts(Model):
    """How often each channel followed each other, started a path, and ended it: all that the chain needs.

    ``a + b`` adds days or shards. SQL users count the same numbers with one ``LEAD`` and one ``GROUP BY``.

    Examples
    --------
    >>> from ecomops.attribution import PathTable
    >>> table = PathTable.from_strings(["a > b", "a > c"], conversions=[3, 1], nulls=[1, 1])
    >>> TransitionCounts.from_paths(table).converted.tolist()
    [0.0, 3.0, 1.0]
    """

    __labelled__ = False

    channels: Labels
    """Names of the channels, all different, shape (K,)."""
    starts: Counts
    """Paths that start with each channel, shape (K,)."""
    moves: Annotated[Array | Any, Floats(core=2, ge=0)]
    """Times that the column channel followed the row channel, shape (K, K)."""
    converted: Counts
    """Conversions right after each channel, shape (K,)."""
    nulls: Counts
    """Paths that ended at each channel without a conversion, shape (K,)."""
    value: Vector
    """Value of the conversions right after each channel, money, shape (K,)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_channels(self.channels)
        size = self.channels.size
        shapes = (self.starts.shape, self.converted.shape, self.nulls.shape, self.value.shape)
        check(
            shapes == ((size,),) * 4,
            f"starts, converted, nulls and value must have {size} channels, got shapes {shapes}",
        )
        check(self.moves.shape == (size, size), f"moves must be {size} x {size}, got shape {self.moves.shape}")
        return self

    @classmethod
    @validated
    def from_paths(cls, paths: PathTable) -> TransitionCounts:
        """Count the transitions of paths; each conversion and each null walks its path once.

        Parameters
        ----------
        paths : PathTable
            The paths.

        Returns
        -------
        TransitionCounts
            The counts.

        Raises
        ------
        InputError
            When conversions are negative (net returns against their paths first).

        Examples
        --------
        >>> from ecomops.attribution import PathTable
        >>> TransitionCounts.from_paths(PathTable.from_strings(["a > b"], conversions=[3], nulls=[1])).moves.tolist()
        [[0.0, 4.0], [0.0, 0.0]]
        """
        if np.any(paths.conversions < 0):
            raise InputError(
                f"paths.conversions must be >= 0 for a chain, got {float(paths.conversions.min())}; net returns first"
            )
        size, codes = paths.channels.size, paths.codes.astype(np.intp)
        weight = np.repeat(paths.conversions + paths.nulls, paths.lengths)
        first, last = paths.offsets[:-1].astype(np.intp), paths.offsets[1:].astype(np.intp) - 1
        inner = np.ones(codes.size, dtype=bool)
        inner[last] = False
        place = np.flatnonzero(inner)
        pairs = codes[place] * size + codes[place + 1]
        return cls(
            channels=paths.channels,
            starts=np.bincount(codes[first], weights=weight[first], minlength=size),
            moves=np.bincount(pairs, weights=weight[place], minlength=size * size).reshape(size, size),
            converted=np.bincount(codes[last], weights=paths.conversions, minlength=size),
            nulls=np.bincount(codes[last], weights=paths.nulls, minlength=size),
            value=np.bincount(codes[last], weights=paths.value, minlength=size),
        )

    def __add__(self, other: TransitionCounts) -> TransitionCounts:
        """Add the counts of another part."""
        if not isinstance(other, TransitionCounts):
            return NotImplemented
        channels = np.array(sorted({*self.channels.tolist(), *other.channels.tolist()}), dtype=object)
        size = channels.size
        sums: dict[str, Any] = {name: np.zeros(size) for name in ("starts", "converted", "nulls", "value")}
        moves = np.zeros((size, size))
        for part in (self, other):
            place = np.searchsorted(channels, part.channels)
            for name, total in sums.items():
                total[place] += getattr(part, name)
            moves[np.ix_(place, place)] += part.moves
        return TransitionCounts(channels=channels, moves=moves, **sums)


class RemovalEffects(Model):
    """What is lost when a channel leads to nothing, exactly, and the credit that follows.

    Examples
    --------
    >>> from ecomops.attribution import PathTable, removal_effects
    >>> table = PathTable.from_strings(["C1 > C2 > C3", "C1", "C2 > C3"], conversions=[1, 0, 0], nulls=[0, 1, 1])
    >>> removal_effects(table).effect.tolist()
    [0.5, 1.0, 1.0]
    """

    __labelled__ = False

    channel: Labels
    """Channels, shape (K,)."""
    effect: Annotated[Array | Any, Floats(core=1, ge=0, le=1)]
    """Share of conversions lost without the channel, shape (K,)."""
    effect_error: Counts
    """Standard error of ``effect``, shape (K,)."""
    share: Annotated[Array | Any, Floats(core=1, ge=0, le=1)]
    """Effect over the sum of effects, shape (K,)."""
    conversions: Vector
    """Credit: share times all conversions, shape (K,)."""
    conversions_error: Counts
    """Standard error of ``conversions`` with the total itself random, shape (K,)."""
    value_effect: Vector
    """Share of value lost without the channel, shape (K,); 0 where the paths carry no value, or returns cancel it."""
    value: Vector
    """Credit of value: share of the value effects times all value, money, shape (K,); 0 where these effects cancel."""
    p_convert: FractionReal
    """Probability that a path converts."""
    total_conversions: Real
    """All conversions."""
    total_value: Real
    """All value, money."""
    method: Text
    """How the effects were found, and what they rest on."""


@validated
def removal_effects(paths: PathTable | TransitionCounts) -> RemovalEffects:
    """Return the exact removal effects of the first-order Markov chain, with standard errors.

    Parameters
    ----------
    paths : PathTable or TransitionCounts
        Paths, or the counts made from them. With counts alone the standard errors trust the chain, in which a step does
        not depend on those before it; with paths they are exact to first order whatever the paths are.

    Returns
    -------
    RemovalEffects
        Effects, shares, credits and their standard errors by channel.

    Raises
    ------
    InputError
        When nothing converts, no path begins, or paths that have reached a channel never end.

    Notes
    -----
    With Q the moves between channels, N = (I - Q)^{-1}, u = s N the expected visits, h = N r the chance to convert from
    a channel and P = s h, the removal effect of channel c is u_c h_c / (N_cc P): all channels from one inverse. It is the
    share of the chain's converting walks that visit the channel. Without null paths every walk converts, so that an
    effect says only how often the chain visits the channel.

    References
    ----------
    .. [1] Anderl, Becker, von Wangenheim & Schumann (2016), Mapping the customer journey, IJRM 33(3), 457-474.
    .. [2] Kemeny & Snell (1960), Finite Markov Chains, ch. 3.

    Examples
    --------
    >>> from ecomops.attribution import PathTable, removal_effects
    >>> table = PathTable.from_strings(["C1 > C2 > C3", "C1", "C2 > C3"], conversions=[1, 0, 0], nulls=[0, 1, 1])
    >>> removal_effects(table).share.tolist()
    [0.2, 0.4, 0.4]
    """
    counts = paths if isinstance(paths, TransitionCounts) else TransitionCounts.from_paths(paths)
    chain = _chain(counts)
    total = float(counts.converted.sum())
    if total <= 0 or chain["p"] <= 0:
        raise InputError("paths must hold at least one conversion, got none")
    effect = np.clip(_effects(chain, chain["h"], chain["p"]), 0.0, 1.0)
    share = effect / effect.sum()
    value_effect, value = _value(counts, chain)
    errors = _errors(paths, counts, chain, effect)
    note = (
        ""
        if counts.nulls.sum() > 0
        else "; no null paths, so an effect says only how often the chain visits the channel"
    )
    return RemovalEffects(
        channel=counts.channels,
        effect=effect,
        effect_error=errors[0],
        share=share,
        conversions=share * total,
        conversions_error=errors[1],
        value_effect=value_effect,
        value=value,
        p_convert=min(chain["p"], 1.0),
        total_conversions=total,
        total_value=float(counts.value.sum()),
        method=f"exact, first-order Markov chain{note}",
    )


def _chain(counts: TransitionCounts) -> dict[str, Any]:
    """Return the chain of the counts and its fundamental matrix."""
    leaving = counts.moves.sum(axis=1) + counts.converted + counts.nulls
    visited = counts.starts + counts.moves.sum(axis=0)
    # Rounding may hide that I - Q is singular, so ask the counts themselves.
    trapped = (visited > 0) & ~_ending(counts)
    if trapped.any():
        raise InputError(
            f"no path ever ends once it has reached channel {counts.channels[int(np.argmax(trapped))]!r}; count its exits too"
        )
    safe = np.where(leaving > 0, leaving, 1.0)
    q = counts.moves / safe[:, None]
    begun = counts.starts.sum()
    if begun <= 0:
        raise InputError("starts must have a positive sum: no path begins anywhere")
    start = counts.starts / begun
    try:
        fundamental = np.linalg.inv(np.eye(start.size) - q)
    except np.linalg.LinAlgError:
        raise InputError("moves must not outweigh the exits by more than 1e15: paths would hardly ever end") from None
    h = fundamental @ (counts.converted / safe)
    return {
        "start": start,
        "begun": begun,
        "n": fundamental,
        "u": start @ fundamental,
        "h": h,
        "p": float(start @ h),
        "safe": safe,
    }


def _ending(counts: TransitionCounts) -> Any:
    """Tell from which channels some path ends: backwards from the exits, one step a round."""
    ends = counts.converted + counts.nulls > 0
    fresh = ends
    while fresh.any():
        fresh = (counts.moves[:, fresh] > 0).any(axis=1) & ~ends
        ends = ends | fresh
    return ends


def _effects(chain: dict[str, Any], h: Any, p: float) -> Any:
    return chain["u"] * h / (np.diagonal(chain["n"]) * p)


def _value(counts: TransitionCounts, chain: dict[str, Any]) -> tuple[Any, Any]:
    """Return effects and credit on value: the exit to a conversion pays its mean value."""
    zeros = np.zeros(counts.channels.size)
    paid = counts.value / chain["safe"]
    h = chain["n"] @ paid
    expected = float(chain["start"] @ h)
    if abs(expected) <= NOTHING * float(chain["u"] @ np.abs(paid)):
        return zeros, zeros
    effect = _effects(chain, h, expected)
    summed = float(effect.sum())
    if abs(summed) <= NOTHING * float(np.abs(effect).sum()):
        return effect, zeros
    return effect, effect / summed * float(counts.value.sum())


def _errors(
    paths: PathTable | TransitionCounts, counts: TransitionCounts, chain: dict[str, Any], effect: Any
) -> tuple[Any, Any]:
    """Return delta-method standard errors of the effects and of the credited conversions.

    An effect is a smooth function of additive counts, so its variance is the sum over paths of the squared influence of
    one path; the total of conversions is one of the counts.
    """
    steps = _Steps(chain, effect)
    parts = steps.each(counts) if isinstance(paths, TransitionCounts) else steps.along(paths)
    total, summed = float(counts.converted.sum()), effect.sum()
    share = effect / summed
    of_effect, of_credit = np.zeros(effect.size), np.zeros(effect.size)
    for weights, lost, bought in parts:
        of_effect += weights @ np.square(lost)
        rest = bought - lost.sum(axis=1) * (total / summed)
        of_credit += weights @ np.square(lost * (total / summed) + rest[:, None] * share)
    return np.sqrt(of_effect), np.sqrt(of_credit)


class _Steps:
    """What one more start or step does to effect_c, last axis c.

    A step from i adds one to its row of counts: dq_ij = (1[j] - q_ij) / leaving_i. With the conversion as state K, the null
    exit as state K + 1 and h = 1, 0 there, a step to j does ``a_i ahead_j + back_i * between_j + mean_i``.
    """

    def __init__(self, chain: dict[str, Any], effect: Any) -> None:
        n, u, h, p, leaving = chain["n"], chain["u"], chain["h"], chain["p"], chain["safe"][:, None]
        # Where u or h is 0, so is the effect.
        safe_u, safe_h = np.where(u > 0, u, 1.0), np.where(h > 0, h, 1.0)
        visits, unit = np.vstack([n, np.zeros((2, u.size))]), np.eye(u.size)
        # What a state is worth: the chance to convert from it.
        self.worth = np.append(h, [1.0, 0.0])
        self.begun = chain["begun"]
        self.a = u[:, None] / leaving
        self.back = n.T / leaving
        self.ahead = (visits / safe_u - self.worth[:, None] / p) * effect
        self.between = (self.worth[:, None] / safe_h - visits / np.diagonal(n)) * effect
        # The average over the row, closed by Q N = N - I and Q h + r = h.
        ahead, between = self.ahead[:-2] - unit / safe_u * effect, self.between[:-2] + unit / np.diagonal(n) * effect
        self.mean = -(self.a * ahead + self.back * between)

    def step(self, here: Any, there: Any) -> Any:
        """Return the influence of one more step."""
        moved = self.back[here]
        moved *= self.between[there]
        moved += self.a[here] * self.ahead[there]
        moved += self.mean[here]
        return moved

    def along(self, paths: PathTable) -> Iterator[tuple[Any, Any, Any]]:
        """Yield weights, influence and conversions of paths that end in a conversion, and of those that do not."""
        size = self.a.size
        codes, bounds = paths.codes.astype(np.intp), paths.offsets.astype(np.intp)
        there = np.append(codes[1:], size + 1)
        there[bounds[1:] - 1] = size + 1
        rows = max(ELEMENTS // size, 1)
        cuts = np.unique(np.searchsorted(bounds, np.append(np.arange(0, codes.size, rows), codes.size)))
        for low, high in zip(cuts[:-1], cuts[1:], strict=True):
            part = slice(bounds[low], bounds[high])
            null = np.add.reduceat(self.step(codes[part], there[part]), bounds[low:high] - bounds[low])
            null += self.ahead[codes[bounds[low:high]]] / self.begun
            yield paths.nulls[low:high], null, np.zeros(high - low)
            sold = low + np.flatnonzero(paths.conversions[low:high])
            last = codes[bounds[sold + 1] - 1]
            bought = null[sold - low] + self.step(last, size) - self.step(last, size + 1)
            yield paths.conversions[sold], bought, np.ones(sold.size)

    def each(self, counts: TransitionCounts) -> Iterator[tuple[Any, Any, Any]]:
        """Yield the same of single starts and steps, each of which moves the chance that its path converts."""
        size = self.a.size
        yield counts.starts, self.ahead[:-2] / self.begun, self.worth[:-2]
        counted = np.column_stack([counts.moves, counts.converted, counts.nulls])
        for here in range(size):
            there = np.flatnonzero(counted[here])
            step = self.step(np.full(there.size, here), there)
            yield counted[here, there], step, self.worth[there] - self.worth[here]
