"""Copies of the user's objects that share nothing with them that a call could change."""

import contextlib
import copy
import copyreg
import functools
import types
import warnings
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from gradwidgets.core.subject.copied.readers import Readers
from gradwidgets.core.subject.copied.storages import Storages
from gradwidgets.core.subject.held.kinds import ATOMIC, PROXIES, UNKNOWN, is_opaque, names_in, root_of
from gradwidgets.core.subject.held.reached import attributes_of

T = TypeVar("T")

LARGE = 1 << 28  # bytes of one tensor or array outside of any module, beyond which it is shared
# Library modules whose objects hold only values.
_VALUES = ("collections", "itertools", "random", "decimal", "fractions", "datetime", "numpy", "dataclasses")
_PARAMETRIZE = "torch.nn.utils.parametrize"  # whose `__deepcopy__` does what ours does, except for the dtype
_COMPILED = "_compiled_call_impl"  # which torch's own copies leave out
_INSIDE = (dict, list, set, tuple, functools.partial)
_EMPTY = frozenset({dict, OrderedDict, list, set})


class Clone:
    """Makes copies in which shared objects stay shared.

    Modules, tensors, containers, functions' closures, objects of user classes and random generators are copied;
    functions that use copied modules as globals are rebound to the copies. Tensor hooks and a tensor's graph are left
    out. What cannot be copied is shared.

    Args:
        dtype: The dtype of copied floating point tensors; None keeps their own.
        batch: Tensors that a function may hold as well, as in a loss that differentiates by an input: functions that
            read them as globals are rebound to their copies too.

    Attributes:
        shared: The class names of objects that were not copied.
    """

    def __init__(self, dtype: torch.dtype | None = None, batch: Iterable[Tensor] = ()) -> None:
        self.batch = {id(one): one for one in batch}
        self._readers = Readers(self.batch)
        self.shared: set[str] = set()
        self._made: dict[int, Any] = {}  # as `copy.deepcopy`'s memo, for classes with a `__deepcopy__`
        self._kept: list[object] = []  # kept alive, so that no id is reused
        self._spaces: dict[int, dict[str, Any]] = {}
        self._storages = Storages(dtype)

    def of(self, thing: T) -> T:
        """The copy of an object, the same one every time."""
        if type(thing) in ATOMIC:
            return thing
        known: Any = self._made.get(id(thing), UNKNOWN)
        if known is not UNKNOWN:
            return known
        self._kept.append(thing)
        plain = _PLAIN.get(type(thing))
        made = self._made[id(thing)] = self._copy(thing) if plain is None else plain(self, thing)
        return made

    def keep(self, thing: object, made: object) -> None:
        """Set what stands for an object among the copies: itself, or an earlier copy."""
        self._kept.append(thing)
        self._made[id(thing)] = made

    def copy_of(self, thing: object) -> Any:
        """What stands for an object among the copies; `UNKNOWN` if it was never copied."""
        return thing if type(thing) in ATOMIC else self._made.get(id(thing), UNKNOWN)

    def made(self) -> frozenset[int]:
        """The ids of all copies made so far."""
        kept = {id(one) for one in self._kept}
        return frozenset([id(one) for one in self._made.values() if id(one) not in kept])

    def _remember(self, thing: object, made: T) -> T:
        """Register a copy before its contents are copied, which may refer back to it."""
        self._made[id(thing)] = made
        return made

    def _copy(self, thing: Any) -> Any:
        kind = type(thing)
        if kind in PROXIES:
            return weakref.proxy(self.of(thing.__repr__.__self__))
        if isinstance(thing, Tensor):
            return self._tensor(thing)
        if isinstance(thing, weakref.ref):
            there = thing()
            return weakref.ref(self.of(there)) if isinstance(there, (nn.Module, Tensor)) else thing
        if isinstance(thing, torch.Generator):
            made = torch.Generator(device=thing.device)
            made.set_state(thing.get_state())
            return made
        if isinstance(thing, type):
            return thing
        if isinstance(thing, nn.Module):
            return self._object(thing)
        if is_opaque(kind) and not isinstance(thing, _INSIDE) and root_of(kind) not in _VALUES:
            return self._share(thing)
        if getattr(thing, "nbytes", 0) > LARGE and root_of(kind) == "numpy":
            return self._share(thing)
        return self._object(thing)

    def _share(self, thing: object) -> object:
        self.shared.add(f"{type(thing).__module__}.{type(thing).__qualname__}")
        return thing

    # -- objects ------------------------------------------------------------------------------------------

    def _object(self, thing: Any) -> Any:
        try:
            if _deepcopy_of(type(thing)) not in (None, _PARAMETRIZE):
                made = thing.__deepcopy__(self._made)
                if made is not thing or not isinstance(thing, nn.Module):
                    return made
            if isinstance(thing, nn.Module) and _is_simple(type(thing)):
                return self._filled(thing, object.__new__(type(thing)))
            return self._rebuilt(thing)
        except Exception:  # whatever a user class raises when it is copied
            self._made.pop(id(thing), None)
        if isinstance(thing, nn.Module):
            return self._filled(thing, object.__new__(type(thing)))
        return self._share(thing)

    def _filled(self, thing: object, made: object) -> object:
        """A new object with copies of all attributes."""
        self._remember(thing, made)
        attributes, own = attributes_of(thing), attributes_of(made)
        if attributes is not None and own is not None:
            self._fill(attributes, own)
        for kind in type(thing).__mro__:
            for slot in vars(kind).values() if "__slots__" in vars(kind) else ():
                if isinstance(slot, types.MemberDescriptorType) and hasattr(thing, slot.__name__):
                    slot.__set__(made, self.of(slot.__get__(thing)))
        return made

    def _fill(self, attributes: dict[str, Any], own: dict[str, Any]) -> None:
        known, kept = self._made, self._kept
        known[id(attributes)] = own
        for key, value in attributes.items():
            kind = type(value)
            if kind in ATOMIC:
                own[key] = value
            elif kind in _EMPTY and not value and id(value) not in known:  # most of a module's, for hooks
                kept.append(value)
                own[key] = known[id(value)] = kind()
            else:
                own[key] = None if key == _COMPILED else self.of(value)

    def _rebuilt(self, thing: object) -> Any:
        """Copy like `copy.deepcopy`, from the object's `__reduce_ex__`."""
        kind = type(thing)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # copying iterators is deprecated
            reduce = copyreg.dispatch_table.get(kind)
            account: str | tuple[Any, ...] = reduce(thing) if reduce else thing.__reduce_ex__(4)
        if isinstance(account, str):
            return thing
        rest: tuple[Any, ...] = (*account, None, None, None)
        make, arguments, state, items, pairs, *_ = rest
        made = self._remember(thing, make(*[self.of(one) for one in arguments]))
        if state is not None:
            self._give_state(made, self.of(state))
        for one in items or ():
            made.append(self.of(one))
        for key, value in pairs or ():
            made[self.of(key)] = self.of(value)
        attributes, own = attributes_of(thing), attributes_of(made)
        if attributes is not None and own is not None:
            self._made[id(attributes)] = own
        return made

    @staticmethod
    def _give_state(made: object, state: object) -> None:
        if hasattr(made, "__setstate__"):
            made.__setstate__(state)
            return
        own, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
        if own:
            object.__getattribute__(made, "__dict__").update(own)
        for name, value in (slots or {}).items():
            object.__setattr__(made, name, value)

    # -- containers ---------------------------------------------------------------------------------------

    def _list(self, thing: list[T]) -> list[T]:
        made: list[T] = self._remember(thing, [])
        made.extend(map(self.of, thing))
        return made

    def _dict(self, thing: dict[Any, Any]) -> dict[Any, Any]:
        made = self._remember(thing, type(thing)())
        for key, value in thing.items():
            made[self.of(key)] = self.of(value)
        return made

    def _set(self, thing: set[T]) -> set[T]:
        made: set[T] = self._remember(thing, set())
        made.update(map(self.of, thing))
        return made

    def _tuple(self, thing: tuple[Any, ...]) -> tuple[Any, ...]:
        made = [self.of(one) for one in thing]
        if id(thing) in self._made:  # something in it led back to it
            return self._made[id(thing)]
        return thing if all(a is b for a, b in zip(made, thing, strict=True)) else tuple(made)

    def _deque(self, thing: deque[T]) -> deque[T]:
        made: deque[T] = self._remember(thing, deque(maxlen=thing.maxlen))
        made.extend(map(self.of, thing))
        return made

    # -- functions ----------------------------------------------------------------------------------------

    def _method(self, method: types.MethodType) -> types.MethodType:
        return types.MethodType(self.of(method.__func__), self.of(method.__self__))

    def _builtin(self, function: types.BuiltinFunctionType) -> object:
        """A built-in method, such as a container's, bound to the copy."""
        owner = function.__self__
        if owner is None or isinstance(owner, (types.ModuleType, type)):
            return function
        made = self.of(owner)
        return function if made is owner else getattr(made, function.__name__)

    def _function(self, function: types.FunctionType) -> types.FunctionType:
        names_a_part = self._readers.names_a_part(function)
        if not (function.__closure__ or function.__dict__ or names_a_part or self._readers.holds(function)):
            return function
        closure = function.__closure__ or ()
        new = [cell for cell in closure if id(cell) not in self._made]
        for cell in new:
            self._kept.append(cell)
            self._made[id(cell)] = types.CellType()
        cells = tuple([self._made[id(cell)] for cell in closure])
        space = self._space(function) if names_a_part else function.__globals__
        made = types.FunctionType(function.__code__, space, function.__name__, None, cells or None)
        self._remember(function, made)
        for name in functools.WRAPPER_ASSIGNMENTS:
            setattr(made, name, getattr(function, name))
        made.__defaults__, made.__kwdefaults__ = self.of(function.__defaults__), self.of(function.__kwdefaults__)
        for cell in new:
            with contextlib.suppress(ValueError):  # an empty one
                self._made[id(cell)].cell_contents = self.of(cell.cell_contents)
        vars(made).update({key: self.of(value) for key, value in vars(function).items()})
        if space is not function.__globals__:
            self._rebind(function, space)
        return made

    def _space(self, function: types.FunctionType) -> dict[str, Any]:
        """The copy of a function's globals, one for all functions that share them."""
        names = function.__globals__
        return self._spaces.setdefault(id(names), dict(names))

    def _rebind(self, function: types.FunctionType, space: dict[str, Any]) -> None:
        for name in names_in(function.__code__):
            value = function.__globals__.get(name)
            if self._readers.is_part(value):
                space[name] = self.of(value)

    # -- tensors ------------------------------------------------------------------------------------------

    def _tensor(self, tensor: Tensor) -> Tensor:
        try:
            made = self._storages.copied(tensor)
        except Exception:  # a user's tensor subclass that cannot be made from a plain view
            made = copy.deepcopy(tensor, self._made) if tensor.is_leaf else tensor.detach().clone()
        self._remember(tensor, made)
        own = getattr(tensor, "__dict__", None)
        if own:
            vars(made).update({key: self.of(value) for key, value in own.items()})
        if tensor.is_leaf and tensor.grad is not None and made.is_leaf:
            gradient = tensor.grad
            self._kept.append(gradient)
            made.grad = self._made[id(gradient)] = self._storages.copied(gradient)
        return made


def _deepcopy_of(kind: type) -> str | None:
    """The module that defines a class's `__deepcopy__`; None if it has none."""
    own = getattr(kind, "__deepcopy__", None)
    return None if own is None else str(getattr(own, "__module__", ""))


def _is_simple(kind: type) -> bool:
    """Whether a module can be copied by copying its attributes."""
    as_usual: object = object.__reduce_ex__
    return kind.__reduce_ex__ is as_usual and all(
        getattr(kind, name) in (getattr(nn.Module, name), getattr(object, name, None))
        for name in ("__reduce__", "__getstate__", "__setstate__")
    )


_PLAIN: dict[type, Callable[[Clone, Any], Any]] = {
    list: Clone._list,
    dict: Clone._dict,
    OrderedDict: Clone._dict,
    set: Clone._set,
    tuple: Clone._tuple,
    deque: Clone._deque,
    bytearray: lambda clone, thing: clone._remember(thing, bytearray(thing)),
    types.FunctionType: Clone._function,
    types.MethodType: Clone._method,
    types.BuiltinFunctionType: Clone._builtin,
}
