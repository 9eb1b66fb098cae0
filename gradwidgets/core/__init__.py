"""The analysis core: torch in, frozen results out, without pictures or widgets.

What can be descended
    `Objective`, ready-made ones in `OBJECTIVES`, your own with `as_objective`, and `regression` (or all its
    `LOSSES` at once: `regressions`) on your data or one of the `DATASETS`.
How
    `SGD`, `Adam` or another of the `OPTIMIZERS`, with every setting of torch's, in `descend` and `descend_each`,
    which give a `Trajectory`; under one of the `SCHEDULES`, `warm_up` before it, and on mini-batches; for many seeds of
    those at once in `descend_runs`.
What it means
    `outcome` (where it went), `stability` (how large lr may be), `hover` (how far the noise of batches keeps it from
    the minimum; `stationary_variance` is the law), `step_parts` (one step taken apart), `sample_surface` and
    `sample_surfaces` (the map), `script` (the run as a plain torch script).
What is wrong with a loss
    Any torch callable over one or two of its parameters: `sample_surface`, `probe` (a table at inputs that tell),
    `find_patterns` (a verdict with evidence; all there are in `PATTERNS`), all three in `check_loss`, and
    `assert_loss` for a test suite. `check_gradient` (autograd beside central differences, as a map) and
    `compare_surfaces` (two variants: the angle between their gradients, the differences in words). `EXAMPLES` are
    losses to look at.
Where the gradient goes in a network
    `build_network` (`NETWORKS`, `ACTIVATIONS`, `INITS`), `preflight` (what goes in, and what the loss makes of it),
    `layer_flow` (every layer of any model, which stays as it is), `diagnose` (`CHECKS`), `apply_fix` on a copy
    (`FIXES`), `try_fix` (both, and the first steps of training), `rank_fixes` (all that fit, by what the loss did),
    `apply_in_place` (with a way back), `clip_gradients`
    (`CLIPPERS`), `GradientMonitor` in a real training loop, `predicted_factor` (theory), `parameter_gradients`,
    `batch_norms`; and of a whole model `hessian_spectrum`, `gradient_noise_scale`, `gradient_covariance`.
Long work in slices
    `sample_surface`, `descend_each`, `try_fix`, `rank_fixes`, `hessian_spectrum` and their like have an `in_slices`,
    which takes the same, yields the share that is done and returns the result; `descending_each`, `sampling_each`,
    `trying_fix` and `ranking_fixes` are four of them by name, and `training_losses` is one.
"""

