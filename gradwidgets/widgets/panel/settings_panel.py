"""A widget of settings: traits that both the page's controls and Python change, and errors that are shown.

A subclass declares its settings as traits tagged `setting=True`, and puts `Control`s of the same names into
`self.controls`; its `_work` brings everything up to date with the settings, and its `_frame` and `lesson` say which
changes from the page it takes.
"""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any, ClassVar

import ipywidgets as widgets
from traitlets import Bunch, Unicode

from gradwidgets.widgets.controls import Control
from gradwidgets.widgets.kernel.changes import Changes
from gradwidgets.widgets.kernel.main_thread import Turns
from gradwidgets.widgets.panel.errors import Errors
from gradwidgets.widgets.panel.own_settings import Choices, OwnSettings
from gradwidgets.widgets.panel.words import Told

# For all panels alike; as HTML, because that works even in a page without the panels' own script.
SHEETS = ("tokens.css", "controls.css", "column.css", "projector.css", "words.css")
_STYLE = "\n".join((pathlib.Path(__file__).parent / sheet).read_text(encoding="utf-8") for sheet in SHEETS)


class SettingsPanel(widgets.VBox):
    """A widget of controls and text, whose settings are set by one thread at a time.

    Settings set together take effect as a whole, or not at all. An interrupt may come anywhere: unfinished work is
    marked before it begins, and redone.

    Attributes:
        error: The last error, one line of plain text; empty when all is well.
        summary: What the picture shows, as lines of text.
    """

    error = Unicode("", help="what went wrong last, in one line; empty when all is well").tag(result=True)
    summary = Unicode("", help="what the picture shows, in words").tag(result=True)

    _own_style: ClassVar[str] = ""  # rules of its own, after the style sheets
    _details: ClassVar[str] = "In detail"  # what the words below the picture are
    _maker: ClassVar[str] = ""  # the function that makes it, if not its class

    # What close() needs if the constructor rejects its arguments early.
    _closed = True
    _ready = False

    def __init__(self, **layout: object) -> None:
        self.controls: dict[str, Control] = {}
        self._changes = Changes(self)
        self._turns = Turns(lambda: self._choices.read(), self._interrupted)
        self._settings = self._make_settings(
            self._changes,
            lambda: self._work.update() if self._ready else None,
            lambda meant: self.lesson.free(meant) if self._files.loading else meant,
        )
        super().__init__(**layout)
        self._closed = False
        self.add_class("gradwidgets")
        self._told = Told(self._details)
        self._errors = Errors(
            type(self).__name__,
            self._turns,
            said=lambda: self.error,
            say=lambda line: setattr(self, "error", line),
            broken_off=lambda failure: self._work.broken_off(failure),
        )
        self._choices = Choices(
            self._settings,
            self._changes,
            self._turns,
            self._errors,
            controls=lambda: self.controls,
            takes_more=lambda: self._frame.takes_more(),
            free=lambda meant: self.lesson.free(meant),
            refresh=lambda: self._work.refresh_by_hand(),
            show=lambda name: self._show_control(name),
        )
        nothing = widgets.Layout(width="0", height="0", margin="0", overflow="hidden")
        style = widgets.HTML(f"<style>{_STYLE}{self._own_style}</style>", layout=nothing)
        self.children = [style, self._errors.box, self._told.below]
        self.observe(self._on_setting, names=list(self.settings()))

    def _make_settings(self, *given: Any) -> OwnSettings[Any]:
        """Make the part that knows what goes with what; `given` are the further arguments of `OwnSettings`."""
        return OwnSettings(self, *given)

    # -- several settings as one change -------------------------------------------------------------------

    def hold_trait_notifications(self) -> contextlib.AbstractContextManager[None]:
        """Like traitlets' method, for one thread at a time; an exception inside undoes all changes."""
        return self._changes.held()

    def notify_change(self, change: Bunch) -> None:
        """Notify the observers; later, while changes are held."""
        if not self._changes.hold(change):
            super().notify_change(change)

    def _interrupted(self) -> None:
        """Start from a clean state: an interrupt may have come between any two lines."""
        self._changes.reset()

    # -- settings -----------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: object) -> None:
        """Reject unknown names: a misspelt setting would silently do nothing."""
        if self._ready and not name.startswith("_") and not hasattr(self, name):
            raise AttributeError(f"{type(self).__name__} has no setting {name!r}; it has {', '.join(self.settings())}")
        if self._ready and name in self._settings:
            self._turns.report_interrupt(lambda: self._settings.put_alone(name, value))
        else:
            super().__setattr__(name, value)

    @classmethod
    def settings(cls) -> tuple[str, ...]:
        """Return the names of all settings."""
        return tuple(cls.class_trait_names(setting=True))

    @classmethod
    def lesson_settings(cls) -> tuple[str, ...]:
        """Return the names of what a teacher sets."""
        return tuple(cls.class_trait_names(lesson=True))

    def _on_setting(self, change: Bunch) -> None:
        if self._ready and not self._changes.applying and self._changes.is_first():
            self._work.update()

    def _show_control(self, name: str) -> None:
        """Update a control to its setting."""
        self.controls[name].show(getattr(self, name))

    # -- settings that last -------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return all settings as a JSON-safe dict."""
        return {"widget": type(self).__name__, **self._settings.plain()}

    def reset(self) -> None:
        """Restore the initial settings."""
        self._choices.discard()
        self._settings.reset()

    def __repr__(self) -> str:
        """Return a call that recreates this widget, with a remark if it is closed."""
        return self._settings.call(self._maker or type(self).__name__) + (", closed" if self._closed else "")

    def close(self) -> None:
        """Free everything registered for this widget, children first. May be called again."""
        if self._closed:
            return
        self._closed = True
        self._ready = False
        self._turns.close()
        for control in self.controls.values():
            control.connect(lambda: None, lambda message: None)
            control.discard()
        close_all(self)


def descendants(widget: widgets.Widget) -> Iterator[widgets.Widget]:
    """Yield a widget and everything shown in it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from descendants(child)


def close_all(widget: widgets.Widget) -> None:
    """Close a widget, its children, layouts and styles, deepest first."""
    for child in getattr(widget, "children", ()):
        close_all(child)
    widget.unobserve_all()
    for part in ("style", "layout"):
        owned = getattr(widget, part, None)
        if isinstance(owned, widgets.Widget):
            owned.close()
    if isinstance(widget, SettingsPanel):
        widgets.VBox.close(widget)
    else:
        widget.close()
