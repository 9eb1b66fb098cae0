"""The base class of optimizers: what is needed to run them, draw them and write them as a script."""

from abc import ABC, abstractmethod
from dataclasses import Field, fields
from typing import Any, ClassVar, Protocol, Self, TypeVar

import torch
from torch import Tensor

from gradwidgets.core.optimizers.setting import settings_of

# What a rule keeps from step to step: tensors of the point's shape, and numbers, in a tuple of its own.
State = Tensor | tuple[Tensor | float | None, ...] | None
M = TypeVar("M")


class LinearStep(Protocol):
    """The step along one eigenvector of the Hessian, where the gradient is the curvature times the displacement."""

    def felt(self, curvature: float) -> float:
        """The effective curvature, including weight decay and the sign of the direction."""

    def radius(self, lr: float, felt: float) -> float:
        """The spectral radius: how much the step multiplies a displacement in the long run; it contracts below 1."""

    def why_never(self, felt: list[float]) -> str:
        """Why no lr contracts these curvatures, ascending; "" if one may."""

    def why_not_all(self) -> str:
        """Why even the best lr does not contract all of them at once."""

    def lr_limit(self, felt: list[float]) -> float:
        """The largest lr that contracts all of these curvatures, ascending."""

    def optimal_lr(self, felt: list[float]) -> float:
        """The lr of least radius over these curvatures, ascending."""


class Optimizer(ABC):
    """An optimizer: a frozen dataclass of its settings, named and validated like torch's.

    Every optimizer here is elementwise: each coordinate is updated from its own gradients alone, so points of any shape
    (..., 2) are updated side by side.

    Attributes:
        lr: Learning rate.
        maximize: Whether to ascend instead of descend.
        autonomous: Whether a step depends on the point, the gradient and the state's tensors alone. Once such a run
            repeats itself, it does so forever, and the rest need not be computed.
        own_part: The table header for the current gradient's contribution to a step.
        nonlinear: Why the optimizer has no linear step, in words; "" if it has one.
        formula: Its step, a line for each operation, for readers.
        visible_lr: A learning rate with which a hundred steps go a few units far, where no limit is lower.
        weight_decay: How much the parameters are pulled towards 0; 0 for an optimizer without it.
        decoupled_weight_decay: Whether that shrinks the point, instead of being added to the gradient.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    autonomous: ClassVar[bool]
    own_part: ClassVar[str] = "−lr·gradient"
    nonlinear: ClassVar[str] = ""
    formula: ClassVar[tuple[str, ...]] = ()
    visible_lr: ClassVar[float] = 0.1
    lr: float
    maximize: bool
    weight_decay: float = 0.0
    decoupled_weight_decay: bool = False

    def __post_init__(self) -> None:
        for field, setting in settings_of(self):
            object.__setattr__(self, field.name, setting.check(field.name, getattr(self, field.name), field.default))

    def init(self, point: Tensor) -> State:
        """Return the state before the first step from `point`."""
        return None

    @abstractmethod
    def step(
        self, point: Tensor, gradient: Tensor, state: Any = None, out: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Take one step, in torch's order of operations.

        Args:
            point: Where the optimizer stands, shape (..., 2).
            gradient: The objective's gradient there, same shape.
            state: The state returned by the last step or by `init`; each optimizer has its own kind.
            out: Where to write the next point, a tensor of the same shape; by default a new one.

        Returns:
            The next point and the next state. Nothing else is changed in place.
        """

    @abstractmethod
    def parts(self, point: Tensor, gradient: Tensor, state: Any) -> dict[str, Tensor]:
        """The vectors that add up to the step from here.

        Args:
            point: As in `step`.
            gradient: As in `step`.
            state: As in `step`.

        Returns:
            "gradient", "weight decay" and "momentum", as far as they apply, each of the point's shape.
        """

    def _begin(self, point: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """What torch does first: point and gradient with weight decay; to climb, the gradient is turned before."""
        direction = -gradient if self.maximize else gradient
        if self.weight_decay == 0:
            return point, direction
        if self.decoupled_weight_decay:
            return point * (1 - self.lr * self.weight_decay), direction
        return point, torch.add(direction, point, alpha=self.weight_decay)

    def _shares(self, point: Tensor, gradient: Tensor, scale: Tensor | float) -> dict[str, Tensor]:
        """The parts that gradient and weight decay have in a step that counts this step's direction `scale` times."""
        found = {"gradient": scale * (-gradient if self.maximize else gradient)}
        if self.weight_decay:
            share = -self.lr * self.weight_decay if self.decoupled_weight_decay else scale * self.weight_decay
            found["weight decay"] = share * point
        return found

    def lookahead(self, point: Tensor, state: Any) -> Tensor | None:
        """The look-ahead point, if the gradient is meant for another point than the current one."""
        return None

    def linearised(self) -> LinearStep | None:
        """The linearized step near a minimum; None if the step is not linear."""
        return None

    def at_first(self) -> "Optimizer":
        """An optimizer whose steps this one's first are like, and whose limit it had better keep; mostly itself."""
        return self

    def moved(self, **settings: Any) -> Self:
        """The same optimizer with other settings, which are not checked: a schedule's, at one step."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, **settings)
        return other

    def torch(self) -> tuple[str, dict[str, object]]:
        """The name of the equivalent `torch.optim` class, and its keyword arguments: lr and all non-default ones."""
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
    """Elementwise, whether the tensors of two states are equal."""
    same: Tensor | bool = True
    for one, other in zip(tensors(now), tensors(before), strict=True):
        same = (one == other) & same
    return same


def of_column(state: State, column: int) -> State:
    """Copy the state of one of several points that were updated side by side, coordinates first."""
    if isinstance(state, tuple):
        members = [_column(member, column) for member in state]
        return getattr(state, "_make", tuple)(members)  # NamedTuples have `_make`, plain tuples do not
    return _column(state, column)


def _column(member: M, column: int) -> M | Tensor:
    return member[:, column].clone() if isinstance(member, Tensor) else member
