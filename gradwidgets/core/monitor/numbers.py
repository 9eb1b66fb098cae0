"""Numbers of many tensors at once, with one read of the device per sample."""

import functools
import itertools
import math
import operator
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from gradwidgets.core.monitor.owners import Owned, values_of

# float32 squares leave its range outside these norms, and norms near them lose digits.
_SMALL, _LARGE = 1e-15, 1e18
_FEW = 4096  # elements of vectors that are cheaper to copy together
_SOME = 16_384  # the same for tensors on the CPU, if that saves three reductions and not one
_TOGETHER = 131_072  # elements of such copies at a time: they stay in the caches


def read(scalars: Sequence[Tensor], rows: Sequence[Tensor] = ()) -> list[float]:
    """Read tensors of shape (), and then those of shape (n,), as floats, with one transfer for each device."""
    if all(one.is_cpu for one in (*scalars, *rows)):
        values = [scalar.item() for scalar in scalars]
        for row in rows:
            values += row.tolist()
        return values
    try:
        pieces = [torch.stack(list(scalars)), *rows] if scalars else list(rows)
        if len(pieces) < 2:
            return pieces[0].tolist() if pieces else []
        return torch.cat(pieces).tolist()  # dtypes are promoted
    except RuntimeError:
        devices = {one.device for one in (*scalars, *rows)}
        if len(devices) < 2:
            raise
    pieces = [scalar.reshape(1) for scalar in scalars] + list(rows)
    found: list[list[float]] = [[] for _ in pieces]
    for device in devices:
        places = [place for place, piece in enumerate(pieces) if piece.device == device]
        read_now = iter(torch.cat([pieces[place] for place in places]).tolist())
        for place in places:
            found[place] = list(itertools.islice(read_now, len(pieces[place])))
    return list(itertools.chain.from_iterable(found))


