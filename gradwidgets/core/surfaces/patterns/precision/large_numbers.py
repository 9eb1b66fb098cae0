"""Numbers written in a loss that are too large for the precision of its training."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.operations.watching import Args, Kwargs, Op, in_line
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.surfaces.patterns.look import Look


@dataclass(frozen=True)
class TooLarge:
    """A number that is too large.

    Attributes:
        value: The number.
        operation: torch's name for the operation to which it is given.
        line: The line of the loss, in words; "" if it is not known.
    """

    value: float
    operation: str
    line: str


class _Raising(FunctionMode):
    """Notes the operation that raises because a number is beyond the largest of a precision."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.found: TooLarge | None = None
        self._most = torch.finfo(dtype).max

    def __torch_function__(self, func: Op, types: object, args: Args = (), kwargs: Kwargs | None = None) -> object:
        try:
            return func(*args, **(kwargs or {}))
        except Exception:
            numbers = [float(x) for x in (*args, *(kwargs or {}).values()) if type(x) in (int, float)]
            beyond = [x for x in numbers if self._most < abs(x) < float("inf")]
            if beyond and self.found is None:
                self.found = TooLarge(beyond[0], getattr(func, "__name__", "").strip("_"), in_line())
            raise

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: the forward pass raises."""


class _Forward(FunctionMode):
    """Runs the loss as it is, and its backward pass."""

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Run the backward pass too."""
        torch.autograd.grad(value, leaves, allow_unused=True)


def too_large(look: Look) -> TooLarge | None:
    """The number because of which a loss raises in the training's precision; None if the reason is another one."""
    watch = _Raising(look.dtype)
    try:
        look.own.run_at(_some_point(look), look.dtype, watch)
    except Exception:
        return watch.found
    return None


def runs_under_autocast(look: Look) -> bool:
    """Whether a loss that raises in a precision of few digits runs under autocast, which chooses where to use it."""
    try:
        with torch.autocast("cpu", dtype=look.dtype):
            look.own.run_at(_some_point(look), torch.float32, _Forward())
    except Exception:
        return False
    return True


def _some_point(look: Look) -> Tensor:
    points = look.lattice.points[look.lattice.finite]
    return points[len(points) // 2]
