"""The heads of attention layers: which weights belong to each head, and the size of their gradients."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

# Usual names of the number of heads, of the layers that compute the heads' values, and of those that read the heads.
_COUNTS = ("num_heads", "num_attention_heads", "n_heads", "n_head", "nhead", "heads")
_VALUES = ("v", "value", "values", "v_proj", "to_v", "wv", "w_v", "v_lin")
_READERS = ("out", "o", "proj", "out_proj", "o_proj", "c_proj", "to_out", "wo", "w_o", "out_lin")


def heads_of(module: nn.Module) -> int:
    """Return the number of heads that a module has as an attribute; 0 for none or one."""
    found = (vars(module).get(name) for name in _COUNTS)
    return next((one for one in found if isinstance(one, int) and not isinstance(one, bool) and one > 1), 0)


def split_of(module: nn.Module, part: str, heads: int) -> int:
    """Return into how many heads the rows of a layer's weights are split, negative if the columns are; 0 for none.

    Args:
        module: The layer.
        part: The layer's name in its parent.
        heads: The number of heads of the parent.
    """
    if isinstance(module, nn.MultiheadAttention):
        return module.num_heads if module.num_heads > 1 else 0
    if not heads or not isinstance(module, nn.Linear):
        return 0
    if part in _VALUES and module.out_features % heads == 0:
        return heads
    return -heads if part in _READERS and module.in_features % heads == 0 else 0


def gradient_by_head(split: int, weights: Mapping[str, Tensor], gradients: Mapping[int, Tensor]) -> tuple[float, ...]:
    """Compute the norm of the gradient by each head's part of a weight; () without heads or without a gradient.

    Args:
        split: The result of `split_of`.
        weights: The layer's weights by name.
        gradients: Gradients by the ids of parameters.
    """
    weight = next((weights[name] for name in ("in_proj_weight", "v_proj_weight", "weight") if name in weights), None)
    gradient = gradients.get(id(weight)) if split and weight is not None else None
    if gradient is None or gradient.layout is not torch.strided or gradient.ndim != 2:
        return ()
    if "in_proj_weight" in weights:
        gradient = gradient.chunk(3)[2]  # of the values; those of queries and keys are small in any model
    parts = gradient.unflatten(1, (-split, -1)).movedim(1, 0) if split < 0 else gradient.unflatten(0, (split, -1))
    return tuple(torch.linalg.vector_norm(parts.flatten(1), dim=1, dtype=torch.float64).tolist())
