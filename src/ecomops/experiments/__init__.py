"""Did the change work.

Rooms: means (`difference` of means and ratios, with covariates: an `Estimate` with ``test``, ``interval`` and ``lift``),
proportions, design (`sample_size`, `power`), balance (`sample_ratio_mismatch`), multiplicity and many-to-one (Dunnett),
heterogeneity, metric roles and decisions (`scorecard`), simulation. Storeys of rooms: ``adjusted`` (covariates, strata,
clusters), ``exact`` (small counts, ratios, rates, ranks), ``sequential`` (group-sequential and always-valid), ``bayes``,
``funnels``.
"""

from __future__ import annotations

from ecomops.experiments.aa import AASimulation, simulate_aa, simulate_aa_of_rows
from ecomops.experiments.adjusted.covariates import (
    clustered_difference,
    interacted_difference,
    interacted_difference_of_rows,
)
from ecomops.experiments.adjusted.mantel_haenszel import CochranMantelHaenszel, cochran_mantel_haenszel
from ecomops.experiments.adjusted.strata import MomentsByStratum
from ecomops.experiments.adjusted.stratification import poststratified_difference
from ecomops.experiments.assignment import (
    Assignment,
    BucketQuality,
    GrowthBookBuckets,
    Layer,
    NativeBuckets,
    OptimizelyBuckets,
    assign,
    bucket_quality,
)
from ecomops.experiments.balance import (
    SampleRatioMismatch,
    SegmentSampleRatioMismatch,
    sample_ratio_mismatch,
    sample_ratio_mismatch_by_segment,
)
from ecomops.experiments.bayes.allocation import Allocation, ThompsonSampling, TopTwoSampling, allocate
from ecomops.experiments.bayes.comparison import (
    BayesComparison,
    BayesEffect,
    CredibleInterval,
    bayes_effect,
    compare_bayes,
    credible_interval,
)
from ecomops.experiments.bayes.posteriors import (
    BetaPosterior,
    GammaPosterior,
    NormalPosterior,
    beta_posterior,
    gamma_posterior,
    normal_posterior,
)
from ecomops.experiments.decisions import Scorecard, scorecard
from ecomops.experiments.design.goals import Equivalence, Looks, ManyToOne, NonInferiority
from ecomops.experiments.design.metrics import Clusters, MeanMetric, ProportionMetric, QuantileMetric, RankMetric
from ecomops.experiments.design.observed import metric_from_moments
from ecomops.experiments.design.sizing import Design, minimum_detectable_effect, power, sample_size
from ecomops.experiments.exact.fisher import FisherTest, fisher_test
from ecomops.experiments.exact.ranks import MannWhitneyTest, brunner_munzel, hodges_lehmann, mann_whitney_test
from ecomops.experiments.exact.rates import RateComparison, compare_rates
from ecomops.experiments.exact.ratios_of_proportions import ProportionRatio, odds_ratio, risk_ratio
from ecomops.experiments.exact.unconditional import UnconditionalTest, barnard_test, boschloo_test
from ecomops.experiments.funnels.comparison import FunnelComparison, FunnelTotals, compare_funnels
from ecomops.experiments.funnels.journeys import JourneyCounts
from ecomops.experiments.funnels.ordered import Funnel, funnel
from ecomops.experiments.funnels.pages import (
    PageTable,
    PageTransitions,
    TopPaths,
    page_table,
    page_transitions,
    top_paths,
)
from ecomops.experiments.heterogeneity import (
    Heterogeneity,
    InteractionTest,
    effect_heterogeneity,
    interaction_test,
    segment_effects,
    shrunken_effects,
)
from ecomops.experiments.homogeneity import ProportionsHomogeneity, proportions_homogeneity_test
from ecomops.experiments.many_to_one import DunnettComparison, differences_from_control, dunnett, dunnett_critical_value
from ecomops.experiments.means import Ratio, compare_means, difference
from ecomops.experiments.metric_roles import (
    AbsoluteMargin,
    DecisionLevels,
    DeteriorationMetric,
    GuardrailMetric,
    RelativeMargin,
    SuccessMetric,
    decision_levels,
)
from ecomops.experiments.monitoring.alerts import MetricAlerts, metric_alerts
from ecomops.experiments.monitoring.run_lengths import cusum_run_length, cusum_threshold
from ecomops.experiments.multiplicity import AdjustedPValues, adjust_p_values
from ecomops.experiments.proportions import ProportionComparison, compare_proportions
from ecomops.experiments.sequential.always_valid import (
    AlwaysValidTest,
    ConfidenceSequence,
    always_valid_test,
    confidence_sequence,
    lift_confidence_sequence,
)
from ecomops.experiments.sequential.bernoulli_sequences import BernoulliSequence, bernoulli_confidence_sequence
from ecomops.experiments.sequential.betting import (
    betting_confidence_sequence,
    betting_difference_sequence,
    betting_test,
)
from ecomops.experiments.sequential.group_sequential import (
    CrossingProbabilities,
    GroupSequentialDesign,
    crossing_probabilities,
    group_sequential_design,
    stopping_bounds,
)
from ecomops.experiments.sequential.looks import SequentialMonitoring, monitor_looks
from ecomops.experiments.sequential.mixtures import EffectMixture, PlannedMixture, StitchedBound
from ecomops.experiments.sequential.sample_ratios import SequentialSampleRatioMismatch, sequential_sample_ratio_mismatch
from ecomops.experiments.sequential.stagewise import StagewiseEstimate, conditional_power, stagewise_estimate
from ecomops.experiments.sequential.stopping_rules import (
    FutilityRule,
    HwangShihDeCani,
    LanDeMets,
    ObrienFleming,
    Pocock,
    PowerSpending,
    StoppingBounds,
    WangTsiatis,
)
from ecomops.experiments.sequential.time_uniform import log_mixture_e_value, mixture_boundary, stitched_boundary
from ecomops.experiments.sequential.two_sample_bernoulli import two_sample_bernoulli_test
from ecomops.experiments.simulation import ExperimentRows, simulate_experiment
from ecomops.experiments.switchback import RandomizationTest, switchback_difference, switchback_test
from ecomops.experiments.uplift.areas import area_under_uplift_curve, qini_coefficient
from ecomops.experiments.uplift.curves import QiniCurve, UpliftCurve, qini_curve, uplift_curve
from ecomops.experiments.uplift.policies import BestTargeting, PolicyValues, best_targeting, policy_value
from ecomops.stats.competing_risks import CompetingDurations, CumulativeIncidence, cumulative_incidence
from ecomops.stats.durations import DurationCounts, DurationsByArm
from ecomops.stats.estimate import Estimate, Interval, TestResult
from ecomops.stats.moments import Moments, MomentsByArm
from ecomops.stats.survival import RestrictedMean, SurvivalCurve, SurvivalQuantile, kaplan_meier
from ecomops.stats.survival_comparison import (
    LogRankTest,
    event_share_difference,
    log_rank_test,
    restricted_mean_difference,
)
from ecomops.stats.value_counts import ValueCounts

