"""The user's own function as an objective."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from gradwidgets.core.objectives.axes import Axes, check_axes
from gradwidgets.core.objectives.function_source import function_source
from gradwidgets.core.objectives.objective import Objective, as_single_point
from gradwidgets.core.objectives.points import as_points, as_start
from gradwidgets.core.results.slices import Slices
from gradwidgets.core.subject.home import abroad, at_home
from gradwidgets.core.subject.untouched import Untouched

T = TypeVar("T")


class ObjectiveError(ValueError):
    """The user's function failed, or returned something that is not an objective's value."""


@at_home
def as_objective(
    fn: Callable[..., Tensor],
    *,
    parameters: tuple[str, str] | None = None,
    view: Mapping[str, tuple[float, float]] | None = None,
    start: tuple[float, float] | None = None,
    minima: tuple[tuple[float, float], ...] = (),
) -> Objective:
    """Wrap a function of two parameters as an `Objective`.

    Args:
        fn: Either f(a, b), two tensors of shape (N,) → values (N,), whose argument names become the
            parameters' names; or f(points), a tensor of shape (N, 2) → values (N,). Written with torch
            operations, so that autograd finds the gradient. It is called with fresh float tensors, and
            torch's random state is restored after each call: a function that draws random numbers gets the
            same ones each time.
        parameters: The two names; by default fn's own argument names, or "a" and "b".
        view: Name → (low, high), the first drawn horizontally; by default −5 to 5, widened to
            include start and minima.
        start: Where the descent begins; by default a point towards the view's upper left.
        minima: The minimizers, if known.

    Returns:
        An objective whose errors are `ObjectiveError`s (a ValueError) that name the failing call.

    Raises:
        TypeError: `fn` is not callable, or takes neither one nor two arguments.
        ValueError: Names, view, start or minima do not fit together.
    """
    if isinstance(fn, Objective):
        return fn
    if not callable(fn):
        raise TypeError(f"an objective must be a function of two parameters; got {type(fn).__name__} {fn!r:.60}")
    arguments = _required_arguments(fn)
    if len(arguments) > 2:
        raise TypeError(
            f"an objective takes f(a, b) or f(points); {_name_of(fn)} needs {len(arguments)} arguments: "
            f"{', '.join(arguments)}"
        )
    split = len(arguments) == 2
    names = _check_names(parameters or (tuple(arguments) if split else ("a", "b")))
    places = tuple(_place(place, "each of minima") for place in minima)
    first = None if start is None else _place(start, "start")
    axes = (
        check_axes(view, names, "view")
        if view is not None
        else _wide_view(names, (*places, *([first] if first else [])))
    )
    if first is None:
        (left, right), (low, high) = axes[names[0]], axes[names[1]]
        # Off-centre and off the diagonals, where a symmetric function would show only half of itself.
        first = left + 0.15 * (right - left), low + 0.8 * (high - low)
    return OwnObjective(fn, split, names, axes, first, places)


class OwnObjective(Objective):
    """A user's function as an objective, made by `as_objective`."""

    def __init__(
        self,
        fn: Callable[..., Tensor],
        split: bool,
        parameters: tuple[str, str],
        view: Axes,
        start: tuple[float, float],
        minima: tuple[tuple[float, float], ...],
    ) -> None:
        self.fn, self.split = fn, split
        self.name = _name_of(fn)
        self.parameters, self.view, self.start, self.minima = parameters, view, start, minima
        self._watched = False  # whether a caller restores later what the function changes

    def watched(self, work: Slices[T]) -> Slices[T]:  # noqa: D102
        while True:
            try:
                step = self._untouched(partial(next, work))
            except StopIteration as end:
                return end.value
            yield step

    def _untouched(self, work: Callable[[], T]) -> T:
        """Call the function, once or repeatedly; what it changes is restored at the end."""
        if self._watched:
            return work()
        with Untouched(self.fn) as block, block.again():
            self._watched = True
            try:
                return work()
            finally:
                self._watched = False

    def __call__(self, points: object) -> Tensor:  # noqa: D102
        tensor = as_points(points)
        # A clone, so that a function that works in place cannot change the caller's tensor.
        flat = tensor.clone().reshape(-1, 2)
        return self._untouched(lambda: self._evaluate(flat)).reshape(tensor.shape[:-1])

    def value_and_gradient(self, points: object) -> tuple[Tensor, Tensor]:  # noqa: D102
        return self._untouched(lambda: self._value_and_gradient(points))

    def _value_and_gradient(self, points: object) -> tuple[Tensor, Tensor]:
        tensor = as_points(points)
        with torch.inference_mode(False), torch.enable_grad():
            leaf = tensor.detach().clone().reshape(-1, 2).requires_grad_()
            values = self._evaluate(leaf)
            self._require_gradient(values)
            with _blame(f"the gradient of {self.name}"), _same_random_numbers():
                (gradients,) = torch.autograd.grad(values.sum(), leaf, allow_unused=True)
            if gradients is None:
                raise self._no_gradient()
        return values.detach().reshape(tensor.shape[:-1]), gradients.reshape(tensor.shape)

    def hessian(self, point: object) -> Tensor:  # noqa: D102
        return self._untouched(lambda: self._hessian(point))

    def _hessian(self, point: object) -> Tensor:
        tensor = as_single_point(point)
        with torch.inference_mode(False), torch.enable_grad():
            leaf = tensor.detach().clone().reshape(1, 2).requires_grad_()
            values = self._evaluate(leaf)
            self._require_gradient(values)
            with _blame(f"the second derivative of {self.name}"), _same_random_numbers():
                (gradient,) = torch.autograd.grad(values.sum(), leaf, create_graph=True, allow_unused=True)
                if gradient is None:
                    raise self._no_gradient()
                rows = [self._second_row(entry, leaf) for entry in gradient[0]]
        matrix = torch.stack(rows).detach()
        return (matrix + matrix.T) / 2

    def source(self) -> str:  # noqa: D102
        return function_source(self.fn, self.name, split=self.split)

    @staticmethod
    def _second_row(entry: Tensor, leaf: Tensor) -> Tensor:
        if not entry.requires_grad:  # a constant slope
            return torch.zeros(2, dtype=leaf.dtype)
        row = torch.autograd.grad(entry, leaf, retain_graph=True, allow_unused=True)[0]
        return torch.zeros(2, dtype=leaf.dtype) if row is None else row[0]

    def _evaluate(self, flat: Tensor) -> Tensor:
        call = f"{self.name}({', '.join(self.parameters)})" if self.split else f"{self.name}(points)"
        arguments = flat.unbind(-1) if self.split else (flat,)
        got = (
            f"{len(arguments)} tensors of shape ({len(flat)},)" if self.split else f"a tensor of shape {(len(flat), 2)}"
        )
        with _blame(f"{call} with {got}"), _same_random_numbers(), abroad():
            values = self.fn(*arguments)
        if not isinstance(values, Tensor):
            raise ObjectiveError(
                f"{call} must return a tensor of shape ({len(flat)},); it returned "
                f"{type(values).__name__} {values!r:.60}"
            )
        if values.shape != (len(flat),):
            raise ObjectiveError(
                f"{call} must return one value per point, shape ({len(flat)},), for {got}; it returned "
                f"shape {tuple(values.shape)}"
                + ("" if self.split else ". A function of one argument receives both parameters in it")
            )
        if values.is_complex():
            raise ObjectiveError(f"{call} must return real values; it returned dtype {values.dtype}")
        return values.to(flat.dtype)

    def _require_gradient(self, values: Tensor) -> None:
        if not values.requires_grad:
            raise self._no_gradient()

    def _no_gradient(self) -> ObjectiveError:
        return ObjectiveError(
            f"{self.name} has no gradient: its value does not depend on its input through torch operations "
            "(a constant, .detach(), .item(), .numpy() or integers on the way break the graph)"
        )


