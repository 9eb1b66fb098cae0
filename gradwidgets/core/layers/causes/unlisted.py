"""Tensors that a model computes with and that ask for a gradient, which `model.parameters()` does not list."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from gradwidgets.core.losses.graph import nodes_of
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.result import Result

_REGISTERED = frozenset(("_parameters", "_buffers", "_modules"))
_MOST = 5_000  # things that are looked into


@dataclass(frozen=True, eq=False, repr=False)
class Unlisted(Result):
    """A tensor that no optimizer of `model.parameters()` trains, though it takes part.

    Attributes:
        name: Where it hangs, "hidden[0].weight" say; "" where that cannot be told.
        shape: Its shape.
        place: The module during whose call it is used.
        made_by: The operation that made it of a parameter, in torch's words; "" where none did.
    """

    name: str
    shape: tuple[int, ...]
    place: str
    made_by: str = ""

    def __str__(self) -> str:
        """In words."""
        where = self.name or f"one that is made in the forward of {self.place}, or kept outside of the model"
        made = f" (what {self.made_by} makes of a parameter, which is none itself)" if self.made_by else ""
        return f"{where} ({' × '.join(map(str, self.shape)) or 'one number'}){made}"


def unlisted(model: nn.Module, leaves: Iterable[tuple[Tensor, str | None]], listed: Iterable[Tensor]) -> list[Unlisted]:
    """Those that are not listed.

    Args:
        model: The model that ran.
        leaves: Tensors that ask for a gradient and took part, each with the module that used it; None for the loss's.
        listed: What somebody trains or handed in: parameters, inputs, targets.

    What a layer with weights is given, and hangs nowhere, is data that is asked for its gradient, as a penalty does.
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
    """The same, with what made those of them that a model holds and that were computed of a parameter before it ran.

    Args:
        model: The model itself: a copy no longer shows it.
        missed: What it does not list.
    """
    missed = tuple(missed)
    held = {f"{name}.{key}" if name else key: one for name, key, one in _attributes(model)} if missed else {}
    return tuple(replace(one, made_by=_maker(held.get(one.name))) for one in missed)


def _maker(one: object) -> str:
    if not isinstance(one, Tensor) or one.grad_fn is None:
        return ""
    leaves = (node.variable for node in nodes_of(one) if hasattr(node, "variable"))
    return plain_name(one.grad_fn.name()) if any(isinstance(leaf, nn.Parameter) for leaf in leaves) else ""


def _memory(tensor: Tensor) -> int:
    """Where a tensor lies: a part of an input that forward asks a gradient of is an input; 0 if that is not told."""
    return tensor.untyped_storage().data_ptr() if tensor.layout is torch.strided and not tensor.is_meta else 0


def _held(model: nn.Module, wanted: set[int]) -> Iterator[tuple[int, str]]:
    """Ids of those of some tensors that hang somewhere on a model, and where."""
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
    if isinstance(one, Callable) and getattr(one, "__closure__", None):
        return [(key, cell.cell_contents) for key, cell in _cells(one)]
    return [(f"{name}.{key}", each) for key, each in vars(one).items()] if hasattr(one, "__dict__") else ()


def _cells(function: Callable) -> Iterator[tuple[str, object]]:
    for key, cell in zip(function.__code__.co_freevars, function.__closure__, strict=True):
        try:
            cell.cell_contents  # noqa: B018 - an empty one raises
        except ValueError:
            continue
        yield key, cell
