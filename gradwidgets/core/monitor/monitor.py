"""Watching the gradients of a real training loop, layer by layer, without changing it."""

import contextlib
import math
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from numbers import Integral, Real

import torch
from torch import Tensor, nn

from gradwidgets.core.monitor.history import History
from gradwidgets.core.monitor.pace import Pace
from gradwidgets.core.monitor.quantities import Sample
from gradwidgets.core.monitor.sampler import Sampler
from gradwidgets.core.monitor.taps import Hook, take_away
from gradwidgets.core.monitor.training.closures import WatchedCalls
from gradwidgets.core.monitor.training.first_pass import FirstLook
from gradwidgets.core.monitor.training.given.last_batch import Given
from gradwidgets.core.monitor.training.noted_loss import Losses, LossRecord, NotedLoss, Striking, loss_value
from gradwidgets.core.results.wording import counted, percent
from gradwidgets.core.subject.home import at_home

GRACE = 0.05  # seconds

_watching: "weakref.WeakKeyDictionary[nn.Module, weakref.ref[GradientMonitor]]" = weakref.WeakKeyDictionary()
_begun: "weakref.WeakKeyDictionary[nn.Module, int]" = weakref.WeakKeyDictionary()  # monitors of a model


class GradientMonitor:
    """Records every layer's gradient while a model trains.

        with GradientMonitor(model, optimizer) as monitor:
            for inputs, targets in loader:
                ...
                optimizer.step()
        monitor.history.to_frame()

    A sample is taken just before an optimizer's step, so it sees what the optimizer is about to use: sums over
    accumulated micro-batches, clipped gradients, and gradients that `GradScaler` has unscaled (a step that the scaler
    skips is none). With a closure it is the gradient of the closure's first call. Nothing of the training changes:
    not a bit of the weights, no random number; a failure here becomes a note and the training goes on.

    One model has one monitor: entering a second one ends the first. Copies and pickles of the model that are made
    meanwhile report to nobody. After the block no hook is left, and neither model nor optimizer is kept alive.

    Args:
        model: Any module.
        optimizer: The one whose steps are watched. Without it every optimizer of the process is asked at its step
            whether it holds parameters of the model: each such step counts, and only the parameters that it holds
            are recorded. Loops without a torch optimizer call `sample()`.
        every: Steps from one sample to the next, or "auto": as seldom as it takes to stay within `budget`. The first
            step is always sampled.
        budget: For "auto", the largest share of time in the time of training without it. On an accelerator the time
            of a sample includes waiting for the backward pass, so there the share is rather overestimated.
        grace: For "auto", seconds of looking that the budget does not count, so that a short training is seen too:
            of one of a few dozen steps some ten samples. They are spent at up to ten times its rate.
        activations: Whether to record mean and spread of the layers' outputs, and the dead units of torch's activation
            modules, from forward hooks that stand during sampled steps only. An activation that is called as a
            function has no module to hook.
        updates: Whether to record how far each sampled step moves the weights, from copies of at most 65,536 elements
            of each parameter.
        keep: The most samples that are kept (fewer where they would take more than 64 MB). When there are so many,
            they are thinned to half, evenly over the steps.
        scaler: A `torch.amp.GradScaler`, so that a step on gradients that are still scaled is noticed and divided.
        preflight: Whether the first pass with gradients is looked at as `preflight` does, for the verdict: inputs and
            weights by hooks that stand during that pass only, and, where `expect` has told them, targets and loss by
            one pass forward of a copy.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: One is out of its range.
    """

    @at_home
    def __init__(
        self,
        model: nn.Module,
        optimizer: "torch.optim.Optimizer | None" = None,
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
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be a torch.nn.Module; got {type(model).__name__}")
        if optimizer is not None and not isinstance(optimizer, torch.optim.Optimizer):
            raise TypeError(f"optimizer must be a torch.optim.Optimizer or None; got {type(optimizer).__name__}")
        if scaler is not None and not all(callable(getattr(scaler, one, None)) for one in ("is_enabled", "get_scale")):
            raise TypeError(f"scaler must be a torch.amp.GradScaler or None; got {type(scaler).__name__}")
        activations, updates = _yes_or_no("activations", activations), _yes_or_no("updates", updates)
        if every != "auto":
            every = _whole("every", every, 1, ' or "auto"')
        self._model = weakref.ref(model)
        self._optimizer = None if optimizer is None else weakref.ref(optimizer)
        self._pace = Pace(every, _share("budget", budget), _seconds("grace", grace))
        self._updates = updates
        keep = _whole("keep", keep, 2)
        self._sampler = Sampler(model, optimizer is not None, activations, self._updates, keep, scaler)
        self._first = FirstLook() if _yes_or_no("preflight", preflight) else None
        self._given = Given(self._sampler.inputs)
        if self._first is not None:
            self._sampler.strays = self._first.strayed
        self._handles: list = []
        self._active = self._left = False
        self._steps = 0
        self._sampled = False  # whether the last step was
        self._in_closure = False  # whether a sample waits for a closure's first call
        self._pending = 0.0  # seconds that the next sample's cost includes
        self._once = 0.0  # seconds that the budget does not count
        self._striking = Striking()
        self._loss = NotedLoss()
        self._losses = LossRecord()
        # Dropped without having been left, it takes its hooks along.
        first = [] if self._first is None else self._first.handles
        given = self._given.handles, self._given.answers.handles
        hooks = self._handles, self._sampler.taps.handles, self._sampler.overflow.handles, first, *given
        self._finalizer = weakref.finalize(self, _remove_all, *hooks)
        self._finalizer.atexit = False

    @at_home
    def __enter__(self) -> "GradientMonitor":
        """Begin to watch; a monitor that watches the model already is closed."""
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
        """A block within which a copy of the model may run: its hooks would count it as the model's own pass."""
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
        self._sampler.open(optimizer)
        before_step, after_step = Hook(self._before_step), Hook(self._after_step)
        if optimizer is not None:
            before, after = optimizer.register_step_pre_hook, optimizer.register_step_post_hook
        else:
            everywhere = sys.modules[torch.optim.Optimizer.__module__]  # torch.optim hides it under no other name
            before, after = everywhere.register_optimizer_step_pre_hook, everywhere.register_optimizer_step_post_hook
        self._handles.append(before(before_step))
        self._handles.append(after(after_step))
        if optimizer is not None:
            everywhere = sys.modules[torch.optim.Optimizer.__module__]
            self._handles.append(everywhere.register_optimizer_step_pre_hook(Hook(self._before_other)))
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
        """Leave nothing behind; an exception goes on its way."""
        try:
            self.close()
        except BaseException:  # an interrupt, which comes only once
            self._take_hooks_away()
            raise

    @at_home
    def close(self) -> None:
        """End the watch: remove every hook and let go of model and optimizer. What was recorded stays."""
        was_active = self._active
        self._in_closure = False
        self._take_hooks_away()  # of an earlier call that was interrupted, too
        if not was_active:
            return
        self._left = True
        self._pace.stop()
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

    @property
    def active(self) -> bool:
        """Whether it is watching."""
        return self._active

    @property
    def steps(self) -> int:
        """How many optimizer steps it has seen."""
        return self._steps

    @property
    def overhead(self) -> float:
        """The time spent looking, in the time of training without it; NaN before the start."""
        return self._pace.share_with(self._once + (0.0 if self._first is None else self._first.seconds))

    @property
    def lr(self) -> float | None:
        """The learning rate at the newest sample where plain gradient descent trains; None for other optimizers."""
        return self._sampler.lr

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be recorded, and whatever else is to be known, in sentences."""
        return self._sampler.sentences

    @property
    def history(self) -> History:
        """All samples that are kept; cheap, as it shares their memory."""
        return self._sampler.history(self._losses.losses(), self._first, self._given)

    @property
    def latest(self) -> Sample | None:
        """The newest sample; None before the first."""
        return self._sampler.latest

    @property
    def losses(self) -> Losses:
        """All losses that were noted, whether or not their steps were sampled (as far as `note_loss` reads them).

        A sequence of plain numbers, with their `steps` and `values` as tensors.
        """
        return self._losses.losses()

    @at_home
    def note_loss(self, value: float | Tensor) -> None:
        """Record the loss beside the gradients; call it once a step, before the optimizer's step or after it.

        Of several values for one step the last counts. A tensor on an accelerator is read at sampled steps only,
        and when it is the newest. Outside of the block none is recorded, and `notes` says so.

        Args:
            value: A number or a tensor of one element.

        Raises:
            TypeError: It is neither.
            ValueError: It is beyond all floats.
        """
        loss, value = value, loss_value(value)
        if self._active and self._first is not None and self._steps < 2:
            self._first.note_loss(loss)
        self._sampler.note_loss(ended=self._left, outside=not self._active)
        if not self._active:
            return
        self._look_at_loss(value)
        # Within a closure whose step has begun, the sample is still to come.
        done = self._steps - self._in_closure
        if self._loss.told(value, done):
            if self._sampled and len(self._sampler):
                value = float(value)
                self._sampler.amend_loss(value)
            self._losses.add(done, value, *self._sampler.about)

    def _look_at_loss(self, value: float | Tensor) -> None:
        """Have the step of a striking loss sampled: what the gradients are there, is asked next."""
        if not self._active or not isinstance(value, float) or not self._striking(value):
            return
        self._given.look()
        if self._first is not None and not math.isfinite(value):
            step = self._loss.step_of(self._steps - self._in_closure)
            self._first.add(self._given.findings(step))
            self._given.look_for_bad(self._model(), step)
        if math.isfinite(value) and self._pace.every != "auto":
            return
        if not self._in_closure and self._pace.due != self._steps + 1:
            self._pace.due = self._steps + 1

    def note_batch(self, index: int) -> None:
        """Say which batch the next step is of, so that a verdict can name it.

        Args:
            index: Its place in the loader, say.

        Raises:
            TypeError: It is no number.
        """
        if isinstance(index, bool) or not isinstance(index, Integral):
            raise TypeError(f"index must be a whole number; got {index!r}")
        self._sampler.batch = float(index)

    @at_home
    def note_targets(self, targets: Tensor) -> None:
        """Say what the next step's batch should give, so that a verdict knows what a mere guess would cost.

        Kept are the frequencies of classes, or mean and spread of numbers, and no target itself. Of the batches on an
        accelerator every seventh is read, and of others after the first 256.

        Args:
            targets: Labels or numbers; a negative label is one to ignore.

        Raises:
            TypeError: It is no tensor.
        """
        if not isinstance(targets, Tensor):
            raise TypeError(f"targets must be a tensor; got {type(targets).__name__}")
        begin = time.perf_counter()
        self._sampler.note_targets(targets)
        self._given.note_targets(targets)
        self._once += time.perf_counter() - begin

    def expect(self, inputs: object, targets: object, loss_fn: Callable) -> None:
        """Say what the first step may be made of, so that it is looked at as a whole.

        Where the model is then given these inputs, a copy of it makes one pass before its own, and the loss of that is
        looked at with the targets. May be called for several batches, and for some that never come; after the first
        pass it does nothing. Neither the model nor the training changes by it.

        Args:
            inputs: What the model will be given: a tuple as `model(*inputs)`, a dict as `model(**inputs)`.
            targets: Handed to the loss.
            loss_fn: `loss_fn(model's output, targets)`.

        Raises:
            TypeError: `loss_fn` cannot be called.
        """
        if not callable(loss_fn):
            raise TypeError(f"loss_fn must be callable, loss_fn(output, targets); got {loss_fn!r:.60}")
        if self._first is not None:
            self._first.expect(inputs, targets, loss_fn)

    @at_home
    def sample(self, *, paced: bool = False) -> Sample | None:
        """Count a step and take a sample now: for loops without a torch optimizer.

        Call it where the step would come, with the gradients in place.

        Args:
            paced: Whether to take it only when `every` says so; otherwise always.

        Returns:
            The sample; None if none was taken, or there was no gradient to take it of (`notes` says why).

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
        """Have the next step sampled, whatever the pace; call it before that step's pass forward.

        Raises:
            RuntimeError: The monitor is not active.
        """
        if not self._active:
            raise RuntimeError("sample_next() works inside the monitor's with block")
        if self._pace.due != self._steps + 1:
            self._pace.due = self._steps + 1
            self._sampler.inputs.due = True
            self._sampler.prepare()

    def __repr__(self) -> str:
        """How much it has seen."""
        share = "" if math.isnan(self.overhead) else f", overhead {percent(self.overhead)}"
        if self._pace.every == "auto" and self.overhead > self._pace.budget:
            later = percent(self._pace.budget)
            share += f" so far: the first steps are looked at more closely, later ones within {later}"
        samples = f"{counted(len(self._sampler), 'sample')} of {counted(self._steps, 'step')}"
        return f"<GradientMonitor: {counted(self._sampler.layers, 'layer')}, {samples}{share}>"

    def _before_step(self, optimizer, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
        begin = time.perf_counter()
        if self._optimizer is None and not self._sampler.share_of(optimizer):
            self._sampler.other(optimizer)
            return None
        self._count_step()
        self._sampler.begins(self._steps, optimizer)
        if self._steps != self._pace.due or not self._sampler.willing:
            self._losses.add(self._steps, self._loss.step(), *self._sampler.about)
            self._passed(begin, sampled=False)
            return None
        # The wrapped step's positional arguments begin with the optimizer itself.
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if not callable(closure):
            self._passed(begin, sampled=self._take(optimizer))
            return None
        self._in_closure = True
        tell, calls = Hook(self._take_in_closure), self._sampler.calls
        watched = WatchedCalls(closure, tell, optimizer, Hook(calls.begins), Hook(calls.ended))
        return ((args[0], watched, *args[2:]), kwargs) if len(args) > 1 else (args, {**kwargs, "closure": watched})

    def _count_step(self) -> None:
        self._steps += 1
        self._sampled = False
        self._sampler.waiting = 0

    def _take_in_closure(self, optimizer) -> None:
        begin = time.perf_counter()
        self._in_closure = False
        self._passed(begin, sampled=self._take(optimizer))

    def _before_other(self, optimizer, args: tuple, kwargs: dict) -> None:
        if self._optimizer is None or optimizer is not self._optimizer():
            self._sampler.other(optimizer)

    def _after_step(self, optimizer, args: tuple, kwargs: dict) -> None:
        begin = time.perf_counter()
        if self._optimizer is None and not self._sampler.share_of(optimizer):
            return
        if self._sampler.stepped(self._sampled):
            self._pending += time.perf_counter() - begin
        else:
            self._pace.spent += time.perf_counter() - begin

    def _take(self, optimizer) -> bool:
        loss = self._loss.step()
        self._sampled = self._sampler.take(self._steps, self._pace.elapsed, loss, optimizer)
        loss = self._sampler.loss if self._sampled and loss is not None else loss
        self._losses.add(self._steps, loss, *self._sampler.about)
        return self._sampled

    def _passed(self, begin: float, sampled: bool) -> None:
        """Time the hook that is about to end, and see to the hooks of the next step."""
        took, taps = time.perf_counter() - begin, self._sampler.taps
        if self._first is not None:
            self._first.forget()
        if sampled:
            # Hooks in the forward pass, and what was done after the last sample.
            took += taps.spent + self._pending
            taps.spent = self._pending = 0.0
        self._sampler.inputs.new = None  # of a step that is over
        self._given.answers.step(self._steps, sampled=sampled)
        self._pace.passed(self._steps, begin, took, sampled)
        if self._pace.due == self._steps + 1:
            self._sampler.inputs.due = True
            self._sampler.prepare()
        elif taps.handles:
            taps.disarm()


def _remove_all(*handles: list) -> None:
    for some in handles:
        take_away(some)


def _whole(name: str, value: object, low: int, or_else: str = "") -> int:
    allowed = f"a whole number ≥ {low}{or_else}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be {allowed}; got {value!r}")
    if value < low:
        raise ValueError(f"{name} must be {allowed}; got {value!r}")
    return int(value)


def _yes_or_no(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False; got {value!r}")
    return value


def _seconds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number ≥ 0; got {value!r}")
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a number ≥ 0; got {value!r}")
    return float(value)


def _share(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number above 0 and at most 1; got {value!r}")
    if not 0 < value <= 1:
        raise ValueError(f"{name} must be a number above 0 and at most 1; got {value!r}")
    return float(value)
