"""Why a loss is the same everywhere: data that are all 0 and multiply the parameters away."""

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from gradwidgets.core.losses.loss_data import zero_of
from gradwidgets.core.losses.loss_function import LossFunction
from gradwidgets.core.operations.provenance import Provenance
from gradwidgets.core.operations.stopping import action_for, stopping
from gradwidgets.core.operations.watching import Args, Kwargs, Op, Watching

_FACTORS = frozenset(("mul", "mv", "mm", "dot", "bmm", "addmm"))
_LEAVE_OUT = "Such data teach nothing in this form: leave them out, or add a term that they do not multiply away."
_SMOOTH = (
    "Such data teach nothing in this form: smooth the numerator as well as the divisor, (2 · Σ p y + s) / (Σ p + Σ y + "
    "s) for Dice, so that what is too much still counts, or leave them out."
)
_TIMES_NUMBER = "Is that factor meant? A weight that is 0 switches its term off."
_UNKNOWN = (
    "Look for what makes it so: a weight or a mask of 0, a comparison, a bound that all of the view lies beyond, "
    "another variable than the one that is meant."
)


def why_constant(function: LossFunction, point: Tensor) -> tuple[str, str]:
    """Say why a loss is the same everywhere, "" if the reason cannot be seen, and what to do about it.

    Args:
        function: The loss.
        point: (P,), any point in view.
    """
    watch = _Factors()
    try:
        function.run_at(point, torch.float64, watch)
    except Exception:
        return "", _UNKNOWN
    if watch.whole and watch.zeros is not None:
        name = zero_of(function, torch.ones_like(watch.zeros, dtype=torch.bool)).partition("[")[0]
        what = name or "what it is multiplied by, of shape " + str(tuple(watch.zeros.shape)).replace(",)", ")")
        return f"{what} is 0 all over, and multiplies the parameters away", _SMOOTH if watch.divides else _LEAVE_OUT
    if watch.whole and watch.by_number:
        return "it is multiplied by 0", _TIMES_NUMBER
    stop = stopping(function, point)
    return (f"{stop} lets no gradient through", action_for(stop)) if stop else ("", _UNKNOWN)


class _Factors(Watching):
    """Notes factors of 0 that do not depend on the parameters, and follows the results that they make 0.

    Attributes:
        zeros: The first tensor that is such a factor; None if there is none.
        by_number: Whether the number 0 is a factor.
        divides: Whether a result that they made 0 is then divided by something that depends on the parameters.
        whole: Whether the loss no longer depends on the parameters.
    """

    def __init__(self) -> None:
        super().__init__()
        self.zeros: Tensor | None = None
        self.by_number = self.divides = self.whole = False
        self._provenance = Provenance()
        self._independent: set[int] = set()  # addresses of results that no longer depend on the parameters

    def run(self, name: str, func: Op, args: Args, kwargs: Kwargs) -> object:
        """Run an operation and note whether its result still depends on the parameters."""
        result = func(*args, **kwargs)
        given = tree_leaves((args, kwargs))
        ours = [one for one in given if isinstance(one, Tensor) and self._provenance.of_parameters(one)]
        if ours and isinstance(result, Tensor) and self._loses_parameters(name, given, ours, result):
            self._independent.add(result.data_ptr())
        self._provenance.note(name, (args, kwargs), result)
        return result

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Look up whether the loss still depends on the parameters; no backward pass is needed."""
        self.whole = value.data_ptr() in self._independent

    def _loses_parameters(self, name: str, given: list[object], ours: list[Tensor], result: Tensor) -> bool:
        """Whether an operation's result no longer depends on the parameters, on which its inputs `ours` depend."""
        gone = [one for one in ours if one.data_ptr() in self._independent]
        self.divides |= name == "div" and bool(gone) and len(gone) < len(ours)
        if len(gone) == len(ours):
            return True
        if not result.is_floating_point() or bool(result.any()):
            return False
        others = [one for one in given if not any(one is other for other in ours)]
        if name in _FACTORS:
            self.by_number |= (by_number := any(isinstance(one, int | float) and one == 0 for one in others))
            return bool(gone) or self._has_zeros(others) or by_number
        if name == "div":
            return bool(gone)
        # A weight of 0 inside one of torch's losses: numbers that are not all 0 have become 0.
        return any(bool(one.any()) for one in ours) and self._has_zeros(others)

    def _has_zeros(self, others: list[object]) -> bool:
        zeros = [one.detach() for one in others if isinstance(one, Tensor) and one.numel() and not bool(one.any())]
        if zeros and self.zeros is None:
            self.zeros = zeros[0]
        return bool(zeros)
