"""Data of which a few numbers lie far from all others, such as -999 for "unknown"."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_data import data_tensors, first_index
from gradwidgets.core.results.wording import number
from gradwidgets.core.surfaces.patterns.look import Look

_FAR = 30.0  # times the width of the middle half of the numbers
_CERTAIN = 100.0  # times the same: so far away no trial is needed
_FEW = 0.2  # of the numbers
_FEWEST = 6  # numbers


@dataclass(frozen=True, eq=False)
class Outliers:
    """A few numbers of some data that lie far from all others.

    Attributes:
        name: The data's name.
        mask: Where they are.
        words: The first of them, and the range of the others, in words.
        certain: Whether they lie so far away that no trial is needed.
    """

    name: str
    mask: Tensor
    words: str
    certain: bool


def outliers_of(look: Look) -> list[Outliers]:
    """The data with such numbers in a loss."""
    found = []
    for name, one in data_tensors(look.own):
        data = one.detach().double()
        if not one.is_floating_point() or data.numel() < _FEWEST or not bool(data.isfinite().all()):
            continue
        low, middle, high = data.flatten().quantile(torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)).tolist()
        if high > low and bool((mask := (data - middle).abs() > _FAR * (high - low)).any()):
            far = float((data - middle)[mask].abs().min()) > _CERTAIN * (high - low)
            if float(mask.double().mean()) <= _FEW:
                found.append(Outliers(name, mask, _in_words(name, data, mask), far))
    return found


def _in_words(name: str, data: Tensor, mask: Tensor) -> str:
    index, count, rest = first_index(mask), int(mask.sum()), data[~mask]
    more = f", as are {count - 1} more of {data.numel()},"
    alike = bool((data[mask] == data[mask][0]).all())
    more = f"{more if alike else f', and {count - 1} more of {data.numel()} are as far off,'}" * (count > 1)
    reach = f"the others lie from {number(float(rest.min()), 3)} to {number(float(rest.max()), 3)}"
    return f"{name}{index} is {number(float(data[mask][0]), 6)}{more} where {reach}"


def without(look: Look, found: Outliers) -> dict[str, Tensor] | None:
    """The data in `fixed` without the rows of such numbers; None if these data are not in it."""
    fixed = {name: one for name, one in look.own.fixed.items() if isinstance(one, Tensor) and one.ndim}
    if found.name not in fixed:
        return None
    rows = ~found.mask.reshape(len(found.mask), -1).any(1)
    return {name: one[rows] for name, one in fixed.items() if len(one) == len(rows)}
