"""IPython's references to cell results: `Out[n]`, `_n`, `_`, `__`, `___`, and the last result.

The user did not choose to keep these, so they alone keep no panel alive. But a closed panel must not look as if it were
still alive: it is replaced by a `Closed`, which says so.
"""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterator, MutableMapping
from typing import Any

import ipywidgets as widgets

Place = MutableMapping[Any, Any]  # by name or by number; any result may be kept
_LAST = ("_", "__", "___")


class Closed:
    """A stand-in for a closed panel in IPython's history.

    Args:
        call: The call that made the panel, as text.
    """

    def __init__(self, call: str) -> None:
        self._call = call

    def __repr__(self) -> str:
        """The call, and why the panel was closed."""
        return f"{self._call}, closed: it was removed from the page, and no variable held it"

    def __getattr__(self, name: str) -> object:
        """Explain that the panel is closed."""
        raise AttributeError(f"{self!r}. A panel that is assigned to a variable, as in panel = …, stays open.")


class Kept:
    """IPython's references to some widgets, removed until `give_back`.

    Args:
        shell: The shell.
        those: The widgets' model ids.
    """

    def __init__(self, shell: object, those: Collection[str]) -> None:
        self._places: list[tuple[Place, object, weakref.ref[widgets.Widget]]] = []
        found = [
            (place, key)
            for place, key in _places(shell)
            if isinstance(place[key], widgets.Widget) and place[key].comm and place[key].model_id in those
        ]
        stand_ins: dict[str, Closed] = {}  # one per widget, as IPython compares `_` with what it assigned to it
        for place, key in found:
            model_id = place[key].model_id
            if model_id not in stand_ins:
                stand_ins[model_id] = Closed(_call(place[key]))
            self._places.append((place, key, weakref.ref(place[key])))
            place[key] = stand_ins[model_id]

    def give_back(self) -> None:
        """Restore the references to what is still alive."""
        for place, key, held in self._places:
            if held() is not None:
                place[key] = held()


def _places(shell: object) -> Iterator[tuple[Place, object]]:
    """Yield the places where IPython itself keeps results; the user's variables do not count."""
    hook, names = getattr(shell, "displayhook", None), getattr(shell, "user_ns", {})
    if hook is None:
        return
    outputs, hidden = names.get("_oh", {}), getattr(shell, "user_ns_hidden", {})
    own = {f"_{number}": output for number, output in outputs.items() if isinstance(number, int)}
    own |= {name: vars(hook)[name] for name in _LAST if name in vars(hook)}
    for name, value in own.items():
        yield from ((place, name) for place in (names, hidden) if name in place and place[name] is value)
    yield from ((outputs, number) for number in outputs)
    yield from ((vars(hook), name) for name in _LAST if name in vars(hook))
    last = getattr(shell, "last_execution_result", None)
    if last is not None and "result" in vars(last):
        yield vars(last), "result"


def named(shell: object, widget: widgets.Widget) -> bool:
    """Whether a variable in the notebook refers to a widget; cheaper than a search through everything."""
    names = getattr(shell, "user_ns", {})
    automatic = {key for place, key in _places(shell) if place is names}
    return any(value is widget for name, value in list(names.items()) if name not in automatic)


def _call(widget: widgets.Widget) -> str:
    """The call that made a widget; the repr of a plain box would include everything in it."""
    return type(widget).__name__ + "(…)" if type(widget).__repr__ is widgets.Widget.__repr__ else repr(widget)
