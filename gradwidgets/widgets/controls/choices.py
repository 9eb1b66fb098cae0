"""Choices: a flag, one of several names, any of a few names, one of a few views."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets as widgets
from ipywidgets.widgets.widget_bool import CheckboxStyle, ToggleButtonStyle
from ipywidgets.widgets.widget_description import DescriptionStyle
from ipywidgets.widgets.widget_string import LabelStyle

from gradwidgets.widgets.controls.base import LABEL, ROW, WIDTH, Control, Looks, guarded

_AT_FULL_SIZE = 4  # toggles that fit into a row


class Check(Control):
    """A check box.

    Args:
        name: The name of the trait that it sets.
        tooltip: What the setting does, in plain words.
        label: The label; by default the trait's name.
        width: The CSS width.
        looks: The shared layouts and styles.
    """

    def __init__(
        self, name: str, tooltip: str, label: str | None = None, width: str = "auto", looks: Looks | None = None
    ) -> None:
        looks = looks or Looks()
        self.box = guarded(
            widgets.Checkbox,
            self,
            name,
            description=label or name,
            indent=False,
            tooltip=tooltip,
            layout=looks.layout(width="auto", margin="1px 0"),
            style=looks.of(CheckboxStyle, description_width=LABEL),
        )
        super().__init__(name, tooltip, [self.box], looks.layout(**ROW | {"width": width}))
        self.box.observe(self._person, "value")

    def _read(self) -> bool:
        return self.box.value

    def _write(self, value: bool) -> None:
        self.box.value = value


class Menu(Control):
    """A menu of names.

    Args:
        name: The name of the trait that it sets.
        tooltip: What the setting does, in plain words.
        options: The names, or pairs of label and name.
        label: The label; by default the trait's name.
        width: The total width, in CSS pixels.
        label_width: The CSS width of the label.
        looks: The shared layouts and styles.
    """

    def __init__(
        self,
        name: str,
        tooltip: str,
        options: Sequence[str] | Sequence[tuple[str, str]],
        label: str | None = None,
        *,
        width: int = WIDTH,
        label_width: str = LABEL,
        looks: Looks | None = None,
    ) -> None:
        looks = looks or Looks()
        self.menu = guarded(
            widgets.Dropdown,
            self,
            name,
            options=options,
            description=label or name,
            tooltip=tooltip,
            layout=looks.layout(width=f"{width - 2}px", margin="1px 0"),
            style=looks.of(DescriptionStyle, description_width=label_width),
        )
        super().__init__(name, tooltip, [self.menu], looks.layout(**ROW | {"width": f"{width}px"}))
        self.menu.observe(self._person, "value")

    def offer(self, options: Sequence[str]) -> None:
        """Change the names to choose from."""
        if tuple(self.menu.options) != tuple(options):
            with self._lock, self.quietly():
                self.menu.options = tuple(options)

    def _read(self) -> str:
        return self.menu.value

    def _write(self, value: str) -> None:
        self.menu.value = value


class Toggles(Control):
    """Toggle buttons, each of which turns one name on or off.

    Args:
        name: The name of the trait that it sets.
        tooltip: What the setting does, in plain words.
        options: The names.
    """

    def __init__(self, name: str, tooltip: str, options: Sequence[str], looks: Looks | None = None) -> None:
        looks = looks or Looks()
        label = widgets.Label(name, layout=looks.layout(width="42px", margin="0 4px 0 0"), style=looks.of(LabelStyle))
        smaller = {"font_size": "0.85em"} if len(options) > _AT_FULL_SIZE else {}
        self.buttons = {
            option: guarded(
                widgets.ToggleButton,
                self,
                name,
                description=option,
                value=True,
                tooltip=tooltip,
                layout=looks.layout(width="auto", flex="1 1 auto", margin="1px", padding="0 2px"),
                style=looks.of(ToggleButtonStyle, **smaller),
            )
            for option in options
        }
        super().__init__(name, tooltip, [label, *self.buttons.values()], looks.layout(**ROW))
        for button in self.buttons.values():
            button.observe(self._person, "value")

    def _read(self) -> tuple[str, ...]:
        return tuple(name for name, button in self.buttons.items() if button.value)

    def _write(self, value: Sequence[str]) -> None:
        for name, button in self.buttons.items():
            button.value = name in value


class Tabs(Control):
    """Tabs, which select one of a few views.

    Args:
        name: The name of the trait that it sets.
        tooltips: Name of a view → what it shows, in plain words.
        looks: The shared layouts and styles.
    """

    def __init__(self, name: str, tooltips: dict[str, str], looks: Looks | None = None) -> None:
        looks = looks or Looks()
        self.tabs = guarded(
            widgets.ToggleButtons,
            self,
            name,
            options=list(tooltips),
            tooltips=list(tooltips.values()),
            layout=looks.layout(width=f"{WIDTH}px", margin="0"),
            style=looks.of(widgets.ToggleButtonsStyle, button_width="auto"),
        )
        super().__init__(name, "", [self.tabs], looks.layout(**ROW))
        self.add_class("gradwidgets-tabs")
        self.tabs.observe(self._person, "value")

    def _read(self) -> str:
        return self.tabs.value

    def _write(self, value: str) -> None:
        self.tabs.value = value
