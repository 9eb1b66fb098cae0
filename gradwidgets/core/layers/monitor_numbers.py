"""Numbers of many tensors at once: one read of the device a sample."""

import math
import operator
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gradwidgets.core.layers.monitor_layers import Owned, values_of

# float32 squares leave its range outside these norms, and norms near them lose digits.
_SMALL, _LARGE = 1e-15, 1e18
_FEW = 4096  # elements of tensors that are cheaper to copy together


def read(scalars: Sequence[Tensor]) -> list[float]:
    """Tensors of shape () as floats, with one transfer for each device."""
    if not scalars:
        return []
    try:
        return torch.stack(scalars).tolist()  # dtypes are promoted
    except RuntimeError:  # more than one device
        by_device: dict[torch.device, list[int]] = {}
        for place, scalar in enumerate(scalars):
            by_device.setdefault(scalar.device, []).append(place)
        if len(by_device) == 1:
            raise
        found = [math.nan] * len(scalars)
        for places in by_device.values():
            for place, value in zip(places, torch.stack([scalars[p] for p in places]).tolist(), strict=True):
                found[place] = value
        return found


def norms_of(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Euclidean norms, of half precision computed and given in float32."""
    wide = [place for place, tensor in enumerate(tensors) if tensor.dtype.itemsize >= 4]
    if len(wide) == len(tensors):
        return list(torch._foreach_norm(tensors)) if tensors else []
    norms = [torch.linalg.vector_norm(t, dtype=torch.float32) if t.dtype.itemsize < 4 else t for t in tensors]
    if wide:
        for place, norm in zip(wide, torch._foreach_norm([tensors[place] for place in wide]), strict=True):
            norms[place] = norm
    return norms


def extremes_of(tensors: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Largest and smallest elements, or twice the largest sizes."""
    # On a CPU a norm of infinite order takes seven times as long as the two extremes.
    if tensors and all(tensor.is_cuda for tensor in tensors):
        largest = list(torch._foreach_norm(tensors, math.inf))
        return largest, largest
    highs, lows = [None] * len(tensors), [None] * len(tensors)
    alike: dict[tuple, list[int]] = {}
    for place, tensor in enumerate(tensors):
        if tensor.ndim == 1 and len(tensor) <= _FEW:
            alike.setdefault((len(tensor), tensor.dtype, tensor.device), []).append(place)
        else:
            highs[place], lows[place] = tensor.amax(), tensor.amin()
    for places in alike.values():  # biases: what takes time is the number of calls
        rows = torch.stack([tensors[place] for place in places])
        for place, high, low in zip(places, rows.amax(1).unbind(), rows.amin(1).unbind(), strict=True):
            highs[place], lows[place] = high, low
    return highs, lows


def gradient_numbers(
    owned: Sequence[Owned], layers: int, scale: float = 1.0, extra: Sequence[Tensor] = ()
) -> tuple[dict[str, list[float]], list[float]]:
    """Gradients and weights per layer.

    Args:
        owned: The parameters with their columns.
        layers: How many columns there are.
        scale: What the gradients are to be divided by.
        extra: More tensors of shape (), read in the same transfer.

    Returns:
        norm, rms, largest, weight_norm and non_finite by name, NaN for a layer without; and the values of `extra`.
    """
    held = [(one, values_of(one.parameter.grad)) for one in owned if one.parameter.grad is not None]
    held = [(one, gradient) for one, gradient in held if gradient.numel()]
    gradients = [gradient for _, gradient in held]
    weighed = [one for one in owned if one.parameter.numel()]
    weights = [values_of(one.parameter) for one in weighed]
    norms, (highs, lows) = norms_of([*gradients, *weights]), extremes_of(gradients)
    values = read([*norms, *highs, *lows, *extra])
    g, w = len(gradients), len(weights)
    norms, weight_norms = values[:g], values[g : g + w]
    highs, lows, extras = values[g + w : 2 * g + w], values[2 * g + w : 3 * g + w], values[3 * g + w :]
    sizes = [_largest(high, low) for high, low in zip(highs, lows, strict=True)]
    _check_again(gradients, norms, sizes)

    norm_of, largest_of, lost_of, weight_norm_of, counts = {}, {}, {}, {}, {}
    for (one, gradient), norm, size in zip(held, norms, sizes, strict=True):
        lost = 0 if math.isfinite(size) else int((~gradient.isfinite()).sum())
        _add(counts, one.column, one.parameter.numel(), operator.add)
        _add(lost_of, one.column, float(lost), operator.add)
        _add(norm_of, one.column, norm / scale, _hypot)
        _add(largest_of, one.column, size / scale, _largest)
    for one, norm in zip(weighed, weight_norms, strict=True):
        _add(weight_norm_of, one.column, norm, _hypot)
    for column, norm in weight_norm_of.items():
        if norm == 0 or math.isinf(norm):
            parts = [values for one, values in zip(weighed, weights, strict=True) if one.column == column]
            weight_norm_of[column] = math.hypot(*_norms_again(parts, read([part.abs().amax() for part in parts])))
    rms_of = {column: norm / math.sqrt(counts[column]) for column, norm in norm_of.items()}
    return {
        name: [numbers.get(column, math.nan) for column in range(layers)]
        for name, numbers in (
            ("norm", norm_of),
            ("rms", rms_of),
            ("largest", largest_of),
            ("weight_norm", weight_norm_of),
            ("non_finite", lost_of),
        )
    }, extras


def _check_again(tensors: Sequence[Tensor], norms: list[float], sizes: list[float]) -> None:
    """Compute those norms again that float32 has no room for."""
    doubtful = [
        place
        for place, (norm, size) in enumerate(zip(norms, sizes, strict=True))
        if 0 < size < math.inf and not _SMALL < norm < _LARGE
    ]
    again = _norms_again([tensors[place] for place in doubtful], [sizes[place] for place in doubtful])
    for place, norm in zip(doubtful, again, strict=True):
        norms[place] = norm


def _norms_again(tensors: Sequence[Tensor], sizes: Sequence[float]) -> list[float]:
    """Norms of tensors scaled by their largest elements, in float64 where the device has it."""
    norms = []
    for tensor, size in zip(tensors, sizes, strict=True):
        if size == 0 or not math.isfinite(size):
            norms.append(size)
        else:
            wide = tensor.to(torch.float32 if tensor.device.type == "mps" else torch.float64)
            norms.append(size * float(torch.linalg.vector_norm(wide / size)))
    return norms


def _add(numbers: dict[int, float], column: int, value: float, join: Callable[[float, float], float]) -> None:
    numbers[column] = join(numbers[column], value) if column in numbers else value


def _hypot(a: float, b: float) -> float:
    return math.nan if math.isnan(a) or math.isnan(b) else math.hypot(a, b)


def _largest(high: float, low: float) -> float:
    return math.nan if math.isnan(high) or math.isnan(low) else max(abs(high), abs(low))
