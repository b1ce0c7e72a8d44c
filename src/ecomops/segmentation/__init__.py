"""Who the customers are and what they are worth.

Rooms: customer state (`CustomerState`), purchases (`customer_summary`), purchase counts (`PurchaseCounts`, `SpendCounts`),
rfm (`rfm_scores`, `rfm_segments`), bgnbd (`fit_bg_nbd`, `fit_mbg_nbd`), predictions (`probability_alive`,
`expected_purchases`), histories (`simulate_purchases`), spend (`fit_gamma_gamma`, `expected_spend`), lifetime value
(`customer_lifetime_value`) and retention (`retention_table`).
"""

from __future__ import annotations

from ecomops.segmentation.bgnbd import (
    BgNbd,
    BgNbdFit,
    MbgNbd,
    MbgNbdFit,
    PurchaseModel,
    fit_bg_nbd,
    fit_mbg_nbd,
    log_likelihood,
)
from ecomops.segmentation.customer_state import CustomerState
from ecomops.segmentation.histories import PurchaseLog, simulate_purchases
from ecomops.segmentation.lifetime_value import LifetimeValue, customer_lifetime_value
from ecomops.segmentation.predictions import expected_purchases, expected_purchases_new, probability_alive
from ecomops.segmentation.purchase_counts import PurchaseCounts, SpendCounts
from ecomops.segmentation.purchases import CustomerSummary, customer_summary
from ecomops.segmentation.retention import RetentionTable, retention_table
from ecomops.segmentation.rfm import (
    Quantiles,
    RfmScores,
    RfmSegments,
    SegmentRule,
    Thresholds,
    rfm_scores,
    rfm_segments,
)
from ecomops.segmentation.spend import GammaGamma, GammaGammaFit, expected_spend, fit_gamma_gamma, simulate_spend
from ecomops.stats.likelihood import Fit

__all__ = [
    "BgNbd",
    "BgNbdFit",
    "CustomerState",
    "CustomerSummary",
    "Fit",
    "GammaGamma",
    "GammaGammaFit",
    "LifetimeValue",
    "MbgNbd",
    "MbgNbdFit",
    "PurchaseCounts",
    "PurchaseLog",
    "PurchaseModel",
    "Quantiles",
    "RetentionTable",
    "RfmScores",
    "RfmSegments",
    "SegmentRule",
    "SpendCounts",
    "Thresholds",
    "customer_lifetime_value",
    "customer_summary",
    "expected_purchases",
    "expected_purchases_new",
    "expected_spend",
    "fit_bg_nbd",
    "fit_gamma_gamma",
    "fit_mbg_nbd",
    "log_likelihood",
    "probability_alive",
    "retention_table",
    "rfm_scores",
    "rfm_segments",
    "simulate_purchases",
    "simulate_spend",
]
