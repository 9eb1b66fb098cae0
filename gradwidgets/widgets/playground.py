"""OptimizerPlayground: drag SGD's settings and watch what they do to a descent.

Left the controls; right the loss maps with the paths of all losses shown, the data with the fitted lines, the loss
of every step; below them one line of words a loss.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import dataclass, replace

import ipywidgets as widgets
import numpy as np
from traitlets import Bool, TraitError, validate

from gradwidgets.core import (
    DATASETS,
    LOSSES,
    OBJECTIVES,
    SGD,
    Objective,
    Outcome,
    Regression,
    Stability,
    SurfaceGrid,
    Trajectory,
    as_objective,
    descending_each,
    outcome,
    regression,
    sampling_each,
    script,
    stability,
    step_parts,
)
from gradwidgets.figures.playground import Maps, PlaygroundFigure, Run
from gradwidgets.figures.style import STYLES
from gradwidgets.widgets import words
from gradwidgets.widgets.canvas import LiveCanvas
from gradwidgets.widgets.controls import WIDTH as CONTROLS_WIDTH
from gradwidgets.widgets.job import Job
from gradwidgets.widgets.mainloop import call_soon
from gradwidgets.widgets.panel import Panel
from gradwidgets.widgets.playground_controls import make_controls
from gradwidgets.widgets.presets import PRESETS
from gradwidgets.widgets.traits import OneOf, Pair, Real, SomeOf, Whole

_YOURS = "yours"
_PAGE = (848, 800)  # width of a notebook's output and height of the window, until the page tells
_PREVIEW_POINTS = 2_000
_DRAWN_STEPS = 3_000
_LOSSES = tuple(LOSSES)


@dataclass(frozen=True)
class Settings:
    """What a run depends on."""

    dataset: str
    losses: tuple[str, ...]
    delta: float
    beta: float
    optimizer: SGD
    steps: int
    start: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Result:
    """Everything computed for one `Settings`; dicts are by loss name."""

    settings: Settings
    objectives: Mapping[str, Objective]
    surfaces: Mapping[str, SurfaceGrid]
    trajectories: Mapping[str, Trajectory]
    outcomes: Mapping[str, Outcome]
    stability: Mapping[str, Stability | None]
    preview_of: int | None = None  # how many points there really are, where only a sample was used


class OptimizerPlayground(Panel):
    """What SGD's settings do to a descent, followed by hand.

    Without arguments one neuron, y = weight·x + bias, is fitted to 50 points under four losses.

    Args:
        x: Inputs, (n,): a list, a NumPy array, a torch tensor or a pandas column.
        y: Targets, (n,).
        objective: Instead of data: a name in `gradwidgets.core.OBJECTIVES`, an `Objective`, or any torch function
            of two parameters, `f(a, b)` or `f(points)` with points of shape (..., 2).
        **settings: Initial values of the traits below, and `layout`.

    Attributes:
        lr: Learning rate.
        momentum: Share of the last step's buffer that is kept.
        dampening: Share of the gradient that is kept out of the buffer.
        weight_decay: Pull towards the origin, as a multiple of the parameters.
        nesterov: Whether momentum looks ahead; needs momentum > 0 and dampening = 0.
        maximize: Whether to climb instead.
        steps: Number of steps, 0 to 100,000.
        start: Where the descent starts, in the order of the objective's parameters: (weight, bias).
        losses: Which of the four losses are shown.
        delta: Where Huber's loss turns from quadratic to linear.
        beta: The same for SmoothL1.
        arrows: Whether the maps carry the field of negative gradients.
        dataset: Name of the data or of the ready-made objective; `"yours"` for what was passed in.
        step: Up to which step the run is shown; None for all of it.
        theme: `"auto"` (JupyterLab's), `"light"` or `"dark"`.
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

    lr = Real(0.1, low=0, high=1e6).tag(setting=True)
    momentum = Real(0.0, low=0, high=10).tag(setting=True)
    dampening = Real(0.0, low=0, high=1).tag(setting=True)
    weight_decay = Real(0.0, low=0, high=1e6).tag(setting=True)
    nesterov = Bool(False).tag(setting=True)
    maximize = Bool(False).tag(setting=True)
    steps = Whole(100, low=0, high=100_000).tag(setting=True)
    start = Pair((6.0, -3.0)).tag(setting=True)
    losses = SomeOf(_LOSSES, _LOSSES).tag(setting=True)
    delta = Real(1.0, low=0, high=1e6, above=True).tag(setting=True)
    beta = Real(1.0, low=0, high=1e6).tag(setting=True)
    arrows = Bool(False).tag(setting=True)
    dataset = OneOf("article", lambda self: self._problems()).tag(setting=True)
    step = Whole(None, low=0, high=100_000, allow_none=True).tag(setting=True)
    theme = OneOf("auto", lambda self: ("auto", *STYLES)).tag(setting=True)

    def __init__(self, x: object = None, y: object = None, *, objective: object = None, **settings: object) -> None:
        self._yours: Objective | None = None
        self._cache: dict[tuple, tuple[Objective, SurfaceGrid | None]] = {}
        self._result: Result | None = None
        self._job: Job | None = None
        layout = {name: settings.pop(name) for name in ("layout", "box_style") if name in settings}
        unknown = sorted(set(settings) - set(self.settings()))
        if unknown:
            raise TypeError(
                f"OptimizerPlayground has no setting {', '.join(unknown)}; it has {', '.join(self.settings())}"
            )
        self._accept_problem(x, y, objective)
        super().__init__(**layout)
        with self._together():
            if self._yours is not None and "dataset" not in settings:
                self.dataset = _YOURS
            for name, value in settings.items():
                setattr(self, name, value)
            self._suit_problem({"start", "lr"} - set(settings))
        self._initial = self._values()
        self._figure = PlaygroundFigure(*self._picture_size({}))
        self.canvas = LiveCanvas(self._figure.figure, self._on_mouse)
        self._drawn: tuple | None = None
        self._assemble()
        self._connect(self.canvas)
        try:
            self._refresh()
        except Exception:
            self.close()
            raise
        self._ready = True
        self.page.observe(self._on_page, "size")

    # -- results ------------------------------------------------------------------------------------------

    @property
    def trajectories(self) -> dict[str, Trajectory]:
        """The run of each loss shown, by name."""
        return dict(self._settled().trajectories)

    @property
    def surfaces(self) -> dict[str, SurfaceGrid]:
        """The map of each loss shown, by name."""
        return dict(self._settled().surfaces)

    @property
    def stability(self) -> dict[str, Stability | None]:
        """The stability of each loss shown at its minimum, by name; None where no minimum is known."""
        return dict(self._settled().stability)

    @property
    def figure(self):
        """The Matplotlib figure."""
        return self._figure.figure

    def _settled(self) -> Result:
        if self._job is not None and self._job.running:
            self._job.finish()
        if self._result is None:
            raise RuntimeError(f"there is no result yet: {self.error}")
        return self._result

    # -- the problem --------------------------------------------------------------------------------------

    def _accept_problem(self, x: object, y: object, objective: object) -> None:
        if objective is not None:
            if x is not None or y is not None:
                raise ValueError("give x and y, or an objective, not both")
            if isinstance(objective, str):
                if objective not in OBJECTIVES:
                    raise ValueError(f"objective must be one of {', '.join(OBJECTIVES)}; got {objective!r}")
                self._yours = OBJECTIVES[objective]
            else:
                self._yours = objective if isinstance(objective, Objective) else as_objective(objective)
        elif x is not None or y is not None:
            if x is None or y is None:
                raise ValueError(f"x and y belong together; {'x' if x is None else 'y'} is missing")
            self._yours = regression(x, y)

    def _problems(self) -> tuple[str, ...]:
        return (*(() if self._yours is None else (_YOURS,)), *DATASETS, *OBJECTIVES)

    def _suit_problem(self, names: Collection[str]) -> None:
        """Give `start` and `lr`, as far as named, values that show something of the present problem."""
        objectives = self._objectives(self._settings_now())
        if "start" in names:
            self.start = next(iter(objectives.values())).start
        if "lr" in names:
            optimizer = replace(self._settings_now().optimizer, lr=0.1)
            # MSE is the steepest and its minimum the cheapest: with it, the others need not be asked.
            asked = [objectives["MSE"]] if "MSE" in objectives else [o for o in objectives.values() if o.smooth]
            found = [_stability(objective, optimizer) for objective in asked]
            limits = [stable.lr_limit for stable in found if stable is not None and stable.lr_limit]
            self.lr = float(f"{min([0.1, *(limit / 2 for limit in limits)]):.1g}")

    def _objectives(self, settings: Settings) -> dict[str, Objective]:
        name = settings.dataset
        if name == _YOURS:
            problem = self._yours
        elif name in OBJECTIVES:
            problem = OBJECTIVES[name]
        else:
            problem = self._remembered((name,), lambda: regression(*DATASETS[name]()))
        if not isinstance(problem, Regression):
            return {problem.name: self._remembered((name,), lambda: problem)}
        thresholds = {"Huber": settings.delta, "SmoothL1": settings.beta}
        return {
            loss: self._remembered(
                (name, loss, thresholds.get(loss)),
                lambda loss=loss: problem.with_loss(loss, delta=settings.delta, beta=settings.beta),
            )
            for loss in settings.losses
        }

    def _remembered(self, key: tuple, make: Callable[[], Objective]) -> Objective:
        if key not in self._cache:
            if len(self._cache) > 64:  # a dragged delta leaves a trail of maps
                self._cache.clear()
            self._cache[key] = (make(), None)
        return self._cache[key][0]

    # -- computing ----------------------------------------------------------------------------------------

    @validate("nesterov", "momentum", "dampening")
    def _nesterov_excludes_dampening(self, proposal):
        wanted = {n: getattr(self, n) for n in ("nesterov", "momentum", "dampening")}
        wanted[proposal["trait"].name] = proposal["value"]
        if wanted["nesterov"] and (wanted["momentum"] <= 0 or wanted["dampening"] != 0):
            raise TraitError(
                "nesterov needs momentum > 0 and dampening = 0, as in torch.optim.SGD; "
                f"got momentum {wanted['momentum']:g} and dampening {wanted['dampening']:g}"
            )
        return proposal["value"]

    def _settings_now(self) -> Settings:
        optimizer = SGD(
            self.lr, self.momentum, self.dampening, self.weight_decay, self.nesterov, maximize=self.maximize
        )
        return Settings(self.dataset, self.losses, self.delta, self.beta, optimizer, self.steps, self.start)

    def _refresh(self) -> None:
        settings = self._settings_now()
        running = self._job is not None and self._job.running
        if self._result is not None and settings == self._result.settings and not running:
            self._show(self._result)  # only the view changed
            return
        if self._job is not None:
            self._job.stop()
        self._job = Job(self._work(settings), self._done, self._fail, self._show_progress)
        if not self._job.start():
            self._preview(settings)
            self._show_progress(0.0)
            self._job.go_on()

    def _work(self, settings: Settings, preview_of: int | None = None) -> Generator[float, None, Result]:
        objectives = self._objectives(settings)
        yield 0.0
        keys = {id(objective): key for key, (objective, _) in self._cache.items()}
        grids = {name: self._cache[keys[id(o)]][1] for name, o in objectives.items()}
        missing = {name: objectives[name] for name, grid in grids.items() if grid is None}
        share = 0.0
        if missing:
            share = 0.5
            axes = next(iter(objectives.values())).view
            found = yield from _scaled(sampling_each(missing, axes), 0.0, share)
            for name, grid in found.items():
                grids[name] = grid
                self._cache[keys[id(objectives[name])]] = (objectives[name], grid)
        runs = yield from _scaled(
            descending_each(objectives, settings.optimizer, settings.start, settings.steps), share, 1.0
        )
        return Result(
            settings,
            objectives,
            grids,
            runs,
            {name: outcome(runs[name], objective) for name, objective in objectives.items()},
            {name: _stability(objective, settings.optimizer) for name, objective in objectives.items()},
            preview_of,
        )

    def _done(self, result: Result) -> None:
        self._result = result
        self._show(result)

    def _preview(self, settings: Settings) -> None:
        """Show a run on a sample of the points while all of them are on their way."""
        exact = self._yours
        if settings.dataset != _YOURS or not isinstance(exact, Regression) or exact.sample.n <= 4 * _PREVIEW_POINTS:
            return
        x, y = exact.sample.x, exact.sample.y
        chosen = np.random.default_rng(0).choice(len(x), _PREVIEW_POINTS, replace=False)
        whole = self._yours, self._cache
        try:
            self._yours, self._cache = regression(x[chosen], y[chosen]), {}
            work = self._work(replace(settings, steps=min(settings.steps, 1000)), preview_of=len(x))
            while True:
                next(work)
        except StopIteration as end:
            self._show(replace(end.value, settings=settings), view=exact.view)
        finally:
            self._yours, self._cache = whole

    # -- showing ------------------------------------------------------------------------------------------

    def _assemble(self) -> None:
        self.controls, column = make_controls(self)
        self.progress = widgets.FloatProgress(min=0, max=1, layout=widgets.Layout(width="220px", margin="2px 8px"))
        stop = widgets.Button(description="Stop", tooltip="stop computing; the picture stays as it is",
                              layout=widgets.Layout(width="70px"))  # fmt: skip
        stop.on_click(lambda _: call_soon(self._stop))
        self._busy = widgets.HBox(
            [widgets.Label("computing"), self.progress, stop], layout=widgets.Layout(display="none")
        )
        picture = widgets.Box([self.canvas], layout=widgets.Layout(overflow="hidden"))
        picture.layout.flex, picture.layout.width, picture.layout.margin = "1 1 auto", "0", "0 0 0 6px"
        self.children = [
            self._style_sheet,
            self.page,
            widgets.HBox([column, picture], layout=widgets.Layout(width="100%", align_items="flex-start")),
            self._alert,
            self._busy,
            self._words,
        ]

    def _picture_size(self, page: Mapping[str, object]) -> tuple[int, int]:
        width, height = (
            page[side] if isinstance(page.get(side), int) else usual
            for side, usual in (("width", _PAGE[0]), ("height", _PAGE[1]))
        )
        width, height = width - CONTROLS_WIDTH - 12, height - 334  # what else stands beside and above the picture
        width = max(400, min(width, 1500))
        return width, max(380, min(height, 900, round(width * 0.85)))

    def _style_name(self) -> str:
        if self.theme != "auto":
            return self.theme
        return "dark" if self.page.size.get("dark") else "light"

    def _show(self, result: Result, view=None) -> None:
        """Bring picture, controls and words to `result` and the present view of it."""
        settings, names = result.settings, tuple(result.objectives)
        first = next(iter(result.objectives.values()))
        self._axes_order = [first.parameters.index(name) for name in (view or first.view)]
        structure = (
            settings.dataset,
            names,
            self._style_name(),
            self.arrows,
            result.preview_of,
            self._picture_size(self.page.size),
        )
        ground = tuple(id(result.surfaces[name]) for name in names)
        if self._drawn is None or self._drawn[0] != structure:
            self._figure.build(
                self._maps(result), style=STYLES[self._style_name()], arrows=self.arrows, steps=settings.steps
            )
            self.canvas.stale()
        elif self._drawn[1] != ground:
            self.canvas.stale(self._figure.show_maps(self._maps(result)))
        if self._drawn is not None and self._drawn[2] != settings.steps:
            self.canvas.stale(self._figure.set_steps(settings.steps))
        self._drawn = (structure, ground, settings.steps)
        self._show_runs(result)
        self.canvas.paint()
        self._show_words(result)
        self._show_controls(result)
        self.complain("")
        running = self._job is not None and self._job.running
        if not running:
            self._busy.layout.display = "none"

    def _shown_step(self, result: Result) -> int | None:
        return None if self.step is None or self.step >= result.settings.steps else self.step

    def _show_runs(self, result: Result) -> None:
        k, order = self._shown_step(result), self._axes_order
        runs = {}
        self._parts = {}
        for name, run in result.trajectories.items():
            points = run.points.numpy()
            last = len(points) - 1 if k is None else k
            alive = len(points) if run.diverged_at is None else run.diverged_at
            count = min(last + 1, alive + 1)
            path = points[:count][:, order]
            path = path[np.isfinite(path).all(axis=1)]
            ended = np.isfinite(points[last]).all()
            vectors = {}
            if k is not None and last < alive:
                part = self._parts[name] = step_parts(run, result.objectives[name], result.settings.optimizer, k)
                vectors = _vectors(part, order, result.settings.optimizer)
            objective = result.objectives[name]
            slope_intercept = tuple(points[last]) if isinstance(objective, Regression) and ended else None
            runs[name] = Run(
                path=_thinned(path),
                losses=run.losses.numpy()[: last + 1],
                end=points[last][order] if ended else None,
                fit=slope_intercept,
                vectors=vectors,
            )
        if self._figure.explain(runs):
            self.canvas.stale()
        self._figure.update(runs, [result.settings.start[i] for i in order])

    def _maps(self, result: Result) -> Maps:
        names = tuple(result.objectives)
        grid = result.surfaces[names[0]]
        order = self._axes_order
        first = result.objectives[names[0]]
        return Maps(
            names=names,
            x_name=grid.x_name,
            y_name=grid.y_name,
            x=grid.x.numpy(),
            y=grid.y.numpy(),
            loss={n: result.surfaces[n].loss.numpy() for n in names},
            gradient={n: (result.surfaces[n].grad_x.numpy(), result.surfaces[n].grad_y.numpy()) for n in names},
            minima={n: np.array(o.minima, float).reshape(-1, 2)[:, order] for n, o in result.objectives.items()},
            lowest={n: _lowest(o) for n, o in result.objectives.items()},
            data=(first.sample.x.numpy(), first.sample.y.numpy()) if isinstance(first, Regression) else None,
        )

    def _show_words(self, result: Result) -> None:
        settings, k = result.settings, self._shown_step(result)
        facts = (result.objectives, result.outcomes, result.stability, settings.optimizer, settings.steps)
        text, table = words.summary(*facts), words.table(*facts)
        if k is not None:
            table = words.step_table(self._parts, result.trajectories, k)
            text += "\n" + "\n".join((f"step {k} of {settings.steps}", *words.step_notes(self._parts)))
        if result.preview_of:
            note = f"preview from {_PREVIEW_POINTS:,} of {result.preview_of:,} points; the rest is being computed"
            text, table = f"{note}\n{text}", f'{table}<div class="note">{note}</div>'
        self._words.value = table
        self.summary = text

    def _show_controls(self, result: Result) -> None:
        for name, control in self.controls.items():
            if name == "step":
                control.span(self.steps)
            if name != "preset":
                control.show(getattr(self, name))
        self.controls["preset"].show(self._preset())
        fits = isinstance(next(iter(result.objectives.values())), Regression)
        for name in ("delta", "beta", "losses"):
            self.controls[name].enable(fits, "" if fits else "only where a line is fitted to data")
        self.controls["dampening"].enable(
            not self.nesterov, "torch allows no dampening with Nesterov momentum" if self.nesterov else ""
        )
        blocked = not self.nesterov and (self.momentum == 0 or self.dampening != 0)
        reason = "Nesterov needs momentum above 0" if self.momentum == 0 else "Nesterov needs dampening 0"
        self.controls["nesterov"].enable(not blocked, reason if blocked else "")
        first = next(iter(result.objectives.values()))
        self.controls["start"].label.value = "start " + ", ".join(p if len(p) < 3 else p[0] for p in first.parameters)

    def _preset(self) -> str:
        """The preset whose settings are the present ones, or ""."""
        fitting = (n for n, preset in PRESETS.items() if all(getattr(self, k) == v for k, v in preset.items()))
        return next(fitting, "")

    def _fail(self, failure: Exception) -> None:
        if self._result is None and not self._ready:
            raise failure  # nothing to show yet: whoever made the playground gets the exception itself
        self._busy.layout.display = "none"
        super()._fail(failure)

    def _problem_repr(self) -> tuple[str, ...]:
        if self.dataset != _YOURS or self._yours is None:
            return ()
        return ("x", "y") if isinstance(self._yours, Regression) else (f"objective={self._yours!r}",)

    def _show_progress(self, share: float) -> None:
        self.progress.value = share
        if self._busy.layout.display:
            self._busy.layout.display = ""

    def _stop(self) -> None:
        if self._job is not None:
            self._job.stop()
        self._busy.layout.display = "none"
        self.complain("Stopped before all was computed; the next change starts anew.")

    # -- what the page does -------------------------------------------------------------------------------

    def _apply(self, values: Mapping[str, object]) -> None:
        values = dict(values)
        preset = values.pop("preset", None)
        if preset in PRESETS:
            with self._together():
                for name, value in PRESETS[preset].items():
                    setattr(self, name, value)
        if "dataset" in values and values["dataset"] != self.dataset:
            with self._together():
                self.dataset = values.pop("dataset")
                self._suit_problem({"start", "lr"} - set(values))
        super()._apply(values)

    def _on_mouse(self, event) -> None:
        held = (
            event.button
            if event.name == "button_press_event"
            else next(iter(getattr(event, "buttons", ()) or ()), None)
        )
        if held != 1:
            return
        point = self._figure.point_at(event.inaxes, event.xdata, event.ydata)
        if point is not None:
            start = [0.0, 0.0]
            for index, value in zip(self._axes_order, point, strict=True):
                start[index] = value
            self.controls["start"].choose(tuple(float(f"{v:.4g}") for v in start))

    def _on_page(self, change) -> None:
        call_soon(self._fit_page)

    def _fit_page(self) -> None:
        if not self._ready:
            return
        size = self._picture_size(self.page.size)
        if self._drawn is not None and self._drawn[0][-1] != size:
            self.canvas.resize(*size)
        if self._result is not None:
            self._attempt(lambda: self._show(self._result))

    # -- taking it home -----------------------------------------------------------------------------------

    def code(self) -> str:
        """Return a torch script that makes the shown runs with `torch.optim.SGD` and prints where they end."""
        result = self._settled()
        settings = result.settings
        return script(result.objectives, settings.optimizer, settings.start, settings.steps)

    def copy_code(self) -> None:
        """Put `code()` on the reader's clipboard."""
        self._attempt(lambda: self.page.copy(self.code()))

    def save_png(self) -> None:
        """Hand `png()` to the browser as a download."""
        self._attempt(lambda: self.canvas.download_png(self.png(), "gradwidgets-playground"))

    def reset(self) -> None:
        """Go back to the settings that the playground was made with."""
        with self._together():
            for name, value in self._initial.items():
                setattr(self, name, value)

    def close(self) -> None:
        """Free the picture and everything registered for it. May be called again."""
        if self._job is not None:
            self._job.stop()
        super().close()


def _scaled(work: Generator[float, None, object], low: float, high: float) -> Generator[float, None, object]:
    while True:
        try:
            share = next(work)
        except StopIteration as end:
            return end.value
        yield low + (high - low) * share


def _stability(objective: Objective, optimizer: SGD) -> Stability | None:
    return stability(objective, optimizer) if objective.minima else None


def _lowest(objective: Objective) -> float | None:
    if not objective.minima:
        return None
    return float(objective(objective.minima).min())


def _thinned(path: np.ndarray) -> np.ndarray:
    """Keep every early step and an even sample of a very long run's later ones."""
    if len(path) <= _DRAWN_STEPS:
        return path
    head = _DRAWN_STEPS // 2
    later = np.linspace(head, len(path) - 1, _DRAWN_STEPS - head).round().astype(int)
    return path[np.concatenate([np.arange(head), later])]


def _vectors(part, order: list[int], optimizer: SGD) -> dict[str, np.ndarray]:
    """Return the displacements that make up a step, horizontal first, those that are not zero."""
    vectors = {
        "gradient": part.gradient_part.numpy()[order],
        "momentum": part.momentum_part.numpy()[order],
        "decay": part.weight_decay_part.numpy()[order],
        "step": (part.next_point - part.point).numpy()[order],
    }
    if part.lookahead_gradient is not None:
        vectors["look-ahead"] = -optimizer.lr * part.lookahead_gradient.numpy()[order]
    return {name: v for name, v in vectors.items() if np.isfinite(v).all() and np.any(v != 0)}
