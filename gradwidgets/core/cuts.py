"""What stands between a loss and its gradient: operations that cut it, and backward functions of somebody's own."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from gradwidgets.core.graph import nodes_of
from gradwidgets.core.loss_function import LossFunction
from gradwidgets.core.watching import Watching

_CUTTING = {
    "detach": "detach or no_grad",
    "round": "round",
    "floor": "floor",
    "ceil": "ceil",
    "trunc": "trunc",
    "sign": "sign",
    "sgn": "sign",
    "heaviside": "heaviside",
    "argmax": "argmax",
    "argmin": "argmin",
    "bernoulli": "bernoulli",
}


@dataclass(frozen=True)
class Cuts:
    """What was met on the way.

    Attributes:
        operations: What cuts gradients, in words.
        own: Names of functions with a backward of their own.
    """

    operations: tuple[str, ...] = ()
    own: tuple[str, ...] = field(default=())

    @property
    def sentence(self) -> str:
        """What is cut, in words; "" where nothing is to be seen."""
        parts = [f"{name} has a backward of its own" for name in self.own]
        if self.operations:
            parts.append(f"{' and '.join(self.operations)} on the way cuts the gradient")
        return "; ".join(parts)


def cuts_of(function: LossFunction, point: Tensor) -> Cuts:
    """Run the loss at one point, (P,), and see what cuts its gradient."""
    watch = _Cuts()
    try:
        function.run_at(point, torch.float64, watch)
    except Exception:
        return Cuts()
    return Cuts(tuple(dict.fromkeys(watch.operations)), tuple(dict.fromkeys(watch.own)))


class _Cuts(Watching):
    def __init__(self) -> None:
        super().__init__()
        self.operations: list[str] = []
        self.own: list[str] = []

    def run(self, name: str, func, args: tuple, kwargs: dict) -> object:
        if not self.node and name in _CUTTING:
            self.operations.append(_CUTTING[name])
        return func(*args, **kwargs)

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Look at the graph; nobody needs to follow it."""
        own = torch.autograd.function.BackwardCFunction
        self.own += [node.name().removesuffix("Backward") for node in nodes_of(value) if isinstance(node, own)]
