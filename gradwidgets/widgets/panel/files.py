"""Settings in files of the reader's: the part of a panel that saves and loads them, and its buttons."""

from __future__ import annotations

import pathlib
import threading
from collections.abc import Callable, Mapping

import anywidget
import traitlets
from traitlets import TraitError

from gradwidgets.widgets.controls.values import shown
from gradwidgets.widgets.kernel.mainloop import call_soon
from gradwidgets.widgets.panel import state_file
from gradwidgets.widgets.panel.errors import Errors
from gradwidgets.widgets.panel.lesson import PreparedLesson

_LARGEST = 1_000_000  # bytes that a page sends at all


class FileButtons(anywidget.AnyWidget):
    """Save and Load.

    Args:
        save: Called when Save is pressed.
        load: Called with a chosen file's name and content.
        refuse: Called with a file's name and the reason where the page did not send it.
    """

    _esm = (pathlib.Path(__file__).parent / "files.js").read_text(encoding="utf-8")
    largest = traitlets.Int(_LARGEST).tag(sync=True)

    def __init__(
        self, save: Callable[[], None], load: Callable[[str, bytes], None], refuse: Callable[[str, str], None]
    ) -> None:
        super().__init__()
        self._save, self._load, self._refuse = save, load, refuse
        self.on_msg(self._obey)

    def hand(self, name: str, text: str) -> None:
        """Hand the reader a file."""
        self.send({"name": name, "text": text})

    def _obey(self, _widget: object, content: object, buffers: list[memoryview]) -> None:
        if not isinstance(content, dict):
            return
        name = str(content.get("name", "the file"))[:80]
        if content.get("save"):
            self._save()
        elif buffers:
            self._load(name, bytes(buffers[0]))
        elif "size" in content:
            self._refuse(name, "it is far too large")


class Files:
    """Saves a panel's settings, and takes saved ones.

    Args:
        name: Of a file that no lesson gives a name, without extension.
        state: Returns the panel's state.
        restore: Takes one.
        lesson: What is fixed in a lesson stays so.
        errors: Where it is said why a file was not loaded.

    Attributes:
        buttons: Save and Load.
    """

    def __init__(
        self,
        name: str,
        *,
        state: Callable[[], dict[str, object]],
        restore: Callable[[Mapping[str, object]], None],
        lesson: PreparedLesson,
        errors: Errors,
    ) -> None:
        self._name, self._state, self._restore, self._lesson, self._errors = name, state, restore, lesson, errors
        self._on_thread = threading.local()
        self.buttons = FileButtons(self._soon(self._save_pressed), self._soon(self.chosen), self._soon(self._refuse))

    @property
    def loading(self) -> bool:
        """Whether this thread is taking a file: what it brings along without saying so is a person's choice."""
        return getattr(self._on_thread, "loading", False)

    def text(self) -> str:
        """Return the panel's state as the text of a file."""
        return state_file.to_text(self._state() | ({"lesson": self._lesson.name} if self._lesson.name else {}))

    def load(self, path: str | pathlib.Path) -> None:
        """Take a file."""
        with pathlib.Path(path).open("rb") as file:
            self.take(file.read(state_file.LARGEST + 1))

    def take(self, content: bytes) -> None:
        """Take what a file holds; all or nothing."""
        state = state_file.from_bytes(content)
        self._check_lesson(state.pop("lesson", ""))
        for held in (state, state.get("judged")):
            self._check_lock(held)
        self._on_thread.loading = True
        try:
            self._restore(state)
        finally:
            self._on_thread.loading = False

    def _check_lesson(self, lesson: object) -> None:
        if self._lesson.name and lesson != self._lesson.name:
            whose = f"of the lesson {shown(lesson)}" if lesson else "of no lesson"
            raise ValueError(f"it is {whose}, this is {self._lesson.name!r}")

    def _check_lock(self, held: object) -> None:
        moved = self._lesson.moved_from_lock(self._state(), held) if isinstance(held, Mapping) else ()
        for name, mine, other in moved:
            raise ValueError(f"{name} is {mine!r} in this lesson, and {shown(other)} in the file")

    def chosen(self, name: str, content: bytes) -> None:
        """Take a file that a person chose; a refusal is said."""
        try:
            self.take(content)
        except (TraitError, ValueError, TypeError) as refusal:
            self._refuse(name, str(refusal))

    def _refuse(self, name: str, why: str) -> None:
        self._errors.complain(f"{name} was not loaded: {why.rstrip('.')}. Nothing has changed.")

    def _save_pressed(self) -> None:
        self.buttons.hand(f"{self._lesson.name or self._name}.json", self.text())

    def _soon(self, work: Callable[..., None]) -> Callable[..., None]:
        return lambda *told: call_soon(lambda: self._errors.pressed(lambda: work(*told)))
