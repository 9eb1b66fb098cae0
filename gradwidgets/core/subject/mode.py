"""Modes of torch that stay what they are when an interrupt comes inside torch.

While a mode handles an operation, torch takes it from its stack of modes and puts it back afterwards. An interrupt in
between leaves it off: torch's own `__exit__` then takes off the mode below, which is the user's, or raises on an empty
stack, and whoever handles that error never hears of the interrupt.
"""

from typing import Any, Self

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode


class FunctionMode(TorchFunctionMode):
    """A `TorchFunctionMode` that leaves the stack of function modes as high as it was."""

    def __enter__(self) -> Self:
        self.__dict__.setdefault("_heights", []).append(torch._C._len_torch_function_stack())
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        height = self.__dict__["_heights"].pop()
        if torch._C._len_torch_function_stack() <= height:
            torch._C._push_on_torch_function_stack(self)
        super().__exit__(*error)


class DispatchMode(TorchDispatchMode):
    """A `TorchDispatchMode` that leaves the stack of dispatch modes as high as it was."""

    def __enter__(self) -> Self:
        self.__dict__.setdefault("_heights", []).append(torch._C._len_torch_dispatch_stack())
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        height = self.__dict__["_heights"].pop()
        if torch._C._len_torch_dispatch_stack() <= height:
            torch._C._push_on_torch_dispatch_stack(self)
        super().__exit__(*error)
