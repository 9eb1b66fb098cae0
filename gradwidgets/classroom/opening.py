"""Open a lesson: the prepared widget, with the lesson's text above it."""

from __future__ import annotations

import html
from typing import Any

from gradwidgets.classroom.lessons import EXPLORER, LAYERS, LESSONS, PLAYGROUND, Lesson
from gradwidgets.widgets.explorer.panel import SurfaceExplorer
from gradwidgets.widgets.layers.panel import LayerFlowPanel
from gradwidgets.widgets.panel.panel import Panel
from gradwidgets.widgets.playground.panel import OptimizerPlayground

WIDGETS: dict[str, type[Panel[Any, Any]]] = {
    PLAYGROUND: OptimizerPlayground,
    EXPLORER: SurfaceExplorer,
    LAYERS: LayerFlowPanel,
}
_HEIGHT = 66  # height of a lesson's text with the answer folded, CSS pixels


def lesson(name: str, **settings: object) -> Panel[Any, Any]:
    """Open a lesson.

    Args:
        name: One of `LESSONS`.
        **settings: Settings of the widget, instead of the lesson's: `predict=True`, `style="projector"`, `lr=0.5`.

    Returns:
        The lesson's widget, ready to be shown.

    Raises:
        ValueError: There is no such lesson.
        TraitError: A setting is refused.
        TypeError: The widget has no such setting.

    Example:
        >>> from gradwidgets import lesson
        >>> lesson("nesterov").step
        2
    """
    if name not in LESSONS:
        raise ValueError(f"there is no lesson {name!r}; there are {', '.join(LESSONS)}")
    wanted = LESSONS[name]
    panel = WIDGETS[wanted.widget](**{**wanted.settings, **settings})
    panel.lesson.introduce(words(wanted), _HEIGHT, name)
    return panel


def words(wanted: Lesson) -> str:
    """Return a lesson's text as HTML, with the answer folded."""
    safe = {name: html.escape(getattr(wanted, name)) for name in ("title", "notice", "question", "answer")}
    return (
        '<div class="gradwidgets-lesson"><b>{title}</b> {notice}'
        "<details><summary>{question}</summary>{answer}</details></div>".format(**safe)
    )


class Lessons(tuple[str, ...]):
    """The names of lessons, displayed as a table."""

    def __repr__(self) -> str:
        """The table as text."""
        wide = max(len(name) for name in self)
        return "\n".join(f"{name:{wide}}  {LESSONS[name].widget:20} {LESSONS[name].title}" for name in self)

    def _repr_html_(self) -> str:
        cells = [("name", "lesson", "widget", "")]
        for name in self:
            one = LESSONS[name]
            first = "guess first" if one.settings.get("predict") else ""
            cells.append((f"<code>{name}</code>", html.escape(one.title), one.widget, first))
        left = ' style="text-align: left"'
        rows = ("<tr>" + "".join(f"<td{left}>{cell}</td>" for cell in row) + "</tr>" for row in cells)
        return f"<table>{''.join(rows)}</table>"


def lessons() -> Lessons:
    """List the lessons: a tuple of the names that `lesson` takes."""
    return Lessons(LESSONS)
