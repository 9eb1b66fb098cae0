"""Second derivatives of |x| without importing torch's compiler.

torch returns the derivative of a sign as a zero tensor without storage. To multiply by one, it first asks Python for
the result's shape, and that imports torch's compiler: seconds, once, in the middle of a slider's drag.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gradwidgets.core.subject.mode import FunctionMode

_ABS = (torch.abs, torch.absolute, Tensor.abs, Tensor.absolute, Tensor.__abs__)
_SIGN = (torch.sign, torch.sgn, Tensor.sign, Tensor.sgn)


class Twice(FunctionMode):
    """A block in which |x| is x times its sign, and a sign is a constant: same values and derivatives, even at 0."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Replace absolute values and signs of real tensors."""
        kwargs = kwargs or {}
        first = args[0] if args else None
        if isinstance(first, Tensor) and first.is_floating_point() and not kwargs:
            if function in _ABS and len(args) == 1:
                return first * first.detach().sign()
            if function in _SIGN and len(args) == 1:
                return first.detach().sign()
        return function(*args, **kwargs)
