"""A few steps of gradient descent on a copy of a model, with the loss and the gradients' norm at each step."""

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from gradwidgets.core.layers.clipping.clippers import by_norm
from gradwidgets.core.layers.clipping.gradients import global_norm, gradients_of
from gradwidgets.core.layers.networks.arguments import positive, whole
from gradwidgets.core.layers.passes.passes import FlowError, Subject, is_torchs, quietly, run
from gradwidgets.core.results.allowed import is_number
from gradwidgets.core.results.slices import Slices
from gradwidgets.core.subject.held.held import Held
from gradwidgets.core.subject.home import at_home
from gradwidgets.core.subject.undisturbed import random_numbers
from gradwidgets.core.subject.untouched import Untouched


@at_home
def training_losses(
    model: nn.Module,
    inputs: object,
    targets: object,
    loss_fn: Callable[..., Any],
    *,
    lr: float = 0.01,
    steps: int = 20,
    clip: float | None = None,
) -> Slices[tuple[Tensor, Tensor]]:
    """Run gradient descent on one batch, on a copy of a model: p ← p − lr·∂loss/∂p, as `torch.optim.SGD` steps.

    The random numbers (dropout) of step k are seeded with k, so that two models can be compared; the generators' states
    are restored. Hooks that are not torch's own do not run: they would log steps of a trial as steps of the training.

    Args:
        model: Any module; it runs in its current mode.
        inputs: A tuple is passed as `model(*inputs)`, a mapping as `model(**inputs)`, anything else as
            `model(inputs)`.
        targets: The second argument of the loss.
        loss_fn: `loss_fn(model's output, targets)` returns a tensor of one real number.
        lr: Learning rate, ≥ 0.
        steps: The number of steps, 0 to 10,000.
        clip: The norm that each step's gradients are clipped to, as by `torch.nn.utils.clip_grad_norm_`; None for no
            clipping.

    Yields:
        The share of the work that is done, after each step.

    Returns:
        The losses before each step and after the last, and the global norms of the gradients there, before any
        clipping; (steps + 1,) each, float64; both NaN from the first loss that is not finite.

    Raises:
        TypeError: An argument has the wrong type; raised at the first `next`.
        ValueError: An argument is not allowed, or (FlowError) the model, the loss or the backward pass raised.
    """
    check_steps(lr, steps)
    if clip is not None:
        positive("clip", clip)
    return (yield from training(trainee(Subject.of(model, inputs, targets, loss_fn)), lr=lr, steps=steps, clip=clip))


def trainee(subject: Subject) -> Subject:
    """Return a copy that may be trained: without gradients, and without hooks other than torch's own.

    Raises:
        FlowError: The model has lazy layers and fails in its first call.
    """
    # A copy that was made in inference mode could not be trained.
    with Untouched(*subject.roots) as block, block.again(), quietly(subject.light), torch.inference_mode(False):
        copy = replace(subject, notes=[]).copied()
        subject.notes += copy.notes
        strip(copy.model)
    if subject.lazy:
        held = Held(copy.model, copy.loss_fn, but=copy.ours)
        with Untouched(held=held) as block, block.again(), _seeded(copy, 0), torch.no_grad():
            run("the model", copy.model, copy.batch()[0], copy.model)
        copy = replace(copy, lazy=False).copied()
    return replace(copy, notes=[])


def training(
    subject: Subject, *, lr: float, steps: int, clip: float | None = None, seed: int = 0
) -> Slices[tuple[Tensor, Tensor]]:
    """Run `training_losses` on a copy, which is changed; the random numbers of step k are seeded with `seed` + k."""
    outside = Held(subject.model, subject.loss_fn, but=subject.ours)
    losses, norms = [math.nan] * (steps + 1), [math.nan] * (steps + 1)
    for step in range(steps + 1):
        with Untouched(held=outside) as block, block.again(), _seeded(subject, seed + step):
            value = subject.loss()
            if not bool(value.isfinite()):
                break
            losses[step] = float(value.detach())
            gradients = gradients_of(value, subject.model)
            norms[step] = global_norm(gradients.values())
            if step < steps:
                _descend(dict(subject.model.named_parameters()), gradients, lr, clip)
        yield (step + 1) / (steps + 1)
    return torch.tensor(losses, dtype=torch.float64), torch.tensor(norms, dtype=torch.float64)


def _descend(
    parameters: dict[str, nn.Parameter], gradients: dict[str, Tensor | None], lr: float, clip: float | None
) -> None:
    with torch.no_grad():
        steps = list(gradients.values())
        if clip is not None:
            steps, *_ = by_norm([g.coalesce() if g is not None and g.is_sparse else g for g in steps], clip)
        for name, step in zip(gradients, steps, strict=True):
            if step is not None:
                _move(name, parameters[name], step, lr)


def _move(name: str, parameter: nn.Parameter, step: Tensor, lr: float) -> None:
    try:
        parameter.add_(step, alpha=-lr)
    except RuntimeError as error:  # it may be an expanded tensor, whose elements share memory
        raise FlowError(f"parameter {name!r} takes no step, here or from an optimizer: {error}") from error


def check_steps(lr: object, steps: object) -> None:
    """Check a learning rate and a number of steps.

    Raises:
        TypeError: `lr` is not a number, or `steps` is not a whole number.
        ValueError: A number is out of range.
    """
    whole("steps", steps, 0, 10_000)
    if not is_number(lr):
        raise TypeError(f"lr must be a number ≥ 0; got {lr!r:.60}")
    if not 0 <= lr < math.inf:
        raise ValueError(f"lr must be finite and ≥ 0; got {lr!r:.60}")


def strip(model: nn.Module) -> None:
    """Remove gradients and all hooks but torch's own (of weight norm, of lazy layers) from a copy."""
    for module in model.modules():
        for key in _own_hooks(module):
            hooks = vars(module)[key]  # changed in place: a lazy layer's hook removes itself from this very dict
            for one in [one for one, hook in hooks.items() if not is_torchs(hook)]:
                del hooks[one]
    for parameter in model.parameters():
        parameter.grad = None
        parameter._backward_hooks = None


def hooks_left_out(model: nn.Module) -> int:
    """Return the number of hooks that `strip` removes."""
    parameters = sum(len(p._backward_hooks or ()) for p in model.parameters())
    return parameters + sum(
        not is_torchs(hook)
        for module in model.modules()
        for held in _own_hooks(module)
        for hook in vars(module)[held].values()
    )


def _own_hooks(module: nn.Module) -> list[str]:
    """Return the attributes in which a module has hooks."""
    keys = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [key for key in keys if vars(module).get(key)]


@contextlib.contextmanager
def _seeded(subject: Subject, seed: int) -> Iterator[None]:
    """Enable gradients and seed all random generators within a block, and restore them afterwards."""
    cards = sorted({p.device.index for p in subject.model.parameters() if p.device.type == "cuda"})
    with contextlib.ExitStack() as stack:
        stack.enter_context(quietly(subject.light))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        if cards:
            stack.enter_context(torch.random.fork_rng(cards))
        stack.enter_context(random_numbers(seed))
        for card in cards:
            torch.cuda.default_generators[card].manual_seed(seed)
        yield
