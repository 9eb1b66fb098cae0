"""Convolutions on maps so small that most places of their kernels only see padding, and are never trained."""

import math
from collections.abc import Iterable, Sequence

from torch.nn.modules.conv import _ConvNd

from gradwidgets.core.layers.passes.rows import Row
from gradwidgets.core.results.finding import Finding

KERNEL = "kernel on padding"
_MOST = 0.5  # share of a kernel's places that may see only padding
_ACTION = (
    "Larger inputs, fewer strides and poolings before it, or a kernel of 1: what meets padding alone gets a gradient "
    "of exactly 0. Nothing, if the model is to take larger inputs later."
)


def kernels_in(rows: Iterable[Row]) -> list[Finding]:
    """Report the convolution with the largest share of kernel places that never see the map."""
    found = [one for row in rows if row.taken and (one := _of(row)) is not None]
    return sorted(found, key=lambda one: one.evidence["met"] / one.evidence["places"])[:1]


def _of(row: Row) -> Finding | None:
    module, sizes = row.module, row.taken[2:]
    if not isinstance(module, _ConvNd) or isinstance(module.padding, str):
        return None
    if module.padding_mode != "zeros" or len(sizes) != len(module.kernel_size):
        return None
    axes = zip(sizes, module.kernel_size, module.stride, module.padding, module.dilation, strict=True)
    met = math.prod(_met(*one) for one in axes)
    places = math.prod(module.kernel_size)
    if met >= _MOST * places:
        return None
    size, kernel = _times(sizes), _times(module.kernel_size)
    message = (
        f"{row.name}: of the {places} places of its kernel ({kernel}) only {met} ever meet{'s' * (met == 1)} the map, "
        f"which is {size}: the others meet padding alone and are not trained"
    )
    evidence = {"layer": row.name, "places": places, "met": met, "map": list(sizes), "threshold": _MOST}
    return Finding(KERNEL, "info", message, evidence, action=_ACTION)


def _met(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Count the places of a kernel that see the map along an axis."""
    steps = range((size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1)
    return sum(any(0 <= step * stride + place * dilation - padding < size for step in steps) for place in range(kernel))


def _times(sizes: Sequence[int]) -> str:
    return " × ".join(map(str, sizes))
