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
class Beside:
    """Another run, to be seen beside one, aligned by step.

    Attributes:
        name: What it is called, in a word or two.
        steps: Ascending, (T,).
        values: Of the same layers, (T, L); NaN for those that it has not.
        loss: (M,).
        loss_steps: Ascending, (M,).
        parted: The step from which on the two are not alike; None for none.
    """

    name: str
    steps: np.ndarray
    values: np.ndarray
    loss: np.ndarray
    loss_steps: np.ndarray
    parted: int | None = None

    def at(self, step: int) -> np.ndarray:
        """The values of the newest sample by this step, (L,); NaN before the first."""
        row = int(np.searchsorted(self.steps, step, side="right")) - 1
        return self.values[row] if row >= 0 else np.full(self.values.shape[1], np.nan)


@dataclass(frozen=True, eq=False)
class Training:
    """S samples of L layers.

    Attributes:
        quantity: What `values` are, with their measure.
        layers: Names, in order.
        steps: Ascending, (S,).
        values: (S, L).
        loss: (N,), or (S,) without `loss_steps`; NaN is then no loss, and with them one that is not finite.
        broken: (S, L), where a value was measured and is not finite. None: wherever a value is not finite, so NaN
            then does not mean that nothing was measured.
        dead: (L,) share of dead units at the newest sample, NaN where there are none to count; None for none at all.
        update_ratio: (L,) what the newest step added to the weights, in their norm; or None.
        overhead: Share of time that the watching takes; NaN where it is not known.
        selected: Index of the layer looked at, or None.
        detail: Its newest gradient from near.
        loss_steps: The steps that losses are of, ascending, (N,); None for those of the samples.
        named: Whether the layers' names stand along their axis, and not their numbers.
        waiting: What is said before the first sample.
        beside: Another run; None for none.
        brief: What `values` are in few letters, behind the name of the layer looked at; "" for `quantity`.
        no_detail: Why a layer cannot be looked at from near; "" where it can.
        theme: A key of `STYLES`.
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
    loss_steps: np.ndarray | None = None
    named: bool = False
    waiting: str = "waiting for the first step"
    beside: Beside | None = None
    no_detail: str = ""
    brief: str = ""
    theme: str = "light"

    @property
    def frame(self) -> object:
        """What the axes depend on, besides the picture's size."""
        return self.theme

    @property
    def title(self) -> str:
        """What is drawn over the steps; of the layer looked at, where there is one."""
        if self.selected is None:
            return self.quantity
        return f"{self.layers[self.selected]}: {self.brief or self.quantity}"

    @property
    def noted(self) -> tuple[np.ndarray, np.ndarray]:
        """Steps and losses that are known."""
        if self.loss_steps is not None:
            return self.loss_steps, self.loss
        known = ~np.isnan(self.loss)
        return self.steps[known], self.loss[known]

    @property
    def span(self) -> tuple[int, int]:
        """The first step and the last, of samples and losses."""
        steps, _ = self.noted
        ends = [*self.steps[[0, -1]], *steps[[0, -1]]] if len(steps) else self.steps
        return int(min(ends)), int(max(ends))

    @property
    def reach(self) -> tuple[int, int]:
        """The same of both runs, where there are two."""
        ends, other = [*self.span], self.beside
        for steps in () if other is None else (other.steps, other.loss_steps):
            ends += [int(steps[0]), int(steps[-1])] if len(steps) else []
        return min(ends), max(ends)

    @property
    def drawn(self) -> np.ndarray:
        """Indices of the layers that have lines: at most 12, the first, the last and some evenly between."""
        count = len(self.layers)
        return np.unique(np.linspace(0, count - 1, min(count, DRAWN)).round().astype(int))

    def broken_at(self, samples: int | slice, layers: slice | np.ndarray) -> np.ndarray:
        """Whether values are not finite, for whatever picks samples and layers."""
        if self.broken is not None:
            return self.broken[samples, layers]
        return ~np.isfinite(self.values[samples, layers])
