"""One sample of a model's gradients, into the record."""

import contextlib
import math
import weakref
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from gradwidgets.core.monitor.history import History
from gradwidgets.core.monitor.kept_rows import Record
from gradwidgets.core.monitor.numbers import gradient_numbers
from gradwidgets.core.monitor.owners import LayerTable, Owned, Written, listed, writes_of
from gradwidgets.core.monitor.quantities import QUANTITIES, Sample
from gradwidgets.core.monitor.taps import Taps
from gradwidgets.core.monitor.training.after_step import AfterStep
from gradwidgets.core.monitor.training.beginning import setting_of
from gradwidgets.core.monitor.training.between import Between
from gradwidgets.core.monitor.training.closures import ClosureCalls
from gradwidgets.core.monitor.training.cut_graphs import CutLook
from gradwidgets.core.monitor.training.first_graph import StandStill
from gradwidgets.core.monitor.training.first_pass import FirstLook
from gradwidgets.core.monitor.training.given.classes_asked import Pulls, asked_class, of_last_bias
from gradwidgets.core.monitor.training.given.inputs_seen import InputsSeen
from gradwidgets.core.monitor.training.given.last_batch import Given
from gradwidgets.core.monitor.training.given.target_levels import TargetRecord
from gradwidgets.core.monitor.training.leftovers import Leftover
from gradwidgets.core.monitor.training.modes import Evaluating, is_evaluating, turned_off
from gradwidgets.core.monitor.training.noted_loss import Losses
from gradwidgets.core.monitor.training.optimizer_settings import rule_of, settings_of, shares_of
from gradwidgets.core.monitor.training.parts.frozen_parts import FrozenNorms, RoundedAway, freezing_flags
from gradwidgets.core.monitor.training.parts.group_rates import GroupRates
from gradwidgets.core.monitor.training.parts.kept_parts import KeptParts
from gradwidgets.core.monitor.training.parts.idle_rows import IdleRows
from gradwidgets.core.monitor.training.parts.loop_order import clip_ahead
from gradwidgets.core.monitor.training.parts.own_steps import InTurn
from gradwidgets.core.monitor.training.parts.rivals import Rivals
from gradwidgets.core.monitor.training.parts.writes_in_turn import WritesInTurn
from gradwidgets.core.monitor.training.scaling import Overflow, scale_of
from gradwidgets.core.monitor.training.steppers import Steppers
from gradwidgets.core.monitor.training.thrown import Thrown
from gradwidgets.core.monitor.updates import Updates, plain_lr
from gradwidgets.core.results.wording import counted

_WAITS = 4  # losses without a step
_LOOK_EVERY = 8  # samples, for parameters that are new in the model
_SECOND = 2  # step, at which the loop's own code is looked at
_PATIENCE = 3  # samples that may fail before no more are taken


