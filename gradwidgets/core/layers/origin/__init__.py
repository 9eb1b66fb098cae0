"""Where the first number that is not finite comes from: an operation, with its module, line and cause, or the data.

A second pass finds it. `Forwards` follows every operation and keeps, for each tensor that is not finite, where that
began. The source of the loss's value is reported, not what came first in time: NaN in a branch that `torch.where`
discards does no harm. In the backward pass, `Backwards` compares the gradients into and out of each node of the graph.
"""

from gradwidgets.core.layers.origin.found import Origin
from gradwidgets.core.layers.origin.search import origin_of, origin_of_bad_gradient, origin_of_non_finite

__all__ = ["Origin", "origin_of", "origin_of_bad_gradient", "origin_of_non_finite"]
