"""Watching the gradients of a real training loop, layer by layer, without changing it."""

import contextlib
import time
import weakref
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from gradwidgets.core.monitor.pace import Pace
from gradwidgets.core.monitor.quantities import Sample
from gradwidgets.core.monitor.sampling.sampler import STRANGER, Sampler
from gradwidgets.core.monitor.taps import Hook, Removable, take_away
from gradwidgets.core.monitor.told.checks_of_arguments import (
    holds_some,
    is_module,
    seconds,
    share,
    whole,
    yes_or_no,
)
from gradwidgets.core.monitor.told.noting import Noting
from gradwidgets.core.monitor.told.step_hooks import add_step_hooks
from gradwidgets.core.monitor.training.closures import WatchedCalls
from gradwidgets.core.monitor.training.first_pass import FirstLook
from gradwidgets.core.monitor.training.given.last_batch import Given
from gradwidgets.core.monitor.training.noted_loss import LossRecord, NotedLoss, Striking
from gradwidgets.core.subject.home import at_home

GRACE = 0.05  # seconds

_watching: "weakref.WeakKeyDictionary[nn.Module, weakref.ref[GradientMonitor]]" = weakref.WeakKeyDictionary()
_begun: "weakref.WeakKeyDictionary[nn.Module, int]" = weakref.WeakKeyDictionary()  # monitors of a model


