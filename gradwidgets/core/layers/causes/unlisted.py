"""Tensors that a model uses and that require a gradient, but are not in `model.parameters()`."""

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from types import FunctionType, MethodType

import torch
from torch import Tensor, nn

from gradwidgets.core.losses.graph import nodes_of, variable_of
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.result import Result

_REGISTERED = frozenset(("_parameters", "_buffers", "_modules"))
_MOST = 5_000  # the most objects that are searched


@dataclass(frozen=True, eq=False, repr=False)
class Unlisted(Result):
    """A tensor that the model uses and that no optimizer of `model.parameters()` trains.

    Attributes:
        name: The attribute that holds it, "hidden[0].weight" for example; "" if that is not known.
        shape: Its shape.
        place: The module during whose call it is used.
        made_by: torch's name of the operation that computed it from a parameter; "" if none did.
    """

    name: str
    shape: tuple[int, ...]
    place: str
    made_by: str = ""

    def __str__(self) -> str:
        """Return the tensor in words."""
        where = self.name or f"one that is made in the forward of {self.place}, or kept outside of the model"
        made = f" (what {self.made_by} makes of a parameter, which is none itself)" if self.made_by else ""
        return f"{where} ({' × '.join(map(str, self.shape)) or 'one number'}){made}"


def unlisted(model: nn.Module, leaves: Iterable[tuple[Tensor, str | None]], listed: Iterable[Tensor]) -> list[Unlisted]:
    """Return the tensors that the model does not list.

    An input of a layer with weights that no attribute holds is data whose gradient is needed, as for a penalty.

    Args:
        model: The model that ran.
        leaves: The tensors that require a gradient and were used, each with the module that used it; None for the loss.
        listed: The tensors that are trained or passed in: parameters, inputs, targets.
    """
    known, memory = {id(one) for one in listed}, {place for one in listed if (place := _memory(one))}
    found = [
        (tensor, place)
        for tensor, place in leaves
        if place is not None and id(tensor) not in known and _memory(tensor) not in memory
    ]
    if not found:
        return []
    names = dict(_held(model, {id(tensor) for tensor, _ in found}))
    layers = {name for name, module in model.named_modules() if not module._modules and module._parameters}
    return [
        Unlisted(names.get(id(tensor), ""), tuple(tensor.shape), place)
        for tensor, place in found
        if id(tensor) in names or place not in layers or isinstance(tensor, nn.Parameter)
    ]


def with_makers(model: nn.Module, missed: Iterable[Unlisted]) -> tuple[Unlisted, ...]:
    """Add the operations that computed tensors from parameters before the model ran.

    Args:
        model: The model itself; a copy would not show them.
        missed: The tensors that it does not list.
    """
    missed = tuple(missed)
    held = {f"{name}.{key}" if name else key: one for name, key, one in _attributes(model)} if missed else {}
    return tuple(replace(one, made_by=_maker(held.get(one.name))) for one in missed)


def _maker(one: object) -> str:
    if not isinstance(one, Tensor) or one.grad_fn is None:
        return ""
    leaves = (variable_of(node) for node in nodes_of(one))
    return plain_name(one.grad_fn.name()) if any(isinstance(leaf, nn.Parameter) for leaf in leaves) else ""


def _memory(tensor: Tensor) -> int:
    """Return the address of a tensor's memory, to recognise parts of inputs; 0 if it is not known."""
    return tensor.untyped_storage().data_ptr() if tensor.layout is torch.strided and not tensor.is_meta else 0


def _held(model: nn.Module, wanted: set[int]) -> Iterator[tuple[int, str]]:
    """Yield the ids of those tensors that attributes of a model hold, and the attributes."""
    waiting = deque((f"{name}.{key}" if name else key, one) for name, key, one in _attributes(model))
    seen: set[int] = set()
    while waiting and len(seen) < _MOST:
        name, one = waiting.popleft()
        if id(one) in wanted:
            yield id(one), name
        if id(one) not in seen:
            seen.add(id(one))
            waiting.extend(_inside(name, one))


def _attributes(model: nn.Module) -> Iterator[tuple[str, str, object]]:
    for name, module in model.named_modules():
        for key, one in module._buffers.items():
            yield name, key, one
        for key, one in vars(module).items():
            if key not in _REGISTERED and not key.endswith("_hooks"):
                yield name, key, one


def _inside(name: str, one: object) -> Iterable[tuple[str, object]]:
    if isinstance(one, (list, tuple)):
        return [(f"{name}[{i}]", each) for i, each in enumerate(one)]
    if isinstance(one, dict):
        return [(f"{name}[{key!r}]", each) for key, each in one.items()]
    if isinstance(one, nn.Module):
        return [(f"{name}.{key}", each) for key, each in one.named_parameters()]
    if isinstance(one, (Tensor, type)):
        return ()
    function = one.__func__ if isinstance(one, MethodType) else one
    if isinstance(function, FunctionType) and function.__closure__:
        return list(_cells(function))
    return [(f"{name}.{key}", each) for key, each in vars(one).items()] if hasattr(one, "__dict__") else ()


def _cells(function: FunctionType) -> Iterator[tuple[str, object]]:
    """Yield the variables of a closure and their values."""
    for key, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # an empty cell
            yield key, cell.cell_contents
