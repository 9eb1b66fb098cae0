"""What is written into a model's parameters in forward: they keep its numbers, and not the way back to it."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

_INTO = ("copy_", "__setitem__", "__set__", "set_")  # `__set__` is an assignment to .data


class Parameters:
    """A model's parameters, told by themselves and by where their numbers lie.

    Args:
        model: The model.
    """

    def __init__(self, model: nn.Module) -> None:
        named = list(model.named_parameters())
        self._names = {id(one): name for name, one in named}
        # What is not trained may be what keeps something, as a queue does.
        self._trained = {id(one): name for name, one in named if one.requires_grad}
        self._places = {place: name for name, one in named if one.requires_grad and (place := _place(one))}

    def __contains__(self, one: object) -> bool:
        return id(one) in self._names

    def written(self, name: str, args: tuple) -> str:
        """The trained parameter that a function of a name writes into; "" for none."""
        target = args[0] if name in _INTO and len(args) > 1 else None
        if not isinstance(target, Tensor):
            return ""
        return self._trained.get(id(target)) or self._places.get(_place(target), "")


def are_replaced(module: nn.Module, own: Iterable[tuple[str, Tensor]]) -> bool:
    """Whether others stand in the place of a module's parameters while it runs, as in `functional_call`."""
    return any(module._parameters.get(key) is not one for key, one in own if key in module._parameters)


def _place(one: Tensor) -> int:
    """Where its numbers lie; 0 where that cannot be told."""
    if one.layout is not torch.strided or nn.parameter.is_lazy(one) or type(one) not in (Tensor, nn.Parameter):
        return 0
    return one.untyped_storage().data_ptr()
