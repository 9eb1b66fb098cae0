"""Descents in words: one line a loss, the same facts as the picture shows."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

from gradwidgets.core import SGD, Objective, Outcome, Stability, StepParts, Trajectory
from gradwidgets.figures.style import loss_line


def number(value: float | None, digits: int = 4) -> str:
    """Return a number as a person writes it."""
    if value is None or math.isnan(value):
        return "undefined"
    if math.isinf(value):
        return "infinite" if value > 0 else "minus infinite"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e6:
        text = f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"
        return text.replace("-", "−")
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}".replace("-", "−")


def fate(outcome: Outcome, steps: int | None = None) -> str:
    """Say what became of a run."""
    if outcome.kind == "converged":
        return f"converged at step {outcome.step}" if outcome.step else "did not have to move"
    if outcome.kind == "diverged":
        return f"diverged at step {outcome.step}"
    if outcome.kind == "oscillating":
        return f"oscillating, ±{number(outcome.amplitude, 2)}"
    if steps is None:
        return "still moving"
    return f"still moving after {steps} step{'' if steps == 1 else 's'}"


def place(objective: Objective, outcome: Outcome) -> str:
    """Say where a run ends."""
    first, second = objective.parameters
    a, b = (float(v) for v in outcome.end)
    return f"{first} {number(a)}, {second} {number(b)}, loss {number(outcome.loss)}"


def distance(objective: Objective, outcome: Outcome) -> str:
    """Say how far from the minimum a run ends."""
    if outcome.distance is None:
        return "no minimum known" if math.isfinite(outcome.loss) else "off every scale"
    if not math.isfinite(outcome.distance):
        return "off every scale"
    which = "the minimum" if len(objective.minima) == 1 else "the nearest minimum"
    return f"{number(outcome.distance, 3)} from {which}"


def limit(stability: Stability | None, optimizer: SGD) -> str:
    """Say how far lr is from the largest that is stable."""
    if stability is None:
        return "no minimum to be stable at"
    if stability.lr_limit is None or not stability.lr_limit > 0 or math.isinf(stability.lr_limit):
        return stability.note or "no largest stable lr"
    relation = _share(optimizer.lr / stability.lr_limit).removesuffix(" it")
    text = f"lr is {relation} the largest stable, {number(stability.lr_limit, 3)}"
    return text + (f" ({stability.note})" if stability.note else "")


def summary(
    objectives: Mapping[str, Objective],
    outcomes: Mapping[str, Outcome],
    stabilities: Mapping[str, Stability | None],
    optimizer: SGD,
    steps: int,
) -> str:
    """Return the summary, one line of plain text a loss."""
    return "\n".join(
        f"{name}: {fate(outcomes[name], steps)}; {place(objective, outcomes[name])}; "
        f"{distance(objective, outcomes[name])}; {limit(stabilities[name], optimizer)}"
        for name, objective in objectives.items()
    )


def table(
    objectives: Mapping[str, Objective],
    outcomes: Mapping[str, Outcome],
    stabilities: Mapping[str, Stability | None],
    optimizer: SGD,
    steps: int,
    notes: Sequence[str] = (),
) -> str:
    """Return the facts of the summary as an HTML table, everything escaped."""
    parameters = next(iter(objectives.values())).parameters
    heads = ("", "outcome", *parameters, "loss", "to minimum", "largest stable lr")
    rows = ["<tr>" + "".join(f"<th>{_safe(head)}</th>" for head in heads) + "</tr>"]
    for position, (name, objective) in enumerate(objectives.items()):
        result, stable = outcomes[name], stabilities[name]
        color, dashes = loss_line(name, position)
        line = "solid" if dashes == "-" else "dashed"
        away = number(result.distance, 3) if result.distance is not None else "unknown"
        cells = (
            _cell(f'<span class="swatch" style="border-color:{color};border-top-style:{line}"></span>{_safe(name)}'),
            _cell(_safe(fate(result)), alarm=result.kind in ("diverged", "oscillating")),
            *(_cell(number(float(value))) for value in result.end),
            _cell(number(result.loss)),
            _cell(away, title=distance(objective, result)),
            _cell(
                _safe(_short_limit(stable, optimizer)),
                alarm=_too_fast(stable, optimizer),
                title=limit(stable, optimizer),
            ),
        )
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table>{''.join(rows)}</table>" + "".join(f'<div class="note">{_safe(note)}</div>' for note in notes)


def _cell(content: str, *, alarm: bool = False, title: str = "") -> str:
    marks = (' class="alarm"' if alarm else "") + (f' title="{_safe(title)}"' if title else "")
    return f"<td{marks}>{content}</td>"


def _too_fast(stability: Stability | None, optimizer: SGD) -> bool:
    return stability is not None and stability.lr_limit is not None and optimizer.lr > stability.lr_limit


def _short_limit(stability: Stability | None, optimizer: SGD) -> str:
    if stability is None:
        return "unknown"
    if stability.lr_limit is None:
        return "none: no curvature"
    if not stability.lr_limit > 0:
        return "none contracts"
    if math.isinf(stability.lr_limit):
        return "any"
    return f"{number(stability.lr_limit, 3)} (lr {_share(optimizer.lr / stability.lr_limit)})"


def _share(ratio: float) -> str:
    return f"{100 * ratio:.0f} % of it" if 0.005 <= ratio < 0.995 else f"{number(ratio, 3)} × it"


def step_notes(parts: Mapping[str, StepParts], trajectories: Mapping[str, Trajectory]) -> list[str]:
    """Say in numbers what makes up the step about to be made, a line a loss."""
    lines = []
    for name, part in parts.items():
        pieces = [f"gradient {_pair(part.gradient_part)}"]
        if any(float(v) != 0 for v in part.momentum_part):
            pieces.append(f"momentum {_pair(part.momentum_part)}")
        if any(float(v) != 0 for v in part.weight_decay_part):
            pieces.append(f"weight decay {_pair(part.weight_decay_part)}")
        total = _pair(part.next_point - part.point)
        text = f"{name}: " + " + ".join(pieces) + f" = step {total}"
        if part.lookahead_gradient is not None:
            text += f"; gradient here {_pair(part.gradient)}, at the look-ahead {_pair(part.lookahead_gradient)}"
        lines.append(text)
    return lines


def _pair(vector) -> str:
    a, b = (float(v) for v in vector)
    return f"({number(a, 3)}, {number(b, 3)})"


def _safe(text: str) -> str:
    return html.escape(text)
