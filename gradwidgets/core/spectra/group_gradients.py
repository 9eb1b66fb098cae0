"""Gradients of single samples or of small groups of samples."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.func import grad_and_value, vmap
from torch.utils._pytree import tree_flatten, tree_unflatten

from gradwidgets.core.results.slices import SLICE, Slices
from gradwidgets.core.spectra.model_loss import ModelLoss
from gradwidgets.core.subject.copied.handed import tensors_of

MAX_ELEMENTS = 2**23  # gradient elements held at a time


@dataclass(frozen=True, eq=False)
class Groups:
    """Statistics of the gradients of groups of samples, several groups per batch.

    Attributes:
        losses: The loss of each group, (batches, groups).
        squares: |g|² of each group, the same shape.
        products: g · S of each group with the sum S over its batch, the same shape.
        at_once: Whether torch.func processed many samples at a time.
    """

    losses: Tensor
    squares: Tensor
    products: Tensor
    at_once: bool


def samples_in(inputs: object, targets: object) -> int:
    """Return the number of samples: the length of every tensor's first axis.

    Args:
        inputs: The model's inputs.
        targets: The loss function's targets.

    Raises:
        ValueError: The lengths differ, or there is no axis.
    """
    shapes = [tuple(leaf.shape) for leaf in tensors_of((inputs, targets)) if leaf.ndim]
    if not shapes or len({shape[0] for shape in shapes}) != 1:
        raise ValueError(f"the first axis of inputs and targets must be the samples; got shapes {shapes}")
    return shapes[0][0]


def group_gradients(
    function: ModelLoss, inputs: object, targets: object, order: Tensor, *, at_once: bool
) -> Slices[Groups]:
    """Measure the gradient of each group of samples.

    Args:
        function: The loss function.
        inputs: Inputs from its `batch`.
        targets: Targets from its `batch`.
        order: The indices of each group's samples, (batches, groups, size).
        at_once: Whether to process many single samples at a time with torch.func.

    Returns:
        Their statistics.

    Raises:
        RuntimeError: The model does not accept its inputs; ValueErrors and others are passed on as well.
    """
    batches, groups, _ = order.shape
    losses, squares, products = (torch.empty(batches, groups, dtype=torch.float64) for _ in range(3))
    length = sum(p.numel() for p in function.parameters)
    fits = groups * length <= MAX_ELEMENTS
    rounds = 1 if fits else 2  # if they do not fit, they are recomputed for the products
    for b in range(batches):
        total, kept = torch.zeros(length, dtype=torch.float64, device=function.device), []
        for turn in range(rounds):
            k, count = 0, 1
            while k < groups:
                begun = time.perf_counter()
                part = slice(k, min(k + count, groups))
                found, loss = _gradients(function, inputs, targets, order[b, part], at_once)
                if turn == 0:
                    losses[b, part], squares[b, part] = loss.cpu(), found.square().sum(1).cpu()
                    total += found.sum(0)
                    if fits:
                        kept.append(found)
                else:
                    products[b, part] = (found @ total).cpu()
                k = part.stop
                pace = (time.perf_counter() - begun) / len(found)
                most = max(min(int(SLICE / max(pace, 1e-9)), 4 * count, MAX_ELEMENTS // length), 1)
                count = most if at_once else 1
                yield (b + (turn + k / groups) / rounds) / batches
        if fits:
            products[b] = (torch.cat(kept) @ total).cpu()
    return Groups(losses, squares, products, at_once)


def _gradients(
    function: ModelLoss, inputs: object, targets: object, rows: Tensor, at_once: bool
) -> tuple[Tensor, Tensor]:
    """Gradients (groups, P) and losses (groups,) in float64."""

    def work() -> tuple[Tensor, Tensor]:
        if at_once:
            return _vectorized(function, inputs, targets, rows[:, 0])
        found = [_one(function, *_selected(inputs, targets, row)) for row in rows]
        return torch.stack([gradient for gradient, _ in found]), torch.stack([loss for _, loss in found])

    # A new draw for each part, but the same one when a part is recomputed.
    return function.quiet(work, seed=int(rows[0, 0]))


def _one(function: ModelLoss, inputs: object, targets: object) -> tuple[Tensor, Tensor]:
    loss, gradients = function.gradients(inputs, targets)
    return flat_gradient(function, gradients), loss.double()


def flat_gradient(function: ModelLoss, gradients: tuple[Tensor | None, ...]) -> Tensor:
    """Concatenate all parameters' gradients into one float64 vector; zeros where there is none.

    Args:
        function: The loss function whose parameters these are.
        gradients: One gradient or None per parameter.
    """
    pairs = zip(gradients, function.parameters, strict=True)
    parts = [torch.zeros_like(p) if gradient is None else gradient for gradient, p in pairs]
    return torch.cat([part.detach().reshape(-1).to(function.device, torch.float64) for part in parts])


def _vectorized(function: ModelLoss, inputs: object, targets: object, rows: Tensor) -> tuple[Tensor, Tensor]:
    leaves, shape = tree_flatten(_selected(inputs, targets, rows))
    axes = [0 if isinstance(leaf, Tensor) and leaf.ndim else None for leaf in leaves]

    def loss(parameters: tuple[Tensor, ...], *sample: Any) -> Tensor:
        batch = [leaf if axis is None else leaf[None] for leaf, axis in zip(sample, axes, strict=True)]
        return function.at(parameters, lambda: function.value(*tree_unflatten(batch, shape)))

    parameters = tuple(p.detach() for p in function.parameters)
    gradients, losses = vmap(grad_and_value(loss), in_dims=(None, *axes), randomness="different")(parameters, *leaves)
    flat = [g.detach().reshape(len(rows), -1).to(function.device, torch.float64) for g in gradients]
    return torch.cat(flat, dim=1), losses.detach().double()


def _selected(inputs: object, targets: object, rows: Tensor) -> tuple[object, object]:
    leaves, shape = tree_flatten((inputs, targets))
    return tree_unflatten(list(_rows(leaves, rows)), shape)


def _rows(leaves: list[object], rows: Tensor) -> Iterator[object]:
    for leaf in leaves:
        yield leaf[rows.to(leaf.device)] if isinstance(leaf, Tensor) and leaf.ndim else leaf
