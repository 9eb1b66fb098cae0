"""An output that is the same for all samples because what is squashed or normalised to give it is too large."""

import contextlib
import math
from collections import deque
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradwidgets.core.layers.axes.mixing import FEWEST
from gradwidgets.core.layers.causes.same_outputs import apart, without_dropout
from gradwidgets.core.layers.passes.passes import FlowError, Subject, copied, run
from gradwidgets.core.layers.passes.tracking import names_by_id
from gradwidgets.core.layers.preflight.reading import named_tensors
from gradwidgets.core.losses.graph import variable_of
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number

SAME = "same output"
_LIKE = 1e-3  # relative difference up to which samples may be the same: no sound model is below it at first
_TOLD_APART = 1e-2  # and from which they are not
_SMALLER = (10, 100, 1000)
_DEEP = 60  # operations between an output and the nearest weights
_EXACT = (torch.float32, torch.float64)


def saturated_outputs(subject: Subject, output: object) -> list[Finding]:
    """Report outputs that are the same for all samples, and are not once the nearest weights are smaller.

    Args:
        subject: A copy of the model. It runs again only if an output is the same for all samples and targets are not.
        output: The model's output.
    """
    count = _count(subject.inputs)
    named = list(named_tensors(output, "output"))
    same = [(i, name, one) for i, (name, one) in enumerate(named) if count and _is_same(one, count)]
    if not same or not any(_differ(one, count) for _, one in named_tensors(subject.targets, "targets")):
        return []
    names = names_by_id(subject.model.named_parameters())
    for i, name, one in same:
        weight = _nearest(one.grad_fn, names)
        told = None if weight is None else _told_apart(subject, weight, i)
        if weight is not None and told is not None:
            return [_told(name if len(named) > 1 else "", one, count, names[id(weight)], *told)]
    return []


def _count(inputs: object) -> int:
    first = next((one for _, one in named_tensors(inputs, "inputs") if one.ndim), None)
    return 0 if first is None or len(first) < FEWEST else len(first)


def _is_same(one: Tensor, count: int) -> bool:
    if one.dtype not in _EXACT or not one.requires_grad or not one.ndim or len(one) != count or not one.numel():
        return False
    values = one.detach()
    return all(apart(some) <= _LIKE for some in (values[:2], values)) and bool(values.any())


def _differ(one: Tensor, count: int) -> bool:
    return one.ndim > 0 and len(one) == count and not one.is_complex() and apart(one.detach().double()) > _TOLD_APART


def _nearest(root: Node | None, names: Mapping[int, str]) -> Tensor | None:
    """Return the matrix of weights that is the fewest operations behind one."""
    waiting, seen = deque([] if root is None else [(root, 0)]), {root}
    while waiting:
        node, deep = waiting.popleft()
        one = variable_of(node)
        if isinstance(one, Tensor) and one.ndim > 1 and id(one) in names:
            return one
        for other, _ in node.next_functions if deep < _DEEP else ():
            if other is not None and other not in seen:
                seen.add(other)
                waiting.append((other, deep + 1))
    return None


def _told_apart(subject: Subject, weight: Tensor, place: int) -> tuple[int, float] | None:
    """Return how many times smaller weights tell samples apart, and by how much; None if none do."""
    for times in _SMALLER:
        with contextlib.suppress(FlowError), without_dropout(subject.model), torch.no_grad(), _scaled(weight, times):
            output = run("the model", subject.model, copied(subject.inputs), subject.model)
            one = list(named_tensors(output, "output"))[place][1]
            if (share := apart(one)) > _TOLD_APART and math.isfinite(share):
                return times, share
    return None


@contextlib.contextmanager
def _scaled(weight: Tensor, times: int) -> Iterator[None]:
    held = weight.detach().clone()
    try:
        weight.data.div_(times)
        yield
    finally:
        weight.data.copy_(held)


def _told(name: str, one: Tensor, count: int, weight: str, times: int, share: float) -> Finding:
    low, high = (float(end) for end in torch.aminmax(one.detach()))
    same = f"is {number(low)}" if number(low) == number(high) else f"is {number(low)} to {number(high)}"
    what = name or "what the model gives"
    message = (
        f"{what} {same} for all {count} samples, though their targets differ: it differs by "
        f"{number(apart(one.detach()), 2)} of its size, and by {number(share, 2)} with {weight} {times} times smaller: "
        "what is squashed or normalised behind it is so large that all of it comes out the same"
    )
    action = (
        f"Draw {weight} smaller, about {times} times; if training made it so large, take smaller steps, or a norm "
        "before what squashes it."
    )
    evidence = {"output": name, "share": apart(one.detach()), "layer": weight.rpartition(".")[0] or "(model)",
                "times": times, "threshold": _LIKE}  # fmt: skip
    return Finding(SAME, "warning", message, evidence, action=action)
