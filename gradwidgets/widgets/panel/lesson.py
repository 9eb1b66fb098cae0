"""A lesson that a teacher prepares: hidden or locked controls, text above them, large type."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import ipywidgets as widgets

from gradwidgets.widgets.controls import HIDDEN, Control
from gradwidgets.widgets.kernel.main_thread import Turns, shown_at_home
from gradwidgets.widgets.panel.words import Prose

# Style → magnification of the picture's text and lines.
MAGNIFIED = {"page": 1.0, "projector": 1.3}
_PROJECTOR = "gradwidgets-projector"


class Prepared(Protocol):
    """The traits that a teacher sets.

    Attributes:
        hide: The names of what is hidden.
        lock: The names of the locked controls.
        style: A key of `MAGNIFIED`.
    """

    hide: tuple[str, ...]
    lock: tuple[str, ...]
    style: str


@dataclass(frozen=True)
class Parts:
    """The parts of a panel that a lesson may use.

    Attributes:
        settings: The names of its settings.
        controls: Returns its controls.
        besides: Name → function returning what else can be hidden.
        refit: Fits the picture into the remaining room.
        dressed: Called when controls were hidden, shown, locked or unlocked.
    """

    settings: Sequence[str]
    controls: Callable[[], Mapping[str, Control]]
    besides: Mapping[str, Callable[[], Sequence[widgets.Widget]]]
    refit: Callable[[], None]
    dressed: Callable[[], None]


class PreparedLesson:
    """A lesson that a panel is prepared for.

    Args:
        panel: The panel to prepare.
        turns: The turns of the threads that work on it.
        parts: The parts of the panel that the lesson may use.

    Attributes:
        name: The lesson's name, stored in files of its settings.
        heading: The widget with the text above everything.
        height: The height of that text, in CSS pixels.
    """

    def __init__(self, panel: Prepared, turns: Turns, parts: Parts) -> None:
        self.name, self.height = "", 0
        self.heading = Prose(layout=widgets.Layout(display="none"))
        self.heading.add_class("gradwidgets-heading")
        self._panel, self._turns, self._settings = panel, turns, parts.settings
        self._controls, self._besides, self._refit = parts.controls, parts.besides, parts.refit
        self._dressed = parts.dressed

    def introduce(self, content: str, height: int, name: str = "") -> None:
        """Put text above everything.

        Args:
            content: The text as HTML, with foreign content escaped.
            height: Its approximate height in CSS pixels, by which the picture shrinks.
            name: The lesson's name.
        """
        self.name, self.height = name, height
        self.heading.value = content
        self.heading.layout.display = "" if content else "none"
        self._refit()

    @property
    def lockable(self) -> dict[str, Sequence[Control]]:
        """Name that a teacher may use → the controls it refers to."""
        return {name: (control,) for name, control in self._controls().items()}

    @property
    def hideable(self) -> tuple[str, ...]:
        """The names of everything that can be hidden."""
        return (*self.lockable, *self._besides)

    def follow(self, name: str) -> None:
        """React to a change of the trait of this name."""
        if name in ("hide", "lock"):
            self._prepare_controls()
        elif name == "style":
            self._dress_all()
            self._refit()

    def prepare(self) -> None:
        """Apply everything that was prepared."""
        self._prepare_controls()
        self._dress_all()

    @shown_at_home
    def _prepare_controls(self) -> None:
        named, locked, hide = self.lockable, self.locked_controls(), self._panel.hide
        hidden = {id(control) for name in hide for control in named.get(name, ())}
        for control in self._controls().values():
            _dress(control, HIDDEN, id(control) in hidden)
            control.lock(id(control) in locked)
        for name, parts in self._besides.items():
            for part in parts():
                _dress(part, HIDDEN, name in hide)
        self._dressed()

    def _dress_all(self) -> None:
        _dress(self._panel, _PROJECTOR, self._panel.style == "projector")

    def locked_controls(self) -> set[int]:
        """The ids of the locked controls."""
        named = self.lockable
        return {id(control) for name in self._panel.lock for control in named.get(name, ())}

    def locked_settings(self) -> set[str]:
        """The settings that only locked controls can change, by whatever name they were locked."""
        locked = self.locked_controls()
        return {
            name
            for name, controls in self.lockable.items()
            if name in self._settings and controls and all(id(control) in locked for control in controls)
        }

    def free(self, meant: Mapping[str, object]) -> dict[str, object]:
        """Return those settings that the user may choose."""
        locked = self.locked_settings()
        return {name: value for name, value in meant.items() if name not in locked}

    def moved_from_lock(
        self, mine: Mapping[str, object], held: Mapping[str, object]
    ) -> Iterator[tuple[str, object, object]]:
        """Yield what is locked and differs in a state: name, value here, value there.

        Args:
            mine: The panel's state.
            held: The other state.
        """
        yield from (
            (name, mine[name], held[name])
            for name in self.locked_settings()
            if held.get(name, mine[name]) != mine[name]
        )


def _dress(widget: widgets.DOMWidget, name: str, worn: bool) -> None:
    (widget.add_class if worn else widget.remove_class)(name)
