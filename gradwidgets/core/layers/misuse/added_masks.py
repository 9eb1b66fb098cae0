"""Masks of 0 and 1 that are added to scores before a softmax, found by another run, as autograd saves no summands."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.misuse.attention_masks import added, adds_yes_or_no
from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.layers.scores.ahead_of import before
from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.subject.user_code import place_of_call

_FEW = 8  # the most operations between a sum and its softmax
_BEFORE = (
    "view", "unsafe_view", "reshape_alias", "expand", "clone", "mul", "div", "native_dropout", "squeeze", "unsqueeze",
    "sub", "to_copy", "clamp", "transpose", "permute",
)  # fmt: skip
ADDS = ("add", "__add__", "__radd__", "add_", "__iadd__")
_ATTENTION = "scaled_dot_product_attention"  # with dropout, the graph contains its single operations instead
# Functions that change scores by a factor or their shape only. If another function masks them, the sum is a bias.
_PASSING = (
    "view", "reshape", "expand", "clone", "contiguous", "mul", "__mul__", "mul_", "div", "__truediv__", "div_", "float",
    "to", "type_as", "squeeze", "unsqueeze", "dropout", "flatten", "unflatten", "transpose", "permute",
)  # fmt: skip


def may_add_masks(softmaxes: Iterable[Operation]) -> bool:
    """Whether a tensor without a gradient is added to the scores of one of these softmaxes."""
    return any(_adds(one.node) for one in softmaxes)


def _adds(node: Node) -> bool:
    for name, one in before(node, _FEW):
        if name == "add" and any(other is None for other, _ in one.next_functions):
            return True
        if name not in (*_BEFORE, "add"):
            return False
    return False


def added_masks(subject: Subject) -> list[Finding]:
    """Run the model forward once more, and report the first mask of 0 and 1 that is added to scores.

    Args:
        subject: A copy of the model, which runs.
    """
    seen = _Seen()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]), seen:
            subject.loss()
    except FlowError:
        return []
    return [] if seen.found is None else [added(seen.found, "")]


class _Seen(FunctionMode):
    """Follows sums with a mask of 0 and 1 up to a softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.found: str | None = None
        self._sums: dict[int, tuple[Tensor, str]] = {}  # kept alive, so that their ids stay unique

    def __torch_function__(self, func: Op, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        """Inspect a call, and make it."""
        kwargs, name = kwargs or {}, getattr(func, "__name__", "")
        known = next((self._sums.get(id(one)) for one in args[:1]), None)
        if name == "softmax" and known is not None and self.found is None:
            self.found = known[1]
        if name == _ATTENTION and self.found is None and _is_given_mask(*args[3:4], **kwargs):
            self.found = _at(name)
        pair = [one for one in args if isinstance(one, Tensor)] if name in ADDS and self.found is None else []
        masks = len(pair) == 2 and _is_mask(*pair)
        result = func(*args, **kwargs)
        if masks and isinstance(result, Tensor):
            self._sums[id(result)] = result, _at("add")
        elif known is not None and name in _PASSING and isinstance(result, Tensor):
            self._sums[id(result)] = result, known[1]
        return result


def _at(name: str) -> str:
    place = place_of_call()
    return f"{name} ({place})" if place else name


def _is_given_mask(attn_mask: object = None, **_: object) -> bool:
    if not isinstance(attn_mask, Tensor) or attn_mask.dtype is torch.bool:
        return False
    return attn_mask.ndim > 1 and adds_yes_or_no(attn_mask)


def _is_mask(*pair: Tensor) -> bool:
    return any(_masks(one, other) for one, other in (pair, pair[::-1]))


def _masks(mask: Tensor, scores: Tensor) -> bool:
    fits = 2 <= mask.ndim <= scores.ndim and mask.shape[-1] == scores.shape[-1] > 1
    return fits and scores.is_floating_point() and adds_yes_or_no(mask)
