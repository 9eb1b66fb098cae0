"""Things beside tensors that somebody's code may change: held, compared, put back."""

import operator
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gradwidgets.core.subject.held.kinds import UNKNOWN

Container = dict[Any, Any] | list[Any] | set[Any] | deque[Any]
CopyOf = Callable[[Any], Any]  # gives the copy of a thing, which is like it; `UNKNOWN` where there is none
_HOOKS = "_hooks"  # what the names of a module's dictionaries of hooks end with
MISSING = object()


class Place:
    """Where something was found.

    Attributes:
        label: The dotted way to it, "" for a root.
        module: The label of the module that it is a part of.
        attribute: The module's attribute that it is in, "" for the module itself.
    """

    __slots__ = ("attribute", "label", "module")

    def __init__(self, label: str = "", module: str = "", attribute: str = "") -> None:
        self.label, self.module, self.attribute = label, module, attribute

    def inner(self, name: object) -> "Place":
        """Of something in it."""
        label = f"{self.label}.{name}" if self.label else str(name)
        return Place(label, self.module, self.attribute or str(name))

    def of_module(self) -> "Place":
        """Of the module that stands there."""
        return Place(self.label, self.label, "")

    @property
    def words(self) -> str:
        """What changed, if something did there."""
        whose = self.module or "the model"
        if self.attribute == "training":
            return f"the mode of {whose}"
        if self.attribute.endswith(_HOOKS):
            return f"the hooks of {whose}"
        return f"{self.attribute.removeprefix('_')} of {whose}" if self.attribute else whose


class Contents:
    """What is in a dictionary, list, set or deque, by identity and in order.

    Attributes:
        place: Where it was found.
        held: The container.
        before: Its items, as they were.
    """

    __slots__ = ("before", "held", "place")

    def __init__(self, place: Place, held: Container) -> None:
        self.place, self.held = place, held
        self.before: Any = _items(held)  # a dict of a dict, a set of a set, a list of any other

    def changed(self) -> bool:
        """Whether other things are in it now."""
        return not same_items(self.held, self.before)

    def refresh(self) -> None:
        """Take what is in it now for what belongs in it."""
        self.before = _items(self.held)

    def put_back(self) -> Iterator[str]:
        """Restore them; say what was changed."""
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
        """What differs between two contents of such a container."""
        if self.place.attribute or not isinstance(now, dict):
            yield self.place.words
            return
        for key in {**before, **now}:
            if now.get(key, MISSING) is not before.get(key, MISSING):
                yield self.place.inner(key).words


class Empty:
    """Containers in which there is nothing: most of a module's, for hooks that nobody registered.

    Thousands of them are looked at faster than as `Contents` each.
    """

    def __init__(self) -> None:
        self._held: list[Container] = []
        self._where: list[tuple[Place, str]] = []

    def add(self, held: Container, owner: Place, key: str) -> None:
        """Hold one more, an attribute of this name."""
        self._held.append(held)
        self._where.append((owner, key))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._held)

    def copied(self, copy_of: CopyOf) -> "Empty":
        """The same of copies; what was not copied stays itself."""
        made = Empty()
        copies = [(one, copy_of(one)) for one in self._held]
        made._held = [one if copy is UNKNOWN else copy for one, copy in copies]
        made._where = self._where
        return made

    def changed(self) -> list[str]:
        """What has something in it now, in words."""
        if not any(self._held):
            return []
        return [
            Place(owner.label, owner.module, owner.attribute or key).words
            for held, (owner, key) in zip(self._held, self._where, strict=True)
            if held
        ]

    def put_back(self) -> list[str]:
        """Empty them again; say what was changed."""
        words = self.changed()
        for held in self._held if words else ():
            held.clear()
        return words

    def refresh(self) -> None:
        """Leave out those in which there is something by now."""
        pairs = [pair for pair in zip(self._held, self._where, strict=True) if not pair[0]]
        self._held, self._where = [held for held, _ in pairs], [where for _, where in pairs]


