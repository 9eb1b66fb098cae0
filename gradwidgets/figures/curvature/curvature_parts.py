"""What has been measured of a loss's curvature and of its gradient's noise, as plain arrays for a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

MISSING = "not measured yet: press Measure"
PARTS = ("eigenvalues", "noise", "signal_to_noise", "correlation")


@dataclass(frozen=True, eq=False)
class Eigenvalues:
    """Of the loss's Hessian.

    Attributes:
        values: Ascending, (n,); all, or the extremes.
        density: (2, m): places on the axis of eigenvalues and the density of all there, with integral 1; or None.
        largest: λmax.
        rounding: What rounding can make of a zero.
        parameters: How many eigenvalues there are in all; None where `values` are all.
    """

    values: np.ndarray
    density: np.ndarray | None
    largest: float
    rounding: float = 0.0
    parameters: int | None = None


@dataclass(frozen=True, eq=False)
class Noise:
    """The gradient's noise scale, in samples.

    Attributes:
        value: NaN where only its least is known.
        low: The interval's lower end.
        high: The upper one; infinite where there is none.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class SignalToNoise:
    """How much mini-batches agree, layer by layer.

    Attributes:
        names: Of the layers, L.
        values: (L,).
        threshold: What gradients without any signal give, 1/√(number of batches).
    """

    names: Sequence[str]
    values: np.ndarray
    threshold: float


@dataclass(frozen=True, eq=False)
class Correlation:
    """Of some of a layer's gradient elements over the batches.

    Attributes:
        layer: Its name.
        matrix: (m, m), −1 to 1; NaN where an element does not vary.
    """

    layer: str
    matrix: np.ndarray


@dataclass(frozen=True, eq=False)
class Curvature:
    """Parts, each None until it is measured. A part is drawn again when it is another object.

    Attributes:
        eigenvalues: Of the Hessian.
        noise: Of the gradient.
        signal_to_noise: Of the layers.
        correlation: Of one layer.
        lr: The present learning rate, or None.
        batch: The present batch size in samples, or None.
        missing: Part's name → what is said in its place; by default that it is not measured yet.
        theme: A key of `STYLES`.
    """

    eigenvalues: Eigenvalues | None = None
    noise: Noise | None = None
    signal_to_noise: SignalToNoise | None = None
    correlation: Correlation | None = None
    lr: float | None = None
    batch: float | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    theme: str = "light"

    @property
    def frame(self) -> object:
        """What the axes depend on, besides the picture's size."""
        return self.theme

    def told(self, part: str) -> tuple[object, str]:
        """A part, None where it is not measured, and what is said then."""
        measured = getattr(self, part)
        return measured, self.missing.get(part, MISSING) if measured is None else ""
