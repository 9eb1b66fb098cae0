"""Watching every operation of a loss at one point, forwards and backwards."""

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

# An operation as torch hands it over: what to call, with what, and with what by name.
Op = Callable[..., Any]
Args = tuple[Any, ...]
Kwargs = dict[str, Any]

# What only hands infinity on, or puts it there on purpose.
HANDED_ON = frozenset((
    "full_like", "full", "clone", "to_copy", "detach", "alias", "view", "expand", "empty", "lift_fresh",
    "scalar_tensor", "constant_pad_nd", "masked_fill", "copy", "fill", "zeros_like", "ones_like", "select",
    "unsqueeze", "squeeze", "stack", "cat", "index", "slice",
))  # fmt: skip

_LONGEST = 80  # characters of a line that is quoted
# What is above these in the stack is nobody's loss.
_CALLING = ("gradwidgets.core.losses.loss_call", "gradwidgets.core.losses.loss_function")


def in_line() -> str:
    """The line of the loss's own source that is being run, in words; "" where it cannot be read."""
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
    """A block that sees every operation; a subclass says what it looks for.

    Attributes:
        keeps: Whether all tensors live until the end, so that one is told from another by where it lies.
        node: Which operation's backward runs; "" on the way forward.
        own: Whether that backward is a custom autograd function's.
        hid: Whether torch.where left out, on the way forward, what is not finite.
    """

    keeps = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: to be kept from torch's compiler, it would be imported at the first operation, which takes seconds."""
        return False

    def __init__(self) -> None:
        super().__init__()
        self.node, self.own, self.hid = "", False, False
        self._kept: list[object] = []  # memory that is used again would be taken for what lay there before

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
            func: What to call.
            args: With what.
            kwargs: With what by name.

        Returns:
            What it returned.
        """
        raise NotImplementedError

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Follow a value back to the leaves; meanwhile `node` says whose backward runs."""
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
    """What an operation is called whose backward has this name: "sqrt" of "SqrtBackward0"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", re.sub(r"Backward\d*$", "", node)).lower().strip("_")


def floats_in(tree: object) -> list[Tensor]:
    """The floating point tensors in arguments or results."""
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
