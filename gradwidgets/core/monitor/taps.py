"""Statistics of modules' outputs, from hooks that are there only during a step that is sampled."""

import contextlib
import functools
import math
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gradwidgets.core.monitor.owners import is_activation


class Hook:
    """Calls a method of an object that it does not keep alive; in a copy or a pickle it does nothing.

    A model is copied and saved with its hooks. The copy must not report to the original's monitor, and a saved model
    must load where this package is not installed: there the hook becomes a bound method of the standard library that
    takes any arguments and returns None.
    """

    __slots__ = ("_method",)

    def __init__(self, method: Callable[..., Any]) -> None:
        self._method = weakref.WeakMethod(method)

    def __call__(self, *args: Any) -> Any:
        """Return the method's result; None once its owner is gone."""
        method = self._method()
        with torch._C.DisableTorchFunction():
            return None if method is None else method(*args)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (contextlib.nullcontext(), "__exit__")


class NamedHook(Hook):
    """The hook of one module, which calls its method with the module's name first."""

    __slots__ = ("_name",)

    def __init__(self, method: Callable[..., Any], name: str) -> None:
        super().__init__(method)
        self._name = name

    def __call__(self, *args: Any) -> Any:
        """Return the method's result; None once its owner is gone."""
        return super().__call__(self._name, *args)


class Removable(Protocol):
    """An item of a list of hooks: a handle of torch's, or a watcher of ours."""

    def remove(self) -> None:
        """Remove the hooks."""


def take_away(handles: list[Removable]) -> None:
    """Remove hooks, each before its handle is dropped: a removal that is interrupted can be called again."""
    while handles:
        handles[-1].remove()
        handles.pop()


class _Tap(Hook):
    """The hook of one module that reports its output; it runs so often that it makes no bound method."""

    __slots__ = ("_place", "_taps")

    def __init__(self, taps: "Taps", place: int) -> None:
        self._taps, self._place = weakref.ref(taps), place

    def __call__(self, *args: Any) -> None:
        """Report the output, which comes after the module and its inputs."""
        taps = self._taps()
        if taps is not None:
            with torch._C.DisableTorchFunction():
                taps.seen(self._place, args[2])


class _Moments:
    """Sum and norm of an output, which is centred for its norm where its spread is small compared with the mean."""

    __slots__ = ("centred", "count", "numbers")

    def __init__(self, tensor: Tensor, centred: bool) -> None:
        self.centred, self.count = centred, tensor.numel()
        total = tensor.sum()
        # Centring needs a new tensor as large as the output, and several times the time.
        norm = torch.linalg.vector_norm(tensor - total / self.count if centred else tensor)
        self.numbers = (total.item(), norm.item()) if tensor.is_cpu else (total, norm)


class _Units:
    """How many units an output has, and how many of them are not zero for the whole batch."""

    __slots__ = ("count", "numbers")

    def __init__(self, tensor: Tensor, unit: int, negative: bool) -> None:
        others = _axes_but(unit, tensor.ndim)
        used = tensor.amax(others)
        self.count = used.numel()
        if negative:
            used = torch.logical_or(used, tensor.amin(others))
        used = used.count_nonzero()
        self.numbers = (used.item() if tensor.is_cpu else used,)


