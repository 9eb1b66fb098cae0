"""Position codes along the axis of samples: all places of one sample get the same code.

A code is a summand that is the same whatever the samples are, and as long as their number. It belongs along the axis of
places, so a code that only differs between samples is along the wrong axis; unless the first axis is not that of
independent samples, so that the output for one depends on the others.
"""

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.axes.mixing import batch_of, depends_on_others, evaluated, output_of
from gradwidgets.core.layers.misuse.added_masks import ADDS
from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.operations.watching import Args, Kwargs, Op, plain_name
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.subject.user_code import place_of_call

CODE = "position code"
_WIDENS = ("expand", "repeat", "clone")
_FEWER = 4  # the most samples that are left out to make their number differ from the lengths of other axes
_ACTION = (
    "Take as many rows of the code as there are places, along their axis: pe[:, :x.size(1)] of a code (1, places, "
    "width) where samples come first; one of (places, 1, width) is for x with places first. Nothing, if it is a code "
    "of the samples, which always come in this order."
)


class Sum(NamedTuple):
    """A sum in which a summand may be constant along one of the first two axes.

    Attributes:
        shape: The shape of the sum.
        along: The summand's length along the other of these axes; 0 if its shape is not known.
    """

    shape: tuple[int, ...]
    along: int


class _Code(NamedTuple):
    """A code that is added along the samples.

    Attributes:
        place: File and line of the sum; "" if not known.
        shape: The shape of the sum.
        code: The summand.
        along: The axis of the samples, 0 or 1.
    """

    place: str
    shape: tuple[int, ...]
    code: Tensor
    along: int


def sums_of(nodes: Iterable[Node]) -> list[Sum]:
    """Return the sums among the model's operations that may add a code."""
    found = []
    for one in nodes:
        shape = tuple(one._input_metadata[0].shape)
        if len(shape) > 2 and min(*shape[:2], shape[-1]) > 1:
            found += [Sum(shape, 0 if other is None else _long(other, shape)) for other, _ in one.next_functions]
    return [one for one in found if one.along in (0, *one.shape[:2])]


def _long(node: Node, shape: Sequence[int]) -> int:
    """Return a summand's length along one of the first two axes if it has one entry along the other; otherwise -1."""
    while plain_name(node.name()) in _WIDENS and node.next_functions[0][0] is not None:
        node = node.next_functions[0][0]
    own = tuple(node._input_metadata[0].shape) if node._input_metadata else ()
    return max(own[:2]) if len(own) == len(shape) and min(own[:2]) == 1 < max(own[:2]) else -1


def place_codes(subject: Subject, output: object, sums: Sequence[Sum]) -> list[Finding]:
    """Run the model on fewer samples, and on others, and report the first code along the samples.

    Args:
        subject: A copy of the model, which runs.
        output: The model's output.
        sums: See `sums_of`; the model does not run without a sum as long as the number of samples.
    """
    batch = batch_of(subject.inputs, output) if sums else None
    if batch is None or not any(batch[1] in one.shape[:2] and one.along in (0, batch[1]) for one in sums):
        return []
    axis, count = batch
    sizes = {size for one in sums for size in one.shape}
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
    code = known[0]
    shape = [count if one == fewer else one for one in code.shape]
    return [_told(code.place, shape, _counted(code.code, fewer, count), code.along)]


def _same(one: _Code, other: _Code) -> bool:
    return one.place == other.place and torch.equal(one.code, other.code)


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


class _Sums(FunctionMode):
    """Records the summands that differ along an axis of so many samples, and along no other of the first two."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.codes: list[_Code] = []
        self._count = count

    def __torch_function__(self, func: Op, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        """Inspect a call, and make it."""
        pair = [one for one in args if isinstance(one, Tensor)]
        adds = getattr(func, "__name__", "") in ADDS and len(pair) == 2
        result = func(*args, **(kwargs or {}))
        if adds and result.ndim > 2 and min(*result.shape[:2], result.shape[-1]) > 1:
            shape = tuple(result.shape)
            with contextlib.suppress(ValueError):
                along = shape[:2].index(self._count)
                codes = [one.detach().clone() for one in pair if _is_code(one, shape, along)]
                self.codes += [_Code(place_of_call(), shape, one, along) for one in codes]
        return result


def _is_code(one: Tensor, shape: Sequence[int], along: int) -> bool:
    """Whether a summand differs along one of the first two axes of a sum, and not along the other."""
    if one.ndim != len(shape) or one.shape[along] != shape[along] or not one.is_floating_point():
        return False
    first = one.select(1 - along, 0)
    if one.shape[1 - along] > 1 and not torch.equal(first, one.select(1 - along, -1)):
        return False
    return bool((one == one.narrow(1 - along, 0, 1)).all()) and bool((one != one.narrow(along, 0, 1)).any())
