"""Points that a training is likely to reach: where it begins, where it ends, and round numbers near there."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from gradwidgets.core.surfaces.patterns.ends.target import Target, parts_of
from gradwidgets.core.surfaces.probe import usual_inputs

ENDS = 3  # minima, and ends of descents: the lowest
_DIGITS = range(1, 7)  # significant digits of a number as people write it
_ROUNDED_BY = 1e-5  # of the view: an end so near to a round number is taken for it


def places_of_note(bounds: Tensor, ends: Iterable[Tensor], others: Iterable[Tensor]) -> Tensor:
    """Points at which a training may end, the table's small input, and other points, (N, P).

    Args:
        bounds: The axes' lower and upper ends, (P, 2).
        ends: Minima, and ends of descents, (P,) each: they are returned as they are, and rounded.
        others: More points.
    """
    spans, ends = bounds[:, 1] - bounds[:, 0], list(ends)
    written = [short for end in ends for short in _written(end, spans)]
    return torch.stack([*others, *ends, *written, usual_inputs(*bounds.unbind(-1))["small"]])


def _written(point: Tensor, spans: Tensor) -> list[Tensor]:
    """The round numbers that are near enough to a point."""
    found = []
    for digits in _DIGITS:
        pairs = zip(point.tolist(), spans.tolist(), strict=True)
        parts = [round(value, digits - math.floor(math.log10(span))) for value, span in pairs]
        short = torch.tensor(parts, dtype=torch.float64)
        if bool(((short - point).abs() <= _ROUNDED_BY * spans).all()):
            found.append(short)
    return found


def target_point(target: Target | None, names: tuple[str, ...]) -> list[Tensor]:
    """The target as a list of one point, if it is a point; [] for any other target."""
    if target is None or callable(target):
        return []
    parts = parts_of(target, names)
    return [] if any(isinstance(part, tuple) for part in parts) else [torch.tensor(parts, dtype=torch.float64)]
