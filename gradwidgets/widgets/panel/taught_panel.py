"""A panel in a lesson: controls hidden or fixed, words above them, large type, settings that travel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import ipywidgets as widgets
from traitlets import TraitError

from gradwidgets.widgets.controls import Control
from gradwidgets.widgets.kernel.mainloop import call_soon
from gradwidgets.widgets.panel import state_file
from gradwidgets.widgets.panel.files import FileButtons
from gradwidgets.widgets.panel.prose import Prose
from gradwidgets.widgets.panel.serial_box import shown_at_home
from gradwidgets.widgets.panel.settings_panel import SettingsPanel
from gradwidgets.widgets.panel.traits import Names, OneOf, shown

# Style → how much larger the picture's text and lines are.
MAGNIFIED = {"page": 1.0, "projector": 1.3}
_PARTS = ("buttons", "words")  # what can be hidden besides controls
_HIDDEN, _PROJECTOR = "gradwidgets-hidden", "gradwidgets-projector"


class TaughtPanel(SettingsPanel):
    """A widget of controls and words that a teacher can prepare.

    Attributes:
        hide: Names of controls that are not shown; also `"buttons"`, the rows below the controls, and `"words"`.
        lock: Names of controls that stay as they are whatever the page does; from Python they can still be set.
        style: `"page"`, or `"projector"` for large type.
    """

    hide = Names(lambda self: self._hideable()).tag(lesson=True)
    lock = Names(lambda self: tuple(self._lockable())).tag(lesson=True)
    style = OneOf("page", lambda self: tuple(MAGNIFIED)).tag(lesson=True)

    file_name: ClassVar[str] = "gradwidgets"  # of what is saved, without extension
    lesson_name: str = ""

    def __init__(self, **keywords) -> None:
        self._lesson = {name: keywords.pop(name) for name in self.lesson_settings() if name in keywords}
        super().__init__(**keywords)
        self._heading = Prose(layout=widgets.Layout(margin="0 0 2px 4px", display="none"))
        self._heading.add_class("gradwidgets-heading")
        self._heading_height = 0  # CSS pixels
        self.children = [*self.children, self._heading]
        self.observe(self._on_lesson, names=list(self.lesson_settings()))

    @classmethod
    def lesson_settings(cls) -> tuple[str, ...]:
        """Return the names of what a teacher sets."""
        return tuple(cls.class_trait_names(lesson=True))

    @classmethod
    def _keywords(cls) -> tuple[str, ...]:
        return *super()._keywords(), *cls.lesson_settings()

    @classmethod
    def _split_keywords(cls, keywords: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
        lesson = {name: value for name, value in keywords.items() if name in cls.lesson_settings()}
        layout, settings = super()._split_keywords({k: v for k, v in keywords.items() if k not in lesson})
        return {**layout, **lesson}, settings

    # -- what a teacher prepares --------------------------------------------------------------------------

    def _lockable(self) -> dict[str, Sequence[Control]]:
        """Name that a teacher may use → the controls that it means."""
        return {name: (control,) for name, control in self.controls.items()}

    def _hideable(self) -> tuple[str, ...]:
        return (*self._lockable(), *_PARTS)

    def _connect(self) -> None:
        super()._connect()
        for name, value in self._lesson.items():  # now that there are controls to name
            setattr(self, name, value)

    def _on_lesson(self, change) -> None:
        if change.name in ("hide", "lock"):
            self._prepare_controls()
        elif change.name == "style":
            self._dress(self, _PROJECTOR, change.new == "projector")
            self._restyle()

    def _prepare_all(self) -> None:
        """Bring everything to what a teacher prepared."""
        self._prepare_controls()
        self._dress(self, _PROJECTOR, self.style == "projector")

    @shown_at_home
    def _prepare_controls(self) -> None:
        named, locked = self._lockable(), self._locked_controls()
        hidden = {id(control) for name in self.hide for control in named.get(name, ())}
        for control in self.controls.values():
            self._dress(control, _HIDDEN, id(control) in hidden)
            control.lock(id(control) in locked)
        self._dress(self._buttons, _HIDDEN, "buttons" in self.hide)
        self._dress(self._words, _HIDDEN, "words" in self.hide)

    @staticmethod
    def _dress(widget: widgets.Widget, name: str, worn: bool) -> None:
        (widget.add_class if worn else widget.remove_class)(name)

    def _locked_controls(self) -> set[int]:
        """The ids of the controls that stay as they are."""
        named = self._lockable()
        return {id(control) for name in self.lock for control in named.get(name, ())}

    def _fast(self) -> set[str]:
        """The settings that only locked controls stand for, whatever name they were locked by."""
        locked, settings = self._locked_controls(), self.settings()
        return {
            name
            for name, controls in self._lockable().items()
            if name in settings and controls and all(id(control) in locked for control in controls)
        }

    def _free(self, meant: dict[str, object]) -> dict[str, object]:
        fast = self._fast()
        return {name: value for name, value in meant.items() if name not in fast}

    def introduce(self, content: str, height: int, lesson: str = "") -> None:
        """Put words above everything.

        Args:
            content: HTML, whatever is not ours escaped.
            height: About what it takes, CSS pixels: the picture gives way.
            lesson: The lesson's name, which a file of its settings carries.
        """
        self.lesson_name = lesson
        self._heading.value, self._heading_height = content, height
        self._heading.layout.display = "" if content else "none"
        self._restyle()

    def _restyle(self) -> None:
        """Bring the picture to the room and the style that it has."""
        raise NotImplementedError  # by Panel

    # -- settings that travel -----------------------------------------------------------------------------

    def __repr__(self) -> str:
        """Return a call that makes this widget again."""
        call = super().__repr__()
        given = [f"{k}={getattr(self, k)!r}" for k in self.lesson_settings() if getattr(self, k) != self._default(k)]
        return call if not given else f"{call[:-1]}{'' if call.endswith('()') else ', '}{', '.join(given)})"

    def _default(self, name: str) -> object:
        return self.traits()[name].default_value

    def share(self) -> None:
        """Print a call that makes this widget again, with exactly these settings."""
        print(repr(self))

    def save(self, path: str | Path) -> None:
        """Write `state()` to a JSON file."""
        Path(path).write_text(self._file_text(), encoding="utf-8")

    def load(self, path: str | Path) -> None:
        """Take the settings of a file that `save` wrote; all or none.

        Raises:
            ValueError: It is no such file, another widget's, or what is fixed in a lesson is different in it.
            TraitError: A setting is refused.
            OSError: It cannot be read.
        """
        with Path(path).open("rb") as file:
            self._load(file.read(state_file.LARGEST + 1))

    def _load(self, content: bytes) -> None:
        state = state_file.from_bytes(content)
        lesson = state.pop("lesson", "")
        if self.lesson_name and lesson != self.lesson_name:
            whose = f"of the lesson {shown(lesson)}" if lesson else "of no lesson"
            raise ValueError(f"it is {whose}, this is {self.lesson_name!r}")
        for held in (state, state.get("judged")):
            for name, mine, other in self._moved_from_lock(held) if isinstance(held, Mapping) else ():
                raise ValueError(f"{name} is {mine!r} in this lesson, and {shown(other)} in the file")
        self._on_thread.from_file = True
        try:
            self.restore(state)
        finally:
            self._on_thread.from_file = False

    def _moved_from_lock(self, held: Mapping[str, object]) -> Iterator[tuple[str, object, object]]:
        """What is locked and different in a state: name, value here, value there."""
        mine = self.state()
        yield from ((name, mine[name], held[name]) for name in self._fast() if held.get(name, mine[name]) != mine[name])

    def _of_state(self, state: Mapping[str, object]) -> dict[str, object]:
        meant = super()._of_state(state)
        # What a file brings along without saying so is a person's choice, as that of a control is.
        return self._free(meant) if getattr(self._on_thread, "from_file", False) else meant

    def _file_text(self) -> str:
        return state_file.to_text(self.state() | ({"lesson": self.lesson_name} if self.lesson_name else {}))

    def _file_buttons(self) -> FileButtons:
        """Make the buttons that save and load."""

        def soon(work: Callable[..., None]) -> Callable[..., None]:
            return lambda *told: call_soon(lambda: self.pressed(lambda: work(*told)))

        self._files = FileButtons(soon(self._save_pressed), soon(self._file_chosen), soon(self._not_loaded))
        return self._files

    def _save_pressed(self) -> None:
        self._files.hand(f"{self.lesson_name or self.file_name}.json", self._file_text())

    def _file_chosen(self, name: str, content: bytes) -> None:
        try:
            self._load(content)
        except (TraitError, ValueError, TypeError) as refusal:
            self._not_loaded(name, str(refusal))

    def _not_loaded(self, name: str, why: str) -> None:
        self.complain(f"{name} was not loaded: {why.rstrip('.')}. Nothing has changed.")
