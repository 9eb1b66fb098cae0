"""Watching the gradients of a real training loop, layer by layer, without changing it."""

import contextlib
import math
import sys
import time
import weakref
from collections.abc import Iterator
from numbers import Integral, Real

import torch
from torch import Tensor, nn

from gradwidgets.core.layers.monitor_amp import scale_of
from gradwidgets.core.layers.monitor_closure import FirstCall
from gradwidgets.core.layers.monitor_history import QUANTITIES, History, Record, Sample
from gradwidgets.core.layers.monitor_layers import LayerTable, Owned, listed
from gradwidgets.core.layers.monitor_loss import NotedLoss, loss_value
from gradwidgets.core.layers.monitor_numbers import gradient_numbers
from gradwidgets.core.layers.monitor_pace import Pace
from gradwidgets.core.layers.monitor_taps import Hook, Taps
from gradwidgets.core.layers.monitor_updates import Updates
from gradwidgets.core.wording import percent

_LOOK_EVERY = 8  # samples, for parameters that are new in the model
_PATIENCE = 3  # samples that may fail before no more are taken

_watching: "weakref.WeakKeyDictionary[nn.Module, weakref.ref[GradientMonitor]]" = weakref.WeakKeyDictionary()


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
        activations: Whether to record the outputs of the layers and of torch's activation modules, from forward hooks
            that stand during sampled steps only. Activations that are called as functions have no module to hook.
        updates: Whether to record how far each sampled step moves the weights, from copies of at most 65,536 elements
            of each parameter.
        keep: The most samples that are kept (fewer where they would take more than 64 MB). Then every second one is
            dropped: the past grows coarser, the newest are dense.
        scaler: A `torch.amp.GradScaler`, so that a step on gradients that are still scaled is noticed and divided.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: One is out of its range.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: "torch.optim.Optimizer | None" = None,
        *,
        every: int | str = "auto",
        budget: float = 0.03,
        activations: bool = False,
        updates: bool = False,
        keep: int = 10_000,
        scaler: "torch.amp.GradScaler | None" = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be a torch.nn.Module; got {type(model).__name__}")
        if optimizer is not None and not isinstance(optimizer, torch.optim.Optimizer):
            raise TypeError(f"optimizer must be a torch.optim.Optimizer or None; got {type(optimizer).__name__}")
        if every != "auto":
            every = _whole("every", every, 1, ' or "auto"')
        self._model = weakref.ref(model)
        self._optimizer = None if optimizer is None else weakref.ref(optimizer)
        self._scaler = scaler
        self._activations = bool(activations)
        self._pace = Pace(every, _share("budget", budget))
        self._table: LayerTable | None = LayerTable(model, self._activations)
        self._names: tuple[tuple, tuple, tuple] = self._described()
        wanted = {"": True, "activations": self._activations, "updates": bool(updates)}
        recorded = tuple(name for name, quantity in QUANTITIES.items() if wanted[quantity.needs])
        self._record = Record(recorded, len(self._table.names), _whole("keep", keep, 2))
        self._updates = Updates() if updates else None
        self._taps = Taps()
        self._handles: list = []
        self._held: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
        self._notes: dict[str, str] = {}
        self._failures = 0
        self._active = False
        self._steps = 0
        self._sampled = False  # whether the last step was
        self._in_closure = False  # whether a sample waits for a closure's first call
        self._pending = 0.0  # seconds that the next sample's cost includes
        self._loss = NotedLoss()
        self._finalizer = weakref.finalize(self, _remove_all, self._handles, self._taps.handles)
        self._finalizer.atexit = False

    def __enter__(self) -> "GradientMonitor":
        """Begin to watch; a monitor that watches the model already is closed."""
        model = self._model()
        optimizer = self._optimizer() if self._optimizer is not None else None
        if model is None or (self._optimizer is not None and optimizer is None):
            raise ValueError("model and optimizer of this monitor are gone: make a new GradientMonitor")
        before = _watching.get(model)
        before = before() if before is not None else None
        if before is not None:
            before._notes["replaced by"] = "a newer monitor of the same model has ended this one"
            before.close()
        _watching[model] = weakref.ref(self)
        if self._table is None:
            self._table = LayerTable(model, self._activations)
            self._names = self._described()
        before_step, after_step = Hook(self._before_step), Hook(self._after_step)
        if optimizer is not None:
            self._handles.append(optimizer.register_step_pre_hook(before_step))
            if self._updates is not None:
                self._handles.append(optimizer.register_step_post_hook(after_step))
        else:
            everywhere = sys.modules[torch.optim.Optimizer.__module__]  # torch.optim hides it under no other name
            self._handles.append(everywhere.register_optimizer_step_pre_hook(before_step))
            if self._updates is not None:
                self._handles.append(everywhere.register_optimizer_step_post_hook(after_step))
        self._active = True
        self._pace.start()
        self._prepare()
        return self

    def __exit__(self, *raised: object) -> None:
        """Leave nothing behind; an exception goes on its way."""
        self.close()

    def close(self) -> None:
        """End the watch: remove every hook and let go of model and optimizer. What was recorded stays."""
        if not self._active:
            return
        self._active = False
        _remove_all(self._handles, self._taps.handles)
        self._pace.stop()
        model = self._model()
        if model is not None and (ours := _watching.get(model)) is not None and ours() is self:
            del _watching[model]
        if not self._steps:
            self._notes["no step"] = "no optimizer that holds parameters of the model made a step"
        self._notes = {**self._table.notes, **self._notes}
        self._table = None
        self._held.clear()
        self._in_closure = False
        if self._updates is not None:
            self._updates.forget()

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
        return self._pace.share

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be recorded, and whatever else is to be known, in sentences."""
        return tuple({**(self._table.notes if self._table is not None else {}), **self._notes}.values())

    @property
    def history(self) -> History:
        """All samples that are kept; cheap, as it shares their memory."""
        return self._record.history(*self._names, self.notes)

    @property
    def latest(self) -> Sample | None:
        """The newest sample; None before the first."""
        return self._record.latest(*self._names, self.notes)

    def note_loss(self, value: float | Tensor) -> None:
        """Record the loss beside the gradients; call it once a step, before the optimizer's step or after it.

        Of several values for one step the last counts. A tensor on an accelerator is read at sampled steps only.

        Args:
            value: A number or a tensor of one element.

        Raises:
            TypeError: It is neither.
        """
        value = loss_value(value)
        # Within a closure whose step has begun, the sample is still to come.
        if self._loss.told(value, self._steps - self._in_closure) and self._sampled and len(self._record):
            self._record.amend_loss(float(value))

    def sample(self) -> Sample | None:
        """Count a step and take a sample now, whatever `every` says: for loops without a torch optimizer.

        Call it where the step would come, with the gradients in place.

        Returns:
            The sample; None if it could not be taken (`notes` says why).

        Raises:
            RuntimeError: The monitor is not active.
        """
        if not self._active:
            raise RuntimeError("sample() works inside the monitor's with block")
        begin = time.perf_counter()
        self._steps += 1
        self._sampled = False
        taken = self._take(None)
        self._passed(begin, sampled=taken)
        return self.latest if taken else None

    def __repr__(self) -> str:
        """How much it has seen."""
        share = "" if math.isnan(self.overhead) else f", overhead {percent(self.overhead)}"
        samples = f"{len(self._record)} samples of {self._steps} steps"
        return f"<GradientMonitor: {len(self._names[0])} layers, {samples}{share}>"

    def _before_step(self, optimizer, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
        begin = time.perf_counter()
        if self._optimizer is None and not self._share_of(optimizer):
            return None
        self._steps += 1
        self._sampled = False
        if self._steps != self._pace.due or self._failures >= _PATIENCE:
            self._loss.step()
            self._passed(begin, sampled=False)
            return None
        # The wrapped step's positional arguments begin with the optimizer itself.
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if not callable(closure):
            self._passed(begin, sampled=self._take(optimizer))
            return None
        self._in_closure = True
        first = FirstCall(closure, Hook(self._take_in_closure), optimizer)
        return ((args[0], first, *args[2:]), kwargs) if len(args) > 1 else (args, {**kwargs, "closure": first})

    def _take_in_closure(self, optimizer) -> None:
        begin = time.perf_counter()
        self._in_closure = False
        self._passed(begin, sampled=self._take(optimizer))

    def _after_step(self, optimizer, args: tuple, kwargs: dict) -> None:
        if not self._updates.waiting:
            return
        begin = time.perf_counter()
        if self._sampled:
            with self._guarded(), torch.no_grad():
                self._record.amend("update_ratio", self._updates.after(len(self._table.names)))
        self._updates.forget()
        self._pending += time.perf_counter() - begin

    def _passed(self, begin: float, sampled: bool) -> None:
        """Time the hook that is about to end, and see to the hooks of the next step."""
        took = time.perf_counter() - begin
        if sampled:
            # Hooks in the forward pass, and what was done after the last sample.
            took += self._taps.spent + self._pending
            self._taps.spent = self._pending = 0.0
        self._pace.passed(self._steps, begin, took, sampled)
        if self._pace.due == self._steps + 1:
            self._prepare()
        elif sampled:
            self._taps.disarm()

    def _prepare(self) -> None:
        if not self._activations:
            return
        if self._table.opaque:
            self._notes["opaque"] = (
                f"activations cannot be seen in a {self._table.opaque} module: hooks do not run there"
            )
        else:
            self._taps.arm(self._table.modules)

    def _take(self, optimizer) -> bool:
        """Take a sample at the step that is about to happen; `optimizer` is None where none is known."""
        loss = self._loss.step()
        with self._guarded(), torch.no_grad():
            if len(self._record) % _LOOK_EVERY == 0:
                self._follow()
            owned = self._owned(optimizer)
            layers = len(self._table.names)
            scale, note = scale_of(optimizer, self._scaler)
            if note:
                self._notes["scaled"] = note
            scalars, rows, activation_numbers = self._taps.take()
            numbers, read = gradient_numbers(owned, layers, scale, scalars, rows)
            numbers.update(activation_numbers(read))
            if self._updates is not None:
                self._updates.before(owned)
            self._note_missing(owned)
            self._record.add(self._steps, self._pace.elapsed, float(loss), numbers, layers)
            self._sampled = True
            return True
        self._failures += 1
        return False

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Training goes on whatever happens here."""
        try:
            yield
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
            self._notes["failed"] = f"step {self._steps} could not be recorded: {words:.200}"

    def _follow(self) -> None:
        model = self._model()
        if model is not None and self._table.follow(model):
            self._names = self._described()
            self._taps.disarm()

    def _owned(self, optimizer) -> list[Owned]:
        """The parameters to record at a step of the optimizer."""
        if optimizer is None:
            return self._table.owned
        held = self._share_of(optimizer)
        if self._optimizer is None:
            return held
        if len(held) < len(self._table.owned) and "outside" not in self._notes:
            ours = {id(one) for one in held}
            outside = [one.name for one in self._table.owned if id(one) not in ours and one.parameter.grad is not None]
            if outside:
                self._notes["outside"] = f"with a gradient, but not in the optimizer: {listed(outside)}"
        return self._table.owned

    def _share_of(self, optimizer) -> list[Owned]:
        """The model's parameters that an optimizer holds."""
        lengths = [len(group["params"]) for group in optimizer.param_groups]
        known = self._held.get(optimizer)
        if known is None or known[0] != lengths:
            self._follow()  # a new optimizer may hold what is new in the model
        if known is None or known[0] != lengths or known[1] is not self._table.owned:
            held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
            known = lengths, self._table.owned, [one for one in self._table.owned if id(one.parameter) in held]
            self._held[optimizer] = known
        return known[2]

    def _note_missing(self, owned: list[Owned]) -> None:
        if "missing" in self._notes:
            return
        missing = [one.name for one in owned if one.parameter.grad is None and one.parameter.requires_grad]
        if missing:
            self._notes["missing"] = (
                f"no gradient at step {self._steps}, so unused in what the loss was made of: {listed(missing)}"
            )

    def _described(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...]]:
        return tuple(self._table.names), tuple(self._table.kinds), tuple(self._table.counts)


def _remove_all(*handles: list) -> None:
    for some in handles:
        while some:
            some.pop().remove()


def _whole(name: str, value: object, low: int, or_else: str = "") -> int:
    allowed = f"a whole number ≥ {low}{or_else}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be {allowed}; got {value!r}")
    if value < low:
        raise ValueError(f"{name} must be {allowed}; got {value!r}")
    return int(value)


def _share(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number above 0 and at most 1; got {value!r}")
    if not 0 < value <= 1:
        raise ValueError(f"{name} must be a number above 0 and at most 1; got {value!r}")
    return float(value)
