"""A panel where it cannot live: its picture, what it shows in words, and where it would be alive."""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass, field


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
