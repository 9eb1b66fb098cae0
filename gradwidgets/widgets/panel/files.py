"""Buttons that save to a file of the reader's and load one."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import anywidget
import traitlets

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

    def _obey(self, _widget, content: object, buffers: list) -> None:
        if not isinstance(content, dict):
            return
        name = str(content.get("name", "the file"))[:80]
        if content.get("save"):
            self._save()
        elif buffers:
            self._load(name, bytes(buffers[0]))
        elif "size" in content:
            self._refuse(name, "it is far too large")
