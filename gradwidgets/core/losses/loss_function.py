"""A loss of named numbers, with its gradient at many points at once, by the fastest correct method."""

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Protocol

import torch
from torch import Tensor

from gradwidgets.core.losses.evaluation.at_points import Evaluation, Method
from gradwidgets.core.losses.evaluation.form_choice import choose_form
from gradwidgets.core.losses.evaluation.loss_values import Values
from gradwidgets.core.losses.hessian import hessian, hessians
from gradwidgets.core.losses.loss_call import LossCall, LossError, cause_of
from gradwidgets.core.losses.reference import Doubling
from gradwidgets.core.objectives.axes import check_loss_axes
from gradwidgets.core.objectives.objective import Objective
from gradwidgets.core.results.slices import Slices, finish
from gradwidgets.core.subject.home import abroad
from gradwidgets.core.subject.undisturbed import Undisturbed


class Watch(Protocol):
    """A context manager that sees every operation of a call and of its backward pass."""

    def __enter__(self) -> object: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> object: ...

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Run the backward pass from a scalar to the leaves."""


class LossFunction:
    """A loss at many points.

    Three methods give the same numbers. "vectorized": one call with all points at once, for a loss that works
    elementwise. "vmap": `torch.func.vmap` over the points, for one that reduces to a scalar or mixes its inputs, or
    over its recorded operations, see `Recorded`, for one that computes gradients itself. "pointwise": one call per
    point, for one whose Python code depends on its values. The method is chosen by comparing them on a few points,
    when the first values are requested.

    Args:
        loss: The loss, see `LossCall`.
        parameters: The names of the parameters to vary.
        fixed: The values of the other parameters.

    Attributes:
        name: The loss's name.
        parameters: As given.
        fixed: As given.
        costly: Whether a point takes long for the available time; False until it is set.
    """

    def __init__(
        self, loss: Callable[..., object], parameters: tuple[str, ...], fixed: Mapping[str, object] | None = None
    ) -> None:
        self.call = LossCall(loss, tuple(parameters), fixed)
        self.name, self.parameters, self.fixed = self.call.name, self.call.varied, self.call.fixed
        self.costly = False
        self._undisturbed = Undisturbed(loss)
        self._evaluation = Evaluation(self.call, self._undisturbed)

    @property
    def method(self) -> Method | None:
        """The method chosen; None before the first values."""
        return self._evaluation.form.method

    @property
    def dtype(self) -> torch.dtype:
        """The dtype in which the loss is computed.

        float64; float32 if the loss computes in it because the tensors or the model that it holds are float32, and its
        differences are then mostly rounding.
        """
        return self._evaluation.form.dtype

    @property
    def notes(self) -> tuple[str, ...]:
        """The side effects and oddities of the loss, one sentence each."""
        notes, changed = list(self._undisturbed.notes.values()), self.call.changed
        inputs = [name for name in self.parameters if name in changed]
        if inputs:
            notes.append(
                f"it changes {' and '.join(inputs)} in place, which torch forbids for a leaf that requires grad: "
                "each call gets copies"
            )
        data = [name for name in self.fixed if name in changed]
        if data:
            notes.append(f"it changes {' and '.join(data)}, passed in fixed, in place: each call gets a copy")
        return tuple(notes)

    def with_fixed(self, fixed: Mapping[str, object]) -> "LossFunction":
        """The same loss with other constants, computed by the same method."""
        other = copy.copy(self)
        other.call = LossCall(self.call.loss, self.parameters, fixed)
        other.call.plain_numbers, other.call.whole_as_tensors = self.call.plain_numbers, self.call.whole_as_tensors
        other.call.arrays_as_tensors, other.call.changed = self.call.arrays_as_tensors, self.call.changed
        other.fixed, other._evaluation = other.call.fixed, self._evaluation.copy()
        other._evaluation.call, other._evaluation.has_worked = other.call, False
        if self.is_recorded:
            other._evaluation.form.recorded = {}
        return other

    def reference(self) -> "LossFunction":
        """The same loss in float64, whatever its data and casts are; its method must be known."""
        other = copy.copy(self)
        other._evaluation = self._evaluation.copy()
        other._evaluation.form.dtype, other._evaluation.around = torch.float64, Doubling()
        return other

    def within(self, block: Callable[[], contextlib.AbstractContextManager[object]]) -> "LossFunction":
        """The same loss with each call in a further block; its method must be known, and not be a recording."""

        @contextlib.contextmanager
        def both() -> Iterator[None]:
            with around(), block():
                yield

        around = self._evaluation.around
        other = copy.copy(self)
        other._evaluation = self._evaluation.copy()
        other._evaluation.around = both
        return other

    @property
    def is_recorded(self) -> bool:
        """Whether the recorded operations of one call are replayed for all others."""
        return self._evaluation.form.recorded is not None

    @property
    def slow(self) -> bool:
        """Whether to limit the number of points: each is a call, or takes long for the available time."""
        return self.costly or self.method == "pointwise"

    @property
    def why_pointwise(self) -> str:
        """Why each point is a call, in a sentence; "" if it is none, or that is not known."""
        return self._evaluation.form.why

    @property
    def block(self) -> int:
        """The maximum number of points per call: fewer for a loss that keeps much data for its backward pass."""
        return self._evaluation.form.block

    def kept(self) -> contextlib.AbstractContextManager[None]:
        """A block for many calls in a row, see `Undisturbed.kept`."""
        return self._undisturbed.kept(self.call)

    # -- values -------------------------------------------------------------------------------------------

    def values(self, points: Tensor, dtype: torch.dtype | None = None) -> Values:
        """Compute the loss and its gradient.

        Args:
            points: The points, (N, P).
            dtype: The dtype to compute in, if not the loss's own.

        Raises:
            LossError: The loss fails at every point tried, or does not return a loss value.
        """
        return finish(self.valuing(points, dtype))

    def valuing(self, points: Tensor, dtype: torch.dtype | None = None, gradient: bool = True) -> Slices[Values]:
        """`values` in slices; without the backward pass if only the loss is requested."""
        # The caller may be in inference mode, whose tensors cannot require grad or be written to outside it.
        with torch.inference_mode(False):
            points, unknown = points.detach().clone(), self.method is None
            if unknown:
                choose_form(self._evaluation, points)
        if unknown:
            yield 0.0
        with torch.inference_mode(False):
            points = points.to(dtype or self.dtype)
        if self.method != "pointwise":
            try:
                return (yield from self._in_blocks(points, gradient))
            except Exception as error:
                if points.dtype != self.dtype:
                    raise LossError(self._evaluation.sentence(error)) from cause_of(error)
                if self._evaluation.around is not contextlib.nullcontext:
                    return (yield from self._evaluation.pointwise(points, gradient))
                # A method that worked for a few points fails at some other point: find out which.
                self._evaluation.form.method = "pointwise"
        return (yield from self._evaluation.pointwise(points, gradient))

    def _in_blocks(self, points: Tensor, gradient: bool) -> Slices[Values]:
        parts = []
        for first in range(0, max(len(points), 1), self.block):
            parts.append(self._evaluation.at_once(points[first : first + self.block], self.method, gradient))
            yield min(1.0, (first + self.block) / max(len(points), 1))
        reached = tuple(any(part.reached[i] for part in parts) for i in range(points.shape[1]))
        with torch.inference_mode(False):
            return Values(torch.cat([p.loss for p in parts]), torch.cat([p.gradient for p in parts]), reached, {})

    def run_at(self, point: Tensor, dtype: torch.dtype, watch: Watch) -> None:
        """One plain call at one point, forward and backward, whatever the method for many points.

        Args:
            point: The point, (P,).
            dtype: The dtype to compute in.
            watch: The context manager in which it runs.

        Raises:
            Exception: Whatever the loss raises.
        """
        with self._undisturbed(self.call) as block, block.again(), torch.inference_mode(False), abroad():
            shape = (1,) if self.method == "vectorized" else ()
            leaves = [number.detach().clone().reshape(shape).requires_grad_() for number in point.to(dtype).unbind(-1)]
            with watch:
                value = self._evaluation.checked(self.call(*leaves))
                watch.back(value.sum() if value.ndim else value, leaves)

    @property
    def changes(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What calls have changed and was restored: of the data in `fixed`, and of what the loss holds."""
        data = tuple(name for name in self.fixed if name in self.call.changed)
        return data, self._undisturbed.held

    def repeated(self, point: Tensor, times: int = 2, before: Tensor | None = None) -> list[float]:
        """The loss at one point, repeatedly, each time with the state that the previous call left.

        Args:
            point: The point, (P,).
            times: The number of calls.
            before: The point of an extra first call, (P,); None for none.

        Raises:
            Exception: Whatever the loss raises.
        """
        with self._undisturbed(self.call) as block, block.again(), torch.inference_mode(False):
            values, first = [], None if before is None else before.to(self.dtype).unbind(-1)
            for value in self.call.repeated(*point.to(self.dtype).unbind(-1), times=times, before=first):
                values.append(float(self._evaluation.checked(value).detach().sum()))
                self._undisturbed.reseed()
            return values

    # -- curvature ----------------------------------------------------------------------------------------

    def hessian(self, point: Tensor) -> Tensor:
        """Compute the Hessian at one point by autograd, (P, P), symmetric.

        Args:
            point: The point, (P,).

        Raises:
            LossError: The loss has no second derivative there.
        """
        return hessian(self._evaluation, point)

    def hessians(self, points: Tensor) -> Tensor:
        """`hessian` at many points, (N, P), batched if the loss is computed that way: (N, P, P).

        Raises:
            LossError: The loss has no second derivative at one of them, or none that can be batched.
        """
        return hessians(self._evaluation, points)


def as_function(
    loss: Callable[..., object] | Objective,
    axes: Mapping[str, tuple[float, float]],
    fixed: Mapping[str, object] | None = None,
) -> LossFunction:
    """A loss or an objective as a function of the axes."""
    if isinstance(loss, Objective):
        return objective_function(loss, tuple(axes))
    return LossFunction(loss, tuple(check_loss_axes(axes)), fixed)


def objective_function(objective: Objective, names: tuple[str, ...]) -> LossFunction:
    """An objective as a function of its two parameters by name."""

    def call(**named: Tensor) -> Tensor:
        return objective(torch.stack([named[name] for name in objective.parameters], dim=-1))

    function = LossFunction(call, names)
    function.name = objective.name
    return function
