"""A training that is watched: the monitor records, the picture follows, Stop is heard while the cell runs."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import TypedDict, Unpack

import torch
from torch import nn

from gradwidgets.core.monitor import GradientMonitor
from gradwidgets.core.monitor.taps import Hook
from gradwidgets.widgets.kernel.mainloop import Latest, at_home
from gradwidgets.widgets.layers.training.live_verdict import LiveVerdict, Told

_log = logging.getLogger(__name__)
PICTURES = 10.0  # a second, at most
SHARE = 0.03  # of the time of training that drawing may take
GRACE = 0.1  # seconds of recording that the budget does not count: a training of a second should be seen too
FIRST = 0.15  # seconds more, for the first pictures: all of them must be drawn, and nobody waits for the second one
PATIENCE = 5.0  # seconds between two pictures at most: one that stands still is taken for stuck
DEAR = 10.0  # times what a picture takes, where that is more


class Recording(TypedDict, total=False):
    """What a `GradientMonitor` takes besides the model and the optimizer."""

    every: int | str
    budget: float
    grace: float
    activations: bool
    updates: bool
    keep: int
    scaler: torch.amp.GradScaler | None
    preflight: bool


class Watching(Recording, total=False):
    """What a training takes that is watched: besides, what the verdict is to know, see `Told`."""

    max_norm: float | None
    classes: int | None
    beside: object


class LiveRun:
    """One watched training.

    Args:
        model: What is trained.
        optimizer: Whose steps are watched; None for any optimizer's.
        draw: Brings the picture up to date; returns whether it did.
        look: Looks at the newest gradients, on the thread that trains: elsewhere they may go while they are read.
        lr: Of plain gradient descent, where that is what trains.
        told: What a verdict on the training cannot see in its record.
        share: Of the time of training that drawing may take.
        **options: The monitor's.

    Attributes:
        monitor: What records.
        stopped: Whether Stop was pressed.
        drawing: Seconds that pictures took of the processor: waiting for a busy machine is not their cost.
        pictures: How many were drawn.
        model: A weak reference to what is trained.
        thread: On which thread it is trained.
        lr: The learning rate, where it is known.
        verdict: What is said of the record.
        whole: Whether a record beside is seen beyond the steps of this one.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer | None,
        draw: Callable[[LiveRun], bool],
        look: Callable[[LiveRun], None],
        *,
        lr: float | None = None,
        told: Told | None = None,
        share: float = SHARE,
        **options: Unpack[Recording],
    ) -> None:
        recording: Recording = {"activations": True, "updates": True, "grace": GRACE, **options}
        self.monitor = GradientMonitor(model, optimizer, **recording)
        self.lr = lr
        self.whole = False
        self.verdict = LiveVerdict(told)
        self._share = share
        self.stopped = False
        self.drawing = 0.0
        self.pictures = 0
        self.model = weakref.ref(model)
        self.thread = threading.get_ident()
        self._draw, self._look = draw, look
        self._optimizer = optimizer
        self._resources = contextlib.ExitStack()
        self._drawn_at_step = 0
        self._usual = 0.0  # seconds that a picture takes of which little has changed
        self._due = self._began = self._ended = self._shown_at = 0.0
        self._latest = Latest(self._follow)

    def open(self, *resources: contextlib.AbstractContextManager[object]) -> None:
        """Begin to watch, or go on with it; what is given stays entered until the end."""
        if self._ended:
            self._began += time.perf_counter() - self._ended
            self._ended, self._latest = 0.0, Latest(self._follow)
        with contextlib.ExitStack() as stack:
            for one in resources:
                stack.enter_context(one)
            stack.enter_context(self.monitor)
            if self._optimizer is not None:
                register = self._optimizer.register_step_post_hook
            else:
                register = sys.modules[torch.optim.Optimizer.__module__].register_optimizer_step_post_hook
            self._hook = Hook(self._after_step)
            stack.callback(register(self._hook).remove)
            self._resources = stack.pop_all()
        self._began = self._began or time.perf_counter()

    def close(self) -> None:
        """End the watch; what was recorded stays. May be called again."""
        self._ended = self._ended or time.perf_counter()
        self._optimizer = None
        self._latest.cancel()
        self._resources.close()

    @property
    def active(self) -> bool:
        """Whether it still watches."""
        return self.monitor.active and not self.ended

    @property
    def ended(self) -> bool:
        """Whether it was closed."""
        return bool(self._ended)

    @property
    def overhead(self) -> tuple[float, float]:
        """Time spent on recording and on drawing, each in the time of training without both."""
        whole = (self._ended or time.perf_counter()) - self._began
        recording = self.monitor.overhead
        alone = (whole - self.drawing) / (1 + recording if recording == recording else 1)
        return recording, self.drawing / alone if alone > 0 else 0.0

    def judge(self, *, now: bool) -> None:
        """Bring the verdict up to date, where there is something new to judge and it is time, or `now`."""
        monitor = self.monitor
        lr = self.lr if self.lr is not None else monitor.lr
        self.verdict.judge(monitor.history, monitor.losses, lr, now=now)

    def _after_step(self, *_: object) -> None:
        if time.perf_counter() < self._due:
            return
        if at_home():
            self._follow()
        elif not self._latest.pending:
            self._look_here()
            self._latest.request()

    def look(self) -> None:
        """Look at the newest gradients, where this is the thread that trains."""
        if self.thread == threading.get_ident():
            self._look(self)

    def _look_here(self) -> None:
        began = time.thread_time()
        try:
            self.look()
        except Exception:
            _log.exception("The gradients could not be looked at")
        self.drawing += time.thread_time() - began

    def step_seen(self) -> None:
        """Follow a loop that has no torch optimizer."""
        self._after_step()

    def _follow(self) -> None:
        """Bring the picture up to date, if there is anything new; whatever fails, the training goes on."""
        latest = self.monitor.latest
        if latest is None or latest.step == self._drawn_at_step or self._ended:
            return
        began = time.perf_counter()
        over = self.drawing + self._usual - FIRST - self._share * (began - self._began)
        if over > 0:
            self._due = min(began + over / self._share, self._shown_at + max(PATIENCE, DEAR * self._usual))
        if began < self._due:
            return
        drawn, worked = False, time.thread_time()
        try:
            drawn = self._draw(self)
        except Exception:
            _log.exception("The picture could not follow the training")
            self._due = float("inf")
            return
        took = time.thread_time() - worked
        self.drawing += took
        self._shown_at = time.perf_counter()
        if drawn:
            self.pictures += 1
            self._drawn_at_step = latest.step
            self._usual = min(took, self._usual or took)
        self._due = began + 1 / PICTURES
