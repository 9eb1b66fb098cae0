"""Training, seen while it runs: norms over the steps, loss, histogram, health, what it costs."""

from __future__ import annotations

import html
from dataclasses import replace

import ipywidgets as widgets
import numpy as np
from torch import Tensor

from gradwidgets.core.monitor import RecordComparison
from gradwidgets.core.monitor.histogram import gradient_histogram
from gradwidgets.core.monitor.history import History
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted, number, percent
from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.figures.live.figure import LiveFigure
from gradwidgets.figures.live.training import Beside, Histogram, Training
from gradwidgets.widgets.controls import WIDTH, Looks
from gradwidgets.widgets.layers import words
from gradwidgets.widgets.layers.training.kept_run import KeptMonitor, KeptRun
from gradwidgets.widgets.layers.training.live_run import LiveRun
from gradwidgets.widgets.layers.training.recorded import (
    BRIEF,
    FIELDS,
    TITLES,
    dead_shares,
    held_quantities,
    not_held,
    shown_rows,
)
from gradwidgets.widgets.layers.view import View, ViewResult

_WAITING = "with panel.watch(optimizer): around your loop, or for batch in panel.track(loader): – or press Train"
_BINS = 48
_NO_ELEMENTS = "a record keeps no single elements"
DASHED = "over the steps its first, middle and last layer"
_RAISED = "✗"  # in what a training came to


