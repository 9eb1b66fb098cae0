"""What a training run has shown so far, as plain arrays for a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWN = 12  # layers with a line of their own


@dataclass(frozen=True, eq=False)
class Histogram:
    """How many of a layer's gradient elements are of which size.

    Attributes:
        title: Of which layer.
        edges: Decimal logarithms of their magnitudes, ascending, (B + 1,).
        counts: (B,).
    """

    title: str
    edges: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True, eq=False)
class Training:
    """S samples of L layers.

    Attributes:
        quantity: What `values` are, with their measure.
        layers: Names, in order.
        steps: Ascending, (S,).
        values: (S, L).
        loss: (S,); NaN where it is not known.
        broken: (S, L), where a value was measured and is not finite. None: wherever a value is not finite, so NaN
            then does not mean that nothing was measured.
        dead: (L,) share of dead units at the newest sample, NaN where there are none to count; None for none at all.
        update_ratio: (L,) what the newest step added to the weights, in their norm; or None.
        overhead: Share of time that the watching takes; NaN where it is not known.
        selected: Index of the layer looked at, or None.
        detail: Its newest gradient from near.
        waiting: What is said before the first sample.
    """

    quantity: str
    layers: Sequence[str]
    steps: np.ndarray
    values: np.ndarray
    loss: np.ndarray
    broken: np.ndarray | None = None
    dead: np.ndarray | None = None
    update_ratio: np.ndarray | None = None
    overhead: float = float("nan")
    selected: int | None = None
    detail: Histogram | None = None
    waiting: str = "waiting for the first step"

    @property
    def drawn(self) -> np.ndarray:
        """Indices of the layers that have lines: at most 12, the first, the last and some evenly between."""
        count = len(self.layers)
        return np.unique(np.linspace(0, count - 1, min(count, DRAWN)).round().astype(int))

    def broken_at(self, samples, layers) -> np.ndarray:
        """Whether values are not finite, for whatever picks samples and layers."""
        if self.broken is not None:
            return self.broken[samples, layers]
        return ~np.isfinite(self.values[samples, layers])
