"""Findings as cards: what, evidence, what to do; everything escaped."""

from __future__ import annotations

import html

# Severity → sign and word: never told by colour alone.
_SIGNS = {"ok": ("✓", "fine"), "info": ("i", "note"), "warning": ("▲", "warning"), "error": ("✗", "error")}


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
