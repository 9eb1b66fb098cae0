"""A page of all lessons: choose one, and it opens below. In the app, `?lesson=nesterov` in the URL chooses one."""

from __future__ import annotations

import html
import logging
import os
from typing import Any
from urllib.parse import parse_qs

import ipywidgets as widgets

from gradwidgets.classroom.lessons import LESSONS
from gradwidgets.classroom.opening import lesson
from gradwidgets.widgets.kernel.mainloop import call_soon
from gradwidgets.widgets.kernel.making import whole_or_nothing
from gradwidgets.widgets.kernel.subshells import keep_reachable
from gradwidgets.widgets.kernel.unheld import own_parts
from gradwidgets.widgets.panel.panel import Panel
from gradwidgets.widgets.panel.settings_panel import close_all
from gradwidgets.widgets.panel.words import Prose

_log = logging.getLogger(__name__)


class Gallery(widgets.VBox):
    """All lessons, one at a time.

    Args:
        name: The lesson to begin with; by default the one in the app's URL, else the first.
        **settings: Settings for every lesson's widget, instead of its own: `style="projector"`, `theme="dark"`.

    Attributes:
        panel: The lesson's widget; None if it could not be opened.
        error: Why it could not be opened, in words; empty when all is well.

    Raises:
        ValueError: There is no such lesson.
    """

    never_shown = True  # see unheld.py
    panel: Panel[Any, Any] | None = None
    error = ""

    @whole_or_nothing
    def __init__(self, name: str | None = None, **settings: object) -> None:
        super().__init__()
        if name is not None and name not in LESSONS:
            self.close()
            raise ValueError(f"there is no lesson {name!r}; there are {', '.join(LESSONS)}")
        asked = name or _requested_lesson()
        self._settings = settings
        titles = [(f"{k}. {one.title}", key) for k, (key, one) in enumerate(LESSONS.items(), 1)]
        self._menu = widgets.Dropdown(
            options=titles,
            value=asked if asked in LESSONS else next(iter(LESSONS)),
            description="lesson",
            layout=widgets.Layout(width="420px"),
        )
        beside = widgets.Layout(width="auto")
        back = widgets.Button(description="◀ Previous", tooltip="the previous lesson", layout=beside)
        on = widgets.Button(description="Next ▶", tooltip="the next lesson", layout=beside)
        back.on_click(lambda _: self._go(-1))
        on.on_click(lambda _: self._go(1))
        self._menu.observe(lambda change: call_soon(self._open), "value")
        self._alert = Prose()
        self._panel_box = widgets.Box(layout=widgets.Layout(width="100%", overflow="hidden"))
        self.children = [widgets.HBox([self._menu, back, on]), self._alert, self._panel_box]
        self._open()
        if asked is not None and asked not in LESSONS:
            self._complain(f"there is no lesson {asked[:60]!r}; this is the first one")

    def _go(self, by: int) -> None:
        names = list(LESSONS)
        self._menu.value = names[(names.index(self._menu.value) + by) % len(names)]

    def _open(self) -> None:
        name = self._menu.value
        former, self.panel = self.panel, None
        try:
            self.panel = lesson(name, **self._settings)
            self.panel.layout.width = "100%"
            self._panel_box.children = [self.panel]
            self._complain("")
        except Exception as failure:
            _log.error("The lesson %s could not be opened", name, exc_info=failure)
            self._panel_box.children = []
            self._complain(f"{LESSONS[name].title}: {failure}")
        if former is not None:
            former.close()

    def _complain(self, message: str) -> None:
        self.error = message
        said = f'<div class="gradwidgets-error" role="alert">{html.escape(message)}</div>'
        self._alert.value = said if message else ""

    def _repr_mimebundle_(self, **kwargs: object) -> object:
        self.never_shown = False
        keep_reachable(own_parts(self))
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None and self.panel is not None:
            shown = self.panel._repr_mimebundle_()
            shown = shown[0] if isinstance(shown, tuple) else shown
            data |= {kind: shown[kind] for kind in ("image/png", "text/plain") if shown is not None and kind in shown}
        return bundle

    def _spare_parts_(self) -> tuple[widgets.Widget, ...]:
        """Return its own widgets that are not among its children: none; see unheld.py."""
        return ()

    def close(self) -> None:
        """Free all widgets."""
        if self.panel is not None:
            self.panel.close()
            self.panel = None
            self._panel_box.children = []
        for child in self.children:
            close_all(child)
        self.layout.close()
        super().close()


def _requested_lesson() -> str | None:
    """The lesson requested in an app's URL, as Voila passes it on."""
    return parse_qs(os.environ.get("QUERY_STRING", "")).get("lesson", [None])[0]


def gallery(name: str | None = None, **settings: object) -> Gallery:
    """Show all lessons on one page, see `Gallery`."""
    return Gallery(name, **settings)
