"""A loss in float64, whatever its data and casts are: the reference for its other precisions."""

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from gradwidgets.core.subject.mode import FunctionMode

LOW = (torch.float32, torch.float16, torch.bfloat16)

_CASTS = ("half", "float", "bfloat16")
# What must see the original tensors: queries about them, and operations on them rather than with them.
_AS_IT_IS = frozenset(
    ("__get__", "backward", "grad", "requires_grad_", "register_hook", "stride", "size", "dim", "is_floating_point")
)


class Doubling:
    """Makes blocks of `Doubled` for calls of a loss, until a call at all points has had nothing to convert.

    Such a call takes one way through the loss's Python for all points; the next ones need not look at every operation.

    Attributes:
        needed: Whether there may be something to convert.
        converts: Whether anything has been converted.
    """

    def __init__(self) -> None:
        self.needed, self.converts = True, False

    def __call__(self) -> contextlib.AbstractContextManager[object]:
        """Return a block for the next call or its backward pass."""
        return Doubled(self) if self.needed else contextlib.nullcontext()

    def called(self) -> None:
        """Note that a call at all points has ended, its backward pass included."""
        self.needed = self.converts


class Doubled(FunctionMode):
    """A block in which every floating point tensor that enters a torch function is converted to float64.

    A cast to a lower precision does nothing. Tensors that are written to in place keep their dtype.

    Args:
        maker: What is told of conversions.
    """

    def __init__(self, maker: Doubling) -> None:
        super().__init__()
        self._maker = maker

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in _AS_IT_IS:
            return func(*args, **kwargs)
        if name in _CASTS:
            self._maker.converts = True
            return Tensor.double(args[0])
        if _in_place(name) and args and isinstance(args[0], Tensor) and args[0].dtype in LOW:
            self._maker.converts = True
            return func(*args, **kwargs)
        if kwargs or any(isinstance(value, (list, tuple, dict)) for value in args):
            return func(*tree_map(self._doubled, tuple(args)), **tree_map(self._doubled, kwargs))
        return func(*map(self._doubled, args))

    def _doubled(self, value: object) -> object:
        if isinstance(value, Tensor):
            if value.dtype in LOW:
                self._maker.converts = True
                return Tensor.double(value)
        elif isinstance(value, torch.dtype) and value in LOW:
            self._maker.converts = True
            return torch.float64
        return value


def _in_place(name: str) -> bool:
    return name.endswith("_") and not name.endswith("__")
