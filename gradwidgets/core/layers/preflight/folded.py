"""Models that fold the batch into the features: the output has another number of rows than there are samples."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from gradwidgets.core.layers.passes.passes import FlowError, run
from gradwidgets.core.layers.preflight.losses.compared import BROADCAST
from gradwidgets.core.layers.preflight.reading import named_tensors
from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.results.finding import Finding, Severity
from gradwidgets.core.results.wording import counted
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.subject.user_code import is_user_code, place_of_call

_VIEWS = ("view", "reshape", "flatten", "unflatten", "view_as", "reshape_as")
_MOST = 200  # the most frames that are searched for a module
_KEEP = (
    "Keep the samples along the first axis: x.view(x.size(0), -1), or x.flatten(1); if that does not fit the layer "
    "after it, it is that layer's in_features that is wrong."
)
_OTHER = "Let it leave the first axis, which is that of the samples, as it is, and work along another."


def beside_folded(model: nn.Module, inputs: object, found: Iterable[Finding]) -> list[Finding]:
    """Add to findings on shapes where the model folds the batch into the features, if it does.

    Args:
        model: The model, which then runs forward once more.
        inputs: The inputs.
        found: The findings on the loss.
    """
    return [_told(model, inputs, one) if one.name == BROADCAST else one for one in found]


def _told(model: nn.Module, inputs: object, found: Finding) -> Finding:
    output, target = found.evidence.get("output"), found.evidence.get("target")
    fold = None if output is None or target is None else fold_of(model, inputs, output, target)
    if fold is None:
        return found
    message, action = fold
    severity: Severity = "error" if action == _KEEP else found.severity
    return replace(found, severity=severity, message=f"{message}; {found.message}", action=action)


def fold_of(model: nn.Module, inputs: object, output: Iterable[int], target: Iterable[int]) -> tuple[str, str] | None:
    """Return a sentence on an output with another number of rows than samples, and what to do; None for as many.

    Args:
        model: The model, which then runs forward once more.
        inputs: The inputs.
        output: The shape of the output.
        target: The shape of the targets.
    """
    output, target = [*output], [*target]
    sizes = {one.shape[0] if one.ndim else 0 for _, one in named_tensors(inputs, "inputs")}
    if len(sizes) != 1 or not output or not target:
        return None
    count, rows = sizes.pop(), output[0]
    # The number of rows has to divide the number of samples, or be a multiple of it.
    if target[0] != count or rows == count or count < 2 or (count % rows and rows % count):
        return None
    seen = _Rows(count, rows, model)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]), seen:
            run("the model", model, inputs, model)
    except FlowError:
        return None
    if not seen.found:
        return None
    name, place, before, after = seen.found
    verb = "folds the batch into the features" if rows < count else "cuts the samples into several rows"
    verb = verb if name in _VIEWS else "takes all samples together"
    message = (
        f"the model gives {counted(rows, 'row')} for {count} samples: {name} {place} makes {after} of {before}, and "
        f"{verb}"
    )
    return message, _KEEP if name in _VIEWS else _OTHER


class _Rows(FunctionMode):
    """Records the last call that changes the number of rows from that of the samples to that of the output."""

    def __init__(self, count: int, rows: int, model: nn.Module) -> None:
        super().__init__()
        self.found: tuple[str, str, tuple[int, ...], tuple[int, ...]] | None = None
        self._count, self._rows = count, rows
        self._names = {id(one): name or "the model" for name, one in model.named_modules()}

    def __torch_function__(self, func: Op, types: Any, args: Args = (), kwargs: Kwargs | None = None) -> object:
        """Inspect a call, and make it."""
        result = func(*args, **(kwargs or {}))
        given = next((one for one in args if isinstance(one, Tensor)), None)
        if given is not None and isinstance(result, Tensor) and self._changes(given, result):
            name = getattr(func, "__name__", "").strip("_")
            self.found = name, self._place(), tuple(given.shape), tuple(result.shape)
        return result

    def _changes(self, given: Tensor, result: Tensor) -> bool:
        return given.ndim > 0 < result.ndim and (given.shape[0], result.shape[0]) == (self._count, self._rows)

    def _place(self) -> str:
        module = next((one for one in _callers() if one in self._names), None)
        line = place_of_call()
        where = f"in {self._names[module]}" if module is not None else "in the model"
        return f"{where} ({line})" if line else where


def _callers() -> Iterator[int]:
    """Yield the ids of the objects whose methods run now, the innermost first."""
    frame: FrameType | None = sys._getframe(1)
    for _ in range(_MOST):
        if frame is None:
            return
        if "self" in frame.f_locals and (is_user_code(frame) or isinstance(frame.f_locals["self"], nn.Module)):
            yield id(frame.f_locals["self"])
        frame = frame.f_back
