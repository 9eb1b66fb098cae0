"""A loss of named numbers, with its gradient at many points at once, by the fastest correct method."""

import contextlib
import copy
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol

import torch
from torch import Tensor

from gradwidgets.core.losses.batched import Batched
from gradwidgets.core.losses.hints import hint
from gradwidgets.core.losses.loss_call import LossCall, LossError, cause_of
from gradwidgets.core.losses.precision import agree, in_single
from gradwidgets.core.losses.recording import Recorded
from gradwidgets.core.losses.reference import Doubled
from gradwidgets.core.losses.twice import Twice
from gradwidgets.core.objectives.axes import check_loss_axes
from gradwidgets.core.objectives.objective import Objective
from gradwidgets.core.results.slices import SLICE, Slices, finish
from gradwidgets.core.subject.held.tensors import has_numbers
from gradwidgets.core.subject.home import abroad
from gradwidgets.core.subject.threads import all_threads, one_thread
from gradwidgets.core.subject.undisturbed import SEED, Undisturbed

Method = Literal["vectorized", "vmap", "pointwise"]


class Watch(Protocol):
    """A context manager that sees every operation of a call and of its backward pass."""

    def __enter__(self) -> object: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> object: ...

    def back(self, value: Tensor, leaves: list[Tensor]) -> None:
        """Run the backward pass from a scalar to the leaves."""


_COMPARED = 5  # points on which the methods are compared before one is chosen
_SPREAD = 64  # points at which a loss is tried if it raises at all of those
_BLOCK = 2**16  # points in one call, at most
_KEPT_BYTES = 2**28  # that one call may keep for the backward pass, at most
_MESSAGE_LENGTH = 300  # characters of an error's message, at most


