"""A loss in float64, whatever its data and casts are: the reference for its other precisions."""

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


class Doubled(FunctionMode):
    """A block in which every floating point tensor that enters a torch function is converted to float64.

    A cast to a lower precision does nothing. Tensors that are written to in place keep their dtype.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in _AS_IT_IS:
            return func(*args, **kwargs)
        if name in _CASTS:
            return Tensor.double(args[0])
        if _in_place(name) and args and isinstance(args[0], Tensor) and args[0].dtype in LOW:
            return func(*args, **kwargs)
        if kwargs or any(isinstance(value, (list, tuple, dict)) for value in args):
            return func(*tree_map(_doubled, tuple(args)), **tree_map(_doubled, kwargs))
        return func(*map(_doubled, args))


def _in_place(name: str) -> bool:
    return name.endswith("_") and not name.endswith("__")


def _doubled(value: object) -> object:
    if isinstance(value, Tensor) and value.dtype in LOW:
        return Tensor.double(value)
    return torch.float64 if isinstance(value, torch.dtype) and value in LOW else value
