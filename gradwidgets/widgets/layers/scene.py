"""Compute the picture and words of a layer panel's state, with or without a live panel."""

from __future__ import annotations

from dataclasses import dataclass, field

from matplotlib.backends.backend_agg import FigureCanvasAgg

from gradwidgets.core.results.slices import Slices, finish
from gradwidgets.figures.base.notebook_figure import Picture
from gradwidgets.figures.flow.guess_plot import GuessedProfile, GuessPlot
from gradwidgets.widgets.kernel.as_usual import as_usual
from gradwidgets.widgets.kernel.kept import Kept
from gradwidgets.widgets.layers import guess
from gradwidgets.widgets.layers.clipping import ClippingView
from gradwidgets.widgets.layers.curvature import CurvatureView
from gradwidgets.widgets.layers.fixes.doctor import DoctorView
from gradwidgets.widgets.layers.flow_view import FlowView
from gradwidgets.widgets.layers.problem import FlowProblem
from gradwidgets.widgets.layers.seen.layer_values import shown_layers
from gradwidgets.widgets.layers.training.live import LiveView
from gradwidgets.widgets.layers.view import Request, View, ViewResult, ViewSettings
from gradwidgets.widgets.panel.words import Words

VIEWS: dict[str, type[View]] = {
    view.name: view for view in (FlowView, DoctorView, ClippingView, CurvatureView, LiveView)
}


@dataclass(frozen=True)
class State:
    """Everything that decides what a layer panel shows.

    Attributes:
        problem: The network and its batch.
        settings: The settings that a result depends on.
        view: The settings of the view.
    """

    problem: FlowProblem
    settings: Request
    view: ViewSettings = field(default_factory=ViewSettings)


def covered_scene(result: ViewResult, how: ViewSettings) -> GuessedProfile:
    """Return what is drawn instead of the picture until it is guessed.

    Args:
        result: The network.
        how: The settings of the view.
    """
    return GuessedProfile(how.quantity, len(shown_layers(result.flow.flow)), how.guess, how.theme)


def result_of(problem: FlowProblem, settings: Request) -> Slices[ViewResult]:
    """Compute a result, in slices.

    Args:
        problem: The network and its batch.
        settings: The settings that the result depends on.
    """
    view = VIEWS[settings.view]
    if not view.needs_flow:
        return ViewResult(settings, None)
    flow = yield from problem.work(settings.network)
    part = yield from view.compute(problem, flow, settings.more)
    return ViewResult(settings, flow, part)


def render(state: State) -> tuple[bytes, Words]:
    """Return the picture of a state as PNG, at twice its size, and its words.

    Args:
        state: What to show; nothing is cached, and no panel is needed.
    """
    with as_usual():
        how, view = state.view, VIEWS[state.settings.view]
        picture = Picture.of(*how.size, magnified=how.magnified)
        FigureCanvasAgg(picture)
        result = finish(result_of(state.problem, state.settings))
        if how.covered:
            GuessPlot(picture).update(covered_scene(result, how))
            return picture._repr_png_(), Words(guess.question(how.quantity), "")
        derived = view.derive(state.problem, result, how, Kept())
        view.figure_type(picture).update(view.scene(result, derived, how))
        return picture._repr_png_(), view.words(result, derived, how)
