"""Text of a panel: prose with non-breaking units, and findings as cards."""

from __future__ import annotations

import html
from dataclasses import dataclass

import ipywidgets as widgets
from traitlets import Bunch, validate

from gradwidgets.core.results.wording import unbroken

# Severity → sign and word: never shown by colour alone.
_SIGNS = {"ok": ("✓", "fine"), "info": ("i", "note"), "warning": ("▲", "warning"), "error": ("✗", "error")}


@dataclass(frozen=True)
class Words:
    """What a picture shows, in words.

    Attributes:
        summary: Plain text, a line for each fact.
        table: The same as HTML, everything escaped.
    """

    summary: str
    table: str


class Prose(widgets.HTML):
    """HTML in which a number and its unit stay on one line."""

    @validate("value")
    def _unbroken(self, proposal: Bunch) -> str:
        return unbroken(proposal.value)


def card(severity: str, title: str, message: str, action: str = "") -> str:
    """Return one card as HTML.

    Args:
        severity: "ok", "info", "warning" or "error".
        title: What was found.
        message: The evidence, a sentence without its full stop.
        action: What to do.
    """
    sign, word = _SIGNS[severity]
    return (
        f'<div class="card {severity}"><span title="{word}">{sign}</span> <b>{html.escape(title)}</b>'
        f'{html.escape(message)}. <span class="do">{html.escape(action)}</span></div>'
    )
