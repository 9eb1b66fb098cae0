"""The data that a loss reads besides its parameters: their names, and where they are not finite."""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from gradwidgets.core.losses.loss_function import LossFunction


def flaw_of(function: LossFunction) -> tuple[str, str] | None:
    """Find data that are not finite: the name with the first index, and the kind; NaN takes precedence."""
    found = list(_flaws(function))
    return next((one for one in found if one[1] == "NaN"), next(iter(found), None))


def _flaws(function: LossFunction) -> Iterator[tuple[str, str]]:
    for name, value in _data_of(function).items():
        if isinstance(value, float) and not math.isfinite(value):
            yield name, _kind(torch.tensor(value))
        for where, tensor in _tensors_of(name, value):
            tensor = tensor.detach()
            if not tensor.is_floating_point() or bool(tensor.isfinite().all()):
                continue
            index = first_index(tensor.isnan() if bool(tensor.isnan().any()) else ~tensor.isfinite())
            kind, row = _kind(tensor[tuple(index)]), _masked_whole(tensor)
            if kind == MASK and row is not None:
                yield f"{where}{row}", f"{MASK} all along"
            else:
                yield f"{where}{index}" if index else where, kind


MASK = "minus infinite"  # the usual value of masked scores


def _kind(value: Tensor) -> str:
    return "NaN" if bool(value.isnan()) else MASK if float(value) < 0 else "infinite"


def _masked_whole(tensor: Tensor) -> str | None:
    """The first row or column that is minus infinite throughout, as an index; None if there is none."""
    for dim in reversed(range(tensor.ndim)):
        whole = tensor.isneginf().all(dim)
        if bool(whole.any()):
            index = list(map(str, first_index(whole)))
            index.insert(dim, ":")
            while index and index[-1] == ":":
                index.pop()
            return f"[{', '.join(index)}]" if index else ""
    return None


def data_tensors(function: LossFunction) -> Iterator[tuple[str, Tensor]]:
    """The data tensors that a loss reads, from `fixed` and from outside its arguments, with their names."""
    for name, value in _data_of(function).items():
        yield from _tensors_of(name, value)


def zero_of(function: LossFunction, zeros: Tensor) -> str:
    """The data that are 0 exactly where a mask is true, by name with the first index; "" if there are none."""
    for name, value in _data_of(function).items():
        for where, tensor in _tensors_of(name, value):
            if tensor.shape == zeros.shape and bool(zeros.any()) and bool(((tensor == 0) == zeros).all()):
                index = first_index(zeros)
                return f"{where}{index}" if index else where
    return ""


def _data_of(function: LossFunction) -> dict[str, object]:
    return {**function.fixed, **_outside_values(function.call.loss)}


def first_index(mask: Tensor) -> list[int]:
    """The index where a mask is first true; [] for a 0-dimensional tensor."""
    return mask.nonzero()[0].tolist()


def held_tensors(loss: Callable[..., object]) -> Iterator[tuple[str, Tensor]]:
    """The tensors that a loss reads from outside its arguments, with their names."""
    for name, value in _outside_values(loss).items():
        yield from _tensors_of(name, value)


def _tensors_of(name: str, value: object) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, nn.Module):
        yield from ((f"{name}.{n}", t) for n, t in (*value.named_parameters(), *value.named_buffers()))
    elif isinstance(value, (tuple, list, Mapping)):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        yield from ((f"{name}[{key!r}]", t) for key, t in items if isinstance(t, Tensor))


def _outside_values(loss: Callable[..., object]) -> dict[str, object]:
    """What a loss reads from outside its arguments, by name."""
    held: dict[str, object] = {}
    if isinstance(loss, nn.Module):
        held |= dict(loss.named_parameters()) | dict(loss.named_buffers())
        held |= {name: value for name, value in vars(loss).items() if isinstance(value, Tensor)}
    function = getattr(loss, "forward", loss)
    if hasattr(function, "func"):  # functools.partial
        held |= dict(getattr(function, "keywords", None) or {})
        function = function.func
    try:
        read = inspect.getclosurevars(function)
    except TypeError:
        return held
    return {**read.globals, **read.nonlocals, **held}
