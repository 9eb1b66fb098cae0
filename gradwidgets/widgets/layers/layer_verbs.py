"""The verbs of a layer panel in Python: its results, curvature on request, trainings that are watched, fixes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar, Unpack

import torch

from gradwidgets.core import Finding
from gradwidgets.core.layers import LayerFlow
from gradwidgets.core.monitor import GradientMonitor
from gradwidgets.widgets.kernel.main_thread import Turns
from gradwidgets.widgets.layers.curvature import PARTS, CurvatureView, Part
from gradwidgets.widgets.layers.fixes.doctor import DoctorView
from gradwidgets.widgets.layers.network import Network
from gradwidgets.widgets.layers.training.live_run import Watching
from gradwidgets.widgets.layers.training.trainer import Trainer
from gradwidgets.widgets.layers.view import View, ViewResult

T = TypeVar("T")
V = TypeVar("V", bound=View)


class LayerVerbs:
    """A mixin with the verbs of a layer panel: for its results, its curvature, its training and its fixes.

    `LayerFlowPanel` makes the views and the trainer that do the work.

    Attributes:
        views: The views, by name.
    """

    views: Mapping[str, View]
    _turns: Turns
    _network: Network
    _trainer: Trainer

    def change(self, **settings: object) -> None:
        """Set several settings at once."""
        raise NotImplementedError

    def _settled(self) -> ViewResult:
        raise NotImplementedError

    def _one(self, kind: type[V]) -> V:
        """Return the view of a class."""
        return next(view for view in self.views.values() if isinstance(view, kind))

    # -- results ------------------------------------------------------------------------------------------

    @property
    def flow(self) -> LayerFlow:
        """The measurements, layer by layer."""
        return self._settled().flow.flow

    @property
    def findings(self) -> list[Finding]:
        """The verdict, worst first."""
        return list(self._settled().flow.findings)

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
        self._one(CurvatureView).ask(*(parts or PARTS))
        return dict(self._settled().part)

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
        self._turns.alone(self._one(DoctorView).apply)

    def undo_fix(self) -> None:
        """Undo the last applied fix: the model is as it was before it, bit for bit.

        Raises:
            ValueError: Nothing was applied.
        """
        self._turns.alone(self._one(DoctorView).undo)
