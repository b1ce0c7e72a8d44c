"""Assignment of units to arms by hashing: the same unit gets the same arm everywhere, without a table."""

from __future__ import annotations

from itertools import combinations
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy import special

from ecomops.core import (
    Array,
    CountColumn,
    Flag,
    Flags,
    Floats,
    FractionReal,
    InputError,
    Labels,
    Matrix,
    Model,
    PositiveWhole,
    ProbabilityReal,
    Text,
    Texts,
    check,
    validated,
)
from ecomops.experiments.multiplicity import holm
from ecomops.stats.hashing import fnv1a, murmur3

Shares = Annotated[Array | Any, Floats(core=1, gt=0)]
PValues = Annotated[Array | Any, Floats(core=1, ge=0, le=1)]
ALL_HASHES = 2**32
BASIS_POINTS = 10_000
LEAST_CELL = 5
MOST_EXPERIMENTS = 100
OUTSIDE, HIDDEN = "outside the layer's range", "not exposed"
Buckets: TypeAlias = NDArray[np.int64]


class Layer(Model):
    """The part of a layer that an experiment holds: experiments in disjoint parts of one layer never share a unit.

    Examples
    --------
    >>> Layer(name="checkout page", start=0.0, end=0.5)
    Layer(name='checkout page', start=0, end=0.5)
    """

    name: Text
    """Name of the layer, its salt: layers of different names are independent."""
    start: FractionReal = 0.0
    """Where the part begins, as a fraction of the layer."""
    end: FractionReal = 1.0
    """Where it ends; the end belongs to the next part."""

    @model_validator(mode="after")
    def _check(self) -> Layer:
        check(self.start < self.end, "start must be < end", self.start, self.end)
        return self


class NativeBuckets(Model):
    """All 2**32 values of MurmurHash3 with seed 0 of "experiment:" + experiment + ":" + unit.

    Examples
    --------
    >>> NativeBuckets()
    NativeBuckets()
    """

    kind: Literal["NativeBuckets"] = "NativeBuckets"


class OptimizelyBuckets(Model):
    """The 10,000 buckets of Optimizely: MurmurHash3 with seed 1 of unit + experiment id.

    Examples
    --------
    >>> OptimizelyBuckets()
    OptimizelyBuckets()
    """

    kind: Literal["OptimizelyBuckets"] = "OptimizelyBuckets"


class GrowthBookBuckets(Model):
    """The buckets of GrowthBook: FNV-1a, 1,000 of them in version 1 and 10,000 in version 2.

    Examples
    --------
    >>> GrowthBookBuckets(version=1)
    GrowthBookBuckets(version=1)
    """

    kind: Literal["GrowthBookBuckets"] = "GrowthBookBuckets"
    version: Literal[1, 2] = 2
    """Hash version of the experiment."""


Bucketing: TypeAlias = Annotated[NativeBuckets | OptimizelyBuckets | GrowthBookBuckets, Field(discriminator="kind")]


class Assignment(Model):
    """The arm of each unit.

    Examples
    --------
    >>> from ecomops.experiments import assign
    >>> assign(["ann", "bob", "cleo", "dora"], experiment="button").arm.tolist()
    ['control', 'control', 'treatment', 'control']
    """

    unit: Labels
    """The units, in the order given."""
    arm: Texts
    """Arm of each unit, shape (n,); empty where it has none."""
    bucket: CountColumn
    """Bucket of each unit, shape (n,)."""
    buckets: PositiveWhole
    """How many buckets there are."""
    exposed: Flags
    """Whether the unit is in the experiment, shape (n,)."""
    reason: Texts
    """Why a unit has no arm, shape (n,); empty where it has one."""
    method: Text
    """Hash and bytes that were hashed."""


