"""The Hessian of a loss by autograd."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gradwidgets.core.losses.evaluation.at_points import Evaluation
from gradwidgets.core.losses.loss_call import LossError
from gradwidgets.core.losses.twice import Twice


def hessian(evaluation: Evaluation, point: Tensor) -> Tensor:
    """Compute the Hessian at one point by autograd, (P, P), symmetric.

    Args:
        evaluation: The calls of the loss.
        point: The point, (P,).

    Raises:
        LossError: The loss has no second derivative there.
    """
    with evaluation.undisturbed(evaluation.call) as block, block.again(), Twice():
        leaf = point.detach().to(evaluation.form.dtype).clone().requires_grad_()
        try:
            if evaluation.form.method == "vectorized":
                value = evaluation.call(*(part[None] for part in leaf.unbind(-1)), around=evaluation.around)
            else:
                value = evaluation.call(*leaf.unbind(-1), around=evaluation.around)
            (gradient,) = torch.autograd.grad(evaluation.checked(value).sum(), leaf, create_graph=True)
            rows = [
                torch.autograd.grad(entry, leaf, retain_graph=True, allow_unused=True)[0]
                if entry.requires_grad
                else None
                for entry in gradient
            ]
        except Exception as error:
            raise LossError(f"no second derivative: {evaluation.sentence(error)}") from error
        matrix = torch.stack([torch.zeros_like(leaf) if row is None else row for row in rows]).detach()
        return (matrix + matrix.T) / 2


def hessians(evaluation: Evaluation, points: Tensor) -> Tensor:
    """`hessian` at many points, (N, P), batched if the loss is computed that way: (N, P, P).

    Raises:
        LossError: The loss has no second derivative at one of them, or none that can be batched.
    """
    if evaluation.form.method == "pointwise" or evaluation.form.recorded is not None:
        return torch.stack([hessian(evaluation, point) for point in points])
    try:
        with evaluation.undisturbed(evaluation.call) as block, block.again(), Twice():
            value, leaves = evaluation.forward(points.detach().to(evaluation.form.dtype), evaluation.form.method)
            first = torch.autograd.grad(value.sum(), leaves, create_graph=True, allow_unused=True)
            zeros = torch.zeros_like(leaves[0])
            rows = []
            for slope in first:
                row: Sequence[Tensor | None] = [None] * len(leaves)
                if slope is not None and slope.requires_grad:
                    row = torch.autograd.grad(slope.sum(), leaves, retain_graph=True, allow_unused=True)
                rows.append(torch.stack([zeros if entry is None else entry.detach() for entry in row], dim=-1))
    except Exception as error:
        raise LossError(f"no second derivative: {evaluation.sentence(error)}") from error
    with torch.inference_mode(False):
        matrices = torch.stack(rows, dim=-2)
        return (matrices + matrices.mT) / 2
