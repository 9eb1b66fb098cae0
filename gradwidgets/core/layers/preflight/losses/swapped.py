"""Arguments of a loss in the wrong order: the target is where the output should be."""

from torch import Tensor

from gradwidgets.core.layers.preflight.losses.call import OUTPUT, TARGET, Call
from gradwidgets.core.results.finding import Finding

SWAPPED = "swapped"


def of_order(call: Call) -> list[Finding]:
    """Report a call with the target first and the output second, for a loss that is not symmetric."""
    x, y = call.get(0, "input"), call.get(1, "target")
    if not _are(call, x, y) or not y.requires_grad:
        return []
    message = (
        f"{call.name} takes the output first and the target second, and gets them the other way round: it is lowest "
        "elsewhere, and without bounds where targets are 0 and 1"
    )
    return [Finding(SWAPPED, "error", message, {"function": call.name}, action="Swap the two arguments.")]


def of_variance(call: Call) -> list[Finding]:
    """Report `gaussian_nll_loss`, called with the variance as the target and the target as the variance."""
    y, var = call.get(1, "target"), call.get(2, "var")
    if not _are(call, var, y):
        return []
    message = (
        "gaussian_nll_loss takes (mean, target, var), and gets what the model makes as the target and what is wanted "
        "as the variance"
    )
    action = "Hand it (mean, target, var) in this order, or by name: target=…, var=…."
    return [Finding(SWAPPED, "error", message, {"function": call.name}, action=action)]


def _are(call: Call, wanted: object, made: object) -> bool:
    """Whether one tensor depends on the targets alone and the other on the output alone."""
    if not (isinstance(wanted, Tensor) and isinstance(made, Tensor)):
        return False
    return call.role(wanted) == TARGET and call.role(made) == OUTPUT
