"""The parameters of a loss, and a call of it: names become arguments, the result is checked."""

import contextlib
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from numbers import Integral, Real
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from gradwidgets.core.subject.home import abroad


class LossError(ValueError):
    """The loss failed, or returned something that is not a loss value; the message names the call."""


def cause_of(error: Exception) -> BaseException | None:
    """The cause of a `LossError` that reports another error, skipping one with the same message."""
    return error.__cause__ if isinstance(error, LossError) else error


def check_loss(loss: object, name: str = "loss") -> Callable[..., Any]:
    """Reject what cannot be a loss.

    Args:
        loss: The argument to check.
        name: The argument's name.

    Returns:
        The loss.

    Raises:
        TypeError: `loss` is not callable, or is a loss class instead of an instance.
    """
    if not callable(loss):
        raise TypeError(f"{name} must be callable; got {type(loss).__name__} {loss!r:.60}")
    if isinstance(loss, type) and issubclass(loss, nn.Module):
        raise TypeError(f"{name} is the class {loss.__name__}, not an instance: write {loss.__name__}()")
    if inspect.iscoroutinefunction(loss) or inspect.iscoroutinefunction(getattr(loss, "__call__", None)):  # noqa: B004
        raise TypeError(f"{name} is a coroutine function (async def), which returns no value when it is called")
    return loss


class LossCall:
    """A loss as a function of named numbers.

    Args:
        loss: Any callable that takes tensors by name and returns a tensor; for an `nn.Module`, the parameters of its
            `forward`.
        varied: The names of the parameters to vary.
        fixed: The other parameters' values: a float becomes a tensor of the varied ones' shape; anything else, such as
            an int, a string or a data tensor, is passed on as it is.

    Raises:
        TypeError: `loss` is not callable, or a name or fixed value is not usable.
        ValueError: A name is not one of the loss's parameters, or a required one is missing; the message lists them.

    Attributes:
        name: The loss's name.
        varied: As given.
        fixed: As given, with 0-dimensional tensors as plain numbers.
        plain_numbers: Whether floats in `fixed` are passed on as plain numbers too.
        whole_as_tensors: Whether ints in `fixed` become tensors too.
        arrays_as_tensors: Whether NumPy arrays and lists of numbers become tensors too.
        stand_in: A copy of the loss that is called in its place; None for the loss itself.
        changed: The names of the arguments that some call has changed in place.
    """

    def __init__(
        self, loss: Callable[..., object], varied: tuple[str, ...], fixed: Mapping[str, object] | None = None
    ) -> None:
        check_loss(loss)
        if fixed is not None and not isinstance(fixed, Mapping):
            raise TypeError(f"fixed must map parameter names to values; got {fixed!r:.60}")
        self.loss, self.name = loss, loss_name(loss)
        self.varied = tuple(varied)
        self.fixed = {name: _plain_number(f"fixed[{name!r}]", value) for name, value in (fixed or {}).items()}
        twice = [name for name in self.varied if name in self.fixed]
        if twice:
            raise ValueError(f"{twice[0]!r} is both an axis and fixed: it can only be one of them")
        self._positional: tuple[str, ...] = ()
        self._check_names()
        # Some losses take their constants only as plain numbers (`delta` in torch.nn.functional), so that is tried too.
        self.plain_numbers = self.whole_as_tensors = self.arrays_as_tensors = False
        self.changed: set[str] = set()
        self.stand_in: Callable[..., object] | None = None

    def _check_names(self) -> None:
        taken = parameters_of(self.loss)
        if taken is None:
            return
        required, optional, any_name, self._positional = taken
        known, given = [*required, *optional], [*self.varied, *self.fixed]
        wrong = [name for name in given if name not in known] if not any_name else []
        listed = ", ".join(map(repr, known)) or "none"
        if wrong:
            raise ValueError(f"{self.name} has no parameter {wrong[0]!r}; its parameters are {listed}")
        missing = [name for name in required if name not in given]
        if missing:
            raise ValueError(
                f"{self.name} needs {', '.join(map(repr, missing))} too: name it in axes or fixed (its parameters are "
                f"{listed})"
            )

    def __call__(
        self, *varied: Tensor, around: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext
    ) -> object:
        """Call the loss, which may change every tensor argument in place.

        Args:
            *varied: The varied parameters' values, all of the same shape.
            around: Makes the context manager in which the loss runs.

        Raises:
            LossError: It tries to end Python.
            Exception: Whatever else the loss raises.
        """
        return self._called(self._arguments(varied), around)

    @property
    def arrays(self) -> tuple[str, ...]:
        """The names of the NumPy arrays and lists of numbers in `fixed`."""
        return tuple(name for name, value in self.fixed.items() if _is_array(value))

    def _arguments(self, varied: tuple[Tensor, ...]) -> dict[str, object]:
        """The arguments of a call, by name; every tensor is a copy."""
        like = varied[0]
        arguments: dict[str, object] = {name: value.clone() for name, value in zip(self.varied, varied, strict=True)}
        for name, value in self.fixed.items():
            if self.arrays_as_tensors and name in self.arrays:
                value = torch.as_tensor(value)
            if self._becomes_tensor(value):
                value = torch.full_like(like, value, requires_grad=False)
            elif isinstance(value, Tensor):
                value = value.detach().to(like.dtype) if value.is_floating_point() else value.detach()
                value = value.clone()
            arguments[name] = value
        return arguments

    def _becomes_tensor(self, value: object) -> TypeGuard[float]:
        if isinstance(value, float):
            return not self.plain_numbers
        return isinstance(value, int) and not isinstance(value, bool) and self.whole_as_tensors

    def repeated(self, *varied: Tensor, times: int, before: tuple[Tensor, ...] | None = None) -> Iterator[object]:
        """Call the loss several times, each time with the data as the previous call left it.

        Args:
            *varied: As in a call.
            times: The number of calls.
            before: The varied parameters' values of an extra first call; None for none.

        Raises:
            Exception: As in a call.
        """
        arguments = self._arguments(varied)
        if before is not None:
            self._called(arguments | dict(zip(self.varied, before, strict=True)))
        for _ in range(times):
            again = {name: value.clone() for name, value in zip(self.varied, varied, strict=True)}
            yield self._called(arguments | again)

    def _called(
        self,
        arguments: dict[str, object],
        around: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext,
    ) -> object:
        handed = {name: value for name, value in arguments.items() if isinstance(value, Tensor)}
        before = {name: value._version for name, value in handed.items()}
        positional = [arguments.pop(name) for name in self._positional if name in arguments]
        try:
            # A loss may leave the process in another mode, which must not affect the next call.
            with abroad(), torch.inference_mode(False), around():
                return (self.stand_in or self.loss)(*positional, **arguments)
        except SystemExit as left:
            # A loss that calls sys.exit must not end the process.
            names = ", ".join([*self.varied, *self.fixed])
            raise LossError(f"{self.name}({names}) raised SystemExit: {left.code}") from left
        finally:
            self.changed |= {name for name, value in handed.items() if value._version != before[name]}

    def checked(self, value: object) -> Tensor:
        """Validate the value of a loss and return it as a real tensor.

        Args:
            value: What the loss returned.

        Raises:
            LossError: It is not a tensor, or not real.
        """
        if isinstance(value, (tuple, list, dict)):
            raise LossError(
                f"{self.name} must return one tensor; it returned a {type(value).__name__} of {len(value)}: return the "
                "part to look at, or look at each part by itself"
            )
        if not isinstance(value, Tensor):
            what = "nothing" if value is None else f"{type(value).__name__} {value!r:.60}, which has no gradient"
            raise LossError(f"{self.name} must return a tensor; it returned {what}")
        if value.is_complex():
            raise LossError(f"{self.name} must return real values; it returned dtype {value.dtype}")
        return value


