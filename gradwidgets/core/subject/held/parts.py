"""Records of things other than tensors that user code may change, to be compared and restored."""

import operator
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gradwidgets.core.subject.held.kinds import UNKNOWN

Container = dict[Any, Any] | list[Any] | set[Any] | deque[Any]
CopyOf = Callable[[Any], Any]  # returns the copy of an object; `UNKNOWN` if there is none
_HOOKS = "_hooks"  # suffix of a module's attributes that are dictionaries of hooks
MISSING = object()


class Place:
    """The place where something was found.

    Attributes:
        label: The dotted path to it, "" for a root.
        module: The label of the module that it is a part of.
        attribute: The module's attribute that contains it, "" for the module itself.
    """

    __slots__ = ("attribute", "label", "module")

    def __init__(self, label: str = "", module: str = "", attribute: str = "") -> None:
        self.label, self.module, self.attribute = label, module, attribute

    def inner(self, name: object) -> "Place":
        """The place of something inside."""
        label = f"{self.label}.{name}" if self.label else str(name)
        return Place(label, self.module, self.attribute or str(name))

    def of_module(self) -> "Place":
        """The place of the module there."""
        return Place(self.label, self.label, "")

    @property
    def words(self) -> str:
        """What to call a change at this place."""
        whose = self.module or "the model"
        if self.attribute == "training":
            return f"the mode of {whose}"
        if self.attribute.endswith(_HOOKS):
            return f"the hooks of {whose}"
        return f"{self.attribute.removeprefix('_')} of {whose}" if self.attribute else whose


class Contents:
    """The contents of a dictionary, list, set or deque, by identity and in order.

    Attributes:
        place: Where it was found.
        held: The container.
        before: Its original items.
    """

    __slots__ = ("before", "held", "place")

    def __init__(self, place: Place, held: Container) -> None:
        self.place, self.held = place, held
        self.before: Any = _items(held)  # a dict of a dict, a set of a set, a list of any other

    def changed(self) -> bool:
        """Whether the contents have changed."""
        return not same_items(self.held, self.before)

    def refresh(self) -> None:
        """Record the current contents as the original ones."""
        self.before = _items(self.held)

    def put_back(self) -> Iterator[str]:
        """Restore the contents; yield what had changed, in words."""
        held, before = self.held, self.before
        words = list(self.words(held, before))
        if isinstance(held, dict):
            kind = _kind(held)
            kind.clear(held)
            for key, value in before.items():
                kind.__setitem__(held, key, value)
        elif isinstance(held, set):
            set.clear(held)
            set.update(held, before)
        elif isinstance(held, deque):
            deque.clear(held)
            deque.extend(held, before)
        else:
            list.__setitem__(held, slice(None), before)
        yield from words

    def words(self, now: Container, before: Any) -> Iterator[str]:
        """What differs between two contents of such a container, in words."""
        if self.place.attribute or not isinstance(now, dict):
            yield self.place.words
            return
        for key in {**before, **now}:
            if now.get(key, MISSING) is not before.get(key, MISSING):
                yield self.place.inner(key).words


class Empty:
    """Empty containers: most of a module's, for hooks that were never registered.

    Checking thousands of them is faster than with one `Contents` each.
    """

    def __init__(self) -> None:
        self._held: list[Container] = []
        self._where: list[tuple[Place, str]] = []

    def add(self, held: Container, owner: Place, key: str) -> None:
        """Record one more, an attribute of this name."""
        self._held.append(held)
        self._where.append((owner, key))

    def __len__(self) -> int:
        """The number of containers."""
        return len(self._held)

    def copied(self, copy_of: CopyOf) -> "Empty":
        """The same for copies; what was not copied stays itself."""
        made = Empty()
        copies = [(one, copy_of(one)) for one in self._held]
        made._held = [one if copy is UNKNOWN else copy for one, copy in copies]
        made._where = self._where
        return made

    def changed(self) -> list[str]:
        """The containers that are no longer empty, in words."""
        if not any(self._held):
            return []
        return [
            Place(owner.label, owner.module, owner.attribute or key).words
            for held, (owner, key) in zip(self._held, self._where, strict=True)
            if held
        ]

    def put_back(self) -> list[str]:
        """Empty them again; return what had changed, in words."""
        words = self.changed()
        for held in self._held if words else ():
            held.clear()
        return words

    def refresh(self) -> None:
        """Drop those that are no longer empty."""
        pairs = [pair for pair in zip(self._held, self._where, strict=True) if not pair[0]]
        self._held, self._where = [held for held, _ in pairs], [where for _, where in pairs]


