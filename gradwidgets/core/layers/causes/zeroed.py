"""Operations that multiply everything by 0: a dropout of everything, an empty mask, a factor of 0."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from gradwidgets.core.operations.watching import Args, Kwargs
from gradwidgets.core.results.result import Result
from gradwidgets.core.results.wording import number

_DROPOUTS = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout", "dropout_")
_PRODUCTS = ("mul", "mul_", "multiply", "multiply_", "__mul__", "__rmul__", "__imul__")
_FILLS = ("masked_fill", "masked_fill_")


@dataclass(frozen=True, eq=False, repr=False)
class Zeroed(Result):
    """An operation whose output is 0 whatever its input is.

    Attributes:
        name: The module's name, or torch's name of the function.
        why: The reason, as a clause.
        place: File and line; "" for a module.
        cure: What to do about it.
        is_term: Whether the output is a single number: a term of a loss, or a sum that makes all parameters used.
    """

    name: str
    why: str
    place: str
    cure: str
    is_term: bool = False

    def __str__(self) -> str:
        """Return a clause about the operation."""
        return f"{self.name}{f' ({self.place})' if self.place else ''} gives 0 throughout: {self.why}"


def drops_all(model: nn.Module) -> bool:
    """Whether a dropout of a model drops everything."""
    return any(isinstance(one, _DropoutNd) and one.training and one.p >= 1 for one in model.modules())


_Found = tuple[bool, str, str]  # whether the output is 0, why, and what to do about it


def told_zero(name: str, args: Args, kwargs: Kwargs) -> tuple[bool, str, str, bool] | None:
    """Return what is known of a function that may multiply by 0 before it is called; None for any other function.

    Returns:
        Whether its result is 0 whatever its input is, why, what to do about it, and whether it is a single number.
    """
    told = _WAYS[name](name, args, kwargs) if name in _WAYS and args else None
    if told is None:
        return None
    term = name in _PRODUCTS and all(one.numel() == 1 for one in args if isinstance(one, Tensor))
    return *told[:2], _NOTHING if term else told[2], term


def _dropout(name: str, args: Args, kwargs: Kwargs) -> _Found | None:
    share = args[1] if len(args) > 1 else kwargs.get("p", 0.5)
    training = args[2] if len(args) > 2 else kwargs.get("training", True)
    if not isinstance(share, (int, float)) or not training:
        return None
    return share >= 1, "p = 1 drops all of it in training", "Take a p below 1: it is the share to drop, not to keep."


def _product(name: str, args: Args, kwargs: Kwargs) -> _Found | None:
    pair = [*args, *kwargs.values()][:2]
    for one, other in (pair, pair[::-1]) if len(pair) == 2 else ():
        # A factor that depends on trained parameters may change with the next step.
        if isinstance(one, Tensor) and one.requires_grad and not getattr(other, "requires_grad", False):
            many = isinstance(other, Tensor) and other.ndim
            return _is_zero(other) and not _is_zero(one), f"the other factor is {'all ' if many else ''}0", _LOOK
    return None


def _fill(name: str, args: Args, kwargs: Kwargs) -> _Found | None:
    one, mask, value = [*args, *kwargs.values(), None, None][:3]
    if not (
        isinstance(one, Tensor) and one.requires_grad and isinstance(mask, Tensor) and not isinstance(value, Tensor)
    ):
        return None
    return value == 0 and bool(mask.all()), "the mask is True everywhere, and fills in 0", _LOOK


def _exponential(name: str, args: Args, kwargs: Kwargs) -> _Found | None:
    one = args[0]
    if not (isinstance(one, Tensor) and one.requires_grad and one.numel()):
        return None
    kind = str(one.dtype).removeprefix("torch.")
    most = number(float(one.detach().amax()), 3)
    return not bool(one.detach().exp().any()), f"it underflows {kind}, its exponents being {most} and less", _WIDER


_NOTHING = "Nothing, if it is meant to count 0 now."
_LOOK = "Look at how that is made: a mask the wrong way round, a buffer that is never filled, a weight that stays at 0."
_WIDER = (
    "Let the exponents be of a size of 1: a wider kernel, distances divided by their mean or by the number of "
    "features, or a softmax of the exponents, which keeps the nearest."
)
_WAYS = {
    "exp": _exponential,
    **dict.fromkeys(_DROPOUTS, _dropout),
    **dict.fromkeys(_PRODUCTS, _product),
    **dict.fromkeys(_FILLS, _fill),
}


def _is_zero(value: object) -> bool:
    return not bool(value.any()) if isinstance(value, Tensor) else isinstance(value, (int, float)) and value == 0
