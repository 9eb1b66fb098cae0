"""Whether a loss depends on the model's output."""

import contextlib
import math

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.passes.passes import copied
from gradwidgets.core.layers.preflight.losses.call import Again
from gradwidgets.core.layers.preflight.losses.value.flat import flat
from gradwidgets.core.layers.preflight.made import behind, maker, short
from gradwidgets.core.layers.preflight.reading import left_out, numbers
from gradwidgets.core.losses.graph import variable_of
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.home import abroad

CONSTANT, DETACHED = "constant_loss", "detached_loss"
OTHERS = "of other outputs"
# Change relative to the loss up to which it counts as none; also for the change that the gradient predicts.
NOTHING = 1e-6
# The largest factor by which an output is moved, so that a large loss shows it.
FAR = 1e6
Gradients = tuple[Tensor | None, ...]
_STEPS = {"Round", "Sign", "Sgn", "Floor", "Ceil", "Trunc", "Heaviside", "Frac"}
_DETACHED_ACTION = (
    "Look for detach, item, no_grad, argmax, numpy and new tensors made of old numbers on the way to the loss."
)


def owns_its_loss(loss: Tensor, output: list[Tensor]) -> bool:
    """Whether the model computes its loss itself, so that the output contains it."""
    return any(one is loss or (one.grad_fn is not None and one.grad_fn is loss.grad_fn) for one in output)


def constant(loss: Tensor | None, output: list[Tensor], targets: object, again: Again | None) -> list[Finding]:
    """Report a loss that does not depend on the model, or is always the same.

    Args:
        loss: The loss; None if its call raised an error.
        output: The tensors of the model's output.
        targets: The loss's targets.
        again: Computes the loss again.
    """
    with torch._C.DisableTorchFunction():
        return _one_number(output) or ([] if loss is None else _depends(loss, output, targets, again))


@left_out
def _one_number(output: list[Tensor]) -> list[Finding]:
    """Report an output that is a softmax of one number, which is always 1."""
    learned = [one for one in output if one.grad_fn is not None and one.numel() > 1]
    names = {short(node) for one in learned if (node := maker(one)) is not None}
    # Beside other outputs it may be the attention to a single key, which is harmless.
    name = names.pop() if len(names) == 1 else ""
    always = {"Softmax": 1.0, "LogSoftmax": 0.0}.get(name)
    if always is None or not all(bool(torch.eq(one, always).all()) for one in learned):
        return []
    message = f"{name} of a single number is {always:g} whatever the model says: the loss is constant"
    evidence = {"output": list(learned[0].shape), "all of it": always, "threshold": 2}
    return [Finding(CONSTANT, "error", message, evidence, action="Take a sigmoid, or one output for each class.")]


@left_out
def _depends(loss: Tensor, output: list[Tensor], targets: object, again: Again | None) -> list[Finding]:
    """Report a loss without a gradient by the output, or with a gradient of next to nothing."""
    if not isinstance(loss, Tensor) or loss.numel() != 1 or loss.is_meta:
        return []
    value = float(loss.detach())
    if not loss.requires_grad:
        return [_cut(output, value)]
    if loss.grad_fn is None and not isinstance(loss, torch.nn.Parameter) and not owns_its_loss(loss, output):
        return [_wrapped(output, value)]
    leaves = [one for one in output if one.requires_grad and not one.is_nested]
    if not leaves or not math.isfinite(value) or owns_its_loss(loss, leaves):
        return []
    found: Gradients | None = None
    is_gone = False
    try:
        with torch.enable_grad():
            found = torch.autograd.grad(loss.reshape(()), leaves, retain_graph=True, allow_unused=True)
    except RuntimeError:  # the graph was freed already, and next to no gradient came to any weight
        found, is_gone = _differentiated_again(leaves, targets, again), True
    if found is None:
        return _probed(value, 0.0, leaves, targets, again)
    reached = [(g.detach(), one) for g, one in zip(found, leaves, strict=True) if g is not None]
    if not reached:
        return [] if _shared(loss, leaves) else [_unused(value)]
    largest, pull = _pull(reached)
    said = [] if pull > NOTHING * abs(value) and largest else _probed(value, pull, leaves, targets, again)
    jumps = [] if said or largest else _rounded(loss, leaves, value)
    if said or jumps:
        return said or ([] if is_gone else jumps)  # if the graph was freed, the layers' gradients are reported
    is_faint = pull < NOTHING * max(abs(value), 1)
    return flat(loss, reached, targets, again) if is_faint and again else []


def _differentiated_again(leaves: list[Tensor], targets: object, again: Again | None) -> Gradients | None:
    """Call the loss again, and return its gradient by the output; None if that fails."""
    if again is None:
        return None
    with contextlib.suppress(Exception), torch.enable_grad(), abroad():
        found: Gradients = torch.autograd.grad(again(copied(targets)).reshape(()), leaves, allow_unused=True)
        return found
    return None


def _pull(reached: list[tuple[Tensor, Tensor]]) -> tuple[float, float]:
    """Return the norm of the gradient by the output, and the most that the loss may change if the output becomes 0."""
    norms = [[torch.linalg.vector_norm(each.detach()).double() for each in pair] for pair in reached]
    parts = torch.stack([torch.stack([g, g * one]) for g, one in norms if g.device == norms[0][0].device])
    largest, pull = parts.sum(0).tolist()
    return largest, pull


