"""The verdict on a training while it runs: anew about once a second, and at the end."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from numbers import Integral, Real

from gradwidgets.core.finding import Finding
from gradwidgets.core.layers import diagnose_record
from gradwidgets.core.layers.monitor_history import History
from gradwidgets.core.layers.monitor_loss import Losses

_PAUSE = 1.0  # seconds between two verdicts, at least
_SHARE = 0.01  # of the time of training that verdicts may take


@dataclass(frozen=True)
class Told:
    """What is known of a training beside its record.

    Attributes:
        largest_curvature: λmax of its loss, where that was measured on the model as it was before.
        max_norm: What the loop clips the gradient's norm to.
        classes: How many there are to tell apart.
    """

    largest_curvature: float | None = None
    max_norm: float | None = None
    classes: int | None = None


def check_told(max_norm: object = None, classes: object = None) -> None:
    """Refuse what a verdict cannot be told.

    Raises:
        TypeError: It is no number.
        ValueError: It is none above 0, or there are fewer than two classes.
    """
    if max_norm is not None and (isinstance(max_norm, bool) or not isinstance(max_norm, Real)):
        raise TypeError(f"max_norm must be a number above 0; got {max_norm!r}")
    if max_norm is not None and not 0 < max_norm < math.inf:
        raise ValueError(f"max_norm must be a number above 0; got {max_norm!r}")
    if classes is not None and (isinstance(classes, bool) or not isinstance(classes, Integral)):
        raise TypeError(f"classes must be a whole number ≥ 2; got {classes!r}")
    if classes is not None and classes < 2:
        raise ValueError(f"classes must be a whole number ≥ 2; got {classes!r}")


class LiveVerdict:
    """What there is to say of a record that grows.

    Args:
        told: What else is known of the training.

    Attributes:
        findings: The newest verdict, the gravest first; empty before the first.
    """

    def __init__(self, told: Told | None = None) -> None:
        self.findings: list[Finding] = []
        self._told = told or Told()
        self._due = 0.0
        self._of: tuple | None = None  # how far the record had come

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
        if come == self._of or not (now or began >= self._due or self._broke(history)):
            return self.findings
        told = self._told
        self.findings = diagnose_record(
            history,
            losses=losses,
            lr=lr,
            largest_curvature=told.largest_curvature,
            max_norm=told.max_norm,
            classes=told.classes,
        )
        self._of = come
        took = time.perf_counter() - began
        self._due = began + max(_PAUSE, took / _SHARE)
        return self.findings

    def _broke(self, history: History) -> bool:
        """Whether something is not finite that was so for the last verdict: "healthy" must not stand beside it."""
        return bool((history.non_finite[-1] > 0).any()) and all(one.name != "non_finite" for one in self.findings)
