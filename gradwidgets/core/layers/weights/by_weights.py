"""The backward pass from a loss to the weights of a model."""

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.passes.passes import FlowError
from gradwidgets.core.layers.passes.rows import Row, parameters_of
from gradwidgets.core.subject.home import abroad


def gradients_by_weights(
    loss: Tensor, rows: list[Row], inputs: object, leaves: list[Tensor], notes: list[str]
) -> dict[int, Tensor]:
    """Compute the loss's gradient by each tensor in its graph that requires one, by the tensor's id.

    Args:
        loss: The loss.
        rows: The model's layers.
        inputs: The model's inputs.
        leaves: The tensors in the graph that require a gradient.
        notes: A list to which a remark is added if there is no gradient.
    """
    wanted = parameters_of(rows)
    if not wanted:
        # The gradient still passes through the layers on the way to an input that requires it.
        wanted = [one for one in pytree.tree_leaves(inputs) if isinstance(one, Tensor) and one.requires_grad]
    if not loss.requires_grad:
        notes.append(
            "no gradient at all: every parameter is frozen"
            if not wanted and any(row.own for row in rows)
            else "no gradient at all: the loss is cut off from the parameters (look for detach, item, no_grad, argmax)"
            if wanted
            else "no gradient at all: the model has no parameters"
        )
        return {}
    if not wanted:
        return {}
    wanted = list({id(one): one for one in (*wanted, *leaves)}.values())
    try:
        with abroad():
            found = torch.autograd.grad(loss.reshape(()), wanted, allow_unused=True)
    except Exception as error:
        raise FlowError(f"the backward pass raised {type(error).__name__}: {error}".rstrip(".")) from error
    return {id(one): gradient for one, gradient in zip(wanted, found, strict=True) if gradient is not None}
