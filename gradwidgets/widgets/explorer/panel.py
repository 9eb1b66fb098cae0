"""SurfaceExplorer: what is wrong with this loss?

On the left are the controls. On the right are the loss from above, with arrows downhill, the regions where it is dead
or not finite, and the points where the gradient is zero; and cuts through the operating point. The verdict in words and
a table are below.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backend_bases import MouseEvent

from gradwidgets.core import SGD, Finding, ProbeRow, SurfaceGrid
from gradwidgets.core.surfaces.patterns.ends.target import Target
from gradwidgets.figures.base.redraw import EVERYTHING, Redraw
from gradwidgets.figures.surface.figure import SurfaceFigure
from gradwidgets.widgets.controls import Check
from gradwidgets.widgets.explorer.chosen import BOTH, ChosenLosses
from gradwidgets.widgets.explorer.code import code
from gradwidgets.widgets.explorer.controls import constant_stops, make_controls
from gradwidgets.widgets.explorer.guess import LossQuestion
from gradwidgets.widgets.explorer.locked_constants import ConstantsLesson
from gradwidgets.widgets.explorer.loss_settings import LossPanel
from gradwidgets.widgets.explorer.problem import (
    NONE,
    Losses,
    LossProblems,
    LossResult,
    LossSettings,
)
from gradwidgets.widgets.explorer.sampled_descent import Descent
from gradwidgets.widgets.explorer.scene import (
    State,
    ViewSettings,
    bar_of,
    cover,
    place_in,
    scene_of,
    standing_in,
    words_of,
)
from gradwidgets.widgets.kernel.as_usual import as_usual
from gradwidgets.widgets.kernel.kept import Kept
from gradwidgets.widgets.kernel.making import whole_or_nothing
from gradwidgets.widgets.panel.frame import LOWEST
from gradwidgets.widgets.panel.lesson import Parts
from gradwidgets.widgets.panel.own_settings import split_keywords
from gradwidgets.widgets.panel.traits import meanings

_LOW = 460  # CSS pixels: the minimum height of a picture with three maps
_SAME_NAMES = (
    "example", "x_axis", "resolution", "scale", "arrows", "dtype", "gradient_check", "descent", "lr", "momentum",
    "theme",
)  # fmt: skip


class SurfaceExplorer(LossPanel):
    """What is wrong with a loss, in a picture and in words.

    Args:
        loss: A callable that takes tensors by name, an `nn.Module` loss, a name in `gradwidgets.core.EXAMPLES`, or a
            dict of name → callable: the parts of a loss, or variants to compare.
        axes: Parameter name → (low, high) of the one or two axes to begin with.
        fixed: The loss's other parameters: numbers, which get a slider each, or tensors of data.
        probes: Your own inputs for the table, {"init": (0, 0), "now": (0.3, -0.3)}.
        target: Where the loss should lead: a point, a box, or a predicate; by default the lowest region in view.
        **settings: Initial values of the traits below, and `layout`.

    Attributes:
        example: The loss that is shown; `"yours"` is the one that was passed in. `"yours"` or a name in `EXAMPLES`.
        component: The part of the loss that is shown. A name of a part or variant.
        compare: Two parts or variants side by side. Two of these names, or `None` for one alone.
        x_axis: The parameter on the horizontal axis. A parameter of the loss.
        y_axis: The parameter on the vertical axis; `"none"` for a curve. A parameter of the loss, or `"none"`.
        x_range: The range of the horizontal axis. (low, high), finite numbers with low < high, or `None` for the usual
            one.
        y_range: The range of the vertical axis. (low, high), finite numbers with low < high, or `None` for the usual
            one.
        fixed: The values of the parameters that are on no axis. A dict of finite numbers by parameter.
        resolution: The number of points along each axis. A whole number from 2 to 401.
        scale: The scale of the colours. One of `"linear"`, `"log"`, `"symlog"`.
        arrows: The arrows that point downhill; with `"magnitude"` the steeper the slope, the longer they are. One of
            `"direction"`, `"magnitude"`, `"off"`.
        point: The operating point. One finite number for each axis, or `None` for the middle of the view.
        dtype: The precision of training, in which the loss is evaluated besides float64; dots show where it loses the
            gradient. One of `"float32"`, `"float16"`, `"bfloat16"`, `"float64"`.
        gradient_check: Whether a map shows how far autograd's gradient is from finite differences.
        descent: Whether SGD descends from the point.
        lr: SGD's learning rate. A number from 0 to 1e6.
        momentum: SGD's momentum. A number from 0 to 10.
        theme: The colours of the picture; `"auto"` follows JupyterLab. One of `"auto"`, `"light"`, `"dark"`.
        hide, lock, style, predict: What a teacher prepares, see `Panel`.
        error: What went wrong last; empty when all is well.
        summary: The verdict in words.

    Raises:
        TraitError: A setting is refused; it says what is allowed.
        ValueError: The loss does not take these parameters, or cannot be evaluated.
        TypeError: An argument is unknown or of a wrong type.

    Example:
        >>> from gradwidgets import SurfaceExplorer
        >>> explorer = SurfaceExplorer(lambda a, b: (a * b - 1) ** 2, {"a": (-2, 2), "b": (-2, 2)})
        >>> print(explorer.summary)  # doctest: +SKIP
    """

    _file_name = "gradwidgets-surface"
    _details = "Inputs that tell"
    _words_height = 170
    _height_over = 98
    _tall = 1.05
    _patience = 0.3
    _verdict: LossResult | None = None  # the result whose findings and table the words show
    _grip: Axes | None = None  # the axes on which the mouse was pressed

    @whole_or_nothing
    def __init__(
        self,
        loss: Losses | None = None,
        axes: Mapping[str, tuple[float, float]] | None = None,
        *,
        fixed: Mapping[str, object] | None = None,
        probes: Mapping[str, object] | None = None,
        target: Target | None = None,
        **settings: object,
    ) -> None:
        layout, settings = split_keywords(type(self), settings)
        with as_usual():
            self._problems = LossProblems(loss, target, axes=axes, fixed=fixed, probes=probes)
        super().__init__(**layout)
        self._begin(settings)

    def _make_settings(self, *given: Any) -> ChosenLosses:
        def stood() -> dict[str, float]:
            if (shown := self._work.shown) is None:
                return {}
            names = (name for name, _, _ in shown.settings.axes)
            return dict(zip(names, place_in(self.point, shown), strict=True))

        return ChosenLosses(self._problems, stood, self, *given)

    def _set_up(self, settings: Mapping[str, Any]) -> None:
        self._settings.values()  # makes the defaults that depend on the loss, to which a refused setting returns
        with self._settings.together():
            self.example = settings.get("example", self._problems.first)
            for name, value in {**self._settings.usual_view(), **settings}.items():
                setattr(self, name, value)
        self._settings.initial = self._settings.values()
        self._figure, self._kept = SurfaceFigure(*self._frame.size), Kept()
        constants = max(len(self._problems[name].parameters) for name in {self.example, self._problems.first}) - 1
        self.controls, column, self._parts_shown = make_controls(
            meanings(self), self._problems.names, constants, self._buttons
        )
        self._told.besides = (self._parts_shown.here,)
        self._constant_rows = self._parts_shown.constants
        self._settings.sliders = len(self._constant_rows)
        self._assemble(self._figure.figure, column)
        self._work.refresh()

    # -- results ------------------------------------------------------------------------------------------

    @property
    def grids(self) -> dict[str, SurfaceGrid]:
        """The surface of each loss shown, by name."""
        return dict(self._work.settled().grids)

    @property
    def findings(self) -> dict[str, list[Finding]]:
        """The verdict on each loss shown, by name, worst first."""
        return self._work.settled().findings

    @property
    def rows(self) -> list[ProbeRow]:
        """The table at representative inputs."""
        return list(self._work.settled().rows)

    def code(self) -> str:
        """Return a script that checks the loss shown, to keep beside the project's own tests."""
        result = self._work.settled()
        return code(self._settings.problem, result.settings)

    # -- computing ----------------------------------------------------------------------------------------

    def _compute(self, settings: LossSettings) -> Generator[float | LossResult, None, LossResult]:
        return self._problems[settings.example].work(settings)

    def _view(self) -> ViewSettings:
        optimizer, frame = SGD(self.lr, self.momentum) if self.descent else None, self._frame
        seen = frame.theme, frame.size, frame.magnified, self._guessing.covered
        return ViewSettings(self.point, optimizer, self.scale, self.arrows, *seen)

    def _state(self) -> State:
        """Everything that decides what is shown now."""
        return State(self._settings.problem, self._snapshot(), self._view())

    def _lowest(self) -> int:
        # With a third map there are two rows of them.
        return _LOW if len(self._settings.axes) == 2 and self.compare is not None else LOWEST

    # -- showing ------------------------------------------------------------------------------------------

    def _show(self, result: LossResult) -> None:
        view = self._view()
        standing = standing_in(view, result, self._kept)
        self._frame.canvas.redraw(self._figure.update(scene_of(view, result, standing, self._kept)))
        if result.exact:
            self._verdict = result
        said = words_of(self._verdict, result, standing)
        if result.exact:
            self.summary = said.summary
        if self._verdict is not None:
            self._told.show(said)
        self._parts_shown.here.value = bar_of(result, standing)
        self._show_controls(result)
        if result.exact:
            self._errors.complain("")

    def _show_controls(self, result: LossResult) -> None:
        settings, controls, place = self._settings, self.controls, place_in(self.point, result)
        problem, names, spans, losses = (
            settings.problem,
            settings.constants,
            settings.ranges,
            list(settings.problem.losses),
        )
        pairs = [f"{a}{BOTH}{b}" for i, a in enumerate(losses) for b in losses[i + 1 :]]
        controls["shown"].offer([*losses, *pairs])
        controls["x_axis"].offer(problem.parameters)
        controls["y_axis"].offer([*problem.parameters, NONE])
        for k, row in enumerate(self._constant_rows):
            row.layout.display = "" if k < len(names) else "none"
            if k < len(names):
                stops = constant_stops(problem.value_of(names[k]), problem.known_ranges.get(names[k]))
                control = controls[f"constant {k + 1}"]
                control.rebind(names[k], stops, f"{names[k]}, a parameter that is on no axis")
                control.show(settings.value_of(names[k]))
        controls["x_range"].show(spans[0])
        if len(spans) == 2:
            controls["y_range"].show(spans[1])
        controls["y_range"].enable(len(spans) == 2, "" if len(spans) == 2 else "needs a vertical axis")
        controls["point"].show(place if len(place) == 2 else (*place, 0.0))
        controls["point"].name_parts([name for name, _, _ in result.settings.axes])
        controls["shown"].show(BOTH.join(settings.losses))
        for name in _SAME_NAMES:
            controls[name].show(getattr(self, name))
        controls["y_axis"].show(self.y_axis if len(spans) == 2 else NONE)
        looks, choice = self._parts_shown.looks, len(losses) > 1
        controls["shown"].reveal(choice, looks)
        self._parts_shown.loss.layout = looks.layout(**({} if choice or names else {"display": "none"}))
        controls["arrows"].reveal(len(place) == 2, looks)  # a curve has none
        for name in ("lr", "momentum"):
            controls[name].reveal(self.descent, looks)
            controls[name].enable(self.descent, "" if self.descent else "tick descent first")
        self._frame.page.tips = {c.box.description: c.box.tooltip for c in controls.values() if isinstance(c, Check)}
        self._update_folds()

    def _usual_in_folds(self) -> Mapping[str, object]:
        return {**super()._usual_in_folds(), **self._settings.usual_view()}

    def _show_control(self, name: str) -> None:
        if self._work.shown is not None:
            self._show_controls(self._work.shown)

    # -- a lesson -----------------------------------------------------------------------------------------

    def _make_lesson(self, parts: Parts) -> ConstantsLesson:
        return ConstantsLesson(
            self,
            self._turns,
            parts,
            fixed=lambda: self.fixed,
            sliders=lambda: [self.controls[f"constant {k + 1}"] for k in range(self._settings.sliders)],
            constants=lambda: self._settings.constants,
            value=self._settings.value_of,
        )

    # -- a guess before the picture -----------------------------------------------------------------------

    def _question(self) -> LossQuestion:
        def draw(result: LossResult) -> Redraw:
            self._parts_shown.here.value = ""
            cover(self._figure, self._view(), result)
            return EVERYTHING

        def standing() -> tuple[LossResult, tuple[float, ...], Mapping[str, Descent | None]]:
            result = self._work.settled()
            here = standing_in(self._view(), result, self._kept)
            return result, here.place, here.descents

        return LossQuestion(
            losses=lambda: self._settings.losses,
            draw=draw,
            fate_missing=lambda: "" if self.descent else "tick descent first",
            standing=standing,
            about=lambda: (self._snapshot(), self.descent, self.lr, self.momentum, self.point),
        )

    def _invalidate(self) -> None:
        self._figure.invalidate()

    # -- what the mouse does ------------------------------------------------------------------------------

    def _pictured(self) -> SurfaceFigure:
        return self._figure

    def _move(self, event: MouseEvent) -> None:
        """Move the operating point to the mouse; a drag stays with the axes on which it began."""
        if event.name == "button_press_event":
            self._grip = event.inaxes
        found = self._figure.point_at(self._grip, event.x, event.y)
        if found is None:
            return
        place = place_in(self.point, self._work.seen)
        moved = [old if new is None else new for new, old in zip(found, (*place, 0.0), strict=False)]
        self.controls["point"].choose(tuple(float(f"{v:.4g}") for v in moved))
