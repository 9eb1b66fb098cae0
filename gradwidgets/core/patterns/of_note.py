"""Places at which a training is to be found: where it begins, where it ends, and the numbers that are meant there."""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gradwidgets.core.patterns.target import parts_of
from gradwidgets.core.probe import usual_inputs

if TYPE_CHECKING:
    from gradwidgets.core.patterns.look import Look

_ENDS = 3  # of the descents, the lowest
_DIGITS = range(1, 7)  # of a number that somebody has written
_MEANT = 1e-5  # of the view: so near to such a number an end is meant to be it


def places_of_note(look: "Look", *, starts: bool = True) -> Tensor:
    """Minima, the lowest ends of descents, a target, a table's input and the starts, (N, P).

    Args:
        look: What is known of the loss. An end is given as it is, and as the round numbers that it may be meant to be.
        starts: Whether to give the starts too.
    """
    ends = [torch.tensor(one.point, dtype=torch.float64) for one in look.critical if one.kind == "minimum"][:_ENDS]
    if look.descents is not None:
        ends += list(look.descents.ends[look.descents.losses.argsort()[:_ENDS]])
    places = [
        *(look.starts.values() if starts else ()),
        *ends,
        *(written for end in ends for written in _written(end, look.spans)),
    ]
    places += [usual_inputs(*look.bounds.unbind(-1))["small"], *_target(look)]
    return torch.stack(places)


def _written(point: Tensor, spans: Tensor) -> list[Tensor]:
    """The round numbers that a point may be meant to be."""
    found = []
    for digits in _DIGITS:
        parts = [
            round(value, digits - math.floor(math.log10(span)))
            for value, span in zip(point.tolist(), spans.tolist(), strict=True)
        ]
        short = torch.tensor(parts, dtype=torch.float64)
        if bool(((short - point).abs() <= _MEANT * spans).all()):
            found.append(short)
    return found


def _target(look: "Look") -> list[Tensor]:
    """A target that is a point."""
    if not look.given or callable(look.wanted):
        return []
    parts = parts_of(look.wanted, look.names)
    return [] if any(isinstance(part, tuple) for part in parts) else [torch.tensor(parts, dtype=torch.float64)]
