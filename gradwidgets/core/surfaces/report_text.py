"""A loss's report in words: as plain text, as Markdown, as a self-contained page of HTML."""

import base64
import html
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gradwidgets.core.results.finding import SEVERITIES, Finding
from gradwidgets.core.results.wording import counted, number, unbroken
from gradwidgets.core.surfaces.probe import ProbeRow
from gradwidgets.core.surfaces.surface import SurfaceGrid

_SIGNS = {"ok": "✓", "info": "i", "warning": "▲", "error": "✗"}  # nothing is told by colour alone
# The page's policy: it fetches nothing and runs nothing, whatever a name contains.
_ALLOWED = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
# Characters with a meaning in Markdown: an underscore only at a word's edge, an ampersand only before a letter.
_SPECIAL = re.compile(r"[\\`*\[\]<>|~$]|(?<![^\W_])_|_(?![^\W_])|&(?=[#\w])")


def is_ok(findings: Sequence[Finding]) -> bool:
    """Whether there is neither a warning nor an error among the findings."""
    return all(finding.severity in ("ok", "info") for finding in findings)


@dataclass(frozen=True)
class ProbeLine:
    """A loss at one input of the table, with its gradients for all parameters.

    Attributes:
        name: The kind of input.
        inputs: Parameter name → value.
        loss: The loss there.
        gradients: Parameter name → ∂loss/∂parameter there.
        flag: What needs attention, and for which parameters if not for all; "" if nothing does.
        expected: Whether that is as it should be: a zero gradient at the lowest of the inputs.
    """

    name: str
    inputs: dict[str, float]
    loss: float
    gradients: dict[str, float]
    flag: str
    expected: bool


def probe_lines(rows: Sequence[ProbeRow]) -> list[ProbeLine]:
    """Group the rows of one loss into one line for each input."""
    lowest = min((row.loss for row in rows if math.isfinite(row.loss)), default=math.nan)
    lines = []
    for (name, _), group in itertools.groupby(rows, key=lambda row: (row.input_name, tuple(row.inputs.values()))):
        same = list(group)
        flags, texts = dict.fromkeys(row.flag for row in same if row.flag), []
        for flag in flags:
            where = [row.parameter for row in same if row.flag == flag]
            texts.append(flag + ("" if len(where) == len(same) else f" for {', '.join(where)}"))
        loss = same[0].loss
        expected = set(flags) == {"zero gradient"} and math.isclose(loss, lowest, rel_tol=1e-9, abs_tol=1e-12)
        gradients = {row.parameter: row.gradient for row in same}
        flag = ", ".join([*texts, *(["the lowest here"] if expected else [])])
        lines.append(ProbeLine(name, same[0].inputs, loss, gradients, flag, expected))
    return lines


