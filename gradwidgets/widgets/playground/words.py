"""Descents in words: a line for each loss, with the facts that the picture shows."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from gradwidgets.core import Objective, Optimizer, Outcome, Stability, StepParts, Trajectory
from gradwidgets.core.results.wording import number
from gradwidgets.figures.base.style import LIGHT, Style, loss_line


def short_names(names: Iterable[str]) -> str:
    """Return names in a row, the long ones by their initials."""
    return ", ".join(name if len(name) < 3 else name[0] for name in names)


def fate(outcome: Outcome, steps: int) -> str:
    """Return the outcome of a run, in words."""
    if outcome.kind == "converged":
        return f"converged at step {outcome.step}" if outcome.step else "does not move, the gradient is zero"
    if outcome.kind == "diverged" and outcome.step == 0 and not math.isfinite(outcome.loss):
        return "no loss at the start"
    if outcome.kind == "diverged":
        return f"diverged at step {outcome.step}"
    if outcome.kind == "oscillating":
        return f"oscillating, ±{number(outcome.amplitude, 2)}"
    if steps == 0:
        return "no step made"
    if outcome.amplitude == 0:
        return "does not move"
    return f"still moving after {steps} step{'' if steps == 1 else 's'}"


def place(objective: Objective, outcome: Outcome) -> str:
    """Return where a run ends, in words."""
    first, second = objective.parameters
    a, b = (float(v) for v in outcome.end)
    if not (math.isfinite(a) and math.isfinite(b)):
        return "off every scale"
    return f"{first} {number(a)}, {second} {number(b)}, loss {number(outcome.loss)}"


def distance(objective: Objective, outcome: Outcome) -> str:
    """Return how far from the minimum a run ends, in words."""
    if outcome.distance is None:
        return "no minimum known"
    if not math.isfinite(outcome.distance):
        return "hardly any distance"
    which = "the minimum" if len(objective.minima) == 1 else "the nearest minimum"
    return f"{number(outcome.distance, 3)} from {which}"


def limit(stability: Stability | None, optimizer: Optimizer) -> str:
    """Return how far lr is from the largest stable one, in words."""
    if stability is None:
        return "no minimum to be stable at"
    if stability.lr_limit is None or not stability.lr_limit > 0 or math.isinf(stability.lr_limit):
        return stability.note or "no largest stable lr"
    text = f"lr is {_share(optimizer.lr / stability.lr_limit)} largest stable value, {number(stability.lr_limit, 3)}"
    return text + (f" ({stability.note})" if stability.note else "")


def summary(
    objectives: Mapping[str, Objective],
    outcomes: Mapping[str, Outcome],
    stabilities: Mapping[str, Stability | None],
    optimizer: Optimizer,
    steps: int,
) -> str:
    """Return the summary as plain text, a line for each loss."""
    return "\n".join(
        f"{name}: {fate(outcomes[name], steps)}; {place(objective, outcomes[name])}; "
        f"{distance(objective, outcomes[name])}; {limit(stabilities[name], optimizer)}"
        for name, objective in objectives.items()
    )


def table(
    objectives: Mapping[str, Objective],
    outcomes: Mapping[str, Outcome],
    stabilities: Mapping[str, Stability | None],
    optimizer: Optimizer,
    steps: int,
    *,
    style: Style = LIGHT,
) -> str:
    """Return the facts of the summary as an HTML table, everything escaped, with the line styles of the picture."""
    parameters = next(iter(objectives.values())).parameters
    rows = []
    for name, objective in objectives.items():
        result, stable = outcomes[name], stabilities[name]
        away = number(result.distance, 3) if result.distance is not None else "unknown"
        rows.append(
            [
                _cell(fate(result, steps), alarm=result.kind in ("diverged", "oscillating")),
                *(_cell(number(float(value))) for value in result.end),
                _cell(number(result.loss)),
                _cell(away, title=distance(objective, result)),
                _cell(
                    _limit_cell(stable, optimizer), alarm=_too_fast(stable, optimizer), title=limit(stable, optimizer)
                ),
            ]
        )
    return _table(("after the run", *parameters, "loss", "distance to minimum", "stability"), objectives, rows, style)


def step_table(
    parts: Mapping[str, StepParts],
    trajectories: Mapping[str, Trajectory],
    k: int,
    *,
    own_part: str = "−lr·gradient",
    style: Style = LIGHT,
) -> str:
    """Return the parts of step k, in numbers, as an HTML table, everything escaped.

    Args:
        parts: The parts of the step, by loss name; a loss whose run has ended is left out.
        trajectories: The runs, by loss name.
        k: The step.
        own_part: The heading of the part that the current gradient contributes.
        style: The picture's theme, for the swatches.
    """
    first = next(iter(trajectories.values()))
    pair = short_names(first.parameters)
    ahead = any(part.lookahead_gradient is not None for part in parts.values())
    decays = any(bool((part.weight_decay_part != 0).any()) for part in parts.values())
    heads = [f"step {k}: {pair}", own_part, "+ momentum", *(["+ weight decay"] if decays else []), "= step"]
    heads += ["gradient here", "at the look-ahead"] if ahead else []
    rows = []
    for name, run in trajectories.items():
        point = [_cell(_two(run.points[min(k, run.steps)]))]
        part = parts.get(name)
        if part is None:
            rows.append([*point, _cell("the run has ended"), *[_cell("")] * (len(heads) - 2)])
            continue
        decay = (part.weight_decay_part,) if decays else ()
        moved = (part.gradient_part, part.momentum_part, *decay, part.next_point - part.point)
        gradients = (part.gradient, part.lookahead_gradient) if ahead else ()
        rows.append([*point, *(_cell(_two(v)) for v in (*moved, *gradients))])
    return _table(heads, trajectories, rows, style)


def _table(heads: Sequence[str], names: Iterable[str], rows: Sequence[Sequence[str]], style: Style) -> str:
    names = list(names)
    lines = ["<tr><td></td>" + "".join(f"<th>{_safe(head)}</th>" for head in heads) + "</tr>"]
    for position, (name, cells) in enumerate(zip(names, rows, strict=True)):
        color, dashes = loss_line(name, position, style, alone=len(names) == 1)
        look = f"border-color:{color};border-top-style:{'solid' if dashes == '-' else 'dashed'}"
        label = f'<td><span class="swatch" style="{look}"></span>{_safe(name)}</td>'
        lines.append(f"<tr>{label}{''.join(cells)}</tr>")
    return f"<table>{''.join(lines)}</table>"


def _cell(text: str, *, alarm: bool = False, title: str = "") -> str:
    marks = (' class="alarm"' if alarm else "") + (f' title="{_safe(title)}"' if title else "")
    return f"<td{marks}>{_safe(text)}</td>"


def _too_fast(stability: Stability | None, optimizer: Optimizer) -> bool:
    return stability is not None and stability.lr_limit is not None and optimizer.lr > stability.lr_limit


def _limit_cell(stability: Stability | None, optimizer: Optimizer) -> str:
    if stability is None:
        return "no minimum known"
    if stability.lr_limit is None:
        return stability.note.partition(": ")[0]  # the rest is in the tooltip and the summary
    if not stability.lr_limit > 0:
        return "no lr is stable"
    if math.isinf(stability.lr_limit):
        return "every lr is stable"
    return f"lr is {_share(optimizer.lr / stability.lr_limit)} largest stable value, {number(stability.lr_limit, 3)}"


def _share(ratio: float) -> str:
    if ratio < 0.005:
        return "under 1 % of the"
    if ratio < 0.995:
        return f"{100 * ratio:.0f} % of the"
    return f"{number(ratio, 3 if abs(ratio - 1) > 0.05 else 5)} × the"


def step_notes(parts: Mapping[str, StepParts]) -> list[str]:
    """Return the parts of the next step in numbers, a line for each loss."""
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


def _pair(vector: Tensor) -> str:
    return f"({_two(vector)})"


def _two(vector: Tensor) -> str:
    return ", ".join(number(float(v), 3) for v in vector)


def _safe(text: str) -> str:
    return html.escape(text)
