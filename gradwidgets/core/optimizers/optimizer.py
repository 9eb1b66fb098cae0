"""What a rule has to be to be followed, drawn and written down."""

from abc import ABC, abstractmethod
from dataclasses import Field, fields
from typing import Any, ClassVar, Protocol, TypeVar

from torch import Tensor

from gradwidgets.core.optimizers.setting import settings_of

# What a rule remembers from step to step: tensors of the point's shape, and numbers, in a tuple of its own.
State = Tensor | tuple[Tensor | float | None, ...] | None
M = TypeVar("M")


class LinearStep(Protocol):
    """The step along one eigenvector of the Hessian, where the gradient is the curvature times the displacement."""

    def felt(self, curvature: float) -> float:
        """The curvature as the rule feels it, weight decay and direction included."""

    def radius(self, lr: float, felt: float) -> float:
        """By how much the step multiplies a displacement in the long run: below 1 it contracts."""

    def why_never(self, felt: list[float]) -> str:
        """Why no lr contracts these, ascending; "" where one may."""

    def why_not_all(self) -> str:
        """Why even the best lr does not contract all of them at once."""

    def lr_limit(self, felt: list[float]) -> float:
        """The largest lr that contracts all of these, ascending."""

    def optimal_lr(self, felt: list[float]) -> float:
        """The lr of least radius over these, ascending."""


class Optimizer(ABC):
    """A rule of descent: a frozen dataclass of its settings, named and checked as torch's are.

    Every rule here is elementwise: each number of a point goes its way by its own gradients, so that points of any
    shape (..., 2) walk side by side.

    Attributes:
        lr: Learning rate.
        maximize: Climb instead of descend.
        autonomous: Whether a step depends on the point, the gradient and the state's tensors alone. A run that has
            come to repeat itself then does so for ever, and the rest need not be computed.
        own_part: How a table heads what the present gradient contributes to a step.
        nonlinear: Why the rule has no linear step, in words; "" if it has one.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    autonomous: ClassVar[bool]
    own_part: ClassVar[str] = "−lr·gradient"
    nonlinear: ClassVar[str] = ""
    lr: float
    maximize: bool

    def __post_init__(self) -> None:
        for field, setting in settings_of(self):
            object.__setattr__(self, field.name, setting.check(field.name, getattr(self, field.name), field.default))

    def init(self, point: Tensor) -> State:
        """Return what is remembered before the first step from `point`."""
        return None

    @abstractmethod
    def step(
        self, point: Tensor, gradient: Tensor, state: Any = None, out: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """One step, in torch's order of operations.

        Args:
            point: Where the optimizer stands, shape (..., 2).
            gradient: The objective's gradient there, same shape.
            state: What the last step returned, or `init`: each rule takes its own kind alone.
            out: Where to write the next point, a tensor of the same shape; by default a new one.

        Returns:
            The next point and the next state. Nothing else is changed in place.
        """

    @abstractmethod
    def parts(self, point: Tensor, gradient: Tensor, state: Any) -> dict[str, Tensor]:
        """The vectors that make up the step from here, which add up to it.

        Args:
            point: As in `step`.
            gradient: As in `step`.
            state: As in `step`.

        Returns:
            "gradient", "weight decay" and "momentum", as far as they play a part, each of the point's shape.
        """

    def lookahead(self, point: Tensor, state: Any) -> Tensor | None:
        """Where the rule looks at the gradient in thought, if that is not where it stands."""
        return None

    def linearised(self) -> LinearStep | None:
        """The step near a minimum; None where it isn't linear in what it knows."""
        return None

    def torch(self) -> tuple[str, dict[str, object]]:
        """The class in `torch.optim` that does the same, by name, and its keywords: lr and what isn't its default."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        defaults = {f.name: f.default for f in fields(self)}
        return type(self).__name__, {
            name: value for name, value in values.items() if name == "lr" or value != defaults[name]
        }


def tensors(state: State) -> list[Tensor]:
    """The tensors of a state, in order."""
    members = state if isinstance(state, tuple) else (state,)
    return [member for member in members if isinstance(member, Tensor)]


def repeats(now: State, before: State) -> Tensor | bool:
    """Where the tensors of two states are the same, elementwise."""
    same: Tensor | bool = True
    for one, other in zip(tensors(now), tensors(before), strict=True):
        same = (one == other) & same
    return same


def of_column(state: State, column: int) -> State:
    """The state of one of several points that walked side by side, coordinates first, as a copy."""
    if isinstance(state, tuple):
        members = [_column(member, column) for member in state]
        return getattr(state, "_make", tuple)(members)  # a NamedTuple's own way, or a plain tuple
    return _column(state, column)


def _column(member: M, column: int) -> M | Tensor:
    return member[:, column].clone() if isinstance(member, Tensor) else member
