"""Functions in a loss whose output is at a bound everywhere: a clamp or a ReLU has no slope there."""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.user_code import place_of_call

_BOUNDS = ("clamp", "clamp_", "clamp_min", "clamp_min_", "clip", "relu", "relu_")
_ACTION = (
    "What is held at a bound has no slope: let the loss go on changing there. Of boxes that do not overlap, GIoU or "
    "DIoU in place of IoU, or a distance beside it; of a margin or a rate, softplus in place of the bound."
)


class Bounded:
    """Finds functions within a loss whose output is the bound everywhere."""

    def __init__(self) -> None:
        self._told: tuple[str, str, float] | None = None

    def see(self, name: str, given: Sequence[Tensor], result: object) -> None:
        """Check a call that was made with tensors that depend on the output."""
        if self._told is None and name in _BOUNDS and isinstance(result, Tensor) and given and result.numel() > 1:
            bound = float(result.reshape(-1)[0])
            if bool((result == bound).all()) and bool((given[0] != bound).all()):
                self._told = name.strip("_"), place_of_call(), bound

    def told_in(self, found: Sequence[Finding], names: Sequence[str]) -> list[Finding]:
        """Add the function at its bound to findings of these names."""
        if self._told is None:
            return list(found)
        name, place, bound = self._told
        words = f"; {name}{f' ({place})' if place else ''} gives {number(bound)} throughout, its bound"
        return [
            replace(one, message=one.message + words, action=_ACTION) if one.name in names else one for one in found
        ]
