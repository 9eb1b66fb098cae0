"""One sample of a model's gradients, into the record."""

import math
import weakref
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gradwidgets.core.monitor.kept_rows import Columns, Record
from gradwidgets.core.monitor.numbers import gradient_numbers
from gradwidgets.core.monitor.owners import LayerTable, Owned, Written, writes_of
from gradwidgets.core.monitor.quantities import QUANTITIES
from gradwidgets.core.monitor.sampling.notes import Notes
from gradwidgets.core.monitor.sampling.observers import Observers
from gradwidgets.core.monitor.sampling.sampled import Sampled
from gradwidgets.core.monitor.sampling.unmoved import LOOK_EVERY, Untrained, without_gradient
from gradwidgets.core.monitor.taps import Taps
from gradwidgets.core.monitor.training.beginning import setting_of
from gradwidgets.core.monitor.training.given.classes_asked import asked_class, of_last_bias
from gradwidgets.core.monitor.training.optimizer_settings import rule_of, settings_of, shares_of
from gradwidgets.core.monitor.training.parts.frozen_parts import freezing_flags
from gradwidgets.core.monitor.training.parts.loop_order import clip_ahead
from gradwidgets.core.monitor.training.scaling import scale_of
from gradwidgets.core.monitor.updates import Updates, plain_lr
from gradwidgets.core.results.wording import counted

STRANGER = "the optimizer holds none of the model's parameters"
_WAITS = 4  # losses without a step
_SECOND = 2  # step, at which the loop's own code is looked at
_PATIENCE = 3  # samples that may fail before no more are taken

# An optimizer's parameters: the lengths of its groups, the model's table, and those of it that the optimizer holds.
_Share = tuple[list[int], Sequence[Owned], list[Owned]]


