"""The verbs of a panel in Python: for its picture, its script, its files and the user's guess."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from gradwidgets.figures.base.notebook_figure import Picture
from gradwidgets.widgets.canvas.canvas import LiveCanvas
from gradwidgets.widgets.panel.buttons import Buttons
from gradwidgets.widgets.panel.errors import Errors
from gradwidgets.widgets.panel.files import Files
from gradwidgets.widgets.panel.frame import Frame
from gradwidgets.widgets.panel.guess import Guessing
from gradwidgets.widgets.panel.page import Page
from gradwidgets.widgets.panel.still import Still, Stills

_MARIMO = "marimo does not show composite widgets, so this is a still picture; JupyterLab shows it live."


class PanelVerbs:
    """A mixin with the verbs of a panel; each calls the part of the panel that does the work.

    `Panel` makes the parts.
    """

    _file_name: ClassVar[str] = "gradwidgets"  # name of saved files, without extension

    _errors: Errors
    _frame: Frame
    _files: Files
    _buttons: Buttons
    _stills: Stills
    _guessing: Guessing[Any]

    # -- the picture and the script -------------------------------------------------------------------------

    @property
    def page(self) -> Page:
        """The connection to the browser."""
        return self._frame.page

    @property
    def canvas(self) -> LiveCanvas:
        """The canvas that shows the picture in the page."""
        return self._frame.canvas

    @property
    def figure(self) -> Picture:
        """The Matplotlib figure."""
        figure: Picture = self.canvas.figure
        return figure

    def code(self) -> str:
        """Return a script that reproduces what is shown without this package."""
        raise NotImplementedError  # by each panel

    def png(self) -> bytes:
        """Return the picture as PNG, at twice its size on the page."""
        return self._stills.png()

    def still(self, note: str = "") -> Still:
        """Return picture and text in a form that any notebook shows, even if it cannot show the live widget.

        Args:
            note: A sentence to show below them.
        """
        return self._stills.with_words(note)

    def _display_(self) -> Still:
        """Return what marimo can show; called by marimo."""
        return self.still(_MARIMO)

    def copy_code(self) -> None:
        """Copy `code()` to the user's clipboard."""
        self._buttons.copy_code()

    def save_png(self) -> None:
        """Offer `png()` to the browser as a download."""
        self._errors.attempt(lambda: self.canvas.download_png(self.png(), self._file_name))

    # -- a guess before the picture -------------------------------------------------------------------------

    @property
    def answer(self) -> dict[str, Any]:
        """The guess: name → plain value; {} if there is none. Can be set."""
        return self._guessing.answer

    @answer.setter
    def answer(self, answer: Mapping[str, object]) -> None:
        self._guessing.asked.take(answer)

    @property
    def score(self) -> float | None:
        """The score of the guess, from 0 to 1; None before `reveal`."""
        return self._guessing.score

    @property
    def reason(self) -> str:
        """The right answer, in words; empty before `reveal`."""
        return self._guessing.reason

    def reveal(self) -> None:
        """Show the picture and the score of the guess.

        Raises:
            ValueError: There is no guess yet.
        """
        self._guessing.asked.reveal()

    def guess_again(self) -> None:
        """Hide the picture of the current settings until it is guessed."""
        self._guessing.asked.again()

    # -- settings that travel -------------------------------------------------------------------------------

    def share(self) -> None:
        """Print a call that recreates this widget with exactly these settings."""
        print(repr(self))

    def save(self, path: str | Path) -> None:
        """Write `state()` to a JSON file."""
        Path(path).write_text(self._files.text(), encoding="utf-8")

    def load(self, path: str | Path) -> None:
        """Restore the settings from a file that `save` wrote; all or none.

        Raises:
            ValueError: It is not such a file, it is another widget's, or it changes what is locked in a lesson.
            TraitError: A setting is refused.
            OSError: It cannot be read.
        """
        self._files.load(path)
