"""In how many digits a value was computed, and how near to each other two ways of computing one must come."""

import torch
from torch import Tensor

from gradwidgets.core.losses.graph import nodes_of


def agree(values: Tensor, truth: list[Tensor]) -> bool:
    """Whether two ways gave the same numbers, up to their dtype's rounding.

    Args:
        values: From one way, (N,).
        truth: From the other, N numbers.
    """
    known = torch.stack(truth)
    if known.dtype == torch.float64:
        return torch.allclose(values, known.to(values.dtype), rtol=1e-5, atol=1e-300, equal_nan=True)
    # Sums in another order, and differences of near numbers: rounding is larger than the loss's last digits.
    size = float(known.abs().nan_to_num(0, 0, 0).max())
    return torch.allclose(values, known.to(values.dtype), rtol=1e-4, atol=1e-6 * size, equal_nan=True)


def in_single(value: Tensor) -> bool:
    """Whether a value, or a step of autograd's way to it, is of fewer digits than float64.

    The value alone does not tell: a float64 penalty added to a float32 mean makes it float64.
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
    """Accept or refuse the precision of a training, by torch's dtype or its name.

    Raises:
        TypeError: It is neither.
        ValueError: It is not one that models train in.
    """
    if isinstance(dtype, str) and dtype.removeprefix("torch.") in TRAINING:
        return TRAINING[dtype.removeprefix("torch.")]
    if isinstance(dtype, torch.dtype) and dtype in TRAINING.values():
        return dtype
    kind = ValueError if isinstance(dtype, (str, torch.dtype)) else TypeError
    raise kind(f"dtype must be one of {', '.join(map(repr, TRAINING))}, or torch's; got {dtype!r:.60}")
