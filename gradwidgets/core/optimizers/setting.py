"""A setting of an optimizer, declared once: what it means, which values torch accepts, and which a panel offers."""

import math
from dataclasses import Field, dataclass, field, fields
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeGuard, Unpack

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Scale = Literal["even", "log", "0 and log", "near 1"]


@dataclass(frozen=True)
class Setting:
    """The description of a setting: a number, a pair of numbers or a flag.

    Attributes:
        meaning: What it does, in plain words.
        words: torch's name for it in error messages; for a pair, the index is appended.
        least: The smallest number that torch accepts.
        below: The exclusive upper bound.
        range: The smallest and the largest value a panel accepts.
        stops: The smallest and the largest value a slider reaches, apart from 0.
        scale: How a slider's stops are spaced: evenly; logarithmically, with or without 0 before them; or more densely
            towards 1.
    """

    meaning: str
    words: str = ""
    least: float = 0.0
    below: float = math.inf
    range: tuple[float, float] = (0.0, 1e6)
    stops: tuple[float, float] = (0.0, 1.0)
    scale: Scale = "even"

    def check(self, name: str, value: object, default: object) -> object:
        """Validate a value and return it as torch stores it; a ValueError has torch's wording, or one like it."""
        if isinstance(default, bool):
            return _flag(name, value)
        if isinstance(default, tuple):
            if not isinstance(value, (tuple, list)) or len(value) != len(default):
                raise ValueError(f"Invalid {name}: {value}")
            return tuple(self._number(f"{self.words} at index {i}", one) for i, one in enumerate(value))
        return self._number(self.words, value)

    def _number(self, words: str, value: object) -> float:
        if not _is_finite_number(value) or not self.least <= value < self.below:
            raise ValueError(f"Invalid {words}: {value}")
        return float(value)


class Bounds(TypedDict, total=False):
    """The other keyword arguments of `setting`, see `Setting`."""

    least: float
    below: float
    range: tuple[float, float]
    stops: tuple[float, float]
    scale: Scale


def setting(default: Any, meaning: str, words: str = "", **more: Unpack[Bounds]) -> Any:
    """Declare a field of an optimizer, see `Setting`."""
    return field(default=default, metadata={"setting": Setting(meaning, words, **more)})


def settings_of(rule: "DataclassInstance | type[DataclassInstance]") -> list[tuple[Field[Any], Setting]]:
    """The fields of an optimizer with their settings, in order."""
    return [(one, one.metadata["setting"]) for one in fields(rule)]


def lr(default: float = 1e-3) -> Any:
    """A learning rate."""
    meaning = "learning rate: how far one step goes along the negative gradient"
    return setting(default, meaning, "learning rate", stops=(1e-4, 10), scale="log")


def momentum() -> Any:
    """Momentum, of which torch accepts 1 and more."""
    meaning = "how much of the last step is kept: a ball that rolls on"
    return setting(0.0, meaning, "momentum value", range=(0, 10), scale="near 1")


def betas() -> Any:
    """How slowly the two averages of Adam and its family follow."""
    meaning = "how much of the averages is kept at every step: of the gradient, and of its square"
    highest = math.nextafter(1.0, 0.0)
    return setting((0.9, 0.999), meaning, "beta parameter", below=1.0, range=(0, highest))


def eps(default: float = 1e-8) -> Any:
    """What keeps a divisor from 0."""
    meaning = "keeps the divisor from 0: larger makes small gradients count less"
    return setting(default, meaning, "epsilon value", stops=(1e-10, 1), scale="0 and log")


def weight_decay(default: float = 0.0) -> Any:
    """Weight decay."""
    meaning = "pulls the parameters towards 0 at every step"
    return setting(default, meaning, "weight_decay value", stops=(1e-4, 10), scale="0 and log")


def decoupled_weight_decay() -> Any:
    """Which kind of weight decay."""
    return setting(False, "apply weight decay to the parameters themselves, as AdamW does, not to their gradient")


def amsgrad() -> Any:
    """Whether the divisor of Adam never shrinks."""
    return setting(False, "divide by the largest average of squares so far, so that steps never grow again")


def maximize() -> Any:
    """Whether to ascend."""
    return setting(False, "climb the loss instead of descending it")


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"Invalid {name} value: {value}")
    return value


def _is_finite_number(value: object) -> TypeGuard[float]:
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an int too large for a float
        return False
