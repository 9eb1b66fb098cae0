"""A setting of a rule, declared once: what it means, which values torch takes, and which a panel offers."""

import math
from dataclasses import Field, dataclass, field, fields
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeGuard, Unpack

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Scale = Literal["even", "log", "0 and log", "near 1"]


@dataclass(frozen=True)
class Setting:
    """What there is to know about a number, a pair of numbers or a flag.

    Attributes:
        meaning: What it does, in plain words.
        words: How torch names it when it refuses one, followed by nothing or, for a pair, by the index.
        least: The smallest number that torch takes.
        below: What the number has to be below.
        range: The smallest and the largest that a panel takes.
        stops: The smallest and the largest that a slider reaches, 0 aside.
        scale: How a slider's stops are spread: evenly; by factors, or by factors with 0 before them; or ever denser
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
        """The value as torch keeps it; ValueError in torch's words, or in words of the same kind."""
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
    """What `setting` takes besides, see `Setting`."""

    least: float
    below: float
    range: tuple[float, float]
    stops: tuple[float, float]
    scale: Scale


def setting(default: Any, meaning: str, words: str = "", **more: Unpack[Bounds]) -> Any:
    """Declare a field of a rule, see `Setting`."""
    return field(default=default, metadata={"setting": Setting(meaning, words, **more)})


def settings_of(rule: "DataclassInstance | type[DataclassInstance]") -> list[tuple[Field[Any], Setting]]:
    """The fields of a rule with what is known about each, in order."""
    return [(one, one.metadata["setting"]) for one in fields(rule)]


def lr() -> Any:
    """A learning rate."""
    meaning = "learning rate: how far one step goes along the negative gradient"
    return setting(1e-3, meaning, "learning rate", stops=(1e-4, 10), scale="log")


def weight_decay() -> Any:
    """Weight decay."""
    meaning = "pulls the parameters towards 0 at every step"
    return setting(0.0, meaning, "weight_decay value", stops=(1e-4, 10), scale="0 and log")


def maximize() -> Any:
    """Whether to climb."""
    return setting(False, "climb the loss instead of descending it")


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"Invalid {name} value: {value}")
    return value


def _is_finite_number(value: object) -> TypeGuard[float]:
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an int beyond every float
        return False