class Taps:
    """Forward hooks on some modules.

    For each module, the first call with gradients on since the hooks were added is recorded: a second call, a second
    micro-batch and a validation under `no_grad` do not count.

    Attributes:
        handles: The handles of the hooks.
        spent: Seconds that this has cost since it was last set to 0.
    """

    def __init__(self) -> None:
        self.handles: list[Removable] = []
        self.spent = 0.0
        self._readings: list[_Moments | _Units | None] = []
        self._nonlinear: list[bool] = []
        self._negative: list[bool] = []  # whether outputs below zero are possible
        self._narrow: list[bool] = []  # whether the spread may be small compared with the mean
        self._second: list[bool] = []  # whether channels come second in the output
        self._channels_second = False

    def arm(self, modules: Sequence[nn.Module]) -> None:
        """Put hooks on the modules, unless they are there already, and forget what was recorded."""
        begin = time.perf_counter()
        self._readings = [None] * len(modules)
        self._channels_second = False
        if len(self.handles) != len(modules):
            self.disarm()
            self._nonlinear = [is_activation(module) for module in modules]
            self._second = [isinstance(module, _CHANNELS_SECOND) for module in modules]
            self._negative = [not isinstance(module, _NEVER_NEGATIVE) for module in modules]
            if len(self._narrow) != len(modules):
                self._narrow = [True] * len(modules)
            for place, module in enumerate(modules):
                self.handles.append(module.register_forward_hook(_Tap(self, place)))
        self.spent += time.perf_counter() - begin

    def disarm(self) -> None:
        """Take all hooks away."""
        begin = time.perf_counter()
        take_away(self.handles)
        self.spent += time.perf_counter() - begin

    def seen(self, place: int, output: object) -> None:
        """Reduce an output to tensors of one number; on the CPU, where that waits for no device, to plain numbers."""
        if self._readings[place] is not None or not torch.is_grad_enabled():
            return
        begin = time.perf_counter()
        nonlinear = self._nonlinear[place]
        if not nonlinear:
            self._channels_second = self._second[place]
        tensor = first_tensor(output)
        if tensor is not None and tensor.numel():
            tensor = tensor.detach()  # so no graph is kept alive, and none is made
            if tensor.dtype.itemsize < 4:
                tensor = tensor.float()
            if not nonlinear:
                self._readings[place] = _Moments(tensor, self._narrow[place])
            elif tensor.ndim > 1:
                self._readings[place] = _Units(tensor, 1 if self._channels_second else -1, self._negative[place])
        self.spent += time.perf_counter() - begin

    def take(self) -> tuple[list[Tensor], Callable[[Sequence[float]], dict[str, list[float]]]]:
        """Return what was recorded, and forget it.

        Returns:
            Tensors of shape () to be read, and a function that computes activation_mean, activation_std and dead from
            their values, each with one number per module, NaN where there is none.
        """
        readings, self._readings = self._readings, []
        known = [number for one in readings if one is not None for number in one.numbers]
        scalars = [number for number in known if isinstance(number, Tensor)]

        def numbers(values: Sequence[float]) -> dict[str, list[float]]:
            read = iter(values)
            every = iter([next(read) if isinstance(number, Tensor) else number for number in known])
            means, spreads, dead = ([math.nan] * len(readings) for _ in range(3))
            for place, one in enumerate(readings):
                if isinstance(one, _Moments):
                    means[place] = mean = next(every) / one.count
                    spreads[place] = self._spread(place, mean, next(every) / math.sqrt(one.count), one.centred)
                elif one is not None:
                    dead[place] = (one.count - next(every)) / one.count
            return {"activation_mean": means, "activation_std": spreads, "dead": dead}

        return scalars, numbers

    def _spread(self, place: int, mean: float, size: float, centred: bool) -> float:
        """The standard deviation; NaN where it was lost in the difference of squares. Chooses how to measure next."""
        square = mean * mean
        variance = size * size if centred else size * size - square
        self._narrow[place] = not variance > _NARROW * square
        return math.sqrt(variance) if centred or variance > _TELLING * square or size == 0 else math.nan


@functools.cache
def _axes_but(axis: int, dimensions: int) -> tuple[int, ...]:
    return tuple(other for other in range(dimensions) if other != axis % dimensions)


def first_tensor(output: object) -> Tensor | None:
    """The first dense tensor of floating-point numbers in a module's output; None where there is none."""
    if isinstance(output, Tensor):
        return output if output.layout == torch.strided and output.is_floating_point() else None
    if isinstance(output, dict):
        output = tuple(output.values())
    if isinstance(output, (tuple, list)):
        return next((found for one in output if (found := first_tensor(one)) is not None), None)
    return None


_CHANNELS_SECOND = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
)
_NEVER_NEGATIVE = (nn.ReLU, nn.ReLU6, nn.Sigmoid)
_NARROW = 1e-2  # variance in mean²
_TELLING = 1e-5  # variance in mean², below which squares in float32 say nothing
