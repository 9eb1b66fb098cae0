"""Softmaxes whose scores are always equal, as what makes each of them is the same: they give 1/n whatever comes in.

All that such scores get as gradients adds up to 0 where they come together again, so that what makes them gets no more
than rounding. Scores that are equal at first alone, as a gate's with weights of 0, are not: with other weights they
differ. This is measured, with weights and inputs changed at random.
"""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.axes.mixing import evaluated
from gradwidgets.core.layers.misuse.lone_softmax import SOFTMAXES
from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.layers.passes.passes import FlowError, Subject, run
from gradwidgets.core.layers.passes.rows import Row
from gradwidgets.core.layers.scores.ahead_of import axis_of
from gradwidgets.core.losses.graph import saved
from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted, number
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.subject.user_code import place_of_call

EQUAL = "equal scores"
_SAME = 1e-5  # share of 1/n up to which an entry is 1/n
_FAINT = 1e-6  # share of the largest gradient up to which a gradient is rounding
_TIMES = 2  # that weights and inputs are changed
_FAR = 0.1  # by which weights of 0 are changed
_NAMED = 3
_ACTION = (
    "Let each score come from what tells the entries apart: from each key or step, or from an output of a layer for "
    "each, nn.Linear(width, n). A mean in its place gives the same as now."
)


def equal_shares(softmaxes: Sequence[Operation]) -> list[tuple[int, ...]]:
    """Return the shapes of the softmaxes that give 1/n everywhere.

    Args:
        softmaxes: Those of the model.
    """
    return [_shape(one.node) for one in softmaxes if one.name in SOFTMAXES and _is_equal(one.node)]


def _shape(node: Node) -> tuple[int, ...]:
    return tuple(node._input_metadata[0].shape)


def _is_equal(node: Node) -> bool:
    shares, axis = saved(node, "result").detach(), axis_of(node)
    if shares.ndim < 2 or shares.shape[axis] < 2 or not shares.numel():
        return False
    shares = shares.movedim(axis, -1)
    return _are_equal(shares[(0,) * (shares.ndim - 1)]) and _are_equal(shares)


def _are_equal(shares: Tensor) -> bool:
    """Whether all shares along the last axis are 1/n."""
    return bool(((shares * shares.shape[-1] - 1).abs() <= _SAME).all())


def always_equal(
    subject: Subject,
    shapes: Collection[tuple[int, ...]],
    rows: Collection[Row],
    gradients: Mapping[int, float | None],
) -> list[Finding]:
    """Report the first softmax that gives 1/n with other weights and inputs too, if layers get rounding alone.

    Args:
        subject: A copy of the model, which runs.
        shapes: The shapes of softmaxes that gave 1/n.
        rows: The model's layers.
        gradients: The norms of the gradients by parameters, by the parameters' ids.
    """
    sizes = {row.name: _largest(row, gradients) for row in rows if row.own}
    most = max(sizes.values(), default=0.0)
    faint = {name: size for name, size in sizes.items() if 0 <= size <= _FAINT * most}
    if not faint or any(_is_constant(one) for one in pytree.tree_leaves(subject.inputs)):
        return []
    kept: list[str] | None = None
    many: dict[str, int] = {}
    with evaluated(subject.model):
        for seed in range(_TIMES):
            seen = _Softmaxes(shapes)
            with contextlib.suppress(FlowError), _changed(subject.model, seed):
                inputs = pytree.tree_map(_other, subject.batch()[0])
                with seen:
                    run("the model", subject.model, inputs, subject.model)
            equal = [place for place in seen.equal if all(seen.equal[place])]
            kept = equal if kept is None else [place for place in kept if place in equal]
            many |= seen.entries
    return [_told(place, many[place], faint, most) for place in kept or ()][:1]


def _largest(row: Row, gradients: Mapping[int, float | None]) -> float:
    """The largest gradient by a layer's parameters; −1 for a layer without one."""
    return max((size for one in row.own.values() if (size := gradients.get(id(one))) is not None), default=-1.0)


def _is_constant(one: object) -> bool:
    """Whether whole numbers among the inputs are all the same, so that there are no others to put in their place."""
    if not isinstance(one, Tensor) or one.is_floating_point() or one.is_complex() or one.dtype is torch.bool:
        return False
    return one.numel() > 1 and bool((one == one.flatten()[0]).all())


def _other(one: object) -> object:
    """Return other numbers of the same kind: whole ones in another order."""
    if not isinstance(one, Tensor) or one.dtype is torch.bool or one.layout is not torch.strided or one.is_complex():
        return one
    if not one.is_floating_point():
        return one.flatten()[torch.randperm(one.numel(), device=one.device)].view(one.shape)
    return one + torch.randn_like(one) * (one.std() if one.numel() > 1 else 1)


@contextlib.contextmanager
def _changed(model: nn.Module, seed: int) -> Iterator[None]:
    """Run a block with other weights, drawn about those that are there."""
    held = [(one, one.detach().clone()) for one in model.parameters() if one.is_floating_point() and one.numel()]
    torch.manual_seed(seed)
    try:
        for one, old in held:
            size = float(old.square().mean().sqrt())
            one.data.add_(torch.randn_like(old), alpha=size or _FAR)
        yield
    finally:
        for one, old in held:
            one.data.copy_(old)


class _Softmaxes(FunctionMode):
    """Records by place whether softmaxes of some shapes give 1/n everywhere, and of how many entries."""

    def __init__(self, shapes: Collection[tuple[int, ...]]) -> None:
        super().__init__()
        self.equal: dict[str, list[bool]] = {}
        self.entries: dict[str, int] = {}
        self._shapes = set(shapes)

    def __torch_function__(self, func: Op, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        """Make a call, and inspect what it gives."""
        keywords = kwargs or {}
        result = func(*args, **keywords)
        if getattr(func, "__name__", "") == "softmax" and isinstance(result, Tensor):
            axis = args[1] if len(args) > 1 else keywords.get("dim")
            if isinstance(axis, int) and tuple(result.shape) in self._shapes:
                shares, place = result.detach().movedim(axis, -1), place_of_call()
                self.equal.setdefault(place, []).append(_are_equal(shares))
                self.entries[place] = shares.shape[-1]
        return result


def _told(place: str, many: int, faint: Mapping[str, float], most: float) -> Finding:
    names = list(faint)
    listed = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    size = max(faint.values())
    message = (
        f"softmax{f' ({place})' if place else ''}: its {counted(many, 'score')} are always equal, so that each gets "
        f"1/{many} whatever comes in; so it was with other inputs and other weights too, {_TIMES} times drawn at "
        f"random. What makes them is the same for each, and gets no gradient but rounding: {listed} "
        f"{'has' if len(names) == 1 else 'have'} {number(size, 2)} at most, where others have up to {number(most, 2)}"
    )
    evidence = {"layer": names[0], "layers": names, "scores": many, "gradient": size, "threshold": _FAINT * most}
    return Finding(EQUAL, "warning", message, evidence, action=_ACTION)