def as_text(name: str, grid: SurfaceGrid, findings: Sequence[Finding], rows: Sequence[ProbeRow], *, ok: bool) -> str:
    """The verdict and the table as plain text.

    Args:
        name: The loss's name.
        grid: Its surface.
        findings: The verdict, worst first.
        rows: The table.
        ok: The verdict in the first line.
    """
    lines = [f"{name} over {_view(grid)}: {_verdict(ok)} ({grid.method})"]
    for finding in findings:
        lines += [f"  {finding.severity:7} {finding.name}: {finding.message}", f"          {finding.action}"]
    lines += [f"  note    {note}" for note in grid.notes]
    head = ("input", *grid.names, "gradient for", "loss", "gradient", "flag")
    table = [
        (
            row.input_name,
            *(number(row.inputs[name]) for name in grid.names),
            row.parameter,
            number(row.loss),
            number(row.gradient),
            f"◂ {row.flag}" if row.flag else "",
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(head, *table, strict=True)]
    for line in (head, *table):
        lines.append("  " + "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())
    return "\n".join(lines)


def as_markdown(name: str, grid: SurfaceGrid, findings: Sequence[Finding], rows: Sequence[ProbeRow]) -> str:
    """The verdict as a list and the table as a table of Markdown, with a heading; everything escaped.

    Args:
        name: The loss's name.
        grid: Its surface.
        findings: The verdict, worst first.
        rows: The table.
    """
    heading = f"## {_escaped(name)}: {_verdict(is_ok(findings))}"
    lines = [heading, "", _escaped(f"Over {_view(grid)}; {_sampled(grid)}."), ""]
    for finding in findings:
        what = f"{_SIGNS[finding.severity]} **{_escaped(finding.name)}** ({finding.severity})"
        lines.append(f"- {what}: {_escaped(_sentence(finding.message))} {_escaped(finding.action)}".rstrip())
    lines += [f"- note: {_escaped(_sentence(note))}" for note in grid.notes]
    table = [[_escaped(cell) for cell in line] for line in _table(rows)]
    if table:
        table.insert(1, [":--", *["--:"] * (len(table[0]) - 2), ":--"])  # text at both ends, numbers between
        lines += ["", *(f"| {' | '.join(line)} |" for line in table)]
    return "\n".join(lines) + "\n"


def as_page(
    name: str,
    grid: SurfaceGrid,
    findings: Sequence[Finding],
    rows: Sequence[ProbeRow],
    pictures: Mapping[str, bytes],
) -> str:
    """The whole report as one page of HTML, light or dark as the browser prefers; everything escaped.

    Args:
        name: The loss's name.
        grid: Its surface.
        findings: The verdict, worst first.
        rows: The table.
        pictures: "light" and "dark" → a PNG, with the `marks` of the findings on it.
    """
    numbers = {id(finding): label for label, finding in _marked(findings).items()}
    cards = "\n".join(_card(finding, numbers.get(id(finding), "")) for finding in findings)
    notes = "".join(f"<li>{_safe(_sentence(note))}</li>" for note in grid.notes)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{_ALLOWED}">
<title>{_safe(name)}: {_verdict(is_ok(findings))}</title>
<style>
{Path(__file__).with_name("report.css").read_text(encoding="utf-8")}</style>
</head>
<body>
<main>
<header>
<h1>{_safe(name)}</h1>
{_headline(findings)}
<p class="view">over {_safe(_view(grid))}; {_sampled(grid)}</p>
</header>
<div class="two">
{_figure(name, grid, pictures, len(numbers))}
<section>
<h2>What was found</h2>
{cards}
{f"<h2>Notes</h2><ul>{notes}</ul>" if notes else ""}
</section>
</div>
{_html_table(rows)}
</main>
</body>
</html>
"""


def marks(findings: Sequence[Finding]) -> dict[str, tuple[float, ...]]:
    """The marks in a picture: the number of each finding that has a place, in order → that place."""
    return {label: one.where for label, one in _marked(findings).items() if one.where is not None}


def _marked(findings: Sequence[Finding]) -> dict[str, Finding]:
    return {str(k): one for k, one in enumerate((one for one in findings if one.where is not None), 1)}


def _headline(findings: Sequence[Finding]) -> str:
    ok = is_ok(findings)
    worst = "ok" if ok else max((finding.severity for finding in findings), key=SEVERITIES.index)
    counts = [(sum(one.severity == severity for one in findings), severity) for severity in ("error", "warning")]
    wrong = " and ".join(counted(count, severity) for count, severity in counts if count) or "nothing wrong"
    return f'<p class="verdict {worst}"><b>{_SIGNS[worst]} {_verdict(ok)}</b> {wrong}</p>'


def _card(finding: Finding, label: str) -> str:
    title = f'<span class="sign" aria-hidden="true">{_SIGNS[finding.severity]}</span> '
    title += f"{_safe(finding.name.replace('_', ' '))} <small>{finding.severity}</small>"
    title += f'<span class="mark" title="its number in the picture">{label}</span>' if label else ""
    parts = [f"<h3>{title}</h3>", f"<p>{_safe(_sentence(finding.message))}</p>"]
    if finding.action:
        parts.append(f'<p class="do">{_safe(finding.action)}</p>')
    if finding.evidence:
        pairs = (
            f"<div><dt>{_safe(str(what))}</dt><dd>{_safe(_value(value))}</dd></div>"
            for what, value in finding.evidence.items()
        )
        parts.append(f"<details><summary>the numbers</summary><dl>{''.join(pairs)}</dl></details>")
    return "\n".join([f'<article class="card {finding.severity}">', *parts, "</article>"])


def _figure(name: str, grid: SurfaceGrid, pictures: Mapping[str, bytes], marked: int) -> str:
    light, dark = (f"data:image/png;base64,{base64.b64encode(pictures[theme]).decode()}" for theme in ("light", "dark"))
    finite = grid.loss.isfinite()
    said = ["The loss, and its gradient below." if grid.y is None else "The loss as colour; arrows point downhill."]
    if not bool(finite.all()):
        said.append("Striped: not finite.")
    if grid.y is not None and not bool(grid.gradient[finite].isfinite().all()):
        said.append("Where there are no arrows the gradient is not finite, or zero.")
    if marked:
        said.append("The number marks what was found." if marked == 1 else "Numbers mark what was found.")
    shown = "curve of the loss and of its gradient" if grid.y is None else "map of the loss with arrows downhill"
    return f"""<figure>
<picture>
<source media="screen and (prefers-color-scheme: dark)" srcset="{dark}">
<img width="620" height="520" alt="{_safe(f"{name}: {shown}")}" src="{light}">
</picture>
<figcaption>{" ".join(said)}</figcaption>
</figure>"""


def _html_table(rows: Sequence[ProbeRow]) -> str:
    if not rows:
        return ""
    heads, *cells = _table(rows)
    kinds = ["expected" if line.expected else "flagged" if line.flag else "usual" for line in probe_lines(rows)]
    body = ""
    for kind, (first, *rest) in zip(kinds, cells, strict=True):
        columns = "".join(f"<td>{_safe(cell)}</td>" for cell in rest)
        body += f'<tr class="{kind}"><th scope="row">{_safe(first)}</th>{columns}</tr>\n'
    return f"""<section>
<h2>At inputs that tell</h2>
<div class="wide" tabindex="0">
<table>
<thead><tr>{"".join(f'<th scope="col">{_safe(head)}</th>' for head in heads)}</tr></thead>
<tbody>
{body}</tbody>
</table>
</div>
</section>"""


def _table(rows: Sequence[ProbeRow]) -> list[list[str]]:
    """The table's cells line by line, the heads first; [] without rows."""
    lines = probe_lines(rows)
    if not lines:
        return []
    heads = ["input", *lines[0].inputs, "loss", *(f"∂/∂{parameter}" for parameter in lines[0].gradients), "flag"]
    values = [(*line.inputs.values(), line.loss, *line.gradients.values()) for line in lines]
    flags = [f"◂ {line.flag}" if line.flag else "" for line in lines]
    return [
        heads,
        *([line.name, *map(number, shown), flag] for line, shown, flag in zip(lines, values, flags, strict=True)),
    ]


def _verdict(ok: bool) -> str:
    return "ok" if ok else "not ok"


def _view(grid: SurfaceGrid) -> str:
    return ", ".join(f"{name} {_range(low, high)}" for name, (low, high) in grid.axes.items())


def _range(low: float, high: float) -> str:
    """Two numbers, with as many digits as are needed to distinguish them."""
    for digits in (4, 8, 17):
        ends = [number(end, digits) if digits == 4 else f"{end:.{digits}g}".replace("-", "−") for end in (low, high)]
        if ends[0] != ends[1]:
            break
    return " to ".join(ends)


def _sampled(grid: SurfaceGrid) -> str:
    size = " × ".join(str(len(side)) for side in grid.sides)
    return f"{size} points, {grid.method}"


def _value(value: object) -> str:
    return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _escaped(text: str) -> str:
    """Text as one line of Markdown, with special characters escaped."""
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))


def _safe(text: str) -> str:
    return html.escape(unbroken(text))
