"""Observation of a training from step to step, in addition to the numbers of the samples."""

from typing import Any

from torch import nn

from gradwidgets.core.monitor.facts import IdleFacts, OptimizerFacts, PartFacts, RoundedFacts, RuleFacts, SettingFacts
from gradwidgets.core.monitor.sampling.notes import Notes
from gradwidgets.core.monitor.training.after_step import AfterStep
from gradwidgets.core.monitor.training.between import Between
from gradwidgets.core.monitor.training.closures import ClosureCalls
from gradwidgets.core.monitor.training.given.classes_asked import Pulls
from gradwidgets.core.monitor.training.given.inputs_seen import InputsSeen
from gradwidgets.core.monitor.training.given.target_levels import TargetRecord
from gradwidgets.core.monitor.training.leftovers import Leftover
from gradwidgets.core.monitor.training.modes import Evaluating, is_evaluating, turned_off
from gradwidgets.core.monitor.training.parts.frozen_parts import FrozenNorms, RoundedAway
from gradwidgets.core.monitor.training.parts.group_rates import GroupRates
from gradwidgets.core.monitor.training.parts.idle_rows import IdleRows
from gradwidgets.core.monitor.training.parts.kept_parts import KeptParts
from gradwidgets.core.monitor.training.parts.rivals import Rivals
from gradwidgets.core.monitor.training.parts.writes_in_turn import WritesInTurn
from gradwidgets.core.monitor.training.scaling import Overflow
from gradwidgets.core.monitor.training.steppers import Steppers
from gradwidgets.core.monitor.training.thrown import Thrown


class Observers:
    """Everything that follows a training from step to step, and what a history says of it.

    Args:
        notes: Takes what fails.
        one: Whether a single optimizer is watched.

    Attributes:
        targets: The targets of the batches.
        between: Writes to the weights between two steps.
        rivals: Optimizers that hold the same parameters.
        steppers: All optimizers that step.
        thrown: Gradients that are thrown away, or clipped, between the losses of a step.
        leftover: Gradients that another loss has left.
        inputs: The inputs of sampled steps.
        after: Gradients that are multiplied after the step.
        pulls: Classes that single batches make likelier.
        overflow: Gradients that are there while no step comes.
        calls: The calls of closures.
        kept: Layers whose gradients are never cleared.
        groups: Parameter groups with rates that are far apart.
        norms: Batch norms with frozen weights.
        rounded: Vectors of half precision that no step moves.
        turns: Writes to a gradient that come every few steps.
        idle: Rows of a table that weight decay shrinks without a gradient.
        mode: The steps in evaluation mode.
        setting: The settings of the model at first that may keep it from learning.
        ahead: Where the loop clips before the gradient is there, see `clip_ahead`.
        turned_off: What evaluation mode turned off.
        rules: How each optimizer computes its steps, by its id.
        given: Which optimizer the monitor was given, and what it holds.
        entered: Whether the monitor's block was entered.
    """

    def __init__(self, notes: Notes, one: bool) -> None:
        self._notes = notes
        self.targets = TargetRecord()
        self.between, self.rivals = Between(), Rivals()
        self.steppers, self.thrown, self.leftover = Steppers(one=one), Thrown(), Leftover()
        self.inputs, self.after, self.pulls = InputsSeen(), AfterStep(), Pulls()
        self.overflow, self.calls = Overflow(), ClosureCalls()
        self.kept, self.groups = KeptParts(), GroupRates()
        self.norms, self.rounded, self.turns = FrozenNorms(), RoundedAway(), WritesInTurn()
        self.idle = IdleRows()
        self.mode = Evaluating()
        self.setting: SettingFacts = {}
        self.ahead: dict[str, int] = {}
        self.turned_off: dict[str, int] = {}
        self.rules: dict[int, RuleFacts] = {}
        self.given: OptimizerFacts = {}
        self.entered = False

    def forget(self) -> None:
        """Let go of the model, of the optimizers and of all hooks; what is known stays."""
        self.between.forget()
        self.rivals.forget()
        self.thrown.forget()
        self.leftover.forget()
        self.after.forget()
        self.kept.forget()
        self.rounded.forget()
        self.turns.forget()
        self._notes.softly(None, self.idle.forget)
        self._notes.softly(None, self.norms.forget)
        self.overflow.forget()
        self.calls.watch(())

    def follow_mode(self, model: nn.Module | None, step: int) -> None:
        """See at each step, sampled or not, whether the model is in evaluation mode."""
        if self.mode(model, step) and model is not None:
            self.turned_off = self.turned_off or turned_off(model)

    def evaluating(self, model: nn.Module | None) -> float:
        """1 where all of the model is in evaluation mode, else 0."""
        if model is None or not is_evaluating(model):
            return 0.0
        self.turned_off = self.turned_off or turned_off(model)
        return 1.0

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of a `History` that hold these facts, by name."""
        course = self.steppers.course
        return course.told | {
            "rule": self._rule,
            "outside": tuple(self.between.steps),
            "broken": self.between.broken,
            "turned_off": self.turned_off,
            "rivals": self.rivals.told,
            "rate_calls": course.calls,
            "swings": self.steppers.swings,
            "thrown": self.thrown.told,
            "rounded": self._rounded,
            "leftover": self.leftover.told,
            "setting": self._setting,
            "inputs": self.inputs.told,
            "rescaled": self.after.told,
            "pulls": self.pulls.told,
            "parts": self._parts,
            "chance": self.targets.chance,
            "size": self.targets.size,
        }

    @property
    def optimizers(self) -> OptimizerFacts:
        """Facts about the optimizers, and about the loop around them."""
        facts: OptimizerFacts = {**self.steppers.told, **self.given, "entered": self.entered}
        return {
            **facts, "evaluating": self.mode.told, "overflow": self.overflow.told, "closure": self.calls.told,
        }  # fmt: skip

    @property
    def _rule(self) -> RuleFacts:
        """The rule that all optimizers share; a schedule alone makes no other rule of it."""
        rules = list(self.rules.values())
        alike = [one | {"initial": 0.0, "peak": 0.0} for one in rules]
        return rules[0] if rules and all(one == alike[0] for one in alike) else {}

    @property
    def _rounded(self) -> RoundedFacts:
        held = self.rounded.told
        return {**self.between.rounded, "held": held} if held else self.between.rounded

    @property
    def _setting(self) -> SettingFacts:
        unknown: dict[str, float] = {}
        norms = self._notes.softly(unknown, lambda: self.norms.told)
        return {**self.setting, "norms": norms} if norms else self.setting

    @property
    def _parts(self) -> PartFacts:
        facts: PartFacts = {"kept": self.kept.told, "groups": self.groups.told, "turns": self.turns.told}
        if self.ahead:
            facts["ahead"] = self.ahead
        nothing: IdleFacts = {}
        if idle := self._notes.softly(nothing, lambda: self.idle.told):
            facts["idle"] = idle
        return facts
