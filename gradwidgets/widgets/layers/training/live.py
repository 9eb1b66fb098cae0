"""The view of a training while it runs: norms over the steps, loss, histogram, verdict and cost."""

from __future__ import annotations

from typing import ClassVar

import ipywidgets as widgets
import numpy as np
from matplotlib.backend_bases import MouseEvent

from gradwidgets.core.monitor import RecordComparison
from gradwidgets.core.monitor.histogram import gradient_histogram
from gradwidgets.core.results.finding import Finding
from gradwidgets.figures.live.figure import LiveFigure
from gradwidgets.figures.live.training import Histogram, Training
from gradwidgets.widgets.controls import Looks
from gradwidgets.widgets.layers.training.kept_run import KeptRun
from gradwidgets.widgets.layers.training.live_run import LiveRun
from gradwidgets.widgets.layers.training.live_scene import Recorded, said_of, scene_of, words_of
from gradwidgets.widgets.layers.training.recorded import shown_rows
from gradwidgets.widgets.layers.view import Stage, View, Viewed, ViewResult, ViewSettings
from gradwidgets.widgets.panel.words import Words

_BINS = 48


class LiveView(View):
    """The user's training, or the demonstration."""

    name = "live"
    about = "a training, seen while it runs"
    names: ClassVar[tuple[str, ...]] = ("lr", "steps", "batch", "quantity", "measure")
    headed: ClassVar = {"lr": "Training", "quantity": "Show"}
    folded: ClassVar[tuple[tuple[str, ...], ...]] = (("batch",), ("measure",))
    figure_type = LiveFigure
    figure: LiveFigure
    needs_flow = False

    def __init__(self, panel: Viewed, stage: Stage) -> None:
        super().__init__(panel, stage)
        self.run: LiveRun | KeptRun | None = None
        self.result = ""  # how the training ended, in words
        self._detail: Histogram | None = None

    def extras(self, looks: Looks) -> list[widgets.Widget]:
        """Return the button that starts the demonstration, and a hint."""
        own = self.stage.network.own
        about = "a copy of your model, on your batch" if own else "the network, on scanned digits"
        said = (
            f'<div class="note">Train shows {about}. Your own loop: <code>with panel.watch(optimizer):</code> around '
            "it, or <code>for batch in panel.track(loader):</code></div>"
        )
        train = self.button("Train", f"train {about}", self.panel.train, looks)
        return [self.buttons(looks, train), self.hint(looks, said)]

    # -- the training ---------------------------------------------------------------------------------------

    def begin(self, run: LiveRun) -> None:
        """Show a new training from now on."""
        self.run, self.result, self._detail, self.panel.selected = run, "", None, None

    def look(self, run: LiveRun) -> None:
        """Record a histogram of the elements of the newest gradient."""
        model, selected = run.model(), self._selected_name()
        if model is None:
            return
        found = gradient_histogram(model, selected, _BINS)
        if found is None:
            self._detail = None
            return
        low, high, counts = found
        self._detail = Histogram(selected or "all layers", np.linspace(low, high, _BINS + 1), counts.numpy())

    def _selected_name(self) -> str | None:
        selected = self.panel.selected
        names = [] if self.run is None else shown_rows(self.run.monitor.history)[1]
        return names[selected] if selected is not None and selected < len(names) else None

    @property
    def findings(self) -> list[Finding]:
        """The verdict on the record, worst first; a loop that raised an error is not called healthy."""
        return [] if self.run is None else said_of(self.run.verdict.findings, self.result)

    @property
    def comparison(self) -> RecordComparison | None:
        """The comparison with the record beside the training; None if there is none."""
        return None if self.run is None else self.run.verdict.comparison

    @property
    def named(self) -> bool:
        """Whether the layers are labelled with their names and not with numbers."""
        return self.stage.network.own

    def training(self, *, settled: bool) -> Recorded | None:
        """Return the record so far, judged again if it is `settled` or due; None if there is no training."""
        run = self.run
        if run is None:
            return None
        if len(run.monitor.history.steps):
            run.judge(now=settled)
        return Recorded.of(run, result=self.result, detail=self._detail, named=self.named)

    # -- what is seen -------------------------------------------------------------------------------------

    @staticmethod
    def scene(seen: ViewResult, derived: None, how: ViewSettings) -> Training:
        """Return the picture of the record."""
        return scene_of(how.training, how)

    @staticmethod
    def words(seen: ViewResult, derived: None, how: ViewSettings) -> Words:
        """Return the verdict on the training, and facts."""
        return words_of(how.training, how)

    def code(self) -> list[str]:
        """Watch a training loop."""
        return [
            "from gradwidgets.core import GradientMonitor",
            "",
            "# optimizer and loader are yours.",
            "with GradientMonitor(model, optimizer, activations=True, updates=True) as monitor:",
            "    for x, y in loader:",
            "        optimizer.zero_grad()",
            "        loss = loss_fn(model(x), y)",
            "        loss.backward()",
            "        monitor.note_loss(loss)",
            "        optimizer.step()",
            "print(monitor.history.to_frame())",
        ]

    def click(self, event: MouseEvent) -> bool:
        """Select the layer that was clicked, or none if it is selected already."""
        layer = self.figure.layer_at(event.inaxes, event.xdata)
        if layer is None:
            return False
        self.panel.selected = None if layer == self.panel.selected else layer
        return True
