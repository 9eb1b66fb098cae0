"""Losses that are flat at the output: although lower elsewhere, or since they are as low as they get."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from gradwidgets.core.layers.passes.passes import copied
from gradwidgets.core.layers.preflight.losses.call import Again
from gradwidgets.core.layers.preflight.made import behind
from gradwidgets.core.layers.preflight.reading import numbers
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.home import abroad

FLAT, MET = "flat_loss", "loss_met"
# The decrease that the slope predicts, relative to the decrease to a lower loss, below which the loss is flat: a
# sigmoid is as flat at −14.
SLOPE = 1e-6
# The decrease to a lower loss, relative to all changes of the loss, from which it counts.
LOWER = 1e-2
# Change nearby, relative to the decrease, up to which the loss is flat: at a minimum, as for a loss that computes its
# targets from the output, the slope is 0, too.
EVEN = 1e-3
_SATURATES = {
    "softplus", "log_sigmoid", "log_sigmoid_forward", "sigmoid", "tanh", "exp", "softmax", "log_softmax", "relu",
    "clamp", "clamp_min", "clamp_max", "hardtanh", "binary_cross_entropy_with_logits",
}  # fmt: skip
Slopes = Sequence[tuple[Tensor, Tensor]]
Other = Callable[[Tensor, Tensor], Tensor]


def flat(loss: Tensor, slopes: Slopes, targets: object, again: Again) -> list[Finding]:
    """Report a loss whose gradient by the output is next to nothing.

    Args:
        loss: The loss.
        slopes: The gradient by each tensor of the output, and that tensor.
        targets: The loss's targets.
        again: Computes the loss again.
    """
    slopes = [(g, one) for g, one in slopes if numbers(one) is not None and not one.is_complex()]
    value = float(loss.detach())
    others = _others(slopes) + right_answers(slopes, targets)
    tried = [(went, there) for there, went in _tried(slopes, targets, again, others) if math.isfinite(went)]
    if not tried:
        return []
    lowest, there = min(tried, key=lambda one: one[0])
    drop, span = value - lowest, max(value, *[went for went, _ in tried]) - min(value, lowest)
    if drop > LOWER * span and _led(slopes, there) < SLOPE * drop:
        nearby = [went for _, went in _tried(slopes, targets, again, _NEAR)]
        is_even = nearby and all(abs(went - value) < EVEN * drop for went in nearby)
        return [_told(loss, slopes, value, lowest)] if is_even else []
    if drop <= 0 < span and not any(bool(g.any()) for g, _ in slopes):
        return [_met(value, len(tried))]
    return []


def _tried(slopes: Slopes, targets: object, again: Again, others: Sequence[Other]) -> Iterator[tuple[Other, float]]:
    """Yield other outputs and their losses; the numbers are put into the tensors of the output meanwhile."""
    held = [(g, one, one.detach().clone()) for g, one in slopes]
    for other in others if held else ():
        try:
            for g, one, old in held:
                one.data.copy_(other(old, g))
            with contextlib.suppress(Exception), abroad():  # errors of the loss mean nothing
                yield other, float(again(copied(targets)))
        finally:
            for _, one, old in held[::-1]:
                one.data.copy_(old)


def _others(slopes: Slopes) -> tuple[Other, ...]:
    """Return other outputs, of shares for an output of shares."""
    return _SHARES if _are_shares(slopes) else _NUMBERS


def _are_shares(slopes: Slopes) -> bool:
    return all(bool(((one >= 0) & (one <= 1)).all()) for _, one in slopes)


def right_answers(slopes: Slopes, targets: object) -> tuple[Other, ...]:
    """Return the output that says what the targets say, of a single one as large as they are; none for others."""
    if len(slopes) != 1 or not isinstance(targets, Tensor) or targets.numel() != slopes[0][1].numel():
        return ()
    want = targets.detach().to(slopes[0][1]).reshape(slopes[0][1].shape)
    if _are_shares(slopes):
        return ((lambda old, g: want.clamp(0, 1)),)
    return ((lambda old, g: want), (lambda old, g: (2 * want - 1) * _far(old)))


def _far(old: Tensor) -> Tensor:
    return 2 * (1 + old.abs().max())


def _noise(old: Tensor) -> Tensor:
    return torch.randn(old.shape, generator=torch.Generator().manual_seed(0)).to(old.device, old.dtype)


_NUMBERS: tuple[Other, ...] = (
    lambda old, g: torch.zeros_like(old),
    lambda old, g: -old,
    lambda old, g: old + _far(old),
    lambda old, g: old - _far(old),
    lambda old, g: old - _far(old) * g.sign(),
)
_NEAR: tuple[Other, ...] = (
    lambda old, g: old + _far(old) * _noise(old) / 40,
    lambda old, g: old - _far(old) * _noise(old) / 40,
)
_SHARES: tuple[Other, ...] = (lambda old, g: torch.full_like(old, 0.5), lambda old, g: 1 - old)


def _led(slopes: Slopes, other: Other) -> float:
    """Return the most that the loss would fall by its slope on the way to another output."""
    ways = [(g.double() * (other(one.detach(), g) - one.detach()).double()).abs().sum() for g, one in slopes]
    return sum(map(float, ways))


def _told(loss: Tensor, slopes: Slopes, value: float, lowest: float) -> Finding:
    steepest = max(float(g.abs().max()) for g, _ in slopes)
    mean = float(slopes[0][1].detach().double().mean())
    stop = [one.grad_fn for _, one in slopes if one.grad_fn is not None]
    names = [plain_name(node.name()) for node in behind([loss.grad_fn], stop) if node not in stop]
    by = next((f", by its {name}" for name in names if name in _SATURATES), "")
    message = (
        f"the loss is flat where the output stands{by}: it is {number(value, 3)} where the output is {number(mean, 3)} "
        f"on average, and {number(lowest, 3)} for other outputs, but its steepest slope here is {number(steepest, 2)}: "
        "next to no gradient goes back"
    )
    action = (
        "Take a loss that is steep where the output is far off: for a generator the one that does not saturate, "
        "−logsigmoid(o) in place of log(1 − sigmoid(o)) or −softplus(o), or a hinge or Wasserstein loss; for labels, "
        "cross-entropy of logits. Or bring the output back to where the loss has a slope: a smaller or normalised last "
        "layer, a discriminator that is trained less."
    )
    evidence = {"loss": value, "lower": lowest, "steepest": steepest, "output": mean, "threshold": SLOPE}
    return Finding(FLAT, "error", message, evidence, action=action)


def _met(value: float, others: int) -> Finding:
    message = (
        f"the loss, {number(value, 3)}, is as low as for any of {others} other outputs, and its slope by the output is "
        "exactly 0: all that it asks for is met, and this batch teaches nothing"
    )
    action = "Nothing, if the batch is an easy one; else a wider margin, or harder samples and pairs."
    return Finding(MET, "info", message, {"loss": value, "others": others, "threshold": 0.0}, action=action)
