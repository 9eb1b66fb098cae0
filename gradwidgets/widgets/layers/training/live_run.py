"""A training that is watched: the monitor records it, the picture follows, and Stop works while the cell runs."""

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
from gradwidgets.widgets.layers.training.live_verdict import LiveVerdict, TrainingFacts

_log = logging.getLogger(__name__)
PICTURES = 10.0  # a second, at most
SHARE = 0.03  # of the time of training that drawing may take
GRACE = 0.1  # seconds of recording that the budget does not count: a training of a second should be seen too
FIRST = 0.15  # seconds more for the first pictures, which draw everything: the second one should not have to wait
PATIENCE = 5.0  # seconds between two pictures at most: one that does not move seems stuck
DEAR = 10.0  # the same for slow pictures: at most this many times the seconds that one takes


class Recording(TypedDict, total=False):
    """The options of a `GradientMonitor` besides the model and the optimizer."""

    every: int | str
    budget: float
    grace: float
    activations: bool
    updates: bool
    keep: int
    scaler: torch.amp.GradScaler | None
    preflight: bool


class Watching(Recording, total=False):
    """The options of a training that is watched; those added here are for the verdict, see `TrainingFacts`."""

    max_norm: float | None
    classes: int | None
    beside: object


class LiveRun:
    """One watched training.

    Args:
        model: The model that is trained.
        optimizer: The optimizer whose steps are watched; None for any optimizer.
        draw: Updates the picture; returns whether it did.
        look: Reads the newest gradients, on the thread that trains: on another one they may change meanwhile.
        lr: The learning rate of plain gradient descent; None for another optimizer.
        facts: What the verdict needs to know besides the record.
        share: The share of the time of training that drawing may take.
        **options: The options of the monitor.

    Attributes:
        monitor: The monitor that records the training.
        stopped: Whether Stop was pressed.
        drawing: The processor time that pictures took, in seconds, without waiting for a busy machine.
        pictures: The number of pictures drawn.
        model: A weak reference to the model that is trained.
        thread: The id of the thread that trains it.
        lr: The learning rate; None if it is not known.
        verdict: The verdict on the record.
        whole: Whether a record beside this one is shown beyond its last step.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer | None,
        draw: Callable[[LiveRun], bool],
        look: Callable[[LiveRun], None],
        *,
        lr: float | None = None,
        facts: TrainingFacts | None = None,
        share: float = SHARE,
        **options: Unpack[Recording],
    ) -> None:
        recording: Recording = {"activations": True, "updates": True, "grace": GRACE, **options}
        self.monitor = GradientMonitor(model, optimizer, **recording)
        self.lr = lr
        self.whole = False
        self.verdict = LiveVerdict(facts)
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
        self._usual = 0.0  # seconds that a picture takes if little has changed
        self._due = self._began = self._ended = self._shown_at = 0.0
        self._latest = Latest(self._follow)

    def open(self, *resources: contextlib.AbstractContextManager[object]) -> None:
        """Begin or continue to watch; the context managers given are exited at the end."""
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
        """Stop watching; the record stays. May be called again."""
        self._ended = self._ended or time.perf_counter()
        self._optimizer = None
        self._latest.cancel()
        self._resources.close()

    @property
    def active(self) -> bool:
        """Whether the training is still watched."""
        return self.monitor.active and not self.ended

    @property
    def ended(self) -> bool:
        """Whether it was closed."""
        return bool(self._ended)

    @property
    def overhead(self) -> tuple[float, float]:
        """The time spent on recording and on drawing, each as a share of the time of training without both."""
        whole = (self._ended or time.perf_counter()) - self._began
        recording = self.monitor.overhead
        alone = (whole - self.drawing) / (1 + recording if recording == recording else 1)
        return recording, self.drawing / alone if alone > 0 else 0.0

    def judge(self, *, now: bool) -> None:
        """Update the verdict if there are new steps to judge and it is due, or if `now`."""
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
        """Read the newest gradients if this is the thread that trains."""
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
        """Follow a step of a loop that has no torch optimizer."""
        self._after_step()

    def _follow(self) -> None:
        """Update the picture if there is a new step; if that fails, the training continues."""
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
