"""A few steps of gradient descent on a copy of a model, and what the loss and the gradients do meanwhile."""

import contextlib
import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor, nn

from gradwidgets.core.layers.arguments import positive, whole
from gradwidgets.core.layers.clippers import by_norm
from gradwidgets.core.layers.fingerprint import ModelState
from gradwidgets.core.layers.gradients import global_norm, gradients_of
from gradwidgets.core.layers.passes import Subject, is_torchs, quietly
from gradwidgets.core.slices import Slices
from gradwidgets.core.undisturbed import models_in, random_numbers


def training_losses(
    model: nn.Module,
    inputs: object,
    targets: object,
    loss_fn: Callable,
    *,
    lr: float = 0.01,
    steps: int = 20,
    clip: float | None = None,
) -> Slices[tuple[Tensor, Tensor]]:
    """Gradient descent on one batch, run on a copy of a model: p ← p − lr·∂loss/∂p, as `torch.optim.SGD` steps.

    Step k draws its random numbers (dropout) from seed k, so that two models can be compared; outside, the generators
    stay where they are. Hooks that are not torch's own are left out: they would log steps that nobody took.

    Args:
        model: Any module that can be deep-copied, in the mode that it is in.
        inputs: A tuple is handed over as `model(*inputs)`, a mapping as `model(**inputs)`, anything else as
            `model(inputs)`.
        targets: Handed to the loss.
        loss_fn: `loss_fn(model's output, targets)`, a tensor of one real number.
        lr: Learning rate, ≥ 0.
        steps: How many, 0 to 10,000.
        clip: The norm that each step's gradients are clipped to, as `torch.nn.utils.clip_grad_norm_` does it; None
            for no clipping.

    Yields:
        The share that is done, after each step.

    Returns:
        The losses before each step and after the last, and the global norms of the gradients there, before any
        clipping; (steps + 1,) each, float64; both NaN from where the loss is not finite.

    Raises:
        TypeError: An argument is of the wrong type; at the first `next`.
        ValueError: One is not allowed, the model cannot be copied, or (FlowError) the model, the loss or the backward
            pass raised.
    """
    check_steps(lr, steps)
    if clip is not None:
        positive("clip", clip)
    subject = Subject.of(model, inputs, targets, loss_fn)
    subject.model = copy_of(subject.model)
    loss = Loss.of(loss_fn)
    subject.loss_fn = loss.copied()
    losses, norms = torch.full((2, steps + 1), math.nan, dtype=torch.float64)
    for step in range(steps + 1):
        with _training(subject, step), loss.untouched():
            value = subject.loss()
            if not bool(value.isfinite()):
                break
            losses[step] = value.detach().double()
            gradients = gradients_of(value, subject.model)
            norms[step] = global_norm(gradients.values())
            if step < steps:
                _descend(dict(subject.model.named_parameters()), gradients, lr, clip)
        yield (step + 1) / (steps + 1)
    return losses, norms


def _descend(
    parameters: dict[str, nn.Parameter], gradients: dict[str, Tensor | None], lr: float, clip: float | None
) -> None:
    with torch.no_grad():
        steps = list(gradients.values())
        if clip is not None:
            steps, *_ = by_norm([g.coalesce() if g is not None and g.is_sparse else g for g in steps], clip)
        for name, step in zip(gradients, steps, strict=True):
            if step is not None:
                parameters[name].add_(step, alpha=-lr)


def check_steps(lr: object, steps: object) -> None:
    """Refuse a learning rate or a number of steps that is not allowed.

    Raises:
        TypeError: `lr` is no number, or `steps` no whole one.
        ValueError: One is out of its range.
    """
    whole("steps", steps, 0, 10_000)
    if isinstance(lr, bool) or not isinstance(lr, Real):
        raise TypeError(f"lr must be a number ≥ 0; got {lr!r:.60}")
    if not 0 <= lr < math.inf:
        raise ValueError(f"lr must be finite and ≥ 0; got {lr!r:.60}")


def copy_of(model: nn.Module) -> nn.Module:
    """A deep copy without gradients and without any hooks but torch's own (of weight norm, of lazy layers).

    Raises:
        ValueError: The model cannot be copied, or its copy shares numbers with it.
    """
    try:
        copied = copy.deepcopy(model)
    except Exception as error:
        raise ValueError(
            f"the model cannot be copied, and only a copy may be trained: copy.deepcopy raised "
            f"{type(error).__name__}: {error}"
        ) from error
    shared = _places(model) & _places(copied)
    if shared:
        raise ValueError(
            f"the model's copy shares {len(shared)} of its tensors with it, and only a copy may be trained"
        )
    for module in copied.modules():
        for key in _own_hooks(module):
            hooks = vars(module)[key]  # changed in place: a lazy layer's hook removes itself from this very dict
            for one in [one for one, hook in hooks.items() if not is_torchs(hook)]:
                del hooks[one]
    for parameter in copied.parameters():
        parameter.grad = None
        parameter._backward_hooks = None
    return copied


def hooks_left_out(model: nn.Module) -> int:
    """How many hooks `copy_of` leaves out."""
    parameters = sum(len(p._backward_hooks or ()) for p in model.parameters())
    return parameters + sum(
        not is_torchs(hook)
        for module in model.modules()
        for held in _own_hooks(module)
        for hook in vars(module)[held].values()
    )


def _own_hooks(module: nn.Module) -> list[str]:
    keys = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [key for key in keys if vars(module).get(key)]


def _places(model: nn.Module) -> set[int]:
    """Where in memory the model's numbers are."""
    tensors = [t for t in (*model.parameters(), *model.buffers()) if not nn.parameter.is_lazy(t)]
    return {t.data_ptr() for t in tensors if t.layout is torch.strided and not t.is_meta and t.numel()}


@dataclass(frozen=True)
class Loss:
    """A loss function, and the models that it holds: in its closure, say, or as an attribute.

    Attributes:
        fn: The function; a module is copied before it is used.
        models: What it holds.
    """

    fn: Callable
    models: tuple[nn.Module, ...]

    @classmethod
    def of(cls, fn: Callable) -> "Loss":
        """Look for models in a function."""
        return cls(fn, () if isinstance(fn, nn.Module) else tuple(models_in(fn)))

    def copied(self) -> Callable:
        """The function, or a copy of it if it is a module, whose own state may then move on.

        Raises:
            ValueError: It cannot be copied.
        """
        if not isinstance(self.fn, nn.Module):
            return self.fn
        try:
            return copy.deepcopy(self.fn)
        except Exception as error:
            raise ValueError(f"loss_fn is a module and cannot be copied: {type(error).__name__}: {error}") from error

    @contextlib.contextmanager
    def untouched(self) -> Iterator[None]:
        """Inside, the function may be called; at the end the models that it holds are put back."""
        state = ModelState(*self.models) if self.models else None
        try:
            yield
        finally:
            if state is not None:
                state.put_back(random_numbers=False)


@contextlib.contextmanager
def _training(subject: Subject, seed: int) -> Iterator[None]:
    """Gradients on, random numbers from a seed, the accelerators' too; afterwards all as before."""
    cards = sorted({p.device.index for p in subject.model.parameters() if p.device.type == "cuda"})
    with contextlib.ExitStack() as stack:
        stack.enter_context(quietly(subject.small))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        if cards:
            stack.enter_context(torch.random.fork_rng(cards))
        stack.enter_context(random_numbers(seed))
        for card in cards:
            torch.cuda.default_generators[card].manual_seed(seed)
        yield