@contextmanager
def _blame(call: str) -> Iterator[None]:
    try:
        yield
    except ObjectiveError:
        raise
    except Exception as error:
        raise ObjectiveError(f"{call} raised {type(error).__name__}: {error}") from error


@contextmanager
def _same_random_numbers() -> Iterator[None]:
    state = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(state)


def _required_arguments(fn: Callable[..., object]) -> list[str]:
    try:
        arguments = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):  # builtins have no signature; they are taken as f(points)
        return ["points"]
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    required = [a.name for a in arguments if a.default is a.empty and a.kind in positional]
    needed = [a.name for a in arguments if a.default is a.empty and a.kind is a.KEYWORD_ONLY]
    if needed:
        raise TypeError(f"an objective takes f(a, b) or f(points); {_name_of(fn)} needs the keyword {needed[0]!r}")
    return required


def _name_of(fn: Callable[..., object]) -> str:
    name = getattr(fn, "__name__", None) or type(fn).__name__
    return "objective" if name == "<lambda>" else name


def _check_names(parameters: Iterable[str]) -> tuple[str, str]:
    names = tuple(parameters)
    if len(names) != 2 or not all(isinstance(name, str) and name for name in names) or names[0] == names[1]:
        raise ValueError(f"parameters must be two different names; got {names!r}")
    return names[0], names[1]


def _place(place: object, name: str) -> tuple[float, float]:
    point = as_start(place, name)
    if point.ndim != 1:
        raise ValueError(f"{name} must be a single point of shape (2,); got shape {tuple(point.shape)}")
    first, second = point.tolist()
    return first, second


def _wide_view(names: tuple[str, str], places: Iterable[tuple[float, float]]) -> dict[str, tuple[float, float]]:
    axes = {}
    for i, name in enumerate(names):
        reach = max([5.0, *(1.25 * abs(place[i]) for place in places)])
        axes[name] = (-reach, reach)
    return axes
