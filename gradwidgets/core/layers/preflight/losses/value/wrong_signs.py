"""An exponential of the output with a minus sign in a loss, which then has no lowest value."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gradwidgets.core.layers.preflight.made import past
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.user_code import place_of_call

ENDLESS = "falls without end"
_EXP = ("exp", "exp_")
_FEWEST = 4  # numbers with the same gradient
_ACTION = (
    "Flip the sign of that term: the divergence of N(mu, exp(logvar)) from N(0, 1) is "
    "−0.5 · sum(1 + logvar − mu² − exp(logvar)), which is never below 0. Nothing, if the optimizer is given "
    "maximize=True."
)


class WrongSigns:
    """Finds exponentials of the unchanged output within a loss, and records their gradients.

    An exponential of a bounded number, such as a negative distance, may have a minus sign.

    Args:
        output: The tensors of the model's output.
    """

    def __init__(self, output: Sequence[Tensor]) -> None:
        self._makers = [node for one in output if (node := past(one.grad_fn)) is not None]
        self._seen: list[tuple[Tensor, str]] = []
        self._found: list[Finding] = []

    def see(self, name: str, given: Sequence[Tensor], result: object) -> None:
        """Check a call that was made."""
        if name not in _EXP or not isinstance(result, Tensor) or not result.requires_grad or result.numel() < _FEWEST:
            return
        if any(past(given[0].grad_fn) is one for one in self._makers):
            self._seen.append((result, place_of_call()))

    def watch(self) -> None:
        """Register hooks that record the gradients of the exponentials."""
        for one, place in self._seen:
            one.register_hook(lambda gradient, place=place: self._note(gradient.detach(), place))

    def findings(self) -> list[Finding]:
        """Return the finding on the first such exponential."""
        return self._found[:1]

    def _note(self, gradient: Tensor, place: str) -> None:
        least, most = (float(one) for one in torch.aminmax(gradient))
        if not most < 0 or most - least > 1e-6 * -least:
            return
        at = f" ({place})" if place else ""
        message = (
            f"the loss has exp{at} of what the model gives with a minus: each of {gradient.numel()} numbers gets "
            f"the same gradient, {number(most, 2)}, so that the loss falls without end as they grow, and faster than "
            "all else in it can rise"
        )
        evidence = {"gradient": most, "numbers": gradient.numel(), "threshold": 0.0}
        self._found.append(Finding(ENDLESS, "warning", message, evidence, action=_ACTION))
