"""A static version of a panel: its picture, its text, and a note on where it would be live."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gradwidgets.widgets.kernel.as_usual import as_usual
from gradwidgets.widgets.kernel.mainloop import AT_WORK, at_home
from gradwidgets.widgets.panel.frame import Frame
from gradwidgets.widgets.panel.work import Work


@dataclass(frozen=True)
class Still:
    """A picture with its text.

    Attributes:
        png: The picture as PNG.
        words: What it shows, as lines of text.
        note: An additional sentence; "" for none.
    """

    png: bytes = field(repr=False)
    words: str
    note: str = ""

    def _repr_html_(self) -> str:
        picture = base64.b64encode(self.png).decode()
        lines = "<br>".join(html.escape(line) for line in (*self.words.splitlines(), self.note) if line)
        alt = html.escape(self.words, quote=True)
        return f'<img style="max-width: 100%" alt="{alt}" src="data:image/png;base64,{picture}"><p>{lines}</p>'

    def _repr_png_(self) -> bytes:
        return self.png

    def _mime_(self) -> tuple[str, str]:
        """Return what marimo shows."""
        return "text/html", self._repr_html_()


class Stills:
    """Makes static pictures of a panel.

    Args:
        frame: The frame of its picture.
        work: The work that updates it.
        call: Returns the line of code that recreates the panel.
        summary: Returns what the picture shows, as text.
    """

    def __init__(
        self, frame: Frame, work: Work[Any, Any], *, call: Callable[[], str], summary: Callable[[], str]
    ) -> None:
        self._frame, self._work, self._call, self._summary = frame, work, call, summary

    def png(self) -> bytes:
        """Return the picture as PNG, at twice its size on the page; what it shows is in it as text, too."""
        if at_home():
            self._work.catch_up()
        with AT_WORK, as_usual():
            return self._frame.canvas.figure.png(self._call(), self._summary())

    def with_words(self, note: str) -> Still:
        """Return the picture with its text and a note."""
        return Still(self.png(), self._summary(), note)

    def whole(self) -> None:
        """Finish the picture if that does not take long, as it may be kept."""
        if at_home():
            self._work.catch_up_if_short()

    def put_into(self, data: dict[str, str]) -> None:
        """Add to what a notebook saves of the live widget, by MIME type."""
        data["text/plain"] = "\n".join(filter(None, (self._call(), self._summary())))
        picture = self._frame.canvas.still() if at_home() else self.png()
        data["image/png"] = base64.b64encode(picture).decode()
