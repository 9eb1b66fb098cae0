"""The rows of buttons below a panel's controls: Reset, Copy code, PNG; Share, Save, Load."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets

from gradwidgets.widgets.controls import Looks
from gradwidgets.widgets.kernel.mainloop import call_later, call_soon
from gradwidgets.widgets.panel.errors import Errors
from gradwidgets.widgets.panel.page import Page

_COPIED = 1.5  # seconds for which a button shows that something was copied


class Buttons:
    """Makes the rows of buttons, and copies to the user's clipboard.

    Args:
        page: The page with the clipboard.
        errors: Where errors are shown.
        files: The Save and Load buttons.
        reset: Restores the initial settings.
        png: Saves the picture.
        code: Returns the script to copy.
        call: Returns the line of code that recreates the panel.

    Attributes:
        rows: The rows; None until they are made.
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
        self.rows: widgets.VBox | None = None
        self._page, self._errors, self._files = page, errors, files
        self._reset, self._png, self._code, self._call = reset, png, code, call

    def make(self, looks: Looks, code_tooltip: str) -> widgets.VBox:
        """Make the rows.

        Args:
            looks: The shared layouts and styles.
            code_tooltip: A description of the script.
        """

        def button(text: str, tooltip: str, work: Callable[[], None], width: int) -> widgets.Button:
            layout, style = looks.layout(width=f"{width}px", margin="2px 3px 2px 0"), looks.of(widgets.ButtonStyle)
            made = widgets.Button(description=text, tooltip=tooltip, layout=layout, style=style)
            made.on_click(lambda _: call_soon(lambda: self._errors.pressed(work)))
            return made

        self._copy = button("Copy code", code_tooltip, self.copy_code, 96)
        self._copying = self._copy, "Copy code"
        self._page.observe(lambda change: call_soon(self._say_copied), "copied")
        self._share = button(
            "Share", "copy a line of code that recreates this, with these settings", self._share_call, 68
        )
        reset = button("Reset", "back to the initial settings", self._reset, 68)
        first = [reset, self._copy, button("PNG", "save the picture", self._png, 68)]
        self.rows = widgets.VBox([widgets.HBox(first), widgets.HBox([self._share, self._files])])
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
            button.description = "Copied ✓"
            call_later(_COPIED, lambda: setattr(button, "description", text))
        else:
            self._errors.complain("The browser did not allow copying; code() in a cell gives the same text.")
