"""The verdict on a training while it runs: anew about once a second, and at the end."""

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
_SHARE = 0.01  # of the time of training that verdicts may take
_PATIENCE = 20.0  # seconds between two at most, whatever they cost


@dataclass(frozen=True)
class Told:
    """What is known of a training beside its record.

    Attributes:
        largest_curvature: λmax of its loss, where that was measured on the model as it was before.
        max_norm: What the loop clips the gradient's norm to.
        classes: How many there are to tell apart.
        beside: Another record, to be compared with.
        names: What this training and that record are called.
        grows: Whether this training runs: then sentences say what it is beside the record, else the other way round.

    Raises:
        TypeError: `max_norm` or `classes` is no number.
        ValueError: It is none above 0, or there are fewer than two classes.
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
    """What was measured, where that gave a number."""
    return value if value is not None and math.isfinite(value) else None


class LiveVerdict:
    """What there is to say of a record that grows.

    Args:
        told: What else is known of the training.

    Attributes:
        told: The same.
        findings: The newest verdict, the gravest first; empty before the first.
        comparison: With the record beside; None where there is none.
        other: The verdict on that record by itself.
    """

    def __init__(self, told: Told | None = None) -> None:
        self.findings: list[Finding] = []
        self.comparison: RecordComparison | None = None
        self.told = told or Told()
        self.other: list[Finding] = [] if self.told.beside is None else diagnose_record(self.told.beside)
        self._due = 0.0
        self._of: tuple[int, int, int, float | None] | None = None  # how far the record had come

    def judge(self, history: History, losses: Losses, lr: float | None, *, now: bool) -> list[Finding]:
        """Judge anew where there is something new, and it is time or has to be said now.

        Args:
            history: What was recorded.
            losses: What was noted.
            lr: Of plain gradient descent; None for another optimizer.
            now: Whether it is time whatever the clock says.

        Returns:
            The newest verdict.
        """
        began = time.perf_counter()
        come = len(history.steps), int(history.steps[-1]), len(losses.steps), lr
        due = now or began >= self._due or self._short or self._broke(history)
        if come == self._of or not due:
            return self.findings
        told, worked = self.told, time.thread_time()
        self.findings = diagnose_record(
            history,
            losses=losses,
            lr=_finite(lr),
            largest_curvature=_finite(told.largest_curvature),
            max_norm=told.max_norm,
            classes=told.classes,
        )
        if told.beside is not None:
            first, second, names = history, told.beside, told.names
            if told.grows:
                first, second, names = second, first, names[::-1]
            self.comparison = compare_records(first, second, names)
        self._of = come
        took = time.thread_time() - worked  # and not how long a busy machine let it wait
        self._due = began + min(max(_PAUSE, took / _SHARE), _PATIENCE)
        return self.findings

    @property
    def _short(self) -> bool:
        """Whether the last verdict was that there is too little to judge, which a few steps may change."""
        return any(one.name == "too_short" for one in self.findings)

    def _broke(self, history: History) -> bool:
        """Whether something is not finite that was so for the last verdict: "healthy" must not stand beside it."""
        return bool((history.non_finite[-1] > 0).any()) and all(one.name != "non_finite" for one in self.findings)
