"""An exponential of the output that a loss has with a minus: the loss falls without end, faster than all else rises."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gradwidgets.core.layers.causes.following import place_of_call
from gradwidgets.core.layers.preflight.made import past
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

ENDLESS = "falls without end"
_EXP = ("exp", "exp_")
_FEWEST = 4  # numbers that get the same gradient
_ACTION = (
    "Turn the sign of that term: the divergence of N(mu, exp(logvar)) from N(0, 1) is "
    "−0.5 · sum(1 + logvar − mu² − exp(logvar)), which is never below 0. Nothing, if the optimizer is given "
    "maximize=True."
)


class WrongSigns:
    """Watches a loss for exponentials of what the model gives, as it gives it, and for what comes back to them.

    What is bounded above before it, a distance with a minus say, may well have a minus before it.

    Args:
        output: The tensors of the model's output.
    """

    def __init__(self, output: Sequence[Tensor]) -> None:
        self._makers = [node for one in output if (node := past(one.grad_fn)) is not None]
        self._seen: list[tuple[Tensor, str]] = []
        self._found: list[Finding] = []

    def see(self, name: str, given: Sequence[Tensor], result: object) -> None:
        """Look at a call, and at what it gave."""
        if name not in _EXP or not isinstance(result, Tensor) or not result.requires_grad or result.numel() < _FEWEST:
            return
        if any(past(given[0].grad_fn) is one for one in self._makers):
            self._seen.append((result, place_of_call()))

    def watch(self) -> None:
        """Have the gradients noted that come to what was seen."""
        for one, place in self._seen:
            one.register_hook(lambda gradient, place=place: self._note(gradient.detach(), place))

    def findings(self) -> list[Finding]:
        """What there is to say."""
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
