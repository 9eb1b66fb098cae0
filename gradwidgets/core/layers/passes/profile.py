"""How a quantity changes with depth."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from gradwidgets.core.layers.passes.stats import LayerFlow, LayerStats


@dataclass(frozen=True)
class Trend:
    """A straight line fitted to log₁₀ of a quantity over the layers, from the input to the output.

    Attributes:
        names: The layers that the line is fitted to.
        slope: Decades per layer; above 0 the quantity grows towards the output.
        error: Standard error of the slope; NaN for fewer than three layers.
        ends: Decades from the median of the first third of the layers to that of the last third.
    """

    names: tuple[str, ...]
    slope: float
    error: float
    ends: float

    @property
    def decades(self) -> float:
        """Decades by which the line rises from the first layer to the last."""
        return self.slope * (len(self.names) - 1)

    @property
    def certain(self) -> bool:
        """Whether the slope is at least three standard errors away from 0, or there are fewer than three layers."""
        return not abs(self.slope) < 3 * self.error

    def rises(self, decades: float) -> bool:
        """Whether the quantity grows towards the output by so many decades, by the slope or between the ends."""
        return (self.certain and self.decades >= decades) or self.ends >= decades

    @property
    def largest(self) -> float:
        """The larger of both measures of the rise."""
        return max(self.decades if self.certain else -math.inf, self.ends)


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Layer = TypeVar("_Layer", bound=_Named)


def trend(layers: Sequence[_Layer], quantity: Callable[[_Layer], float]) -> Trend | None:
    """Fit a line through log₁₀ of a quantity; None where fewer than two layers have it, finite and above 0."""
    points = [(i, math.log10(value)) for i, layer in enumerate(layers) if 0 < (value := quantity(layer)) < math.inf]
    count = len(points)
    if count < 2:
        return None
    x_mean, y_mean = (sum(column) / count for column in zip(*points, strict=True))
    spread = sum((x - x_mean) ** 2 for x, _ in points)
    slope = sum((x - x_mean) * (y - y_mean) for x, y in points) / spread
    rest = sum((y - y_mean - slope * (x - x_mean)) ** 2 for x, y in points)
    error = math.sqrt(rest / (count - 2) / spread) if count > 2 else math.nan
    third = max(1, count // 3)
    first, last = (_median([y for _, y in part]) for part in (points[:third], points[-third:]))
    return Trend(tuple(layers[i].name for i, _ in points), slope, error, last - first)


def weighted_layers(flow: LayerFlow) -> list[LayerStats]:
    """Return the layers that make up the depth: they own weights, run no other modules, and do not normalise.

    If the graph is known, only layers through which all of the deepest layer's gradient comes, so without branches.
    """
    layers = [one for one in flow.layers if one.weights and one.calls and not one.composite and "Norm" not in one.kind]
    graph = flow.graph
    if graph is None or not any(graph.weighted):
        return layers
    trunk = {graph.names[vertex] for vertex in graph.trunk}
    return [one for one in layers if one.name in trunk]


def gradient_trend(flow: LayerFlow) -> Trend | None:
    """Return how the gradient by the layers' outputs changes with depth.

    Of its root mean square and its norm, the one that changes less is taken: a narrow last layer changes the one, a
    layer with many outputs the other, and neither is an effect of depth.
    """
    return _flatter(weighted_layers(flow), lambda s: s.activation_grad_rms, lambda s: s.activation_grad_norm)


def signal_trend(flow: LayerFlow) -> Trend | None:
    """Return how the layers' outputs change with depth, by root mean square or norm as in `gradient_trend`."""
    return _flatter(weighted_layers(flow), lambda s: s.activation_rms, lambda s: s.activation_norm)


def _flatter(layers: list[LayerStats], *quantities: Callable[[LayerStats], float]) -> Trend | None:
    found = [one for quantity in quantities if (one := trend(layers, quantity)) is not None]
    return min(found, key=lambda one: max(abs(one.decades), abs(one.ends)), default=None)


def _median(values: list[float]) -> float:
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2
