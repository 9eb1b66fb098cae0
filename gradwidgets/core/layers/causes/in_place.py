"""Where in the user's code a tensor is changed in place that the backward pass needs."""

import re
from typing import Any

import torch
from torch import Tensor

from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.operations.watching import Args, Kwargs, Op, plain_name
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.subject.user_code import place_of_call

_RAISED = re.compile(r"modified by an inplace operation: \[[\w.]+ \[([\d, ]*)\]\](?:, which is output \d+ of (\w+?),)?")
_CURE = "Write it into a new tensor: x = x * y in place of x *= y, torch.relu in place of relu_."


def told_in_place(subject: Subject, error: FlowError) -> FlowError | None:
    """Run the model forward once more, and add the change in place to an error; None for another kind of error.

    Args:
        subject: A copy of the model, which runs.
        error: The error of the backward pass.
    """
    found = _RAISED.search(str(error))
    if found is None:
        return None
    shape = tuple(int(size) for size in found[1].split(",") if size.strip())
    seen = _Seen(shape, plain_name(f"{(found[2] or '').removesuffix('Backward')}Backward0") if found[2] else "")
    try:
        with seen:
            subject.loss()
    except FlowError:
        return None
    if not seen.found:
        return None
    operation, place, maker = seen.found[-1]
    what = f"what {maker} gave" if maker else "a tensor"
    told = f"{operation} ({place}) changes {what}, of shape {shape}, in place, and the way back needs it"
    return FlowError(f"{str(error).rstrip('.')}. {told}. {_CURE}")


class _Seen(FunctionMode):
    """Records the calls that change a tensor of a given shape and operation in place."""

    def __init__(self, shape: tuple[int, ...], maker: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []
        self._shape, self._maker = shape, maker
        self._made: dict[int, tuple[Tensor, str]] = {}

    def __torch_function__(self, func: Op, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        """Inspect a call, and make it."""
        x = args[0] if args and isinstance(args[0], Tensor) else None
        version = x._version if x is not None and not torch.is_inference(x) else None
        result, name = func(*args, **(kwargs or {})), getattr(func, "__name__", "")
        if x is not None and version is not None and x._version != version and tuple(x.shape) == self._shape:
            maker = self._made.get(id(x), (x, ""))[1]
            if maker == self._maker or not (maker and self._maker):
                self.found.append((name, place_of_call(), maker))
        if isinstance(result, Tensor) and result.grad_fn is not None and id(result) not in self._made:
            self._made[id(result)] = result, plain_name(result.grad_fn.name())
        return result
