"""Shares that an output holds and that sum to 1 over the samples of the batch, where each sample's own were meant."""

import contextlib
from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.axes.mixing import FEWEST, SAME, evaluated, output_of
from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.layers.preflight.made import maker
from gradwidgets.core.operations.watching import Args, Kwargs, Op, plain_name
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.subject.user_code import place_of_call

ACROSS = "normalised batch"
_SHARES = ("softmax", "safe_softmax", "log_softmax")
_ACTION = (
    "Name the axis of what is to be shared out for each sample, the last one of (…, components): dim=-1. Nothing, if "
    "samples are to be weighed against each other."
)


class Shares(NamedTuple):
    """A softmax whose shares are an output.

    Attributes:
        name: "softmax" or "log_softmax".
        shape: Of what it gives.
        axis: Along which the shares sum to 1.
    """

    name: str
    shape: tuple[int, ...]
    axis: int


def shares_of(output: object) -> list[Shares]:
    """The softmaxes along a first or second axis, and not the last, that an output is made of as it stands."""
    tensors = [one for one in pytree.tree_leaves(output) if isinstance(one, Tensor) and one.grad_fn is not None]
    found = []
    for node in dict.fromkeys(maker(one) for one in tensors):
        name = "" if node is None else plain_name(node.name())
        if node is None or name not in _SHARES or not node._input_metadata:
            continue
        shape = tuple(node._input_metadata[0].shape)
        axis = getattr(node, "_saved_dim", -1)
        axis = axis - (1 << 64) if axis >= 1 << 63 else axis
        axis = axis % max(len(shape), 1)
        if axis < min(2, len(shape) - 1) and shape[axis] >= FEWEST and len(set(shape)) == len(shape):
            found.append(Shares(name.removeprefix("safe_"), shape, axis))
    return found


def across_samples(subject: Subject, output: object, found: Collection[Shares]) -> list[Finding]:
    """What to say of the first whose axis is that of the samples.

    It is if what the model gives for one sample depends on others by these shares alone: once they are taken along the
    last axis, it does not. Of a second axis, samples stand there if the model runs along the first, as steps do.

    Args:
        subject: A copy that may run.
        output: What the model gave.
        found: See `shares_of`.
    """
    for one in found:
        if not (_has_axis(subject.inputs, one, any) and _has_axis(output, one, all)):
            continue
        with evaluated(subject.model), contextlib.suppress(FlowError):
            turned = _Turned(one)
            changed = _changed(subject, one.axis, one.shape[one.axis])
            if not changed:
                continue
            with turned:
                alone = not _changed(subject, one.axis, one.shape[one.axis])
                runs = one.axis == 0 or _changed(subject, 0, one.shape[0])
            if alone and runs and turned.places:
                return [_told(one, changed, turned.places[0])]
    return []


def _has_axis(values: object, one: Shares, some: Callable[[Iterable[bool]], bool]) -> bool:
    tensors = [each for each in pytree.tree_leaves(values) if isinstance(each, Tensor) and each.ndim]
    return some(each.ndim > one.axis and each.shape[one.axis] == one.shape[one.axis] for each in tensors)


def _changed(subject: Subject, axis: int, count: int) -> int:
    """How many of the last half along an axis get another output once the others are exchanged."""
    half = count // 2
    kept, other = torch.arange(count), torch.arange(count)
    other[: count - half] = other[half:].clone()
    pairs = [
        (a.narrow(axis, count - half, half), b.narrow(axis, count - half, half), a.abs().max())
        for a, b in zip(*(_floats(output_of(subject, axis, count, some)) for some in (kept, other)), strict=True)
        if a.ndim > axis and a.shape[axis] == count
    ]
    apart = [((a - b).abs().movedim(axis, 0).reshape(half, -1).amax(1) > SAME * most) for a, b, most in pairs]
    return int(torch.stack(apart).any(0).sum()) if apart else 0


def _floats(output: object) -> list[Tensor]:
    return [one for one in pytree.tree_leaves(output) if isinstance(one, Tensor) and one.is_floating_point()]


class _Turned(FunctionMode):
    """Takes such shares along the last axis, and notes where."""

    def __init__(self, shares: Shares) -> None:
        super().__init__()
        self.places: list[str] = []
        self._shares = shares

    def __torch_function__(self, func: Op, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        """Make a call, such a softmax along the last axis."""
        keywords = kwargs or {}
        name, x = getattr(func, "__name__", ""), args[0] if args else keywords.get("input")
        axis = args[1] if len(args) > 1 else keywords.get("dim")
        if name != self._shares.name or not isinstance(x, Tensor) or tuple(x.shape) != self._shares.shape:
            return func(*args, **keywords)
        if not isinstance(axis, int) or axis % x.ndim != self._shares.axis:
            return func(*args, **keywords)
        self.places.append(place_of_call())
        return x.softmax(-1) if name == "softmax" else x.log_softmax(-1)


def _told(one: Shares, changed: int, place: str) -> Finding:
    at = f" ({place})" if place else ""
    message = (
        f"{one.name}{at} runs along axis {one.axis} of {one.shape}, which is that of the samples: their shares sum to "
        f"1 over the batch; when other samples were exchanged, {changed} of the {one.shape[one.axis] // 2} that stayed "
        "got another output, and none with it along the last axis"
    )
    evidence = {"layer": "", "shape": one.shape, "axis": one.axis, "changed": changed, "threshold": 0}
    return Finding(ACROSS, "warning", message, evidence, action=_ACTION)
