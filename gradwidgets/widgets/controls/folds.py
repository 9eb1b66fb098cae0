"""Folds: settings that are rarely touched, behind a head that names those that were changed.

A page opens and folds them by itself, by the class of a toggle button: see column.css.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
from ipywidgets.widgets.widget_bool import ToggleButtonStyle

from gradwidgets.core.results.wording import number
from gradwidgets.widgets.canvas.hearing import take
from gradwidgets.widgets.controls.base import HIDDEN, Control, Looks

_CHANGED, _EMPTY = "gradwidgets-changed", "gradwidgets-empty"


class Head(widgets.ToggleButton):
    """A button that opens and folds what stands after it; a page may press it, and do no more to it."""

    guarded = True

    def set_state(self, sync_data: object) -> None:
        """Take from the page whether it is open."""
        take(self, super().set_state, sync_data, ("value",))


class Fold:
    """A head, and what it opens.

    Args:
        title: What is written on the head while everything is as usual; or how to say that from the names inside.
        rows: What it opens: controls, or boxes of them.
        looks: The shared layouts and styles.
        inline: Whether its head stands among the settings of a group.

    Attributes:
        head: The button.
        body: What it opens.
        controls: The controls in it, by name.
    """

    def __init__(
        self,
        title: str | Callable[[Sequence[str]], str],
        rows: Sequence[widgets.Widget],
        looks: Looks,
        *,
        inline: bool = False,
    ) -> None:
        self._title, self._rows = title, tuple(rows)
        kinds = ("gradwidgets-fold", "gradwidgets-more") if inline else ("gradwidgets-fold",)
        plain, style = looks.layout(), looks.of(ToggleButtonStyle)
        self.head = Head(layout=plain, style=style, _dom_classes=kinds)
        self.body = widgets.VBox(self._rows, layout=plain, _dom_classes=("gradwidgets-folded",))
        self.controls = {one.name: one for row in rows for one in _controls_in(row)}
        self._changed = False

    @property
    def parts(self) -> tuple[widgets.Widget, widgets.Widget]:
        """The head and what it opens, in the order in which they stand."""
        return self.head, self.body

    def leave_out(self, names: Sequence[str]) -> None:
        """Show it without the controls of these settings."""
        rows = tuple(row for row in self._rows if getattr(row, "name", "") not in names)
        if rows != self.body.children:
            self.body.children = rows

    def update(self, value: Callable[[str], object], usual: Mapping[str, object]) -> None:
        """Name on the head what was changed; hide it if nothing can be seen in it.

        Args:
            value: Returns a setting.
            usual: The usual values, by setting.
        """
        seen = [one.name for row in self.body.children for one in _controls_in(row) if _is_seen(one)]
        changed = [name for name in seen if name in usual and value(name) != usual[name]]
        self.head.description = ", ".join(brief(name, value(name)) for name in changed) or self._name(seen)
        self.head.tooltip = f"show or fold {', '.join(seen)}"
        for part in self.parts:
            _dress(part, _EMPTY, not seen)
        self._changed = bool(changed)
        _dress(self.head, _CHANGED, self._changed)

    def _name(self, seen: Sequence[str]) -> str:
        return self._title if isinstance(self._title, str) else self._title(seen)

    def open_if_changed(self) -> None:
        """Open it if it holds something unusual."""
        self.head.value = self._changed


def rest_head() -> widgets.Box:
    """Return the button that opens, on a projector, the settings that are not in the strip over the picture."""
    head = Head(
        description="More",
        icon="ellipsis-h",
        tooltip="show or fold the other settings",
        layout=widgets.Layout(),
        style=ToggleButtonStyle(),
        _dom_classes=("gradwidgets-opener",),
    )
    return widgets.HBox([head], layout=widgets.Layout(), _dom_classes=("gradwidgets-rest",))


def explanation(name: str, said: str, looks: Looks) -> tuple[Head, widgets.HTML]:
    """Return a question mark beside a group's heading, and what it opens.

    Args:
        name: What the group is about.
        said: The explanation, as HTML.
        looks: The shared layouts and styles.
    """
    plain, tip = looks.layout(), f"about {name}"
    mark = Head(
        description="?",
        tooltip=tip,
        layout=plain,
        style=looks.of(ToggleButtonStyle),
        _dom_classes=("gradwidgets-help",),
    )
    return mark, widgets.HTML(said, layout=plain, _dom_classes=("gradwidgets-helped",))


class Folds:
    """All folds of a panel."""

    def __init__(self, folds: Iterable[Fold] = ()) -> None:
        self._folds = tuple(folds)

    def names(self) -> list[str]:
        """Return the names of the controls in them."""
        return [name for fold in self._folds for name in fold.controls]

    def update(self, value: Callable[[str], object], usual: Mapping[str, object]) -> None:
        """Update each, see `Fold`."""
        for fold in self._folds:
            fold.update(value, usual)

    def open_changed(self) -> None:
        """Open those that hold something unusual."""
        for fold in self._folds:
            fold.open_if_changed()


def how_many(names: Sequence[str]) -> str:
    """Return the words on the head of a fold that stands among its group's other settings: "3 more"."""
    return f"{len(names)} more"


def brief(name: str, value: Any) -> str:
    """Return a setting in a few characters: "delta 0.5", "maximize", "start 2, −1"."""
    if isinstance(value, bool):
        return name if value else f"no {name}"
    values = value if isinstance(value, tuple | list) else (value,)
    return f"{name} {', '.join(number(v, 3) if isinstance(v, int | float) else str(v) for v in values)}"


def _controls_in(row: widgets.Widget) -> list[Control]:
    return [one for one in (row, *getattr(row, "children", ())) if isinstance(one, Control)]


def _is_seen(control: Control) -> bool:
    return HIDDEN not in control._dom_classes and control.layout.display != "none"


def _dress(widget: widgets.DOMWidget, name: str, worn: bool) -> None:
    (widget.add_class if worn else widget.remove_class)(name)
