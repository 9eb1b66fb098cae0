"""An operation without a finite gradient that torch.where takes at one point, and does not take at another."""

from dataclasses import replace

import torch
from torch import Tensor

from gradwidgets.core.operations.non_finite import Culprit, blame
from gradwidgets.core.surfaces.patterns.look import Look
from gradwidgets.core.surfaces.patterns.readable import readable
from gradwidgets.core.surfaces.patterns.singular.bad_lines import BadLine

_SHARES = (0.1, 0.37, 0.64, 0.9)  # of an axis


def points_along(look: Look, lines: list[BadLine]) -> list[Tensor]:
    """Some points along lines across the axes."""
    points = torch.stack([look.bounds[:, 0] + share * look.spans for share in _SHARES])
    each = [points.index_fill(1, torch.tensor(line.axis), line.value) for line in lines]
    return [point for some in each for point in some]


def taken_elsewhere(
    look: Look, places: list[Tensor], first: Tensor, hidden: Culprit
) -> tuple[Tensor, str, Culprit] | None:
    """A point, also in words, where torch.where takes the branch that it does not take at the first point.

    The culprit there comes with it: its cure helps at both points.
    """
    for one in places:
        point, where = readable(look, one)
        culprit = blame(look.function, point)
        if culprit is not None and culprit.operation in hidden.steep and culprit.which == hidden.which:
            said = f"; torch.where takes it at {where}, and at {readable(look, first)[1]} it does not"
            return point, where, replace(culprit, sentence=culprit.sentence.partition("; torch.where")[0] + said)
    return None
