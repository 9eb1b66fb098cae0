"""The guess about a descent before it is shown, and its score."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from matplotlib.backend_bases import MouseEvent

from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.figures.playground.figure import PlaygroundFigure, Run
from gradwidgets.widgets.controls import Looks, Menu, Point
from gradwidgets.widgets.controls.values import as_floats, shown
from gradwidgets.widgets.panel.prediction import Answer, Asked, Mark, Question, one_of, said
from gradwidgets.widgets.playground import words
from gradwidgets.widgets.playground.picture import axes_order
from gradwidgets.widgets.playground.problem import Result, Settings

# The kind of outcome of a run → what the user can say that it does.
FATES = {
    "converged": "converges",
    "oscillating": "oscillates",
    "diverged": "diverges",
    "still moving": "still moves",
    "": "never moves",
}


def fate_of(kind: str, start: Iterable[float], end: Iterable[float]) -> str:
    """Return what a run does that has this outcome, start and end."""
    return FATES["" if list(start) == list(end) and kind != "diverged" else kind]


class DescentQuestion(Question[Result]):
    """The question where the path of the first loss shown ends, and what the run does.

    Args:
        figure: The figure on whose map the user clicks to guess the end.
        draw: Draws the maps of a result, with only the start of the runs.
        shown: Returns the result that is covered.
        settled: Returns the result of the current settings.
        about: Returns the settings that a guess is about.
    """

    def __init__(
        self,
        figure: PlaygroundFigure,
        *,
        draw: Callable[[Result], Redraw],
        shown: Callable[[], Result],
        settled: Callable[[], Result],
        about: Callable[[], Settings],
    ) -> None:
        self._figure, self._draw, self._shown, self._settled, self._about = figure, draw, shown, settled, about
        looks, options = Looks(), [("choose …", ""), *((fate, fate) for fate in FATES.values())]
        self._end = Point("end", "where the path ends; or click on the map", looks=looks)
        self._fate = Menu("fate", "what the run does", options, label="the run", looks=looks)

    def asked(self) -> list[Asked]:
        """Return the parts of the guess: where the path ends, and what the run does."""
        return [
            Asked(self._end, plain_point, (0.0, 0.0)),
            Asked(self._fate, one_of("fate", tuple(FATES.values()))),
        ]

    def words(self) -> str:
        """Return the question."""
        return question(self._shown())

    def about(self) -> Settings:
        """Return the settings of the runs."""
        return self._about()

    def marks(self, answer: Answer) -> Sequence[Mark]:
        """Judge a guess by the runs."""
        return marks(self._settled(), answer)

    def cover(self, result: Result) -> Redraw:
        """Draw the maps, and where the paths start."""
        redraw = self._draw(result)
        self._end.name_parts(next(iter(result.objectives.values())).parameters)
        return redraw

    def press(self, event: MouseEvent) -> None:
        """Take the position of the mouse on the first loss's map as the guessed end."""
        result = self._shown()
        point = self._figure.point_at(event.inaxes, event.xdata, event.ydata)
        if point is not None and event.inaxes is self._figure.maps[asked_loss(result)].axes:
            end = dict(zip(axes_order(result), point, strict=True))
            self._end.choose((float(f"{end[0]:.4g}"), float(f"{end[1]:.4g}")))


def plain_point(value: object) -> list[float] | None:
    """Return two finite numbers as a list."""
    if value is None:
        return None
    numbers = as_floats(value)
    if numbers is None or len(numbers) != 2 or not all(abs(number) <= 1e150 for number in numbers):
        raise ValueError(f"end must be two finite numbers, at most 1e150 in size; got {shown(value)}")
    return numbers


def asked_loss(result: Result) -> str:
    """Return the loss whose path is guessed: the first one shown."""
    return next(iter(result.objectives))


def question(result: Result) -> str:
    """Return the question in words."""
    return f"Where does the path of {asked_loss(result)} end?"


def covered_runs(result: Result) -> dict[str, Run]:
    """Return runs of which nothing is drawn but where they start."""
    return {name: Run(path=np.empty((0, 2)), losses=np.empty(0)) for name in result.objectives}


def drawn(result: Result, answer: Answer) -> tuple[str, list[float] | None]:
    """Return the loss on whose map the guessed end is drawn, and its position, horizontal first; None for none."""
    end = answer.get("end")
    return asked_loss(result), None if end is None else [end[i] for i in axes_order(result)]


def marks(result: Result, answer: Answer) -> Sequence[Mark]:
    """Judge a guess: the fate by its name, the end by its distance, which scores 0 from half the map's diagonal on."""
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
            half = math.hypot(*(high - low for low, high in grid.axes.values())) / 2
            place = words.place(objective, outcome)
            given.append(Mark(max(0.0, 1 - away / half), f"The end: {away:.2g} away, {place}"))
    return given
