"""The page that a panel is in: its width, its theme, its clipboard, how it shows pictures.

The kernel cannot know how wide a notebook's output is nor whether JupyterLab is dark, and only a page may copy text.
This small invisible widget runs page.js, accessible.js, views.js and pointed.js.
"""

from __future__ import annotations

import pathlib
import threading
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import anywidget
import traitlets


class Page(anywidget.AnyWidget):
    """The connection to the browser: put it anywhere inside an element of class `gradwidgets`.

    Attributes:
        size: `{"width": int, "height": int, "dark": bool}`: the width of the enclosing widget and the height of
            the window in CSS pixels, and whether JupyterLab's theme is dark; empty until a page has answered.
        patches: Whether the page's canvas understands `gradwidgets.widgets.canvas.patch`.
        panel_id: The model id of the panel, whose controls get names for screen readers.
        canvas_id: The model id of the canvas whose pictures are shown on a fast path.
        tips: Label of a check box → its tooltip, which ipywidgets does not show.
        limits: Label of a number's slider → the share of its rail, from 0 to 1, beyond which a hatch warns.
        counts: Name of a tab → the number of things that wait there, if any.
        copied: Whether the last copy to the clipboard worked; None until the page answers.
        gone: Whether the panel was shown and no view of it is left, in any page, that could be seen again.
        boxes: Model ids of the boxes around it that were removed from the page with it.
    """

    _esm = "\n".join(
        (pathlib.Path(__file__).parent / script).read_text(encoding="utf-8")
        for script in ("accessible.js", "views.js", "pointed.js", "page.js")
    )
    size = traitlets.Dict().tag(sync=True)
    patches = traitlets.Bool(False).tag(sync=True)
    panel_id = traitlets.Unicode("").tag(sync=True)
    canvas_id = traitlets.Unicode("").tag(sync=True)
    tips = traitlets.Dict().tag(sync=True)
    latest: ClassVar[dict[str, Any]] = {}  # what the last page reported: the best guess for a new panel
    limits = traitlets.Dict().tag(sync=True)
    counts = traitlets.Dict().tag(sync=True)
    copied = traitlets.Bool(None, allow_none=True)
    gone = traitlets.Bool(False)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.boxes: set[str] = set()
        self._views: dict[str, int] = {}  # number of views in each page
        self._turns: dict[str, int] = {}  # sequence number of each page's last report
        self._expected = False
        self._question: tuple[str, float, float] | None = None  # what was asked last: its id, and where on the picture
        self._asked: Callable[[], None] = lambda: None
        self._counting = threading.RLock()  # reports may come on two threads
        self.on_msg(self._answer)
        self.observe(self._remember, "size")

    def copy(self, text: str) -> None:
        """Copy text to the user's clipboard; `copied` then says whether that worked."""
        self.copied = None
        self.send({"copy": text})

    def when_asked(self, work: Callable[[], None]) -> None:
        """Call `work`, on any thread, when the page asks what the picture shows under the pointer."""
        self._asked = work

    def answer(self, value_at: Callable[[float, float], str]) -> None:
        """Answer the page's last question, if it is still open.

        Args:
            value_at: Returns what the picture shows at a place, given as fractions of its width from the left and of
                its height from the bottom.
        """
        question, self._question = self._question, None
        if question is not None:
            name, across, up = question
            self.send({"question": name, "value": value_at(across, up)})

    def told(self) -> dict[str, Any]:
        """Return `size`, or the last page's until this one has reported."""
        return self.size or self.latest

    def _remember(self, change: traitlets.Bunch) -> None:
        Page.latest = change.new

    def expect(self) -> None:
        """Assume that the panel is about to be shown (again)."""
        self._expected = True
        self.boxes.clear()
        self.gone = False

    def _answer(self, _widget: object, content: object, _buffers: object) -> None:
        if not isinstance(content, dict):
            return
        if "copied" in content:
            self.copied = bool(content["copied"])
        if "question" in content:
            self._note_question(content)
        page, turn, views, boxes = (content.get(name) for name in ("page", "turn", "views", "boxes"))
        if not (isinstance(page, str) and isinstance(turn, int) and isinstance(views, int | None)):
            return
        if "views" in content:
            with self._counting:
                if turn > self._turns.get(page, 0):  # threads may swap two
                    self._turns[page] = turn
                    boxes = boxes if isinstance(boxes, list) else []
                    self._count(page, views, [box for box in boxes if isinstance(box, str)])

    def _note_question(self, content: dict[str, Any]) -> None:
        name = content["question"]
        place = [part for part in (content.get("across"), content.get("up")) if isinstance(part, int | float)]
        if isinstance(name, str) and len(place) == 2 and all(0 <= part <= 1 for part in place):
            self._question = name, float(place[0]), float(place[1])
            self._asked()

    def _count(self, page: str, views: int | None, boxes: list[str]) -> None:
        """Record the number of views in a page; None if the page itself is closed, and may come back."""
        if views is None:
            self._views.pop(page, None)
            return
        self._views[page] = views
        if any(self._views.values()):
            self.expect()
        else:
            self.lose(boxes)

    def lose(self, boxes: Iterable[str]) -> None:
        """Assume that nothing shows the panel or the boxes around it any more."""
        self.boxes.update(boxes)
        self.gone = True

    @property
    def never_told(self) -> bool:
        """Whether no page is known to have shown the panel."""
        return not self._views

    @property
    def never_shown(self) -> bool:
        """Whether a view of the panel itself was never requested, nor shown in a page."""
        return not self._expected and not self._views
