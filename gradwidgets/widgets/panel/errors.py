"""Errors are shown: one line in the widget, and the full traceback in the log."""

from __future__ import annotations

import html
import logging
from collections.abc import Callable

import ipywidgets as widgets
from traitlets import TraitError

from gradwidgets.widgets.kernel.main_thread import Turns
from gradwidgets.widgets.panel.words import Prose

_log = logging.getLogger(__name__)
_LONGEST = 400  # characters of a line, at most


class Errors:
    """The widget's last error.

    Args:
        kind: The name of the widget's class, for the log.
        turns: The turns of the threads that work on it.
        said: Returns the line shown.
        say: Sets the line to show; "" for none.
        broken_off: Called first with the exception; it may raise it.

    Attributes:
        box: The widget that shows the line.
    """

    def __init__(
        self,
        kind: str,
        turns: Turns,
        *,
        said: Callable[[], str],
        say: Callable[[str], None],
        broken_off: Callable[[Exception], None],
    ) -> None:
        self.box = Prose(layout=widgets.Layout(margin="0", display="none"))
        self._kind, self._turns, self._said, self._say, self._broken_off = kind, turns, said, say, broken_off
        self._keeps = False  # whether the message stays even if the next work succeeds
        self._of_beside = ""  # the last message of `attempt_beside`

    @property
    def said(self) -> str:
        """The line shown; "" for none."""
        return self._said()

    def complain(self, message: str) -> None:
        """Show one line of plain text as the widget's error; an empty one clears it."""
        if self._keeps and not message:
            return
        message = " ".join(str(message).split())
        message = message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…"
        if message == self.said:
            return
        self.box.value = f'<div class="gradwidgets-error" role="alert">{html.escape(message)}</div>' if message else ""
        self.box.layout.display = "" if message else "none"
        self._say(message)

    def fail(self, failure: Exception) -> None:
        """Show what went wrong, and log it in full; the picture stays."""
        self._broken_off(failure)
        _log.error("%s could not follow its settings", self._kind, exc_info=failure)
        text = str(failure).strip().splitlines()
        kind = "" if isinstance(failure, ValueError) else f"{type(failure).__name__}: "
        said = (text[0] if text else "no message").rstrip(".")
        self.complain(f"{kind}{said}. The last good picture stays.")

    def attempt(self, work: Callable[[], object]) -> None:
        """Run work; failures are shown and logged, and the picture stays; a refusal is raised."""
        try:
            self._turns.alone(work)
        except TraitError:
            raise
        except Exception as failure:
            self.fail(failure)
        self._turns.pay()

    def attempt_beside(self, work: Callable[[], object]) -> None:
        """Run work that does not invalidate the message shown, except its own message of the last time."""
        before, self._keeps = self.said, self.said != self._of_beside
        try:
            self.attempt(work)
        finally:
            self._keeps = False
        self._of_beside = "" if self.said == before else self.said

    def pressed(self, work: Callable[[], object]) -> None:
        """Run what a button asked for: as there is no caller to raise a refusal to, it is shown."""
        try:
            self.attempt(work)
        except TraitError as refusal:
            self.complain(str(refusal))
