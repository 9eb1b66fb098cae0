"""Whether a loss depends on what the model says."""

import contextlib
import math
from collections.abc import Callable

import torch
from torch import Tensor

from gradwidgets.core.layers.passes.passes import copied
from gradwidgets.core.layers.preflight.losses.value.flat import flat
from gradwidgets.core.layers.preflight.made import behind, maker, short
from gradwidgets.core.layers.preflight.reading import left_out, numbers
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.home import abroad

CONSTANT, DETACHED = "constant_loss", "detached_loss"
OTHERS = "of other outputs"
# Share of the loss up to which the gradient by the output is as good as none, and so is a change of the loss.
NOTHING = 1e-6
# How much farther than its own size an output goes to show up in a large loss, at most.
FAR = 1e6
_STEPS = {"Round", "Sign", "Sgn", "Floor", "Ceil", "Trunc", "Heaviside", "Frac"}
_DETACHED_ACTION = (
    "Look for detach, item, no_grad, argmax, numpy and new tensors made of old numbers on the way to the loss."
)


def owns_its_loss(loss: Tensor, output: list[Tensor]) -> bool:
    """Whether the model computes its loss itself, so that the output holds it."""
    return any(one is loss or (one.grad_fn is not None and one.grad_fn is loss.grad_fn) for one in output)


def constant(loss: Tensor | None, output: list[Tensor], targets: object, loss_fn: Callable | None) -> list[Finding]:
    """What to say of a loss that does not depend on the model, or always is the same.

    Args:
        loss: What the call gave; None where it raised.
        output: The tensors of the model's output.
        targets: As the loss was given them.
        loss_fn: `loss_fn(targets)` computes the loss anew from the same output.
    """
    with torch._C.DisableTorchFunction():
        return _one_number(output) or ([] if loss is None else _depends(loss, output, targets, loss_fn))


@left_out
def _one_number(output: list[Tensor]) -> list[Finding]:
    """A softmax of one number is 1, whatever that number."""
    learned = [one for one in output if one.grad_fn is not None and one.numel() > 1]
    names = {short(maker(one)) for one in learned}
    # Beside other outputs, the attention to a single key is such, and harmless.
    always = {"Softmax": 1.0, "LogSoftmax": 0.0}.get(*names) if len(names) == 1 else None
    if always is None or not all(bool((one == always).all()) for one in learned):
        return []
    message = f"{names.pop()} of a single number is {always:g} whatever the model says: the loss is constant"
    evidence = {"output": list(learned[0].shape), "all of it": always, "threshold": 2}
    return [Finding(CONSTANT, "error", message, evidence, action="Take a sigmoid, or one output for each class.")]


@left_out
def _depends(loss: Tensor, output: list[Tensor], targets: object, loss_fn: Callable | None) -> list[Finding]:
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
    is_gone = False
    try:
        with torch.enable_grad():
            found = torch.autograd.grad(loss.reshape(()), leaves, retain_graph=True, allow_unused=True)
    except RuntimeError:  # the way back was gone already, and next to no gradient came to any weight
        found, is_gone = _anew(leaves, targets, loss_fn), True
    if found is None:
        return _probed(value, 0.0, leaves, targets, loss_fn)
    reached = [(g.detach(), one) for g, one in zip(found, leaves, strict=True) if g is not None]
    if not reached:
        return [] if _shared(loss, leaves) else [_unused(value)]
    largest, pull = _pull(reached)
    said = [] if pull > NOTHING * abs(value) and largest else _probed(value, pull, leaves, targets, loss_fn)
    jumps = [] if said or largest else _rounded(loss, leaves, value)
    if said or jumps:
        return said or ([] if is_gone else jumps)  # where it is gone, layers' own gradients are told with a line
    is_faint = pull < NOTHING * max(abs(value), 1)
    return flat(loss, reached, targets, loss_fn) if is_faint and loss_fn else []


