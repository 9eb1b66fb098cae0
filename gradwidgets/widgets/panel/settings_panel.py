"""A widget of settings: traits that a page's controls and Python's lines both change, errors that are seen.

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
from gradwidgets.widgets.kernel.mainloop import at_home
from gradwidgets.widgets.panel.errors import Errors
from gradwidgets.widgets.panel.serial_box import SerialBox
from gradwidgets.widgets.panel.words import Prose

# One file for all panels; HTML, because a page without the panels' own script shows that too.
_STYLE = f"<style>{(pathlib.Path(__file__).parent / 'style.css').read_text(encoding='utf-8')}</style>"


class SettingsPanel(SerialBox):
    """A widget of controls and words.

    Attributes:
        error: What went wrong last, one line of plain text; empty when all is well.
        summary: What the picture shows, in words, one line each.
    """

    error = Unicode("", help="what went wrong last, in one line; empty when all is well").tag(result=True)
    summary = Unicode("", help="what the picture shows, in words").tag(result=True)

    _maker: ClassVar[str] = ""  # what is called to make it, where that is not its class

    # What close() needs, should the constructor refuse its arguments before it has come far.
    _closed = True
    _ready = False

    def __init__(self, **layout: object) -> None:
        self._initial: dict[str, object] = {}  # what `reset` goes back to
        self.controls: dict[str, Control] = {}
        super().__init__(**layout)
        self._closed = False
        self.add_class("gradwidgets")
        self._words = Prose(layout=widgets.Layout(margin="2px 0 0 4px"))
        self._words.add_class("gradwidgets-words")
        self._errors = Errors(
            type(self).__name__,
            self._turns,
            said=lambda: self.error,
            say=lambda line: setattr(self, "error", line),
            broken_off=self._broken_off,
        )
        self._style_sheet = widgets.HTML(
            _STYLE, layout=widgets.Layout(width="0", height="0", margin="0", overflow="hidden")
        )
        self.children = [self._style_sheet, self._errors.box, self._words]
        self.observe(self._on_setting, names=list(self.settings()))

    # -- settings -----------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse a name that means nothing here: a setting misspelt would change nothing and say nothing."""
        if self._ready and not name.startswith("_") and not hasattr(self, name):
            raise AttributeError(f"{type(self).__name__} has no setting {name!r}; it has {', '.join(self.settings())}")
        if self._ready and name in self._own:
            self._turns.told(lambda: self._take(name, value))
        else:
            super().__setattr__(name, value)

    def _take(self, name: str, value: object) -> None:
        with self.hold_trait_notifications():
            old = getattr(self, name)
            super().__setattr__(name, value)
            if not self._applying and getattr(self, name) != old:
                for other, suited in self._along(name, old).items():
                    super().__setattr__(other, suited)

    def _along(self, name: str, old: Any) -> dict[str, object]:
        """Return the settings that change along with one that was set alone: those that suit it."""
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
        """Tell the box's own keywords, and a teacher's, from the settings; a TypeError names what is neither."""
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
        if self._ready and not self._applying and self._first_of_several():
            self._update()

    @contextlib.contextmanager
    def _batch(self) -> Iterator[None]:
        """Set several settings as one change; all or none take effect."""
        with self._as_one():
            yield
        if self._ready and not self._applying:
            self._update()

    def _update(self) -> None:
        """Bring everything up to date: now on the main thread, else there, soon."""
        if at_home() and not self._turns.amidst:
            self._errors.attempt(self._refresh)
        else:
            self._turns.owe("refresh", lambda: self._errors.attempt(self._refresh))

    def _refresh(self) -> None:
        raise NotImplementedError  # by Panel

    def _refresh_by_hand(self) -> None:
        """The same after a change from the page, where a picture now beats all of it soon."""
        raise NotImplementedError  # by Panel

    # -- what the page does -------------------------------------------------------------------------------

    def _connect(self) -> None:
        """Wire the controls once they exist."""
        for control in self.controls.values():
            control.connect(self._turns.request, self._errors.complain)

    def _read_controls(self) -> None:
        """Apply what people moved since the last time, and do what other threads asked for."""
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
        """Set what a person chose; if it is refused, that is said and the controls go back."""
        refusal = None
        try:
            with self._as_one():
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
        """Return the settings that a person's choice stands for; a panel may have controls that set several."""
        return dict(chosen)

    def _free(self, meant: dict[str, object]) -> dict[str, object]:
        """Return what of that a person may choose."""
        return meant

    def _show_control(self, name: str) -> None:
        """Bring a control to its setting."""
        self.controls[name].show(getattr(self, name))

    def _broken_off(self, failure: Exception) -> None:
        """Hear of a failure before it is said."""

    # -- settings that last -------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return all settings as a JSON-safe dict, for `restore`."""
        return {"widget": type(self).__name__, **{k: _plain(v) for k, v in self._values().items()}}

    def restore(self, state: Mapping[str, object]) -> None:
        """Take the settings of a `state`; all of them or, if one is refused, none.

        Args:
            state: What `state` returned, perhaps through JSON.

        Raises:
            TraitError: A setting is refused; nothing has changed.
            ValueError: The state is another widget's or holds a name that is no setting.
            TypeError: The state is no dict of settings.
        """
        self._take_state(state)

    def _take_state(self, state: object) -> None:
        """Take what is perhaps a state, see `restore`."""
        if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
            raise TypeError(f"state must be a dict that `state()` returned; got {shown(state)}")
        wanted = dict(state)
        kind = wanted.pop("widget", type(self).__name__)
        if kind != type(self).__name__:
            raise ValueError(f"state is of {shown(kind)}, this is {type(self).__name__}")
        unknown = sorted(set(wanted) - set(self.settings()))
        if unknown:
            raise ValueError(f"state holds {', '.join(unknown)}; the settings are {', '.join(self.settings())}")
        with self._batch():  # what is meant too: it depends on settings that another thread might change
            for name, value in self._of_state({name: _held(value) for name, value in wanted.items()}).items():
                setattr(self, name, value)

    def _of_state(self, state: Mapping[str, object]) -> dict[str, object]:
        """Return the settings that a state stands for: one of another example brings a view of it along, say."""
        return self._resolve(state)

    def reset(self) -> None:
        """Go back to the settings that this was made with."""
        for control in self.controls.values():
            control.discard()
        with self._batch():
            for name, value in self._at_present(self._initial).items():
                setattr(self, name, value)

    def _at_present(self, settings: Mapping[str, object]) -> dict[str, object]:
        """Return settings without what cannot be now, and can be later."""
        return dict(settings)

    def _problem_repr(self) -> dict[str, str]:
        """Return the arguments, as text, that make what the panel looks at, by the setting that they stand for."""
        return {}

    def _usual(self) -> dict[str, object]:
        """Return the settings that the constructor chooses when it is not told."""
        return {name: self.trait_defaults(name) for name in self.settings()}

    def __repr__(self) -> str:
        """Return a call that makes this widget again; of a closed one also that it is."""
        problem = self._problem_repr()
        usual = self._usual() | {name: self.traits()[name].default_value for name in self.lesson_settings()}
        values = self._values() | {name: getattr(self, name) for name in self.lesson_settings()}
        changed = [f"{k}={v!r}" for k, v in values.items() if v != usual[k] and k not in problem]
        call = f"{self._maker or type(self).__name__}({', '.join([*problem.values(), *changed])})"
        return call + (", closed" if self._closed else "")

    def close(self) -> None:
        """Free everything registered for this, children first. May be called again."""
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
    """A widget and everything that is shown in it."""
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
