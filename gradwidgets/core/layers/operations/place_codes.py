"""Codes of places that run along the axis of samples: all places of one sample get the same.

A code is what is added, is the same whatever the samples, and follows their number. It belongs along the axis of
places, so that one that differs between samples alone stands along the wrong axis, unless samples are no samples: then
what a model gives for some of them depends on the others.
"""

import contextlib
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.overrides import TorchFunctionMode

from gradwidgets.core.finding import Finding
from gradwidgets.core.layers.following import place_of_call
from gradwidgets.core.layers.mixing import batch_of, depends_on_others, evaluated, output_of
from gradwidgets.core.layers.operations.added_masks import ADDS
from gradwidgets.core.layers.passes import FlowError, Subject
from gradwidgets.core.watching import plain_name

CODE = "position code"
_WIDENS = ("expand", "repeat", "clone")
_FEWER = 4  # samples that may be left out, so that no other axis is as long as they are many
_ACTION = (
    "Take as many rows of the code as there are places, along their axis: pe[:, :x.size(1)] of a code (1, places, "
    "width) where samples come first; one of (places, 1, width) is for x with places first. Nothing, if it is a code "
    "of the samples, which always come in this order."
)


def sizes_of_sums(nodes: Iterable[Node]) -> list[tuple[int, ...]]:
    """Shapes of sums in which one of the two may be the same along one of the first axes.

    Args:
        nodes: Those of the model's operations that add.
    """
    return [tuple(one._input_metadata[0].shape) for one in nodes if _may_add_codes(one)]


def _may_add_codes(node: Node) -> bool:
    shape = tuple(node._input_metadata[0].shape)
    if len(shape) < 3 or min(*shape[:2], shape[-1]) < 2:
        return False
    return any(one is None or _is_thin(one, shape) for one, _ in node.next_functions)


def _is_thin(node: Node, shape: Sequence[int]) -> bool:
    """Whether what is added has one entry along one of the first two axes, and all along the other."""
    while plain_name(node.name()) in _WIDENS and node.next_functions[0][0] is not None:
        node = node.next_functions[0][0]
    own = tuple(node._input_metadata[0].shape) if node._input_metadata else ()
    return len(own) == len(shape) and sorted(own[:2]) == sorted((1, max(own[:2]))) and max(own[:2]) in shape[:2]


def place_codes(subject: Subject, output: object, sums: Sequence[tuple[int, ...]]) -> list[Finding]:
    """Ask the model for fewer samples, and for others, and see what is added: the first code that goes with samples.

    Args:
        subject: A copy that may run.
        output: What the model gave.
        sums: See `sizes_of_sums`; without any the model is not asked.
    """
    batch = batch_of(subject.inputs, output) if sums else None
    if batch is None or not any(batch[1] in shape[:2] for shape in sums):
        return []
    axis, count = batch
    sizes = {size for shape in sums for size in shape}
    fewer = next((one for one in range(count - 1, max(count - _FEWER, 1), -1) if one not in sizes), 0)
    with evaluated(subject.model):
        try:
            return _found(subject, axis, count, fewer) if fewer else []
        except FlowError:
            return []


def _found(subject: Subject, axis: int, count: int, fewer: int) -> list[Finding]:
    some = torch.arange(fewer)
    first = _Sums(fewer)
    with first:
        output_of(subject, axis, count, some)
    if not first.codes:
        return []
    other = _Sums(fewer)
    with other:
        output_of(subject, axis, count, some.roll(1), seed=1)
    known = [one for one, again in zip(first.codes, other.codes, strict=False) if _same(one, again)]
    if not known or depends_on_others(subject, axis, count):
        return []
    place, shape, code, along = known[0]
    return [_told(place, [count if one == fewer else one for one in shape], _counted(code, fewer, count), along)]


def _same(one: tuple, other: tuple) -> bool:
    return one[0] == other[0] and torch.equal(one[2], other[2])


def _counted(code: Tensor, fewer: int, count: int) -> list[int]:
    return [count if one == fewer else one for one in code.shape]


def _told(place: str, shape: list[int], code: list[int], along: int) -> Finding:
    message = (
        f"add{f' ({place})' if place else ''} adds a code {tuple(code)} to {tuple(shape)}: it differs between the "
        f"{shape[along]} samples, whatever they are, and is the same at all {shape[1 - along]} places of each, so that "
        "it tells a sample its place in the batch, and no place from another"
    )
    evidence = {"shape": tuple(shape), "code": tuple(code), "axis": along, "threshold": 0}
    return Finding(CODE, "warning", message, evidence, action=_ACTION)


class _Sums(TorchFunctionMode):
    """Notes what is added and differs along an axis of so many samples alone."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.codes: list[tuple[str, tuple[int, ...], Tensor, int]] = []
        self._count = count

    def __torch_function__(
        self, func: Callable, types: Iterable, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        """See a call, and make it."""
        pair = [one for one in args if isinstance(one, Tensor)]
        adds = getattr(func, "__name__", "") in ADDS and len(pair) == 2
        result = func(*args, **(kwargs or {}))
        if adds and result.ndim > 2 and min(*result.shape[:2], result.shape[-1]) > 1:
            shape = tuple(result.shape)
            with contextlib.suppress(ValueError):
                along = shape[:2].index(self._count)
                self.codes += [
                    (place_of_call(), shape, one.detach().clone(), along) for one in pair if _is_code(one, shape, along)
                ]
        return result


def _is_code(one: Tensor, shape: Sequence[int], along: int) -> bool:
    """Whether it differs along one of the first two axes of a sum, and not along the other."""
    if one.ndim != len(shape) or one.shape[along] != shape[along] or not one.is_floating_point():
        return False
    first = one.select(1 - along, 0)
    if one.shape[1 - along] > 1 and not torch.equal(first, one.select(1 - along, -1)):
        return False
    return bool((one == one.narrow(1 - along, 0, 1)).all()) and bool((one != one.narrow(along, 0, 1)).any())
