"""A panel that follows trainings: loops of the user's, and the demonstration."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import torch

from gradwidgets.core.monitor import GradientMonitor
from gradwidgets.core.results.finding import Finding
from gradwidgets.widgets.layers.training.trainer import Trainer
from gradwidgets.widgets.panel.panel import Panel


class TrainingPanel(Panel):
    """What a panel offers whose model trains; a subclass makes the `Trainer`."""

    _trainer: Trainer | None = None

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
        self, optimizer: torch.optim.Optimizer | None = None, **options: object
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

    def track(self, iterable: Iterable, **options: object) -> Iterator:
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
        if not self._trainer.active:
            raise RuntimeError("note_loss() works inside watch() or track()")
        self.monitor.note_loss(value)

    def train(self, *, wait: bool = False) -> None:
        """Train the network on scanned digits (or a copy of your model on its batch) for `steps` steps.

        In a notebook it runs beside everything else, and Stop ends it; elsewhere this returns when it is done.

        Args:
            wait: Whether to return only when it is done, in a notebook too.
        """
        self.alone(self._trainer.train)
        if wait:
            self._trainer.finish()

    def show_stop(self, total: int | None) -> None:
        """Show a Stop, with progress if the end is known."""
        self._progress.value = 0.0
        self._progress.layout.visibility = "visible" if total else "hidden"
        self._busy.layout.display = ""

    def show_share(self, share: float) -> None:
        """Show how much is done."""
        if share - self._progress.value >= 0.01 or share >= 1:
            self._progress.value = share

    def hide_stop(self) -> None:
        """Take Stop and progress away."""
        self._busy.layout.display = "none"
        self._progress.layout.visibility = "visible"

    def read_moved(self) -> None:
        """Apply what people moved while a cell runs."""
        if self._owed or any(control.moved for control in self.controls.values()):
            super()._read_controls()
            if self._job is not None and self._job.running:
                self._job.finish()  # the main loop, which would go on with it, waits for the cell

    def _stop_pressed(self) -> None:
        if not self._trainer.stop_loop():
            super()._stop_pressed()

    def _stop(self) -> None:
        if not self._trainer.stop():
            self._stop_computing()

    def _stop_computing(self) -> None:
        super()._stop()
