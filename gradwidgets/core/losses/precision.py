"""The precision in which a value was computed, and how closely two methods of computing it must agree."""

import torch
from torch import Tensor

from gradwidgets.core.losses.graph import nodes_of


def agree(values: Tensor, truth: list[Tensor]) -> bool:
    """Whether two methods gave the same numbers, up to their dtype's rounding.

    Args:
        values: The values from one method, (N,).
        truth: The values from the other, N numbers.
    """
    known = torch.stack(truth)
    if known.dtype == torch.float64:
        return torch.allclose(values, known.to(values.dtype), rtol=1e-5, atol=1e-300, equal_nan=True)
    # Sums in another order and cancellation: rounding exceeds the loss's last digits.
    size = float(known.abs().nan_to_num(0, 0, 0).max())
    return torch.allclose(values, known.to(values.dtype), rtol=1e-4, atol=1e-6 * size, equal_nan=True)


def in_single(value: Tensor) -> bool:
    """Whether a value, or any step of its autograd graph, has lower precision than float64.

    The value's dtype alone does not show it: a float64 penalty added to a float32 mean is float64.
    """
    if value.is_floating_point() and value.dtype != torch.float64:
        return True
    for node in nodes_of(value):
        made = [part.dtype for part in getattr(node, "_input_metadata", ())]
        if any(dtype.is_floating_point and dtype != torch.float64 for dtype in made):
            return True
    return False


TRAINING = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16, "float64": torch.float64}


def check_dtype(dtype: object) -> torch.dtype:
    """Validate the dtype of a training run, given as a torch dtype or its name.

    Raises:
        TypeError: `dtype` is neither a dtype nor a string.
        ValueError: It is not a dtype that models are trained in.
    """
    if isinstance(dtype, str) and dtype.removeprefix("torch.") in TRAINING:
        return TRAINING[dtype.removeprefix("torch.")]
    if isinstance(dtype, torch.dtype) and dtype in TRAINING.values():
        return dtype
    kind = ValueError if isinstance(dtype, (str, torch.dtype)) else TypeError
    raise kind(f"dtype must be one of {', '.join(map(repr, TRAINING))}, or torch's; got {dtype!r:.60}")
