"""The class that a step makes likelier, by the gradient of the last layer's bias, where a batch has one class only."""

import math
from collections.abc import Sequence

from torch import Tensor

from gradwidgets.core.monitor.facts import PullFacts
from gradwidgets.core.monitor.owners import Owned

_CLASSES = 3, 1024  # with two classes, every batch makes one of them likelier
_PULLED, _PULLED_OF_FEW, _SEVERAL = 0.4, 0.6, 5  # least shares of a batch: of five classes or more, and of fewer
_NONE = 1e-3  # of the largest: shares sum to 1, so a cross-entropy's gradients sum to 0


def asked_class(values: list[float] | None) -> float:
    """The only class that a step makes likelier; -1 for several, NaN where this is no cross-entropy of classes.

    The gradient of a bias before a softmax is, for each class, its mean share minus how often it came. With labels of
    one class, only that class has a gradient below 0.
    """
    if values is None:
        return math.nan
    wanted = [place for place, value in enumerate(values) if value < 0]
    return float(wanted[0]) if len(wanted) == 1 else -1.0


def of_last_bias(owned: Sequence[Owned], outputs: int) -> list[float] | None:
    """The gradient of the last layer's bias; None where the loss is no cross-entropy of classes."""
    bias = owned[-1] if owned else None
    if bias is None or not bias.plain or not bias.name.endswith("bias") or bias.size != outputs:
        return None
    gradient = bias.parameter.grad
    if not _CLASSES[0] <= outputs <= _CLASSES[1] or type(gradient) is not Tensor:
        return None
    values: list[float] = gradient.tolist()
    most = max(map(abs, values))
    return values if 0 < most < math.inf and abs(math.fsum(values)) <= _NONE * most else None


class Pulls:
    """Counts the batches with more of one class than shuffled ones have, by the gradient of the last layer's bias.

    For a mean cross-entropy that gradient is each class's mean share minus how often it came: its lowest number is no
    lower than minus the share of the most frequent class in the batch.
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
    def told(self) -> PullFacts:
        """In how many samples ("of" all) each of the "classes" made up a "share" of the batch; empty where none did."""
        if not self._counts or not self._known:
            return {}
        return {"of": self._of, "classes": dict(self._counts), "share": self._share}