def norms_of(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Euclidean norms; those of half precision are computed and returned in float32."""
    wide = [place for place, tensor in enumerate(tensors) if tensor.dtype.itemsize >= 4]
    if len(wide) == len(tensors):
        return list(torch._foreach_norm(list(tensors))) if tensors else []
    norms = [torch.linalg.vector_norm(t, dtype=torch.float32) if t.dtype.itemsize < 4 else t for t in tensors]
    if wide:
        for place, norm in zip(wide, torch._foreach_norm([tensors[place] for place in wide]), strict=True):
            norms[place] = norm
    return norms


class _Measures:
    """Norms of many tensors and, where asked, their largest and smallest elements, to be read later.

    The time depends on the number of calls and on how often the memory is read: short vectors of one length, and on the
    CPU small tensors of one shape, are copied together.
    """

    def __init__(self, tensors: Sequence[Tensor], extremes: bool) -> None:
        self._kinds = 3 if extremes else 1
        alike: dict[tuple[torch.Size, torch.dtype, torch.device], list[int]] = {}
        self._alone: list[int] = []
        self._alike: list[list[int]] = []
        for place, tensor in enumerate(tensors):
            if tensor.ndim == 1 or extremes:
                alike.setdefault((tensor.shape, tensor.dtype, tensor.device), []).append(place)
            else:
                self._alone.append(place)
        for (shape, _, device), places in alike.items():
            size = shape.numel()
            several = extremes and len(places) > 1 and device.type == "cpu"
            if size <= _FEW and len(shape) == 1:
                self._alike.append(places)
            elif size <= _SOME and several:
                few = max(2, _TOGETHER // size)
                self._alike += [places[begin : begin + few] for begin in range(0, len(places), few)]
            else:
                self._alone += places
        alone = [tensors[place] for place in self._alone]
        self.scalars = norms_of(alone)
        if extremes and alone and all(tensor.is_cuda for tensor in alone):
            sizes = list(torch._foreach_norm(alone, math.inf))
            self.scalars += [*sizes, *torch._foreach_neg(sizes)]
        elif extremes:
            # On a CPU a norm of infinite order takes seven times as long as the two extremes.
            self.scalars += [tensor.amax() for tensor in alone] + [tensor.amin() for tensor in alone]
        self.rows = []
        for places in self._alike:
            stacked = torch.stack([tensors[place] for place in places]).flatten(1)
            dtype = torch.float32 if stacked.dtype.itemsize < 4 else None
            self.rows.append(torch.linalg.vector_norm(stacked, dim=1, dtype=dtype))
            if extremes:
                self.rows += [stacked.amax(1), stacked.amin(1)]

    def sorted(self, scalars: Iterator[float], rows: Iterator[float]) -> list[list[float]]:
        """Put the numbers that `read` returned, norms (and largest, smallest elements), in the tensors' order."""
        found = [[0.0] * (len(self._alone) + sum(map(len, self._alike))) for _ in range(self._kinds)]
        for numbers in found:
            for place in self._alone:
                numbers[place] = next(scalars)
        for places in self._alike:
            for numbers in found:
                for place in places:
                    numbers[place] = next(rows)
        return found


def gradient_numbers(
    owned: Sequence[Owned],
    layers: int,
    scale: float = 1.0,
    scalars: Sequence[Tensor] = (),
) -> tuple[dict[str, list[float]], list[float]]:
    """Gradients and weights per layer.

    Args:
        owned: The parameters with their columns.
        layers: How many columns there are.
        scale: The number to divide the gradients by.
        scalars: More tensors of shape (), read in the same transfer.

    Returns:
        norm, rms, largest, weight_norm and non_finite by name, NaN for layers without a gradient; and the values of
        `scalars`.
    """
    held, gradients, weights = [], [], []
    for one in owned:
        parameter = one.parameter
        weights.append(parameter if one.plain else values_of(parameter))
        gradient = parameter.grad
        if gradient is None:
            continue
        if gradient.is_sparse or not one.plain:
            gradient = values_of(gradient)
            if not gradient.numel():  # a sparse one without entries is all zeros
                gradient = gradient.new_zeros(1)
        held.append(one)
        gradients.append(gradient)
    of_gradients, of_weights = _Measures(gradients, extremes=True), _Measures(weights, extremes=False)
    single = [*of_gradients.scalars, *of_weights.scalars, *scalars]
    values = read(single, [*of_gradients.rows, *of_weights.rows])
    first, second = iter(values[: len(single)]), iter(values[len(single) :])
    norms, highs, lows = of_gradients.sorted(first, second)
    (weight_norms,) = of_weights.sorted(first, second)
    extras = list(first)

    sizes = [_largest(high, -low) for high, low in zip(highs, lows, strict=True)]
    if sizes and not (min(norms) > _SMALL and max(norms) < _LARGE):  # or NaN
        _check_again(gradients, norms, sizes)
    columns = [one.column for one in held]
    lost = [0] * len(sizes)
    if not math.isfinite(sum(norms)):
        for place, size in enumerate(sizes):
            if not math.isfinite(size):
                lost[place] = int((~gradients[place].isfinite()).sum())
    norm_of = _joined(columns, norms, _hypot, layers)
    counts = _joined(columns, [one.size for one in held], operator.add, layers)
    found = {
        "norm": norm_of,
        "rms": [norm / math.sqrt(count) for norm, count in zip(norm_of, counts, strict=True)],
        "largest": _joined(columns, sizes, _largest, layers),
        "weight_norm": _joined([one.column for one in owned], weight_norms, _hypot, layers),
        "non_finite": _joined(columns, lost, operator.add, layers),
    }
    for column, norm in enumerate(found["weight_norm"]):
        if norm < _SMALL or norm > _LARGE:
            parts = [values for one, values in zip(owned, weights, strict=True) if one.column == column]
            again = _norms_again(parts, read([part.abs().amax() for part in parts]))
            found["weight_norm"][column] = functools.reduce(_hypot, again)
    if scale != 1:
        for name in ("norm", "rms", "largest"):
            found[name] = [value / scale for value in found[name]]
    return found, extras


def _check_again(tensors: Sequence[Tensor], norms: list[float], sizes: list[float]) -> None:
    """Compute the norms again whose squares are out of float32's range."""
    doubtful = [
        place
        for place, (norm, size) in enumerate(zip(norms, sizes, strict=True))
        if 0 < size < math.inf and not _SMALL < norm < _LARGE
    ]
    again = _norms_again([tensors[place] for place in doubtful], [sizes[place] for place in doubtful])
    for place, norm in zip(doubtful, again, strict=True):
        norms[place] = norm


def _norms_again(tensors: Sequence[Tensor], sizes: Sequence[float]) -> list[float]:
    """Norms of tensors, computed on the tensors divided by their largest elements, in float64 where possible."""
    norms = []
    for tensor, size in zip(tensors, sizes, strict=True):
        if size == 0 or not math.isfinite(size):
            norms.append(size)
        else:
            wide = tensor.to(torch.float32 if tensor.device.type == "mps" else torch.float64)
            norms.append(size * float(torch.linalg.vector_norm(wide / size)))
    return norms


def _joined(
    columns: Sequence[int], values: Sequence[float], join: Callable[[float, float], float], layers: int
) -> list[float]:
    """Join the parameters' numbers to one number per layer; NaN for a layer without any."""
    found: list[float | None] = [None] * layers
    for column, value in zip(columns, values, strict=True):
        before = found[column]
        found[column] = value if before is None else join(before, value)
    return [math.nan if value is None else value for value in found]


def _hypot(a: float, b: float) -> float:
    return math.hypot(a, b) if a == a and b == b else math.nan  # of an infinity and NaN it would be infinite


def _largest(a: float, b: float) -> float:
    return (a if a > b else b) if a == a and b == b else math.nan
