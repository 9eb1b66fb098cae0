"""Choices: a flag, one of several names, any of a few names, one of a few views."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets as widgets
from ipywidgets.widgets.widget_bool import CheckboxStyle, ToggleButtonStyle
from ipywidgets.widgets.widget_description import DescriptionStyle
from ipywidgets.widgets.widget_string import LabelStyle

from gradwidgets.widgets.controls.base import NAMED, Control, Looks, guarded


class Check(Control):
    """A check box.

    Args:
        name: The name of the trait that it sets.
        tooltip: What the setting does, in plain words.
        label: The label; by default the trait's name.
        looks: The shared layouts and styles.
    """

    kind = "check"

    def __init__(self, name: str, tooltip: str, label: str | None = None, looks: Looks | None = None) -> None:
        looks = looks or Looks()
        self.box = guarded(
            widgets.Checkbox,
            self,
            name,
            description=label or name,
            indent=False,
            tooltip=tooltip,
            layout=looks.layout(),
            style=looks.of(CheckboxStyle),
        )
        super().__init__(name, tooltip, [self.box], looks)
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
        titled: Whether the heading above it says what it is, and so its label is for screen readers alone.
        looks: The shared layouts and styles.
    """

    kind = "menu"

    def __init__(
        self,
        name: str,
        tooltip: str,
        options: Sequence[str] | Sequence[tuple[str, str]],
        label: str | None = None,
        *,
        titled: bool = False,
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
            layout=looks.layout(),
            style=looks.of(DescriptionStyle),
            _dom_classes=(NAMED,) if titled else (),
        )
        super().__init__(name, tooltip, [self.menu], looks)
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


class Choice(Control):
    """A choice among a few short names, all of them in view.

    Args:
        name: The name of the trait that it sets.
        tooltip: What the setting does, in plain words.
        options: The names, or pairs of label and name.
        label: The label; by default the trait's name.
        looks: The shared layouts and styles.
    """

    kind = "choice"

    def __init__(
        self,
        name: str,
        tooltip: str,
        options: Sequence[str] | Sequence[tuple[str, str]],
        label: str | None = None,
        looks: Looks | None = None,
    ) -> None:
        looks = looks or Looks()
        title = widgets.Label(label or name, layout=looks.layout(), style=looks.of(LabelStyle))
        self.menu = guarded(
            widgets.ToggleButtons,
            self,
            name,
            options=options,
            tooltip=tooltip,
            layout=looks.layout(),
            style=looks.of(widgets.ToggleButtonsStyle, button_width="auto"),
        )
        super().__init__(name, tooltip, [title, self.menu], looks)
        self.menu.observe(self._person, "value")

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

    kind = "toggles"

    def __init__(self, name: str, tooltip: str, options: Sequence[str], looks: Looks | None = None) -> None:
        looks = looks or Looks()
        label = widgets.Label(name, layout=looks.layout(), style=looks.of(LabelStyle))
        self.buttons = {
            option: guarded(
                widgets.ToggleButton,
                self,
                name,
                description=option,
                value=True,
                tooltip=tooltip,
                layout=looks.layout(),
                style=looks.of(ToggleButtonStyle),
            )
            for option in options
        }
        super().__init__(name, tooltip, [label, *self.buttons.values()], looks)
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

    kind = "tabs"

    def __init__(self, name: str, tooltips: dict[str, str], looks: Looks | None = None) -> None:
        looks = looks or Looks()
        self.tabs = guarded(
            widgets.ToggleButtons,
            self,
            name,
            options=list(tooltips),
            tooltips=list(tooltips.values()),
            layout=looks.layout(),
            style=looks.of(widgets.ToggleButtonsStyle, button_width="auto"),
        )
        super().__init__(name, "", [self.tabs], looks)
        self.tabs.observe(self._person, "value")

    def _read(self) -> str:
        return self.tabs.value

    def _write(self, value: str) -> None:
        self.tabs.value = value