@dataclass(frozen=True, eq=False)
class Values:
    """A loss and its gradient at N points.

    Attributes:
        loss: The losses, (N,).
        gradient: The gradients, (N, P); zero for a parameter without a gradient path, or if none was requested.
        reached: For each of the P parameters, whether any gradient path leads to it.
        failed: Error message → the number of points whose call raised it; their loss and gradient are NaN.
        first_failure: The first point whose call raised, (P,), or None.
    """

    loss: Tensor
    gradient: Tensor
    reached: tuple[bool, ...]
    failed: Mapping[str, int]
    first_failure: tuple[float, ...] | None = None


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
        method: The method chosen; None before the first values.
        dtype: float64; float32 if the loss computes in it because the tensors or the model that it holds are float32,
            and its differences are then mostly rounding.
        costly: Whether a point takes long for the available time; False until it is set.
    """

    def __init__(
        self, loss: Callable[..., object], parameters: tuple[str, ...], fixed: Mapping[str, object] | None = None
    ) -> None:
        self.call = LossCall(loss, tuple(parameters), fixed)
        self.name, self.parameters, self.fixed = self.call.name, self.call.varied, self.call.fixed
        self.method: Method | None = None
        self.dtype = torch.float64
        self._undisturbed = Undisturbed(loss)
        # The block in which the loss runs.
        self._around: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext
        self._means, self._per_sample = False, 0  # whether the mean over samples is taken, and of how many
        self._shape: tuple[int, ...] = ()  # of the values per sample
        self._in_single = False  # whether a call has computed in a lower precision than float64
        # Recordings by dtype and block, for a loss that must be recorded.
        self._recorded: dict[tuple[torch.dtype, object], Recorded] | None = None
        self._block, self.costly = _BLOCK, False
        self._has_worked = False  # whether any call has returned a value: then an error concerns only its own point

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
        other.fixed, other._has_worked = other.call.fixed, False
        other._recorded = None if self._recorded is None else {}
        return other

    def reference(self) -> "LossFunction":
        """The same loss in float64, whatever its data and casts are; its method must be known."""
        other = copy.copy(self)
        other.dtype, other._around = torch.float64, Doubled
        return other

    def within(self, block: Callable[[], contextlib.AbstractContextManager[object]]) -> "LossFunction":
        """The same loss with each call in a further block; its method must be known, and not be a recording."""

        @contextlib.contextmanager
        def both() -> Iterator[None]:
            with around(), block():
                yield

        other, around = copy.copy(self), self._around
        other._around = both
        return other

    @property
    def is_recorded(self) -> bool:
        """Whether the recorded operations of one call are replayed for all others."""
        return self._recorded is not None

    @property
    def slow(self) -> bool:
        """Whether to limit the number of points: each is a call, or takes long for the available time."""
        return self.costly or self.method == "pointwise"

    @property
    def block(self) -> int:
        """The maximum number of points per call: fewer for a loss that keeps much data for its backward pass."""
        return self._block

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
                self._choose_method(points)
        if unknown:
            yield 0.0
        with torch.inference_mode(False):
            points = points.to(dtype or self.dtype)
        if self.method != "pointwise":
            try:
                return (yield from self._in_blocks(points, gradient))
            except Exception as error:
                if points.dtype != self.dtype:
                    raise LossError(self._sentence(error)) from cause_of(error)
                if self._around is not contextlib.nullcontext:
                    return (yield from self._pointwise(points, gradient))
                # A method that worked for a few points fails at some other point: find out which.
                self.method = "pointwise"
        return (yield from self._pointwise(points, gradient))

    def _in_blocks(self, points: Tensor, gradient: bool) -> Slices[Values]:
        parts = []
        for first in range(0, max(len(points), 1), self._block):
            parts.append(self._at_once(points[first : first + self._block], self.method, gradient))
            yield min(1.0, (first + self._block) / max(len(points), 1))
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
                value = self._mean(self.call.checked(self.call(*leaves)))
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
                values.append(float(self._mean(self.call.checked(value)).detach().sum()))
                self._undisturbed.reseed()
            return values

    def _at_once(self, points: Tensor, method: Method | None, gradient: bool = True) -> Values:
        # Waking a thread takes longer than computing a block of points, especially on a busy machine.
        elementwise = method == "vectorized" and not self._undisturbed.models
        with self._undisturbed(self.call) as block, block.again(), one_thread() if elementwise else all_threads():
            if method == "vmap" and self._recorded is not None:
                return self._by_recording(points, self._recorded)
            return self._with_gradient(*self._forward(points, method), gradient)

    def _by_recording(self, points: Tensor, known: dict[tuple[torch.dtype, object], Recorded]) -> Values:
        key = points.dtype, self._around
        if key not in known:
            known[key] = Recorded(self._tensor, self._slopes, points[len(points) // 2].unbind(-1))
        recorded = known[key]
        loss, gradient = recorded.at(points.unbind(-1))
        return Values(loss.to(points.dtype), gradient.to(points.dtype), recorded.reached, {})

    def _forward(self, points: Tensor, method: Method | None) -> tuple[Tensor, list[Tensor]]:
        """The losses with their graph, and its leaves; both passes must run inside the undisturbed block."""
        leaves = [column.clone().requires_grad_() for column in points.unbind(-1)]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
            if method == "vmap":
                with Batched():
                    value = torch.func.vmap(self._tensor, randomness="same")(*leaves)
            else:
                value = self._tensor(*leaves)
        if value.shape != (len(points),):
            raise LossError(
                f"{self.name} must return one value per point, shape ({len(points)},) for {len(points)} points; it "
                f"returned shape {tuple(value.shape)}"
            )
        return value, leaves

    def _tensor(self, *leaves: Tensor) -> Tensor:
        return self._mean(self.call.checked(self.call(*leaves, around=self._around)))

    def _mean(self, value: Tensor) -> Tensor:
        """Reduce a loss's values, one per sample, to their mean."""
        return value.mean() if self._means and value.ndim and value.is_floating_point() else value

    def _with_gradient(self, value: Tensor, leaves: list[Tensor], gradient: bool = True) -> Values:
        gradients: Sequence[Tensor | None] = [None] * len(leaves)
        if gradient and value.requires_grad:
            gradients = self._slopes(value.sum(), leaves)
        reached = tuple(gradient is not None for gradient in gradients)
        filled = [torch.zeros_like(leaf) if g is None else g for g, leaf in zip(gradients, leaves, strict=True)]
        loss = value.detach().to(leaves[0].dtype)
        return Values(loss, torch.stack([g.detach() for g in filled], dim=-1), reached, {})

    def _slopes(self, total: Tensor, leaves: list[Tensor]) -> tuple[Tensor | None, ...]:
        # A custom backward is user code.
        with abroad() if self._around is Doubled else contextlib.nullcontext(), self._around():
            return torch.autograd.grad(total, leaves, allow_unused=True)

    def _pointwise(self, points: Tensor, with_gradient: bool) -> Slices[Values]:
        count, width = points.shape
        with torch.inference_mode(False):
            loss, gradient = (points.new_full(shape, float("nan")) for shape in ((count,), (count, width)))
        reached, k = [False] * width, 0
        failed: dict[str, int] = {}
        first: tuple[float, ...] | None = None
        while k < count:
            asked = time.perf_counter()
            with self._undisturbed(self.call) as block, block.again():
                begun = time.perf_counter()
                deadline = begun + max(SLICE, begun - asked)  # to copy a large model takes long
                while k < count and time.perf_counter() < deadline:
                    try:
                        one = self._at_point(points[k], with_gradient)
                    except Exception as error:
                        sentence = self._sentence(error)
                        failed[sentence] = failed.get(sentence, 0) + 1
                        first = first or tuple(points[k].tolist())
                    else:
                        loss[k], gradient[k] = one.loss, one.gradient
                        reached = [a or b for a, b in zip(reached, one.reached, strict=True)]
                    k += 1
            yield k / count
        if count and sum(failed.values()) == count:
            known = self._has_worked and self._around is contextlib.nullcontext and points.dtype == self.dtype
            if not known:
                raise LossError(next(iter(failed)))
            reached = [True] * width  # nothing shows the contrary
        return Values(loss, gradient, tuple(reached), failed, first)

    def _at_point(self, point: Tensor, gradient: bool = True) -> Values:
        self._undisturbed.renew()
        leaves = [number.clone().requires_grad_() for number in point.unbind(-1)]
        value = self._mean(self.call.checked(self.call(*leaves, around=self._around)))
        if value.numel() != 1:
            self._per_sample, self._shape = self._per_sample or value.numel(), self._shape or tuple(value.shape)
            raise LossError(
                f"{self.name} must return one value; for scalar inputs it returned shape {tuple(value.shape)}"
            )
        if self.method is None and not self._in_single:
            self._in_single = in_single(value)
        self._has_worked = True
        return self._with_gradient(value.reshape(()), leaves, gradient)

    @property
    def _shape_words(self) -> str:
        return "one per sample" if len(self._shape) == 1 else f"in a tensor of shape {self._shape}"

    def _sentence(self, error: Exception) -> str:
        if isinstance(error, LossError):
            return str(error)
        text = " ".join(str(error).split())
        text = text if len(text) <= _MESSAGE_LENGTH else f"{text[:_MESSAGE_LENGTH].rpartition(' ')[0]} …"
        call = f"{self.name}({', '.join([*self.parameters, *self.fixed])})"
        text = f"{text.rstrip('.')}{more}" if (more := hint(text, self.fixed)) else text
        return f"{call} raised {type(error).__name__}: {text}" if text else f"{call} raised {type(error).__name__}"

    # -- which way ----------------------------------------------------------------------------------------

    def _choose_method(self, points: Tensor) -> None:
        few = (
            points[torch.linspace(0.13, 0.91, _COMPARED).mul(len(points)).long()] if len(points) > _COMPARED else points
        )
        any(self._find_dtype_and_form(point) for point in few)
        few = few.to(self.dtype)
        truth = self._reference_values(few)
        self._check_randomness(few[0], truth[0])
        self._block = self._fitting_block(few[0])
        errors = [value for value in truth if isinstance(value, Exception)]
        values = [value for value in truth if isinstance(value, Tensor)]
        methods: tuple[Method, ...] = ("vectorized", "vmap")
        for method in methods:
            try:
                tried = self._at_once(few, method).loss
            except Exception as error:
                if len(errors) == len(truth):
                    errors.append(error)
                continue
            if len(errors) >= len(truth):  # it needs many points at once: a point's value may depend on the others
                some = self._at_once(few[: (len(few) + 1) // 2], method).loss
                right = torch.allclose(tried[: len(some)], some, rtol=1e-6, atol=0, equal_nan=True)
            else:
                right = not errors and agree(tried, values)
            if right:
                self.method = method
                return
        if not errors and self._can_be_recorded(few):
            self.method = "vmap"
            return
        if len(errors) >= len(truth) and not any(self._find_dtype_and_form(point) for point in _spread(points)):
            raise LossError(self._sentence(errors[0])) from cause_of(errors[0])
        self.method = "pointwise"

    def _fitting_block(self, point: Tensor) -> int:
        """The number of points per call, from the memory that a call with one keeps for its backward pass."""
        kept: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            if has_numbers(tensor):
                storage = tensor.untyped_storage()
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        noting = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
        with self._undisturbed(self.call) as block, block.again(), contextlib.suppress(Exception), noting:
            self._at_point(point)
        return max(1, min(_BLOCK, _KEPT_BYTES // max(1, sum(kept.values()))))

    def _can_be_recorded(self, few: Tensor) -> bool:
        """Whether a recording at one of a few points reproduces the call at each, gradients included."""
        self._recorded = {}
        try:
            tried = self._at_once(few, "vmap")
            known = finish(self._pointwise(few, True))
            if not known.failed and all(
                agree(got.flatten(), list(right.flatten()))
                for got, right in ((tried.loss, known.loss), (tried.gradient, known.gradient))
            ):
                return True
        except Exception:  # whatever it is, another method remains
            pass
        self._recorded = None
        return False

    def _reference_values(self, few: Tensor) -> list[Tensor | Exception]:
        found: list[Tensor | Exception] = []
        with self._undisturbed(self.call) as block, block.again():
            for point in few:
                try:
                    found.append(self._at_point(point).loss)
                except Exception as error:
                    found.append(error)
        return found

    def _find_dtype_and_form(self, point: Tensor) -> bool:
        """Find the dtype and the form of constants with which the loss works at a point; return whether it does."""
        self.call.arrays_as_tensors = False
        if (works := self._works_at(point)) or not self.call.arrays:
            return works
        self.call.arrays_as_tensors = True
        if works := self._works_at(point):
            names = " and ".join(self.call.arrays)
            self._undisturbed.notes["arrays"] = f"{names} in fixed, not a tensor, is passed as one"
        return works

    def _works_at(self, point: Tensor) -> bool:
        errors: list[Exception] = []
        for means, dtype in (
            (False, torch.float64),
            (False, torch.float32),
            (True, torch.float64),
            (True, torch.float32),
        ):
            if means and not self._per_sample:
                break
            for plain, whole in ((False, False), (True, False), (False, True)):
                self.dtype, self._in_single, self._means = dtype, False, means
                self.call.plain_numbers, self.call.whole_as_tensors = plain, whole
                result = self._reference_values(point.to(dtype)[None])[0]
                if not isinstance(result, Exception):
                    if means:
                        self._undisturbed.notes["mean"] = (
                            f"it returns {self._per_sample} values for one point, {self._shape_words}: "
                            "their mean is taken"
                        )
                    if dtype == torch.float32:
                        self._undisturbed.notes["float32"] = (
                            "computed in float32: the loss holds float32 tensors and does not support float64"
                        )
                    elif self._in_single:
                        # With data tensors involved, the dtype of a scalar does not matter.
                        self.dtype = torch.float32
                        self._undisturbed.notes["float32"] = "computed in float32, as the tensors that it holds are"
                    return True
                errors.append(result)
                if not any(type(value) in (int, float) for value in self.fixed.values()):
                    break
        # None works here. Keep float32 if its error at least is not about dtypes.
        self.call.plain_numbers = self.call.whole_as_tensors = self._means = False
        if not ("dtype" in str(errors[0]) and str(errors[-1]) != str(errors[0])):
            self.dtype = torch.float64
        return False

    def _check_randomness(self, point: Tensor, known: Tensor | Exception) -> None:
        if isinstance(known, Exception):
            return
        self._undisturbed.seed = SEED + 1
        other = self._reference_values(point[None])[0]
        self._undisturbed.seed = SEED
        if not isinstance(other, Exception) and not agree(other[None], [known]):
            self._undisturbed.notes["random"] = "it draws random numbers: the same ones at every point and every time"

    # -- curvature ----------------------------------------------------------------------------------------

    def hessian(self, point: Tensor) -> Tensor:
        """Compute the Hessian at one point by autograd, (P, P), symmetric.

        Args:
            point: The point, (P,).

        Raises:
            LossError: The loss has no second derivative there.
        """
        with self._undisturbed(self.call) as block, block.again(), Twice():
            leaf = point.detach().to(self.dtype).clone().requires_grad_()
            try:
                if self.method == "vectorized":
                    value = self.call(*(part[None] for part in leaf.unbind(-1)), around=self._around)
                else:
                    value = self.call(*leaf.unbind(-1), around=self._around)
                (gradient,) = torch.autograd.grad(self._mean(self.call.checked(value)).sum(), leaf, create_graph=True)
                rows = [
                    torch.autograd.grad(entry, leaf, retain_graph=True, allow_unused=True)[0]
                    if entry.requires_grad
                    else None
                    for entry in gradient
                ]
            except Exception as error:
                raise LossError(f"no second derivative: {self._sentence(error)}") from error
            matrix = torch.stack([torch.zeros_like(leaf) if row is None else row for row in rows]).detach()
            return (matrix + matrix.T) / 2

    def hessians(self, points: Tensor) -> Tensor:
        """`hessian` at many points, (N, P), batched if the loss is computed that way: (N, P, P).

        Raises:
            LossError: The loss has no second derivative at one of them, or none that can be batched.
        """
        if self.method == "pointwise" or self._recorded is not None:
            return torch.stack([self.hessian(point) for point in points])
        try:
            with self._undisturbed(self.call) as block, block.again(), Twice():
                value, leaves = self._forward(points.detach().to(self.dtype), self.method)
                first = torch.autograd.grad(value.sum(), leaves, create_graph=True, allow_unused=True)
                zeros = torch.zeros_like(leaves[0])
                rows = []
                for slope in first:
                    row: Sequence[Tensor | None] = [None] * len(leaves)
                    if slope is not None and slope.requires_grad:
                        row = torch.autograd.grad(slope.sum(), leaves, retain_graph=True, allow_unused=True)
                    rows.append(torch.stack([zeros if entry is None else entry.detach() for entry in row], dim=-1))
        except Exception as error:
            raise LossError(f"no second derivative: {self._sentence(error)}") from error
        with torch.inference_mode(False):
            matrices = torch.stack(rows, dim=-2)
            return (matrices + matrices.mT) / 2


def _spread(points: Tensor) -> Tensor:
    """Points spread over the bounding box of others, (N, P): a loss that raises at those may work there."""
    low, high, dims = points.amin(0), points.amax(0), points.shape[1]
    side = (torch.arange(round(_SPREAD ** (1 / dims)), dtype=points.dtype) + 0.43) / round(_SPREAD ** (1 / dims))
    return low + torch.cartesian_prod(*[side] * dims).reshape(-1, dims) * (high - low)


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
