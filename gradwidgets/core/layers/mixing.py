"""Samples of a batch that a `view` mixes where a `transpose` was meant: what one gives depends on others.

A view counts numbers anew and moves none. Where the axis of samples stands elsewhere after it than its numbers do, what
follows takes parts of several samples for one. Whether that is so is asked of the model itself: some samples are
exchanged for others, and what it gives for the rest has to stay as it was.
"""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.following import place_of_call
from gradwidgets.core.layers.passes import FlowError, Subject, copied, run
from gradwidgets.core.results import Result

Shapes = tuple[tuple[int, ...], tuple[int, ...]]
# What counts anew, in autograd's words and in torch's.
VIEWS = ("view", "unsafe_view", "reshape_alias")
_COUNTING = ("view", "reshape", "flatten", "unflatten", "view_as", "reshape_as")
# Share of the largest output up to which a change is none: another order of sums.
SAME = 1e-4
FEWEST = 4  # samples that are needed to exchange some of them


@dataclass(frozen=True, eq=False, repr=False)
class Mixed(Result):
    """A view that mixes samples.

    Attributes:
        operation: "view" or "reshape"; "view" where that cannot be told.
        before: The shape of what it is given.
        after: The shape of what it gives.
        place: File and line; "" where that cannot be told.
        changed: How many of the samples that stayed as they were got another output.
        of: How many that are.
        is_sure: Whether it follows the number of samples, so that it is no axis that happens to be as long.
    """

    operation: str
    before: tuple[int, ...]
    after: tuple[int, ...]
    place: str
    changed: int
    of: int
    is_sure: bool


def batch_of(inputs: object, output: object) -> tuple[int, int] | None:
    """The axis of samples in the inputs, and how many they are; None where that is not plain."""
    given = [one for one in _tensors(inputs) if one.ndim]
    sizes = {one.shape[0] for one in _tensors(output) if one.ndim and one.is_floating_point()}
    if not given or len(sizes) != 1:
        return None
    count = sizes.pop()
    for axis in range(min(2, given[0].ndim)):
        if given[0].shape[axis] == count >= FEWEST:
            return axis, count
    return None


def moves(shapes: Shapes, count: int) -> bool:
    """Whether an axis of so many stands elsewhere after a view than before it."""
    before, after = (
        {math.prod(one[i + 1 :]) for i, size in enumerate(one) if size == count} for one in map(tuple, shapes)
    )
    return bool(before - after) and bool(after - before)  # other axes may be as long, and stay


def mixed_in(subject: Subject, output: object, views: Iterable[Shapes]) -> Mixed | None:
    """The view that mixes the samples of a batch; None where there is none.

    Args:
        subject: A copy that may run.
        output: What the model gave.
        views: Shapes before and after of what counts anew: only where one of them moves the samples, the model is
            asked, in passes without gradients.
    """
    batch = batch_of(subject.inputs, output)
    suspects = [one for one in views if batch and moves(one, batch[1])]
    norms = [one for one in subject.model.modules() if isinstance(one, _BatchNorm)]
    if not suspects or any(not one.track_running_stats for one in norms):
        return None
    with _evaluated(subject.model):
        try:
            return _asked(subject, *batch, suspects[0])
        except FlowError:
            return None


def _asked(subject: Subject, axis: int, count: int, shapes: Shapes) -> Mixed | None:
    half = count // 2
    kept, other = torch.arange(count), torch.arange(count)
    other[half:] = other[: count - half]
    one, two = (_first(_output(subject, axis, count, some), half) for some in (kept, other))
    changed = [
        (a - b).abs().flatten(1).amax(1) > SAME * a.abs().max() for a, b in zip(one, two, strict=True) if a.numel()
    ]
    many = int(torch.stack(changed).any(0).sum()) if changed else 0
    if not many:
        return None
    for fewer in (count - 1, count - 2):
        seen = _Views(fewer)
        with contextlib.suppress(FlowError), seen:
            _output(subject, axis, count, kept[:fewer])
        if seen.found:
            operation, before, after, place = seen.found[0]
            return Mixed(operation, *_of(before, after, fewer, count), place, many, half, True)
    return Mixed("view", *shapes, "", many, half, False)


def _of(before: tuple[int, ...], after: tuple[int, ...], fewer: int, count: int) -> Shapes:
    """Shapes as they are for the whole batch."""
    return tuple(tuple(count if size == fewer else size for size in one) for one in (before, after))


def _output(subject: Subject, axis: int, count: int, some: Tensor) -> object:
    """What the model gives for some of the samples."""
    inputs = pytree.tree_map(lambda one: _taken(one, axis, count, some), copied(subject.inputs))
    torch.manual_seed(0)
    return run("the model", subject.model, inputs, subject.model)


def _taken(value: object, axis: int, count: int, some: Tensor) -> object:
    if isinstance(value, Tensor) and value.ndim > axis and value.shape[axis] == count:
        return value.index_select(axis, some.to(value.device))
    return value


def _first(output: object, half: int) -> list[Tensor]:
    return [one[:half].detach() for one in _tensors(output) if one.ndim and one.is_floating_point()]


@contextlib.contextmanager
def _evaluated(model: nn.Module) -> Iterator[None]:
    """Inside, in evaluation mode and without gradients: a norm over the batch mixes samples by rights."""
    modes = [(one, one.training) for one in model.modules()]
    try:
        model.eval()
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            yield
    finally:
        for one, training in modes:
            one.training = training


class _Views(TorchFunctionMode):
    """Notes what counts anew and moves an axis of so many samples."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[int, ...], tuple[int, ...], str]] = []
        self._count = count

    def __torch_function__(
        self, func: Callable, types: Iterable, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        """See a call, and make it."""
        result, name = func(*args, **(kwargs or {})), getattr(func, "__name__", "")
        if name in _COUNTING and args and isinstance(args[0], Tensor) and isinstance(result, Tensor):
            shapes = tuple(args[0].shape), tuple(result.shape)
            if moves(shapes, self._count):
                self.found.append((name, *shapes, place_of_call()))
        return result


def _tensors(values: object) -> Sequence[Tensor]:
    return [one for one in pytree.tree_leaves(values) if isinstance(one, Tensor) and not one.is_nested]
