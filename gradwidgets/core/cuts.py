"""What stands between a loss and its gradient: operations that cut it, and backward functions of somebody's own."""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

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
        constant: What takes a gradient of its own that has none: "torch.autograd.grad" or "backward"; "" for none.
    """

    operations: tuple[str, ...] = ()
    own: tuple[str, ...] = field(default=())
    constant: str = ""

    @property
    def action(self) -> str:
        """What to do about it, where that is known; else ""."""
        return f"Call {self.constant} with create_graph=True." if self.constant else ""

    @property
    def sentence(self) -> str:
        """What is cut, in words; "" where nothing is to be seen."""
        parts = [f"{name} has a backward of its own" for name in self.own]
        if self.constant:
            # It detaches what it gives: that is no cut of its own.
            parts.append(f"{self.constant} is called in it without create_graph=True, so what it gives is a constant")
        elif self.operations:
            parts.append(f"{' and '.join(self.operations)} on the way cuts the gradient")
        return "; ".join(parts)


def cuts_of(function: LossFunction, point: Tensor) -> Cuts:
    """Run the loss at one point, (P,), and see what cuts its gradient."""
    watch = _Cuts()
    try:
        function.run_at(point, torch.float64, watch)
    except Exception:
        return Cuts()
    return Cuts(tuple(dict.fromkeys(watch.operations)), tuple(dict.fromkeys(watch.own)), watch.inner.constant)


class _InnerGradients(TorchFunctionMode):
    """Notes gradients that the loss takes itself and that have none of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.constant = ""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in _GRADIENTS and not kwargs.get("create_graph"):
            self.constant = _GRADIENTS[func]
        return func(*args, **kwargs)


_GRADIENTS = {torch.autograd.grad: "torch.autograd.grad", Tensor.backward: "backward"}


class _Cuts(Watching):
    def __init__(self) -> None:
        super().__init__()
        self.operations: list[str] = []
        self.own: list[str] = []
        self.inner = _InnerGradients()

    def __enter__(self) -> "_Cuts":
        self.inner.__enter__()
        return super().__enter__()

    def __exit__(self, *raised: object) -> None:
        super().__exit__(*raised)
        self.inner.__exit__(*raised)

    def run(self, name: str, func, args: tuple, kwargs: dict) -> object:
        if not self.node and name in _CUTTING:
            self.operations.append(_CUTTING[name])
        return func(*args, **kwargs)

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Look at the graph; nobody needs to follow it."""
        own = torch.autograd.function.BackwardCFunction
        self.own += [node.name().removesuffix("Backward") for node in nodes_of(value) if isinstance(node, own)]
