"""Samples of a batch that the output does not depend on, since a sample was selected where a step was meant.

`out[-1]` of (samples, steps, features) is the last sample, not the last step. If there are as many steps as samples, or
the selection is expanded again, shapes do not show it. So it is measured on the model: the output has to stay the same
if the other samples are exchanged, and to change if the selected ones are.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.axes.mixing import SAME, batch_of, evaluated, output_of
from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.subject.user_code import place_of_call

UNREAD = "unread samples"
# Operations that select along an axis, by their names in autograd's graph and in torch.
PICKS = ("select", "slice", "index", "index_select")
_PICKING = ("__getitem__", "select", "narrow", "index_select")
_MOST = 0.5  # share of the samples that may be selected for the rest to count as left out
_NAMED = 3  # the most samples that a sentence names


def unread_in(subject: Subject, output: object, picks: Iterable[tuple[int, ...]]) -> list[Finding]:
    """Report samples that the model's output does not depend on.

    Args:
        subject: A copy of the model. It runs, without gradients, only if the output is the same for two samples, or a
            selection may be along them.
        output: The model's output.
        picks: The shapes of the tensors that the model selected from along their first axis.
    """
    batch = batch_of(subject.inputs, output)
    if batch is None or batch[0] or not _may_run_first(subject, batch[1]):
        return []
    count = batch[1]
    if not (any(one[0] == count for one in picks) or _alike(output, count)):
        return []
    with evaluated(subject.model):
        try:
            return _asked(subject, count)
        except FlowError:
            return []


def _may_run_first(subject: Subject, count: int) -> bool:
    """Whether the first axis is certainly that of the samples; if two axes are as long, by a layer's `batch_first`."""
    given = _tensors(subject.inputs)[0]
    if given.ndim < 2 or given.shape[1] != count or not given.is_floating_point() or given.ndim == 2:
        return True
    return any(getattr(one, "batch_first", False) for one in subject.model.modules())


def _alike(output: object, count: int) -> bool:
    rows = [one.detach() for one in _tensors(output) if one.ndim and one.shape[0] == count and one.is_floating_point()]
    return bool(rows) and all(torch.equal(one[0], one[1]) for one in rows)


def _asked(subject: Subject, count: int) -> list[Finding]:
    every, seen = torch.arange(count), _Picking(count)
    with seen:
        before = _rows(output_of(subject, 0, count, every))
    read = sorted({row for _, rows, _ in seen.picks for row in rows})
    if not read or len(read) > _MOST * count:
        return []
    rest = [row for row in range(count) if row not in read]
    others, other = every.clone(), every.clone()
    others[rest] = every[rest].roll(1)
    other[read] = every[rest][0]
    if _changes(before, _rows(output_of(subject, 0, count, others))) or not _differ(subject, rest):
        return []
    if not _changes(before, _rows(output_of(subject, 0, count, other))):
        return []
    return [_found(seen.picks[0], read, count)]


def _rows(output: object) -> list[Tensor]:
    return [one.detach() for one in _tensors(output) if one.ndim and one.is_floating_point() and one.numel()]


def _changes(before: Sequence[Tensor], after: Sequence[Tensor]) -> bool:
    pairs = zip(before, after, strict=True)
    return any(a.shape != b.shape or not bool(((a - b).abs() <= SAME * a.abs().max()).all()) for a, b in pairs)


def _differ(subject: Subject, rest: list[int]) -> bool:
    """Whether exchanging the samples changes the inputs."""
    given = _tensors(subject.inputs)[0]
    return not torch.equal(given[rest], given[rest].roll(1, 0))


class _Picking(FunctionMode):
    """Records selections along an axis of so many samples: the function, the rows, file and line."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.picks: list[tuple[str, list[int], str]] = []
        self._count = count

    def __torch_function__(self, func: Op, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        """Inspect a call, and make it."""
        name, keywords = getattr(func, "__name__", ""), kwargs or {}
        if name in _PICKING and args and isinstance(args[0], Tensor) and args[0].shape[:1] == (self._count,):
            rows = _picked(func, name, self._count, args[1:], keywords)
            if rows and len(rows) < self._count:
                self.picks.append((name.strip("_"), rows, place_of_call()))
        return func(*args, **keywords)


def _picked(func: Op, name: str, count: int, arguments: Args, keywords: Kwargs) -> list[int]:
    """Return the rows that are selected along the first axis; none if it is another axis, or they are not known."""
    every = torch.arange(count)
    taken: object = None
    try:
        if name == "__getitem__":
            first = arguments[0][0] if isinstance(arguments[0], tuple) else arguments[0]
            taken = None if first is None or first is Ellipsis else every[first]
        else:
            taken = func(every, *arguments, **keywords)  # raises an error for another axis than the first
    except (IndexError, RuntimeError, TypeError):
        return []
    return taken.reshape(-1).tolist() if isinstance(taken, Tensor) else []


def _found(pick: tuple[str, list[int], str], read: list[int], count: int) -> Finding:
    name, _, place = pick
    named = ", ".join(map(str, read[:_NAMED])) + (f" and {len(read) - _NAMED} more" if len(read) > _NAMED else "")
    how, some = "an index" if name == "getitem" else name, "sample" if len(read) == 1 else "samples"
    verb = "has" if len(read) == 1 else "have"
    message = (
        f"of {counted(count, 'sample')} only {some} {named} {verb} a say in what the model gives: "
        f"{how}{f' ({place})' if place else ''} picks along the first axis, which is that of the samples; with "
        "the others exchanged, all of the output stays as it was"
    )
    action = (
        "Pick along the axis that is meant, or not at all: out[:, -1] is the last step where samples come first, and "
        "out[-1] the last sample."
    )
    return Finding(UNREAD, "error", message, {"read": read, "samples": count, "threshold": _MOST}, action=action)


def _tensors(values: object) -> list[Tensor]:
    return [one for one in pytree.tree_leaves(values) if isinstance(one, Tensor) and not one.is_nested]
