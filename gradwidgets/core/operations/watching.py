"""Watches every operation of a loss at one point, forwards and backwards."""

import linecache
import re
import sys
from collections.abc import Callable
from functools import lru_cache
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.utils._pytree import tree_leaves

from gradwidgets.core.losses.graph import nodes_of
from gradwidgets.core.subject.mode import DispatchMode

# An operation as torch passes it on: the function, its arguments and its keyword arguments.
Op = Callable[..., Any]
Args = tuple[Any, ...]
Kwargs = dict[str, Any]

# Operations that only pass infinity on, or write it on purpose.
HANDED_ON = frozenset((
    "full_like", "full", "clone", "to_copy", "detach", "alias", "view", "expand", "empty", "lift_fresh",
    "scalar_tensor", "constant_pad_nd", "masked_fill", "copy", "fill", "zeros_like", "ones_like", "select",
    "unsqueeze", "squeeze", "stack", "cat", "index", "slice",
))  # fmt: skip

_LONGEST = 80  # characters of a line that is quoted
# The loss is below these modules in the stack: what is above them does not belong to it.
_CALLING = ("gradwidgets.core.losses.loss_call", "gradwidgets.core.losses.loss_function")


def in_line() -> str:
    """The line of the loss's source that is running, in words; "" where it cannot be read."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (name := frame.f_globals.get("__name__", "")).partition(".")[0] in _OURS:
        frame = None if name in _CALLING else frame.f_back
    if frame is None:
        return ""
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).partition("  #")[0].strip()
    if len(line) > _LONGEST:
        return f", in line {frame.f_lineno}"
    return f", in “{line}”" if line else ""


_OURS = ("torch", "gradwidgets")


class Watching(DispatchMode):
    """A mode that sees every operation; its subclasses decide what to look for.

    Attributes:
        keeps: Whether all tensors are kept alive, so that an address identifies a tensor.
        node: The operation whose backward is running; "" in the forward pass.
        own: Whether that backward belongs to a custom autograd function.
        hid: Whether torch.where hid, in the forward pass, numbers that are not finite.
    """

    keeps = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: if torch's compiler had to skip this mode, the first operation would import it, which takes seconds."""
        return False

    def __init__(self) -> None:
        super().__init__()
        self.node, self.own, self.hid = "", False, False
        self._kept: list[object] = []  # else another tensor could get the address of one that was freed

    def __torch_dispatch__(self, func: Any, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        kwargs = kwargs or {}
        name = func.__name__.split(".")[0].strip("_").removesuffix("_forward")
        result = self.run(name, func, args, kwargs)
        if name == "where" and not self.node:
            self.hid |= not _is_finite(args) and _is_finite(result)
        if self.keeps:
            self._kept.append((args, kwargs, result))
        return result

    def run(self, name: str, func: Op, args: Args, kwargs: Kwargs) -> object:
        """Run an operation and look at it.

        Args:
            name: torch's name for it.
            func: The operation.
            args: Its arguments.
            kwargs: Its keyword arguments.

        Returns:
            Its result.
        """
        raise NotImplementedError

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Run the backward pass from a value; meanwhile `node` is the operation whose backward is running."""
        if not value.requires_grad:
            return

        def enter(name: str, own: bool) -> Callable[..., None]:
            def note(*_: object) -> None:
                self.node, self.own = name, own

            return note

        hooks = [node.register_prehook(enter(name_of(node), is_own(node))) for node in nodes_of(value)]
        self.node = "the way back"
        try:
            torch.autograd.grad(value, leaves, allow_unused=True)
        finally:
            for hook in hooks:
                hook.remove()


def _is_finite(tree: object) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in floats_in(tree))


def is_own(node: Node) -> bool:
    """Whether a node belongs to a custom autograd function."""
    return isinstance(node, torch.autograd.function.BackwardCFunction)


def name_of(node: Node) -> str:
    """The name of the operation of a node; of a custom autograd function, the name of its class."""
    return node.name().removesuffix("Backward") if is_own(node) else plain_name(node.name())


@lru_cache(maxsize=1024)
def plain_name(node: str) -> str:
    """Return an operation's name for that of its backward: "sqrt" for "SqrtBackward0"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", re.sub(r"Backward\d*$", "", node)).lower().strip("_")


def floats_in(tree: object) -> list[Tensor]:
    """The floating point tensors in arguments or results."""
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