class BucketQuality(Model):
    """Whether the buckets of experiments are even and independent over the units at hand.

    Examples
    --------
    >>> from ecomops.experiments import bucket_quality
    >>> bucket_quality(range(2000), experiments=["price", "layout"]).sound
    True
    """

    experiments: Labels
    """The experiments, shape (k,)."""
    uniformity_p_value: PValues
    """Chi-square p-value of even buckets, shape (k,)."""
    independence_p_value: Matrix
    """Chi-square p-value of independent buckets of each pair, shape (k, k); 1 on the diagonal."""
    sound: Flag
    """Whether no p-value, adjusted by Holm over all, is below the threshold."""
    threshold: ProbabilityReal
    """Threshold of the verdict."""
    method: Text
    """How it was tested."""


@validated
def assign(
    units: Labels,
    *,
    experiment: Text,
    arms: Labels = ("control", "treatment"),
    shares: Shares | None = None,
    exposure: FractionReal = 1.0,
    layer: Layer | None = None,
    method: Bucketing = NativeBuckets(),  # noqa: B008 - specs are frozen
) -> Assignment:
    """Assign units to the arms of an experiment by hashing: no table, no state, the same answer everywhere.

    Parameters
    ----------
    units : sequence of str or int, shape (n,)
        Ids of the randomisation units; a whole number is the text of its decimal digits.
    experiment : str
        Salt of the experiment: experiments of different names are independent. Optimizely's experiment id, GrowthBook's seed
        (the key of the experiment where it has none).
    arms : sequence of str or int, shape (k,)
        Names of the arms.
    shares : array, shape (k,), optional
        Shares of the arms, in any scale; equal by default.
    exposure : float
        Fraction of the units of each arm that are let in, in [0, 1]. To raise it adds units and moves none.
    layer : Layer, optional
        The part of a layer that the experiment holds; units outside it have no arm.
    method : NativeBuckets, OptimizelyBuckets or GrowthBookBuckets
        How units are hashed.

    Returns
    -------
    Assignment
        Arm and bucket of each unit, in the order given.

    Raises
    ------
    InputError
        When a unit or an arm is empty, arms repeat, or there is not one share an arm.

    Notes
    -----
    Bytes are UTF-8. Native: MurmurHash3_x86_32 with seed 0 of "experiment:" + experiment + ":" + unit, and of "layer:" +
    layer + ":" + unit; the hash is the bucket. Optimizely: floor(10000 h / 2**32) of the hash h with seed 1 of unit +
    experiment, and of unit + layer (its group). GrowthBook version 1: FNV-1a(unit + seed) mod 1000; version 2: FNV-1a of the
    decimal digits of FNV-1a(seed + unit), mod 10000; layers (its namespaces): FNV-1a(unit + "__" + layer) mod 1000. Its
    JavaScript hashes UTF-16 units, which is the same for ASCII only. Its version 1 is not independent between seeds that
    differ in their last letter (`bucket_quality` shows it): keep it for experiments that run already.

    Arm i holds the buckets between whole thresholds near cumulative shares, of which the first part, ``exposure`` of
    them, is let in. GrowthBook's thresholds are those at which its comparison of fractions changes, and its weights are
    used as they are where they sum to 1 within 0.01.

    References
    ----------
    .. [1] Tang, Agarwal, O'Brien & Meyer (2010), Overlapping Experiment Infrastructure, KDD, section 4.
    .. [2] Appleby (2011), MurmurHash3. Fowler, Noll & Vo, FNV-1a.

    Examples
    --------
    Buckets of Optimizely's own tests.

    >>> from ecomops.experiments import OptimizelyBuckets, assign
    >>> assigned = assign(["ppid1", "ppid2", "ppid3"], experiment="1886780721", method=OptimizelyBuckets())
    >>> assigned.bucket.tolist(), assigned.arm.tolist()
    ([5254.0, 4299.0, 5439.0], ['treatment', 'control', 'treatment'])
    """
    names = _arm_names(arms)
    weights = np.ones(names.size) if shares is None else np.asarray(shares)
    if weights.shape != names.shape:
        raise InputError(f"shares must have one value an arm, got shape {weights.shape} for {names.size} arms")
    _refuse_empty(units)
    bucket, count, text = buckets_of(units, experiment, method)
    begins, ends, lets = _thresholds(weights, exposure, count, method)
    place = np.minimum(np.searchsorted(ends, bucket, side="right"), names.size - 1)
    exposed = (bucket >= begins[place]) & (bucket < lets[place])
    reason = np.where(exposed, "", HIDDEN).astype(object)
    if layer is not None:
        inside = _inside(units, layer, method)
        reason[~inside] = OUTSIDE
        exposed &= inside
    arm = names[place]
    arm[~exposed] = ""
    return Assignment(unit=units, arm=arm, bucket=bucket, buckets=count, exposed=exposed, reason=reason, method=text)


