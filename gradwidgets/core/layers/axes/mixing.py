"""Samples of a batch that are mixed: what a model gives for one depends on others.

A view counts numbers anew and moves none. Where the axis of samples stands elsewhere after it than its numbers do, what
follows takes parts of several samples for one; and so does what runs along that axis, see `along_samples`. Whether that
is so is asked of the model itself: some samples are exchanged for others, and what it gives for the rest has to stay as
it was.
"""

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.axes.along_samples import Along, are_samples
from gradwidgets.core.layers.causes.following import place_of_call
from gradwidgets.core.layers.passes.passes import FlowError, Subject, run
from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.results.result import Result

Shapes = tuple[tuple[int, ...], tuple[int, ...]]
# What counts anew, in autograd's words and in torch's.
VIEWS = ("view", "unsafe_view", "reshape_alias")
COUNTING = ("view", "reshape", "flatten", "unflatten", "view_as", "reshape_as")
# Share of the largest output up to which a change is none: another order of sums.
SAME = 1e-4
FEWEST = 4  # samples that are needed to exchange some of them


@dataclass(frozen=True, eq=False, repr=False)
class Mixed(Result):
    """What mixes samples.

    Attributes:
        operation: "view" or "reshape" ("view" where that cannot be told), "softmax", or a layer's name.
        before: The shape of what it is given.
        after: The shape of what it gives; of what runs along the samples, the same.
        place: File and line; "" where that cannot be told.
        changed: How many of the samples that stayed as they were got another output.
        of: How many that are.
        is_sure: Whether it follows the number of samples, so that it is no axis that happens to be as long.
        along: How it runs along the axis of samples: as a "softmax", or, a layer that takes steps first, by its kind;
            "" for a view.
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


def mixed_in(subject: Subject, output: object, views: Iterable[Shapes], along: Iterable[Along] = ()) -> Mixed | None:
    """What mixes the samples of a batch; None where nothing does.

    Args:
        subject: A copy that may run.
        output: What the model gave.
        views: Shapes before and after of what counts anew: only where one of them moves the samples, or something runs
            along them, the model is asked, in passes without gradients.
        along: What runs along the first axis of what it is given.
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
    """For how many samples of the last half the model gives something else once the others are exchanged.

    Args:
        subject: A copy that may run.
        axis: That of the samples.
        count: How many they are.
    """
    half = count // 2
    kept, other = torch.arange(count), torch.arange(count)
    other[: count - half] = other[half:].clone()  # the first ones: what runs on sees none that come later
    one, two = (_last(output_of(subject, axis, count, some), half) for some in (kept, other))
    changed = [
        (a - b).abs().flatten(1).amax(1) > SAME * a.abs().max() for a, b in zip(one, two, strict=True) if a.numel()
    ]
    return int(torch.stack(changed).any(0).sum()) if changed else 0


def _of(before: tuple[int, ...], after: tuple[int, ...], fewer: int, count: int) -> Shapes:
    """Shapes as they are for the whole batch."""
    return tuple(tuple(count if size == fewer else size for size in one) for one in (before, after))


def output_of(subject: Subject, axis: int, count: int, some: Tensor, seed: int = 0) -> object:
    """What the model gives for some of the samples.

    Args:
        subject: A copy that may run.
        axis: That of the samples.
        count: How many they are.
        some: Which of them.
        seed: Of what is drawn meanwhile.
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
    """Inside, in evaluation mode and without gradients: a norm over the batch mixes samples by rights."""
    modes = [(one, one.training) for one in model.modules()]
    try:
        model.eval()
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            yield
    finally:
        for one, training in modes:
            one.training = training


class _Seen(TorchFunctionMode):
    """Notes what counts anew and moves an axis of so many samples, and what runs along it."""

    def __init__(self, count: int, model: nn.Module, running: Iterable[Along]) -> None:
        super().__init__()
        self.views: list[tuple[str, tuple[int, ...], tuple[int, ...], str]] = []
        self.along: list[tuple[str, str, tuple[int, ...], str]] = []
        self._count = count
        self._layers = {id(model.get_submodule(one.name)): one for one in running if one.is_layer}
        self._soft = any(not one.is_layer for one in running)
        self._model, self._handles = model, []

    def __enter__(self) -> "_Seen":
        for module in self._model.modules():
            if id(module) in self._layers:
                self._handles.append(module.register_forward_pre_hook(self._begins))
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()
        super().__exit__(*error)

    def _begins(self, module: nn.Module, arguments: tuple) -> None:
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
        """Whether its first axis is that of the samples, or of two axes theirs and another together."""
        return shape[0] == self._count or (len(shape) == 2 and shape[0] % self._count == 0)


def _first_axis(result: Tensor, arguments: tuple, keywords: dict) -> bool:
    """Whether a softmax runs along the first axis, as it does of three axes where none is named."""
    axis = arguments[1] if len(arguments) > 1 else keywords.get("dim")
    return axis in (0, -result.ndim) or (axis is None and result.ndim == 3)


def _tensors(values: object) -> Sequence[Tensor]:
    return [one for one in pytree.tree_leaves(values) if isinstance(one, Tensor) and not one.is_nested]