class Sampler(Sampled):
    """Takes the samples of a `GradientMonitor`, which says when.

    Args:
        model: The model; it and its parameters are kept alive only between `open` and `close`.
        one: Whether one optimizer is watched, so that the whole model is recorded at its steps; else each optimizer's
            own parameters are recorded at its own steps.
        activations: Whether outputs are recorded.
        updates: Whether the lengths of the steps are recorded.
        keep: The most samples.
        scaler: The loop's scaler, if it is known.

    Attributes:
        notes: Sentences by kind.
        taps: The hooks in the forward pass.
        observers: The objects that follow the training from step to step.
        untrained: The parameters that no step moves.
        loss: The newest sample's loss; NaN for none.
        batch: The batch that the next sample is of; NaN where that is unknown.
        waiting: How many losses were noted since the last step.
        noted: How many losses were noted in all.
        late: How many losses were noted after the watch had ended.
        begun: How many monitors of this model have been entered so far, this one included.
    """

    def __init__(
        self,
        model: nn.Module,
        one: bool,
        activations: bool,
        updates: bool,
        keep: int,
        scaler: "torch.amp.GradScaler | None",
    ) -> None:
        self.notes = Notes()
        self.taps = Taps()
        self.observers = Observers(self.notes, one)
        self.untrained = Untrained(self.notes, one)
        self.loss = self.batch = math.nan
        self.waiting = self.noted = self.late = self.begun = self._dropped = 0
        self._written = Written()
        self._lrs: dict[int, float | None] = {}
        self._model = weakref.ref(model)
        self._one, self._activations, self._scaler = one, activations, scaler
        self._updates = Updates() if updates else None
        self._held: weakref.WeakKeyDictionary[torch.optim.Optimizer, _Share] = weakref.WeakKeyDictionary()
        self._failures = 0
        table = LayerTable(model, activations)
        self._table = LayerTable.of_nothing()
        self._describe(table)
        wanted = {"": True, "activations": activations, "updates": updates}
        recorded = tuple(name for name, quantity in QUANTITIES.items() if wanted[quantity.needs])
        self._record = Record(recorded, len(table.names), keep)

    @property
    def willing(self) -> bool:
        """Whether samples may still be tried."""
        return self._failures < _PATIENCE

    def note_loss(self, *, ended: bool = False, outside: bool = False) -> None:
        """Count a loss; one that came after the watch had ended, or before it had begun, is only noted as such."""
        self.late += ended
        if ended or outside:
            self._dropped += 1
            self.notes["dropped"] = f"{counted(self._dropped, 'loss')} noted outside of the block: not recorded"
            return
        self.waiting += 1
        self.noted += 1
        self.notes.softly(None, self.observers.steppers.noted, self.waiting)
        if self.waiting > _WAITS:
            self.notes.softly(None, self.observers.overflow.look, self._table.owned)
        with self.notes.guarded("a loss"):
            self.observers.thrown.noted(self._table.owned)
            self.observers.turns.noted(self._table.owned)

    def passes(self) -> None:
        """Count a step: the losses that waited for it belong to it."""
        self.notes.softly(None, self.observers.steppers.passes, self.waiting)
        self.waiting = 0

    def note_targets(self, targets: Tensor) -> None:
        """Take a batch's targets; training goes on whatever happens here."""
        record = self.observers.targets
        if not targets.numel():  # as of a picture without objects, so that it must end no training
            self.notes["no targets"] = f"targets of shape {tuple(targets.shape)} are empty: nothing is known by them"
        with self.notes.guarded("the targets"), torch.no_grad():
            record.add(targets)
            if record.unclear:
                self.notes["targets"] = f"what a guess would cost is not known: {record.unclear}"

    def open(self, model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> None:
        """Look at the model, and at the one optimizer; columns that are recorded already stay where they are."""
        self._table = LayerTable(model, self._activations, self._columns.layers, self._columns.kinds)
        self._describe(self._table)
        self.observers.entered = True
        if optimizer is not None:
            self._note_given(optimizer)

    def _note_given(self, optimizer: torch.optim.Optimizer) -> None:
        """See which of the model's parameters the one optimizer holds: that of another model holds none."""
        held = [one.name for one in self.share_of(optimizer)]
        self.observers.given = {"given": type(optimizer).__name__, "holds": held}
        self.notes.pop("stranger", None)
        if self._table.owned and not held:
            self.notes["stranger"] = STRANGER

    def close(self) -> None:
        """Let go of the model and of every hook in it."""
        self.taps.disarm()
        self.untrained.cut.disarm()
        self.observers.forget()
        self._table = LayerTable.of_nothing()
        self._held.clear()
        if self._updates is not None:
            self._updates.forget()

    def prepare(self) -> None:
        """Put hooks on the modules, for a sample of the next step."""
        if not self._activations:
            return
        if self._table.opaque:
            kind = self._table.opaque
            self.notes["opaque"] = f"activations cannot be seen in a {kind} module: hooks do not run there"
            return
        with self.notes.guarded("prepared"):
            self.taps.arm(self._table.modules)

    def take(
        self, step: int, seconds: float, loss: float | Tensor | None, optimizer: torch.optim.Optimizer | None
    ) -> bool:
        """Record the step that is about to happen; training goes on whatever happens here.

        Args:
            step: Its number.
            seconds: Time since the start.
            loss: A number or a tensor of one; None for none.
            optimizer: The one that steps; None where that is unknown.

        Returns:
            Whether there is a sample.
        """
        with self.notes.guarded(f"step {step}"), torch.no_grad():
            if len(self._record) % LOOK_EVERY == 0:
                self._follow()
            if not len(self._record) and (model := self._model()) is not None:
                self.observers.setting |= setting_of(model, self._table.owned, self._table.names)
                self.notes.softly(None, self.observers.norms.begins, model)
            owned = self._owned(optimizer)
            self.observers.inputs.sampled(step)
            layers = len(self._table.names)
            scale, note = scale_of(optimizer, self._scaler)
            if note:
                self.notes["scaled"] = note
            scalars, activation_numbers = self.taps.take()
            numbers, read = gradient_numbers(owned, layers, scale, scalars)
            numbers.update(activation_numbers(read))
            self._beside(owned, step, optimizer)
            self.loss = math.nan if loss is None else float(loss)
            self._record.add(step, seconds, self.loss, numbers, layers, *self._head(owned, optimizer))
            return True
        self._failures += 1
        return False

    def _beside(self, owned: list[Owned], step: int, optimizer: torch.optim.Optimizer | None) -> None:
        """Collect what belongs to a sample besides its numbers, part by part, so that one failure affects one part."""
        softly = self.notes.softly
        softly(None, self.observers.between.sampled)
        softly(None, self.observers.scales.sampled, step, self._scaler)
        softly(None, self._note_missing, owned, step)
        if optimizer is not None:
            softly(None, self._note_unheld, optimizer)
        softly(None, self._note_parts, step, optimizer)
        if self._updates is not None:
            softly(None, self._updates.before, owned)
        if optimizer is not None:
            softly(None, self._note_rule, optimizer)

    def _note_missing(self, owned: list[Owned], step: int) -> None:
        if "missing" in self.notes:
            return
        without = without_gradient(owned)
        if without and len(self._record):
            self._follow()  # the model may no longer have them
            without = self.untrained.still_there(without, self._table)
        self.untrained.note_missing(without, owned, step, self._model(), self._table, self._ids_held())

    def _note_unheld(self, optimizer: torch.optim.Optimizer) -> None:
        self.untrained.look_at_unheld(optimizer, self._table, self._ids_held(), len(self._record))

    def _ids_held(self) -> set[int]:
        """The ids of the `Owned` that any optimizer holds."""
        return {id(one) for *_, those in self._held.values() for one in those}

    def _note_parts(self, step: int, optimizer: torch.optim.Optimizer | None) -> None:
        kept = self.observers.kept
        if not kept.done:
            if optimizer is not None and not self._one:  # each by its own steps
                those, step = [self.share_of(optimizer)], self.observers.steppers.steps_of(optimizer)
            else:
                those = [each for *_, each in self._held.values()]
            held = {id(one.parameter) for each in those for one in each}
            kept.sampled(self._table.owned, self._table.names, held, step)
        if optimizer is not None:
            self.observers.groups.begins(optimizer, self.share_of(optimizer))
            self.observers.rounded.sampled(self.share_of(optimizer))
            self.observers.idle.sampled(optimizer, self.share_of(optimizer), self._table.modules)

    def _note_rule(self, optimizer: torch.optim.Optimizer) -> None:
        self._lrs[id(optimizer)] = plain_lr(optimizer)
        shares = shares_of(optimizer, self.share_of(optimizer), self._table.names)
        self.observers.rules[id(optimizer)] = {**rule_of(optimizer), **shares}

    def _head(self, owned: list[Owned], optimizer: torch.optim.Optimizer | None) -> tuple[float, ...]:
        """The numbers of a sample as a whole; NaN for those that are not known."""
        softly = self.notes.softly
        # Gradients of parameters that no optimizer holds may add up.
        trained = (optimizer is not None and self.share_of(optimizer)) or owned
        unknown = (math.nan, math.nan)
        writes, written = softly(math.nan, writes_of, trained), softly(unknown, self._written, trained)
        settings = softly(unknown, settings_of, optimizer)
        mode = softly(math.nan, self.observers.evaluating, self._model())
        return self.batch, writes, *written, *settings, mode, softly(math.nan, self._asked)

    def _asked(self) -> float:
        bias = of_last_bias(self._table.owned, self._outputs)
        self.observers.pulls.add(bias)
        return asked_class(bias)

    def has_gradient(self, step: int) -> bool:
        """Whether there is any gradient; it is noted where there is none."""
        there = any(one.parameter.grad is not None for one in self._table.owned)
        if not there:
            self.notes["empty"] = f"no gradient at step {step}: call sample() after backward() and before zero_grad()"
        return there

    def begins(self, step: int, optimizer: torch.optim.Optimizer | None) -> None:
        """Look, before a step, sampled or not, at what has happened since the last one."""
        observers = self.observers
        if self.untrained.cut.handles:
            self.untrained.cut.disarm()
        try:
            observers.overflow.forget()
            observers.thrown.step()
            observers.after.begins()
            left = observers.between.begins(step)
            if left is not None and len(self._record):
                self._record.amend_last(left)
            observers.between.watch(self._table.owned)
            observers.calls.watch(self._table.owned)
            observers.follow_mode(self._model(), step)
            if step == _SECOND:
                observers.ahead = self.notes.softly({}, clip_ahead)
            if optimizer is not None:
                observers.turns.step(optimizer, self.share_of(optimizer))
                self._stepped_by(optimizer, True, step)
        except Exception as error:
            self.notes.failed(f"what came before step {step}", error)

    def other(self, optimizer: torch.optim.Optimizer) -> None:
        """Look at an unwatched optimizer before its step: it may hold the same parameters as a watched one."""
        try:
            self._stepped_by(optimizer, False)
        except Exception as error:
            self.notes.failed("another optimizer", error)

    def _stepped_by(self, optimizer: torch.optim.Optimizer, watched: bool, step: int = 0) -> None:
        held, observers = self.share_of(optimizer), self.observers
        if not watched:
            observers.thrown.used()
        observers.leftover.step(optimizer, held)
        if held or watched:
            observers.rivals.step(optimizer, held)
            observers.steppers.step(optimizer, held, watched, step)
        if held and not observers.given.get("holds", True):  # it was given parameters meanwhile
            self._note_given(optimizer)

    def stepped(self, sampled: bool) -> bool:
        """Look at the weights after a step, and add the update to its sample; return whether updates are recorded."""
        observers = self.observers
        try:
            observers.between.ended()
            observers.after.ended(self._table.owned)
            observers.groups.ended()
        except Exception as error:
            self.notes.failed("what comes after a step", error)
        if self._updates is None or not self._updates.waiting:
            return False
        if sampled:
            with self.notes.guarded("the update"), torch.no_grad():
                self._record.amend("update_ratio", self._updates.after(len(self._table.names)))
        self._updates.forget()
        return True

    def amend_loss(self, loss: float) -> None:
        """Give the newest sample its loss."""
        self._record.amend_loss(loss)

    def share_of(self, optimizer: torch.optim.Optimizer) -> list[Owned]:
        """The model's parameters that an optimizer holds."""
        lengths = [len(group["params"]) for group in optimizer.param_groups]
        known = self._held.get(optimizer)
        if known is None or known[0] != lengths:
            self._follow()  # a new optimizer may hold what is new in the model
        if known is None or known[0] != lengths or known[1] is not self._table.owned:
            held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
            known = lengths, self._table.owned, [one for one in self._table.owned if id(one.parameter) in held]
            self._held[optimizer] = known
            self.untrained.is_held({one.name for one in known[2]})
        return known[2]

    def _follow(self) -> None:
        """Read the model again, if its parameters have changed."""
        model = self._model()
        if model is not None and (flags := freezing_flags(model)):
            self.observers.setting["flags"] = flags
        if model is not None and self._table.follow(model):
            self._describe(self._table)
            self.taps.disarm()

    def _describe(self, table: LayerTable) -> None:
        self._columns = Columns(tuple(table.names), tuple(table.kinds), tuple(table.counts))
        self._table_notes = dict(table.notes)
        self._outputs = table.outputs

    def _owned(self, optimizer: torch.optim.Optimizer | None) -> list[Owned]:
        """The parameters to record at a step of the optimizer."""
        held = self._table.owned if optimizer is None else self.share_of(optimizer)
        return self._table.owned if self._one else held
