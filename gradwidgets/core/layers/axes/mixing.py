"""Samples of a batch that are mixed: the output for one depends on others.

A view moves no numbers. If it moves the axis of the samples, the following operations take parts of several samples for
one sample; so do operations along that axis, see `along_samples`. Whether samples are mixed is measured on the model:
some samples are exchanged for others, and the output for the rest has to stay the same.
"""

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils import _pytree as pytree
from torch.utils.hooks import RemovableHandle

from gradwidgets.core.layers.axes.along_samples import Along, are_samples
from gradwidgets.core.layers.passes.passes import FlowError, Subject, run
from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.results.result import Result
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.subject.user_code import place_of_call

Shapes = tuple[tuple[int, ...], tuple[int, ...]]
# Operations that reshape without moving numbers, by their names in autograd's graph and in torch.
VIEWS = ("view", "unsafe_view", "reshape_alias")
COUNTING = ("view", "reshape", "flatten", "unflatten", "view_as", "reshape_as")
# Share of the largest output up to which a change does not count: sums may be in another order.
SAME = 1e-4
FEWEST = 4  # samples, so that some can be exchanged


@dataclass(frozen=True, eq=False, repr=False)
class Mixed(Result):
    """An operation that mixes samples.

    Attributes:
        operation: "view" or "reshape" ("view" if that is not known), "softmax", or a layer's name.
        before: The shape of its input.
        after: The shape of its output; for an operation along the samples, the same as `before`.
        place: File and line; "" if they are not known.
        changed: The number of unchanged samples whose output changed.
        of: The number of unchanged samples.
        is_sure: Whether the axis is as long as the batch for another number of samples, too.
        along: For an operation along the samples, "softmax" or the class of a layer that expects steps first; "" for a
            view.
    """

    operation: str
    before: tuple[int, ...]
    after: tuple[int, ...]
    place: str
    changed: int
    of: int
    is_sure: bool
    along: str = ""


def batch_of(inputs: object, output: object) -> tuple[int, int] | None:
    """Return the axis of the samples in the inputs, and their number; None if they are not certain."""
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
    """Whether a view moves an axis of this length."""
    before, after = ({math.prod(one[i + 1 :]) for i, size in enumerate(one) if size == count} for one in shapes)
    return bool(before - after) and bool(after - before)  # other axes may be as long, and stay


def mixed_in(subject: Subject, output: object, views: Iterable[Shapes], along: Iterable[Along] = ()) -> Mixed | None:
    """Return the operation that mixes the samples of a batch; None if there is none.

    Args:
        subject: A copy of the model. It runs, without gradients, only if a view moves the samples, or an operation may
            be along them.
        output: The model's output.
        views: The shapes before and after the model's views.
        along: The operations along the first axis of their input.
    """
    batch = batch_of(subject.inputs, output)
    if batch is None:
        return None
    suspects = [one for one in views if moves(one, batch[1])]
    given, gave = (tuple(one.shape for one in _tensors(some)) for some in (subject.inputs, output))
    running = [one for one in along if batch[0] == 0 and are_samples(one, batch[1], given, gave)]
    norms = [one for one in subject.model.modules() if isinstance(one, _BatchNorm)]
    if not (suspects or running) or any(not one.track_running_stats for one in norms):
        return None
    with evaluated(subject.model):
        try:
            return _asked(subject, *batch, suspects, running)
        except FlowError:
            return None


def _asked(subject: Subject, axis: int, count: int, views: list[Shapes], running: list[Along]) -> Mixed | None:
    half, kept = count // 2, torch.arange(count)
    many = depends_on_others(subject, axis, count)
    if not many:
        return None
    for fewer in (count - 1, count - 2):
        seen = _Seen(fewer, subject.model, running)
        with contextlib.suppress(FlowError), seen:
            output_of(subject, axis, count, kept[:fewer])
        if views and seen.views:
            operation, before, after, place = seen.views[0]
            return Mixed(operation, *_of(before, after, fewer, count), place, many, half, True)
        if seen.along:
            name, how, shape, place = seen.along[0]
            return Mixed(name, *_of(shape, shape, fewer, count), place, many, half, True, how)
    return Mixed("view", *views[0], "", many, half, False) if views else None


