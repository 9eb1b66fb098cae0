"""Compute the picture and words of an explorer's state, with or without a live panel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from matplotlib.backends.backend_agg import FigureCanvasAgg

from gradwidgets.core import SGD
from gradwidgets.core.results.slices import finish
from gradwidgets.figures.base.style import STYLES
from gradwidgets.figures.playground.cover import draw_cover
from gradwidgets.figures.surface.figure import Ground, Scene, SurfaceFigure
from gradwidgets.widgets.explorer import guess, words
from gradwidgets.widgets.explorer.picture import aside_of, critical_of, cuts_of, surface_of
from gradwidgets.widgets.explorer.point import Here, look_at
from gradwidgets.widgets.explorer.problem import LossProblem, LossResult, LossSettings
from gradwidgets.widgets.explorer.sampled_descent import Descent, descend_from
from gradwidgets.widgets.kernel.as_usual import as_usual
from gradwidgets.widgets.kernel.kept import Kept
from gradwidgets.widgets.panel.words import Words


@dataclass(frozen=True)
class ViewSettings:
    """The settings of the view: they change how a result is shown, and not the result.

    Attributes:
        point: The operating point, a number for each axis; None, or a point of other axes, for the usual one.
        optimizer: The settings of the descent from there; None for no descent.
        scale: The scale of the colours: "linear", "log" or "symlog".
        arrows: The arrows that point downhill: "direction", "magnitude" or "off".
        theme: A key of `STYLES`.
        size: Width and height of the picture in CSS pixels.
        magnified: The factor by which text and lines are larger than usual.
        covered: Whether the picture is to be guessed first.
    """

    point: tuple[float, ...] | None = None
    optimizer: SGD | None = None
    scale: str = "linear"
    arrows: str = "direction"
    theme: str = "light"
    size: tuple[int, int] = (600, 470)
    magnified: float = 1.0
    covered: bool = False


@dataclass(frozen=True)
class State:
    """Everything that decides what an explorer shows.

    Attributes:
        problem: The losses.
        settings: The settings that a result depends on.
        view: The settings of the view.
    """

    problem: LossProblem
    settings: LossSettings
    view: ViewSettings = field(default_factory=ViewSettings)


@dataclass(frozen=True, eq=False)
class Standing:
    """The losses at the operating point.

    Attributes:
        place: The point, a number for each axis.
        here: The value and the derivatives of each loss there.
        descents: The descent from there on each loss, None if the loss raises an error; {} without descents.
    """

    place: tuple[float, ...]
    here: Mapping[str, Here]
    descents: Mapping[str, Descent | None]


def place_in(point: tuple[float, ...] | None, result: LossResult) -> tuple[float, ...]:
    """Return the operating point: the one that was set if it suits the axes, else the usual one."""
    spans = [(low, high) for _, low, high in result.settings.axes]
    if point is not None and len(point) == len(spans):
        return point
    return tuple(float(f"{low + 0.7 * (high - low):.10g}") for low, high in spans)


def standing_in(view: ViewSettings, result: LossResult, kept: Kept) -> Standing:
    """Evaluate the losses at the operating point.

    Args:
        view: The settings of the view, with the point.
        result: The result with the losses.
        kept: A cache of what was computed before.
    """
    place, optimizer = place_in(view.point, result), view.optimizer
    here = kept.get("here", (result, place), lambda: look_at(result, place, curvature=result.exact))
    if optimizer is None:
        return Standing(place, here, {})

    def descents() -> dict[str, Descent | None]:
        return {name: descend_from(grid, optimizer, place) for name, grid in result.grids.items()}

    return Standing(place, here, kept.get("descents", (result, place, optimizer), descents))


def scene_of(view: ViewSettings, result: LossResult, standing: Standing, kept: Kept) -> Scene:
    """Return the picture of a result.

    Args:
        view: The settings of the view.
        result: The result.
        standing: The losses at the operating point.
        kept: A cache of what was made before.
    """
    walks = [standing.descents.get(name) for name in result.grids]
    return Scene(
        ground=kept.get("ground", result, lambda: _ground(result)),
        point=standing.place,
        gradients=[standing.here[name].gradient for name in result.grids],
        cuts=cuts_of(result, standing.place),
        paths=[None if walk is None else (walk.points, walk.losses) for walk in walks],
        scale=view.scale,
        arrows=view.arrows,
        theme=view.theme,
    )


def words_of(verdict: LossResult | None, result: LossResult, standing: Standing) -> Words:
    """Return the words of a result.

    Args:
        verdict: The last complete result, whose findings are shown until the next one; None if there is none.
        result: The result.
        standing: The losses at the operating point.
    """
    if verdict is None:
        return Words("", "")
    grid = next(iter(result.grids.values()))
    points = {name: words.at_point(grid.axes, standing.place, one) for name, one in standing.here.items()}
    for name, end in _ends(standing).items():
        points[name] += f"; {end}"
    told = words.verdict(verdict, points, waiting=not result.exact)
    return Words(words.summary(verdict, points), told, words.badges(verdict))


def bar_of(result: LossResult, standing: Standing) -> str:
    """Return the numbers at the operating point, for the bar under the picture, as HTML."""
    names = [name for name, _, _ in result.settings.axes]
    return words.bar(names, standing.here, _ends(standing))


def _ends(standing: Standing) -> dict[str, str]:
    """How the descent on each loss ends."""
    return {
        name: "descent: the loss raises here" if descent is None else descent.sentence
        for name, descent in standing.descents.items()
    }


def cover(figure: SurfaceFigure, view: ViewSettings, result: LossResult) -> None:
    """Draw what is shown instead of the picture until it is guessed."""
    title = " and ".join(result.settings.losses)
    draw_cover(figure.figure, STYLES[view.theme], title, result.settings.axes, place_in(view.point, result))
    figure.invalidate()


def render(state: State) -> tuple[bytes, Words]:
    """Return the picture of a state as PNG, at twice its size, and its words.

    Args:
        state: What to show; nothing is cached, and no panel is needed.
    """
    with as_usual():
        view, kept = state.view, Kept()
        figure = SurfaceFigure(*view.size, magnified=view.magnified)
        FigureCanvasAgg(figure.figure)
        result = finish(state.problem.work(state.settings))
        if view.covered:
            cover(figure, view, result)
            return figure.figure._repr_png_(), Words(guess.question(result.settings.losses), "")
        standing = standing_in(view, result, kept)
        figure.update(scene_of(view, result, standing, kept))
        return figure.figure._repr_png_(), words_of(result, result, standing)


def _ground(result: LossResult) -> Ground:
    grids, settings = result.grids, result.settings
    first = next(iter(grids.values()))
    flat = first.y is None
    return Ground(
        of=(settings.example, settings.axes),
        names=first.names,
        sides=[side.numpy() for side in (first.x, first.y) if side is not None],
        losses=tuple(grids),
        surfaces=() if flat else [surface_of(name, result) for name in grids],
        beside=bool(result.aside) and not flat,
        aside=None if flat else aside_of(result),
        critical=critical_of(next(iter(grids)), result) if flat and len(grids) == 1 else (),
        settled=result.exact,
    )
