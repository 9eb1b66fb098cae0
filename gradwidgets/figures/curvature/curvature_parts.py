"""Measurements of a loss's curvature and of its gradient's noise, as plain arrays for a figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

MISSING = "not measured yet"
PARTS = ("eigenvalues", "noise", "signal_to_noise", "correlation")


@dataclass(frozen=True, eq=False)
class Eigenvalues:
    """The eigenvalues of the loss's Hessian.

    Attributes:
        values: The eigenvalues, ascending, (n,); all, or the extremes.
        density: (2, m): positions on the axis of eigenvalues and the density of all there, with integral 1; or None.
        largest: λmax.
        rounding: The magnitude up to which an eigenvalue may be a rounded zero.
        parameters: The total number of eigenvalues; None if `values` are all of them.
    """

    values: np.ndarray
    density: np.ndarray | None
    largest: float
    rounding: float = 0.0
    parameters: int | None = None

    @property
    def known(self) -> bool:
        """Whether there is anything to draw."""
        return bool(np.isfinite(self.values).any())


@dataclass(frozen=True, eq=False)
class Noise:
    """The gradient's noise scale, in samples.

    Attributes:
        value: The noise scale; NaN if only a lower bound is known.
        low: The lower end of its interval.
        high: The upper end; infinite if there is none.
    """

    value: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether there is anything to draw."""
        return any(0 < end < math.inf for end in (self.value, self.low, self.high))


@dataclass(frozen=True, eq=False)
class SignalToNoise:
    """How much mini-batches agree, layer by layer.

    Attributes:
        names: The layers' names, L of them.
        values: The signal-to-noise ratios, (L,).
        threshold: The ratio of gradients without any signal, 1/√(number of batches).
    """

    names: Sequence[str]
    values: np.ndarray
    threshold: float

    @property
    def known(self) -> bool:
        """Whether there is anything to draw."""
        return len(self.values) > 0


@dataclass(frozen=True, eq=False)
class Correlation:
    """The correlation of some of a layer's gradient elements over the batches.

    Attributes:
        layer: The layer's name.
        matrix: The correlations, (m, m), −1 to 1; NaN where an element does not vary.
    """

    layer: str
    matrix: np.ndarray

    @property
    def known(self) -> bool:
        """Whether there is anything to draw."""
        return self.matrix.size > 0


@dataclass(frozen=True, eq=False)
class Curvature:
    """The measured parts, each None until it is measured. A part is redrawn when it is a different object.

    Attributes:
        eigenvalues: The eigenvalues of the Hessian.
        noise: The noise scale of the gradient.
        signal_to_noise: The signal-to-noise ratios of the layers.
        correlation: The correlation within one layer.
        lr: The current learning rate, or None.
        batch: The current batch size in samples, or None.
        missing: Part's name → the line shown instead; by default that it is not measured yet.
        nothing: The line shown if there is no part at all; "" for a line each.
        theme: A key of `STYLES`.
    """

    eigenvalues: Eigenvalues | None = None
    noise: Noise | None = None
    signal_to_noise: SignalToNoise | None = None
    correlation: Correlation | None = None
    lr: float | None = None
    batch: float | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    nothing: str = ""
    theme: str = "light"

    @property
    def frame(self) -> object:
        """What the axes depend on, apart from the picture's size."""
        return self.theme

    @property
    def there(self) -> frozenset[str]:
        """The names of the parts that can be drawn."""
        return frozenset(name for name in PARTS if self.part(name) is not None)

    @property
    def waiting(self) -> tuple[str, ...]:
        """What is said of the others, each line once."""
        lines = [self.missing.get(name, MISSING) for name in PARTS if self.part(name) is None]
        return (self.nothing,) if self.nothing and len(lines) == len(PARTS) else tuple(dict.fromkeys(lines))

    def part(self, name: str) -> Eigenvalues | Noise | SignalToNoise | Correlation | None:
        """A part, or None if there is nothing of it to draw."""
        one = getattr(self, name)
        return one if one is not None and one.known else None
