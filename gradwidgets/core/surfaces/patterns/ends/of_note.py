"""Places at which a training is to be found: where it begins, where it ends, and the numbers that are meant there."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from gradwidgets.core.surfaces.patterns.ends.target import Target, parts_of
from gradwidgets.core.surfaces.probe import usual_inputs

ENDS = 3  # minima, and ends of descents: the lowest
_DIGITS = range(1, 7)  # significant digits of a number as people write it
_MEANT = 1e-5  # of the view: so near to such a number an end is meant to be it


def places_of_note(bounds: Tensor, ends: Iterable[Tensor], others: Iterable[Tensor]) -> Tensor:
    """Where a training may end, the table's small input, and other places, (N, P).

    Args:
        bounds: The axes' lower and upper ends, (P, 2).
        ends: Minima, and ends of descents, (P,) each: given as they are, and as the round numbers that are meant.
        others: More points.
    """
    spans, ends = bounds[:, 1] - bounds[:, 0], list(ends)
    written = [short for end in ends for short in _written(end, spans)]
    return torch.stack([*others, *ends, *written, usual_inputs(*bounds.unbind(-1))["small"]])


def _written(point: Tensor, spans: Tensor) -> list[Tensor]:
    """The round numbers that a point may be meant to be."""
    found = []
    for digits in _DIGITS:
        pairs = zip(point.tolist(), spans.tolist(), strict=True)
        parts = [round(value, digits - math.floor(math.log10(span))) for value, span in pairs]
        short = torch.tensor(parts, dtype=torch.float64)
        if bool(((short - point).abs() <= _MEANT * spans).all()):
            found.append(short)
    return found


def target_point(target: Target | None, names: tuple[str, ...]) -> list[Tensor]:
    """A target that is a point, as one; none of another."""
    if target is None or callable(target):
        return []
    parts = parts_of(target, names)
    return [] if any(isinstance(part, tuple) for part in parts) else [torch.tensor(parts, dtype=torch.float64)]
