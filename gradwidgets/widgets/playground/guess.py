"""What is guessed about a descent before it is shown, and how near a guess came."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from gradwidgets.figures.playground.figure import Run
from gradwidgets.widgets.controls import Looks, Menu, Point
from gradwidgets.widgets.panel.prediction import Asked, Mark, one_of, said
from gradwidgets.widgets.panel.traits import as_float, shown
from gradwidgets.widgets.playground import words
from gradwidgets.widgets.playground.picture import axes_order
from gradwidgets.widgets.playground.problem import Result

# What became of a run → what a person says that it does.
FATES = {
    "converged": "converges",
    "oscillating": "oscillates",
    "diverged": "diverges",
    "still moving": "still moves",
    "": "never moves",
}


def fate_of(kind: str, start: object, end: object) -> str:
    """Return what a run does that ended so."""
    return FATES["" if list(start) == list(end) and kind != "diverged" else kind]


def asked() -> list[Asked]:
    """Return the controls of a guess: where the path ends, and what the run does."""
    looks, fates = Looks(), tuple(FATES.values())
    end = Point("end", "where the path ends; or click on the map", looks=looks)
    options = [("choose …", ""), *((fate, fate) for fate in fates)]
    fate = Menu("fate", "what the run does", options, label="the run", width=180, label_width="50px", looks=looks)
    return [Asked(end, plain_point, (0.0, 0.0)), Asked(fate, one_of("fate", fates))]


def plain_point(value: object) -> list[float] | None:
    """Return two finite numbers as a list."""
    if value is None:
        return None
    items = value.tolist() if hasattr(value, "tolist") else value
    numbers = [as_float(item) for item in items] if isinstance(items, list | tuple) else []
    if len(numbers) != 2 or not all(n is not None and math.isfinite(n) and abs(n) <= 1e150 for n in numbers):
        raise ValueError(f"end must be two finite numbers, at most 1e150 in size; got {shown(value)}")
    return numbers


def asked_loss(result: Result) -> str:
    """Return the loss whose path is guessed: the first one shown."""
    return next(iter(result.objectives))


def question(result: Result) -> str:
    """Return the question in words."""
    return f"Where does the path of {asked_loss(result)} end?"


def covered_runs(result: Result) -> dict[str, Run]:
    """Return runs of which no more than the start is seen."""
    start = np.array([result.settings.start])[:, axes_order(result)]
    return {name: Run(path=start, losses=np.empty(0)) for name in result.objectives}


def drawn(result: Result, answer: Mapping[str, object]) -> tuple[str, list[float] | None]:
    """Return on which loss's map the guessed end stands, and where, horizontal first; None for nowhere."""
    end = answer.get("end")
    return asked_loss(result), None if end is None else [end[i] for i in axes_order(result)]


def marks(result: Result, answer: Mapping[str, object]) -> Sequence[Mark]:
    """Judge a guess: the end by its distance, half of the map's diagonal being worth nothing; the fate by its name."""
    name = asked_loss(result)
    outcome, grid, objective = result.outcomes[name], result.surfaces[name], result.objectives[name]
    settings = result.settings
    given = []
    if "fate" in answer:
        right = answer["fate"] == fate_of(outcome.kind, settings.start, outcome.end.tolist())
        why = words.limit(result.stability[name], settings.optimizer)
        given.append(Mark(float(right), f"{said(right)} {words.fate(outcome, settings.steps)}; {why}"))
    else:
        given.append(Mark(0.0, f"What the run does was not guessed: {words.fate(outcome, settings.steps)}"))
    if outcome.kind != "diverged":  # else there is no end to guess
        if "end" not in answer:
            given.append(Mark(0.0, f"The end was not guessed: {words.place(objective, outcome)}"))
        else:
            away = math.dist(answer["end"], outcome.end.tolist())
            half = math.hypot(float(grid.x[-1] - grid.x[0]), float(grid.y[-1] - grid.y[0])) / 2
            place = words.place(objective, outcome)
            given.append(Mark(max(0.0, 1 - away / half), f"The end: {away:.2g} away, {place}"))
    return given
