"""What a teacher prepares: controls hidden or fixed, words above them, large type."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import ipywidgets as widgets

from gradwidgets.widgets.controls import Control
from gradwidgets.widgets.kernel.main_thread import Turns, shown_at_home
from gradwidgets.widgets.panel.words import Prose

# Style → how much larger the picture's text and lines are.
MAGNIFIED = {"page": 1.0, "projector": 1.3}
_HIDDEN, _PROJECTOR = "gradwidgets-hidden", "gradwidgets-projector"


class Prepared(Protocol):
    """The traits that a teacher sets.

    Attributes:
        hide: Names of what is not shown.
        lock: Names of the controls that stay as they are.
        style: A key of `MAGNIFIED`.
    """

    hide: tuple[str, ...]
    lock: tuple[str, ...]
    style: str


@dataclass(frozen=True)
class Parts:
    """What a lesson may know of a panel.

    Attributes:
        settings: The names of its settings.
        controls: Returns its controls.
        besides: Name → returns what can be hidden besides controls.
        refit: Gives the picture the room that is left.
    """

    settings: Sequence[str]
    controls: Callable[[], Mapping[str, Control]]
    besides: Mapping[str, Callable[[], widgets.Widget]]
    refit: Callable[[], None]


class PreparedLesson:
    """A lesson that a panel is prepared for.

    Args:
        panel: What is prepared.
        turns: Of the threads that work on it.
        parts: Of the panel.

    Attributes:
        name: The lesson's; a file of its settings carries it.
        heading: Shows the words above everything.
        height: What they take, CSS pixels.
    """

    def __init__(self, panel: Prepared, turns: Turns, parts: Parts) -> None:
        self.name, self.height = "", 0
        self.heading = Prose(layout=widgets.Layout(margin="0 0 2px 4px", display="none"))
        self.heading.add_class("gradwidgets-heading")
        self._panel, self._turns, self._settings = panel, turns, parts.settings
        self._controls, self._besides, self._refit = parts.controls, parts.besides, parts.refit

    def introduce(self, content: str, height: int, name: str = "") -> None:
        """Put words above everything.

        Args:
            content: HTML, whatever is not ours escaped.
            height: About what it takes, CSS pixels: the picture gives way.
            name: The lesson's name.
        """
        self.name, self.height = name, height
        self.heading.value = content
        self.heading.layout.display = "" if content else "none"
        self._refit()

    @property
    def lockable(self) -> dict[str, Sequence[Control]]:
        """Name that a teacher may use → the controls that it means."""
        return {name: (control,) for name, control in self._controls().items()}

    @property
    def hideable(self) -> tuple[str, ...]:
        """The names of all that can be hidden."""
        return (*self.lockable, *self._besides)

    def heard(self, name: str) -> None:
        """Follow a trait of this name."""
        if name in ("hide", "lock"):
            self._prepare_controls()
        elif name == "style":
            self._dress_all()
            self._refit()

    def prepare(self) -> None:
        """Bring everything to what was prepared."""
        self._prepare_controls()
        self._dress_all()

    @shown_at_home
    def _prepare_controls(self) -> None:
        named, locked, hide = self.lockable, self.locked_controls(), self._panel.hide
        hidden = {id(control) for name in hide for control in named.get(name, ())}
        for control in self._controls().values():
            _dress(control, _HIDDEN, id(control) in hidden)
            control.lock(id(control) in locked)
        for name, part in self._besides.items():
            _dress(part(), _HIDDEN, name in hide)

    def _dress_all(self) -> None:
        _dress(self._panel, _PROJECTOR, self._panel.style == "projector")

    def locked_controls(self) -> set[int]:
        """The ids of the controls that stay as they are."""
        named = self.lockable
        return {id(control) for name in self._panel.lock for control in named.get(name, ())}

    def fast(self) -> set[str]:
        """The settings that only locked controls stand for, whatever name they were locked by."""
        locked = self.locked_controls()
        return {
            name
            for name, controls in self.lockable.items()
            if name in self._settings and controls and all(id(control) in locked for control in controls)
        }

    def free(self, meant: Mapping[str, object]) -> dict[str, object]:
        """Return what of that a person may choose."""
        fast = self.fast()
        return {name: value for name, value in meant.items() if name not in fast}

    def moved_from_lock(
        self, mine: Mapping[str, object], held: Mapping[str, object]
    ) -> Iterator[tuple[str, object, object]]:
        """What is locked and different in a state: name, value here, value there.

        Args:
            mine: The panel's state.
            held: The other.
        """
        yield from ((name, mine[name], held[name]) for name in self.fast() if held.get(name, mine[name]) != mine[name])


def _dress(widget: widgets.DOMWidget, name: str, worn: bool) -> None:
    (widget.add_class if worn else widget.remove_class)(name)