__all__ = [
    "AASimulation",
    "AbsoluteMargin",
    "AdjustedPValues",
    "Allocation",
    "AlwaysValidTest",
    "Assignment",
    "BayesComparison",
    "BayesEffect",
    "BernoulliSequence",
    "BestTargeting",
    "BetaPosterior",
    "BucketQuality",
    "Clusters",
    "CochranMantelHaenszel",
    "CompetingDurations",
    "ConfidenceSequence",
    "CredibleInterval",
    "CrossingProbabilities",
    "CumulativeIncidence",
    "DecisionLevels",
    "Design",
    "DeteriorationMetric",
    "DunnettComparison",
    "DurationCounts",
    "DurationsByArm",
    "EffectMixture",
    "Equivalence",
    "Estimate",
    "ExperimentRows",
    "FisherTest",
    "Funnel",
    "FunnelComparison",
    "FunnelTotals",
    "FutilityRule",
    "GammaPosterior",
    "GroupSequentialDesign",
    "GrowthBookBuckets",
    "GuardrailMetric",
    "Heterogeneity",
    "HwangShihDeCani",
    "InteractionTest",
    "Interval",
    "JourneyCounts",
    "LanDeMets",
    "Layer",
    "LogRankTest",
    "Looks",
    "MannWhitneyTest",
    "ManyToOne",
    "MeanMetric",
    "MetricAlerts",
    "Moments",
    "MomentsByArm",
    "MomentsByStratum",
    "NativeBuckets",
    "NonInferiority",
    "NormalPosterior",
    "ObrienFleming",
    "OptimizelyBuckets",
    "PageTable",
    "PageTransitions",
    "PlannedMixture",
    "Pocock",
    "PolicyValues",
    "PowerSpending",
    "ProportionComparison",
    "ProportionMetric",
    "ProportionRatio",
    "ProportionsHomogeneity",
    "QiniCurve",
    "QuantileMetric",
    "RandomizationTest",
    "RankMetric",
    "RateComparison",
    "Ratio",
    "RelativeMargin",
    "RestrictedMean",
    "SampleRatioMismatch",
    "Scorecard",
    "SegmentSampleRatioMismatch",
    "SequentialMonitoring",
    "SequentialSampleRatioMismatch",
    "StagewiseEstimate",
    "StitchedBound",
    "StoppingBounds",
    "SuccessMetric",
    "SurvivalCurve",
    "SurvivalQuantile",
    "TestResult",
    "ThompsonSampling",
    "TopPaths",
    "TopTwoSampling",
    "UnconditionalTest",
    "UpliftCurve",
    "ValueCounts",
    "WangTsiatis",
    "adjust_p_values",
    "allocate",
    "always_valid_test",
    "area_under_uplift_curve",
    "assign",
    "barnard_test",
    "bayes_effect",
    "bernoulli_confidence_sequence",
    "best_targeting",
    "beta_posterior",
    "betting_confidence_sequence",
    "betting_difference_sequence",
    "betting_test",
    "boschloo_test",
    "brunner_munzel",
    "bucket_quality",
    "clustered_difference",
    "cochran_mantel_haenszel",
    "compare_bayes",
    "compare_funnels",
    "compare_means",
    "compare_proportions",
    "compare_rates",
    "conditional_power",
    "confidence_sequence",
    "credible_interval",
    "crossing_probabilities",
    "cumulative_incidence",
    "cusum_run_length",
    "cusum_threshold",
    "decision_levels",
    "difference",
    "differences_from_control",
    "dunnett",
    "dunnett_critical_value",
    "effect_heterogeneity",
    "event_share_difference",
    "fisher_test",
    "funnel",
    "gamma_posterior",
    "group_sequential_design",
    "hodges_lehmann",
    "interacted_difference",
    "interacted_difference_of_rows",
    "interaction_test",
    "kaplan_meier",
    "lift_confidence_sequence",
    "log_mixture_e_value",
    "log_rank_test",
    "mann_whitney_test",
    "metric_alerts",
    "metric_from_moments",
    "minimum_detectable_effect",
    "mixture_boundary",
    "monitor_looks",
    "normal_posterior",
    "odds_ratio",
    "page_table",
    "page_transitions",
    "policy_value",
    "poststratified_difference",
    "power",
    "proportions_homogeneity_test",
    "qini_coefficient",
    "qini_curve",
    "restricted_mean_difference",
    "risk_ratio",
    "sample_ratio_mismatch",
    "sample_ratio_mismatch_by_segment",
    "sample_size",
    "scorecard",
    "segment_effects",
    "sequential_sample_ratio_mismatch",
    "shrunken_effects",
    "simulate_aa",
    "simulate_aa_of_rows",
    "simulate_experiment",
    "stagewise_estimate",
    "stitched_boundary",
    "stopping_bounds",
    "switchback_difference",
    "switchback_test",
    "top_paths",
    "two_sample_bernoulli_test",
    "uplift_curve",
]