def depends_on_others(subject: Subject, axis: int, count: int) -> int:
    """Count the samples of the last half whose output changes if the others are exchanged.

    Args:
        subject: A copy of the model, which runs.
        axis: The axis of the samples.
        count: The number of samples.
    """
    half = count // 2
    kept, other = torch.arange(count), torch.arange(count)
    other[: count - half] = other[half:].clone()  # the first ones, as recurrent layers see no later ones
    one, two = (_last(output_of(subject, axis, count, some), half) for some in (kept, other))
    changed = [
        (a - b).abs().flatten(1).amax(1) > SAME * a.abs().max() for a, b in zip(one, two, strict=True) if a.numel()
    ]
    return int(torch.stack(changed).any(0).sum()) if changed else 0


def _of(before: tuple[int, ...], after: tuple[int, ...], fewer: int, count: int) -> Shapes:
    """Return shapes for the whole batch from those for fewer samples."""
    first, second = (tuple(count if size == fewer else size for size in one) for one in (before, after))
    return first, second


def output_of(subject: Subject, axis: int, count: int, some: Tensor, seed: int = 0) -> object:
    """Return the model's output for some of the samples.

    Args:
        subject: A copy of the model, which runs.
        axis: The axis of the samples.
        count: The number of samples.
        some: The indices of the samples.
        seed: The seed of random numbers that the model draws.
    """
    inputs = pytree.tree_map(lambda one: _taken(one, axis, count, some), subject.batch()[0])
    torch.manual_seed(seed)
    return run("the model", subject.model, inputs, subject.model)


def _taken(value: object, axis: int, count: int, some: Tensor) -> object:
    if isinstance(value, Tensor) and value.ndim > axis and value.shape[axis] == count:
        return value.index_select(axis, some.to(value.device))
    return value


def _last(output: object, half: int) -> list[Tensor]:
    return [one[-half:].detach() for one in _tensors(output) if one.ndim and one.is_floating_point()]


@contextlib.contextmanager
def evaluated(model: nn.Module) -> Iterator[None]:
    """Run a block in evaluation mode and without gradients: in training mode, batch norms rightly mix samples."""
    modes = [(one, one.training) for one in model.modules()]
    try:
        model.eval()
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            yield
    finally:
        for one, training in modes:
            one.training = training


class _Seen(FunctionMode):
    """Records views that move an axis of so many samples, and operations along it."""

    def __init__(self, count: int, model: nn.Module, running: Iterable[Along]) -> None:
        super().__init__()
        self.views: list[tuple[str, tuple[int, ...], tuple[int, ...], str]] = []
        self.along: list[tuple[str, str, tuple[int, ...], str]] = []
        self._count = count
        self._layers = {id(model.get_submodule(one.name)): one for one in running if one.is_layer}
        self._soft = any(not one.is_layer for one in running)
        self._model = model
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> "_Seen":
        for module in self._model.modules():
            if id(module) in self._layers:
                self._handles.append(module.register_forward_pre_hook(self._begins))
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()
        super().__exit__(*error)

    def _begins(self, module: nn.Module, arguments: Args) -> None:
        one, x = self._layers[id(module)], arguments[0] if arguments else None
        if isinstance(x, Tensor) and x.shape[0] == self._count:
            self.along.append((one.name, one.kind, tuple(x.shape), ""))

    def __torch_function__(self, func: Op, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        """Inspect a call, and make it."""
        result, name = func(*args, **(kwargs or {})), getattr(func, "__name__", "")
        if not args or not isinstance(args[0], Tensor) or not isinstance(result, Tensor):
            return result
        shapes = tuple(args[0].shape), tuple(result.shape)
        if name in COUNTING and moves(shapes, self._count):
            self.views.append((name, *shapes, place_of_call()))
        if name == "softmax" and self._soft and self._is_whole(shapes[1]) and _first_axis(result, args, kwargs or {}):
            self.along.append((name, name, shapes[1], place_of_call()))
        return result

    def _is_whole(self, shape: tuple[int, ...]) -> bool:
        """Whether the first axis is that of the samples; of two axes, it may contain another axis, too."""
        return shape[0] == self._count or (len(shape) == 2 and shape[0] % self._count == 0)


def _first_axis(result: Tensor, arguments: Args, keywords: Kwargs) -> bool:
    """Whether a softmax is along the first axis, which is torch's default for three axes."""
    axis = arguments[1] if len(arguments) > 1 else keywords.get("dim")
    return axis in (0, -result.ndim) or (axis is None and result.ndim == 3)


def _tensors(values: object) -> Sequence[Tensor]:
    return [one for one in pytree.tree_leaves(values) if isinstance(one, Tensor) and not one.is_nested]
