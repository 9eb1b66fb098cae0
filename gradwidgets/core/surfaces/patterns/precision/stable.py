"""What to do about an operation that parts from float64, where something is known."""

from gradwidgets.core.operations.remedies import cure, known_for
from gradwidgets.core.operations.stable_forms import of_what_is_lost, of_what_overflows
from gradwidgets.core.surfaces.patterns.precision.parting import Parted

_CANCELS = (
    "What is left is the difference of large numbers, less than their last digit: take out on paper what cancels."
)
_SCALE = "Work with logarithms, or scale the loss."


def stable_form(parted: Parted) -> str:
    """What keeps finite what overflows, or is infinite or NaN; "" where nothing is known."""
    if parted.own:
        return cure(parted.who, "own")
    overflows = "" if parted.back else of_what_overflows(parted.who)
    return of_what_is_lost(parted.who, parted.lost_by) or overflows or known_for(parted.who)


def kept_gradient(parted: Parted) -> str:
    """What keeps a gradient that is rounded to 0."""
    return _CANCELS if parted.who == "the sum of gradients" else _SCALE
