"""Writes into a model's parameters during forward: a parameter takes the numbers, but not their graph."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

_INTO = ("copy_", "__setitem__", "__set__", "set_")  # `__set__` is an assignment to .data


class Parameters:
    """A model's parameters, recognised by identity or by their memory.

    Args:
        model: The model.
    """

    def __init__(self, model: nn.Module) -> None:
        named = list(model.named_parameters())
        self._names = {id(one): name for name, one in named}
        # A parameter that is not trained may be a state, a queue for example, that forward updates on purpose.
        self._trained = {id(one): name for name, one in named if one.requires_grad}
        self._places = {place: name for name, one in named if one.requires_grad and (place := _place(one))}

    def __contains__(self, one: object) -> bool:
        return id(one) in self._names

    def written(self, name: str, args: tuple[Any, ...]) -> str:
        """Return the name of the trained parameter that a call of this function writes into; "" for none."""
        target = args[0] if name in _INTO and len(args) > 1 else None
        if not isinstance(target, Tensor):
            return ""
        return self._trained.get(id(target)) or self._places.get(_place(target), "")


def are_replaced(module: nn.Module, own: Iterable[tuple[str, Tensor]]) -> bool:
    """Whether a module's parameters are replaced by other tensors while it runs, as in `functional_call`."""
    return any(module._parameters.get(key) is not one for key, one in own if key in module._parameters)


def _place(one: Tensor) -> int:
    """Return the address of a tensor's storage; 0 where it cannot be read."""
    if one.layout is not torch.strided or nn.parameter.is_lazy(one) or type(one) not in (Tensor, nn.Parameter):
        return 0
    return one.untyped_storage().data_ptr()
