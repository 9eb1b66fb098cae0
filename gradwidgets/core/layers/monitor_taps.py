"""Statistics of what modules put out, from hooks that stand only during a step that is sampled."""

import contextlib
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gradwidgets.core.layers.monitor_layers import is_activation


class Hook:
    """Calls a method of something that it does not keep alive; in a copy or a pickle it is an empty call.

    A model is copied and saved with its hooks. The copy must not report to the original's monitor, and a saved model
    must load where this package is not installed: so there the hook is a bound method of the standard library that
    takes anything and returns None.
    """

    __slots__ = ("_method", "_place")

    def __init__(self, method: Callable, place: int | None = None) -> None:
        self._method = weakref.WeakMethod(method)
        self._place = place

    def __call__(self, *args: object) -> object:
        """The method's result; None once its owner is gone."""
        method = self._method()
        if method is None:
            return None
        return method(*args) if self._place is None else method(self._place, *args)

    def __reduce__(self) -> tuple:
        return getattr, (contextlib.nullcontext(), "__exit__")


@dataclass(slots=True)
class _Reading:
    mean: Tensor
    spread: Tensor  # norm of what is left without the mean
    count: int
    high: Tensor | None  # largest output of each unit
    low: Tensor | None


class Taps:
    """Forward hooks on some modules.

    Recorded is each module's first call with gradients on since the hooks were put there: a module that is used
    again, a second micro-batch and a validation under `no_grad` do not count.

    Attributes:
        handles: Of the hooks that stand.
        spent: Seconds that this has cost, until somebody sets it back.
    """

    def __init__(self) -> None:
        self.handles: list[torch.utils.hooks.RemovableHandle] = []
        self.spent = 0.0
        self._readings: list[_Reading | None] = []
        self._nonlinear: list[bool] = []
        self._channels_second = False

    def arm(self, modules: Sequence[nn.Module]) -> None:
        """Put hooks on the modules, unless they stand there already, and forget what was recorded."""
        begin = time.perf_counter()
        self._readings = [None] * len(modules)
        self._channels_second = False
        if len(self.handles) != len(modules):
            self.disarm()
            self._nonlinear = [is_activation(module) for module in modules]
            self.handles += [
                module.register_forward_hook(Hook(self._seen, place)) for place, module in enumerate(modules)
            ]
        self.spent += time.perf_counter() - begin

    def disarm(self) -> None:
        """Take all hooks away."""
        begin = time.perf_counter()
        while self.handles:
            self.handles.pop().remove()
        self.spent += time.perf_counter() - begin

    def _seen(self, place: int, module: nn.Module, inputs: object, output: object) -> None:
        if self._readings[place] is not None or not torch.is_grad_enabled():
            return
        begin = time.perf_counter()
        nonlinear = self._nonlinear[place]
        if not nonlinear:
            self._channels_second = isinstance(module, _CHANNELS_SECOND)
        tensor = _first_tensor(output)
        if tensor is not None and tensor.numel():
            # Detached, so that no graph is kept alive and none is made.
            self._readings[place] = _reading(tensor.detach(), nonlinear, self._channels_second)
        self.spent += time.perf_counter() - begin

    def take(self) -> tuple[list[Tensor], Callable[[Sequence[float]], dict[str, list[float]]]]:
        """What was recorded.

        Returns:
            Tensors of one element to be read, and a function that makes of their values activation_mean,
            activation_std and dead, each with one number a module (NaN: no call, or no activation for `dead`).
        """
        readings, self._readings = self._readings, []
        present = [(place, reading) for place, reading in enumerate(readings) if reading is not None]
        units = [(place, reading) for place, reading in present if reading.high is not None]
        scalars = [one for _, reading in present for one in (reading.mean, reading.spread)] + _dead_counts(units)

        def numbers(values: Sequence[float]) -> dict[str, list[float]]:
            found = {name: [float("nan")] * len(readings) for name in ("activation_mean", "activation_std", "dead")}
            for k, (place, reading) in enumerate(present):
                found["activation_mean"][place] = values[2 * k]
                found["activation_std"][place] = values[2 * k + 1] / reading.count**0.5
            before = 0.0
            for (place, reading), until in zip(units, values[2 * len(present) :], strict=True):
                found["dead"][place] = (until - before) / reading.high.numel()
                before = until
            return found

        return scalars, numbers


def _reading(tensor: Tensor, nonlinear: bool, channels_second: bool) -> _Reading:
    if tensor.is_complex():
        tensor = tensor.abs()
    dtype = torch.float32 if tensor.dtype.itemsize < 4 else None
    mean = tensor.mean(dtype=dtype)
    # std() takes twice as long; sums of squares lose a small spread beside a large mean.
    spread = torch.linalg.vector_norm(tensor - mean)
    high = low = None
    if nonlinear and tensor.ndim > 1:
        unit = 1 if channels_second else tensor.ndim - 1
        others = [axis for axis in range(tensor.ndim) if axis != unit]
        high, low = tensor.amax(others), tensor.amin(others)
    return _Reading(mean, spread, tensor.numel(), high, low)


def _dead_counts(units: Sequence[tuple[int, _Reading]]) -> list[Tensor]:
    """How many units put out nothing but zeros, counted on from module to module."""
    if not units:
        return []
    device = units[0][1].high.device
    high = torch.cat([reading.high.to(device, torch.float32) for _, reading in units])
    low = torch.cat([reading.low.to(device, torch.float32) for _, reading in units])
    counted = ((high == 0) & (low == 0)).to(torch.float32).cumsum(0)
    end, ends = 0, []
    for _, reading in units:
        end += reading.high.numel()
        ends.append(counted[end - 1])
    return ends


def _first_tensor(output: object) -> Tensor | None:
    if isinstance(output, Tensor):
        usable = output.layout == torch.strided and (output.is_floating_point() or output.is_complex())
        return output if usable else None
    if isinstance(output, dict):
        output = tuple(output.values())
    if isinstance(output, (tuple, list)):
        return next((found for one in output if (found := _first_tensor(one)) is not None), None)
    return None


_CHANNELS_SECOND = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
)
