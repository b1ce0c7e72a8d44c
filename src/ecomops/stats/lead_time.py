"""How long a decision is exposed to demand."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from pydantic import model_validator

from ecomops.core import Model, NonNegative, check


class LeadTime(Model):
    """Lead time and review period, in periods.

    Stock must last from one order to the arrival of the next: the **protection time** is the lead time plus the review
    period (0 for continuous review), so whether L or L + 1 periods count is never implicit.

    Examples
    --------
    >>> LeadTime(mean=4, sd=1, review_period=1).protection
    5.0
    """

    mean: NonNegative
    """Mean lead time in periods."""
    sd: NonNegative = 0.0
    """Standard deviation of the lead time in periods."""
    review_period: NonNegative = 0.0
    """Periods between two reviews; 0 for continuous review."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        rule = "mean + review_period must be > 0 (use review_period=1 for one period without delay)"
        check(np.asarray(self.protection) > 0, rule, self.mean, self.review_period)
        return self

    @property
    def protection(self) -> Any:
        """Lead time plus review period."""
        return self.mean + self.review_period

    @property
    def variance(self) -> Any:
        """Variance of the lead time."""
        return self.sd * self.sd
