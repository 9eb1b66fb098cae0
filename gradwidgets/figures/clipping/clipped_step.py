"""One step's gradients before and after clipping, as plain arrays for a figure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Elements:
    """The sizes of a step's elements.

    Attributes:
        edges: The bins' edges, decimal logarithms of magnitudes, ascending, (B + 1,).
        before: The counts before clipping, (B,).
        after: The counts after it, (B,).
        limit: The largest size that an element may keep; NaN if elements have no limit of their own.
        note: What clipping did to the elements, in a few words.
    """

    edges: np.ndarray
    before: np.ndarray
    after: np.ndarray
    limit: float = math.nan
    note: str = ""


@dataclass(frozen=True, eq=False)
class ClippedStep:
    """The gradients of one step under several clippers.

    Attributes:
        before: The norm of each layer's gradient, (L,); NaN where there is none.
        broken: Where it is not finite, (L,).
        after: Clipper → the same after clipping, (L,).
        cosines: Clipper → the cosine of the angle to the step before clipping; NaN if there is none.
        told: Clipper → the same in words.
        chosen: The clipper whose elements are shown.
        elements: The sizes of the elements; None if there are none but zeros.
        names: The layers' names, for the axis; () for their numbers.
        settled: Whether the logarithmic axis takes the best-fitting decades; during a drag it seldom shrinks.
        theme: A key of `STYLES`.
    """

    before: np.ndarray
    broken: np.ndarray
    after: Mapping[str, np.ndarray]
    cosines: Mapping[str, float]
    told: Mapping[str, str]
    chosen: str
    elements: Elements | None = None
    names: tuple[str, ...] = field(default=())
    settled: bool = True
    theme: str = "light"

    @property
    def frame(self) -> object:
        """What the axes depend on, apart from the picture's size."""
        return self.theme

    @property
    def known(self) -> bool:
        """Whether any layer has a gradient."""
        return bool((np.isfinite(self.before) | self.broken).any())
