"""Credit by rule: one kernel of weights over the touches of a path."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ecomops.attribution.paths import PathTable
from ecomops.core import Duration, FractionReal, InputError, Labels, Model, Real, Text, Vector, check, validated


class FirstTouch(Model):
    """All credit to the first touch.

    Examples
    --------
    >>> FirstTouch()
    FirstTouch()
    """

    kind: Literal["FirstTouch"] = "FirstTouch"


class LastTouch(Model):
    """All credit to the last touch that is not of an ignored channel (the last of all where only those touched).

    Examples
    --------
    >>> LastTouch(ignore=("direct",))
    LastTouch(ignore=('direct',))
    """

    kind: Literal["LastTouch"] = "LastTouch"
    ignore: tuple[Text, ...] = ()
    """Channels to look past, such as ("direct",) for last non-direct."""


class Linear(Model):
    """Equal credit to every touch.

    Examples
    --------
    >>> Linear()
    Linear()
    """

    kind: Literal["Linear"] = "Linear"


class Position(Model):
    """U-shaped credit: a share to the first and the last touch, the rest spread over those between.

    Examples
    --------
    >>> Position(first=0.4, last=0.4)
    Position(first=0.4, last=0.4)
    """

    kind: Literal["Position"] = "Position"
    first: FractionReal = 0.4
    """Share of the first touch."""
    last: FractionReal = 0.4
    """Share of the last touch."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        check(0 < self.first + self.last <= 1 + 1e-12, "first + last must be > 0 and <= 1", self.first, self.last)
        return self


class TimeDecay(Model):
    """Credit that halves with every half-life before the end of the path.

    Examples
    --------
    >>> from ecomops.core import Duration
    >>> TimeDecay(half_life=Duration(value=7, unit="day"))
    TimeDecay(half_life=Duration(value=7, unit='day'))
    """

    kind: Literal["TimeDecay"] = "TimeDecay"
    half_life: Duration
    """Time in which the weight of a touch halves."""


CreditRule: TypeAlias = Annotated[FirstTouch | LastTouch | Linear | Position | TimeDecay, Field(discriminator="kind")]


