"""What a test is to show (a difference, non-inferiority, equivalence), beside how many others, and at which looks."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from ecomops.core import Model, PositiveWhole
from ecomops.experiments.metric_roles import Desired, Margin
from ecomops.experiments.sequential.stopping_rules import Boundary, Fractions


class NonInferiority(Model):
    """The treatment is to be shown worse by no more than a margin.

    Examples
    --------
    >>> from ecomops.experiments import AbsoluteMargin
    >>> NonInferiority(margin=AbsoluteMargin(value=0.5)).desired
    'increase'
    """

    kind: Literal["NonInferiority"] = "NonInferiority"
    margin: Margin
    """The loss that is accepted, in the metric's unit or as a fraction of the control."""
    desired: Desired = "increase"
    """The good direction."""


class Equivalence(Model):
    """The treatment is to be shown no lower and no higher than margins allow (two one-sided tests).

    Examples
    --------
    >>> from ecomops.experiments import RelativeMargin
    >>> Equivalence(lower=RelativeMargin(fraction=0.05), upper=RelativeMargin(fraction=0.05)).upper.fraction
    0.05
    """

    kind: Literal["Equivalence"] = "Equivalence"
    lower: Margin
    """How much lower than the control it may be."""
    upper: Margin
    """How much higher than the control it may be."""


Goal: TypeAlias = Annotated[NonInferiority | Equivalence, Field(discriminator="kind")]


class ManyToOne(Model):
    """Several treatments of one size that are compared with one control, with one error for all comparisons.

    Examples
    --------
    >>> ManyToOne(treatments=3).adjustment
    'dunnett'
    """

    treatments: PositiveWhole
    """Number of treatments."""
    adjustment: Literal["dunnett", "bonferroni", "none"] = "dunnett"
    """How alpha is shared: Dunnett's critical value, alpha over the number of treatments, or not at all."""


class Looks(Model):
    """Looks at the data at which the test may stop.

    A rule for giving up changes the size too: see ``inflation`` of `group_sequential_design`.

    Examples
    --------
    >>> from ecomops.experiments import ObrienFleming
    >>> Looks(fractions=[0.5, 1.0], boundary=ObrienFleming()).fractions.tolist()
    [0.5, 1.0]
    """

    fractions: Fractions
    """Shares of the planned units at the looks, increasing, the last one 1, shape (k,)."""
    boundary: Boundary
    """Shape of the bounds, or how the error is spent."""
