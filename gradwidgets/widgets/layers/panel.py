"""LayerFlowPanel: where does the gradient die, and what fixes it?

It has five views of one network, each with its controls on the left, its picture on the right and its words below:
the gradient on its way through the layers; a fix that is tried on a copy; clipping; curvature and noise; a training.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, TypeVar, Unpack

import ipywidgets as widgets
import torch
from matplotlib.backend_bases import MouseEvent
from torch import nn

from gradwidgets.core import Finding
from gradwidgets.core.layers import LayerFlow
from gradwidgets.core.monitor import GradientMonitor
from gradwidgets.core.results.slices import Slices, part_of
from gradwidgets.figures.base.notebook_figure import Picture
from gradwidgets.figures.base.scene_figure import SceneFigure
from gradwidgets.widgets.kernel.main_thread import shown_at_home
from gradwidgets.widgets.kernel.mainloop import after_each_cell, call_soon
from gradwidgets.widgets.kernel.making import whole_or_nothing
from gradwidgets.widgets.layers import guess
from gradwidgets.widgets.layers.clipping import THRESHOLDS
from gradwidgets.widgets.layers.controls import Column, make_controls
from gradwidgets.widgets.layers.curvature import PARTS, CurvatureView, Part
from gradwidgets.widgets.layers.fixes.doctor import DoctorView
from gradwidgets.widgets.layers.guess import FlowQuestion
from gradwidgets.widgets.layers.network_settings import NETWORK, NetworkPanel
from gradwidgets.widgets.layers.problem import FlowProblem, LossFn
from gradwidgets.widgets.layers.scene import VIEWS, State, covered_scene
from gradwidgets.widgets.layers.seen.layer_values import shown_layers
from gradwidgets.widgets.layers.training.live import LiveView
from gradwidgets.widgets.layers.training.live_run import LiveRun, Watching
from gradwidgets.widgets.layers.training.trainer import Trainer
from gradwidgets.widgets.layers.view import Request, Stage, View, ViewResult, ViewSettings
from gradwidgets.widgets.panel.own_settings import split_keywords
from gradwidgets.widgets.panel.prediction import Answer, Mark
from gradwidgets.widgets.panel.settings_panel import descendants
from gradwidgets.widgets.panel.traits import meanings

T = TypeVar("T")
V = TypeVar("V", bound=View)
_SHORT = 1.0  # seconds that measuring may take at the end of a cell without being asked for


class LayerFlowPanel(NetworkPanel):
    """The gradient on its way through a network, layer by layer.

    Without a model, networks are built from the settings, and fed with random data. With one, that model is measured
    and left bit-identical; only `apply_fix` changes it, and `undo_fix` restores it.

    Args:
        model: Any `nn.Module`.
        inputs: A batch for it; a tuple is passed as `model(*inputs)`, a dict as `model(**inputs)`.
        targets: The targets of that batch.
        loss_fn: The loss, called as `loss_fn(output, targets)`; it returns one number.
        **settings: Initial values of the traits below, and `layout`.

    Attributes:
        view: The view that is shown. One of `"flow"`, `"doctor"`, `"clipping"`, `"curvature"`, `"live"`.
        architecture: How the layers are connected; `"yours"` is the model that was passed in. `"plain"`, `"residual"`,
            `"dense"`, or `"yours"`.
        activation: The function between the layers. One of `"Sigmoid"`, `"Tanh"`, `"ReLU"`, `"LeakyReLU"`, `"GELU"`,
            `"SiLU"`, `"ELU"`, `"SELU"`, `"Identity"`.
        init: The initialization of the weights. One of `"default"`, `"Xavier"`, `"He"`, `"orthogonal"`, `"normal"`,
            `"small normal"`, `"zero branch"`.
        gain: The factor that the initial weights are multiplied by. A number above 0 up to 100.
        normalization: The normalization before each activation. One of `"none"`, `"layer"`, `"batch"`.
        depth: The number of layers of a plain network, or of blocks of another. A whole number from 1 to 1,000.
        width: The number of units of a layer. A whole number from 1 to 1,024.
        batch: The batch size, in what is measured and in the demonstration. A whole number from 1 to 4,096.
        seed: The random seed of weights and data. A whole number from 0 to 2,147,483,647.
        quantity: What is drawn over the layers. One of `"weight gradient"`, `"activation gradient"`, `"activation"`,
            `"update/weight"`.
        measure: How it is measured: `"rms"` per element, or `"norm"` of a whole layer. One of `"rms"`, `"norm"`.
        lr: The learning rate, for update/weight, for the trial of a fix and for the demonstration. A number from 0 to
            1e6.
        compare: Whether the current profile stays beside the next ones.
        fix: The fix that is tried on a copy. One of `"none"`, `"He init"`, `"Xavier init"`, `"orthogonal init"`,
            `"ReLU"`, `"GELU"`, `"SiLU"`, `"LeakyReLU"`, `"LayerNorm"`, `"BatchNorm"`, `"residual connections"`,
            `"gain"`, `"no output activation"`, `"clipping to norm 1"`.
        clipper: The clipper whose elements the histogram shows. One of `"norm"`, `"value"`, `"percentile"`,
            `"autoclip"`.
        max_norm: The threshold of `"norm"`: the norm of all gradients together. A number from 0 to 1e12.
        clip_value: The threshold of `"value"`: the size of an element. A number from 0 to 1e12.
        percentile: The threshold of `"percentile"`: a percentile of this step's elements, in %. A number from 0 to 100.
        history_percentile: The threshold of `"autoclip"`: a percentile of the norms so far, in %. A number from 0 to
            100.
        spike: The factor that the step's gradients are multiplied by before they are clipped. A number from 0 to 1e12.
        steps: The number of steps of the demonstration. A whole number from 1 to 100,000.
        theme: The colours of the picture; `"auto"` follows JupyterLab. One of `"auto"`, `"light"`, `"dark"`.
        hide, lock, style, predict: What a teacher prepares, see `Panel`.
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

    _view_types: ClassVar[Mapping[str, type[View]]] = VIEWS
    _for_records: ClassVar[Callable[..., LayerFlowPanel]]  # a subclass, which is set by its module

    _file_name = "gradwidgets-layers"
    _words_height = 150
    _height_over = 106
    _patience = 0.3
    selected: int | None = None  # the place of the selected layer
    _column: Column
    _forget_cells: Callable[[], None] = staticmethod(lambda: None)

    @whole_or_nothing
    def __init__(
        self,
        model: nn.Module | None = None,
        inputs: object = None,
        targets: object = None,
        loss_fn: LossFn | None = None,
        **settings: object,
    ) -> None:
        layout, settings = split_keywords(type(self), settings)
        self._use(FlowProblem(model, inputs, targets, loss_fn), settings)
        super().__init__(**layout)
        self._begin(settings)
        if model is not None:
            self._forget_cells = after_each_cell(self._cell_ended)

    @classmethod
    def of_record(cls, record: object, *, beside: object = None, **settings: object) -> LayerFlowPanel:
        """Show a record of a training, without its model: the pictures of the live view, and the verdict.

        Args:
            record: A `GradientHistory`, a `GradientMonitor`, or the path of a file that `history.save(path)` wrote.
            beside: Another record, drawn in dashes and aligned by step; the words say where the two part.
            **settings: `quantity`, `measure`, `theme` and what a teacher prepares; for the verdict, `max_norm`, the
                norm that the gradient was clipped to, and `classes`, the number of classes.

        Returns:
            A panel with `history` and `training_findings`.

        Raises:
            TypeError: It is neither a record nor a path.
            FileNotFoundError: There is no such file.
            ValueError: The file is not a record, is of a newer version or incomplete; or nothing was recorded.
        """
        return LayerFlowPanel._for_records(record, beside=beside, **settings)

    def _set_up(self, settings: Mapping[str, Any]) -> None:
        self._settings.put({"architecture": self.architecture, **settings})
        self._settings.initial = self._settings.values()
        stage = Stage(
            Picture.of(*self._frame.size), self._network, self._errors, self._work,
            say=self._say, paint=self._paint_view, copy=self._buttons.copy,
        )  # fmt: skip
        self.views = {name: view(self, stage) for name, view in self._view_types.items()}
        self._trainer = self._make_trainer()
        about = {name: self.views[name].about for name in self._offered}
        make, self.controls = make_controls(
            meanings(self), self.problem.architectures, self.fixes, about, self._quantities
        )
        self._column = Column(make, self.controls, self.views, self.view, self._buttons, tabs=len(about) > 1)
        self._assemble(stage.picture, self._column.place)
        self._work.refresh()

    # -- results ------------------------------------------------------------------------------------------

    def code(self) -> str:
        """Return a script that computes what the current view shows."""
        return "\n".join([*self._network.code(), *self.views[self.view].code()]) + "\n"

    def _cell_ended(self) -> None:
        """Check whether the cell has changed the model, so that what is shown is out of date."""
        if self._closed or self._trainer.active or self._work.shown is None or not self._network.own:
            return
        if self._work.running or self._work.shown.settings.version == self._network.now()[1]:
            return
        if self._network.took < _SHORT:
            self.refresh()
        else:
            self._errors.complain("The model has changed since it was measured: measure_again() measures it again.")

    # -- a training that is watched -------------------------------------------------------------------------

    def _make_trainer(self) -> Trainer:
        def everything() -> list[widgets.Widget]:
            """All widgets of this panel, including those that are not shown."""
            return list(dict.fromkeys(one for top in (self, *self._column.hidden()) for one in descendants(top)))

        def read() -> None:
            """Apply what the user moved while a cell runs."""
            if self._turns.owed or self._choices.waiting():
                self._choices.read()
                self._work.finish()  # the main loop, which would finish it, waits for the cell

        return Trainer(
            self, _one(self.views, LiveView), self._turns, self._frame, everything=everything, read=read,
            curvature=lambda: _one(self.views, CurvatureView).largest,
        )  # fmt: skip

    def _training(self) -> LiveRun | None:
        """The training that runs or ran last; None before the first."""
        return self._trainer.run if "_trainer" in vars(self) else None

    def _stop_pressed(self) -> None:
        def stop() -> None:
            if not self._trainer.stop():
                self._work.stop()
                for view in self.views.values():
                    view.stopped()

        if not self._trainer.stop_loop():
            call_soon(stop)

    # -- settings -----------------------------------------------------------------------------------------

    def _snapshot(self) -> Request:
        return Request(*self._network.now(), self.view, self.views[self.view].more())

    def _answers(self, result: ViewResult, asked: Request) -> bool:
        measured = result.settings
        # A model that was trained since then is reported as changed, but not measured again without being asked.
        return measured.version[0] == asked.version[0] and replace(measured, version=asked.version) == asked

    def _limit_messages(self, shown: widgets.Widget) -> None:
        for one in (shown, *(self._column.hidden() if shown is self else ())):
            super()._limit_messages(one)

    def _before(self) -> None:
        self._pins.pin_coming()
        self._column.show(self.view)

    # -- computing and showing ----------------------------------------------------------------------------

    def _compute(self, settings: Request) -> Slices[ViewResult]:
        view = self.views[settings.view]
        measuring = self._network.measuring((settings.network, settings.version), reads=view.computes)
        flow = yield from part_of(measuring, 0.0, 0.5)
        part = yield from part_of(view.work(flow, settings.more), 0.5, 0.5)
        return ViewResult(settings, flow, part)

    def _show(self, result: ViewResult) -> None:
        count = self._selectable(result)
        if self.selected is not None and self.selected >= count:
            self.selected = None
        self._paint(result, settled=not (self._work.by_hand and self._settings.dragged))
        self._show_controls(result)
        self._errors.complain("")

    def _selectable(self, result: ViewResult) -> int:
        """The number of layers that can be selected."""
        return len(shown_layers(result.flow.flow))

    def _view_settings(self, *, settled: bool = True) -> ViewSettings:
        view, frame = self.views[self.view], self._frame
        return ViewSettings(
            quantity=self.quantity,
            measure=self.measure,
            lr=self.lr,
            selected=self.selected,
            pinned=self._pins.held,
            guess=guess.decades_of(self._guessing.drawn),
            clipper=self.clipper,
            thresholds={name: getattr(self, setting) for name, (_, setting) in THRESHOLDS.items()},
            spike=self.spike,
            done=view.done(),
            training=view.training(settled=settled),
            settled=settled,
            theme=frame.theme,
            size=frame.size,
            magnified=frame.magnified,
            covered=self._guessing.covered,
        )

    def _state(self) -> State:
        """Everything that decides what is shown now."""
        return State(self.problem, self._snapshot(), self._view_settings())

    def _paint(self, result: ViewResult, *, settled: bool) -> None:
        view, how = self.views[result.settings.view], self._view_settings(settled=settled)
        derived = view.derive(self.problem, result, how, view.kept)
        self._frame.canvas.redraw(view.figure.update(view.scene(result, derived, how)))
        said = view.words(result, derived, how)
        self._tell(said)

    def _paint_view(self, *, settled: bool) -> None:
        """Update picture and words to the current view, without computing a new result."""
        seen = ViewResult(self._snapshot(), self._work.seen.measured, self._work.seen.part)
        self._turns.alone(lambda: self._work.showing(lambda: self._paint(seen, settled=settled)))

    @shown_at_home
    def _say(self, content: str) -> None:
        self._told.say(content)

    def _interrupted(self) -> None:
        if self._ready:
            for view in self.views.values():
                view.ask_no_more()
        super()._interrupted()

    def _show_controls(self, result: ViewResult) -> None:
        preset = self._pins.preset(lambda name: getattr(self, name))
        values = {name: preset if name == "preset" else getattr(self, name) for name in self.controls}
        flow = result.measured
        sick = 0 if flow is None else sum(one.severity in ("warning", "error") for one in flow.findings)
        left_out = NETWORK[1:] if self._network.own else ()
        self._frame.page.counts = {DoctorView.name: sick} if sick and not self._guessing.covered else {}
        self._column.show_values(values, left_out=left_out, covered=self._guessing.covered, sick=sick)
        self._update_folds()

    def _pictured(self) -> SceneFigure[Any]:
        return self.views[self.view].figure

    def _move(self, event: MouseEvent) -> None:
        seen = self._work.seen
        if self.views[seen.settings.view].click(event):
            self._work.present(seen)

    # -- a guess before the picture -----------------------------------------------------------------------

    def _question(self) -> FlowQuestion:
        def judge(answer: Answer) -> Sequence[Mark]:
            return guess.marks(self._work.settled().flow, self.quantity, self.measure, self.lr, answer)

        def about() -> object:
            lr = self.lr if self.quantity == "update/weight" else None
            return self._network.now(), self.quantity, self.measure, lr

        return FlowQuestion(
            self.figure,
            scene=lambda result: covered_scene(result, self._view_settings()),
            quantity=lambda: self.quantity,
            judge=judge,
            about=about,
            turn=lambda: setattr(self, "view", "flow"),
        )

    def _invalidate(self) -> None:
        for view in self.views.values():
            view.figure.invalidate()

    def _spare_parts_(self) -> Sequence[widgets.Widget]:
        return [*super()._spare_parts_(), *self._column.hidden()]

    def _close(self) -> None:
        self._forget_cells()
        if "_trainer" in vars(self):
            self._trainer.close()
        if "_column" in vars(self):
            self._column.close()
        super()._close()

    # -- results ------------------------------------------------------------------------------------------

    @property
    def flow(self) -> LayerFlow:
        """The measurements, layer by layer."""
        return self._work.settled().flow.flow

    @property
    def findings(self) -> list[Finding]:
        """The verdict, worst first."""
        return list(self._work.settled().flow.findings)

    def measure_again(self) -> None:
        """Measure the model again after it was changed outside the panel, for instance by training."""
        self._network.changed()
        self.change()

    def measure_curvature(self, *parts: str) -> dict[str, Part]:
        """Measure curvature and noise, and show them.

        Args:
            *parts: Some of `"spectrum"`, `"noise scale"` and `"covariance"`; all of them if none is given.

        Returns:
            The results, by part.

        Raises:
            ValueError: There is no such part.
        """
        for part in parts:
            if part not in PARTS:
                raise ValueError(f"a part must be one of {', '.join(map(repr, PARTS))}; got {part!r}")
        self.change(view="curvature")
        _one(self.views, CurvatureView).ask(*(parts or PARTS))
        return dict(self._work.settled().part)

    # -- a training -----------------------------------------------------------------------------------------

    @property
    def monitor(self) -> GradientMonitor | None:
        """The monitor that recorded the last training; None before the first."""
        run = self._trainer.run
        return None if run is None else run.monitor

    @property
    def training_findings(self) -> list[Finding]:
        """The verdict on the last training, worst first; while it runs, it is about a second old."""
        return list(self._trainer.findings)

    def watch(
        self, optimizer: torch.optim.Optimizer | None = None, **options: Unpack[Watching]
    ) -> contextlib.AbstractContextManager[GradientMonitor]:
        """Watch the model of this panel train: `with panel.watch(optimizer) as monitor:` around your own loop.

        The picture follows while the cell runs. The training is bit for bit the same as without it.
        `monitor.note_loss(loss)` in the loop draws the loss too.

        Args:
            optimizer: The optimizer whose steps are watched; None for any that holds parameters of the model.
            **options: The options of `GradientMonitor`: `every`, `budget`, `grace` (0.1 s here), `activations` and
                `updates` (both on here), `keep`, `scaler`, `preflight`. For the verdict: `max_norm`, the norm that
                the loop clips the gradient to, and `classes`, the number of classes. And `beside`, an earlier record
                or its file, which is drawn in dashes; the words say where the two part.

        Returns:
            A context manager that returns the monitor.

        Raises:
            ValueError: This panel has no model of yours.
            TypeError: `optimizer` is not an optimizer, or an option is unknown.
        """
        return self._trainer.watch(optimizer, options)

    def track(self, iterable: Iterable[T], **options: Unpack[Watching]) -> Iterator[T]:
        """Watch the model train: `for batch in panel.track(loader):`; the panel's Stop ends the loop.

        Inside `with panel.watch(optimizer):` it adds the progress and the Stop. Successive loops in one cell, such as
        epochs, are one training: the record continues, and after Stop the remaining loops are skipped. The index of
        each item is noted as its batch (`GradientMonitor.note_batch`). If the first item has two parts and the model is
        called with the first of them, they are taken as inputs and targets, and the panel's loss is checked with them
        before the first step (`GradientMonitor.expect`).

        Args:
            iterable: The batches; they are never read ahead.
            **options: The options of `watch`.

        Returns:
            An iterator over its items.

        Raises:
            ValueError: This panel has no model of yours.
            TypeError: `iterable` cannot be iterated over, or an option is unknown.
        """
        return self._trainer.track(iterable, options)

    def note_loss(self, value: float | torch.Tensor) -> None:
        """Record the loss of the current step of a training that is watched; see `GradientMonitor.note_loss`.

        Raises:
            RuntimeError: No training is being watched.
        """
        run = self._trainer.run
        if run is None or not run.active:
            raise RuntimeError("note_loss() works inside watch() or track()")
        run.monitor.note_loss(value)

    def train(self, *, wait: bool = False) -> None:
        """Train the network on scanned digits (or a copy of your model on its batch) for `steps` steps.

        In a notebook it runs in the background, and Stop ends it; elsewhere this returns when it is done.

        Args:
            wait: Whether to return only when it is done, even in a notebook.
        """
        self._turns.alone(self._trainer.train)
        if wait:
            self._trainer.finish()

    # -- fixes --------------------------------------------------------------------------------------------

    def apply_fix(self) -> None:
        """Change the model itself as `fix` changed the copy; for a network that is built from sliders, set them.

        Raises:
            ValueError: No fix is chosen, or it acts on the training and not on the model.
        """
        self._turns.alone(_one(self.views, DoctorView).apply)

    def undo_fix(self) -> None:
        """Undo the last applied fix: the model is as it was before it, bit for bit.

        Raises:
            ValueError: Nothing was applied.
        """
        self._turns.alone(_one(self.views, DoctorView).undo)


def _one(views: Mapping[str, View], kind: type[V]) -> V:
    """Return the view of a class."""
    return next(view for view in views.values() if isinstance(view, kind))
