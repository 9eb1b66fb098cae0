"""The model's last inputs and targets by weak references, to be checked where the loss is not finite."""

import contextlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import TensorWeakRef

from gradwidgets.core.layers.preflight.batch import data_findings
from gradwidgets.core.layers.preflight.reading import named_tensors
from gradwidgets.core.monitor.facts import BadPassFacts
from gradwidgets.core.monitor.taps import Hook, Removable, take_away
from gradwidgets.core.monitor.training.bad_pass import LastCall, quotient
from gradwidgets.core.monitor.training.given.answers import Answers
from gradwidgets.core.monitor.training.given.inputs_seen import InputsSeen
from gradwidgets.core.results.finding import Finding

Held = list[tuple[str, TensorWeakRef]]


class Given:
    """Refers to the inputs of the last pass with gradients and to the last targets, without keeping them alive.

    Args:
        seen: Takes the first input of each step that is to be sampled.

    Attributes:
        answers: The model's outputs at sampled steps.
        handles: The handle of the hook.
    """

    def __init__(self, seen: InputsSeen) -> None:
        self.answers = Answers()
        self.handles: list[Removable] = []
        self._seen = seen
        self._labels: TensorWeakRef | None = None
        self._call = LastCall()
        self._bad: BadPassFacts = {}
        self._inputs: Held = []
        self._targets: Held = []

    def arm(self, model: nn.Module) -> None:
        """Start to follow the model's inputs."""
        self.handles.append(model.register_forward_pre_hook(Hook(self._before), with_kwargs=True))

    def disarm(self) -> None:
        """Remove the hook and drop the references."""
        take_away(self.handles)
        self.answers.forget()
        self._inputs, self._targets, self._labels = [], [], None
        self._call.forget()

    def note_targets(self, targets: Tensor) -> None:
        """Refer to a batch's targets, until the next ones come."""
        self._targets = _held([("targets", targets)])
        self._labels = None if self._targets else TensorWeakRef(targets)

    def look(self) -> None:
        """Take the inputs of the pass that is just over, if they are still there, as its step is sampled after all."""
        there = _there(self._inputs[:1])
        if there and self._seen.new is None:
            self._seen.see(there[0][1])

    def findings(self, step: int) -> list[Finding]:
        """Findings on inputs and targets of this step that are not finite."""
        labels = None if self._labels is None else self._labels()
        found = data_findings(_there(self._inputs), _there(self._targets)) + _ignored(labels)
        return [replace(one, evidence=one.evidence | {"step": step}) for one in found]

    def look_for_bad(self, model: nn.Module | None, step: int, loss: object = None) -> None:
        """Find what makes the model's outputs, or else the loss, not finite at a step; only once in a training."""
        if model is not None and not self._bad:
            with contextlib.suppress(Exception):
                self._bad = {"step": step, **self._cause(model, loss)}

    def _cause(self, model: nn.Module, loss: object) -> BadPassFacts:
        told = self._call.blame(model)
        return told if told is not None else quotient(loss)

    @property
    def bad_pass(self) -> BadPassFacts:
        """The "step" of that pass, and its cause as in `LastCall.blame`; empty where no cause was found."""
        return {**self._bad} if len(self._bad) > 1 else {}

    def _before(self, model: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        graph, first = torch.is_grad_enabled(), arguments[0] if arguments else None
        self.answers.passed(first if type(first) is Tensor else None, graph)
        if not graph:
            return
        with contextlib.suppress(Exception):
            whole = arguments[0] if len(arguments) == 1 and not keywords else (*arguments, *keywords.values())
            named = list(named_tensors(whole, "inputs"))
            self._call.note(arguments, keywords)
            self._inputs = _held(named)
            if named:
                self._seen.small.see(named[0][1])
            if self._seen.due and named:
                self._seen.parts.see(arguments, keywords)
                self._seen.see(named[0][1])
                self.answers.begins(model, named[0][1])


def _held(tensors: Iterable[tuple[str, Tensor]]) -> Held:
    return [(name, TensorWeakRef(one)) for name, one in tensors if one.is_floating_point()]


def _there(held: Held) -> list[tuple[str, Tensor]]:
    """Those that are still alive."""
    return [(name, one) for name, ref in held if (one := ref()) is not None]


def _ignored(labels: Tensor | None) -> list[Finding]:
    """Find labels that are all ignored, so that a mean over the others is 0 divided by 0."""
    if labels is None or labels.is_floating_point() or not labels.numel() or bool((labels >= 0).any()):
        return []
    message = (
        f"all {labels.numel():,} targets are negative ({int(labels.reshape(-1)[0])} at first), which a cross-entropy "
        "ignores: the mean over no sample at all is 0 / 0, NaN"
    )
    action = "Leave out batches without a target, or take reduction='sum' and divide by max(1, how many there are)."
    return [Finding("ignored_targets", "error", message, {"targets": labels.numel()}, action=action)]
