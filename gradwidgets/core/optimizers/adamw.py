"""AdamW with every setting of `torch.optim.AdamW`, as one pure step."""

from dataclasses import dataclass
from typing import ClassVar

from gradwidgets.core.optimizers.adam import AdamRule
from gradwidgets.core.optimizers.setting import amsgrad, betas, eps, lr, maximize, weight_decay


@dataclass(frozen=True)
class AdamW(AdamRule):
    """The settings of `torch.optim.AdamW` and the step they make: Adam's, with weight decay that is not divided.

    With g the gradient at point p (−g when `maximize`), step t = 1, 2, … does, in this order,

        p ← p · (1 − lr · weight_decay)
        m ← β₁ · m + (1 − β₁) · g
        v ← β₂ · v + (1 − β₂) · g²
        w ← max(w, v) if amsgrad else v
        p ← p − lr · m / (1 − β₁ᵗ) / (√w / √(1 − β₂ᵗ) + eps)

    so that all parameters decay alike, however large their gradients are.

    Attributes:
        lr: Learning rate, ≥ 0.
        betas: (β₁, β₂), how much of the averages is kept at every step; each from 0 to below 1.
        eps: Keeps the denominator away from 0, ≥ 0.
        weight_decay: ≥ 0; each step shrinks the parameters by the fraction lr · weight_decay.
        amsgrad: Divide by the largest average of squares so far instead of by the current one.
        maximize: Climb instead of descend.

    Raises:
        ValueError: A setting is out of range, in torch's words; or is not a finite number (True or False
            for the last two), in words of the same kind.

    References:
        I. Loshchilov and F. Hutter, Decoupled weight decay regularization, 2019.
    """

    nonlinear: ClassVar[str] = "no fixed limit: AdamW divides every step by the size of its gradients"
    formula: ClassVar[tuple[str, ...]] = (
        "p = p · (1 − lr · weight_decay)",
        "m = β₁ · m + (1 − β₁) · g",
        "v = β₂ · v + (1 − β₂) · g²",
        "p = p − lr · m′ / (√v′ + eps)",
        "m′ = m / (1 − β₁^t), v′ = v / (1 − β₂^t)",
    )
    decoupled_weight_decay = True

    lr: float = lr()
    betas: tuple[float, float] = betas()
    eps: float = eps()
    weight_decay: float = weight_decay(1e-2)
    amsgrad: bool = amsgrad()
    maximize: bool = maximize()
