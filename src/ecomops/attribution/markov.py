"""Exact removal effects in the Markov chain of the paths."""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np
from pydantic import model_validator

from ecomops.attribution.paths import PathTable
from ecomops.core import Array, Floats, FractionReal, InputError, Labels, Model, Real, Text, Vector, check, validated

Counts = Annotated[Array | Any, Floats(core=1, ge=0)]


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

    channels: Labels
    """Names of the channels, shape (K,)."""
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
    """Share of value lost without the channel, shape (K,); 0 where the paths carry no value."""
    value: Vector
    """Credit of value: share of the value effects times all value, money, shape (K,)."""
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
        Paths, or the counts made from them. With counts alone the standard errors take each path's transitions as
        independent; with paths they are exact to first order.

    Returns
    -------
    RemovalEffects
        Effects, shares, credits and their standard errors by channel.

    Raises
    ------
    InputError
        When nothing converts, or a channel of the counts leads nowhere.

    Notes
    -----
    With Q the moves between channels, N = (I - Q)^{-1}, u = s N the expected visits, h = N r the chance to convert from
    a channel and P = s h, the removal effect of channel c is u_c h_c / (N_cc P): all channels from one inverse. Without
    null paths P is 1 and an effect is only the share of converting paths that visit the channel.

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
        else "; no null paths, so an effect is the share of converting paths that visit the channel"
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
    stuck = (visited > 0) & (leaving <= 0)
    if stuck.any():
        raise InputError(
            f"channel {counts.channels[int(np.argmax(stuck))]!r} is reached but never left; count its exits too"
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
        raise InputError("moves hold channels from which no path ever ends; count their exits too") from None
    convert = counts.converted / safe
    h = fundamental @ convert
    return {
        "q": q,
        "start": start,
        "begun": begun,
        "n": fundamental,
        "u": start @ fundamental,
        "h": h,
        "p": float(start @ h),
        "safe": safe,
        "r": convert,
    }


def _effects(chain: dict[str, Any], h: Any, p: float) -> Any:
    return chain["u"] * h / (np.diagonal(chain["n"]) * p)


def _value(counts: TransitionCounts, chain: dict[str, Any]) -> tuple[Any, Any]:
    """Return effects and credit on value: the exit to a conversion pays its mean value."""
    zeros = np.zeros(counts.channels.size)
    total = float(counts.value.sum())
    h = chain["n"] @ (counts.value / chain["safe"])
    expected = float(chain["start"] @ h)
    if not np.any(counts.value) or abs(expected) < 1e-300:
        return zeros, zeros
    effect = _effects(chain, h, expected)
    summed = effect.sum()
    return effect, effect / summed * total if summed else zeros


def _errors(
    paths: PathTable | TransitionCounts, counts: TransitionCounts, chain: dict[str, Any], effect: Any
) -> tuple[Any, Any]:
    """Return delta-method standard errors of the effects and of the credited conversions.

    An effect is a smooth function of additive counts, so its variance is the sum over paths of the squared influence of
    one path; the total of conversions is one of the counts.
    """
    size = counts.channels.size
    log_start, log_move, log_exit, log_null = _influence(chain)
    total = float(counts.converted.sum())
    if isinstance(paths, TransitionCounts):
        weights, parts = _independent(counts, log_start, log_move, log_exit, log_null)
    else:
        weights, parts = _by_path(paths, size, log_start, log_move, log_exit, log_null)
    influence, bought = parts
    effect_influence = influence * effect
    effect_variance = weights @ np.square(effect_influence)
    share = effect / effect.sum()
    share_influence = (effect_influence - share * effect_influence.sum(axis=1, keepdims=True)) / effect.sum()
    credit_influence = share_influence * total + bought[:, None] * share
    return np.sqrt(effect_variance), np.sqrt(weights @ np.square(credit_influence))


def _influence(chain: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    """Return d ln(effect_c) by one more start, move, conversion exit and null exit, last axis c."""
    n, u, h, p, start = chain["n"], chain["u"], chain["h"], chain["p"], chain["start"]
    diagonal = np.diagonal(n)
    safe_u, safe_h = np.where(u > 0, u, 1.0), np.where(h > 0, h, 1.0)
    seen = (u > 0) & (h > 0)
    # By the probabilities themselves: s_j, q_ij and r_i.
    by_start = n / safe_u[None, :] - (h / p)[:, None]
    by_move = (
        u[:, None, None] * n[None, :, :] / safe_u
        + n.T[:, None, :] * h[None, :, None] / safe_h
        - n.T[:, None, :] * n[None, :, :] / diagonal
        - (u[:, None] * h[None, :] / p)[:, :, None]
    )
    by_exit = n.T / safe_h - (u / p)[:, None]
    # One more count in a row moves every probability of the row: dq_ij = (1[j] - q_ij) / leaving_i.
    mean_move = np.einsum("ij,ijc->ic", chain["q"], by_move) + chain["r"][:, None] * by_exit
    leaving = chain["safe"]
    move = (by_move - mean_move[:, None, :]) / leaving[:, None, None]
    out = (by_exit - mean_move) / leaving[:, None]
    null = -mean_move / leaving[:, None]
    begin = (by_start - (start @ by_start)[None, :]) / chain["begun"]
    return begin * seen, move * seen, out * seen, null * seen


def _by_path(paths: PathTable, size: int, begin: Any, move: Any, out: Any, null: Any) -> tuple[Any, tuple[Any, Any]]:
    """Add the influence of every count that a path makes; converting and null paths apart."""
    codes = paths.codes.astype(np.intp)
    first, last = paths.offsets[:-1].astype(np.intp), paths.offsets[1:].astype(np.intp) - 1
    inner = np.ones(codes.size, dtype=bool)
    inner[last] = False
    place = np.flatnonzero(inner)
    path = np.repeat(np.arange(first.size), paths.lengths)[place]
    walked = begin[codes[first]].copy()
    flat = move.reshape(size * size, size)
    pair = codes[place] * size + codes[place + 1]
    for channel in range(size):
        walked[:, channel] += np.bincount(path, weights=flat[pair, channel], minlength=first.size)
    influence = np.concatenate([walked + out[codes[last]], walked + null[codes[last]]])
    bought = np.concatenate([np.ones(first.size), np.zeros(first.size)])
    return np.concatenate([paths.conversions, paths.nulls]), (influence, bought)


def _independent(counts: TransitionCounts, begin: Any, move: Any, out: Any, null: Any) -> tuple[Any, tuple[Any, Any]]:
    size = counts.channels.size
    weights = np.concatenate([counts.starts, counts.moves.ravel(), counts.converted, counts.nulls])
    influence = np.concatenate([begin, move.reshape(size * size, size), out, null])
    bought = np.concatenate([np.zeros(size + size * size), np.ones(size), np.zeros(size)])
    return weights, (influence, bought)
