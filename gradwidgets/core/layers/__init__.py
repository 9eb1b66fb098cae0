"""The gradient in a network, measured layer by layer, with verdicts and with fixes that are tried on copies."""

from gradwidgets.core.layers.clipping.clippers import CLIPPERS, clip_gradients
from gradwidgets.core.layers.clipping.clippers_compared import Clipped
from gradwidgets.core.layers.clipping.gradients import batch_norms, parameter_gradients
from gradwidgets.core.layers.fixes.applied import AppliedFix, apply_in_place
from gradwidgets.core.layers.fixes.fix_table import FIXES, Fix
from gradwidgets.core.layers.fixes.fixes import apply_fix, completed, fixes_for, refusal
from gradwidgets.core.layers.fixes.ranked import FixRanking, RankedFix
from gradwidgets.core.layers.fixes.ranking import TRIES, rank_fixes, ranking_fixes
from gradwidgets.core.layers.fixes.steps import training_losses
from gradwidgets.core.layers.fixes.trial import Trial, try_fix, trying_fix
from gradwidgets.core.layers.flow import layer_flow
from gradwidgets.core.layers.networks.activations import ACTIVATIONS, Activation
from gradwidgets.core.layers.networks.inits import INITS, Init
from gradwidgets.core.layers.networks.networks import NETWORKS, NORMALIZATIONS, Dense, Network, Residual, build_network
from gradwidgets.core.layers.networks.theory import predicted_factor, predicted_factors
from gradwidgets.core.layers.passes.passes import FlowError
from gradwidgets.core.layers.passes.profile import Trend, gradient_trend, signal_trend
from gradwidgets.core.layers.passes.stats import LayerFlow, LayerStats
from gradwidgets.core.layers.preflight import preflight
from gradwidgets.core.layers.verdicts.checks import CHECKS
from gradwidgets.core.layers.verdicts.verdict import Check
from gradwidgets.core.subject.held.certificate import Certificate

__all__ = [
    "ACTIVATIONS",
    "CHECKS",
    "CLIPPERS",
    "FIXES",
    "INITS",
    "NETWORKS",
    "NORMALIZATIONS",
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
    "Init",
    "LayerFlow",
    "LayerStats",
    "Network",
    "RankedFix",
    "Residual",
    "Trend",
    "Trial",
    "apply_fix",
    "apply_in_place",
    "batch_norms",
    "build_network",
    "clip_gradients",
    "completed",
    "fixes_for",
    "gradient_trend",
    "layer_flow",
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