class ChannelCredit(Model):
    """What each channel is credited with; the columns sum to the totals of the paths.

    Examples
    --------
    >>> from ecomops.attribution import Linear, PathTable, rule_credit
    >>> rule_credit(PathTable.from_strings(["a > b"], conversions=[4]), rule=Linear()).conversions.tolist()
    [2.0, 2.0]
    """

    __labelled__ = False

    channel: Labels
    """Channels, shape (K,)."""
    conversions: Vector
    """Conversions credited, shape (K,)."""
    value: Vector
    """Value credited, money, shape (K,)."""
    share: Vector
    """Share of all conversions, shape (K,); 0 where there are none."""
    total_conversions: Real
    """Conversions of all paths."""
    total_value: Real
    """Value of all paths, money."""
    method: Text
    """The rule."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for credited, total in ((self.conversions, self.total_conversions), (self.value, self.total_value)):
            gap = abs(float(credited.sum()) - total)
            check(gap <= 1e-9 * max(float(np.abs(credited).sum()), 1e-300), "credit must sum to the total", gap)
        return self


@validated
def rule_credit(paths: PathTable, *, rule: CreditRule) -> ChannelCredit:
    """Divide conversions and their value among channels by a rule.

    Parameters
    ----------
    paths : PathTable
        The paths.
    rule : FirstTouch, LastTouch, Linear, Position or TimeDecay
        How the touches of a path share its credit.

    Returns
    -------
    ChannelCredit
        Credit by channel; it sums to the totals.

    Raises
    ------
    InputError
        When `TimeDecay` meets paths without times, or an ignored channel does not exist.

    Notes
    -----
    A path with one touch gives it everything; under `Position` two touches share in the ratio first : last.

    Examples
    --------
    >>> from ecomops.attribution import PathTable, Position, rule_credit
    >>> table = PathTable.from_strings(["search > social > mail"], conversions=[5])
    >>> credit = rule_credit(table, rule=Position(first=0.4, last=0.4))
    >>> dict(zip(credit.channel.tolist(), credit.conversions.round(9).tolist()))
    {'mail': 2.0, 'search': 2.0, 'social': 1.0}
    """
    weights = _weights(paths, rule)
    path = np.repeat(np.arange(paths.lengths.size), paths.lengths)
    codes, size = paths.codes.astype(np.intp), paths.channels.size
    conversions, value = (
        _settled(np.bincount(codes, weights=weights * column[path], minlength=size), column)
        for column in (paths.conversions, paths.value)
    )
    total = float(paths.conversions.sum())
    return ChannelCredit(
        channel=paths.channels,
        conversions=conversions,
        value=value,
        share=conversions / total if total else np.zeros(size),
        total_conversions=total,
        total_value=float(paths.value.sum()),
        method=type(rule).__name__,
    )


def _settled(credit: Any, column: Any) -> Any:
    """Give what rounding left over to the largest credit: where returns cancel sales it is not small against the total."""
    gap = float(column.sum() - credit.sum())
    check(abs(gap) <= 1e-9 * float(np.abs(column).sum()), "weights of a path must sum to 1", gap)
    credit[np.argmax(np.abs(credit))] += gap
    return credit


def _weights(paths: PathTable, rule: Any) -> Any:
    """Return the share of its path that each touch gets."""
    starts = paths.offsets[:-1].astype(np.intp)
    last = paths.offsets[1:].astype(np.intp) - 1
    weights = np.zeros(paths.codes.size)
    if isinstance(rule, FirstTouch):
        weights[starts] = 1.0
    elif isinstance(rule, LastTouch):
        weights[_last_kept(paths, rule, last)] = 1.0
    elif isinstance(rule, Linear):
        weights = np.repeat(1.0 / paths.lengths, paths.lengths)
    elif isinstance(rule, Position):
        weights = _position(paths, rule, starts, last)
    else:
        weights = _decayed(paths, rule, starts)
    return weights


def _last_kept(paths: PathTable, rule: LastTouch, last: NDArray[np.intp]) -> Any:
    unknown = [name for name in rule.ignore if name not in paths.channels.tolist()]
    if unknown:
        raise InputError(
            f"rule.ignore names no channel of the paths, got {unknown[0]!r}, they have {paths.channels.tolist()[:20]}"
        )
    if not rule.ignore:
        return last
    kept = ~np.isin(paths.channels, np.array(rule.ignore, dtype=object))[paths.codes.astype(np.intp)]
    place = np.where(kept, np.arange(kept.size), -1)
    latest = np.maximum.reduceat(place, paths.offsets[:-1].astype(np.intp))
    return np.where(latest >= 0, latest, last)


def _position(paths: PathTable, rule: Position, starts: Any, last: Any) -> Any:
    lengths = paths.lengths
    between = np.where(lengths > 2, (1.0 - rule.first - rule.last) / np.maximum(lengths - 2, 1), 0.0)
    weights = np.repeat(between, lengths)
    ends = rule.first + rule.last
    weights[starts] = np.where(lengths == 1, 1.0, np.where(lengths == 2, rule.first / ends, rule.first))
    longer = lengths > 1
    weights[last[longer]] = np.where(lengths == 2, rule.last / ends, rule.last)[longer]
    return weights


def _decayed(paths: PathTable, rule: TimeDecay, starts: Any) -> Any:
    if paths.ages is None:
        raise InputError("paths must have ages for TimeDecay; build them with PathTable.from_touches")
    # Relative to the youngest touch of a path, so that old paths do not underflow to 0 / 0.
    youngest = np.minimum.reduceat(paths.ages, starts)
    halvings = (paths.ages - np.repeat(youngest, paths.lengths)) / rule.half_life.to("day")
    raw = np.exp2(-np.minimum(halvings, 1000.0))
    return raw / np.repeat(np.add.reduceat(raw, starts), paths.lengths)
