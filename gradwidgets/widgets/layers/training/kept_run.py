"""A record of a training, in the form of a training that has ended."""

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
from gradwidgets.widgets.layers.training.live_verdict import LiveVerdict, TrainingFacts


@dataclass(frozen=True, eq=False)
class Named:
    """A record and its name.

    Attributes:
        history: The record.
        name: The name of its file; "" if it came from no file.
    """

    history: History
    name: str = ""


def record_of(record: object, name: str = "record") -> Named:
    """Return a record, which is read if its file is given.

    Args:
        record: A `GradientHistory`, a `GradientMonitor` or the path of a file that `history.save` wrote.
        name: The name of the argument, for error messages.

    Raises:
        TypeError: It is something else.
        FileNotFoundError: There is no such file.
        ValueError: The file is not a record, is of a newer version or incomplete; or nothing was recorded.
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
    """Return the names of two records: those of their files if they differ, else A and B."""
    if first and second and first != second:
        return first, second
    return "A", "B"


class KeptMonitor:
    """A stand-in for a `GradientMonitor`, made from its record alone.

    Attributes:
        history: The record.
        losses: The losses that were noted.
        notes: The notes in the record.
        lr: None, as the learning rate is not recorded.
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
        """The number of the last step in the record."""
        last = [int(one[-1]) for one in (self.history.steps, self.losses.steps) if len(one)]
        return max(last, default=0)


class KeptRun:
    """A training that has ended, of which only the record is left.

    Args:
        record: The record.
        facts: What the verdict needs to know besides the record.

    Attributes:
        monitor: A stand-in for the monitor that recorded it.
        verdict: The verdict on it.
    """

    lr = None
    stopped = False
    active = False
    ended = True
    whole = True
    overhead = math.nan, math.nan

    def __init__(self, record: Named, facts: TrainingFacts) -> None:
        self.monitor = KeptMonitor(record.history)
        self.verdict = LiveVerdict(facts)

    def model(self) -> nn.Module | None:
        """Return None: a record holds no model."""

    def judge(self, *, now: bool) -> None:
        """Judge the record."""
        with torch.no_grad():
            self.verdict.judge(self.monitor.history, self.monitor.losses, None, now=True)

    def close(self) -> None:
        """Do nothing: there is nothing to free."""
