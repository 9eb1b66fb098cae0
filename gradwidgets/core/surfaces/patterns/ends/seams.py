"""A minimum where two branches of a loss are joined."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.operations.watching import Args, Kwargs, Op, Watching
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.slices import finish
from gradwidgets.core.results.wording import number, place
from gradwidgets.core.surfaces.patterns.look import Look

_BESIDE = 1e-5  # of the view's width: how far to either side of the lowest point slopes are taken
_STEEP = 0.01  # of the loss's height over the view: a gentler slope is near its own zero
_AWAY = (1e-5, 0.02, 0.04, 0.08)  # of the view's width: where the loss is compared on both sides
_ALIKE = 1e-3  # of a slope, or of the loss's height
_NOTHING = 1e-3  # of the loss's height: a lower one is the zero of a distance, where a kink is usual
_COMPARISONS = frozenset(("gt", "lt", "ge", "le"))


def seam(look: Look) -> Finding | None:
    """The lowest loss where two branches of torch.where meet, though neither has a minimum there."""
    descents = look.descents
    if descents is None or not len(descents.ends) or look.height == 0 or look.view.slow:
        return None
    point = descents.ends[int(descents.losses.argmin())]
    for axis in range(len(look.names)):
        far = torch.zeros_like(point)
        far[axis] = _BESIDE * look.spans[axis]
        sides = torch.stack([point - far, point + far])
        _, slopes = finish(look.view.at(sides))
        left, right = (slopes[:, axis] * look.spans[axis]).tolist()
        kinked = left < -_STEEP * look.height and right > _STEEP * look.height
        if kinked and not _is_of_one_function(look, point, axis) and _is_joined(look, sides):
            return _finding(look, point, axis, slopes[:, axis].tolist())
    return None


def _is_of_one_function(look: Look, point: Tensor, axis: int) -> bool:
    """Whether a kink belongs to one function: symmetric, as |x|, or of two straight lines, as the pinball loss."""
    ways = torch.zeros(len(_AWAY), len(point), dtype=torch.float64)
    ways[:, axis] = torch.tensor(_AWAY, dtype=torch.float64) * look.spans[axis]
    below, above = (finish(look.view.at(look.view.within(point + sign * ways))) for sign in (-1, 1))
    if bool(((below[0] - above[0]).abs() < _ALIKE * look.height).all()):
        return True
    slopes = torch.stack([below[1][:, axis], above[1][:, axis]])
    return bool(((slopes - slopes[:, :1]).abs() < _ALIKE * slopes[:, :1].abs()).all())


def _finding(look: Look, point: Tensor, axis: int, slopes: list[float]) -> Finding:
    spot, name = tuple(float(f"{value:.6g}") for value in point.tolist()), look.names[axis]
    return Finding(
        "seam",
        "warning",
        f"the loss is lowest at {place(look.names, spot)}, on the seam of a torch.where: its two branches "
        f"meet there with slopes of {number(slopes[0])} and {number(slopes[1])} along {name}, and neither has a "
        "minimum of its own there",
        {"slope below": slopes[0], "slope above": slopes[1], "steep from, of the height over the view": _STEEP},
        spot,
    )


@dataclass(frozen=True, eq=False)
class _Choice:
    """A torch.where between two branches.

    Attributes:
        condition: Where the first branch is taken.
        values: Its result.
        both: Whether both branches have a gradient.
        of_a_number: Whether its condition compares with a number that is not 0.
    """

    condition: Tensor
    values: Tensor
    both: bool
    of_a_number: bool


class _Choices(Watching):
    """Notes every torch.where, with the comparison that chooses its branch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[_Choice] = []
        self._of_a_number: set[int] = set()

    def run(self, name: str, func: Op, args: Args, kwargs: Kwargs) -> object:
        result = func(*args, **kwargs)
        if name in _COMPARISONS and not _is_zero(args[1]):
            self._of_a_number.add(id(result))
        elif name == "where" and len(args) == 3:
            both = all(isinstance(part, Tensor) and part.requires_grad for part in args[1:])
            self.found.append(_Choice(args[0], result.detach(), both, id(args[0]) in self._of_a_number))
        return result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Skip the backward pass: choices are made in the forward pass."""


def _is_zero(other: object) -> bool:
    if isinstance(other, Tensor):
        return other.requires_grad or other.numel() > 1 or float(other) == 0
    return other == 0


def _is_joined(look: Look, sides: Tensor) -> bool:
    """Whether a torch.where that compares with a number takes different branches on both sides of a point."""
    logs = [_Choices(), _Choices()]
    try:
        for place_, log in zip(sides, logs, strict=True):
            look.function.run_at(place_, torch.float64, log)
    except Exception:
        return False
    if len(logs[0].found) != len(logs[1].found):
        return False
    return any(
        one.both and one.of_a_number and _is_seam(one, other, look.height)
        for one, other in zip(logs[0].found, logs[1].found, strict=True)
    )


def _is_seam(one: _Choice, other: _Choice, height: float) -> bool:
    if one.condition.shape != other.condition.shape:
        return False
    changed = (one.condition != other.condition).expand(one.values.shape)
    return bool(changed.any()) and float(one.values[changed].abs().min()) > _NOTHING * height