class GradientMonitor(Noting):
    """Records every layer's gradient while a model trains.

        with GradientMonitor(model, optimizer) as monitor:
            for inputs, targets in loader:
                ...
                optimizer.step()
        monitor.history.to_frame()

    A sample is taken just before an optimizer's step, so it sees the gradients that the optimizer is about to use: sums
    over accumulated micro-batches, clipped gradients, and gradients that `GradScaler` has unscaled (a step that the
    scaler skips does not count). With a closure it is the gradient of the closure's first call. The training itself
    does not change: not a bit of the weights, no random number; a failure of the monitor becomes a note and the
    training goes on.

    One model has one monitor: entering a second one ends the first. Copies and pickles of the model that are made
    meanwhile report to no monitor. After the block no hook is left, and neither model nor optimizer is kept alive.

    Args:
        model: Any module.
        optimizer: The one whose steps are watched. Without it every optimizer of the process is checked at its step for
            parameters of the model: each step of one that holds some counts, and only the parameters that it holds
            are recorded. Loops without a torch optimizer call `sample()`.
        every: Steps from one sample to the next, or "auto": as seldom as it takes to stay within `budget`. The first
            step is always sampled. Where the monitor was given no optimizer and several step in turn, each one's own
            steps count, so that none is missed.
        budget: For "auto", the largest share that the monitor adds to the time of training without it. On an
            accelerator the time of a sample includes waiting for the backward pass, so the share there is too high.
        grace: For "auto", seconds that the budget does not count, so that a short training is seen too: about ten
            samples of a few dozen steps. They are spent at up to ten times its rate. Unless it is 0, some twenty of the
            first 200 steps are sampled, no more than ten steps apart, whatever share of the time that takes, as long as
            the cheapest sample costs less than this; a longer training has time to make up for it.
        activations: Whether to record mean and spread of the layers' outputs, and the dead units of torch's activation
            modules, from forward hooks that are there during sampled steps only. An activation that is called as a
            function has no module to hook.
        updates: Whether to record how far each sampled step moves the weights, from copies of at most 65,536 elements
            of each parameter.
        keep: The most samples that are kept (fewer where they would take more than 64 MB). When there are that many,
            they are thinned to half, evenly over the steps.
        scaler: A `torch.amp.GradScaler`, so that gradients that are still scaled at a step are noticed, and recorded
            divided by the scale.
        preflight: Whether the first pass with gradients is checked as `preflight` does, for the verdict: inputs and
            weights by hooks that are there during that pass only, and, where `expect` was given them, targets and loss
            by one forward pass of a copy.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: One is out of its range.
    """

    @at_home
    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer | None = None,
        *,
        every: int | str = "auto",
        budget: float = 0.03,
        grace: float = GRACE,
        activations: bool = False,
        updates: bool = False,
        keep: int = 10_000,
        scaler: "torch.amp.GradScaler | None" = None,
        preflight: bool = True,
    ) -> None:
        is_module(model)
        if optimizer is not None and not isinstance(optimizer, torch.optim.Optimizer):
            raise TypeError(f"optimizer must be a torch.optim.Optimizer or None; got {type(optimizer).__name__}")
        if scaler is not None and not all(callable(getattr(scaler, one, None)) for one in ("is_enabled", "get_scale")):
            raise TypeError(f"scaler must be a torch.amp.GradScaler or None; got {type(scaler).__name__}")
        activations, updates = yes_or_no("activations", activations), yes_or_no("updates", updates)
        if every != "auto":
            every = whole("every", every, 1, ' or "auto"')
        self._model = weakref.ref(model)
        self._optimizer = None if optimizer is None else weakref.ref(optimizer)
        self._pace = Pace(every, share("budget", budget), seconds("grace", grace))
        self._updates = updates
        keep = whole("keep", keep, 2)
        self._sampler = Sampler(model, optimizer is not None, activations, self._updates, keep, scaler)
        if next(model.parameters(), None) is None:
            self._sampler.notes["nothing"] = "the model has no parameters, so there is nothing to learn"
        elif optimizer is not None and not holds_some(optimizer, model):
            self._sampler.notes["stranger"] = STRANGER  # it may yet be given them
        self._turns = self._sampler.turns
        self._first = FirstLook() if yes_or_no("preflight", preflight) else None
        self._given = Given(self._sampler.observers.inputs)
        if self._first is not None:
            self._sampler.untrained.strays = self._first.strayed
        self._handles: list[Removable] = []
        self._active = self._left = False
        self._steps = 0
        self._sampled = False  # whether the last step was
        self._in_closure = False  # whether a sample waits for a closure's first call
        self._pending = 0.0  # seconds that the next sample's cost includes
        self._once = 0.0  # seconds that the budget does not count
        self._striking, self._struck = Striking(), 0.0  # and the newest such loss
        self._loss = NotedLoss()
        self._losses = LossRecord()
        # A monitor that is garbage collected within its block removes its hooks.
        first: list[Removable] = [] if self._first is None else self._first.handles
        given = self._given.handles, self._given.answers.handles
        observers = self._sampler.observers
        some = self._sampler.taps.handles, observers.overflow.handles, observers.thrown.handles
        hooks = self._handles, *some, observers.leftover.handles, first, *given
        self._finalizer = weakref.finalize(self, _remove_all, *hooks)
        self._finalizer.atexit = False

    @at_home
    def __enter__(self) -> "GradientMonitor":
        """Start to watch; another monitor that watches the model is closed."""
        try:
            try:
                return self._begin()
            except BaseException:
                self._take_hooks_away()
                raise
        except BaseException:  # an interrupt may come while they are taken away
            self._take_hooks_away()
            raise

    @contextlib.contextmanager
    def _without_taps(self) -> Iterator[None]:
        """A block without the taps, in which a copy of the model may run: its pass would count as the model's own."""
        self._sampler.taps.disarm()
        try:
            yield
        finally:
            if self._pace.due == self._steps + 1:
                self._sampler.prepare()

    def _take_hooks_away(self) -> None:
        self._active = False
        if self._first is not None:
            self._first.disarm()
        self._given.disarm()
        _remove_all(self._handles)
        self._sampler.close()

    def _begin(self) -> "GradientMonitor":
        model = self._model()
        optimizer = self._optimizer() if self._optimizer is not None else None
        if model is None or (self._optimizer is not None and optimizer is None):
            gone = "model" if model is None else "optimizer"
            raise ValueError(
                f"the {gone} of this monitor is gone, which it does not keep alive: hold it in a variable of your own "
                "and make a new GradientMonitor"
            )
        known = _watching.get(model)
        before = known() if known is not None else None
        if before is not None:
            before.close()
            if before is not self:
                before._sampler.notes["replaced by"] = "a newer monitor of the same model has ended this one"
        _watching[model] = weakref.ref(self)
        self._sampler.open(model, optimizer)
        of_steps = Hook(self._before_step), Hook(self._after_step), Hook(self._before_other)
        add_step_hooks(self._handles, optimizer, *of_steps)
        self._active, self._left = True, False
        if not self._steps:
            _begun[model] = self._sampler.begun = _begun.get(model, 0) + 1
        self._pace.start()
        if self._first is not None and not self._steps:
            self._first.arm(model, self._sampler.opaque, self._without_taps)
        if self._first is not None and not self._sampler.opaque:
            self._given.arm(model)
        if self._pace.due == self._steps + 1:
            self._sampler.prepare()
        return self

    def __exit__(self, *raised: object) -> None:
        """Remove every hook; an exception is passed on."""
        try:
            self.close()
        except BaseException:  # an interrupt, which comes only once
            self._take_hooks_away()
            raise

    @at_home
    def close(self) -> None:
        """Stop watching: remove every hook and let go of model and optimizer. What was recorded stays."""
        was_active = self._active
        self._in_closure = False
        self._take_hooks_away()  # also those that an interrupted earlier call has left
        if not was_active:
            return
        self._left = True
        self._pace.stop()
        if self._steps and self._loss.waits_for_a_step(self._struck):  # a loop may end because of it
            self._losses.add(self._steps + 1, self._struck, *self._sampler.about)
        model = self._model()
        if model is not None and (known := _watching.get(model)) is not None and known() is self:
            del _watching[model]
        if not self._steps:
            self._sampler.notes["no step"] = (
                "no optimizer that holds parameters of the model made a step"
                if self._optimizer is None
                else "the optimizer made no step"
            )
        else:
            self._sampler.notes.pop("no step", None)

    @at_home
    def sample(self, *, paced: bool = False) -> Sample | None:
        """Count a step and take a sample now, for loops without a torch optimizer.

        Call it where the step would come, with the gradients in place.

        Args:
            paced: Whether to take it only when `every` says so; otherwise it is always taken.

        Returns:
            The sample; None if none was taken, or there was no gradient (`notes` says why).

        Raises:
            RuntimeError: The monitor is not active.
        """
        if not self._active:
            raise RuntimeError("sample() works inside the monitor's with block")
        begin = time.perf_counter()
        self._count_step()
        if paced and (self._steps != self._pace.due or not self._sampler.willing):
            self._losses.add(self._steps, self._loss.step(), *self._sampler.about)
            self._passed(begin, sampled=False)
            return None
        taken = self._take(None)
        self._passed(begin, sampled=taken)
        return self.latest if taken and self._sampler.has_gradient(self._steps) else None

    def sample_next(self) -> None:
        """Have the next step sampled, whatever the pace; call it before that step's forward pass.

        Raises:
            RuntimeError: The monitor is not active.
        """
        if not self._active:
            raise RuntimeError("sample_next() works inside the monitor's with block")
        if self._pace.due != self._steps + 1:
            self._pace.ask(self._steps + 1)
            self._sampler.observers.inputs.due = True
            self._sampler.prepare()

    def _before_step(
        self, optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        begin = time.perf_counter()
        if self._optimizer is None and not self._sampler.share_of(optimizer):
            self._sampler.other(optimizer)
            return None
        self._count_step()
        self._sampler.begins(self._steps, optimizer)
        if not self._pace.takes(self._steps, self._turns) or not self._sampler.willing:
            self._losses.add(self._steps, self._loss.step(), *self._sampler.about)
            self._passed(begin, sampled=False)
            return None
        # The wrapped step's positional arguments begin with the optimizer itself.
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if not callable(closure):
            self._passed(begin, sampled=self._take(optimizer))
            return None
        self._in_closure = True
        tell, calls = Hook(self._take_in_closure), self._sampler.observers.calls
        watched = WatchedCalls(closure, tell, optimizer, Hook(calls.begins), Hook(calls.ended))
        return ((args[0], watched, *args[2:]), kwargs) if len(args) > 1 else (args, {**kwargs, "closure": watched})

    def _count_step(self) -> None:
        self._steps += 1
        self._sampled = False
        self._sampler.passes()

    def _take_in_closure(self, optimizer: torch.optim.Optimizer) -> None:
        begin = time.perf_counter()
        self._in_closure = False
        self._passed(begin, sampled=self._take(optimizer))

    def _before_other(self, optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._optimizer is None or optimizer is not self._optimizer():
            self._sampler.other(optimizer)

    def _after_step(self, optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        begin = time.perf_counter()
        if self._optimizer is None and not self._sampler.share_of(optimizer):
            return
        if self._sampler.stepped(self._sampled):
            self._pending += time.perf_counter() - begin
        else:
            self._pace.spent += time.perf_counter() - begin

    def _take(self, optimizer: torch.optim.Optimizer | None) -> bool:
        loss = self._loss.step()
        self._sampled = self._sampler.take(self._steps, self._pace.elapsed, loss, optimizer)
        loss = self._sampler.loss if self._sampled and loss is not None else loss
        self._losses.add(self._steps, loss, *self._sampler.about)
        return self._sampled

    def _passed(self, begin: float, sampled: bool) -> None:
        """Add up the cost of a step's hook, which is about to end, and prepare the next step."""
        took, taps, inputs = time.perf_counter() - begin, self._sampler.taps, self._sampler.observers.inputs
        if self._first is not None:
            self._first.forget()
        if sampled:
            # The hooks in the forward pass, and the work after the last sample, count as well.
            took += taps.spent + self._pending
            taps.spent = self._pending = 0.0
        inputs.new = None  # of a step that is over
        inputs.small.step(self._steps)
        self._given.answers.step(self._steps, sampled=sampled)
        self._pace.passed(self._steps, begin, took, sampled, self._turns)
        if self._pace.due == self._steps + 1:
            inputs.due = True
            self._sampler.prepare()
        elif taps.handles:
            taps.disarm()


def _remove_all(*handles: list[Removable]) -> None:
    for some in handles:
        take_away(some)
