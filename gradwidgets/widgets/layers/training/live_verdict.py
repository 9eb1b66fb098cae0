"""The verdict on a training while it runs, updated about once a second and at the end."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from gradwidgets.core.monitor import RecordComparison, compare_records, diagnose_record
from gradwidgets.core.monitor.history import History
from gradwidgets.core.monitor.training.noted_loss import Losses
from gradwidgets.core.results.allowed import is_number, is_whole
from gradwidgets.core.results.finding import Finding

_PAUSE = 1.0  # seconds between two verdicts, at least
_SHARE = 0.01  # the share of the time of training that verdicts may take
_PATIENCE = 20.0  # seconds between two verdicts, at most, however long they take


@dataclass(frozen=True)
class TrainingFacts:
    """What the verdict on a training needs to know besides its record.

    Attributes:
        largest_curvature: λmax of the loss before the training; None if it was not measured.
        max_norm: The norm that the loop clips the gradient to; None if it does not clip.
        classes: The number of classes; None if it is not known.
        beside: Another record to compare with; None for none.
        names: The names of this training and of that record.
        grows: Whether this training is still running: then sentences describe it in comparison with the other record,
            else the other way round.

    Raises:
        TypeError: `max_norm` or `classes` is not a number.
        ValueError: `max_norm` is not above 0, or `classes` is less than 2.
    """

    largest_curvature: float | None = None
    max_norm: float | None = None
    classes: int | None = None
    beside: History | None = None
    names: tuple[str, str] = ("this training", "the record")
    grows: bool = True

    def __post_init__(self) -> None:
        if self.max_norm is not None:
            if not is_number(self.max_norm):
                raise TypeError(f"max_norm must be a number above 0; got {self.max_norm!r}")
            if not 0 < self.max_norm < math.inf:
                raise ValueError(f"max_norm must be a number above 0; got {self.max_norm!r}")
        if self.classes is not None:
            if not is_whole(self.classes):
                raise TypeError(f"classes must be a whole number ≥ 2; got {self.classes!r}")
            if self.classes < 2:
                raise ValueError(f"classes must be a whole number ≥ 2; got {self.classes!r}")


def _finite(value: float | None) -> float | None:
    """Return a measurement if it is a finite number, else None."""
    return value if value is not None and math.isfinite(value) else None


class LiveVerdict:
    """The verdict on a record that may still grow.

    Args:
        facts: What the verdict needs to know besides the record.

    Attributes:
        facts: As given.
        findings: The newest verdict, worst first; empty before the first one.
        comparison: The comparison with the record beside it; None if there is none.
        other: The verdict on that record by itself.
    """

    def __init__(self, facts: TrainingFacts | None = None) -> None:
        self.findings: list[Finding] = []
        self.comparison: RecordComparison | None = None
        self.facts = facts or TrainingFacts()
        self.other: list[Finding] = [] if self.facts.beside is None else diagnose_record(self.facts.beside)
        self._due = 0.0
        self._of: tuple[int, int, int, float | None] | None = None  # the state of the record at the last verdict

    def judge(self, history: History, losses: Losses, lr: float | None, *, now: bool) -> list[Finding]:
        """Judge the record if it has grown and the next verdict is due.

        Args:
            history: The record.
            losses: The losses that were noted.
            lr: The learning rate of plain gradient descent; None for another optimizer.
            now: Whether it is due even if the last verdict is recent.

        Returns:
            The newest verdict.
        """
        began = time.perf_counter()
        come = len(history.steps), int(history.steps[-1]), len(losses.steps), lr
        due = now or began >= self._due or self._short or self._broke(history)
        if come == self._of or not due:
            return self.findings
        facts, worked = self.facts, time.thread_time()
        self.findings = diagnose_record(
            history,
            losses=losses,
            lr=_finite(lr),
            largest_curvature=_finite(facts.largest_curvature),
            max_norm=facts.max_norm,
            classes=facts.classes,
        )
        if facts.beside is not None:
            first, second, names = history, facts.beside, facts.names
            if facts.grows:
                first, second, names = second, first, names[::-1]
            self.comparison = compare_records(first, second, names)
        self._of = come
        took = time.thread_time() - worked  # without the time that it waited for a busy machine
        self._due = began + min(max(_PAUSE, took / _SHARE), _PATIENCE)
        return self.findings

    @property
    def _short(self) -> bool:
        """Whether the last verdict was that there are too few steps to judge, which a few more may change."""
        return any(one.name == "too_short" for one in self.findings)

    def _broke(self, history: History) -> bool:
        """Whether numbers are not finite that were finite at the last verdict, so that "healthy" would be wrong."""
        return bool((history.non_finite[-1] > 0).any()) and all(one.name != "non_finite" for one in self.findings)
