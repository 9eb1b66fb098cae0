"""Which class a gradient asks for: where a batch holds one alone, that of the last layer's bias shows it."""

import math
from collections.abc import Sequence

from torch import Tensor

from gradwidgets.core.monitor.owners import Owned

_CLASSES = 3, 1024  # of two, each batch asks for more of one of them
_PULLED, _PULLED_OF_FEW, _SEVERAL = 0.4, 0.6, 5  # of a batch, at least; where classes are fewer than five
_NONE = 1e-3  # of the largest: shares sum to 1, so a cross-entropy's gradients sum to 0


def asked_class(values: list[float] | None) -> float:
    """The one class that gets more by a step; -1 for several, NaN where this is no cross-entropy of classes.

    The gradient of a bias behind a softmax is, for each class, its mean share minus how often it came. With labels of
    one class only that class has a gradient below 0.
    """
    if values is None:
        return math.nan
    wanted = [place for place, value in enumerate(values) if value < 0]
    return float(wanted[0]) if len(wanted) == 1 else -1.0


def of_last_bias(owned: Sequence[Owned], outputs: int) -> list[float] | None:
    """The gradient of the last layer's bias; None where that is none of a cross-entropy of classes."""
    bias = owned[-1] if owned else None
    if bias is None or not bias.plain or not bias.name.endswith("bias") or bias.size != outputs:
        return None
    if not _CLASSES[0] <= outputs <= _CLASSES[1] or type(bias.parameter.grad) is not Tensor:
        return None
    values = bias.parameter.grad.tolist()
    most = max(map(abs, values))
    return values if 0 < most < math.inf and abs(math.fsum(values)) <= _NONE * most else None


class Pulls:
    """Counts the batches that ask for one class more than shuffled ones do, by the gradient of the last layer's bias.

    That is, for a mean cross-entropy, each class's mean share less how often it came: its lowest is no lower than minus
    the share of the most frequent class in the batch.
    """

    def __init__(self) -> None:
        self._of = 0
        self._counts: dict[str, int] = {}
        self._share = math.nan
        self._known = True

    def add(self, values: list[float] | None) -> None:
        """Take a sample's gradient, as `of_last_bias` gives it."""
        if values is None:
            return
        self._of += 1
        low = -min(values)
        self._known = self._known and low <= 1 + _NONE  # else it is of a sum, or scaled
        self._share = _PULLED if len(values) >= _SEVERAL else _PULLED_OF_FEW
        if low >= self._share:
            place = str(values.index(-low))
            self._counts[place] = self._counts.get(place, 0) + 1

    @property
    def told(self) -> dict[str, object]:
        """Of how many samples ("of") how often each of the "classes" made up a "share" of the batch; or nothing."""
        if not self._counts or not self._known:
            return {}
        return {"of": self._of, "classes": dict(self._counts), "share": self._share}