class LiveView(View):
    """A training of the user's, or the demonstration."""

    name = "live"
    about = "a training, seen while it runs"
    names = ("quantity", "measure", "lr", "steps", "batch")

    def __init__(self, panel) -> None:
        super().__init__(panel)
        self.run: LiveRun | KeptRun | None = None
        self.result = ""  # what a demonstration came to
        self._detail: Histogram | None = None

    def make_figure(self, figure) -> LiveFigure:
        """Make the artists' owner."""
        return LiveFigure(figure)

    def extras(self, looks: Looks) -> list[widgets.Widget]:
        """Return the button of the demonstration."""
        hint = widgets.HTML(layout=looks.layout(width=f"{WIDTH - 6}px", margin="2px 0 4px 4px"))
        hint.add_class("gradwidgets-words")
        own = self.panel.own
        about = "a copy of your model, on your batch" if own else "the network, on scanned digits"
        hint.value = (
            f'<div class="note">Train shows {about}. Your own loop: <code>with panel.watch(optimizer):</code> around '
            "it, or <code>for batch in panel.track(loader):</code></div>"
        )
        train = self.button("Train", f"train {about}", self.panel.train, looks, 96)
        return [widgets.HBox([train]), hint]

    # -- what is seen -------------------------------------------------------------------------------------

    def begin(self, run: LiveRun) -> None:
        """Show this training from now on."""
        self.run, self.result, self._detail, self.panel.selected = run, "", None, None

    def look(self, run: LiveRun) -> None:
        """Keep how large the elements of the newest gradient are."""
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
        history, selected = self._history(), self.panel.selected
        names = shown_rows(history)[1] if history is not None else []
        return names[selected] if selected is not None and selected < len(names) else None

    def _history(self) -> History | None:
        return None if self.run is None else self.run.monitor.history

    def draw(self, seen: ViewResult | None, settle: bool) -> Redraw:
        """Draw what was recorded."""
        self._judge(settle)
        return self.figure.update(self.training())

    def _judge(self, now: bool) -> None:
        history = self._history()
        if history is not None and len(history.steps):
            self.run.judge(now=now)

    @property
    def findings(self) -> list[Finding]:
        """The verdict on what was recorded, the gravest first; a loop that raised is not called healthy."""
        found = [] if self.run is None else self.run.verdict.findings
        return [one for one in found if one.severity != "ok" or _RAISED not in self.result]

    @property
    def comparison(self) -> RecordComparison | None:
        """Where the training parts from the record beside it; None where there is none."""
        return None if self.run is None else self.run.verdict.comparison

    def _said(self) -> list[Finding]:
        """All findings; with two records, where they part comes first, and it is said whose each of the others is."""
        if self.comparison is None:
            return self.findings
        whose = self.run.verdict.told.names[0]
        own = [replace(one, message=f"{whose}: {one.message}") for one in self.findings]
        return [*self.comparison.findings, *own]

    @property
    def named(self) -> bool:
        """Whether the layers go by their names and not by numbers."""
        return self.panel.own

    def training(self) -> Training:
        """What was recorded so far, as the figure takes it."""
        history, panel = self._history(), self.panel
        if history is None or not len(history.steps):
            none = np.empty(0)
            return Training("", (), none, np.empty((0, 0)), none, waiting=_WAITING)
        which, names = shown_rows(history)
        losses = self.run.monitor.losses
        ratio = self._update_ratio(history)
        field, values = self._drawn(history)
        return Training(
            quantity=TITLES[field],
            brief=BRIEF[field],
            layers=names,
            steps=history.steps.numpy(),
            values=values[:, which].numpy(),
            loss=losses.values.numpy(),
            loss_steps=losses.steps.numpy(),
            named=self.named,
            broken=(history.non_finite[:, which] > 0).numpy(),
            dead=dead_shares(history, which),
            update_ratio=None if ratio is None or field == "update_ratio" else ratio[-1, which].numpy(),
            selected=panel.selected if panel.selected is not None and panel.selected < len(names) else None,
            detail=self._detail,
            beside=self._beside(field, names, int(history.steps[-1])),
            no_detail=_NO_ELEMENTS if self.run.whole else "",
        )

    def _drawn(self, history: History) -> tuple[str, Tensor]:
        """The field of what is drawn, and its values; of a quantity that is not held, the weight gradient's."""
        panel = self.panel
        field = FIELDS.get((panel.quantity, panel.measure))
        values = self._update_ratio(history) if field == "update_ratio" else field and getattr(history, field)
        return (panel.measure, getattr(history, panel.measure)) if values is None else (field, values)

    def _unrecorded(self, history: History) -> list[str]:
        """Say that what was chosen is not drawn, and why."""
        chosen = self.panel.quantity
        missing = chosen not in held_quantities(history) and TITLES[self._drawn(history)[0]] != chosen
        return [f"drawn is the weight gradient: {not_held(chosen)}"] if missing else []

    def _followed(self, history: History) -> list[str]:
        """Say which layer is followed alone, and what it has come to."""
        name = self._selected_name()
        if name is None:
            return []
        k = history.layers.index(name)
        said = f"{name} ({history.kinds[k]}) alone, until it is clicked again"
        said += f": weight gradient {number(float(history.rms[-1, k]), 3)} rms"
        ratios = self._update_ratio(history)
        known = ratios is not None and bool(ratios[-1, k].isfinite())
        return [said + (f", update/weight {number(float(ratios[-1, k]), 3)}" if known else "")]

    def _beside(self, field: str, names: list[str], newest: int) -> Beside | None:
        """The record beside, its layers in the order of this training's, as far as that has come."""
        told = self.run.verdict.told
        other = told.beside
        if other is None:
            return None
        kept = KeptMonitor(other)
        last = kept.steps if self.run.whole else newest
        rows, noted = other.steps <= last, kept.losses.steps <= last
        values = np.full((int(rows.sum()), len(names)), np.nan)
        recorded = getattr(other, field)
        for k, name in enumerate(names):
            if recorded is not None and name in other.layers:
                values[:, k] = recorded[rows, other.layers.index(name)]
        parted = None if self.comparison is None else self.comparison.parted
        loss = kept.losses.values[noted].numpy(), kept.losses.steps[noted].numpy()
        return Beside(told.names[1], other.steps[rows].numpy(), values, *loss, parted)

    def _update_ratio(self, history: History) -> Tensor | None:
        """What each step added to the weights, in their norm; of plain gradient descent from its formula."""
        if self.run.lr is not None:
            return self.run.lr * history.norm / history.weight_norm
        return history.update_ratio

    def facts(self, seen: ViewResult | None) -> list[str]:
        """Say where the training stands."""
        return [*self._ended(), *words.finding_lines(self._said()), *self._lines()]

    def words(self, seen: ViewResult | None) -> str:
        """Show the verdict as cards, and the numbers beside it."""
        said = "".join(f"<div>{html.escape(line)}</div>" for line in self._ended())
        cards = said + words.finding_cards(self._said())
        lines = "".join(f'<div class="note">{html.escape(line)}</div>' for line in self._lines())
        return words.two_columns(cards, lines) if cards else words.two_columns(lines, "")

    def _ended(self) -> list[str]:
        return [self.result] if self.result else []

    def _lines(self) -> list[str]:
        history = self._history()
        if history is None or not len(history.steps):
            notes = [] if self.run is None else list(self.run.monitor.notes)
            return notes or ["Nothing is being trained."]
        which, _ = shown_rows(history)
        lines = [f"step {self.run.monitor.steps:,}, {counted(len(history.steps), 'sample')} kept"]
        losses = self.run.monitor.losses.values
        if len(losses):
            lines[0] += f"; loss {number(float(losses[0]), 4)} → {number(float(losses[-1]), 4)}"
        else:
            lines.append("no loss was noted: note_loss(loss) in the loop draws it")
        rms = history.rms[-1, which]
        if len(rms) > 1 and float(rms[-1]) > 0:
            lines.append(f"weight gradient, rms, first / last layer: {number(float(rms[0] / rms[-1]), 3)}")
        ratios = self._update_ratio(history)
        if ratios is not None:
            ratio = ratios[-1, which]
            ratio = ratio[ratio.isfinite()]
            if len(ratio):
                lines.append(f"update/weight, median of the layers: {number(float(ratio.median()), 3)}")
        dead = dead_shares(history, which)
        if np.isfinite(dead).any():
            lines.append(f"units dead for the last batch: {percent(float(np.nanmean(dead)))} on average")
        if self.comparison is not None:
            lines += [*self.comparison.notes, self._other()]
            if not self.run.whole:
                lines.append(f"{self.run.verdict.told.names[1]} in dashes: {DASHED}")
        lines = [*self._unrecorded(history), *self._followed(history), *lines]
        if self.run.whole:
            return lines + self._notes(history)
        recording, drawing = self.run.overhead
        cost = f"watching costs {percent(recording)} of the training, drawing {percent(drawing)}"
        lines.append(cost if recording == recording else f"drawing costs {percent(drawing)} of the training")
        if self.run.lr is not None:
            lines[-1] += ": a demonstration is there to be looked at, a loop of yours comes to a few percent"
        elif recording > 0.05 or drawing > 0.05:
            lines[-1] += ": more at the beginning, a few percent in a longer training"
        return lines + self._notes(history)

    def _other(self) -> str:
        """How the record beside is judged by itself."""
        verdict = self.run.verdict
        return f"{verdict.told.names[1]} by itself: {', '.join(one.name.replace('_', ' ') for one in verdict.other)}"

    def _notes(self, history: History) -> list[str]:
        """What else there is to know, without what the verdict says."""
        said = {one.name for one in self.findings}
        told = [("unheld", "with a gradient, but not in"), ("unused", "no gradient at step")]
        notes = [n for n in history.notes if not any(name in said and n.startswith(begin) for name, begin in told)]
        return [*([history.unseen] if history.unseen else []), *notes]

    def code(self) -> list[str]:
        """Watch a loop."""
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

    def click(self, event) -> bool:
        """Look at one layer from near."""
        layer = self.figure.layer_at(event.inaxes, event.xdata)
        if layer is None:
            return False
        self.panel.selected = None if layer == self.panel.selected else layer
        return True
