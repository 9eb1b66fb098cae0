"""OptimizerPlayground: drag an optimizer's settings and watch what they do to a descent.

On the left are the controls; on the right the loss maps with the paths of all losses shown, the data with the fitted
lines, and the loss of every step. Below them is a line of words for each loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from matplotlib.backend_bases import MouseEvent
from traitlets import Bunch, TraitError, validate

from gradwidgets.core import LOSSES, OPTIMIZERS, Stability, SurfaceGrid, Trajectory, script
from gradwidgets.core.regression.losses import AT_FIRST, THRESHOLDS
from gradwidgets.core.results.slices import Slices
from gradwidgets.figures.playground.figure import PlaygroundFigure
from gradwidgets.widgets.controls import Check
from gradwidgets.widgets.helps import playground_help
from gradwidgets.widgets.kernel.as_usual import as_usual
from gradwidgets.widgets.kernel.making import whole_or_nothing
from gradwidgets.widgets.panel.own_settings import split_keywords
from gradwidgets.widgets.panel.panel import Panel
from gradwidgets.widgets.panel.traits import Flag, OneOf, Pair, SomeOf, Whole, meanings
from gradwidgets.widgets.playground import rules, swatches, thresholds
from gradwidgets.widgets.playground.badges import lr_limit
from gradwidgets.widgets.playground.controls import make_controls
from gradwidgets.widgets.playground.guess import DescentQuestion
from gradwidgets.widgets.playground.path_growth import Growth
from gradwidgets.widgets.playground.picture import axes_order
from gradwidgets.widgets.playground.problem import Given, Problems, Result, Settings
from gradwidgets.widgets.playground.scene import State, ViewSettings, scene_of
from gradwidgets.widgets.playground.suited import SuitedSettings


class OptimizerPlayground(Panel[Settings, Result]):
    """What an optimizer's settings do to a descent, explored by hand.

    Without arguments one neuron, y = weight·x + bias, is fitted to 50 points under four losses.

    Args:
        x: Inputs, (n,): a list, a NumPy array, a torch tensor or a pandas column.
        y: Targets, (n,).
        objective: Instead of data: a name in `gradwidgets.core.OBJECTIVES`, an `Objective`, or any torch function
            of two parameters, `f(a, b)` or `f(points)` with points of shape (..., 2).
        **settings: Initial values of the traits below, and `layout`.

    Attributes:
        optimizer: The optimizer, by its name in torch; it brings its own settings, and an lr that suits it where none
            was chosen. One of `"SGD"`, `"Adam"`, `"AdamW"`, `"NAdam"`, `"RAdam"`, `"Adamax"`, `"Adagrad"`,
            `"Adadelta"`, `"RMSprop"`, `"Rprop"`, `"ASGD"`.
        lr: Learning rate: how far one step goes along the negative gradient. A number from 0 to 1e6.
        momentum: How much of the last step is kept: a ball that rolls on (SGD, RMSprop). A number from 0 to 10.
        dampening: How much of the gradient stays out of the momentum (SGD). A number from 0 to 1.
        betas: How much of the averages is kept at every step: of the gradient, and of its square (Adam, AdamW, NAdam,
            RAdam, Adamax). Two numbers from 0 to below 1.
        initial_accumulator_value: The sum of squares before the first step: larger makes the first steps shorter
            (Adagrad). A number from 0 to 1e6.
        rho: How much of the averages is kept at every step: of the squares of gradients, and of steps (Adadelta). A
            number from 0 to 1.
        lambd: Pulls the parameters towards 0, and makes lr fall (ASGD). A number from 0 to 1e6.
        alpha: How much of the average of squares is kept at every step (RMSprop); how fast lr falls: after t steps it
            is lr / (1 + lambd · lr · t) to this power (ASGD). A number from 0 to 1.
        eps: Keeps the divisor from 0: larger makes small gradients count less (all but SGD, Rprop, ASGD). A number from
            0 to 1e6.
        lr_decay: How fast lr falls: after t steps it is lr / (1 + t · lr_decay) (Adagrad). A number from 0 to 1e6.
        t0: The step from which the points are averaged; the path does not depend on it (ASGD). A number from 0 to 1e6.
        weight_decay: Pulls the parameters towards 0 at every step (all but Rprop). A number from 0 to 1e6.
        nesterov: Nesterov: take the gradient after the momentum has moved; needs momentum above 0 and dampening 0
            (SGD).
        amsgrad: Divide by the largest average of squares so far, so that steps never grow again (Adam, AdamW).
        centered: Divide by the spread of the gradients about their mean, instead of their size (RMSprop).
        etas: What a step's size is multiplied by: where the gradient changed its sign, and where it kept it (Rprop).
            Two numbers from 0 to 10.
        step_sizes: The shortest and the longest step of a parameter (Rprop). Two numbers from 0 to 1e6.
        maximize: Climb the loss instead of descending it.
        momentum_decay: How soon momentum counts in full: at first it counts half (NAdam). A number from 0 to 1e6.
        decoupled_weight_decay: Apply weight decay to the parameters themselves, as AdamW does, not to their gradient
            (Adam, NAdam, RAdam).
        steps: The number of steps. A whole number from 0 to 100,000.
        start: Where the descent starts, in the order of the objective's parameters: (weight, bias). Two finite numbers,
            at most 1e150 in size.
        losses: The losses that are shown, a map each. One or more of `"MSE"`, `"L1"`, `"Huber"`, `"SmoothL1"`,
            `"LogCosh"`.
        delta: Huber: residuals beyond delta count linearly. A number above 0 up to 1e6.
        beta: SmoothL1: residuals beyond beta count linearly. A number from 0 to 1e6.
        arrows: Whether the field of negative gradients is drawn over the maps.
        dataset: The data that a line is fitted to, or a ready-made objective; `"yours"` is what was passed in. A name
            in `DATASETS` or `OBJECTIVES`, or `"yours"`.
        step: The step up to which the run is shown, with the parts of the next step. A whole number from 0 to 100,000,
            or `None` for the whole run.
        theme: The colours of the picture; `"auto"` follows JupyterLab. One of `"auto"`, `"light"`, `"dark"`.
        hide, lock, style, predict: What a teacher prepares, see `Panel`.
        error: What went wrong last; empty when all is well.
        summary: The outcome in words, one line a loss.

    Raises:
        TraitError: A setting is refused; it says what is allowed.
        ValueError: x and y cannot be fitted, or the objective is not one.
        TypeError: An argument is unknown or of a wrong type.

    Example:
        >>> from gradwidgets import OptimizerPlayground
        >>> playground = OptimizerPlayground(lr=0.05, momentum=0.9)
        >>> print(playground.summary)  # doctest: +SKIP
    """

    optimizer = OneOf(
        "SGD",
        lambda self: tuple(OPTIMIZERS),
        help="the optimizer, by its name in torch; it brings its own settings, and an lr that suits it where none was "
        "chosen",
    ).tag(setting=True)
    locals().update(rules.traits(lr=0.1))  # lr, momentum, betas …: a trait for every setting of every rule
    steps = Whole(100, low=0, high=100_000, help="the number of steps").tag(setting=True)
    start = Pair(
        (6.0, -3.0), help="where the descent starts, in the order of the objective's parameters: (weight, bias)"
    ).tag(setting=True)
    losses = SomeOf(AT_FIRST, lambda: LOSSES, help="the losses that are shown, a map each").tag(setting=True)
    locals().update(thresholds.traits())  # delta and beta: a trait for every setting that a loss has
    arrows = Flag(False, help="whether the field of negative gradients is drawn over the maps").tag(setting=True)
    dataset = OneOf(
        "article",
        lambda self: self._problems.names,
        help='the data that a line is fitted to, or a ready-made objective; "yours" is what was passed in',
    ).tag(setting=True, told='a name in `DATASETS` or `OBJECTIVES`, or `"yours"`')
    step = Whole(
        None,
        low=0,
        high=100_000,
        allow_none=True,
        help="the step up to which the run is shown, with the parts of the next step",
    ).tag(setting=True, none="for the whole run")

    _file_name = "gradwidgets-playground"
    _own_style = swatches.rules()
    _details = "Numbers"
    _height_over = 108
    _height_shared = 52
    _settings: SuitedSettings

    @whole_or_nothing
    def __init__(
        self, x: object = None, y: object = None, *, objective: Given | None = None, **settings: object
    ) -> None:
        layout, settings = split_keywords(type(self), settings)
        with as_usual():
            self._problems = Problems(x, y, objective)
        super().__init__(**layout)
        self._begin(settings)

    def _make_settings(self, *given: Any) -> SuitedSettings:
        return SuitedSettings(self._problems, self, *given)

    def _set_up(self, settings: Mapping[str, Any]) -> None:
        with self._settings.together():
            self.dataset = self._problems.names[0]
            for name, value in settings.items():
                setattr(self, name, value)
            for name, value in rules.usual(self.optimizer).items():
                if name not in settings:
                    setattr(self, name, value)
            if "start" not in settings:
                self.start = self._problems[self.dataset].base.start
            if "lr" not in settings:
                self.lr = self._settings.suitable_lr(self.dataset, self.optimizer)
        self._settings.initial = self._settings.values()
        self._figure = PlaygroundFigure(*self._frame.size)
        self.controls, column, self._looks = make_controls(meanings(self), self._problems.names, self._buttons)
        self._assemble(self._figure.figure, column)
        self._growth = Growth(
            self.page, lambda share: self._errors.attempt_beside(lambda: self._grow(share)),
            may=self._at_rest, free=lambda: not self.canvas.under_way,
        )  # fmt: skip
        self._frame.come_to_rest = self._growth.finish
        self._work.refresh()

    # -- results ------------------------------------------------------------------------------------------

    @property
    def trajectories(self) -> dict[str, Trajectory]:
        """The run of each loss shown, by name."""
        return dict(self._work.settled().trajectories)

    @property
    def surfaces(self) -> dict[str, SurfaceGrid]:
        """The map of each loss shown, by name."""
        return dict(self._work.settled().surfaces)

    @property
    def stability(self) -> dict[str, Stability | None]:
        """The stability of each loss shown at its minimum, by name; None where no minimum is known."""
        return dict(self._work.settled().stability)

    def code(self) -> str:
        """Return a torch script that makes the shown runs with `torch.optim` and prints where they end."""
        result = self._work.settled()
        settings = result.settings
        with as_usual():
            return script(result.objectives, settings.optimizer, settings.start, settings.steps)

    # -- computing ----------------------------------------------------------------------------------------

    @validate("nesterov", "momentum", "dampening")
    def _nesterov_excludes_dampening(self, proposal: Bunch) -> float | bool:
        wanted = {name: getattr(self, name) for name in ("nesterov", "momentum", "dampening")}
        wanted[proposal.trait.name] = proposal.value
        if self.optimizer == "SGD" and wanted["nesterov"] and (wanted["momentum"] <= 0 or wanted["dampening"] != 0):
            raise TraitError(
                "nesterov needs momentum > 0 and dampening = 0, as in torch.optim.SGD; "
                f"got momentum {wanted['momentum']:g} and dampening {wanted['dampening']:g}"
            )
        return proposal.value

    @validate("etas")
    def _etas_shrink_and_grow(self, proposal: Bunch) -> tuple[float, float]:
        less, more = proposal.value
        if not 0 < less < 1 < more:
            raise TraitError(
                "etas must be a number between 0 and 1, and one above 1, as in torch.optim.Rprop; "
                f"got {less:g} and {more:g}"
            )
        return less, more

    def _state(self) -> State:
        """Everything that decides what is shown now."""
        return State(self._problems[self.dataset], self._snapshot(), self._view())

    def _snapshot(self) -> Settings:
        optimizer = rules.rule_of(self)
        return Settings(self.dataset, self.losses, thresholds.chosen(self), optimizer, self.steps, self.start)

    def _compute(self, settings: Settings) -> Slices[Result]:
        return self._problems[settings.dataset].work(settings)

    def _preview(self, settings: Settings) -> Result | None:
        return self._problems[settings.dataset].preview(settings)

    # -- showing ------------------------------------------------------------------------------------------

    def _view(self) -> ViewSettings:
        frame, answer = self._frame, self._guessing.drawn
        playing = self.controls["step"].playing
        return ViewSettings(
            self.step, frame.theme, self.arrows, frame.size, frame.magnified, answer, self._guessing.covered, playing
        )

    def _show(self, result: Result) -> None:
        """Update picture, controls and words to `result` and its current view."""
        self._scene, said = scene_of(self._view(), result)
        self._growth.shown(result)
        self._frame.canvas.redraw(self._figure.update(self._scene))
        self._tell(said)
        self._show_controls(result)
        self._errors.complain("")

    def _grow(self, share: float) -> None:
        """Show the paths up to a share of their way."""
        scene = replace(self._scene, grown=share)
        self._work.showing(lambda: self.canvas.redraw(self._figure.update(scene)))

    def _at_rest(self) -> bool:
        """Whether the picture shows whole runs that may grow, and nothing is under way."""
        waiting = self._choices.waiting() or self._turns.requested or self._work.running or self._turns.owed
        shown = self._ready and not self._guessing.covered and self._scene.step is None
        return shown and not waiting and not self._work.half_shown

    def _show_controls(self, result: Result) -> None:
        controls = self.controls
        controls["step"].span(self.steps)
        rules.show_those_of(self.optimizer, controls, self._looks)
        for name in controls:
            self._show_control(name)
        fits = self._problems[self.dataset].fits_data
        for name in (*THRESHOLDS, "losses"):
            controls[name].enable(fits, "" if fits else "only for a line fitted to data")
        self._helps["the optimizer"].value = playground_help.optimizer(self.optimizer)
        excluded = "must be 0 with Nesterov momentum" if self.nesterov else ""
        controls["dampening"].enable(not self.nesterov, excluded)
        blocked = not self.nesterov and (self.momentum == 0 or self.dampening != 0)
        reason = "needs momentum above 0" if self.momentum == 0 else "needs dampening 0"
        controls["nesterov"].enable(not blocked, reason if blocked else "")
        self._show_limit(result)
        self._frame.page.tips = {c.box.description: c.box.tooltip for c in controls.values() if isinstance(c, Check)}
        controls["start"].name_parts(next(iter(result.objectives.values())).parameters)
        self._update_folds()

    def _show_limit(self, result: Result) -> None:
        """Mark on lr's rail from where on a step does not contract."""
        lr, found = self.controls["lr"], lr_limit(result.stability)
        share = None if found is None else lr.share_of(found[0])
        self._frame.page.limits = {} if share is None else {lr.slider.description: share}
        lr.remark("" if found is None else found[1], over=found is not None and self.lr > found[0])

    def _usual_in_folds(self) -> Mapping[str, object]:
        usual = {**super()._usual_in_folds(), **rules.usual(self.optimizer)}
        return {**usual, "start": self._problems[self.dataset].base.start}

    # -- a guess before the picture -----------------------------------------------------------------------

    def _question(self) -> DescentQuestion:
        return DescentQuestion(
            self._figure,
            draw=lambda result: self._figure.update(scene_of(self._view(), result)[0]),
            shown=lambda: self._work.seen,
            settled=self._work.settled,
            about=self._snapshot,
        )

    def _invalidate(self) -> None:
        self._figure.invalidate()

    # -- what the page does -------------------------------------------------------------------------------

    def _show_control(self, name: str) -> None:
        self.controls[name].show(self._settings.preset() if name == "preset" else getattr(self, name))

    def _pictured(self) -> PlaygroundFigure:
        return self._figure

    def _move(self, event: MouseEvent) -> None:
        """Move the start to the mouse."""
        point = self._figure.point_at(event.inaxes, event.xdata, event.ydata)
        if point is not None:
            start = dict(zip(axes_order(self._work.seen), point, strict=True))
            self.controls["start"].choose((float(f"{start[0]:.4g}"), float(f"{start[1]:.4g}")))