def _cut(output: list[Tensor], value: float) -> Finding:
    by_model = not any(one.requires_grad for one in output)
    where = "the output has no gradient either: the model cuts it off, or all of it is frozen" if by_model else (
        "the output has one, and the loss cuts it off"
    )  # fmt: skip
    message = f"no gradient leads from the loss to the model: the loss has none ({where})"
    evidence = {"loss": value, "outputs with a gradient": sum(one.requires_grad for one in output), "threshold": 1}
    return Finding(DETACHED, "error", message, evidence, action=_DETACHED_ACTION)


def _wrapped(output: list[Tensor], value: float) -> Finding:
    """Report a loss that is a new tensor, which requires a gradient and has no graph."""
    cut = not any(one.requires_grad for one in output)
    message = (
        "no gradient leads from the loss to the model: the loss is a new tensor, made from a number (by Variable, "
        "torch.tensor, .data or under no_grad, and requires_grad=True), which asks for a gradient and has no way back: "
        "backward() raises nothing, and no weight gets any"
        + "; what the model gives has no gradient either: it runs under no_grad, is detached, or all of it is frozen"
        * cut
    )
    evidence = {"loss": value, "outputs with a gradient": sum(one.requires_grad for one in output), "threshold": 1}
    evidence |= {"new tensor": True}
    action = "Return the loss as it was computed" + (
        ", and let the model run outside of no_grad: where torch then complains of a missing grad_fn, that is what has "
        "to be mended."
        if cut
        else ": it has its way back, and needs no requires_grad."
    )
    return Finding(DETACHED, "error", message, evidence, action=action)


def _unused(value: float) -> Finding:
    message = "no gradient leads from the loss to the model: the loss has one, and none by the model's output"
    return Finding(DETACHED, "error", message, {"loss": value, "outputs that it uses": 0, "threshold": 1},
                   action="Hand the loss the model's output. " + _DETACHED_ACTION)  # fmt: skip


def _shared(loss: Tensor, output: list[Tensor]) -> bool:
    """Whether the loss also depends on the model's parameters in another way than by the output."""
    own = leaves_behind([loss])
    return bool(own & leaves_behind(output))


def leaves_behind(tensors: list[Tensor]) -> set[int]:
    """Return the ids of the leaves that require a gradient and that tensors depend on."""
    todo = [one.grad_fn for one in tensors]
    seen: set[Node] = set()
    found: set[int] = set()
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.add(id(variable_of(node)))
        todo += [one for one, _ in node.next_functions]
    return found


def _probed(value: float, pull: float, output: list[Tensor], targets: object, again: Again | None) -> list[Finding]:
    """Report a loss that is the same for other outputs."""
    if again is None:
        return []
    others = _elsewhere(output, targets, again, min(max(abs(value), 1), FAR))
    allowed = NOTHING * abs(value)
    if not others or any(not abs(one - value) <= allowed for one in others):
        return []
    message = (
        f"the loss is constant: {number(value)}, and the same for {len(others)} other outputs; its gradient by the "
        "output is 0"
    )
    evidence = {"loss": value, OTHERS: others, "gradient times output": pull, "threshold": allowed}
    action = "Look at the mask, at weights of 0, at targets that are all left out, and at what the loss takes."
    return [Finding(CONSTANT, "error", message, evidence, action=action)]


def _elsewhere(output: list[Tensor], targets: object, again: Again, far: float) -> list[float]:
    """Return the loss for other numbers, which are put into the tensors of the output meanwhile."""
    held = [(one, one.detach().clone()) for one in output if numbers(one) is not None]
    found = []
    try:
        for way in range(4 if held else 0):
            for place, (one, old) in enumerate(held):
                one.data.copy_(_other(old, way, place, far))
            with contextlib.suppress(Exception), abroad():  # errors of the loss mean nothing
                found.append(float(again(copied(targets))))
            if way == 3 and found and not math.isfinite(found[-1]):  # equal numbers may have no norm
                found.pop()
    finally:
        for one, old in held[::-1]:
            one.data.copy_(old)
    return found


def _other(old: Tensor, way: int, seed: int, far: float) -> Tensor:
    """Return another output: permuted, with noise, far on the other side, or all equal; in [0, 1] if it is now.

    All equal, since a margin may be met by any outputs that differ.
    """
    if way == 3:
        return old.mean().expand_as(old)
    draw = torch.Generator().manual_seed(10 * way + seed)
    if way == 0:
        order = torch.randperm(old.numel(), generator=draw).to(old.device)
        return old.reshape(-1)[order].reshape(old.shape)
    if not old.is_complex() and bool(((old >= 0) & (old <= 1)).all()):
        return torch.rand(old.shape, generator=draw).to(old.device, old.dtype)
    noise = torch.randn(old.shape, generator=draw).to(old.device, old.dtype) * (1 + old.abs().max())
    return old + noise if way == 1 else -far * (2 * old + noise)


def _rounded(loss: Tensor, output: list[Tensor], value: float) -> list[Finding]:
    """Report a loss behind rounding or signs, whose gradient is 0 everywhere."""
    stop = [one.grad_fn for one in output if one.grad_fn is not None]
    steps = [short(node) for node in behind([loss.grad_fn], stop) if short(node) in _STEPS]
    if not steps:
        return []
    step = steps[0].lower()
    message = f"the loss is constant but for jumps: {step} stands between it and the output, and its gradient is 0"
    evidence = {"loss": value, "function": steps[0], "largest gradient": 0.0, "threshold": 0.0}
    return [Finding(CONSTANT, "error", message, evidence, action="Take a loss that changes smoothly with the output.")]
