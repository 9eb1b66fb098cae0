"""Targets that the model can read from its inputs: no causal mask, or targets that are not shifted.

If the targets are the inputs of later steps, a model that looks ahead can copy them. If they are the inputs of the same
steps, a model that sees no later step has to return what it has just read. The loss's slopes show which outputs a
target is compared with, and exchanging a step between two samples shows what these outputs depend on. So it makes no
difference whether the targets are shifted beforehand or by the loss.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.axes.mixing import SAME, evaluated
from gradwidgets.core.layers.passes.passes import FlowError, Subject, run
from gradwidgets.core.layers.passes.rows import ROOT
from gradwidgets.core.layers.passes.watch import called_modules
from gradwidgets.core.results.finding import Finding, Severity
from gradwidgets.core.subject.home import abroad

SEEN = "targets seen"
_FEWEST = 5  # steps: with fewer, inputs and targets may agree by chance
_FARTHEST = 2  # the most steps between an input and the target that it equals
_LEFT_OUT = -100  # torch's default for targets that a loss ignores
_MASK = (
    "Let no step see a later one: a causal mask in every attention (is_causal=True, or −inf above the diagonal of the "
    "scores), no recurrent layer that runs both ways, convolutions padded in front alone. Nothing, if the later steps "
    "are known when the model is used."
)
_SHIFT = (
    "Shift one against the other, so that it predicts the next step: inputs x[:, :-1], targets x[:, 1:]. Nothing, if "
    "it is to give back what it reads."
)


class _Steps(NamedTuple):
    """Targets that are inputs of later steps.

    Attributes:
        input: The index of the input among the tensors.
        target: The index of the target among the tensors.
        axis: The axis of the steps.
        on: The number of steps between a target and the input that it equals.
    """

    input: int
    target: int
    axis: int
    on: int


def ahead_in(subject: Subject) -> list[Finding]:
    """Report targets that the outputs they are compared with can read.

    Args:
        subject: A copy of the model. It runs, on two samples, only if the targets are inputs of some step.
    """
    inputs, targets = subject.batch()
    given, asked = pytree.tree_leaves(inputs), pytree.tree_leaves(targets)
    for i, x in enumerate(given):
        for j, y in enumerate(asked):
            found = _agreement(x, y)
            if found is not None:
                with evaluated(subject.model):
                    try:
                        return _Pair(subject, _Steps(i, j, *found)).findings()
                    except FlowError:
                        return []
    return []


def _agreement(x: object, y: object) -> tuple[int, int] | None:
    """Return the axis of the steps, and the number of steps after which the inputs equal the targets; None if never."""
    if not (isinstance(x, Tensor) and isinstance(y, Tensor)) or not 2 <= x.ndim <= 3 or x.dtype != y.dtype:
        return None
    if x.numel() != y.numel() or (y.ndim != x.ndim and y.ndim != 1):
        return None
    for axis in (1, 0):
        if x.shape[axis] < _FEWEST or x.shape[1 - axis] < 2 or (y.ndim > 1 and y.shape != x.shape):
            continue
        same = [on for on in range(_FARTHEST + 1) if _agree(x, y.reshape(x.shape), axis, on)]
        if len(same) == 1 and (same[0] or not x.is_floating_point()):
            return axis, same[0]
    return None


def _agree(x: Tensor, y: Tensor, axis: int, on: int) -> bool:
    count = x.shape[axis] - on
    later, target = x.narrow(axis, on, count), y.narrow(axis, 0, count)
    kept = target != _LEFT_OUT
    # Few targets, as with masked words, or steps that are all equal prove nothing.
    return 2 * int(kept.sum()) > kept.numel() and torch.equal(later[kept], target[kept])


class _Pair:
    """Two samples of a batch on which a model and a loss are run."""

    def __init__(self, subject: Subject, steps: _Steps) -> None:
        self._subject, self._steps = subject, steps
        self._samples = 1 - steps.axis
        inputs, targets = subject.batch()
        x = pytree.tree_leaves(inputs)[steps.input]
        self._count, self._shape = x.shape[self._samples], x.shape
        self._inputs = pytree.tree_map(self._taken, inputs)
        self._targets = pytree.tree_map(self._taken, targets)

    def findings(self) -> list[Finding]:
        """Report what the outputs depend on."""
        x, on = pytree.tree_leaves(self._inputs)[self._steps.input], self._steps.on
        last = x.shape[self._steps.axis] - 1
        step = self._step(x)
        if step is None:
            return []
        before = self._output(None)
        asked = self._compared(before, step)
        if not _meet(asked, before, self._output(step + on)):
            return []
        # Targets of the same step may be compared with the output of an earlier one, if the loss shifts them.
        further = on or self._shift(asked, step)
        if further:
            return [_looks_ahead(step + on - further, step + on, self._first(step + on))]
        later = (step + 1, last)
        if any(_meet(asked, before, self._output(one)) for one in later):
            return []
        # A model that hides later steps is meant to predict; only recurrent networks may be trained to remember.
        recurrent = any(isinstance(one, nn.RNNBase) for one in self._subject.model.modules())
        earlier = _meet(asked, before, self._output(step - 1))
        return [_unshifted(last + 1, "warning" if earlier and not recurrent else "info")]

    def _step(self, x: Tensor) -> int | None:
        """Return a step near the middle at which the two samples differ; None if there is none."""
        one, other = x.unbind(self._samples)
        most = len(one) - self._steps.on - 1
        steps = sorted(range(2, most), key=lambda j: abs(j - most // 2))
        return next((j for j in steps if bool((one[j + self._steps.on] != other[j + self._steps.on]).any())), None)

    def _taken(self, value: object) -> object:
        if not isinstance(value, Tensor):
            return value
        if value.ndim == 1 and value.numel() == self._shape[0] * self._shape[1]:
            return value.reshape(self._shape[:2]).narrow(self._samples, 0, 2).flatten()
        fits = value.ndim > self._samples and value.shape[self._samples] == self._count
        return value.narrow(self._samples, 0, 2) if fits else value

    def _exchanged(self, values: object, place: int, step: int) -> object:
        """Exchange one step of one tensor between the two samples."""
        leaves, form = pytree.tree_flatten(values)
        one = leaves[place].clone()
        flat = (
            one.reshape(2, -1) if one.ndim == 1 and not self._samples else one.reshape(-1, 2) if one.ndim == 1 else one
        )
        flat.narrow(self._steps.axis, step, 1).copy_(flat.narrow(self._steps.axis, step, 1).flip(self._samples))
        leaves[place] = one
        return pytree.tree_unflatten(leaves, form)

    def _output(self, step: int | None) -> object:
        inputs = self._inputs if step is None else self._exchanged(self._inputs, self._steps.input, step)
        inputs = pytree.tree_map(lambda one: one.clone() if isinstance(one, Tensor) else one, inputs)
        torch.manual_seed(0)
        return run("the model", self._subject.model, inputs, self._subject.model)

    def _compared(self, output: object, step: int) -> list[Tensor]:
        """Return which elements of the output the targets of a step are compared with."""
        other = self._exchanged(self._targets, self._steps.target, step)
        return [a != b for a, b in zip(*(self._slopes(output, some) for some in (self._targets, other)), strict=True)]

    def _slopes(self, output: object, targets: object) -> list[Tensor]:
        with torch.enable_grad(), abroad():
            leaves, form = pytree.tree_flatten(output)
            leaves = [one.detach().clone().requires_grad_() if _is_real(one) else one for one in leaves]
            loss = self._subject.loss_fn(pytree.tree_unflatten(leaves, form), targets)
            asked = [one for one in leaves if _is_real(one)]
            found = torch.autograd.grad(loss.reshape(()), asked, allow_unused=True)
        return [torch.zeros_like(a) if b is None else b for a, b in zip(asked, found, strict=True)]

    def _shift(self, asked: list[Tensor], step: int) -> int:
        """Return by how many steps a target is later than the output it is compared with; 0 if that is not known."""
        for one in asked:
            axis = next((i for i, size in enumerate(one.shape) if size == self._shape[self._steps.axis]), None)
            if axis is not None and bool(one.any()):
                return max(step - int(one.movedim(axis, 0).flatten(1).any(1).nonzero()[-1]), 0)
        return 0

    def _first(self, step: int) -> str:
        """Return the first layer whose output for an earlier step changes with a later one; "" if there is none."""
        with self._recorded() as one:
            self._output(None)
        with self._recorded() as two:
            self._output(step)
        for (name, before), (other, after) in zip(one, two, strict=False):
            if name != other or before.shape != after.shape:
                break
            axis = before.shape.index(self._shape[self._steps.axis])
            if _changes(before.narrow(axis, 0, step), after.narrow(axis, 0, step)):
                return name
        return ""

    @contextmanager
    def _recorded(self) -> Iterator[list[tuple[str, Tensor]]]:
        found: list[tuple[str, Tensor]] = []

        def note(name: str, gave: object) -> None:
            first = next((one for one in pytree.tree_leaves(gave) if isinstance(one, Tensor)), None)
            if first is not None and first.ndim > 2 and {2, self._shape[self._steps.axis]} <= set(first.shape):
                found.append((name, first.detach().clone()))

        handles = [
            module.register_forward_hook(lambda _, __, gave, name=name: note(name, gave))
            for name, module in called_modules(self._subject.model)
            if name != ROOT
        ]
        try:
            yield found
        finally:
            for handle in handles:
                handle.remove()


def _is_real(one: object) -> bool:
    return isinstance(one, Tensor) and one.is_floating_point()


def _meet(asked: list[Tensor], before: object, after: object) -> bool:
    """Whether an output that a target is compared with has changed."""
    pairs = zip(*([one for one in pytree.tree_leaves(some) if _is_real(one)] for some in (before, after)), strict=True)
    return any(
        bool((flags & ((a - b).abs() > SAME * a.abs().max())).any()) for flags, (a, b) in zip(asked, pairs, strict=True)
    )


def _changes(a: Tensor, b: Tensor) -> bool:
    return bool(a.numel()) and bool(((a - b).abs() > SAME * a.abs().max()).any())


def _looks_ahead(step: int, seen: int, name: str) -> Finding:
    first = f"; it shows first in what {name} gives" if name else ""
    message = (
        f"the model sees what it is to predict: what it gives for step {step} is compared with what its inputs hold at "
        f"step {seen}, and changes with that; it learns to copy later steps, and the loss falls far too low{first}"
    )
    evidence = {"layer": name, "step": step, "seen": seen, "threshold": step}
    return Finding(SEEN, "warning", message, evidence, action=_MASK)


def _unshifted(steps: int, severity: Severity) -> Finding:
    message = (
        f"the targets are the inputs themselves, at each of {steps} steps, and the model sees no later step: it is "
        "asked for what it has just read, so that it learns to copy, and predicts nothing"
    )
    return Finding(SEEN, severity, message, {"steps": steps, "shift": 0, "threshold": 1}, action=_SHIFT)