class Classes:
    """The classes of many objects."""

    def __init__(self) -> None:
        self._held: list[object] = []
        self._kinds: list[type] = []
        self._where: list[Place] = []

    def add(self, held: object, owner: Place) -> None:
        """Record one more object's class."""
        self._held.append(held)
        self._kinds.append(type(held))
        self._where.append(owner)

    def __len__(self) -> int:
        """The number of objects."""
        return len(self._held)

    def copied(self, copy_of: CopyOf) -> "Classes":
        """The same for copies, with their own classes."""
        made = Classes()
        made._held, made._where = [copy_of(one) for one in self._held], self._where
        made.refresh()
        return made

    def _others(self) -> list[int]:
        same = map(operator.is_, map(type, self._held), self._kinds)
        return [i for i, one in enumerate(same) if not one]

    def changed(self) -> list[str]:
        """The objects whose class has changed, in words."""
        return [f"the class of {self._where[i].label or 'the model'}" for i in self._others()]

    def put_back(self) -> list[str]:
        """Restore all classes; return what had changed, in words."""
        words = self.changed()
        for i in self._others():
            object.__setattr__(self._held[i], "__class__", self._kinds[i])
        return words

    def refresh(self) -> None:
        """Record the current classes as the original ones."""
        self._kinds = list(map(type, self._held))


class Attribute:
    """A value that is not in a container: a closure cell, a slot, a class attribute, a module's global.

    Args:
        place: The place where it was found.
        owner: The object that has it.
        key: Its key or name in the owner.
        get: Returns the value of an owner by key; raises if there is none.
        put: Sets it.
        remove: Deletes it.
    """

    __slots__ = ("before", "get", "key", "owner", "place", "put", "remove")

    def __init__(
        self,
        place: Place,
        owner: object,
        key: object,
        get: Callable[[Any, Any], object],
        put: Callable[[Any, Any, Any], object],
        remove: Callable[[Any, Any], object],
    ) -> None:
        self.place, self.owner, self.key = place, owner, key
        self.get, self.put, self.remove = get, put, remove
        self.before = self.of(owner)

    def of(self, owner: object) -> object:
        """The value that an owner has; `MISSING` if it has none."""
        try:
            return self.get(owner, self.key)
        except (ValueError, AttributeError, KeyError):
            return MISSING

    def changed(self) -> bool:
        """Whether the value has changed."""
        return self.of(self.owner) is not self.before

    def refresh(self) -> None:
        """Record the current value as the original one."""
        self.before = self.of(self.owner)

    def put_back(self) -> Iterator[str]:
        """Restore it; yield what had changed, in words."""
        if self.before is MISSING:
            self.remove(self.owner, self.key)
        else:
            self.put(self.owner, self.key, self.before)
        yield self.place.words


class State:
    """The internal state of a user's random generator, or the values of a NumPy array.

    Args:
        place: The place where it was found.
        owner: The object that has the state.
        get: Returns the owner's state.
        put: Sets it.
        same: Whether two states are equal.
    """

    __slots__ = ("before", "get", "owner", "place", "put", "same")

    def __init__(
        self,
        place: Place,
        owner: object,
        get: Callable[[Any], object],
        put: Callable[[Any, Any], object],
        same: Callable[[Any, Any], bool] = operator.eq,
    ) -> None:
        self.place, self.owner = place, owner
        self.get, self.put, self.same = get, put, same
        self.before = get(owner)

    def changed(self) -> bool:
        """Whether the state has changed."""
        return not self.same(self.get(self.owner), self.before)

    def refresh(self) -> None:
        """Record the current state as the original one."""
        self.before = self.get(self.owner)

    def put_back(self) -> Iterator[str]:
        """Restore it; yield what had changed, in words."""
        self.put(self.owner, self.before)
        yield self.place.words


def same_items(now: Container, before: Any) -> bool:
    """Whether a container holds the identical objects in the same order."""
    if len(now) != len(before):
        return False
    if isinstance(now, dict):
        return all(map(operator.is_, _values(now), before.values())) and all(map(operator.is_, now, before))
    return now == before if isinstance(now, set) else all(map(operator.is_, now, before))


def _items(held: Container) -> dict[Any, Any] | set[Any] | list[Any]:
    """A shallow copy, bypassing the container class's own `copy`."""
    if isinstance(held, dict):
        return dict(held) if type(held) in (dict, OrderedDict) else dict(_kind(held).items(held))
    if isinstance(held, set):
        return set(set.__iter__(held))
    return list(deque.__iter__(held) if isinstance(held, deque) else list.__iter__(held))


def _values(held: dict[Any, Any]) -> Iterable[object]:
    return held.values() if type(held) in (dict, OrderedDict) else _kind(held).values(held)


def _kind(held: dict[Any, Any]) -> type[dict[Any, Any]]:
    return OrderedDict if isinstance(held, OrderedDict) else dict
