"""A fix, tried on a copy: the network and its first steps of training, with and without."""

import contextlib
import copy
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gradwidgets.core.choices import choose
from gradwidgets.core.finding import Finding
from gradwidgets.core.layers.arguments import whole
from gradwidgets.core.layers.checks import diagnose
from gradwidgets.core.layers.clippers import by_norm
from gradwidgets.core.layers.fixes import FIXES, apply_fix
from gradwidgets.core.layers.flow import layer_flow
from gradwidgets.core.layers.gradients import global_norm, gradients_of
from gradwidgets.core.layers.passes import Subject, is_torchs, quietly
from gradwidgets.core.layers.stats import LayerFlow
from gradwidgets.core.results import Result
from gradwidgets.core.slices import Slices, finish, part_of
from gradwidgets.core.undisturbed import random_numbers
from gradwidgets.core.wording import number


@dataclass(frozen=True, eq=False, repr=False)
class Trial(Result):
    """What a fix does to a network and to its first steps of gradient descent on one batch.

    Attributes:
        fix: A key of `FIXES`.
        options: All of its options.
        lr: Learning rate of the steps.
        before: The network as it is; its certificate proves that it still is.
        after: The copy with the fix.
        findings_before: The verdict on the one.
        findings_after: The verdict on the other.
        losses_before: Before each step and after the last, (steps + 1,), float64; NaN from where one is not finite.
        losses_after: The same with the fix.
        norms_before: Global norms of the gradients there, before any clipping, (steps + 1,), float64.
        norms_after: The same with the fix.
    """

    fix: str
    options: dict[str, object]
    lr: float
    before: LayerFlow
    after: LayerFlow
    findings_before: list[Finding]
    findings_after: list[Finding]
    losses_before: Tensor
    losses_after: Tensor
    norms_before: Tensor
    norms_after: Tensor

    @property
    def sentence(self) -> str:
        """The trial in words."""
        steps = len(self.losses_before) - 1
        parts = [
            f"in {steps} steps the loss goes {_way(self.losses_after)} with it, {_way(self.losses_before)} without"
        ]
        ratios = [_ratio(flow) for flow in (self.after, self.before)]
        if all(math.isfinite(ratio) for ratio in ratios) and ratios[0] != ratios[1]:
            told = [number(ratio, 3) for ratio in ratios]
            parts.append(f"weight gradient, first / last layer: {told[0]} with it, {told[1]} without")
        return "; ".join(parts) + "."

    def to_frame(self):
        """One row a step: the losses and the norms of the gradients.

        Returns:
            A pandas DataFrame.
        """
        import pandas as pd

        names = ("losses_before", "losses_after", "norms_before", "norms_after")
        columns = {name: getattr(self, name).tolist() for name in names}
        return pd.DataFrame({"step": range(len(self.losses_before)), **columns})


def try_fix(
    model: nn.Module,
    inputs: object,
    targets: object,
    loss_fn: Callable,
    name: str,
    *,
    lr: float = 0.01,
    steps: int = 20,
    **options: object,
) -> Trial:
    """Apply a fix to a copy of a model, measure both, and train copies of both for a few steps on the one batch.

    The steps are plain gradient descent, p ← p − lr·∂loss/∂p, as `torch.optim.SGD` takes them, with the same random
    numbers (dropout) for both. With "clip" the copy's gradients are clipped by norm in each step. Nothing of the model
    changes.

    Args:
        model: Any module that can be deep-copied, in the mode that it is in.
        inputs: A tuple is handed over as `model(*inputs)`, a mapping as `model(**inputs)`, anything else as
            `model(inputs)`.
        targets: Handed to the loss.
        loss_fn: `loss_fn(model's output, targets)`, a tensor of one real number.
        name: A key of `FIXES`.
        lr: Learning rate, ≥ 0.
        steps: How many, 0 to 10,000.
        **options: Of the fix, see its `options`.

    Returns:
        What came of it.

    Raises:
        TypeError: An argument is of the wrong type, or an option unknown.
        ValueError: One is not allowed, the model cannot be copied, the fix finds nothing that it could change, or
            (FlowError) the model or the loss raised.
    """
    return finish(trying_fix(model, inputs, targets, loss_fn, name, lr=lr, steps=steps, **options))


