"""Functions that read copied objects other than as arguments: as globals, in closures, as defaults."""

import contextlib
import functools
import types
from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from gradwidgets.core.subject.held.kinds import ATOMIC, is_library, is_opaque, names_in
from gradwidgets.core.subject.held.reached import attributes_of

_MAX_DEPTH, _MAX_ITEMS = 3, 100  # nesting of containers, and items in one, that are searched for tensors of the batch


class Readers:
    """Tells which functions read modules, tensors that require grad, or tensors of a batch.

    Args:
        batch: The batch's tensors, by id.
    """

    def __init__(self, batch: Mapping[int, Tensor]) -> None:
        self._batch = batch
        self._needs: dict[int, bool] = {}
        self._holding: dict[int, bool] = {}
        self._kept: list[object] = []  # kept alive, so that no id is reused

    def names_a_part(self, function: types.FunctionType) -> bool:
        """Whether a function reads, as a global or through one, a module, a trainable tensor or one of the batch."""
        if is_library(function):
            return False
        known = self._needs.get(id(function))
        if known is None:
            self._needs[id(function)] = False  # for recursive functions
            self._kept.append(function)
            names = function.__globals__
            known = any(self.is_part(names.get(name)) for name in names_in(function.__code__))
            self._needs[id(function)] = known
        return known

    def is_part(self, value: object) -> bool:
        """Whether the value of a global is a copied object, or leads to one."""
        if isinstance(value, types.FunctionType):
            return self.names_a_part(value) or self.holds(value)
        if isinstance(value, types.MethodType):
            return self.is_part(value.__func__) or self._is_held(value.__self__) or self._has(value.__self__)
        if isinstance(value, functools.partial):
            return any(map(self.is_part, (value.func, *value.args, *value.keywords.values())))
        held = value if isinstance(value, (list, tuple)) else value.values() if isinstance(value, dict) else [value]
        return any(map(self._is_held, held)) or self._has(value)

    def _is_held(self, value: object) -> bool:
        if isinstance(value, Tensor):
            return value.requires_grad or id(value) in self._batch
        return isinstance(value, nn.Module)

    def holds(self, function: types.FunctionType) -> bool:
        """Whether a function's closure or defaults hold a copied object."""
        known = self._holding.get(id(function))
        if known is None:
            self._holding[id(function)] = False  # for functions that hold themselves
            self._kept.append(function)
            held = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
            for cell in function.__closure__ or ():
                with contextlib.suppress(ValueError):  # an empty cell
                    held.append(cell.cell_contents)
            known = self._holding[id(function)] = not is_library(function) and any(map(self.is_part, held))
        return known

    def _has(self, thing: object, depth: int = _MAX_DEPTH) -> bool:
        """Whether a user's object or a container holds a tensor of the batch."""
        if not self._batch or id(thing) in self._batch:
            return bool(self._batch)
        if not depth or type(thing) in ATOMIC or isinstance(thing, (Tensor, type)):
            return False
        held: Sequence[object]
        if isinstance(thing, dict):
            held = list(thing.values())[:_MAX_ITEMS]
        elif isinstance(thing, (list, tuple)):
            held = thing[:_MAX_ITEMS]
        else:
            held = [] if is_opaque(type(thing)) else list((attributes_of(thing) or {}).values())
        return any(self._has(one, depth - 1) for one in held)
