"""Findings as cards: what, evidence, what to do; everything escaped."""

from __future__ import annotations

import html

# Severity → sign and word: never told by colour alone.
_SIGNS = {"ok": ("✓", "fine"), "info": ("i", "note"), "warning": ("▲", "warning"), "error": ("✗", "error")}

CSS = """<style>
.gradwidgets-verdict { display: grid; grid-template-columns: minmax(0, 1.15fr) minmax(0, 1fr); gap: 0 14px; }
.gradwidgets-verdict.whole { grid-template-columns: minmax(0, 1fr); }
.gradwidgets-verdict.whole td:last-child { white-space: normal; }
.gradwidgets-verdict > div { max-height: max(172px, 27vh); overflow: auto; }
.gradwidgets-verdict .card { border-left: 3px solid var(--jp-border-color1, #999); padding: 1px 0 2px 8px;
  margin: 0 0 4px; }
.gradwidgets-verdict .card.error { border-color: var(--jp-error-color1, #b00020); }
.gradwidgets-verdict .card.warning { border-color: var(--jp-warn-color1, #e65100); }
.gradwidgets-verdict .card.ok { border-color: var(--jp-success-color1, #2e7d32); }
.gradwidgets-verdict .card b { margin-right: 4px; }
.gradwidgets-verdict .do { color: var(--jp-ui-font-color2, #555); }
.gradwidgets-verdict tr.flagged td { font-weight: 700; }
.gradwidgets-verdict tr:not(.flagged) td:first-child { font-weight: 400; }
.gradwidgets-verdict tr.flagged span { white-space: normal; color: var(--jp-error-color1, #b00020); }
.gradwidgets-verdict.waiting { opacity: 0.45; }
.gradwidgets-verdict tr.expected span { color: inherit; font-weight: 400; }
</style>"""


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
