"""A panel whose network is trained: by a loop of the user's, which it watches, or as a demonstration."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TypeVar, Unpack

import torch

from gradwidgets.core import Finding
from gradwidgets.core.monitor import GradientMonitor
from gradwidgets.widgets.layers.network_settings import NetworkPanel
from gradwidgets.widgets.layers.training.live_run import LiveRun, Watching
from gradwidgets.widgets.layers.training.trainer import Trainer

T = TypeVar("T")


class TrainedPanel(NetworkPanel):
    """A panel that follows trainings."""

    _trainer: Trainer  # made with the rest, where nothing was refused before

    def _training(self) -> LiveRun | None:
        """The training that runs or ran last; None before the first."""
        return self._trainer.run if "_trainer" in vars(self) else None

    @property
    def monitor(self) -> GradientMonitor | None:
        """What recorded the last training; None before the first."""
        run = self._trainer.run
        return None if run is None else run.monitor

    @property
    def training_findings(self) -> list[Finding]:
        """The verdict on the last training, the gravest first; while it runs, of a second ago or so."""
        return list(self._trainer.findings)

    def watch(
        self, optimizer: torch.optim.Optimizer | None = None, **options: Unpack[Watching]
    ) -> contextlib.AbstractContextManager[GradientMonitor]:
        """Watch the model of this panel train: `with panel.watch(optimizer) as monitor:` around your own loop.

        The picture follows while the cell runs. The training is the same to the bit as without it.
        `monitor.note_loss(loss)` in the loop draws the loss too.

        Args:
            optimizer: Whose steps are watched; None for any that holds parameters of the model.
            **options: `GradientMonitor`'s: `every`, `budget`, `grace` (0.1 s here), `activations` and `updates` (both
                on here), `keep`, `scaler`, `preflight`; what the verdict is to know: `max_norm`, to which the loop
                clips the gradient, and `classes`, how many there are; and `beside`, an earlier record or its file,
                which is drawn in dashes: it is said where the two part.

        Returns:
            A context manager that gives the monitor.

        Raises:
            ValueError: This panel has no model of yours.
            TypeError: `optimizer` is none, or an option is unknown.
        """
        return self._trainer.watch(optimizer, options)

    def track(self, iterable: Iterable[T], **options: Unpack[Watching]) -> Iterator[T]:
        """Watch the model train: `for batch in panel.track(loader):`; the panel's Stop ends the loop.

        Inside `with panel.watch(optimizer):` it adds the progress and the Stop. Loops that follow each other in one
        cell, epochs say, are one training: the record goes on, and after Stop the rest of them is passed over. The
        place of each item is noted as its batch (`GradientMonitor.note_batch`). A first item of two is taken for inputs
        and targets where the model is given its first part: then the panel's loss is looked at with it before the
        first step (`GradientMonitor.expect`).

        Args:
            iterable: What is iterated over; it is never read ahead.
            **options: As for `watch`.

        Returns:
            An iterator of its items.

        Raises:
            ValueError: This panel has no model of yours.
            TypeError: `iterable` cannot be iterated over, or an option is unknown.
        """
        return self._trainer.track(iterable, options)

    def note_loss(self, value: float | torch.Tensor) -> None:
        """Record the loss of this step of a training that is watched; see `GradientMonitor.note_loss`.

        Raises:
            RuntimeError: No training is watched.
        """
        run = self._trainer.run
        if run is None or not run.active:
            raise RuntimeError("note_loss() works inside watch() or track()")
        run.monitor.note_loss(value)

    def train(self, *, wait: bool = False) -> None:
        """Train the network on scanned digits (or a copy of your model on its batch) for `steps` steps.

        In a notebook it runs beside everything else, and Stop ends it; elsewhere this returns when it is done.

        Args:
            wait: Whether to return only when it is done, in a notebook too.
        """
        self._turns.alone(self._trainer.train)
        if wait:
            self._trainer.finish()

    def _read_moved(self) -> None:
        """Apply what people moved while a cell runs."""
        if self._turns.owed or any(control.moved for control in self.controls.values()):
            self._read_controls()
            self._work.finish()  # the main loop, which would go on with it, waits for the cell

    def _stop_pressed(self) -> None:
        if not self._trainer.stop_loop():
            super()._stop_pressed()
