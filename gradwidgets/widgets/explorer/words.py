"""Verdicts on losses in words: cards for the findings, a table of representative inputs, the operating point."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

from gradwidgets.core import Finding, GradientCheck, ProbeRow
from gradwidgets.core.results.finding import SEVERITIES
from gradwidgets.core.results.wording import number, place
from gradwidgets.core.surfaces.report_text import ProbeLine, probe_lines
from gradwidgets.widgets.explorer.point import Here
from gradwidgets.widgets.explorer.problem import LossResult
from gradwidgets.widgets.panel.words import Badge, card

_MISMATCH = "gradient_mismatch"
_MOST_INPUTS = 20  # rows of each loss in the table, at most


def summary(result: LossResult, points: Mapping[str, str]) -> str:
    """Return the verdict as plain text, a line for each finding, for each difference of two losses, and for the point.

    Args:
        result: The result.
        points: The name of each loss → its description of the operating point.
    """
    lines = []
    for loss, found in result.findings.items():
        lines += [f"{loss}: {f.severity}: {f.name}: {f.message}. {f.action}" for f in found]
        lines += [f"{loss}: note: {note}" for note in result.grids[loss].notes]
        if loss in result.checks:
            lines.append(f"{loss}: gradient check: {result.checks[loss].sentence}")
    if result.comparison is not None:
        lines += [f"{' and '.join(result.comparison.names)}: {said}" for said in result.comparison.sentences]
    return "\n".join(lines + [f"{loss}: {said}" for loss, said in points.items()])


def at_point(axes: Mapping[str, tuple[float, float]], point: Sequence[float], here: Here) -> str:
    """Describe a loss at a point, and whether that is out of view."""
    outside = any(not low <= value <= high for value, (low, high) in zip(point, axes.values(), strict=True))
    slopes = ", ".join(f"∂/∂{name} {_value(value)}" for name, value in zip(axes, here.gradient, strict=True))
    where = place(axes, point) + (" (out of view)" if outside else "")
    return f"at {where}: loss {_value(here.loss, 4)}, {slopes}{_curvature(here.eigenvalues)}"


def _curvature(eigenvalues: tuple[float, ...] | None) -> str:
    if eigenvalues is None:
        return ""
    if not eigenvalues:
        return "; no second derivative there"
    listed = " and ".join(number(value, 3) for value in eigenvalues)
    if len(eigenvalues) == 1:
        return f"; second derivative {listed}"
    largest = max(map(abs, eigenvalues))
    up, down = (any(sign * value > 1e-9 * largest for value in eigenvalues) for sign in (1, -1))
    bends = "both ways" if up and down else "upwards" if up else "downwards" if down else "nowhere"
    return f"; Hessian eigenvalues {listed}: it bends {bends}"


def _value(value: float, digits: int = 3) -> str:
    return "NaN" if math.isnan(value) else number(value, digits)


def verdict(result: LossResult, points: Mapping[str, str], *, waiting: bool = False) -> str:
    """Return findings and table as HTML, everything escaped.

    Args:
        result: The result.
        points: The name of each loss → its description of the operating point.
        waiting: Whether the verdict is of former settings, and the new one is being computed.
    """
    several = len(points) > 1
    here = "".join(
        f'<div class="note">{html.escape((f"{name} " if several else "") + said)}</div>'
        for name, said in points.items()
    )
    cards: list[tuple[str, str]] = []
    for loss, found in result.findings.items():
        of = f" · {loss}" if several else ""
        check = result.checks.get(loss)
        cards += [(f.severity, card(f.severity, _title(f, check) + of, f.message, f.action)) for f in found]
        cards += [(severity, card(severity, f"gradient check{of}", said)) for severity, said in _unfound(found, check)]
        cards += [("info", card("info", f"note{of}", note)) for note in result.grids[loss].notes]
    if result.comparison is not None:
        title = " and ".join(result.comparison.names)
        cards.append(("info", card("info", title, "; ".join(result.comparison.sentences))))
    cards.sort(key=lambda one: -SEVERITIES.index(one[0]))
    kind = "gradwidgets-verdict" + (" waiting" if waiting else "")
    told = here + "".join(text for _, text in cards)
    return f'<div class="{kind}"><div>{told}</div><div>{_table(result.rows)}</div></div>'


def badges(result: LossResult) -> tuple[Badge, ...]:
    """Return the findings, and what the gradient check says if it found nothing, as badges, worst first."""
    made = []
    for loss, found in result.findings.items():
        of, check = f" · {loss}" if len(result.findings) > 1 else "", result.checks.get(loss)
        made += [Badge(one.severity, _title(one, check) + of, one.message) for one in found]
        made += [Badge(severity, f"gradient check{of}", said) for severity, said in _unfound(found, check)]
    return tuple(sorted(made, key=lambda one: -SEVERITIES.index(one.severity)))


def _unfound(found: Sequence[Finding], check: GradientCheck | None) -> list[tuple[str, str]]:
    """What a gradient check says, and how bad that is, unless a finding says it."""
    if check is None or any(one.name == _MISMATCH for one in found):
        return []
    return [("warning" if bool(check.wrong.any()) else "info" if check.obstacle else "ok", check.sentence)]


def _title(finding: Finding, check: GradientCheck | None) -> str:
    """What a finding is called, and that it answers the gradient check if there was one."""
    asked = check is not None and finding.name == _MISMATCH
    return "gradient check: mismatch" if asked else finding.name.replace("_", " ")


def bar(names: Sequence[str], points: Mapping[str, Here], ends: Mapping[str, str]) -> str:
    """Return the numbers at the operating point as HTML, a row for each loss, everything escaped.

    Args:
        names: The parameters on the axes.
        points: The name of each loss → the loss there.
        ends: The name of each loss → how a descent from there ends; {} without descents.
    """
    rows = []
    for loss, here in points.items():
        cells = [("", loss)] * (len(points) > 1)
        cells += [("loss", _value(here.loss, 4))]
        cells += [(f"∂/∂{name}", _value(value)) for name, value in zip(names, here.gradient, strict=True)]
        cells += [("curvature", _bends(here.eigenvalues))]
        told = "".join(f"<span>{html.escape(what)} <b>{html.escape(said)}</b></span>" for what, said in cells)
        rows.append(f"<div>{told}</div>")
    of = {loss: f"{loss}: " if len(points) > 1 else "" for loss in points}
    ended = "".join(f'<div class="gradwidgets-ends">{html.escape(of[loss] + end)}</div>' for loss, end in ends.items())
    kind = "gradwidgets-here several" if len(points) > 1 else "gradwidgets-here"
    return f'<div class="{kind}">{"".join(rows)}</div>{ended}'


def _bends(eigenvalues: tuple[float, ...] | None) -> str:
    if eigenvalues is None:
        return "…"
    return " and ".join(number(value, 3) for value in eigenvalues) or "none"


def _table(rows: Sequence[ProbeRow]) -> str:
    if not rows:
        return ""
    axes = list(rows[0].inputs)
    parameters = list(dict.fromkeys(row.parameter for row in rows))
    heads = ["input", *axes, "loss", *(f"∂/∂{parameter}" for parameter in parameters)]
    lines = ["<tr>" + "".join(f"<th>{html.escape(head)}</th>" for head in heads) + "</tr>"]
    components = list(dict.fromkeys(row.component for row in rows))
    for component in components:
        if len(components) > 1:
            lines.append(f'<tr><td colspan="{len(heads)}"><b>{html.escape(component)}</b></td></tr>')
        own = probe_lines([row for row in rows if row.component == component])
        lines += map(_input, own[:_MOST_INPUTS])
    return f"<table>{''.join(lines)}</table>"


def _input(line: ProbeLine) -> str:
    """Return a row of the table: the gradients for all parameters at one input."""
    flag = f"<br><span>◂ {html.escape(line.flag)}</span>" if line.flag else ""
    cells = [
        *(number(value, 3) for value in line.inputs.values()),
        _value(line.loss),
        *(_value(value) for value in line.gradients.values()),
    ]
    kind = ' class="flagged expected"' if line.expected else ' class="flagged"' if line.flag else ""
    name = f"<td>{html.escape(line.name)}{flag}</td>"
    return f"<tr{kind}>{name}" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
