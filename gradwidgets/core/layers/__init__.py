"""Where the gradient goes in a network: built or your own, measured layer by layer, judged, mended on a copy."""

from gradwidgets.core.layers.activations import ACTIVATIONS, Activation
from gradwidgets.core.layers.applied import AppliedFix, apply_in_place
from gradwidgets.core.layers.clippers import CLIPPERS, Clipped, clip_gradients
from gradwidgets.core.layers.fix_table import FIXES, Fix
from gradwidgets.core.layers.fixes import apply_fix, completed, fixes_for, refusal
from gradwidgets.core.layers.flow import layer_flow
from gradwidgets.core.layers.gradients import batch_norms, measuring_batch_norms, parameter_gradients
from gradwidgets.core.layers.inits import INITS, Init
from gradwidgets.core.layers.monitor import GradientMonitor
from gradwidgets.core.layers.monitor_history import GradientHistory
from gradwidgets.core.layers.networks import NETWORKS, NORMALIZATIONS, Dense, Network, Residual, build_network
from gradwidgets.core.layers.passes import FlowError
from gradwidgets.core.layers.preflight import preflight
from gradwidgets.core.layers.profile import Trend, gradient_trend, signal_trend
from gradwidgets.core.layers.ranked import FixRanking, RankedFix
from gradwidgets.core.layers.ranking import TRIES, rank_fixes, ranking_fixes
from gradwidgets.core.layers.record_compare import RecordComparison, compare_records
from gradwidgets.core.layers.stats import LayerFlow, LayerStats
from gradwidgets.core.layers.steps import training_losses
from gradwidgets.core.layers.theory import predicted_factor, predicted_factors
from gradwidgets.core.layers.trial import Trial, try_fix, trying_fix
from gradwidgets.core.layers.verdicts.check import Check
from gradwidgets.core.layers.verdicts.record import diagnose_record
from gradwidgets.core.layers.verdicts.record_checks import RECORD_CHECKS
from gradwidgets.core.layers.verdicts.registry import CHECKS, diagnose
from gradwidgets.core.subject.certificate import Certificate

__all__ = [
    "ACTIVATIONS",
    "CHECKS",
    "CLIPPERS",
    "FIXES",
    "INITS",
    "NETWORKS",
    "NORMALIZATIONS",
    "RECORD_CHECKS",
    "TRIES",
    "Activation",
    "AppliedFix",
    "Certificate",
    "Check",
    "Clipped",
    "Dense",
    "Fix",
    "FixRanking",
    "FlowError",
    "GradientHistory",
    "GradientMonitor",
    "Init",
    "LayerFlow",
    "LayerStats",
    "Network",
    "RankedFix",
    "RecordComparison",
    "Residual",
    "Trend",
    "Trial",
    "apply_fix",
    "apply_in_place",
    "batch_norms",
    "build_network",
    "clip_gradients",
    "compare_records",
    "completed",
    "diagnose",
    "diagnose_record",
    "fixes_for",
    "gradient_trend",
    "layer_flow",
    "measuring_batch_norms",
    "parameter_gradients",
    "predicted_factor",
    "predicted_factors",
    "preflight",
    "rank_fixes",
    "ranking_fixes",
    "refusal",
    "signal_trend",
    "training_losses",
    "try_fix",
    "trying_fix",
]