def _anew(leaves: list[Tensor], targets: object, loss_fn: Callable | None) -> tuple[Tensor | None, ...] | None:
    """The gradient by the output of the loss, called once more; None where that fails."""
    if loss_fn is None:
        return None
    with contextlib.suppress(Exception), torch.enable_grad(), abroad():
        return torch.autograd.grad(loss_fn(copied(targets)).reshape(()), leaves, allow_unused=True)
    return None


def _pull(reached: list[tuple[Tensor, Tensor]]) -> tuple[float, float]:
    """The norm of the gradient by the output, and of how far the loss goes at most while the output goes to 0."""
    norms = [[torch.linalg.vector_norm(each.detach()).double() for each in pair] for pair in reached]
    parts = torch.stack([torch.stack([g, g * one]) for g, one in norms if g.device == norms[0][0].device])
    return tuple(parts.sum(0).tolist())


def _cut(output: list[Tensor], value: float) -> Finding:
    by_model = not any(one.requires_grad for one in output)
    where = "the output has no gradient either: the model cuts it off, or all of it is frozen" if by_model else (
        "the output has one, and the loss cuts it off"
    )  # fmt: skip
    message = f"no gradient leads from the loss to the model: the loss has none ({where})"
    evidence = {"loss": value, "outputs with a gradient": sum(one.requires_grad for one in output), "threshold": 1}
    return Finding(DETACHED, "error", message, evidence, action=_DETACHED_ACTION)


def _wrapped(output: list[Tensor], value: float) -> Finding:
    """A loss that is a new tensor, which asks for a gradient and has no way back."""
    cut = not any(one.requires_grad for one in output)
    message = (
        "no gradient leads from the loss to the model: the loss is a new tensor, made anew of a number (by Variable, "
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
    """Whether the loss reaches the model another way, past its output."""
    own = leaves_behind([loss])
    return bool(own & leaves_behind(output))


def leaves_behind(tensors: list[Tensor]) -> set[int]:
    """The ids of the tensors that ask for a gradient and that these are made of."""
    todo, seen, found = [one.grad_fn for one in tensors], set(), set()
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.add(id(node.variable))
        todo += [one for one, _ in node.next_functions]
    return found


def _probed(
    value: float, pull: float, output: list[Tensor], targets: object, loss_fn: Callable | None
) -> list[Finding]:
    """Ask for the loss of other outputs."""
    if loss_fn is None:
        return []
    others = _elsewhere(output, targets, loss_fn, min(max(abs(value), 1), FAR))
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


def _elsewhere(output: list[Tensor], targets: object, loss_fn: Callable, far: float) -> list[float]:
    """The loss of other numbers, which stand in the very tensors of the output for as long as it takes."""
    held = [(one, one.detach().clone()) for one in output if numbers(one) is not None]
    found = []
    try:
        for way in range(4 if held else 0):
            for place, (one, old) in enumerate(held):
                one.data.copy_(_other(old, way, place, far))
            with contextlib.suppress(Exception), abroad():  # what a loss refuses says nothing
                found.append(float(loss_fn(copied(targets))))
            if way == 3 and found and not math.isfinite(found[-1]):  # what is all alike may have no norm
                found.pop()
    finally:
        for one, old in held[::-1]:
            one.data.copy_(old)
    return found


def _other(old: Tensor, way: int, seed: int, far: float) -> Tensor:
    """Another output: its numbers in another order, with noise, far on the other side, or alike; shares remain such.

    Alike, since a margin may be met by all that are apart.
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
    """Rounding and signs have a gradient, and it is 0 everywhere."""
    stop = [one.grad_fn for one in output if one.grad_fn is not None]
    steps = [short(node) for node in behind([loss.grad_fn], stop) if short(node) in _STEPS]
    if not steps:
        return []
    step = steps[0].lower()
    message = f"the loss is constant but for jumps: {step} stands between it and the output, and its gradient is 0"
    evidence = {"loss": value, "function": steps[0], "largest gradient": 0.0, "threshold": 0.0}
    return [Finding(CONSTANT, "error", message, evidence, action="Take a loss that changes smoothly with the output.")]
