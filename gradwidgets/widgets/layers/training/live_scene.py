"""The picture and the words of the live view, from the record of a training."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from gradwidgets.core.monitor import RecordComparison
from gradwidgets.core.monitor.history import History
from gradwidgets.core.monitor.training.noted_loss import Losses
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted, number, percent
from gradwidgets.figures.live.training import Beside, Histogram, Training
from gradwidgets.widgets.layers import words
from gradwidgets.widgets.layers.training.kept_run import KeptMonitor, KeptRun
from gradwidgets.widgets.layers.training.live_run import LiveRun
from gradwidgets.widgets.layers.training.live_verdict import TrainingFacts
from gradwidgets.widgets.layers.training.recorded import (
    BRIEF,
    FIELDS,
    TITLES,
    dead_shares,
    held_quantities,
    not_held,
    shown_rows,
)
from gradwidgets.widgets.layers.view import ViewSettings
from gradwidgets.widgets.panel.words import Words, badges_of

_WAITING = "with panel.watch(optimizer): around your loop, or for batch in panel.track(loader): – or press Train"
_NO_ELEMENTS = "a record does not contain single elements"
DASHED = "over the steps its first, middle and last layer"
_RAISED = "✗"  # in the result of a training whose loop raised an error


@dataclass(frozen=True, eq=False)
class Recorded:
    """The record of a training so far, and the verdict on it.

    Attributes:
        history: The record.
        losses: The losses that were noted.
        steps: The number of steps.
        notes: The notes of the monitor.
        lr: The learning rate of plain gradient descent; None for another optimizer.
        overhead: The time spent on recording and on drawing, each as a share of the time of training without both.
        facts: What the verdict needs to know besides the record.
        findings: The verdict, worst first.
        comparison: The comparison with the record beside it; None if there is none.
        other: The verdict on the record beside it, by itself.
        whole: Whether this is a saved record, whose training is complete.
        result: How the training ended, in a sentence; "" if there is nothing to say.
        detail: The histogram of the elements of the newest gradient; None if it is not known.
        named: Whether the layers are labelled with their names and not with numbers.
    """

    history: History
    losses: Losses
    steps: int
    notes: Sequence[str]
    lr: float | None
    overhead: tuple[float, float]
    facts: TrainingFacts
    findings: Sequence[Finding]
    comparison: RecordComparison | None
    other: Sequence[Finding]
    whole: bool
    result: str
    detail: Histogram | None
    named: bool

    @classmethod
    def of(cls, run: LiveRun | KeptRun, *, result: str, detail: Histogram | None, named: bool) -> Recorded:
        """Return the record of a training so far.

        Args:
            run: The training.
            result: How it ended, in a sentence.
            detail: The histogram of the elements of its newest gradient.
            named: Whether its layers are labelled with their names.
        """
        monitor, verdict = run.monitor, run.verdict
        return cls(
            monitor.history,
            monitor.losses,
            monitor.steps,
            tuple(monitor.notes),
            run.lr,
            run.overhead,
            verdict.facts,
            said_of(verdict.findings, result),
            verdict.comparison,
            verdict.other,
            run.whole,
            result,
            detail,
            named,
        )

    @property
    def update_ratio(self) -> Tensor | None:
        """The norm of each update over that of the weights; for plain gradient descent, computed from the gradient."""
        if self.lr is not None:
            return self.lr * self.history.norm / self.history.weight_norm
        return self.history.update_ratio

    def drawn(self, how: ViewSettings) -> tuple[str, Tensor]:
        """Return the field that is drawn, and its values; those of the weight gradient if the quantity is missing."""
        history = self.history
        field = FIELDS.get((how.quantity, how.measure))
        held = None if field is None else getattr(history, field)
        values = self.update_ratio if field == "update_ratio" else held
        if field is None or values is None:
            return how.measure, getattr(history, how.measure)
        return field, values


def said_of(findings: Sequence[Finding], result: str) -> list[Finding]:
    """Return the verdict that is shown: a loop that raised an error is not called healthy."""
    return [one for one in findings if one.severity != "ok" or _RAISED not in result]


def scene_of(recorded: Recorded | None, how: ViewSettings) -> Training:
    """Return the picture of a training.

    Args:
        recorded: The record of the training; None if there is no training.
        how: The settings of the view.
    """
    if recorded is None or not len(recorded.history.steps):
        none = np.empty(0)
        return Training("", (), none, np.empty((0, 0)), none, waiting=_WAITING, theme=how.theme)
    history, losses, ratio = recorded.history, recorded.losses, recorded.update_ratio
    which, names = shown_rows(history)
    field, values = recorded.drawn(how)
    return Training(
        quantity=TITLES[field],
        brief=BRIEF[field],
        layers=names,
        steps=history.steps.numpy(),
        values=values[:, which].numpy(),
        loss=losses.values.numpy(),
        loss_steps=losses.steps.numpy(),
        named=recorded.named,
        broken=(history.non_finite[:, which] > 0).numpy(),
        dead=dead_shares(history, which),
        update_ratio=None if ratio is None or field == "update_ratio" else ratio[-1, which].numpy(),
        selected=how.selected if how.selected is not None and how.selected < len(names) else None,
        detail=recorded.detail,
        beside=_beside(recorded, field, names),
        no_detail=_NO_ELEMENTS if recorded.whole else "",
        theme=how.theme,
    )


def words_of(recorded: Recorded | None, how: ViewSettings) -> Words:
    """Return the words of a training; arguments as for `scene_of`."""
    if recorded is None:
        return _words([], [], ["Nothing is being trained."])
    return _words([recorded.result] if recorded.result else [], _findings(recorded), _lines(recorded, how))


def _words(ended: list[str], findings: list[Finding], lines: list[str]) -> Words:
    said = "".join(f"<div>{html.escape(line)}</div>" for line in ended)
    cards = said + words.finding_cards(findings)
    notes = "".join(f'<div class="note">{html.escape(line)}</div>' for line in lines)
    table = words.two_columns(cards, notes) if cards else words.two_columns(notes, "")
    return Words("\n".join([*ended, *words.finding_lines(findings), *lines]), table, badges_of(findings))


def _findings(recorded: Recorded) -> list[Finding]:
    """Return all findings; of two records, first where they part, then those of this training, with its name."""
    if recorded.comparison is None:
        return list(recorded.findings)
    whose = recorded.facts.names[0]
    own = [replace(one, message=f"{whose}: {one.message}") for one in recorded.findings]
    return [*recorded.comparison.findings, *own]


def _lines(recorded: Recorded, how: ViewSettings) -> list[str]:
    history = recorded.history
    if not len(history.steps):
        return list(recorded.notes) or ["Nothing is being trained."]
    which, _ = shown_rows(history)
    lines = [*_unrecorded(recorded, how), *_followed(recorded, how)]
    lines.append(f"step {recorded.steps:,}, {counted(len(history.steps), 'sample')} kept")
    losses = recorded.losses.values
    if len(losses):
        lines[-1] += f"; loss {number(float(losses[0]), 4)} → {number(float(losses[-1]), 4)}"
    else:
        lines.append("no loss was noted: note_loss(loss) in the loop draws it")
    rms = history.rms[-1, which]
    if len(rms) > 1 and float(rms[-1]) > 0:
        lines.append(f"weight gradient, rms, first / last layer: {number(float(rms[0] / rms[-1]), 3)}")
    ratios = recorded.update_ratio
    if ratios is not None:
        ratio = ratios[-1, which]
        ratio = ratio[ratio.isfinite()]
        if len(ratio):
            lines.append(f"update/weight, median of the layers: {number(float(ratio.median()), 3)}")
    dead = dead_shares(history, which)
    if np.isfinite(dead).any():
        lines.append(f"units dead for the last batch: {percent(float(np.nanmean(dead)))} on average")
    return [*lines, *_compared(recorded), *_cost(recorded), *_notes(recorded)]


def _unrecorded(recorded: Recorded, how: ViewSettings) -> list[str]:
    """Return why the chosen quantity is not drawn, if it is not."""
    missing = how.quantity not in held_quantities(recorded.history) and TITLES[recorded.drawn(how)[0]] != how.quantity
    return [f"drawn is the weight gradient: {not_held(how.quantity)}"] if missing else []


def _followed(recorded: Recorded, how: ViewSettings) -> list[str]:
    """Return which layer is selected, and its current numbers."""
    history = recorded.history
    names = shown_rows(history)[1]
    if how.selected is None or how.selected >= len(names):
        return []
    name = names[how.selected]
    k = history.layers.index(name)
    said = f"{name} ({history.kinds[k]}) alone, until it is clicked again"
    said += f": weight gradient {number(float(history.rms[-1, k]), 3)} rms"
    ratios = recorded.update_ratio
    if ratios is not None and bool(ratios[-1, k].isfinite()):
        said += f", update/weight {number(float(ratios[-1, k]), 3)}"
    return [said]


def _compared(recorded: Recorded) -> list[str]:
    """Return notes on the record beside this one, and the verdict on it by itself."""
    if recorded.comparison is None:
        return []
    name = recorded.facts.names[1]
    verdict = ", ".join(one.name.replace("_", " ") for one in recorded.other)
    dashed = [] if recorded.whole else [f"{name} in dashes: {DASHED}"]
    return [*recorded.comparison.notes, f"{name} by itself: {verdict}", *dashed]


def _cost(recorded: Recorded) -> list[str]:
    """Return the cost of watching, in words."""
    if recorded.whole:
        return []
    recording, drawing = recorded.overhead
    cost = f"watching costs {percent(recording)} of the training, drawing {percent(drawing)}"
    cost = cost if recording == recording else f"drawing costs {percent(drawing)} of the training"
    if recorded.lr is not None:
        cost += ": a demonstration is there to be looked at, a loop of yours comes to a few percent"
    elif recording > 0.05 or drawing > 0.05:
        cost += ": more at the beginning, a few percent in a longer training"
    return [cost]


def _notes(recorded: Recorded) -> list[str]:
    """Return the notes that the verdict does not repeat."""
    history, said = recorded.history, {one.name for one in recorded.findings}
    repeated = [("unheld", "with a gradient, but not in"), ("unused", "no gradient at step")]
    notes = [n for n in history.notes if not any(name in said and n.startswith(begin) for name, begin in repeated)]
    return [*([history.unseen] if history.unseen else []), *notes]


def _beside(recorded: Recorded, field: str, names: list[str]) -> Beside | None:
    """Return the record beside this training up to its last step, with the layers in the order of this training's."""
    facts = recorded.facts
    other = facts.beside
    if other is None:
        return None
    kept = KeptMonitor(other)
    last = kept.steps if recorded.whole else int(recorded.history.steps[-1])
    rows, noted = other.steps <= last, kept.losses.steps <= last
    values = np.full((int(rows.sum()), len(names)), np.nan)
    theirs = getattr(other, field)
    for k, name in enumerate(names):
        if theirs is not None and name in other.layers:
            values[:, k] = theirs[rows, other.layers.index(name)]
    parted = None if recorded.comparison is None else recorded.comparison.parted
    loss = kept.losses.values[noted].numpy(), kept.losses.steps[noted].numpy()
    return Beside(facts.names[1], other.steps[rows].numpy(), values, *loss, parted)