def parameters_of(loss: Callable[..., object]) -> tuple[list[str], list[str], bool, tuple[str, ...]] | None:
    """Return a loss's required names, its optional ones, whether it takes any (**kwargs), and its positional-only ones.

    None if the signature is unknown (some builtins).
    """
    target = loss.forward if isinstance(loss, nn.Module) else loss
    try:
        arguments = list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):
        return None
    kinds = inspect.Parameter
    named = [a for a in arguments if a.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)]
    required = [a.name for a in named if a.default is kinds.empty]
    optional = [a.name for a in named if a.default is not kinds.empty]
    any_name = any(a.kind is kinds.VAR_KEYWORD for a in arguments)
    return required, optional, any_name, tuple(a.name for a in named if a.kind is kinds.POSITIONAL_ONLY)


def loss_name(loss: Callable[..., object]) -> str:
    """Return the name of a loss for messages."""
    name = getattr(loss, "__name__", None) or type(loss).__name__
    return "loss" if name == "<lambda>" else name


def _is_array(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(one, Real) or _is_array(one) for one in value)
    kind = getattr(getattr(value, "dtype", None), "kind", "O")
    return type(value).__module__ == "numpy" and getattr(value, "ndim", 0) > 0 and kind in "biuf"


def _plain_number(where: str, value: object) -> object:
    if isinstance(value, Tensor) and value.ndim == 0 and value.is_floating_point():
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, Real):
        return value
    if isinstance(value, Integral):
        return int(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{where} must be finite; got {value!r}")
    return number
