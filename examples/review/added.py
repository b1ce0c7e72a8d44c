"""What each channel adds: conversions that would not be there had nobody met it, as far as paths can tell.

Dividing credit answers another question: credit always adds up to all conversions, also where a channel does nothing. Here a
logistic regression compares paths that met a channel with paths of as many touches that did not, all channels at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from ecomops.inventory import Normal

LONGEST = 12
"""Paths of more touches than this are one stratum."""
MOST = 80
"""Channels that are told apart; rarer ones are compared with nothing."""
RIDGE = 1e-3
STEPS = 60


@dataclass
class Added:
    """Conversions that each channel adds, their standard errors, and whether it matters at all."""

    conversions: Any
    error: Any
    z: Any
    p_value: Any


def added_conversions(paths: Any, channel: Any) -> Added:
    """Return what each of the channels adds to the conversions of the paths."""
    size = len(channel)
    met, lengths = _met(paths, channel)
    conversions = np.asarray(paths.conversions, dtype=float)
    total = conversions + np.asarray(paths.nulls, dtype=float)
    reach = total @ met
    # A channel that nobody missed, or hardly anybody met, cannot be told from the rest.
    told = np.flatnonzero((reach >= 10) & (total.sum() - reach >= 10))
    told = told[np.argsort(-reach[told], kind="stable")][:MOST]
    answer = Added(np.zeros(size), np.full(size, np.inf), np.zeros(size), np.ones(size))
    if not told.size or conversions.sum() >= total.sum():
        return answer
    strata = pd.get_dummies(np.minimum(lengths, LONGEST)).to_numpy(float)
    design = np.hstack([strata, met[:, told]])
    fitted, covariance = _logit(design, conversions, total)
    with_all = expit(design @ fitted)
    for place, k in enumerate(told):
        column = strata.shape[1] + place
        rows = met[:, k] > 0
        without = expit(design[rows] @ fitted - fitted[column])
        answer.conversions[k] = (total[rows] * (with_all[rows] - without)).sum()
        slope = (total[rows] * with_all[rows] * (1 - with_all[rows])) @ design[rows]
        fall = (total[rows] * without * (1 - without)) @ design[rows]
        fall[column] = 0.0
        answer.error[k] = np.sqrt((slope - fall) @ covariance @ (slope - fall))
        answer.z[k] = fitted[column] / np.sqrt(covariance[column, column])
    answer.p_value = np.asarray(2.0 * Normal(mean=0.0, sd=1.0).sf(np.abs(answer.z)))
    return answer


def _met(paths: Any, channel: Any) -> tuple[Any, Any]:
    """Return which path met which channel, and how many touches it has."""
    lengths = np.diff(np.asarray(paths.offsets, dtype=int))
    path = np.repeat(np.arange(lengths.size), lengths)
    code = pd.Index(channel).get_indexer(pd.Index(np.asarray(paths.channels)))[np.asarray(paths.codes, dtype=int)]
    met = np.zeros((lengths.size, len(channel)))
    met[path[code >= 0], code[code >= 0]] = 1.0
    return met, lengths


def _logit(design: Any, conversions: Any, total: Any) -> tuple[Any, Any]:
    """Fit by Newton's method; a whisper of a ridge keeps strata without a conversion finite."""
    fitted = np.zeros(design.shape[1])
    ridge = RIDGE * np.eye(design.shape[1])
    information = ridge
    for _ in range(STEPS):
        chance = expit(design @ fitted)
        information = (design * (total * chance * (1.0 - chance))[:, None]).T @ design + ridge
        step = np.linalg.solve(information, design.T @ (conversions - total * chance) - RIDGE * fitted)
        fitted = fitted + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-9:
            break
    return fitted, np.linalg.inv(information)