class Classes:
    """Which class each of many objects is of."""

    def __init__(self) -> None:
        self._held: list[object] = []
        self._kinds: list[type] = []
        self._where: list[Place] = []

    def add(self, held: object, owner: Place) -> None:
        """Hold one more object's class."""
        self._held.append(held)
        self._kinds.append(type(held))
        self._where.append(owner)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._held)

    def copied(self, copy_of: CopyOf) -> "Classes":
        """The same of copies, of whatever classes these are."""
        made = Classes()
        made._held, made._where = [copy_of(one) for one in self._held], self._where
        made.refresh()
        return made

    def _others(self) -> list[int]:
        same = map(operator.is_, map(type, self._held), self._kinds)
        return [i for i, one in enumerate(same) if not one]

    def changed(self) -> list[str]:
        """What is of another class now, in words."""
        return [f"the class of {self._where[i].label or 'the model'}" for i in self._others()]

    def put_back(self) -> list[str]:
        """Give all their classes back; say what was changed."""
        words = self.changed()
        for i in self._others():
            object.__setattr__(self._held[i], "__class__", self._kinds[i])
        return words

    def refresh(self) -> None:
        """Take the classes that they are of now for those that belong to them."""
        self._kinds = list(map(type, self._held))


class Attribute:
    """One value that is not in a container: a closure's cell, a slot, a class, an entry among a module's globals.

    Args:
        place: Where it was found.
        owner: What has it.
        key: Which of the owner's it is.
        get: Gives the value of an owner by a key; raises where there is none.
        put: Sets it.
        remove: Takes it away.
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
        """The value that an owner has; `MISSING` where it has none."""
        try:
            return self.get(owner, self.key)
        except (ValueError, AttributeError, KeyError):
            return MISSING

    def changed(self) -> bool:
        """Whether it is another value now."""
        return self.of(self.owner) is not self.before

    def refresh(self) -> None:
        """Take the value that it has now for the one that belongs there."""
        self.before = self.of(self.owner)

    def put_back(self) -> Iterator[str]:
        """Restore it; say what was changed."""
        if self.before is MISSING:
            self.remove(self.owner, self.key)
        else:
            self.put(self.owner, self.key, self.before)
        yield self.place.words


class State:
    """The inner state of a random generator of one's own, or the numbers of a NumPy array.

    Args:
        place: Where it was found.
        owner: What is in that state.
        get: Gives the owner's state.
        put: Sets it.
        same: Tells whether two states are the same.
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
        """Whether it is another state now."""
        return not self.same(self.get(self.owner), self.before)

    def refresh(self) -> None:
        """Take the state that it is in now for the one that belongs there."""
        self.before = self.get(self.owner)

    def put_back(self) -> Iterator[str]:
        """Restore it; say what was changed."""
        self.put(self.owner, self.before)
        yield self.place.words


def same_items(now: Container, before: Any) -> bool:
    """Whether a container holds the very things that another does, in the same order."""
    if len(now) != len(before):
        return False
    if isinstance(now, dict):
        return all(map(operator.is_, _values(now), before.values())) and all(map(operator.is_, now, before))
    return now == before if isinstance(now, set) else all(map(operator.is_, now, before))


def _items(held: Container) -> dict[Any, Any] | set[Any] | list[Any]:
    """A shallow copy, whatever the container's class makes of `copy`."""
    if isinstance(held, dict):
        return dict(held) if type(held) in (dict, OrderedDict) else dict(_kind(held).items(held))
    if isinstance(held, set):
        return set(set.__iter__(held))
    return list(deque.__iter__(held) if isinstance(held, deque) else list.__iter__(held))


def _values(held: dict[Any, Any]) -> Iterable[object]:
    return held.values() if type(held) in (dict, OrderedDict) else _kind(held).values(held)


def _kind(held: dict[Any, Any]) -> type[dict[Any, Any]]:
    return OrderedDict if isinstance(held, OrderedDict) else dict
