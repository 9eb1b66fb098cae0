"""The measurements of a training run so far, as plain arrays for a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWN = 12  # layers with their own line, at most


@dataclass(frozen=True, eq=False)
class Histogram:
    """A histogram of the sizes of a layer's gradient elements.

    Attributes:
        title: The title, which names the layer.
        edges: The bins' edges, decimal logarithms of magnitudes, ascending, (B + 1,).
        counts: The counts, (B,).
    """

    title: str
    edges: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True, eq=False)
class Beside:
    """Another run for comparison, aligned by step.

    Attributes:
        name: The run's name, a word or two.
        steps: The steps, ascending, (T,).
        values: The values of the same layers, (T, L); NaN for layers that it does not have.
        loss: The losses, (M,).
        loss_steps: The steps of the losses, ascending, (M,).
        parted: The step from which the two runs differ; None if they do not.
    """

    name: str
    steps: np.ndarray
    values: np.ndarray
    loss: np.ndarray
    loss_steps: np.ndarray
    parted: int | None = None

    def at(self, step: int) -> np.ndarray:
        """The values of the latest sample up to this step, (L,); NaN before the first."""
        row = int(np.searchsorted(self.steps, step, side="right")) - 1
        return self.values[row] if row >= 0 else np.full(self.values.shape[1], np.nan)


@dataclass(frozen=True, eq=False)
class Training:
    """S samples of L layers.

    Attributes:
        quantity: The name of `values`, with their unit or measure.
        layers: The layers' names, in order.
        steps: The samples' steps, ascending, (S,).
        values: The values, (S, L).
        loss: The losses, (N,), or (S,) without `loss_steps`; without them NaN means no loss, with them one not finite.
        broken: Where a measured value is not finite, (S, L). None: wherever a value is not finite, so NaN
            then does not mean that nothing was measured.
        dead: The fraction of dead units at the latest sample, (L,); NaN if it does not apply; None if for no layer.
        update_ratio: The norm of the latest update relative to that of the weights, (L,); or None.
        overhead: The fraction of time that monitoring takes; NaN if unknown.
        selected: The index of the selected layer, or None.
        detail: The histogram of its latest gradient.
        loss_steps: The steps of the losses, ascending, (N,); None for those of the samples.
        named: Whether the layers' axis shows their names instead of their numbers.
        waiting: The text shown before the first sample.
        beside: Another run for comparison, or None.
        brief: A short name of `values`, shown after the selected layer's name; "" for `quantity`.
        with_elements: Whether the elements of gradients can be known; those of a record cannot.
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
    with_elements: bool = True
    brief: str = ""
    theme: str = "light"

    @property
    def frame(self) -> object:
        """What the axes depend on, apart from the picture's size."""
        return self.theme

    @property
    def titles(self) -> tuple[str, ...]:
        """Titles of what is drawn over the steps, ever shorter: the selected layer's name, if any, and the quantity."""
        brief = self.brief or self.quantity
        if self.selected is None:
            return self.quantity, self.quantity.removesuffix(", rms"), brief
        name = self.layers[self.selected]
        return f"{name}: {brief}", f"{name}: {brief.removesuffix(', rms')}", name

    @property
    def measured(self) -> bool:
        """Whether there is any number of any layer, or one that is marked, of this run or the other."""
        there = np.isfinite(self.values[-1]).any() or np.isfinite(self.values).any()
        broken = self.broken is None or self.broken.any()
        return bool(there or broken or (self.beside is not None and np.isfinite(self.beside.values).any()))

    @property
    def noted(self) -> tuple[np.ndarray, np.ndarray]:
        """The steps and losses that are known."""
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
        """The same for both runs, if there are two."""
        ends, other = [*self.span], self.beside
        for steps in () if other is None else (other.steps, other.loss_steps):
            ends += [int(steps[0]), int(steps[-1])] if len(steps) else []
        return min(ends), max(ends)

    @property
    def drawn(self) -> np.ndarray:
        """The indices of the layers that have lines: at most 12, evenly spaced, including the first and the last."""
        count = len(self.layers)
        return np.unique(np.linspace(0, count - 1, min(count, DRAWN)).round().astype(int))

    def broken_at(self, samples: int | slice, layers: slice | np.ndarray) -> np.ndarray:
        """Whether values are not finite, for some samples and layers."""
        if self.broken is not None:
            return self.broken[samples, layers]
        return ~np.isfinite(self.values[samples, layers])
