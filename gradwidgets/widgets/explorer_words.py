"""Verdicts on losses in words: cards for the findings, a table of inputs that tell, the point where one stands."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from gradwidgets.core import Finding, ProbeRow
from gradwidgets.core.wording import number, place

# Severity → sign and word: never told by colour alone.
_SIGNS = {"ok": ("✓", "fine"), "info": ("i", "note"), "warning": ("▲", "warning"), "error": ("✗", "error")}
_MOST_ROWS = 40

CSS = """<style>
.gradwidgets-verdict { display: grid; grid-template-columns: minmax(0, 1.15fr) minmax(0, 1fr); gap: 0 14px; }
.gradwidgets-verdict > div { max-height: 172px; overflow: auto; }
.gradwidgets-verdict .card { border-left: 3px solid var(--jp-border-color1, #999); padding: 1px 0 2px 8px;
  margin: 0 0 4px; }
.gradwidgets-verdict .card.error { border-color: var(--jp-error-color1, #b00020); }
.gradwidgets-verdict .card.warning { border-color: var(--jp-warn-color1, #e65100); }
.gradwidgets-verdict .card.ok { border-color: var(--jp-success-color1, #2e7d32); }
.gradwidgets-verdict .card b { margin-right: 4px; }
.gradwidgets-verdict .do { color: var(--jp-ui-font-color2, #555); }
.gradwidgets-verdict tr.flagged td { font-weight: 700; }
.gradwidgets-verdict.waiting { opacity: 0.45; }
</style>"""


def summary(
    findings: Mapping[str, Sequence[Finding]],
    here: Mapping[str, tuple[float, Sequence[float]]],
    point: Sequence[float] | None,
    names: Sequence[str],
) -> str:
    """Return the verdict as plain text, a line for each finding and for the point.

    Args:
        findings: Loss name → its findings.
        here: Loss name → loss and gradient at the point.
        point: The point, or None.
        names: The axes' names.
    """
    lines = []
    for loss, found in findings.items():
        lines += [f"{loss}: {f.severity}: {f.name}: {f.message}. {f.action}" for f in found]
    if point is not None:
        for loss, (value, gradient) in here.items():
            lines.append(f"{loss}: {at_point(names, point, value, gradient)}")
    return "\n".join(lines)


def at_point(names: Sequence[str], point: Sequence[float], loss: float, gradient: Sequence[float]) -> str:
    """Say what loss and gradient are at a point."""
    slopes = ", ".join(f"∂/∂{name} {number(value, 3)}" for name, value in zip(names, gradient, strict=True))
    return f"at {place(names, point)}: loss {number(loss)}, {slopes}"


def verdict(
    findings: Mapping[str, Sequence[Finding]], rows: Sequence[ProbeRow], point: str, *, waiting: bool = False
) -> str:
    """Return findings and table as HTML, everything escaped.

    Args:
        findings: Loss name → its findings.
        rows: The table.
        point: What is said of the point, plain text.
        waiting: Whether this is of former settings, and the new verdict on its way.
    """
    several = len(findings) > 1
    cards = "".join(_card(f, loss if several else "") for loss, found in findings.items() for f in found)
    here = f'<div class="note">{html.escape(point)}</div>' if point else ""
    kind = "gradwidgets-verdict" + (" waiting" if waiting else "")
    return f'<div class="{kind}"><div>{here}{cards}</div><div>{_table(rows)}</div></div>'


def _card(finding: Finding, loss: str) -> str:
    sign, word = _SIGNS[finding.severity]
    name = finding.name.replace("_", " ") + (f" · {loss}" if loss else "")
    return (
        f'<div class="card {finding.severity}"><span title="{word}">{sign}</span> <b>{html.escape(name)}</b>'
        f'{html.escape(finding.message)}. <span class="do">{html.escape(finding.action)}</span></div>'
    )


def _table(rows: Sequence[ProbeRow]) -> str:
    if not rows:
        return ""
    several = len({row.component for row in rows}) > 1
    heads = [*(["loss of"] if several else []), "input", *rows[0].inputs, "for", "loss", "gradient", ""]
    lines = ["<tr>" + "".join(f"<th>{html.escape(head)}</th>" for head in heads) + "</tr>"]
    for row in rows[:_MOST_ROWS]:
        cells = [
            *([row.component] if several else []),
            row.input_name,
            *(number(value, 3) for value in row.inputs.values()),
            row.parameter,
            number(row.loss, 3),
            number(row.gradient, 3),
            f"◂ {row.flag}" if row.flag else "",
        ]
        kind = ' class="flagged"' if row.flag else ""
        lines.append(f"<tr{kind}>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    return f"<table>{''.join(lines)}</table>"
