"""A panel where it cannot live: its picture, what it shows in words, and where it would be alive."""

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
    """A picture with its words.

    Attributes:
        png: The picture.
        words: What it shows, line by line.
        note: One sentence more; "" for none.
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
        """Tell marimo what to show."""
        return "text/html", self._repr_html_()


class Stills:
    """Makes pictures that last of a panel.

    Args:
        frame: Where its picture is.
        work: What brings it up to date.
        call: Returns the line that makes the panel again.
        summary: Returns what the picture shows, in words.
    """

    def __init__(
        self, frame: Frame, work: Work[Any, Any], *, call: Callable[[], str], summary: Callable[[], str]
    ) -> None:
        self._frame, self._work, self._call, self._summary = frame, work, call, summary

    def png(self) -> bytes:
        """Return the picture as PNG, at twice its size on the page."""
        if at_home():
            self._work.catch_up()
        with AT_WORK, as_usual():
            return self._frame.canvas.figure._repr_png_()

    def with_words(self, note: str) -> Still:
        """Return picture and words, and a note."""
        return Still(self.png(), self._summary(), note)

    def whole(self) -> None:
        """Have the whole picture, where that takes no long work: it may last."""
        if at_home():
            self._work.catch_up_if_short()

    def put_into(self, data: dict[str, str]) -> None:
        """Add to what a notebook keeps of the live widget, by MIME type."""
        data["text/plain"] = "\n".join(filter(None, (self._call(), self._summary())))
        picture = self._frame.canvas.still() if at_home() else self.png()
        data["image/png"] = base64.b64encode(picture).decode()
