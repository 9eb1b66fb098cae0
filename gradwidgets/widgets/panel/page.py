"""The page that a panel lives in: its width, its theme, its clipboard, its way of showing pictures.

The kernel cannot know how wide a notebook's output is nor whether JupyterLab is dark, and only a page may copy text.
This small widget, invisible, does what page.js, accessible.js and views.js say.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable
from typing import Any, ClassVar

import anywidget
import traitlets


class Page(anywidget.AnyWidget):
    """What the browser tells and does: put it anywhere inside an element of class `gradwidgets`.

    Attributes:
        size: `{"width": int, "height": int, "dark": bool}`: the width of the enclosing widget and the height of
            the window in CSS pixels, and whether JupyterLab's theme is dark; empty until a page has answered.
        patches: Whether the page's canvas understands `gradwidgets.widgets.canvas.patch`.
        panel_id: The model id of the panel, whose controls are to be named for screen readers.
        canvas_id: The model id of the canvas whose pictures are to be shown quickly.
        tips: Label of a check box → its tooltip, which ipywidgets does not show.
        copied: Whether the last copy to the clipboard worked; None before the page answered.
        gone: Whether the panel was shown and no view of it is left that could be seen again, in whatever page.
        boxes: Model ids of the boxes around it that left the page with it.
    """

    _esm = "\n".join(
        (pathlib.Path(__file__).parent / script).read_text(encoding="utf-8")
        for script in ("accessible.js", "views.js", "page.js")
    )
    size = traitlets.Dict().tag(sync=True)
    patches = traitlets.Bool(False).tag(sync=True)
    panel_id = traitlets.Unicode("").tag(sync=True)
    canvas_id = traitlets.Unicode("").tag(sync=True)
    tips = traitlets.Dict().tag(sync=True)
    latest: ClassVar[dict[str, Any]] = {}  # what the last page told: the best guess for a new panel
    copied = traitlets.Bool(None, allow_none=True)
    gone = traitlets.Bool(False)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.boxes: set[str] = set()
        self._views: dict[str, int] = {}  # in each page
        self._turns: dict[str, int] = {}  # of what each page told last
        self._expected = False
        self.on_msg(self._answer)
        self.observe(self._remember, "size")

    def copy(self, text: str) -> None:
        """Put text on the reader's clipboard; `copied` then tells whether that worked."""
        self.copied = None
        self.send({"copy": text})

    def told(self) -> dict[str, Any]:
        """Return `size`, or what the last page told while this one has not."""
        return self.size or self.latest

    def _remember(self, change: traitlets.Bunch) -> None:
        Page.latest = change.new

    def expect(self) -> None:
        """Take it that the panel is about to be shown (again)."""
        self._expected = True
        self.boxes.clear()
        self.gone = False

    def _answer(self, _widget: object, content: object, _buffers: object) -> None:
        if not isinstance(content, dict):
            return
        if "copied" in content:
            self.copied = bool(content["copied"])
        page, turn, views, boxes = (content.get(name) for name in ("page", "turn", "views", "boxes"))
        if not (isinstance(page, str) and isinstance(turn, int) and isinstance(views, int | None)):
            return
        if "views" in content and turn > self._turns.get(page, 0):  # the kernel's threads may swap two
            self._turns[page] = turn
            boxes = boxes if isinstance(boxes, list) else []
            self._count(page, views, [box for box in boxes if isinstance(box, str)])

    def _count(self, page: str, views: int | None, boxes: list[str]) -> None:
        """Take how many views there are in a page; None where the page itself is closed, and may come back."""
        if views is None:
            self._views.pop(page, None)
            return
        self._views[page] = views
        if any(self._views.values()):
            self.expect()
        else:
            self.lose(boxes)

    def lose(self, boxes: Iterable[str]) -> None:
        """Take it that nothing shows the panel any more, nor the boxes that it was in."""
        self.boxes.update(boxes)
        self.gone = True

    @property
    def never_told(self) -> bool:
        """Whether no page has ever shown the panel, as far as is known."""
        return not self._views

    @property
    def never_shown(self) -> bool:
        """Whether nobody has ever asked for a view of the panel by itself, nor has a page shown one."""
        return not self._expected and not self._views
