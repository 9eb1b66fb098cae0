"""What the groups of the layer panel's views are about."""

from __future__ import annotations

from collections.abc import Mapping

from gradwidgets.widgets.helps.help_card import card

_NETWORK = card(
    "The network that is measured, with random weights and data. On its way back through depth layers the gradient is "
    "multiplied by about the same factor c in each, so it fades if c < 1 and explodes if c > 1.",
    ["|first gradient| ≈ c^depth · |last gradient|", "c² = width · Var(w) · mean of φ′²"],
)
_SHOW = card(
    "The plot shows one number for each layer, rms per element or the norm of all n elements; “compare” keeps the "
    "current profile for comparison. update/weight is the size of one step relative to the weights.",
    ["rms(g) = √(Σ g² / n)", "norm(g) = √(Σ g²)", "update/weight = lr · rms(g) / rms(w)"],
)
_CURE = card(
    "A cure is tried on a copy of the network, and gradient descent takes 20 steps with it and without it. Apply "
    "changes the model itself, and Undo restores it bit for bit.",
    ["one step: w ← w − lr · ∂L/∂w"],
)
_HISTOGRAM = card(
    "The histogram shows the elements of one step's gradient g before and after clipping by the chosen rule. The "
    "cosine says whether the clipped gradient g′ still has the same direction: then it is 1.",
    ["cosine = g·g′ / (|g| |g′|)"],
)
_THRESHOLDS = card(
    "Norm and autoclip multiply the whole gradient by one factor; value and percentile cut each element. Autoclip's "
    "threshold is a percentile of the norms so far, percentile's one of this step's elements.",
    ["norm: g ← g · min(1, max_norm / |g|)", "value: gᵢ ← gᵢ within ±clip_value"],
)
_STEP = card(
    "The gradients of this step are multiplied by spike before they are clipped, as an unusual batch would do. A good "
    "clipper shortens this step, and leaves ordinary ones alone.",
    ["g ← spike · g"],
)
_MEASURE = card(
    "Spectrum measures the eigenvalues λ of the Hessian: beyond the limit of lr the sharpest direction diverges. Noise "
    "scale is the batch size B up to which larger batches help; Σ is the covariance of single gradients, G their mean.",
    ["lr < 2 / λmax", "B = tr Σ / |G|²"],
)
_TRAINING = card(
    "Train runs SGD on a copy, and the gradient of every layer is recorded just before each step. Your own loop can be "
    "recorded in the same way.",
    ["each step: w ← w − lr · ∂L/∂w"],
)

# The view and the first setting of a group → what the group is about.
HELPS: Mapping[tuple[str, str], str] = {
    ("flow", "preset"): _NETWORK,
    ("flow", "quantity"): _SHOW,
    ("doctor", "fix"): _CURE,
    ("doctor", "quantity"): _SHOW,
    ("clipping", "clipper"): _HISTOGRAM,
    ("clipping", "max_norm"): _THRESHOLDS,
    ("clipping", "spike"): _STEP,
    ("curvature", "lr"): _MEASURE,
    ("curvature", "depth"): _NETWORK,
    ("live", "lr"): _TRAINING,
    ("live", "quantity"): _SHOW,
}