def trying_fix(
    model: nn.Module,
    inputs: object,
    targets: object,
    loss_fn: Callable,
    name: str,
    *,
    lr: float = 0.01,
    steps: int = 20,
    **options: object,
) -> Slices[Trial]:
    """`try_fix` in slices.

    Args:
        model: As in `try_fix`.
        inputs: As there.
        targets: As there.
        loss_fn: As there.
        name: As there.
        lr: As there.
        steps: As there.
        **options: As there.

    Yields:
        The share that is done, after each step.

    Returns:
        What came of it.

    Raises:
        TypeError: As there, at the first `next`.
        ValueError: As there, at the first `next` or later.
    """
    fix = choose("fix", name, FIXES)
    settled = fix.settled(options)
    whole("steps", steps, 0, 10_000)
    if isinstance(lr, bool) or not isinstance(lr, (int, float)):
        raise TypeError(f"lr must be a number ≥ 0; got {lr!r}")
    if not 0 <= lr < math.inf:
        raise ValueError(f"lr must be a number ≥ 0; got {lr!r}")
    subject = Subject.of(model, inputs, targets, loss_fn)
    plain = _copy(subject.model)
    if subject.lazy:  # the first call gives the layers their sizes, the same ones and the same weights in both copies
        with random_numbers(0):
            _run_once(plain, subject)
    fixed = apply_fix(plain, name, **settled) if fix.changes_model else copy.deepcopy(plain)
    yield 0.05
    before = layer_flow(model, inputs, targets, loss_fn)
    yield 0.1
    after = layer_flow(fixed, inputs, targets, loss_fn)
    yield 0.15
    max_norm = settled.get("max_norm") if name == "clip" else None
    losses_before, norms_before = yield from part_of(_descent(plain, subject, lr, steps, None), 0.15, 0.4)
    losses_after, norms_after = yield from part_of(_descent(fixed, subject, lr, steps, max_norm), 0.55, 0.45)
    return Trial(
        fix=name,
        options=settled,
        lr=float(lr),
        before=before,
        after=after,
        findings_before=diagnose(before),
        findings_after=diagnose(after),
        losses_before=losses_before,
        losses_after=losses_after,
        norms_before=norms_before,
        norms_after=norms_after,
    )


def _run_once(model: nn.Module, subject: Subject) -> None:
    """Run a model once, so that its lazy layers take their sizes."""
    with quietly(subject.small), torch.no_grad():
        Subject.of(model, subject.inputs, subject.targets, subject.loss_fn).loss()


def _copy(model: nn.Module) -> nn.Module:
    """A copy without the user's hooks: they would log steps that nobody took."""
    try:
        copied = copy.deepcopy(model)
    except Exception as failure:
        raise ValueError(f"the model cannot be copied, and a fix is tried on a copy: {failure}") from failure
    for module in copied.modules():
        for key in ("_backward_hooks", "_backward_pre_hooks"):
            vars(module)[key] = OrderedDict()
        for key in ("_forward_hooks", "_forward_pre_hooks"):
            vars(module)[key] = OrderedDict((k, hook) for k, hook in vars(module)[key].items() if is_torchs(hook))
    for parameter in copied.parameters():
        parameter.grad = None
    return copied


def _descent(
    model: nn.Module, subject: Subject, lr: float, steps: int, max_norm: float | None
) -> Slices[tuple[Tensor, Tensor]]:
    """Losses and norms of gradient descent, (steps + 1,) each; the model is trained in place."""
    loss_fn = copy.deepcopy(subject.loss_fn) if isinstance(subject.loss_fn, nn.Module) else subject.loss_fn
    own = Subject(model, subject.inputs, subject.targets, loss_fn, [], False, subject.small)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    losses, norms = torch.full((2, steps + 1), math.nan, dtype=torch.float64)
    for step in range(steps + 1):
        with quietly(own.small), _seeded(step, model), torch.inference_mode(False), torch.enable_grad():
            loss = own.loss()
            if not bool(loss.isfinite()):
                break
            losses[step] = loss.detach().double()
            found = gradients_of(loss, model)
            norms[step] = global_norm(found.values())
            if step < steps:
                gradients = list(found.values())
                if max_norm is not None:
                    gradients, *_ = by_norm(gradients, max_norm)
                with torch.no_grad():
                    for parameter, gradient in zip(trained.values(), gradients, strict=True):
                        if gradient is not None:
                            parameter.add_(gradient, alpha=-lr)
        yield (step + 1) / (steps + 1)
    return losses, norms


@contextlib.contextmanager
def _seeded(seed: int, model: nn.Module) -> Iterator[None]:
    """Random numbers of this seed, the accelerators' too."""
    cards = sorted({p.device.index for p in model.parameters() if p.device.type == "cuda"})
    with contextlib.ExitStack() as stack:
        if cards:
            stack.enter_context(torch.random.fork_rng(cards))
            for card in cards:
                torch.cuda.default_generators[card].manual_seed(seed)
        stack.enter_context(random_numbers(seed))
        yield


def _way(losses: Tensor) -> str:
    known = losses[losses.isfinite()]
    if not len(known):
        return "nowhere: it is not finite"
    end = number(float(losses[-1])) if bool(losses[-1].isfinite()) else f"beyond all bounds after step {len(known) - 1}"
    return f"{number(float(losses[0]))} → {end}"


def _ratio(flow: LayerFlow) -> float:
    """The first weighted layer's gradient RMS in the last one's."""
    rms = [layer.weight_grad_rms for layer in flow.layers if layer.weights and "Norm" not in layer.kind]
    return rms[0] / rms[-1] if len(rms) > 1 and rms[-1] > 0 else math.nan
