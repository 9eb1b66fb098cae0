"""The icons in a panel's first line: Reset, Copy code, and behind "…" Share, PNG, Save, Load and the theme."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets
from ipywidgets.widgets.widget_bool import ToggleButtonStyle

from gradwidgets.widgets.controls import Control, Looks
from gradwidgets.widgets.controls.folds import Head
from gradwidgets.widgets.kernel.mainloop import call_later, call_soon
from gradwidgets.widgets.panel.errors import Errors
from gradwidgets.widgets.panel.page import Page

_ICONS = {"Reset": "undo", "Copy code": "code", "Share": "link", "PNG": "camera"}  # of Font Awesome 4
_COPIED = 1.5  # seconds for which a button shows that something was copied


class Buttons:
    """Makes the icons, and copies to the user's clipboard.

    Args:
        page: The page with the clipboard.
        errors: Where errors are shown.
        files: The Save and Load buttons.
        reset: Restores the initial settings.
        png: Saves the picture.
        code: Returns the script to copy.
        call: Returns the line of code that recreates the panel.

    Attributes:
        rows: The icons; None until they are made.
    """

    def __init__(
        self,
        page: Page,
        errors: Errors,
        files: widgets.Widget,
        *,
        reset: Callable[[], None],
        png: Callable[[], None],
        code: Callable[[], str],
        call: Callable[[], str],
    ) -> None:
        self.rows: widgets.Box | None = None
        self._page, self._errors, self._files = page, errors, files
        self._reset, self._png, self._code, self._call = reset, png, code, call

    def make(self, looks: Looks, code_tooltip: str, theme: Control) -> widgets.Box:
        """Make the icons.

        Args:
            looks: The shared layouts and styles.
            code_tooltip: A description of the script.
            theme: The control of the theme, which stands with the icons that "…" opens.
        """
        plain, style = looks.layout(), looks.of(widgets.ButtonStyle)

        def button(text: str, tooltip: str, work: Callable[[], None]) -> widgets.Button:
            icon, kind = _ICONS[text], ("gradwidgets-icon",)
            made = widgets.Button(
                description=text, icon=icon, tooltip=tooltip, layout=plain, style=style, _dom_classes=kind
            )
            made.on_click(lambda _: call_soon(lambda: self._errors.pressed(work)))
            return made

        self._copy = button("Copy code", code_tooltip, self.copy_code)
        self._copying = self._copy, "Copy code"
        self._page.observe(lambda change: call_soon(self._say_copied), "copied")
        self._share = button("Share", "copy a line of code that recreates this, with these settings", self._share_call)
        reset = button("Reset", "back to the initial settings", self._reset)
        more = Head(
            description="More",
            icon="ellipsis-h",
            tooltip="share, picture, files, colours",
            layout=plain,
            style=looks.of(ToggleButtonStyle),
            _dom_classes=("gradwidgets-icon", "gradwidgets-opener"),
        )
        others = [self._share, button("PNG", "save the picture", self._png), self._files, theme]
        behind = widgets.HBox(others, layout=plain, _dom_classes=("gradwidgets-others",))
        row = [reset, self._copy, more, behind]
        self.rows = widgets.HBox(row, layout=plain, _dom_classes=("gradwidgets-tools",))
        return self.rows

    def copy_code(self) -> None:
        """Copy the script to the user's clipboard."""
        self._errors.attempt(lambda: self.copy(self._code(), self._copy, "Copy code"))

    def _share_call(self) -> None:
        self.copy(self._call(), self._share, "Share")

    def copy(self, text: str, button: widgets.Button, name: str) -> None:
        """Copy text to the user's clipboard; the button of this name briefly confirms it."""
        self._copying = button, name
        self._page.copy(text)

    def _say_copied(self) -> None:
        if self._page.comm is None or self._page.copied is None:
            return
        if self._page.copied:
            button, text = self._copying
            _write(button, "Copied ✓", "check")
            call_later(_COPIED, lambda: _write(button, text, _ICONS.get(text, "")))
        else:
            self._errors.complain("The browser did not allow copying; code() in a cell gives the same text.")


def _write(button: widgets.Button, text: str, icon: str) -> None:
    """Change what is written on a button, and its icon if it has one."""
    with button.hold_sync():
        button.description, button.icon = text, icon if button.icon else ""
