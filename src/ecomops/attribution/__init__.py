"""What drove the sales.

Rooms: paths (`PathTable` from strings or touch rows, `simulate_touches`), rule based (`rule_credit` with `FirstTouch`,
`LastTouch`, `Linear`, `Position`, `TimeDecay`) and markov (`TransitionCounts`, exact `removal_effects`).
"""

from __future__ import annotations

from ecomops.attribution.markov import RemovalEffects, TransitionCounts, removal_effects
from ecomops.attribution.paths import PathTable
from ecomops.attribution.rule_based import (
    ChannelCredit,
    CreditRule,
    FirstTouch,
    LastTouch,
    Linear,
    Position,
    TimeDecay,
    rule_credit,
)
from ecomops.attribution.simulation import TouchLog, simulate_touches

__all__ = [
    "ChannelCredit",
    "CreditRule",
    "FirstTouch",
    "LastTouch",
    "Linear",
    "PathTable",
    "Position",
    "RemovalEffects",
    "TimeDecay",
    "TouchLog",
    "TransitionCounts",
    "removal_effects",
    "rule_credit",
    "simulate_touches",
]
