"""A widget of settings: traits that both the page's controls and Python change, and errors that are shown.

A subclass declares its settings as traits tagged `setting=True`, puts `Control`s of the same names into
`self.controls` and implements `_refresh`, which brings everything up to date with the settings.
"""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import ipywidgets as widgets
from traitlets import Bunch, TraitError, Unicode

from gradwidgets.widgets.controls import Control
from gradwidgets.widgets.controls.values import shown
from gradwidgets.widgets.kernel.changes import Changes
from gradwidgets.widgets.kernel.main_thread import Turns
from gradwidgets.widgets.kernel.mainloop import at_home
from gradwidgets.widgets.panel.errors import Errors
from gradwidgets.widgets.panel.words import Prose

# For all panels alike; as HTML, because that works even in a page without the panels' own script.
SHEETS = ("tokens.css", "controls.css", "column.css", "words.css")
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
    _maker: ClassVar[str] = ""  # the function that makes it, if not its class

    # What close() needs if the constructor rejects its arguments early.
    _closed = True
    _ready = False

    def __init__(self, **layout: object) -> None:
        self._initial: dict[str, object] = {}  # what `reset` restores
        self.controls: dict[str, Control] = {}
        self._own = frozenset(self.class_trait_names(setting=True)) | frozenset(self.class_trait_names(lesson=True))
        self._changes = Changes(self)
        self._turns = Turns(self._read_controls, self._interrupted)
        super().__init__(**layout)
        self._closed = False
        self.add_class("gradwidgets")
        self._words = Prose(layout=widgets.Layout(margin="6px 0 0"))
        self._words.add_class("gradwidgets-words")
        self._errors = Errors(
            type(self).__name__,
            self._turns,
            said=lambda: self.error,
            say=lambda line: setattr(self, "error", line),
            broken_off=self._broken_off,
        )
        self._style_sheet = widgets.HTML(
            f"<style>{_STYLE}{self._own_style}</style>",
            layout=widgets.Layout(width="0", height="0", margin="0", overflow="hidden"),
        )
        self.children = [self._style_sheet, self._errors.box, self._words]
        self.observe(self._on_setting, names=list(self.settings()))

    # -- several settings as one change -------------------------------------------------------------------

    def hold_trait_notifications(self) -> contextlib.AbstractContextManager[None]:
        """Like traitlets' method, for one thread at a time; an exception inside undoes all changes."""
        return self._changes.held()

    def notify_change(self, change: Bunch) -> None:
        """Notify the observers; later, while changes are held."""
        if not self._changes.hold(change):
            super().notify_change(change)

    @contextlib.contextmanager
    def _batch(self) -> Iterator[None]:
        """Set several settings as one change; all or none take effect."""
        with self._changes.as_one():
            yield
        if self._ready and not self._changes.applying:
            self._update()

    def _interrupted(self) -> None:
        """Start from a clean state: an interrupt may have come between any two lines."""
        self._changes.reset()

    # -- settings -----------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: object) -> None:
        """Reject unknown names: a misspelt setting would silently do nothing."""
        if self._ready and not name.startswith("_") and not hasattr(self, name):
            raise AttributeError(f"{type(self).__name__} has no setting {name!r}; it has {', '.join(self.settings())}")
        if self._ready and name in self._own:
            self._turns.report_interrupt(lambda: self._take(name, value))
        else:
            super().__setattr__(name, value)

    def _take(self, name: str, value: object) -> None:
        with self._changes.held():
            old = getattr(self, name)
            super().__setattr__(name, value)
            if not self._changes.applying and getattr(self, name) != old:
                for other, suited in self._along(name, old).items():
                    super().__setattr__(other, suited)

    def _along(self, name: str, old: Any) -> dict[str, object]:
        """Return the settings that must change along with one that was set alone, to suit it."""
        return {}

    @classmethod
    def settings(cls) -> tuple[str, ...]:
        """Return the names of all settings."""
        return tuple(cls.class_trait_names(setting=True))

    @classmethod
    def lesson_settings(cls) -> tuple[str, ...]:
        """Return the names of what a teacher sets."""
        return tuple(cls.class_trait_names(lesson=True))

    @classmethod
    def _split_keywords(cls, keywords: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
        """Split the box's own keywords, and a teacher's, from the settings; a TypeError names unknown ones."""
        apart = ("layout", "box_style", *cls.lesson_settings())
        own = {name: value for name, value in keywords.items() if name in apart}
        settings = {name: value for name, value in keywords.items() if name not in apart}
        unknown = sorted(set(settings) - set(cls.settings()))
        if unknown:
            there_are = ", ".join((*cls.settings(), *cls.lesson_settings()))
            raise TypeError(f"{cls.__name__} has no setting {', '.join(unknown)}; it has {there_are}")
        return own, settings

    def _values(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.settings()}

    def _on_setting(self, change: Bunch) -> None:
        if self._ready and not self._changes.applying and self._changes.is_first():
            self._update()

    def _update(self) -> None:
        """Update everything: immediately on the main thread, otherwise there, soon."""
        if at_home() and not self._turns.amidst:
            self._errors.attempt(self._refresh)
        else:
            self._turns.owe("refresh", lambda: self._errors.attempt(self._refresh))

    def _refresh(self) -> None:
        raise NotImplementedError  # by Panel

    def _refresh_by_hand(self) -> None:
        """The same after a change from the page, where a quick picture matters more than completeness."""
        raise NotImplementedError  # by Panel

    # -- what the page does -------------------------------------------------------------------------------

    def _connect(self) -> None:
        """Connect the controls once they exist."""
        for control in self.controls.values():
            control.connect(self._turns.request, self._errors.complain)

    def _read_controls(self) -> None:
        """Apply what the user moved since the last time, and do what other threads requested."""
        moved = [control for control in self.controls.values() if control.moved]
        try:
            self._turns.pay()
            if moved:
                chosen = {control.name: control.take() for control in moved}
                self._apply({name: value for name, value in chosen.items() if not self.controls[name].locked})
                for name in chosen:
                    if self.controls[name].locked:
                        self._show_control(name)
        except Exception as failure:
            self._errors.fail(failure)

    def _apply(self, chosen: Mapping[str, object]) -> None:
        """Set what the user chose; if it is refused, the error is shown and the controls are reset."""
        refusal = None
        try:
            with self._changes.as_one():
                for name, value in self._free(self._resolve(chosen)).items():
                    setattr(self, name, value)
        except TraitError as error:
            refusal = str(error)
        self._refresh_by_hand()
        if refusal:
            for name in chosen:
                self._show_control(name)
            self._errors.complain(refusal)

    def _resolve(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that the user's choice stands for; a control may set several."""
        return dict(chosen)

    def _free(self, meant: dict[str, object]) -> dict[str, object]:
        """Return those settings that the user may choose."""
        return meant

    def _show_control(self, name: str) -> None:
        """Update a control to its setting."""
        self.controls[name].show(getattr(self, name))

    def _broken_off(self, failure: Exception) -> None:
        """Handle a failure before it is shown."""

    # -- settings that last -------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return all settings as a JSON-safe dict."""
        return {"widget": type(self).__name__, **{k: _plain(v) for k, v in self._values().items()}}

    def _take_state(self, state: object) -> None:
        """Restore the settings of a `state`; if one is refused, or it is no state, nothing changes."""
        if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
            raise TypeError(f"state must be a dict that `state()` returned; got {shown(state)}")
        wanted = dict(state)
        kind = wanted.pop("widget", type(self).__name__)
        if kind != type(self).__name__:
            raise ValueError(f"state is of {shown(kind)}, this is {type(self).__name__}")
        unknown = sorted(set(wanted) - set(self.settings()))
        if unknown:
            raise ValueError(f"state holds {', '.join(unknown)}; the settings are {', '.join(self.settings())}")
        with self._batch():  # including `_of_state`, which depends on settings that another thread might change
            for name, value in self._of_state({name: _held(value) for name, value in wanted.items()}).items():
                setattr(self, name, value)

    def _of_state(self, state: Mapping[str, object]) -> dict[str, object]:
        """Return the settings that a state stands for; another example, for instance, changes the view too."""
        return self._resolve(state)

    def reset(self) -> None:
        """Restore the initial settings."""
        for control in self.controls.values():
            control.discard()
        with self._batch():
            for name, value in self._at_present(self._initial).items():
                setattr(self, name, value)

    def _at_present(self, settings: Mapping[str, object]) -> dict[str, object]:
        """Return settings without those that are impossible now but possible later."""
        return dict(settings)

    def _problem_repr(self) -> dict[str, str]:
        """Return the arguments, as text, that define what the panel shows, by the setting that they stand for."""
        return {}

    def _usual(self) -> dict[str, object]:
        """Return the constructor's default settings."""
        return {name: self.trait_defaults(name) for name in self.settings()}

    def __repr__(self) -> str:
        """Return a call that recreates this widget, with a remark if it is closed."""
        problem = self._problem_repr()
        usual = self._usual() | {name: self.traits()[name].default_value for name in self.lesson_settings()}
        values = self._values() | {name: getattr(self, name) for name in self.lesson_settings()}
        changed = [f"{k}={v!r}" for k, v in values.items() if v != usual[k] and k not in problem]
        call = f"{self._maker or type(self).__name__}({', '.join([*problem.values(), *changed])})"
        return call + (", closed" if self._closed else "")

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


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _held(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