from gradwidgets.core.descent.descent import descend, descend_each, descending_each
from gradwidgets.core.descent.hovering import Hover, hover, stationary_variance
from gradwidgets.core.descent.outcome import Outcome, outcome
from gradwidgets.core.descent.runs import Runs, descend_runs, descending_runs
from gradwidgets.core.descent.script import script
from gradwidgets.core.descent.stability import Stability, stability
from gradwidgets.core.descent.step_parts import StepParts, step_parts
from gradwidgets.core.descent.trajectory import Trajectory
from gradwidgets.core.layers import (
    ACTIVATIONS,
    CHECKS,
    CLIPPERS,
    FIXES,
    INITS,
    NETWORKS,
    AppliedFix,
    FixRanking,
    LayerFlow,
    LayerStats,
    Trial,
    apply_fix,
    apply_in_place,
    batch_norms,
    build_network,
    clip_gradients,
    fixes_for,
    layer_flow,
    parameter_gradients,
    predicted_factor,
    predicted_factors,
    preflight,
    rank_fixes,
    ranking_fixes,
    training_losses,
    try_fix,
    trying_fix,
)
from gradwidgets.core.losses.loss_call import LossError
from gradwidgets.core.monitor import GradientHistory, GradientMonitor, compare_records, diagnose
from gradwidgets.core.objectives.objective import Objective
from gradwidgets.core.objectives.own_objective import ObjectiveError, as_objective
from gradwidgets.core.objectives.ready_made import (
    OBJECTIVES,
    beale,
    himmelblau,
    product,
    quadratic,
    rosenbrock,
    saddle,
)
from gradwidgets.core.optimizers import (
    ASGD,
    OPTIMIZERS,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    NAdam,
    Optimizer,
    RAdam,
    RMSprop,
    Rprop,
)
from gradwidgets.core.regression.datasets import DATASETS
from gradwidgets.core.regression.losses import LOSSES, RegressionLoss
from gradwidgets.core.regression.regression import Regression, regression, regressions
from gradwidgets.core.results.allowed import choose
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.schedules import SCHEDULES, Schedule, warm_up
from gradwidgets.core.spectra import (
    GradientCovariance,
    NoiseScale,
    Spectrum,
    gradient_covariance,
    gradient_noise_scale,
    hessian_spectrum,
)
from gradwidgets.core.surfaces.check import LossReport, assert_loss, check_loss
from gradwidgets.core.surfaces.comparison import Comparison, compare_surfaces
from gradwidgets.core.surfaces.critical_points import CriticalPoint
from gradwidgets.core.surfaces.examples import EXAMPLES, Example
from gradwidgets.core.surfaces.gradient_check import GradientCheck, check_gradient
from gradwidgets.core.surfaces.patterns import PATTERNS, Pattern, find_patterns
from gradwidgets.core.surfaces.probe import ProbeRow, probe
from gradwidgets.core.surfaces.surface import SurfaceGrid, sample_surface, sample_surfaces, sampling_each

__all__ = [
    "ACTIVATIONS",
    "ASGD",
    "CHECKS",
    "CLIPPERS",
    "DATASETS",
    "EXAMPLES",
    "FIXES",
    "INITS",
    "LOSSES",
    "NETWORKS",
    "OBJECTIVES",
    "OPTIMIZERS",
    "PATTERNS",
    "SCHEDULES",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "AppliedFix",
    "Comparison",
    "CriticalPoint",
    "Example",
    "Finding",
    "FixRanking",
    "GradientCheck",
    "GradientCovariance",
    "GradientHistory",
    "GradientMonitor",
    "Hover",
    "LayerFlow",
    "LayerStats",
    "LossError",
    "LossReport",
    "NAdam",
    "NoiseScale",
    "Objective",
    "ObjectiveError",
    "Optimizer",
    "Outcome",
    "Pattern",
    "ProbeRow",
    "RAdam",
    "RMSprop",
    "Regression",
    "RegressionLoss",
    "Rprop",
    "Runs",
    "Schedule",
    "Spectrum",
    "Stability",
    "StepParts",
    "SurfaceGrid",
    "Trajectory",
    "Trial",
    "apply_fix",
    "apply_in_place",
    "as_objective",
    "assert_loss",
    "batch_norms",
    "beale",
    "build_network",
    "check_gradient",
    "check_loss",
    "choose",
    "clip_gradients",
    "compare_records",
    "compare_surfaces",
    "descend",
    "descend_each",
    "descend_runs",
    "descending_each",
    "descending_runs",
    "diagnose",
    "find_patterns",
    "fixes_for",
    "gradient_covariance",
    "gradient_noise_scale",
    "hessian_spectrum",
    "himmelblau",
    "hover",
    "layer_flow",
    "outcome",
    "parameter_gradients",
    "predicted_factor",
    "predicted_factors",
    "preflight",
    "probe",
    "product",
    "quadratic",
    "rank_fixes",
    "ranking_fixes",
    "regression",
    "regressions",
    "rosenbrock",
    "saddle",
    "sample_surface",
    "sample_surfaces",
    "sampling_each",
    "script",
    "stability",
    "stationary_variance",
    "step_parts",
    "training_losses",
    "try_fix",
    "trying_fix",
    "warm_up",
]
