"""A record of a training, seen as one that is over."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from gradwidgets.core.monitor import GradientMonitor
from gradwidgets.core.monitor.history import History
from gradwidgets.core.monitor.training.noted_loss import Losses
from gradwidgets.widgets.layers.training.live_verdict import LiveVerdict, Told


@dataclass(frozen=True, eq=False)
class Named:
    """A record and what it is called.

    Attributes:
        history: The record.
        name: Of its file; "" for one that is none.
    """

    history: History
    name: str = ""


def record_of(record: object, name: str = "record") -> Named:
    """Take a record, or read it from its file.

    Args:
        record: A `GradientHistory`, a `GradientMonitor` or the path of a file that `history.save` wrote.
        name: Of the argument, for a refusal.

    Raises:
        TypeError: It is something else.
        FileNotFoundError: There is no such file.
        ValueError: It is no record, of a newer version, or not whole; or nothing was recorded in it.
    """
    if isinstance(record, GradientMonitor):
        record = record.history
    if isinstance(record, (str, os.PathLike)):
        if not os.fspath(record):
            raise ValueError(f"{name} must be the path of a file that history.save(path) wrote; got an empty one")
        path = Path(record)
        if not path.exists():
            raise FileNotFoundError(f"{name}: there is no file {os.fspath(record)}")
        if path.is_dir():
            raise ValueError(f"{name}: {os.fspath(record)} is a folder, not a file that history.save(path) wrote")
        return Named(_filled(History.load(path), os.fspath(record)), path.name.removesuffix(".npz"))
    if isinstance(record, History):
        return Named(_filled(record, name))
    raise TypeError(
        f"{name} must be a GradientHistory, a GradientMonitor or the path of a file that history.save(path) wrote; "
        f"got {type(record).__name__} {record!r:.60}"
    )


def _filled(history: History, name: str) -> History:
    if not len(history.steps):
        raise ValueError(f"{name} holds no step: nothing was recorded")
    return history


def names_of_two(first: str, second: str) -> tuple[str, str]:
    """What two records are called: by their files where those tell them apart."""
    if first and second and first != second:
        return first, second
    return "A", "B"


class KeptMonitor:
    """What a `GradientMonitor` has recorded, from a record alone.

    Attributes:
        history: The record.
        losses: Those that were noted.
        notes: The record's.
        lr: Not known.
    """

    lr = None
    overhead = math.nan
    active = False

    def __init__(self, history: History) -> None:
        self.history, self.notes = history, history.notes
        steps, values = history.noted_steps, history.noted_losses
        if steps is None or values is None:
            known = ~history.loss.isnan()
            steps, values = history.steps[known], history.loss[known]
        self.losses = Losses(steps, values, history.noted_batches)

    @property
    def steps(self) -> int:
        """The last step that is known of."""
        last = [int(one[-1]) for one in (self.history.steps, self.losses.steps) if len(one)]
        return max(last, default=0)


class KeptRun:
    """A training that is over, and of which there is only a record.

    Args:
        record: The record.
        told: What a verdict cannot see in it.

    Attributes:
        monitor: What was recorded.
        verdict: What is said of it.
    """

    lr = None
    stopped = False
    active = False
    ended = True
    whole = True
    overhead = math.nan, math.nan

    def __init__(self, record: Named, told: Told) -> None:
        self.monitor = KeptMonitor(record.history)
        self.verdict = LiveVerdict(told)

    def model(self) -> nn.Module | None:
        """There is none."""

    def judge(self, *, now: bool) -> None:
        """Judge it, once."""
        with torch.no_grad():
            self.verdict.judge(self.monitor.history, self.monitor.losses, None, now=True)

    def close(self) -> None:
        """There is nothing to let go."""
