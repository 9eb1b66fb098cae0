"""What the explorer's groups are about."""

from __future__ import annotations

from gradwidgets.widgets.helps.help_card import card

PART = card(
    "A loss may come in several parts or variants: “part” shows one of them, or two with the angle θ between their "
    "gradients. A parameter that is on no axis is a constant, with a slider.",
    ["cos θ = ∇L₁·∇L₂ / (|∇L₁| |∇L₂|)"],
)
POINT = card(
    "The numbers under the picture are those at this point, and the descent begins here. The slope says how the loss "
    "changes along an axis; an eigenvalue of the Hessian H is positive where the loss bends upwards.",
    ["slope along a: ∂L/∂a", "H: all ∂²L/∂a∂b"],
)
SHOW = card(
    "Arrows point downhill, against the gradient; the descent is that of SGD from the point. The check compares "
    "autograd's gradient with a difference quotient of the loss, h being small.",
    ["arrow: −∇L", "∂L/∂a ≈ (L(a + h) − L(a − h)) / 2h"],
)
