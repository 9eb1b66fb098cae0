"""Rows of a batch that are treated differently by their index: `e[::2]` where `e[:, ::2]` was meant.

This is measured on the model: with the samples in another order, each has to get the same output as before. The model
only runs if its code contains such a slice.
"""

import dis
import types
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.axes.mixing import SAME, batch_of, depends_on_others, evaluated, output_of
from gradwidgets.core.layers.passes.passes import FlowError, Subject
from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.subject.user_code import place_of_call

APART = "rows apart"
_DEEP = 3  # the most nested calls of functions that are searched
_ACTION = (
    "Slice along the axis that is meant: e[:, ::2] takes every second column, e[..., ::2] every second feature. "
    "Nothing, if samples come in pairs."
)


def rows_apart(subject: Subject, output: object) -> list[Finding]:
    """Report a model whose output for a sample depends on the sample's place in the batch.

    Args:
        subject: A copy of the model, which runs only if its code slices with a step.
        output: The model's output.
    """
    batch = batch_of(subject.inputs, output)
    if batch is None or batch[0] or not _slices(subject.model):
        return []
    with evaluated(subject.model):
        try:
            return _found(subject, batch[1])
        except FlowError:
            return []


def _found(subject: Subject, count: int) -> list[Finding]:
    every, seen = torch.arange(count), _Slices(count)
    with seen:
        before = _rows(output_of(subject, 0, count, every), count)
    if not seen.slices or _draws(subject, count, before):
        return []
    after = _rows(output_of(subject, 0, count, every.roll(1)), count)
    pairs = zip(before, after, strict=True)
    changed = [(a.roll(1, 0) - b).abs().flatten(1).amax(1) > SAME * a.abs().max() for a, b in pairs]
    many = int(torch.stack(changed).any(0).sum()) if changed else 0
    return [_told(*seen.slices[0], many, count)] if many and not depends_on_others(subject, 0, count) else []


def _draws(subject: Subject, count: int, before: list[Tensor]) -> bool:
    """Whether the output depends on random numbers, so that two passes cannot be compared."""
    after = _rows(output_of(subject, 0, count, torch.arange(count), seed=1), count)
    return any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def _told(step: int, place: str, many: int, count: int) -> Finding:
    nth = {2: "second", 3: "third"}.get(step, f"{step}th")
    message = (
        f"a slice in steps ({place}) takes every {nth} row along the axis of the {counted(count, 'sample')}: what a "
        f"sample gets depends on its place in the batch. With the samples moved on by one, {many} of them got another "
        "output than before"
    )
    evidence = {"step": step, "changed": many, "of": count, "threshold": 0}
    return Finding(APART, "warning", message, evidence, action=_ACTION)


def _rows(output: object, count: int) -> list[Tensor]:
    tensors = [one.detach() for one in pytree.tree_leaves(output) if isinstance(one, Tensor)]
    return [one for one in tensors if one.ndim and one.shape[0] == count and one.is_floating_point() and one.numel()]


class _Slices(FunctionMode):
    """Records slices with a step along a first axis of so many samples: the step, with file and line."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.slices: list[tuple[int, str]] = []
        self._count = count

    def __torch_function__(self, func: Op, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        """Inspect a call, and make it."""
        if getattr(func, "__name__", "") in ("__getitem__", "__setitem__") and args[0].shape[:1] == (self._count,):
            first = args[1][0] if isinstance(args[1], tuple) and args[1] else args[1]
            if isinstance(first, slice) and first.step is not None and first.step > 1:
                self.slices.append((int(first.step), place_of_call()))
        return func(*args, **(kwargs or {}))


def _slices(model: nn.Module) -> bool:
    """Whether the code of the model's modules that are not torch's slices with a step."""
    modules = list(model.modules())
    kinds = {kind for kind in set(map(type, modules)) if not kind.__module__.startswith("torch.")}
    own = [value for one in modules if type(one) in kinds for value in vars(one).values()]
    functions = [one for one in own if isinstance(one, types.FunctionType)]
    functions += [one for kind in kinds for one in vars(kind).values() if isinstance(one, types.FunctionType)]
    return any(map(_slices_in, functions))


def _slices_in(function: types.FunctionType) -> bool:
    return any(_has_slice(one.__code__) for one in _reached(function, _DEEP))


def _reached(function: types.FunctionType, deep: int) -> Iterator[types.FunctionType]:
    """Yield a function and the functions outside of torch that it names, also indirectly."""
    yield function
    inside = [function.__globals__.get(name) for name in function.__code__.co_names] if deep else []
    cells = (function.__closure__ or ()) if deep else ()
    for cell in cells:
        try:
            inside.append(cell.cell_contents)
        except ValueError:  # not filled yet
            continue
    for one in inside:
        if isinstance(one, types.FunctionType) and not (one.__module__ or "torch").startswith("torch"):
            yield from _reached(one, deep - 1)


@lru_cache(maxsize=4096)
def _has_slice(code: types.CodeType) -> bool:
    """Whether code indexes by a slice with a step, alone or as the first of several indices."""
    if any(isinstance(one, types.CodeType) and _has_slice(one) for one in code.co_consts):
        return True
    steps = list(dis.get_instructions(code))
    return any(_in_steps(steps, place) and _is_first(steps[place + 1 :]) for place in range(len(steps)))


def _in_steps(steps: list[dis.Instruction], place: int) -> bool:
    """Whether an instruction gives a slice that leaves rows out."""
    one = steps[place]
    if one.opname == "BUILD_SLICE" and one.arg == 3:
        return _leaves_out(steps[place - 1].argval) if steps[place - 1].opname == "LOAD_CONST" else True
    whole = one.argval[0] if isinstance(one.argval, tuple) and one.argval else one.argval
    return isinstance(whole, slice) and _leaves_out(whole.step)


def _leaves_out(step: object) -> bool:
    return isinstance(step, int) and step > 1


def _is_first(after: list[dis.Instruction]) -> bool:
    """Whether a slice is the only index or the first in a tuple, from the instructions after it."""
    above = 0  # values on the stack above the slice
    for one in after:
        if one.opname == "BUILD_TUPLE" and one.argval > above:
            return bool(one.argval == above + 1)
        above += dis.stack_effect(one.opcode, one.arg, jump=False)
        if above < 0:
            break
    return True
