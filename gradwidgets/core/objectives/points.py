"""Points of the parameter plane: converts whatever the user passes into a tensor of shape (..., 2)."""

import torch
from torch import Tensor


def as_points(points: object, name: str = "points") -> Tensor:
    """Turn numbers or a tensor into points.

    Args:
        points: A pair of numbers, a nested sequence of pairs, an array or a tensor, of shape (..., 2).
        name: The argument's name, for the error message.

    Returns:
        A tensor of shape (..., 2). float32 and float64 tensors keep their dtype; everything else
        becomes float64.

    Raises:
        TypeError: `points` is not made of real numbers.
        ValueError: The last dimension is not 2.
    """
    tensor = _as_real_tensor(points, name)
    if tensor.ndim == 0 or tensor.shape[-1] != 2:
        raise ValueError(
            f"{name} must hold two parameters in the last dimension, shape (..., 2); got shape {tuple(tensor.shape)}"
        )
    return tensor


def as_start(start: object, name: str = "start") -> Tensor:
    """Turn a starting point, or a batch of them, into points that a descent can begin at.

    Args:
        start: As in `as_points`.
        name: The argument's name, for the error message.

    Returns:
        A detached tensor of shape (..., 2).

    Raises:
        TypeError: `start` is not made of real numbers.
        ValueError: The last dimension is not 2, or a coordinate is NaN or infinite.
    """
    tensor = as_points(start, name).detach()
    if not bool(torch.isfinite(tensor).all()):
        shown = tuple(tensor.tolist()) if tensor.ndim == 1 else f"shape {tuple(tensor.shape)}"
        raise ValueError(f"{name} must be finite; got {shown}")
    return tensor


def _as_real_tensor(values: object, name: str) -> Tensor:
    if isinstance(values, Tensor):
        tensor = values
    else:
        try:
            # A copy, since torch warns about read-only arrays.
            tensor = torch.tensor(values)
            if not tensor.is_complex():
                tensor = torch.tensor(values, dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError) as error:
            raise TypeError(f"{name} must be numbers of shape (..., 2); got {values!r:.80}") from error
    if tensor.is_complex():
        raise TypeError(f"{name} must be real; got dtype {tensor.dtype}")
    if tensor.dtype in (torch.float32, torch.float64):
        return tensor
    return tensor.to(torch.float64)