class Sampler:
    """Takes the samples of a `GradientMonitor`, which says when.

    Args:
        model: Kept alive between `open` and `close` alone, as its parameters are.
        one: Whether one optimizer is watched, so that all of the model is recorded at its steps; else each optimizer's
            own parameters at its own.
        activations: Whether outputs are recorded.
        updates: Whether the steps' own lengths are.
        keep: The most samples.
        scaler: That of the loop, if it is known.

    Attributes:
        notes: Sentences by kind.
        taps: The hooks in the forward pass.
        loss: Of the newest sample; NaN for none.
        batch: The one that the next sample is of; NaN where that is unknown.
        waiting: Losses that were noted since the last step.
        noted: Losses that were noted in all.
        late: Losses that were noted after the watch had ended.
        begun: Monitors of this model that have been entered so far, this one included.
        inputs: What the model is given at sampled steps.
        calls: Those of closures.
        overflow: Gradients that are there while no step comes.
        thrown: Gradients that are taken away, or clipped, between the losses of a step.
        leftover: Gradients that another loss has left.
        strays: Gives the tensors that take part and that the model does not list, by name.
    """

    def __init__(
        self, model: nn.Module, one: bool, activations: bool, updates: bool, keep: int, scaler: object
    ) -> None:
        self.notes: dict[str, str] = {}
        self.taps = Taps()
        self.loss = self.batch = math.nan
        self.waiting = self.noted = self.late = self.begun = self._dropped = 0
        self.strays: Callable[[], dict[str, Tensor]] = dict
        self._targets = TargetRecord()
        self._written = Written()
        self._between, self._rivals, self._cut = Between(), Rivals(), CutLook()
        self._steppers, self.thrown, self.leftover = Steppers(one=one), Thrown(), Leftover()
        self.inputs, self._after, self._pulls = InputsSeen(), AfterStep(), Pulls()
        self.overflow, self.calls = Overflow(), ClosureCalls()
        self._kept, self._groups = KeptParts(), GroupRates()
        self._norms, self._rounded, self._turns = FrozenNorms(), RoundedAway(), WritesInTurn()
        self._idle = IdleRows()
        self._setting: dict[str, object] = {}
        self._ahead: dict[str, int] = {}
        self._taught = 0  # parameters that ask for a gradient
        self._given: dict[str, object] = {}
        self._entered = False
        self._turned_off: dict[str, int] = {}
        self._mode = Evaluating()
        self._lrs: dict[int, float | None] = {}
        self._rules: dict[int, dict[str, object]] = {}
        self._unheld: tuple[str, ...] = ()
        self._strays: tuple[str, ...] = ()
        self._still = StandStill()
        self._missing: tuple[str, ...] = ()
        self._lacking: tuple[str, ...] = ()  # when, and why as far as the sample shows
        self._model = weakref.ref(model)
        self._one, self._activations, self._scaler = one, activations, scaler
        self._updates = Updates() if updates else None
        self._held: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
        self._failures = 0
        table = LayerTable(model, activations)
        self._table: LayerTable | None = None
        self._describe(table)
        wanted = {"": True, "activations": activations, "updates": updates}
        recorded = tuple(name for name, quantity in QUANTITIES.items() if wanted[quantity.needs])
        self._record = Record(recorded, len(table.names), keep)

    def __len__(self) -> int:
        """How many samples are kept."""
        return len(self._record)

    @property
    def lr(self) -> float | None:
        """The learning rate, where plain gradient descent trains and one rate is all there is."""
        rates = set(self._lrs.values())
        return rates.pop() if len(rates) == 1 else None

    @property
    def about(self) -> tuple[float, ...]:
        """The batch that the next step is of, and what guesses cost there, as in `Losses`."""
        return self.batch, *self._targets.cost

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return len(self._names[0])

    @property
    def turns(self) -> InTurn | None:
        """The optimizers that step, where it may be several."""
        return self._steppers.turns

    @property
    def willing(self) -> bool:
        """Whether samples may still be tried."""
        return self._failures < _PATIENCE

    @property
    def sentences(self) -> tuple[str, ...]:
        """All notes."""
        return tuple({**self._table_notes, **self.notes, **self._of_cuts()}.values())

    def _of_cuts(self) -> dict[str, str]:
        """What is said of parameters without a gradient, once it is known which of them are used all the same."""
        layers = {name: name.rpartition(".")[0] or name for name in self._missing}
        used = [name for name, layer in layers.items() if self._cut.found.get(layer) in ("no_grad", "checkpoint")]
        if not used or not self._lacking:
            return {}
        when, why = self._lacking
        rest = [name for name in self._missing if name not in used]
        words = f"{when}, though they are used, since their layers run without a graph: {listed(used)}"
        return {"missing": f"{words}; {why}: {listed(rest)}" if rest else words}

    @property
    def opaque(self) -> str:
        """Where hooks do not run, why: "compiled" or "scripted"; else ""."""
        return self._table.opaque

    def history(self, losses: Losses, first: FirstLook | None, given: Given) -> History:
        """All samples, the losses that were noted, and what was seen of the first pass."""
        more = {"unheld": self._unheld, "missing": self._missing, "outputs": self._outputs, "strays": self._strays}
        rules = list(self._rules.values())
        alike = [one | {"initial": 0.0, "peak": 0.0} for one in rules]  # a schedule makes no other rule
        more["rule"] = rules[0] if rules and all(one == alike[0] for one in alike) else {}
        more |= {"noted_steps": losses.steps, "noted_losses": losses.values, "noted_batches": losses.batches}
        more |= {f"noted_{name}": getattr(losses, name) for name in ("entropies", "rates", "variances")}
        more |= {"outside": tuple(self._between.steps), "broken": self._between.broken}
        more |= {"cut": dict(self._cut.found), "turned_off": self._turned_off}
        more["rivals"] = self._rivals.told
        more |= self._steppers.course.told | {"rate_calls": self._steppers.course.calls}
        more |= {"swings": self._steppers.swings, "thrown": self.thrown.told, "rounded": self._between.rounded}
        more["rounded"] |= {"held": held} if (held := self._rounded.told) else {}
        more["leftover"] = self.leftover.told
        norms = self._softly({}, lambda: self._norms.told)
        more |= {
            "setting": self._setting | ({"norms": norms} if norms else {}),
            "inputs": self.inputs.told,
            "rescaled": self._after.told,
        }
        more["pulls"], more["bad_pass"], more["answers"] = self._pulls.told, given.bad_pass, given.answers.told
        more["parts"] = {"kept": self._kept.told, "groups": self._groups.told, "turns": self._turns.told}
        more["parts"] |= {"ahead": self._ahead} if self._ahead else {}
        aside = {"idle": self._softly({}, lambda: self._idle.told), "no_graph": given.answers.without_graph}
        more["parts"] |= {name: told for name, told in aside.items() if told}
        more["optimizers"] = self._steppers.told | self._given | {"entered": self._entered, "noted": self.noted}
        more["optimizers"]["renewed"] = bool({"replaced", "added"} & set(self._table_notes))
        more["optimizers"] |= {"late": self.late, "begun": self.begun, "replaced": "replaced by" in self.notes}
        more["optimizers"] |= {"evaluating": self._mode.told, "failed": self.notes.get("failed", "")}
        more["optimizers"] |= {"overflow": self.overflow.told, "closure": self.calls.told}
        more |= {"waiting": self.waiting, "chance": self._targets.chance, "size": self._targets.size}
        if first is not None:
            more["size"] = max(self._targets.size, first.size)
            more |= {"preflight": first.told_of(self._targets.chance), "looked_at": first.seen, "unseen": first.unseen}
            more |= {"of_loss": first.made, "span": first.span, "first_output": first.output}
        return self._record.history(*self._names, self.sentences, **more)

    def note_loss(self, *, ended: bool = False, outside: bool = False) -> None:
        """A loss was noted, or came when the watch had ended, or had not begun."""
        self.late += ended
        if ended or outside:
            self._dropped += 1
            self.notes["dropped"] = f"{counted(self._dropped, 'loss')} noted outside of the block: not recorded"
            return
        self.waiting += 1
        self.noted += 1
        self._softly(None, self._steppers.noted, self.waiting)
        if self.waiting > _WAITS and self._table is not None:
            self._softly(None, self.overflow.look, self._table.owned)
        if self._table is not None:
            with self._guarded("a loss"):
                self.thrown.noted(self._table.owned)
                self._turns.noted(self._table.owned)

    def passes(self) -> None:
        """A step is counted: what waited for it is done."""
        self._softly(None, self._steppers.passes, self.waiting)
        self.waiting = 0

    def note_targets(self, targets: Tensor) -> None:
        """Take a batch's targets; training goes on whatever happens here."""
        with self._guarded("the targets"), torch.no_grad():
            self._targets.add(targets)
            if self._targets.unclear:
                self.notes["targets"] = f"what a guess would cost is not known: {self._targets.unclear}"

    @property
    def latest(self) -> Sample | None:
        """The newest."""
        return self._record.latest(*self._names, self.sentences)

    def open(self, optimizer: object = None) -> None:
        """Look at the model, and at the one optimizer; columns that are recorded already stay where they are."""
        names, kinds, _ = self._names
        self._table = LayerTable(self._model(), self._activations, names, kinds)
        self._describe(self._table)
        self._entered = True
        if optimizer is not None:
            self._note_given(optimizer)

    def _note_given(self, optimizer: object) -> None:
        """See what the one optimizer holds of the model: that of another model holds nothing."""
        held = [one.name for one in self.share_of(optimizer)]
        self._given = {"given": type(optimizer).__name__, "holds": held}
        self.notes.pop("stranger", None)
        if self._table.owned and not held:
            self.notes["stranger"] = "the optimizer holds none of the model's parameters"

    def close(self) -> None:
        """Let go of the model and of every hook in it."""
        self.taps.disarm()
        self._cut.disarm()
        self._between.forget()
        self._rivals.forget()
        self.thrown.forget()
        self.leftover.forget()
        self._after.forget()
        self._kept.forget()
        self._rounded.forget()
        self._softly(None, self._idle.forget)
        self._turns.forget()
        self._softly(None, self._norms.forget)
        self.overflow.forget()
        self.calls.watch(())
        self._table = None
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
        with self._guarded("prepared"):
            self.taps.arm(self._table.modules)

    def take(self, step: int, seconds: float, loss: object, optimizer: object) -> bool:
        """Record the step that is about to happen; training goes on whatever happens here.

        Args:
            step: Its number.
            seconds: Time since the start.
            loss: A number or a tensor of one; None for none.
            optimizer: The one that steps; None where that is unknown.

        Returns:
            Whether there is a sample.
        """
        with self._guarded(f"step {step}"), torch.no_grad():
            if len(self._record) % _LOOK_EVERY == 0:
                self._follow()
            if not len(self._record) and (model := self._model()) is not None:
                self._setting = setting_of(model, self._table.owned, self._table.names)
                self._softly(None, self._norms.begins, model)
            owned = self._owned(optimizer)
            self.inputs.sampled(step)
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

    def _beside(self, owned: list[Owned], step: int, optimizer: object) -> None:
        """What a sample looks at beside its numbers: each by itself, so that a fault in one loses no more than that."""
        self._softly(None, self._between.sampled)
        self._softly(None, self._note_missing, owned, step, optimizer)
        self._softly(None, self._note_unheld, optimizer)
        self._softly(None, self._note_parts, step, optimizer)
        if self._updates is not None:
            self._softly(None, self._updates.before, owned)
        if optimizer is not None:
            self._softly(None, self._note_rule, optimizer)

    def _note_parts(self, step: int, optimizer: object) -> None:
        if not self._kept.done:
            alone = optimizer is not None and not self._one  # each by its own steps
            those = [self.share_of(optimizer)] if alone else [each for *_, each in self._held.values()]
            held = {id(one.parameter) for each in those for one in each}
            step = self._steppers.steps_of(optimizer) if alone else step
            self._kept.sampled(self._table.owned, self._table.names, held, step)
        if optimizer is not None:
            self._groups.begins(optimizer, self.share_of(optimizer))
            self._rounded.sampled(self.share_of(optimizer))
            self._idle.sampled(optimizer, self.share_of(optimizer), self._table.modules)

    def _note_rule(self, optimizer: object) -> None:
        self._lrs[id(optimizer)] = plain_lr(optimizer)
        self._rules[id(optimizer)] = rule_of(optimizer) | shares_of(
            optimizer, self.share_of(optimizer), self._table.names
        )

    def _head(self, owned: list[Owned], optimizer: object) -> tuple[float, ...]:
        """The numbers of a sample as a whole; NaN for those that could not be had."""
        # What nobody trains may add up.
        trained = (optimizer is not None and self.share_of(optimizer)) or owned
        unknown = (math.nan, math.nan)
        writes, written = self._softly(math.nan, writes_of, trained), self._softly(unknown, self._written, trained)
        settings, mode = self._softly(unknown, settings_of, optimizer), self._softly(math.nan, self._evaluating)
        return self.batch, writes, *written, *settings, mode, self._softly(math.nan, self._asked)

    def _asked(self) -> float:
        bias = of_last_bias(self._table.owned, self._outputs)
        self._pulls.add(bias)
        return asked_class(bias)

    def _softly(self, otherwise, look: Callable, *given):
        """What a look gives; where it fails a note, and what is taken otherwise."""
        try:
            return look(*given)
        except Exception as error:
            self._note_failure(f"a part of the samples ({getattr(look, '__name__', 'a look').strip('_')})", error)
            return otherwise

    def has_gradient(self, step: int) -> bool:
        """Whether there is any gradient; it is noted where there is none."""
        there = any(one.parameter.grad is not None for one in self._table.owned)
        if not there:
            self.notes["empty"] = f"no gradient at step {step}: call sample() after backward() and before zero_grad()"
        return there

    def begins(self, step: int, optimizer: object) -> None:
        """A step is about to come, sampled or not: see who else has written to the weights since the last."""
        if self._cut.handles:
            self._cut.disarm()
        try:
            self.overflow.forget()
            self.thrown.step()
            self._after.begins()
            left = self._between.begins(step)
            if left is not None and len(self._record):
                self._record.amend_last(left)
            self._between.watch(self._table.owned)
            self.calls.watch(self._table.owned)
            self._follow_mode(step)
            if step == _SECOND:
                self._ahead = self._softly({}, clip_ahead)
            if optimizer is not None:
                self._turns.step(optimizer, self.share_of(optimizer))
                self._stepped_by(optimizer, True, step)
        except Exception as error:
            self._note_failure(f"what came before step {step}", error)

    def other(self, optimizer: object) -> None:
        """An optimizer that is not watched is about to step: it may hold what another does."""
        try:
            self._stepped_by(optimizer, False)
        except Exception as error:
            self._note_failure("another optimizer", error)

    def _stepped_by(self, optimizer: object, watched: bool, step: int = 0) -> None:
        held = self.share_of(optimizer)
        if not watched:
            self.thrown.used()
        self.leftover.step(optimizer, held)
        if held or watched:
            self._rivals.step(optimizer, held)
            self._steppers.step(optimizer, held, watched, step)
        if held and not self._given.get("holds", held):  # it was given parameters meanwhile
            self._note_given(optimizer)

    def stepped(self, sampled: bool) -> bool:
        """The optimizer has stepped: add to the sample how far; return whether there was anything to do."""
        try:
            self._between.ended()
            self._after.ended(self._table.owned)
            self._groups.ended()
        except Exception as error:
            self._note_failure("what comes after a step", error)
        if self._updates is None or not self._updates.waiting:
            return False
        if sampled:
            with self._guarded("the update"), torch.no_grad():
                self._record.amend("update_ratio", self._updates.after(len(self._table.names)))
        self._updates.forget()
        return True

    def amend_loss(self, loss: float) -> None:
        """Give the newest sample its loss."""
        self._record.amend_loss(loss)

    def share_of(self, optimizer) -> list[Owned]:
        """The model's parameters that an optimizer holds."""
        lengths = [len(group["params"]) for group in optimizer.param_groups]
        known = self._held.get(optimizer)
        if known is None or known[0] != lengths:
            self._follow()  # a new optimizer may hold what is new in the model
        if known is None or known[0] != lengths or known[1] is not self._table.owned:
            held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
            known = lengths, self._table.owned, [one for one in self._table.owned if id(one.parameter) in held]
            self._held[optimizer] = known
            self._note_held({one.name for one in known[2]})
        return known[2]

    def _note_held(self, names: set[str]) -> None:
        """What an optimizer that is met later holds is held."""
        if names.intersection(self._unheld):
            self._unheld = tuple(name for name in self._unheld if name not in names)
            self.notes.pop("outside", None)

    @contextlib.contextmanager
    def _guarded(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._note_failure(what, error)

    def _note_failure(self, what: str, error: Exception) -> None:
        words = f"{type(error).__name__}: {error}"
        self.notes["failed"] = f"{what} could not be recorded: {words:.200}"

    def _follow(self) -> None:
        model = self._model()
        if model is not None and (flags := freezing_flags(model)):
            self._setting["flags"] = flags
        if model is not None and self._table.follow(model):
            self._describe(self._table)
            self.taps.disarm()

    def _describe(self, table: LayerTable) -> None:
        self._names = tuple(table.names), tuple(table.kinds), tuple(table.counts)
        self._table_notes = dict(table.notes)
        self._outputs = table.outputs

    def _owned(self, optimizer) -> list[Owned]:
        """The parameters to record at a step of the optimizer."""
        if optimizer is None:
            return self._table.owned
        held = self.share_of(optimizer)
        if not self._one:
            return held
        return self._table.owned

    def _note_unheld(self, optimizer) -> None:
        """Look for gradients that no optimizer takes; those that have yet to make their first step get time for it."""
        taught = sum(one.parameter.requires_grad for one in self._table.owned)
        due = len(self._record) in (0, 2) or len(self._record) % _LOOK_EVERY == 0 or taught != self._taught
        self._taught = taught
        if optimizer is None or not due or not (self._one or len(self._record)):
            return
        held = {id(one) for _, _, those in self._held.values() for one in those}
        owned = [one for one in self._table.owned if id(one) not in held and _is_taught(one.parameter)]
        found = list(self._still((one.name, one.parameter) for one in owned))
        names = set(self._missing)
        missing = [(one.name, one.parameter) for one in self._table.owned if one.name in names]
        self._missing = tuple(self._still(missing))  # of what another optimizer trains, none is said to be unused
        self._unheld, self._strays = tuple(found), tuple(self._still(self._stray(optimizer)))
        self.notes.pop("outside", None)
        if found:
            whose = "the optimizer" if self._one else "any optimizer that made a step"
            self.notes["outside"] = f"with a gradient, but not in {whose}: {listed(found)}"

    def _stray(self, optimizer) -> Iterator[tuple[str, Tensor]]:
        held = {id(one) for group in optimizer.param_groups for one in group["params"]}
        for name, tensor in self.strays().items():
            if id(tensor) not in held and _is_taught(tensor):
                yield name, tensor

    def _follow_mode(self, step: int) -> None:
        """See at each step, sampled or not, whether the model is in evaluation mode."""
        model = self._model()
        if self._mode(model, step):
            self._turned_off = self._turned_off or turned_off(model)

    def _evaluating(self) -> float:
        model = self._model()
        if model is None or not is_evaluating(model):
            return 0.0
        self._turned_off = self._turned_off or turned_off(model)
        return 1.0

    def _look_for_cuts(self, missing: list[Owned]) -> None:
        model = self._model()
        held = {id(one) for _, _, those in self._held.values() for one in those}
        if model is not None and not self._table.opaque:
            places = {one.column for one in missing}
            modules = {self._table.names[place]: self._table.modules[place] for place in places}
            aside = {self._table.names[one.column] for one in missing if held and id(one) not in held}
            self._cut.arm(model, {name: one for name, one in modules.items() if one is not model}, aside)

    def _note_missing(self, owned: list[Owned], step: int, optimizer: object) -> None:
        if "missing" in self.notes:
            return
        without = [one for one in owned if one.parameter.grad is None and one.parameter.requires_grad]
        if without and len(self._record):
            self._follow()  # what the model no longer has, lacks nothing
            self._taught = -1  # and what it has in its place may be held by nobody
            now = {id(one.parameter) for one in self._table.owned}
            without = [one for one in without if id(one.parameter) in now]
        missing = [one.name for one in without]
        if missing:
            self._look_for_cuts(without)
            self._missing = tuple(missing)
            # Where all lack one, it is more likely to have been taken away than that none is used.
            why = "so unused in what the loss was made of" if len(missing) < len(owned) else "none made, or all cleared"
            self._lacking = f"no gradient at step {step}", why
            self.notes["missing"] = f"{self._lacking[0]}, {why}: {listed(missing)}"


def _is_taught(parameter: Tensor) -> bool:
    """Whether it gets a gradient: what was frozen later may hold one from before."""
    return parameter.requires_grad and parameter.grad is not None
