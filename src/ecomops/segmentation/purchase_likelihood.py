"""The log-likelihood of BG/NBD and MBG/NBD with its gradient, over counted customers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ecomops.segmentation.purchase_counts import PurchaseCounts


class PurchaseLikelihood:
    """Log-likelihood and gradient in log-parameters over weighted unique rows, ages in units of ``scale``.

    What depends on the frequency alone, a whole number, or on the age alone is tabulated once per evaluation; only the
    chance to have dropped out after the last purchase needs every row, and only those where that can have happened.
    """

    def __init__(self, counts: PurchaseCounts, scale: float, *, modified: bool) -> None:
        frequency, weight = counts.frequency, np.asarray(counts.customers)
        self.shift = 1.0 if modified else 0.0
        self.numbers, number = np.unique(frequency, return_inverse=True)
        self.per_number = np.bincount(number, weights=weight, minlength=self.numbers.size)
        ages, place = np.unique(counts.age / scale, return_inverse=True)
        self.ages = ages
        self.at_age = np.bincount(place, weights=weight)
        self.purchases_at_age = np.bincount(place, weights=weight * frequency)
        rows = frequency >= 0 if modified else frequency > 0
        self.x, self.x_real, self.weight = number[rows], frequency[rows], weight[rows]
        self.last, self.age = counts.age_at_last_purchase[rows] / scale, counts.age[rows] / scale
        self.since = self.age - self.last
        self.offset = -_total(weight * frequency) * np.log(scale)

    def __call__(self, log_parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the log-likelihood and its gradient at log-parameters (r, alpha / scale, a, b)."""
        with np.errstate(all="ignore"):
            return self._evaluate(np.exp(log_parameters))

    def _evaluate(self, p: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        r, alpha, a, b = p
        k, w, n = self.numbers, self.weight, self.per_number
        b_x = np.maximum(b + (k - 1.0 + self.shift), 1e-300)
        a_b_k, b_k = a + b + k + self.shift, b + k + self.shift
        inverse = 1.0 / (alpha + self.last)
        gap = np.log1p(self.since * inverse)
        r_x = r + self.x_real
        odds = (np.log(a) - np.log(b_x))[self.x] + r_x * gap
        small = np.exp(-np.abs(odds))
        dead = np.where(odds > 0, 1.0, small) / (1.0 + small)
        either = _total(w * (np.log1p(small) + np.maximum(odds, 0.0)))
        table = special.gammaln(r + k) + special.gammaln(b_k) - special.gammaln(a_b_k)
        whole = n.sum()
        constant = special.gammaln(a + b) - special.gammaln(b) - special.gammaln(r) + r * np.log(alpha)
        log_age, events = np.log(alpha + self.ages), r * self.at_age + self.purchases_at_age
        value = n @ table + whole * constant + either - events @ log_age + self.offset
        w_dead = w * dead
        psi_ab = whole * special.psi(a + b) - n @ special.psi(a_b_k)
        dead_at = np.bincount(self.x, weights=w_dead, minlength=k.size)
        dr = (
            n @ special.psi(r + k)
            + whole * (np.log(alpha) - special.psi(r))
            + _total(w_dead * gap)
            - self.at_age @ log_age
        )
        dalpha = whole * r / alpha - events @ (1.0 / (alpha + self.ages))
        dalpha -= _total(w_dead * (r_x * self.since * inverse / (alpha + self.age)))
        da = psi_ab + dead_at.sum() / a
        db = psi_ab + n @ special.psi(b_k) - whole * special.psi(b) - dead_at @ (1.0 / b_x)
        return float(value), np.array([dr, dalpha, da, db]) * p


def _total(values: NDArray[np.float64]) -> float:
    """Return the sum over all rows.

    BLAS would share a dot product of this length among threads, which wait for each other where the machine is busy (forty
    times as long with one other process on two cores) and add up in an order that depends on their number.
    """
    return float(values.sum())
