"""Compute the picture and words of a playground's state, with or without a live panel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from matplotlib.backends.backend_agg import FigureCanvasAgg

from gradwidgets.core import StepParts
from gradwidgets.core.results.slices import finish
from gradwidgets.figures.base.style import STYLES
from gradwidgets.figures.playground.figure import PlaygroundFigure, Run, Scene
from gradwidgets.widgets.kernel.as_usual import as_usual
from gradwidgets.widgets.panel.words import Words
from gradwidgets.widgets.playground import guess, words
from gradwidgets.widgets.playground.badges import badges
from gradwidgets.widgets.playground.picture import axes_order, maps_of, runs_of
from gradwidgets.widgets.playground.problem import Problem, Result, Settings, parts_of


@dataclass(frozen=True)
class ViewSettings:
    """The settings of the view: they change how a result is shown, and not the result.

    Attributes:
        step: The step up to which the runs are shown; None for the whole runs.
        theme: A key of `STYLES`.
        arrows: Whether the field of negative gradients is drawn over the maps.
        size: Width and height of the picture in CSS pixels.
        magnified: The factor by which text and lines are larger than usual.
        answer: The guess, by name.
        covered: Whether the picture is to be guessed first, and shows only the start.
    """

    step: int | None = None
    theme: str = "light"
    arrows: bool = False
    size: tuple[int, int] = (600, 470)
    magnified: float = 1.0
    answer: Mapping[str, object] = field(default_factory=dict)
    covered: bool = False


@dataclass(frozen=True)
class State:
    """Everything that decides what a playground shows.

    Attributes:
        problem: The data or the objective.
        settings: The settings that the runs depend on.
        view: The settings of the view.
    """

    problem: Problem
    settings: Settings
    view: ViewSettings = field(default_factory=ViewSettings)


def step_shown(view: ViewSettings, result: Result) -> int | None:
    """Return the step that is shown; None if that is the last one."""
    return None if view.step is None or view.step >= result.settings.steps else view.step


def scene_of(view: ViewSettings, result: Result) -> tuple[Scene, Words]:
    """Return the picture and the words of a result.

    Args:
        view: The settings of the view.
        result: The result.
    """
    k = step_shown(view, result)
    parts = {} if view.covered else parts_of(result, k)
    runs = guess.covered_runs(result) if view.covered else runs_of(result, k, parts)
    return _picture(view, result, runs), _words(view, result, k, parts)


def _picture(view: ViewSettings, result: Result, runs: Mapping[str, Run]) -> Scene:
    start = [result.settings.start[i] for i in axes_order(result)]
    guessed = guess.drawn(result, view.answer)
    return Scene(maps_of(result), runs, start, result.settings.steps, view.theme, view.arrows, guessed)


def _words(view: ViewSettings, result: Result, k: int | None, parts: Mapping[str, StepParts]) -> Words:
    if view.covered:
        return Words(guess.question(result), "")
    settings, style = result.settings, STYLES[view.theme]
    facts = (result.objectives, result.outcomes, result.stability, settings.optimizer, settings.steps)
    text = words.summary(*facts)
    if k is None:
        table = words.table(*facts, style=style)
    else:
        table = words.step_table(parts, result.trajectories, k, own_part=settings.optimizer.own_part, style=style)
        text = "\n".join((text, f"step {k} of {settings.steps}", *words.step_notes(parts)))
    ended = badges(result, style)
    if result.sampled is None:
        return Words(text, table, ended)
    used, total = result.sampled
    note = f"preview from {used:,} of {total:,} points; all of them are being computed"
    return Words(f"{note}\n{text}", f'{table}<div class="note">{note}</div>', ended)


def render(state: State) -> tuple[bytes, Words]:
    """Return the picture of a state as PNG, at twice its size, and its words.

    Args:
        state: What to show; nothing is cached, and no panel is needed.
    """
    with as_usual():
        result = finish(state.problem.work(state.settings))
        scene, said = scene_of(state.view, result)
        figure = PlaygroundFigure(*state.view.size, magnified=state.view.magnified)
        FigureCanvasAgg(figure.figure)
        figure.update(scene)
        return figure.figure._repr_png_(), said
