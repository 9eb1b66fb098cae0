"""Who made the first number that is not finite: an operation, named with its module, line and cause, or the data.

A second pass tells. `Forwards` follows every operation and keeps, for each tensor that is not finite, where that began;
what the loss ends with is the culprit, and not what came first in time: NaN in a branch that `torch.where` leaves is
nobody's fault. On the way back `Backwards` looks at what goes into each node of the graph and what comes out.
"""

from gradwidgets.core.layers.origin.found import Origin
from gradwidgets.core.layers.origin.search import origin_of, origin_of_bad_gradient, origin_of_non_finite

__all__ = ["Origin", "origin_of", "origin_of_bad_gradient", "origin_of_non_finite"]
