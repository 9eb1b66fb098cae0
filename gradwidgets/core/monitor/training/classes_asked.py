"""Which class a gradient asks for: where a batch holds one alone, that of the last layer's bias shows it."""

import math
from collections.abc import Sequence

from torch import Tensor

from gradwidgets.core.monitor.owners import Owned

_CLASSES = 3, 1024  # of two, each batch asks for more of one of them
_NONE = 1e-3  # of the largest: shares sum to 1, so a cross-entropy's gradients sum to 0


def asked_class(owned: Sequence[Owned], outputs: int) -> float:
    """The one class that gets more by a step; -1 for several, NaN where this is no cross-entropy of classes.

    The gradient of a bias behind a softmax is, for each class, its mean share minus how often it came. With labels of
    one class only that class has a gradient below 0.
    """
    bias = owned[-1] if owned else None
    if bias is None or not bias.plain or not bias.name.endswith("bias") or bias.size != outputs:
        return math.nan
    if not _CLASSES[0] <= outputs <= _CLASSES[1] or type(bias.parameter.grad) is not Tensor:
        return math.nan
    values = bias.parameter.grad.tolist()
    most = max(map(abs, values))
    if not 0 < most < math.inf or not abs(math.fsum(values)) <= _NONE * most:
        return math.nan
    wanted = [place for place, value in enumerate(values) if value < 0]
    return float(wanted[0]) if len(wanted) == 1 else -1.0
