"""LayerFlowPanel: where does the gradient die, and what fixes it?

Five views of one network, each with its controls on the left, its picture on the right and its words below: the
gradient on its way through the layers; a fix tried on a copy; clipping; curvature and noise; a training that runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import ipywidgets as widgets
from torch import nn
from traitlets import TraitError, default, validate

from gradwidgets.core import Finding
from gradwidgets.core.layers import ACTIVATIONS, INITS, TRIES, LayerFlow
from gradwidgets.core.results.slices import Slices, finish, part_of
from gradwidgets.figures.base.notebook_figure import Picture
from gradwidgets.figures.flow.guess_plot import GuessPlot
from gradwidgets.widgets.controls import Number
from gradwidgets.widgets.kernel.mainloop import after_each_cell
from gradwidgets.widgets.layers import guess
from gradwidgets.widgets.layers.clipping import THRESHOLDS
from gradwidgets.widgets.layers.controls import NORMALIZATION_NAMES, make_column, make_controls
from gradwidgets.widgets.layers.curvature import PARTS, Part
from gradwidgets.widgets.layers.picture import MEASURES, QUANTITIES, shown_layers
from gradwidgets.widgets.layers.presets import PRESETS
from gradwidgets.widgets.layers.problem import YOURS, FlowProblem, FlowResult, FlowSettings
from gradwidgets.widgets.layers.scene import VIEWS, State, covered_scene
from gradwidgets.widgets.layers.training.trainer import Trainer
from gradwidgets.widgets.layers.training.training_panel import TrainingPanel
from gradwidgets.widgets.layers.trying import NONE
from gradwidgets.widgets.layers.view import Request, View, ViewResult, ViewSettings
from gradwidgets.widgets.panel.making import whole_or_nothing
from gradwidgets.widgets.panel.prediction import Asked, Mark
from gradwidgets.widgets.panel.serial_box import shown_at_home
from gradwidgets.widgets.panel.settings_panel import close_all, descendants
from gradwidgets.widgets.panel.traits import Flag, OneOf, Real, Whole

NETWORK = ("architecture", "activation", "init", "gain", "normalization", "depth", "width", "batch", "seed")
_SHORT = 1.0  # seconds of measuring that nobody minds at the end of a cell


class LayerFlowPanel(TrainingPanel):
    """The gradient on its way through a network, layer by layer.

    Without a model, networks are built from the settings, and fed with random data. With one, that model is measured
    as it is and left bit-identical; only `apply_fix` changes it, and `undo_fix` brings it back.

    Args:
        model: Any `nn.Module`.
        inputs: A batch for it; a tuple is handed over as `model(*inputs)`, a dict as `model(**inputs)`.
        targets: What it should give.
        loss_fn: `loss_fn(output, targets)`, one number.
        **settings: Initial values of the traits below, and `layout`.

    Attributes:
        view: `"flow"`, `"doctor"`, `"clipping"`, `"curvature"` or `"live"`.
        architecture: `"plain"`, `"residual"`, `"dense"`, or `"yours"` for the model passed in.
        activation: A name in `gradwidgets.core.ACTIVATIONS`.
        init: A name in `gradwidgets.core.INITS`.
        gain: What the initial weights are multiplied by.
        normalization: `"none"`, `"layer"` or `"batch"`.
        depth: Layers of a plain network, blocks of the others, 1 to 1000.
        width: Units of a layer, 1 to 1024.
        batch: Samples, 1 to 4096.
        seed: Of weights and data.
        quantity: What is drawn: `"weight gradient"`, `"activation gradient"`, `"activation"` or `"update/weight"`.
        measure: `"rms"`, per element, or `"norm"`, of all of a layer.
        lr: Learning rate, of update/weight, of a fix's trial and of the demonstration.
        compare: Whether today's profile stays beside the next ones.
        fix: What the doctor tries: `"none"`, or a name that `panel.fixes` lists.
        clipper: Whose elements the clipping view shows: a name in `gradwidgets.core.CLIPPERS`.
        max_norm: Threshold of "norm".
        clip_value: Threshold of "value".
        percentile: Of this step's elements, for "percentile".
        history_percentile: Of the norms so far, for "autoclip".
        spike: What the step's gradients are multiplied by before they are clipped.
        steps: Of the demonstration, 1 to 100,000.
        theme: `"auto"` (JupyterLab's), `"light"` or `"dark"`.
        hide, lock, style, predict: What a teacher prepares, see `TaughtPanel` and `GuessedPanel`.
        error: What went wrong last; empty when all is well.
        summary: The verdict in words.

    Raises:
        TraitError: A setting is refused; it says what is allowed.
        ValueError: The model or the loss fails.
        TypeError: An argument is unknown, missing or of a wrong type.

    Example:
        >>> from gradwidgets import LayerFlowPanel
        >>> panel = LayerFlowPanel(activation="Sigmoid", init="default", depth=20)
        >>> panel.findings[0].name
        'vanishing'
    """

    view_types: ClassVar[Mapping[str, type[View]]] = VIEWS
    _for_records: ClassVar[type[LayerFlowPanel]]  # a subclass, which its own file names

    view = OneOf("flow", lambda self: self.offered).tag(setting=True)
    architecture = OneOf("", lambda self: self.problem.architectures).tag(setting=True)
    activation = OneOf("ReLU", lambda self: tuple(ACTIVATIONS)).tag(setting=True)
    init = OneOf("default", lambda self: tuple(INITS)).tag(setting=True)
    gain = Real(1.0, low=0, high=100, above=True).tag(setting=True)
    normalization = OneOf("none", lambda self: NORMALIZATION_NAMES).tag(setting=True)
    depth = Whole(20, low=1, high=1000).tag(setting=True)
    width = Whole(100, low=1, high=1024).tag(setting=True)
    batch = Whole(32, low=1, high=4096).tag(setting=True)
    seed = Whole(0, low=0, high=2**31 - 1).tag(setting=True)
    quantity = OneOf("weight gradient", lambda self: QUANTITIES).tag(setting=True)
    measure = OneOf("rms", lambda self: MEASURES).tag(setting=True)
    lr = Real(0.01, low=0, high=1e6).tag(setting=True)
    compare = Flag(False).tag(setting=True)
    fix = OneOf(NONE, lambda self: self.fixes).tag(setting=True)
    clipper = OneOf("norm", lambda self: tuple(THRESHOLDS)).tag(setting=True)
    max_norm = Real(1.0, low=0, high=1e12).tag(setting=True)
    clip_value = Real(0.01, low=0, high=1e12).tag(setting=True)
    percentile = Real(90.0, low=0, high=100).tag(setting=True)
    history_percentile = Real(10.0, low=0, high=100).tag(setting=True)
    spike = Real(1.0, low=0, high=1e12).tag(setting=True)
    steps = Whole(300, low=1, high=100_000).tag(setting=True)

    file_name = "gradwidgets-layers"
    words_height = 150
    patience = 0.3
    selected: int | None = None  # which of the layers shown is looked at
    _column_of = ""
    _dragged = False  # whether all that a person changed last is on sliders
    _version = 0
    _known: tuple[tuple, FlowResult] | None = None  # the network that was measured last
    _took = 0.0  # seconds that that took
    _forget_cells: Callable[[], None] = staticmethod(lambda: None)
    _pinned_next: tuple | None = None

    @whole_or_nothing
    def __init__(
        self,
        model: nn.Module | None = None,
        inputs: object = None,
        targets: object = None,
        loss_fn: Callable | None = None,
        **settings: object,
    ) -> None:
        layout, settings = self._split_keywords(settings)
        self.problem = FlowProblem(model, inputs, targets, loss_fn)
        meant = [name for name in NETWORK[1:] if name in settings]
        if model is not None and meant and settings.get("architecture", YOURS) == YOURS:
            raise TypeError(f"{meant[0]} is for networks that are built; a model of yours is measured as it is")
        self.pinned: dict[str, FlowResult] = {}
        super().__init__(**layout)
        self._begin(settings)
        if model is not None:
            self._forget_cells = after_each_cell(self._cell_ended)

    @classmethod
    def of_record(cls, record: object, *, beside: object = None, **settings: object) -> LayerFlowPanel:
        """Show a record of a training, without its model: the live view's pictures, and the verdict.

        Args:
            record: A `GradientHistory`, a `GradientMonitor`, or the path of a file that `history.save(path)` wrote.
            beside: Another one, drawn in dashes and aligned by step; in words it is said where the two part.
            **settings: `quantity`, `measure`, `theme` and what a teacher prepares; `max_norm`, to which the gradient
                was clipped, and `classes`, how many there were, for the verdict.

        Returns:
            A panel with `history` and `training_findings`.

        Raises:
            TypeError: It is no record, and no path.
            FileNotFoundError: There is no such file.
            ValueError: The file is no record, of a newer version or not whole; or nothing was recorded.
        """
        return LayerFlowPanel._for_records(record, beside=beside, **settings)

    def _set_up(self, settings: Mapping[str, object]) -> None:
        with self._batch():
            for name, value in {"architecture": self.architecture, **settings}.items():
                setattr(self, name, value)
        self._initial = self._values()
        self.figure_shared = Picture.of(*self._picture_size())
        self._guess_plot = GuessPlot(self.figure_shared)
        self.views = {name: view(self) for name, view in self.view_types.items()}
        self._trainer = Trainer(self, self.views["live"])
        about = {name: self.views[name].about for name in self.offered}
        self.controls = make_controls(self.problem.architectures, self.fixes, about, self.quantities)
        self._column, self._bodies = make_column(self, self.views)
        self._column_of = self.view
        self._assemble(self.figure_shared, self._column)
        self._refresh()

    @default("architecture")
    def _first_architecture(self) -> str:
        return self.problem.architectures[0]

    @validate("view")
    def _flow_is_guessed_first(self, proposal) -> str:
        if self._covered and proposal.value != "flow":
            raise TraitError("view must be 'flow' until the guess is revealed")
        return proposal.value

    @validate("init", "architecture")
    def _init_fits(self, proposal) -> str:
        both = {"init": self.init, "architecture": self.architecture, proposal.trait.name: proposal.value}
        kinds = INITS[both["init"]].kinds
        if both["architecture"] not in (*kinds, YOURS):
            raise TraitError(
                f"init {both['init']!r} is for {' and '.join(kinds)} networks, not for {both['architecture']}: "
                "choose another with it, panel.change(architecture=…, init=…)"
            )
        return proposal.value

    # -- results ------------------------------------------------------------------------------------------

    @property
    def flow(self) -> LayerFlow:
        """What was measured, layer by layer."""
        return self._settled().flow.flow

    @property
    def findings(self) -> list[Finding]:
        """The verdict, worst first."""
        return list(self._settled().flow.findings)

    @property
    def own(self) -> bool:
        """Whether a model of the user's is looked at."""
        return self.architecture == YOURS

    def code(self) -> str:
        """Return a script that does what the present view shows."""
        lines = ["import torch", "", "from gradwidgets.core import build_network, diagnose, layer_flow", ""]
        if self.own:
            lines = ["from gradwidgets.core import diagnose, layer_flow", ""]
            lines += ["# model, inputs, targets and loss_fn are yours."]
        else:
            normalization = None if self.normalization == "none" else self.normalization
            lines += [
                f"model = build_network({self.architecture!r}, depth={self.depth}, width={self.width},",
                f"    activation={self.activation!r}, init={self.init!r}, gain={self.gain!r},",
                f"    normalization={normalization!r}, seed={self.seed})",
                f"generator = torch.Generator().manual_seed({self.seed + 1})",
                f"inputs = torch.randn({self.batch}, {self.width}, generator=generator)",
                f"targets = torch.randn({self.batch}, 1, generator=generator)",
                "loss_fn = torch.nn.functional.mse_loss",
            ]
        return "\n".join([*lines, *self.views[self.view].code()]) + "\n"

    def measure_again(self) -> None:
        """Measure a model anew that was changed outside, by training say."""
        self.changed()

    def _cell_ended(self) -> None:
        """See whether the cell has changed the model: what is shown would be of another one."""
        if self._closed or self._trainer.active or self._shown is None or not self.own:
            return
        if self._shown.settings.version == self.network_now()[1] or (self._job is not None and self._job.running):
            return
        if self._took < _SHORT:
            self.refresh()
        else:
            self.complain("The model has changed since it was measured: measure_again() measures it anew.")

    def changed(self, **settings: object) -> None:
        """Measure anew, with these settings: the model is another one now."""
        self._version += 1
        self.change(**settings)

    def change(self, **settings: object) -> None:
        """Set several settings at once."""
        with self._batch():
            for name, value in settings.items():
                setattr(self, name, value)

    def measure_curvature(self, *parts: str) -> dict[str, Part]:
        """Measure curvature and noise, and show them.

        Args:
            *parts: Some of `"spectrum"`, `"noise scale"` and `"covariance"`; none for all.

        Returns:
            The results by part.

        Raises:
            ValueError: There is no such part.
        """
        for part in parts:
            if part not in PARTS:
                raise ValueError(f"a part must be one of {', '.join(map(repr, PARTS))}; got {part!r}")
        self.view = "curvature"
        self.views["curvature"].ask(*(parts or PARTS))
        return dict(self._settled().part)

    @property
    def offered(self) -> tuple[str, ...]:
        """The views that there are."""
        return tuple(self.view_types)

    @property
    def quantities(self) -> tuple[str, ...]:
        """What can be drawn over the layers."""
        return QUANTITIES

    @property
    def measured_curvature(self) -> float | None:
        """λmax of the network as it is now, where it was measured; else None."""
        return self.views["curvature"].largest

    # -- the doctor's hands -------------------------------------------------------------------------------

    @property
    def fixes(self) -> tuple[str, ...]:
        """What `fix` can be."""
        return (NONE, *TRIES)

    def apply_fix(self) -> None:
        """Change the model itself as `fix` changed the copy; of a network from sliders, set the sliders.

        Raises:
            ValueError: No fix is chosen, or it acts on the training and not on the model.
        """
        self.alone(self.views["doctor"].apply)

    def undo_fix(self) -> None:
        """Take the last applied fix back: the model is as it was before it, to the bit.

        Raises:
            ValueError: Nothing was applied.
        """
        self.alone(self.views["doctor"].undo)

    # -- settings -----------------------------------------------------------------------------------------

    def _snapshot(self) -> Request:
        return Request(*self.network_now(), self.view, self.views[self.view].more())

    def _answers(self, measured: Request, asked: Request) -> bool:
        # A model that was trained since is said to be another one, and not measured unasked.
        return measured.version[0] == asked.version[0] and replace(measured, version=asked.version) == asked

    def network_now(self) -> tuple[FlowSettings, tuple]:
        """Which network is looked at, and what tells whether it was changed since, from here or outside."""
        settings = FlowSettings(*(getattr(self, name) for name in NETWORK))
        if self._ready and self._trainer.elsewhere and self._known is not None and self._known[0][0] == settings:
            return self._known[0]  # what was measured last, until the training is over
        return settings, (self._version, self.problem.version(settings))

    def refuse_elsewhere(self) -> None:
        """Raise a ValueError while another thread trains the model: it cannot be read here meanwhile."""
        if self._trainer.elsewhere:
            raise ValueError("Another thread is training your model: it can be measured again when that has ended")

    def _on_setting(self, change) -> None:
        if change.name == "compare" and self._ready and self._pinned_next is None:
            self._pin(change.new)
        super()._on_setting(change)

    def _hear_little(self, shown: widgets.Widget) -> None:
        for one in (shown, *self._bodies.values(), *(row for view in self.views.values() for row in view.everything())):
            super()._hear_little(one)

    def _pin(self, keep: bool) -> None:
        result = self._result
        self.pinned = {self._label(result.flow): result.flow} if keep and result is not None else {}

    def _preset_now(self) -> str:
        """The preset whose settings these are, what is pinned included; "" for none."""
        for name, (settings, beside) in PRESETS.items():
            if set(self.pinned) == set(beside) and all(getattr(self, one) == value for one, value in settings.items()):
                return name
        return ""

    @staticmethod
    def _label(result: FlowResult) -> str:
        s = result.settings
        return "your model" if s.architecture == YOURS else f"{s.activation}, {s.init}, depth {s.depth}"

    def _resolve(self, chosen: Mapping[str, object]) -> dict[str, object]:
        meant = dict(chosen)
        preset = meant.pop("preset", "")
        if preset:
            settings, beside = PRESETS[preset]
            meant = {**settings, "seed": self.seed, **meant, "compare": True}
            self._pinned_next = (settings, beside)
        kinds = INITS[self.init].kinds
        if "init" not in meant and meant.get("architecture", self.architecture) not in (*kinds, YOURS):
            meant["init"] = "He"  # the old one is for residual networks alone
        self._dragged = all(isinstance(self.controls.get(name), Number) for name in chosen)
        return meant

    def refresh(self) -> None:
        """Bring everything up to date."""
        self._update()

    def fail(self, failure: Exception) -> None:
        """Show what went wrong, and log it in full."""
        self._fail(failure)

    def everything(self) -> list[widgets.Widget]:
        """All widgets of this panel, those that are not shown too."""
        rows = [row for view in self.views.values() for row in view.everything()]
        return list(dict.fromkeys(one for top in (self, *self._bodies.values(), *rows) for one in descendants(top)))

    def attempt(self, work: Callable[[], None]) -> None:
        """Do something; whatever fails is shown in the panel, and the picture stays; a refusal is raised."""
        self._attempt(work)

    def _refresh(self) -> None:
        if self._pinned_next is not None:
            self._pin_beside(*self._pinned_next)
        self._show_column()
        super()._refresh()

    def _pin_beside(self, settings: Mapping[str, object], beside: Mapping[str, Mapping[str, object]]) -> None:
        try:
            self.pinned = {name: self._measured({**settings, **change}) for name, change in beside.items()}
        except Exception:
            self._pinned_next = None
            raise
        self._pinned_next = None

    def _measured(self, settings: Mapping[str, object]) -> FlowResult:
        wanted = {**{name: getattr(self, name) for name in NETWORK}, **settings}
        return finish(self.problem.work(FlowSettings(*(wanted[name] for name in NETWORK))))

    def _show_column(self) -> None:
        if self._column_of != self.view:
            self._column.children = [self._column.children[0], self._bodies[self.view], self._column.children[2]]
            self.controls["view"].show(self.view)
            self._column_of = self.view

    # -- computing and showing ----------------------------------------------------------------------------

    def _work(self, settings: Request) -> Slices[ViewResult]:
        whom = settings.network, settings.version
        if self._known is None or self._known[0] != whom or self.views[settings.view].computes:
            self.refuse_elsewhere()
        if self._known is None or self._known[0] != whom:
            began = time.perf_counter()
            flow = yield from part_of(self.problem.work(settings.network), 0.0, 0.5)
            self._known, self._took = (whom, flow), time.perf_counter() - began
        flow = self._known[1]
        part = yield from part_of(self.views[settings.view].work(flow, settings.more), 0.5, 0.5)
        return ViewResult(settings, flow, part)

    def _show(self, result: ViewResult) -> None:
        self._shown = result
        count = self._selectable(result)
        if self.selected is not None and self.selected >= count:
            self.selected = None
        self._paint(result, settled=not (self._by_hand and self._dragged))
        self._show_controls()
        self.complain("")

    def _selectable(self, result: ViewResult) -> int:
        """How many layers can be looked at."""
        return len(shown_layers(result.flow.flow))

    def _view_settings(self, *, settled: bool = True) -> ViewSettings:
        view, size = self.views[self.view], self._picture_size()
        return ViewSettings(
            quantity=self.quantity,
            measure=self.measure,
            lr=self.lr,
            selected=self.selected,
            pinned=self.pinned,
            guess=self.guessed(),
            clipper=self.clipper,
            thresholds={name: getattr(self, setting) for name, (_, setting) in THRESHOLDS.items()},
            spike=self.spike,
            done=view.done(),
            training=view.training(settled=settled),
            settled=settled,
            theme=self._style_name(),
            size=size,
            magnified=self._magnified(*size),
            covered=self._covered,
        )

    def _state(self) -> State:
        """All that decides what is seen now."""
        return State(self.problem, self._snapshot(), self._view_settings())

    def _paint(self, result: ViewResult, *, settled: bool) -> None:
        view, how = self.views[result.settings.view], self._view_settings(settled=settled)
        derived = view.derive(self.problem, result, how, view.kept)
        self.canvas.redraw(view.figure.update(view.scene(result, derived, how)))
        said = view.words(result, derived, how)
        self.summary, self._words.value = said.summary, said.table

    def paint_view(self, *, settled: bool) -> None:
        """Bring picture and words to what the present view shows by itself."""
        seen = ViewResult(self._snapshot(), self._shown.flow, self._shown.part)
        self.alone(lambda: self._showing(lambda: self._paint(seen, settled=settled)))

    @shown_at_home
    def say(self, content: str) -> None:
        """Put HTML in the place of the words until the next picture."""
        self._words.value = content

    def _stop_computing(self) -> None:
        super()._stop_computing()
        for view in self.views.values():
            view.stopped()

    def _interrupted(self) -> None:
        if self._ready:
            for view in self.views.values():
                view.ask_no_more()
        super()._interrupted()

    @property
    def shown_here(self) -> ViewResult | None:
        """What is shown, where that is of the present network; else None."""
        seen = self._shown
        known = seen is not None and (seen.settings.network, seen.settings.version) == self.network_now()
        return seen if known else None

    @property
    def shown_part(self) -> object:
        """What the present view found out by itself and shows; None for nothing."""
        return None if self._shown is None else self._shown.part

    def _show_controls(self) -> None:
        for name, control in self.controls.items():
            if name == "preset":
                control.show(self._preset_now())
                continue
            control.show(getattr(self, name))
        self.controls["view"].enable(True)
        wanted = self.view != "flow" or self.quantity == "update/weight"
        self.controls["lr"].enable(wanted, "" if wanted else "choose update/weight first")
        self.views[self.view].leave_out(NETWORK[1:] if self.own else ())
        self.views[self.view].show_controls()

    def _show_control(self, name: str) -> None:
        if name != "preset":
            super()._show_control(name)

    def _move(self, event) -> None:
        if self.views[self._shown.settings.view].click(event):
            self._present(self._shown)

    # -- a guess before the picture -----------------------------------------------------------------------

    def _asked(self) -> list[Asked]:
        return guess.asked()

    def _turn_to_question(self) -> None:
        self.view = "flow"

    def _at_present(self, settings: Mapping[str, object]) -> dict[str, object]:
        return {**settings, "view": "flow"} if self._covered else dict(settings)

    def _asked_about(self) -> object:
        return self.network_now(), self.quantity, self.measure, self.lr if self.quantity == "update/weight" else None

    def _question(self) -> str:
        return guess.question(self.quantity)

    def _marks(self, answer: Mapping[str, object]) -> Sequence[Mark]:
        return guess.marks(self._settled().flow, self.quantity, self.measure, self.lr, answer)

    def guessed(self) -> tuple[float | None, float | None]:
        """What is guessed at the first and the middle layer, in decades; None where nothing is to be seen of it."""
        return guess.decades_of(self.answer if self._covered or self._guess_in_place else {})

    def _invalidate(self) -> None:
        for one in (self._guess_plot, *(view.figure for view in self.views.values())):
            one.invalidate()

    def _cover(self, result: ViewResult) -> None:
        self.canvas.redraw(self._guess_plot.update(covered_scene(result, self._view_settings())))
        self._show_controls()
        self.controls["view"].enable(False, "guess first")

    def _guess_at(self, event) -> None:
        found = self._guess_plot.guess_at(event.inaxes, event.xdata, event.ydata)
        if found is not None:
            self._prediction.asked[("first", "middle")[found[0]]].control.choose(found[1])

    def _problem_repr(self) -> dict[str, str]:
        return {"architecture": "model, inputs, targets, loss_fn"} if self.own else {}

    def _usual(self) -> dict[str, object]:
        nothing = {name: getattr(self, name) for name in NETWORK[1:]} if self.own else {}
        return {**super()._usual(), "architecture": self.problem.architectures[0], **nothing}

    def spare_parts(self) -> Sequence[widgets.Widget]:
        """Return all controls, those too that the present view leaves out."""
        return [*super().spare_parts(), *self._bodies.values()]

    def close(self) -> None:
        """Free the picture and everything registered for it; a training that is watched goes on unwatched."""
        super().close()

    def _close(self) -> None:
        self._forget_cells()
        if self._trainer is not None:
            self._trainer.close()
        for view in getattr(self, "views", {}).values():
            view.leave_out(())
        for body in getattr(self, "_bodies", {}).values():
            if body not in self._column.children:
                close_all(body)
        super()._close()
