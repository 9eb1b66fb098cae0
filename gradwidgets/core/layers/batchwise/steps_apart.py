"""Attention whose queries were not transposed: heads attend to heads, and no step sees another.

This is measured on the model. If no step sees another, half of the steps contribute the same to the output whatever the
other half is.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.axes.mixing import SAME, batch_of, evaluated
from gradwidgets.core.layers.causes.softmax_rows import ATTENTION
from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.layers.passes.passes import FlowError, Subject, run
from gradwidgets.core.results.finding import Finding

STEPS = "steps apart"
_ACTION = (
    "Put the heads in front of the steps before the product: q.view(B, steps, heads, width).transpose(1, 2), and "
    "likewise k and v; and transpose(1, 2) back behind it, before the heads are joined."
)


def among_heads(operations: Iterable[Operation], inputs: object) -> list[tuple[str, tuple[int, ...]]]:
    """Return place and shape of attention whose scores have the samples and the steps as their first two axes.

    Args:
        operations: The softmaxes and attention functions of the model.
        inputs: The model's inputs.
    """
    given = _steps(inputs)
    if given is None:
        return []
    found: list[tuple[str, tuple[int, ...]]] = []
    for one in operations:
        shape = _scores(one)
        if len(shape) == 4 and shape[:2] == given.shape[:2] and shape[2] == shape[3] and shape[2] not in given.shape:
            found.append((one.place, shape))
    return found


def _scores(one: Operation) -> tuple[int, ...]:
    if not one.name.startswith(ATTENTION):
        return tuple(one.node._input_metadata[0].shape)
    query: Tensor | None = getattr(one.node, "_saved_query", None)
    key: Tensor | None = getattr(one.node, "_saved_key", None)
    return () if query is None or key is None else (*query.shape[:-1], key.shape[-2])


def _steps(inputs: object) -> Tensor | None:
    """Return the first input if it has samples, steps, and at most one axis of features; otherwise None."""
    first = next((one for one in pytree.tree_leaves(inputs) if isinstance(one, Tensor) and one.ndim), None)
    if first is None or first.ndim not in (2, 3) or min(first.shape[:2]) <= 3:
        return None
    return first if first.ndim == 3 or not first.is_floating_point() else None


def steps_apart(subject: Subject, output: object, heads: Sequence[tuple[str, tuple[int, ...]]]) -> list[Finding]:
    """Report the first such attention, if no step sees another in any other way either.

    Args:
        subject: A copy of the model, which runs forward four times.
        output: The model's output.
        heads: See `among_heads`.
    """
    batch = batch_of(subject.inputs, output)
    sequences = _steps(subject.inputs)
    if not heads or batch is None or batch[0] or sequences is None:
        return []
    with evaluated(subject.model):
        try:
            apart = _are_apart(subject, batch[1], sequences.shape[1])
        except FlowError:
            return []
    return [_told(*heads[0])] if apart else []


def _are_apart(subject: Subject, count: int, steps: int) -> bool:
    first = torch.arange(steps) < steps // 2
    none, every = torch.zeros_like(first), torch.ones_like(first)
    given = [_output(subject, count, which) for which in (none, first, ~first, every)]
    for plain, one, other, both in zip(*given, strict=True):
        if not _differ(plain, both) or ((both - one) - (other - plain)).abs().max() > SAME * both.abs().max():
            return False
    return bool(given[0])


def _differ(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() > 10 * SAME * one.abs().max())


def _output(subject: Subject, count: int, which: Tensor) -> list[Tensor]:
    """Return the model's outputs with some steps of each sample replaced by those of the next sample."""

    def exchanged(value: object) -> object:
        if not isinstance(value, Tensor) or value.ndim < 2 or value.shape[:2] != (count, len(which)):
            return value
        at = which.to(value.device).view(1, -1, *[1] * (value.ndim - 2))
        return torch.where(at, value.roll(1, 0), value)

    torch.manual_seed(0)
    output = run("the model", subject.model, pytree.tree_map(exchanged, subject.batch()[0]), subject.model)
    tensors = [one.detach() for one in pytree.tree_leaves(output) if isinstance(one, Tensor)]
    return [one.double() for one in tensors if one.is_floating_point() and one.numel()]


def _told(place: str, shape: tuple[int, ...]) -> Finding:
    where = f" in {place}" if place and place != "(model)" else ""
    message = (
        f"attention{where} has scores {shape}: at each of {shape[1]} steps it weighs {shape[3]} heads against each "
        "other, and no step sees another: what half of the steps add to what the model gives is the same whatever the "
        "other half holds"
    )
    return Finding(STEPS, "warning", message, {"layer": place, "shape": shape, "threshold": SAME}, action=_ACTION)
