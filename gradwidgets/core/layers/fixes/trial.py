"""A trial of a fix: a network and its first steps of training, with the fix and without."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gradwidgets.core.layers.fixes.fix_table import FIXES
from gradwidgets.core.layers.fixes.fixes import apply_fix, completed, reach
from gradwidgets.core.layers.fixes.matrices import share_changed, weights_of
from gradwidgets.core.layers.fixes.steps import check_steps, hooks_left_out, trainee, training
from gradwidgets.core.layers.flow import flow_of
from gradwidgets.core.layers.passes.passes import Subject, quietly, subject_roots
from gradwidgets.core.layers.passes.stats import LayerFlow
from gradwidgets.core.layers.verdicts.checks import diagnose_flow
from gradwidgets.core.results.allowed import choose
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.result import Result
from gradwidgets.core.results.slices import Slices, part_of
from gradwidgets.core.results.wording import counted, number, table
from gradwidgets.core.subject.held.certificate import Certificate
from gradwidgets.core.subject.sliced import measured
from gradwidgets.core.subject.undisturbed import models_in
from gradwidgets.core.subject.untouched import Untouched

if TYPE_CHECKING:
    import pandas

_HEAD = ("", "loss at first", "after", "gradient at first", "after", "verdict")  # of a table


@dataclass(frozen=True, eq=False, repr=False)
class Trial(Result):
    """The effect of a fix on a network and on its first steps of gradient descent on one batch.

    Attributes:
        fix: A key of `FIXES`.
        options: All options of the fix.
        lr: Learning rate of the steps.
        before: The measurements of the network without the fix.
        after: The measurements of the network with the fix.
        findings_before: The findings without the fix.
        findings_after: The findings with the fix.
        losses_before: The losses without the fix, before each step and after the last, (steps + 1,), float64; NaN from
            the first one that is not finite.
        losses_after: The same with the fix.
        norms_before: The global norms of the gradients without the fix, before any clipping, (steps + 1,), float64.
        norms_after: The same with the fix.
        certificate: The proof that the model itself is unchanged. `try_fix` restores changes, random generators
            included; when it runs in slices, between which other code may change the model, nothing is restored.
        note: Remarks on how the fix was tried, and for a fix of the weights whether it changed none or less than half
            of them; "" for none.
        changed: The share of the weights (tensors with two axes or more) whose numbers the fix changed; NaN for a model
            without weights, and for one that was built from scratch.
    """

    fix: str
    options: dict[str, Any]
    lr: float
    before: LayerFlow
    after: LayerFlow
    findings_before: list[Finding]
    findings_after: list[Finding]
    losses_before: Tensor
    losses_after: Tensor
    norms_before: Tensor
    norms_after: Tensor
    certificate: Certificate | None = field(default=None, compare=False, repr=False)
    note: str = ""
    changed: float = math.nan

    @property
    def sentence(self) -> str:
        """The result of the trial in words."""
        steps = len(self.losses_before) - 1
        parts = [
            f"loss in {counted(steps, 'step')}: {_span(self.losses_after)} with it, {_span(self.losses_before)} without"
        ]
        if not bool((torch.cat((self.norms_before, self.norms_after)) != 0).any()):
            parts.append("no weight gets a gradient in either, so that nothing is trained")
        ratios = [_ratio(flow) for flow in (self.after, self.before)]
        if all(math.isfinite(ratio) for ratio in ratios) and ratios[0] != ratios[1]:
            told = [number(ratio, 3) for ratio in ratios]
            parts.append(f"weight gradient, first / last layer: {told[0]} with it, {told[1]} without")
        return "; ".join(parts) + "."

    def __str__(self) -> str:
        """Return the result in words, a table with a line for each of the two networks, and the remarks."""
        ways = (
            ("without it", self.losses_before, self.norms_before, self.findings_before),
            ("with it", self.losses_after, self.norms_after, self.findings_after),
        )
        lines = table([_HEAD, *(_row(*way) for way in ways)])
        given = ", ".join(f"{key}={value!r}" for key, value in self.options.items())
        head = f"{FIXES[self.fix].title}{f' ({given})' if given else ''}, at a learning rate of {number(self.lr, 3)}"
        return "\n".join([f"{head}: {self.sentence}", "", *lines, *([self.note] if self.note else [])])

    def to_frame(self) -> "pandas.DataFrame":
        """Return a pandas DataFrame with one row per step: the losses and the norms of the gradients."""
        import pandas as pd

        names = ("losses_before", "losses_after", "norms_before", "norms_after")
        columns = {name: getattr(self, name).tolist() for name in names}
        return pd.DataFrame({"step": range(len(self.losses_before)), **columns})


@measured(subject_roots)
def try_fix(
    model: nn.Module,
    inputs: object,
    targets: object,
    loss_fn: Callable[..., Any],
    name: str,
    *,
    lr: float = 0.01,
    steps: int = 20,
    made: nn.Module | None = None,
    **options: object,
) -> Slices[Trial]:
    """Apply a fix to a copy of a model, measure both, and train copies of both for a few steps on the one batch.

    The steps are plain gradient descent, p ← p − lr·∂loss/∂p, as by `torch.optim.SGD`, with the same random numbers
    (dropout) for both. With "clip" the copy's gradients are clipped by norm in each step. The model stays unchanged.

    Args:
        model: Any module; it runs in its current mode.
        inputs: A tuple is passed as `model(*inputs)`, a mapping as `model(**inputs)`, anything else as
            `model(inputs)`.
        targets: The second argument of the loss.
        loss_fn: `loss_fn(model's output, targets)` returns a tensor of one real number.
        name: A key of `FIXES`.
        lr: Learning rate, ≥ 0.
        steps: The number of steps, 0 to 10,000.
        made: The changed model, if it was built from scratch instead of changed by the fix.
        **options: The options of the fix, see its `options`.

    Returns:
        The result of the trial.

    Raises:
        TypeError: An argument has the wrong type, or an option is unknown.
        ValueError: An argument is not allowed, the fix finds nothing to change, or (FlowError) the model or the loss
            raised.
    """
    fix = choose("fix", name, FIXES)
    settled = fix.settled(options)
    check_steps(lr, steps)
    subject = Subject.of(model, inputs, targets, loss_fn)
    plain = trainee(subject)
    yield 0.05
    with (
        Untouched(*subject.roots) as block,
        block.again(),
    ):  # a copy may share parts with the model that cannot be copied
        before = flow_of(plain, own=True)
    yield 0.1
    settled = completed(name, settled, plain.model, before)
    with Untouched(*subject.roots) as block, block.again():
        with quietly(subject.light) as quiet, quiet.again(), torch.inference_mode(False):
            changed = math.nan
            if made is None:
                made, changed = applied(plain.model, name, settled)
            fixed = replace(plain, model=made, notes=[]).copied()
        after = flow_of(fixed, own=True)
    yield 0.15
    clip = None if fix.changes_model else settled["max_norm"]
    losses_before, norms_before = yield from part_of(training(plain, lr=lr, steps=steps), 0.15, 0.4)
    losses_after, norms_after = yield from part_of(training(fixed, lr=lr, steps=steps, clip=clip), 0.55, 0.45)
    return Trial(
        fix=name,
        options=settled,
        lr=float(lr),
        before=before,
        after=after,
        findings_before=diagnose_flow(before),
        findings_after=diagnose_flow(after),
        losses_before=losses_before,
        losses_after=losses_after,
        norms_before=norms_before,
        norms_after=norms_after,
        note="; ".join(one for one in (reach(name, changed), *notes_of(subject)) if one),
        changed=changed,
    )


trying_fix = try_fix.in_slices


def applied(model: nn.Module, name: str, options: dict[str, Any]) -> tuple[nn.Module, float]:
    """Return a copy with a fix, and the share of the weights that changed; NaN for a fix of the training."""
    if not FIXES[name].changes_model:
        return model, math.nan
    fixed = apply_fix(model, name, **options)
    # Other fixes may rename weights by moving modules; they do not change the weights' numbers.
    changed = share_changed(weights_of(model), fixed) if FIXES[name].draws else 0.0
    return fixed, changed


def notes_of(subject: Subject) -> Iterator[str]:
    """Yield remarks on how copies of a subject are trained."""
    yield from subject.notes
    if hooks := hooks_left_out(subject.model):
        were = "hook of the model was" if hooks == 1 else "hooks of the model were"
        yield f"{hooks} {were} left out, so that the trial's steps are neither logged nor changed"
    if models := [] if isinstance(subject.loss_fn, nn.Module) else models_in(subject.loss_fn):
        yield f"loss_fn holds {counted(len(models), 'model')}, which no step changes"


def _row(name: str, losses: Tensor, norms: Tensor, findings: list[Finding]) -> tuple[str, ...]:
    """Return a network as a row of the table with the header `_HEAD`."""
    ends = [number(float(some[place]), 3) for some in (losses, norms) for place in (0, -1)]
    said = ", ".join(dict.fromkeys(f"{one.name} ({one.severity})" for one in findings if one.severity != "info"))
    return name, *ends, said


def _span(losses: Tensor) -> str:
    known = losses[losses.isfinite()].tolist()
    if not known:
        return "not finite"
    end = number(known[-1]) if len(known) == len(losses) else f"beyond all bounds at step {len(known)}"
    return f"{number(known[0])} → {end}"


def _ratio(flow: LayerFlow) -> float:
    """Return the ratio of the weight gradient's RMS at the first layer to that at the last."""
    rms = [layer.weight_grad_rms for layer in flow.layers if layer.weights and "Norm" not in layer.kind]
    return rms[0] / rms[-1] if len(rms) > 1 and rms[-1] > 0 else math.nan
