"""Did the change work.

Rooms: means (`difference` of means and ratios, with covariates: an `Estimate` with ``test``, ``interval`` and ``lift``),
proportions, design (`sample_size`, `power`), balance (`sample_ratio_mismatch`), multiplicity and many-to-one (Dunnett),
heterogeneity, metric roles and decisions (`scorecard`), simulation. Storeys of rooms: ``adjusted`` (covariates, strata,
clusters), ``exact`` (small counts, ratios, rates, ranks), ``sequential`` (group-sequential and always-valid), ``bayes``,
``funnels``.
"""

from __future__ import annotations

from ecomops.experiments.adjusted.covariates import (
    clustered_difference,
    interacted_difference,
    interacted_difference_of_rows,
)
from ecomops.experiments.adjusted.mantel_haenszel import CochranMantelHaenszel, cochran_mantel_haenszel
from ecomops.experiments.adjusted.strata import MomentsByStratum
from ecomops.experiments.adjusted.stratification import poststratified_difference
from ecomops.experiments.balance import SampleRatioMismatch, sample_ratio_mismatch
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
from ecomops.experiments.design import (
    Design,
    MeanMetric,
    ProportionMetric,
    minimum_detectable_effect,
    power,
    sample_size,
)
from ecomops.experiments.exact.fisher import FisherTest, fisher_test
from ecomops.experiments.exact.ranks import MannWhitneyTest, brunner_munzel, hodges_lehmann, mann_whitney_test
from ecomops.experiments.exact.rates import RateComparison, compare_rates
from ecomops.experiments.exact.ratios_of_proportions import ProportionRatio, odds_ratio, risk_ratio
from ecomops.experiments.exact.unconditional import UnconditionalTest, barnard_test, boschloo_test
from ecomops.experiments.funnels.ordered import Funnel, funnel
from ecomops.experiments.heterogeneity import (
    Heterogeneity,
    InteractionTest,
    effect_heterogeneity,
    interaction_test,
    segment_effects,
    shrunken_effects,
)
from ecomops.experiments.many_to_one import DunnettComparison, differences_from_control, dunnett, dunnett_critical_value
from ecomops.experiments.means import Ratio, difference
from ecomops.experiments.metric_roles import (
    AbsoluteMargin,
    DecisionLevels,
    DeteriorationMetric,
    GuardrailMetric,
    RelativeMargin,
    SuccessMetric,
    decision_levels,
)
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
from ecomops.experiments.sequential.group_sequential import (
    CrossingProbabilities,
    GroupSequentialDesign,
    crossing_probabilities,
    group_sequential_design,
    stopping_bounds,
)
from ecomops.experiments.sequential.looks import SequentialMonitoring, monitor_looks
from ecomops.experiments.sequential.mixtures import EffectMixture, PlannedMixture, StitchedBound
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
from ecomops.experiments.simulation import ExperimentRows, simulate_experiment
from ecomops.stats.estimate import Estimate, Interval, TestResult
from ecomops.stats.moments import Moments, MomentsByArm
from ecomops.stats.value_counts import ValueCounts

__all__ = [
    "AbsoluteMargin",
    "AdjustedPValues",
    "AlwaysValidTest",
    "BayesComparison",
    "BayesEffect",
    "BernoulliSequence",
    "BetaPosterior",
    "CochranMantelHaenszel",
    "ConfidenceSequence",
    "CredibleInterval",
    "CrossingProbabilities",
    "DecisionLevels",
    "Design",
    "DeteriorationMetric",
    "DunnettComparison",
    "EffectMixture",
    "Estimate",
    "ExperimentRows",
    "FisherTest",
    "Funnel",
    "FutilityRule",
    "GammaPosterior",
    "GroupSequentialDesign",
    "GuardrailMetric",
    "Heterogeneity",
    "HwangShihDeCani",
    "InteractionTest",
    "Interval",
    "LanDeMets",
    "MannWhitneyTest",
    "MeanMetric",
    "Moments",
    "MomentsByArm",
    "MomentsByStratum",
    "NormalPosterior",
    "ObrienFleming",
    "PlannedMixture",
    "Pocock",
    "PowerSpending",
    "ProportionComparison",
    "ProportionMetric",
    "ProportionRatio",
    "RateComparison",
    "Ratio",
    "RelativeMargin",
    "SampleRatioMismatch",
    "Scorecard",
    "SequentialMonitoring",
    "StagewiseEstimate",
    "StitchedBound",
    "StoppingBounds",
    "SuccessMetric",
    "TestResult",
    "UnconditionalTest",
    "ValueCounts",
    "WangTsiatis",
    "adjust_p_values",
    "always_valid_test",
    "barnard_test",
    "bayes_effect",
    "bernoulli_confidence_sequence",
    "beta_posterior",
    "boschloo_test",
    "brunner_munzel",
    "clustered_difference",
    "cochran_mantel_haenszel",
    "compare_bayes",
    "compare_proportions",
    "compare_rates",
    "conditional_power",
    "confidence_sequence",
    "credible_interval",
    "crossing_probabilities",
    "decision_levels",
    "difference",
    "differences_from_control",
    "dunnett",
    "dunnett_critical_value",
    "effect_heterogeneity",
    "fisher_test",
    "funnel",
    "gamma_posterior",
    "group_sequential_design",
    "hodges_lehmann",
    "interacted_difference",
    "interacted_difference_of_rows",
    "interaction_test",
    "lift_confidence_sequence",
    "log_mixture_e_value",
    "mann_whitney_test",
    "minimum_detectable_effect",
    "mixture_boundary",
    "monitor_looks",
    "normal_posterior",
    "odds_ratio",
    "poststratified_difference",
    "power",
    "risk_ratio",
    "sample_ratio_mismatch",
    "sample_size",
    "scorecard",
    "segment_effects",
    "shrunken_effects",
    "simulate_experiment",
    "stagewise_estimate",
    "stitched_boundary",
    "stopping_bounds",
]
