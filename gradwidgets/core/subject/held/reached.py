"""Everything that can be reached from the user's objects."""

import builtins
import functools
import operator
import types
from collections import OrderedDict, deque
from collections.abc import Collection, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from gradwidgets.core.subject.held.kinds import ATOMIC, PROXIES, is_library, is_opaque, may_change, names_in, root_of
from gradwidgets.core.subject.held.parts import MISSING, Attribute, Classes, Container, Contents, Empty, Place, State
from gradwidgets.core.subject.held.states import state_of
from gradwidgets.core.subject.held.tensors import HeldTensor

MOST = 300_000  # objects to visit at most
_DESCRIPTORS = (staticmethod, classmethod, property, types.MemberDescriptorType)
_USUAL = frozenset({dict, list, set, deque, OrderedDict})
_REGISTERED = ("_modules", "_parameters", "_buffers")  # whose entries are labelled by their own names


class Reached:
    """Everything that can be reached from some objects.

    Args:
        roots: The objects to start from.
        outside: Whether to include functions' globals and modules' classes.
        but: Ids of objects that are traversed but not recorded.

    Attributes:
        modules: Every module with its place.
        tensors: A record of every tensor.
        gradients: Records of their gradients.
        parts: Everything else that can change.
        functions: Every function, for its defaults, which are not among `parts`.
        empty: Attributes that are empty containers.
        classes: The classes of modules and other objects.
        opaque: Place → class name, of every object that was not inspected.
    """

    def __init__(self, *roots: object, outside: bool = True, but: Collection[int] = ()) -> None:
        self.modules: list[tuple[Place, nn.Module]] = []
        self.tensors: list[HeldTensor] = []
        self.gradients: list[HeldTensor] = []
        self.parts: list[Contents | Attribute | State] = []
        self.functions: list[types.FunctionType] = []
        self.empty, self.classes = Empty(), Classes()
        self.opaque: dict[str, str] = {}
        self._outside, self._but = outside, but
        self._labels: dict[str, int] = {}
        self._seen: dict[int | tuple[int, str], object] = {}
        self._waiting = [(root, Place()) for root in reversed(roots)]
        while self._waiting:
            thing, place = self._waiting.pop()
            if id(thing) not in self._seen:
                self._seen[id(thing)] = thing
                if len(self._seen) > MOST:
                    self.opaque["everything"] = f"objects beyond the first {MOST:,}"
                    break
                self._look(thing, place)

    def _look(self, thing: object, place: Place) -> None:
        if type(thing) in PROXIES:
            return
        if isinstance(thing, nn.Module):
            self._object(thing, place.of_module())
        elif isinstance(thing, Tensor):
            self._tensor(thing, place)
        elif isinstance(thing, (dict, list, set, deque)):
            self._container(thing, place)
        elif isinstance(thing, (tuple, frozenset)):
            self._push((place.inner(i), one) for i, one in enumerate(thing))
        elif isinstance(thing, types.FunctionType):
            self._function(thing, place)
        elif isinstance(thing, types.MethodType):
            self._push([(place, thing.__func__), (place, thing.__self__)])
        elif isinstance(thing, types.BuiltinFunctionType):
            self._push([(place, thing.__self__)])
        elif isinstance(thing, functools.partial):
            self._push([(place, thing.func), (place, thing.args), (place, thing.keywords)])
        elif (state := state_of(thing, place)) is not None:
            self._record(thing, state)
        elif not is_opaque(type(thing)):
            self._object(thing, place)
        elif may_change(thing):
            self.opaque[place.label] = f"{type(thing).__module__}.{type(thing).__qualname__}"

    def _push(self, things: Iterable[tuple[Place, object]]) -> None:
        self._waiting += [(one, place) for place, one in reversed(list(things)) if type(one) not in ATOMIC]

    def _record(self, owner: object, part: Contents | Attribute | State) -> None:
        if id(owner) not in self._but:
            self.parts.append(part)

    def _object(self, thing: object, place: Place) -> None:
        if isinstance(thing, nn.Module):
            self.modules.append((place, thing))
        if isinstance(thing, torch.jit.ScriptModule):
            self._scripted(thing, place)
            return
        kind = type(thing)
        if id(thing) not in self._but:
            self.classes.add(thing, place)
        for one in kind.__mro__ if self._outside else ():
            if self._is_new(one) and not is_opaque(one) and root_of(one) != "torch":
                self._class(one)
        own = attributes_of(thing)
        if own is not None:
            self._attributes(thing, own, place)
        self._slots(thing, place)

    def _scripted(self, module: torch.jit.ScriptModule, place: Place) -> None:
        self._push((place.inner(name), one) for name, one in (*module.named_parameters(), *module.named_buffers()))
        self.opaque[place.inner("attributes").label] = "of TorchScript"

    def _attributes(self, owner: object, own: dict[str, Any], place: Place) -> None:
        seen, but, waiting = self._seen, self._but, self._waiting
        seen[id(own)] = own
        self._record(owner, Contents(place, own))
        for key, value in reversed(own.items()):
            kind = type(value)
            if kind in ATOMIC:
                continue
            if kind in _USUAL and not value:
                if id(value) not in seen:
                    seen[id(value)] = value
                    if id(value) not in but:
                        self.empty.add(value, place, key)
            elif key in _REGISTERED and isinstance(value, dict):
                if self._is_new(value):
                    self._record(value, Contents(Place(place.label, place.module, key), value))
                    self._push((place.inner(name), one) for name, one in value.items())
            else:
                waiting.append((value, place.inner(key)))

    def _class(self, kind: type) -> None:
        self.parts.append(State(Place("", f"the class {kind.__name__}"), kind, _names_of, _without_new))
        for name, value in list(vars(kind).items()):
            if name.startswith("__") and name.endswith("__") and not isinstance(value, types.FunctionType):
                continue
            place = Place(f"{kind.__name__}.{name}", f"the class {kind.__name__}", name)
            if not isinstance(value, _DESCRIPTORS):
                self.parts.append(Attribute(place, kind, name, _own_attribute, setattr, delattr))
            self._push([(place, getattr(value, "__func__", value))])

    def _slots(self, thing: object, place: Place) -> None:
        for one in type(thing).__mro__:
            for name, slot in vars(one).items() if "__slots__" in vars(one) else ():
                if isinstance(slot, types.MemberDescriptorType):
                    self._attribute(Attribute(place.inner(name), thing, slot, _in_slot, _fill_slot, _empty_slot))

    def _attribute(self, held: Attribute) -> None:
        self._record(held.owner, held)
        if held.before is not MISSING:
            self._push([(held.place, held.before)])

    def _container(self, thing: Container, place: Place) -> None:
        self._record(thing, Contents(place, thing))
        if type(thing) in _USUAL and not thing:
            return
        if isinstance(thing, dict):
            self._push((place.inner(key) if type(key) in ATOMIC else place, one) for key, one in thing.items())
            self._push((place, key) for key in thing)
        else:
            self._push((place.inner(i), one) for i, one in enumerate(thing))
        if type(thing) not in _USUAL and (own := attributes_of(thing)):
            self._attributes(thing, own, place)

    def _function(self, function: types.FunctionType, place: Place) -> None:
        self.functions.append(function)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
            if self._is_new(cell):
                there = Place(name, place.module, name)
                self._attribute(Attribute(there, cell, "cell_contents", getattr, setattr, delattr))
        self._push((Place(name, "the defaults", name), one) for name, one in _defaults_of(function))
        if function.__dict__:
            self._attributes(function, function.__dict__, place)
        if self._outside and not is_library(function):
            self._globals(function)

    def _globals(self, function: types.FunctionType) -> None:
        names = function.__globals__
        for name in names_in(function.__code__):
            if (id(names), name) in self._seen or (name not in names and hasattr(builtins, name)):
                continue
            self._seen[id(names), name] = names
            place = Place(name, "the globals", name)
            self._attribute(Attribute(place, names, name, operator.getitem, operator.setitem, _take_out))

    def _tensor(self, tensor: Tensor, place: Place) -> None:
        held = HeldTensor(self._unique(place.label), tensor)
        if id(tensor) not in self._but:
            self.tensors.append(held)
            if held.gradient is not None:
                self.gradients.append(HeldTensor(f"{held.label}.grad", held.gradient))
        for name, hooks in held.hooks.items():
            if hooks:
                self._container(hooks, Place(place.label, place.label, name))
        if own := getattr(tensor, "__dict__", None):
            self._attributes(tensor, own, Place(place.label, place.label))

    def _unique(self, label: str) -> str:
        count = self._labels[label] = self._labels.get(label, 0) + 1
        return label if count == 1 else f"{label} ({count})"

    def _is_new(self, thing: object) -> bool:
        known = id(thing) in self._seen
        self._seen[id(thing)] = thing
        return not known


