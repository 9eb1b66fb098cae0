"""Settings in the user's files: the part of a panel that saves and loads them, and its buttons."""

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

_LARGEST = 1_000_000  # bytes that a page sends, at most


class FileButtons(anywidget.AnyWidget):
    """The Save and Load buttons.

    Args:
        save: Called when Save is pressed.
        load: Called with a chosen file's name and content.
        refuse: Called with a file's name and the reason if the page did not send it.
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
        """Offer the user a file to download."""
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
        name: The name of a file outside of lessons, without extension.
        state: Returns the panel's state.
        restore: Restores a state.
        lesson: The lesson, whose locked settings must not change.
        errors: Shows why a file was not loaded.

    Attributes:
        buttons: The Save and Load buttons.
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
        """Whether this thread is loading a file, whose implied settings count as chosen by the user."""
        return getattr(self._on_thread, "loading", False)

    def text(self) -> str:
        """Return the panel's state as the content of a file."""
        return state_file.to_text(self._state() | ({"lesson": self._lesson.name} if self._lesson.name else {}))

    def load(self, path: str | pathlib.Path) -> None:
        """Load a file."""
        with pathlib.Path(path).open("rb") as file:
            self.take(file.read(state_file.LARGEST + 1))

    def take(self, content: bytes) -> None:
        """Load the content of a file; all or nothing."""
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
        """Load a file that the user chose; errors are shown."""
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
