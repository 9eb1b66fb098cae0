"""Data of integers that are misused: a mask of 0 and 1 as an index, and arithmetic that overflows a small dtype."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from gradwidgets.core.losses.loss_data import data_tensors
from gradwidgets.core.operations.watching import Args, Kwargs, Op
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.mode import FunctionMode
from gradwidgets.core.surfaces.patterns.look import Look

_ARITHMETIC = frozenset(("add", "radd", "sub", "rsub", "mul", "rmul", "neg", "pow", "square", "subtract", "multiply"))
_NARROW = (torch.uint8, torch.int8, torch.int16)
_FEWEST = 3  # rows: with two of them, 0 and 1 may be an index


@dataclass(frozen=True, eq=False)
class _Misuse:
    """The data that were misused; for arithmetic also the dtype, one of its results, and the right result."""

    data: Tensor
    dtype: torch.dtype | None = None
    is_now: int = 0
    should_be: int = 0


class _Misuses(FunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.found: _Misuse | None = None
        self._of: list[tuple[Tensor, Tensor]] = []  # results, and the data they are computed from

    def __torch_function__(self, func: Op, types: object, args: Args = (), kwargs: Kwargs | None = None) -> object:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "").strip("_")
        if self.found is None and isinstance(result, Tensor):
            if name in ("getitem", "index_select") and len(args) > 1:
                self._look_at_index(args[0], args[-1])
            elif name in _ARITHMETIC and result.dtype in _NARROW:
                self._look_at_sum(func, args, kwargs or {}, result)
        return result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: it shows in the forward pass."""

    def _look_at_index(self, of: Tensor, index: object) -> None:
        if not isinstance(index, Tensor) or index.ndim != 1 or index.dtype == torch.bool or not of.ndim:
            return
        as_many = _FEWEST <= len(index) == len(of)
        if as_many and of.requires_grad and bool(((index == 0) | (index == 1)).all()) and index.unique().numel() == 2:
            self.found = _Misuse(index)

    def _look_at_sum(self, func: Op, args: Args, kwargs: Kwargs, result: Tensor) -> None:
        known = next((one for one in args if isinstance(one, Tensor) and one.dtype in _NARROW), result)
        origin = next((data for made, data in self._of if made is known), known)
        self._of.append((result, origin))
        right = func(*tree_map(_wide, args), **tree_map(_wide, kwargs))
        wrong = right != result.long()
        if bool(wrong.any()):
            self.found = _Misuse(origin, result.dtype, int(result[wrong].flatten()[0]), int(right[wrong].flatten()[0]))


def _wide(value: object) -> object:
    return value.long() if isinstance(value, Tensor) and value.dtype in _NARROW else value


def whole_numbers(look: Look) -> Finding | None:
    """A mask of 0 and 1 that is used as an index of rows, or arithmetic that overflows its integer dtype."""
    data = list(data_tensors(look.own))
    if all(one.is_floating_point() or one.dtype == torch.bool for _, one in data):
        return None
    watch = _Misuses()
    if not look.ran_in(watch, 0.0) or watch.found is None:
        return None
    met = watch.found
    alike = (n for n, one in data if one.shape == met.data.shape and bool((one == met.data).all()))
    name = next(alike, "the mask" if met.dtype is None else "it")
    return _of_sum(name, met) if met.dtype is not None else _of_index(name, met)


def _of_index(name: str, met: _Misuse) -> Finding:
    count, ones = len(met.data), int((met.data == 1).sum())
    message = (
        f"{name}, of whole numbers 0 and 1, is taken for places: it takes row 0 {count - ones} times and row 1 {ones} "
        f"times, in place of the {ones} rows where it is 1"
    )
    action = f"A mask must be of booleans: {name}.bool()."
    return Finding("wrong_input", "warning", message, {"operation": "index", "rows": count}, action=action)


def _of_sum(name: str, met: _Misuse) -> Finding:
    dtype = str(met.dtype).removeprefix("torch.")
    numbers = f"{number(met.is_now)} where it should be {number(met.should_be)}"
    message = f"{name} is of {dtype}, and so is what is computed of it: {numbers}"
    action = f"Make it floating point first: {name}.float()."
    return Finding("wrong_input", "warning", message, {"operation": "arithmetic", "dtype": dtype}, action=action)