def attributes_of(thing: object) -> dict[str, Any] | None:
    """An object's `__dict__`, bypassing its class's attribute access; None if it has none or a read-only one."""
    try:
        own = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return None
    return own if isinstance(own, dict) else None  # a class's is a read-only view


def _defaults_of(function: types.FunctionType) -> list[tuple[str, object]]:
    """A function's default arguments, with their names."""
    code, values = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount][code.co_argcount - len(values) :]
    return [*zip(names, values, strict=False), *(function.__kwdefaults__ or {}).items()]


def _own_attribute(kind: type, name: str) -> object:
    return vars(kind)[name]


def _names_of(kind: type) -> frozenset[str]:
    return frozenset(vars(kind))


def _without_new(kind: type, names: frozenset[str]) -> None:
    for name in vars(kind).keys() - names:
        delattr(kind, name)


def _in_slot(owner: object, slot: types.MemberDescriptorType) -> object:
    return slot.__get__(owner)


def _fill_slot(owner: object, slot: types.MemberDescriptorType, value: object) -> None:
    slot.__set__(owner, value)


def _empty_slot(owner: object, slot: types.MemberDescriptorType) -> None:
    slot.__delete__(owner)


def _take_out(names: dict[str, Any], name: str) -> None:
    names.pop(name, None)