@validated
def bucket_quality(
    units: Labels,
    *,
    experiments: Labels,
    groups: PositiveWhole = 10,
    threshold: ProbabilityReal = 0.001,
    method: Bucketing = NativeBuckets(),  # noqa: B008 - specs are frozen
) -> BucketQuality:
    """Check that the buckets of experiments are even and independent over your own ids.

    Parameters
    ----------
    units : sequence of str or int, shape (n,)
        Ids of distinct units.
    experiments : sequence of str or int, shape (k,)
        Salts of the experiments, at most 100.
    groups : int
        Groups that the buckets of an experiment are put in; each cell of a pair must expect 5 units or more.
    threshold : float
        p-value below which the buckets are not sound.
    method : NativeBuckets, OptimizelyBuckets or GrowthBookBuckets
        How units are hashed.

    Returns
    -------
    BucketQuality
        p-values of evenness, and of independence of each pair.

    Raises
    ------
    InputError
        When units repeat or are too few, or experiments repeat or are too many.

    Notes
    -----
    Chi-square over groups (``groups`` - 1 degrees of freedom) and over the table of a pair ((``groups`` - 1)**2).

    References
    ----------
    .. [1] Kohavi, Tang & Xu (2020), Trustworthy Online Controlled Experiments, chapters 4 and 19.

    Examples
    --------
    >>> from ecomops.experiments import bucket_quality
    >>> quality = bucket_quality(range(2000), experiments=["price", "layout"])
    >>> quality.sound, quality.uniformity_p_value.round(3).tolist()
    (True, [0.954, 0.048])
    """
    _refuse_empty(units)
    names = list(map(str, experiments.tolist()))
    if not 0 < len(names) <= MOST_EXPERIMENTS or len(set(names)) < len(names):
        raise InputError(f"experiments must be 1 to {MOST_EXPERIMENTS} names of which none repeats, got {len(names)}")
    if len(set(units.tolist())) < units.size:
        raise InputError(f"units must not repeat, got {units.size - len(set(units.tolist()))} repeated ones")
    if not 1 < groups <= units.size or units.size < LEAST_CELL * groups * groups:
        least = LEAST_CELL * groups * groups
        raise InputError(f"groups must be at least 2 and need {least} units ({LEAST_CELL} a cell), got {units.size}")
    cells, text = [], ""
    for name in names:
        bucket, count, text = buckets_of(units, name, method)
        cells.append(bucket * groups // count)
    even = np.array([_evenness(np.bincount(cell, minlength=groups)) for cell in cells])
    paired = np.ones((len(names), len(names)))
    for one, other in combinations(range(len(names)), 2):
        table = np.bincount(cells[one] * groups + cells[other], minlength=groups * groups).reshape(groups, groups)
        paired[one, other] = paired[other, one] = _independence(table)
    family = np.concatenate([even, paired[np.triu_indices(len(names), 1)]])
    return BucketQuality(
        experiments=experiments,
        uniformity_p_value=even,
        independence_p_value=paired,
        sound=float(holm(family[None, :]).min()) >= threshold,
        threshold=threshold,
        method=f"chi-square over {groups} groups, Holm; {text}",
    )


def buckets_of(units: Any, experiment: str, method: Bucketing) -> tuple[Buckets, int, str]:
    """Return the bucket of each unit, how many buckets there are, and what was hashed."""
    if isinstance(method, NativeBuckets):
        hashed = murmur3(units, prefix=f"experiment:{experiment}:")
        return hashed.astype(np.int64), ALL_HASHES, "MurmurHash3, seed 0, 'experiment:' + experiment + ':' + unit"
    if isinstance(method, OptimizelyBuckets):
        return _basis_points(units, experiment), BASIS_POINTS, "Optimizely: MurmurHash3, seed 1, unit + experiment"
    if method.version == 1:
        return fnv1a(units, suffix=experiment).astype(np.int64) % 1000, 1000, "GrowthBook 1: FNV-1a, unit + experiment"
    hashed = fnv1a(fnv1a(units, prefix=experiment))
    return hashed.astype(np.int64) % BASIS_POINTS, BASIS_POINTS, "GrowthBook 2: FNV-1a twice, experiment + unit"


def _basis_points(units: Any, parent: str) -> Buckets:
    hashed = murmur3(units, seed=1, suffix=parent).astype(np.uint64)
    return (hashed * np.uint64(BASIS_POINTS) >> np.uint64(32)).astype(np.int64)


def _inside(units: Any, layer: Layer, method: Bucketing) -> NDArray[np.bool_]:
    """Tell which units lie in the part of the layer."""
    if isinstance(method, GrowthBookBuckets):
        bucket = fnv1a(units, suffix=f"__{layer.name}").astype(np.int64) % 1000
        start, end = _where(np.array([layer.start, layer.end]), 1000)
    elif isinstance(method, OptimizelyBuckets):
        bucket = _basis_points(units, layer.name)
        start, end = np.rint(np.array([layer.start, layer.end]) * BASIS_POINTS)
    else:
        bucket = murmur3(units, prefix=f"layer:{layer.name}:").astype(np.int64)
        start, end = np.rint(np.array([layer.start, layer.end]) * ALL_HASHES)
    return np.asarray((bucket >= start) & (bucket < end))


def _thresholds(weights: Any, exposure: float, count: int, method: Bucketing) -> tuple[Buckets, Buckets, Buckets]:
    """Return the first bucket of each arm, the one after its last, and the one after its last that is let in."""
    if isinstance(method, GrowthBookBuckets):
        shares = weights if abs(weights.sum() - 1.0) <= 0.01 else weights / weights.sum()
        ends = np.cumsum(shares)
        begins = np.concatenate([[0.0], ends[:-1]])
        return _where(begins, count), _where(ends, count), _where(begins + exposure * shares, count)
    ends = np.rint(np.cumsum(weights) / weights.sum() * count).astype(np.int64)
    begins = np.concatenate([[0], ends[:-1]])
    return begins, ends, begins + np.rint((ends - begins) * exposure).astype(np.int64)


def _where(fractions: Any, count: int) -> Buckets:
    """Return the first bucket b whose fraction b / count is not below each fraction, as floating point compares them."""
    found: Buckets = np.searchsorted(np.arange(count) / count, fractions, side="left")
    return found


def _arm_names(arms: Any) -> Any:
    names = np.array(list(map(str, arms.tolist())), dtype=object)
    if names.size < 1 or len(set(names.tolist())) < names.size or "" in names.tolist():
        raise InputError(f"arms must be names of which none repeats or is empty, got {names.tolist()[:10]}")
    return names


def _refuse_empty(units: Any) -> None:
    if units.dtype == object:
        empty = np.flatnonzero(units == "")
        if empty.size:
            raise InputError(f"units must not be empty text, got '' at index {empty[0]}: an id is missing")


def _evenness(counts: Any) -> float:
    expected = counts.sum() / counts.size
    return float(special.chdtrc(counts.size - 1, (np.square(counts - expected) / expected).sum()))


def _independence(table: Any) -> float:
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    seen = expected > 0
    statistic = (np.square(table - expected)[seen] / expected[seen]).sum()
    return float(special.chdtrc((table.shape[0] - 1) * (table.shape[1] - 1), statistic))
