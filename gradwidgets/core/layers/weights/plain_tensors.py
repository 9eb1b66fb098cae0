"""Tensors of random numbers that a model computes with and that are neither parameters nor buffers."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.passes.passes import Subject, run
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.subject.mode import FunctionMode

PLAIN = "plain tensor"
_FEWEST = 32  # elements from which random numbers can be recognised
_ALIKE = 0.35  # correlation of neighbours from which numbers follow a rule
_MOST = 3  # tensors that a message names
_ACTION = (
    "nn.Parameter(torch.randn(…)) for what is to be trained; register_buffer for what is to stay as it was drawn, "
    "which then goes with the model to its device and into its state_dict."
)


def plain_tensors(subject: Subject) -> list[Finding]:
    """Find plain tensors of random numbers that the model uses; it runs once more, forward, if it has any.

    Numbers that follow a rule, as positional encodings do, are taken for constants and not reported; nor are tensors
    that a pass writes to, such as states and queues.

    Args:
        subject: A copy of the model, which may be run.
    """
    held = [(name, one) for name, one in _held(subject.model) if _is_drawn(one)]
    if not held:
        return []
    seen, before = _Used(), [one._version for _, one in held]
    with torch.no_grad(), torch.random.fork_rng(devices=[]), seen:
        run("the model", subject.model, subject.batch()[0], subject.model)
    still = {id(one) for _, one in _held(subject.model)}
    used = [
        (name, one)
        for (name, one), version in zip(held, before, strict=True)
        if id(one) in seen.ids and id(one) in still and one._version == version
    ]
    return [_finding(used)] if used else []


def _held(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors that modules hold as plain attributes, with their names."""
    for name, module in model.named_modules():
        for key, one in vars(module).items():
            if isinstance(one, Tensor):
                yield f"{name}.{key}" if name else key, one


@torch.no_grad()
def _is_drawn(one: Tensor) -> bool:
    """Whether the numbers look random: neighbours are not correlated along any axis."""
    if one.requires_grad or isinstance(one, nn.Parameter) or not one.is_floating_point() or one.is_meta:
        return False
    if one.layout is not torch.strided or one.ndim < 2 or one.numel() < _FEWEST or bool((one == one.round()).all()):
        return False
    values = one.float() - one.float().mean()
    sizes = [dim for dim in range(one.ndim) if one.shape[dim] > 1]
    return bool(sizes) and all(_like_neighbours(values, dim) < _ALIKE for dim in sizes)


def _like_neighbours(values: Tensor, dim: int) -> float:
    """Return the correlation of numbers with their neighbours along an axis."""
    count = values.shape[dim] - 1
    one, other = values.narrow(dim, 0, count), values.narrow(dim, 1, count)
    return float((one * other).sum().abs() / (one.norm() * other.norm()).clamp(min=1e-30))


class _Used(FunctionMode):
    """Records the ids of all tensors that are passed to torch's functions."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[int] = set()

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        """Record the arguments of a call, then make it."""
        self.ids.update(id(one) for one in pytree.tree_leaves((args, kwargs)) if isinstance(one, Tensor))
        return func(*args, **(kwargs or {}))


def _finding(used: list[tuple[str, Tensor]]) -> Finding:
    named = ", ".join(f"{name} ({' × '.join(map(str, one.shape))})" for name, one in used[:_MOST])
    named += f" and {len(used) - _MOST} more" if len(used) > _MOST else ""
    verbs = ("is", "a plain tensor", "it") if len(used) == 1 else ("are", "plain tensors", "they")
    message = (
        f"{named} {verbs[0]} {verbs[1]} of drawn numbers, no parameter and no buffer: {verbs[2]} take"
        f"{'s' if len(used) == 1 else ''} part and stay{'s' if len(used) == 1 else ''} as drawn, and model.to() and "
        "state_dict() leave out such tensors"
    )
    evidence = {"layer": used[0][0].rpartition(".")[0], "tensors": [name for name, _ in used], "threshold": 0}
    return Finding(PLAIN, "info", message, evidence, action=_ACTION)
