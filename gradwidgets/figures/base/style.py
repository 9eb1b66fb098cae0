"""The look of all gradwidgets pictures: one set of colours, sizes and marks, light and dark.

Colours are distinguishable with any colour vision: the maps run from a pale valley to a dark height, and the losses
use Okabe and Ito's palette and differ in line style as well.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from matplotlib import colormaps, rc_context, rcParamsDefault
from matplotlib.colors import to_hex, to_rgb
from matplotlib.typing import ColorType

from gradwidgets.core.regression.losses import LOSSES

_OURS = ("agg.", "axes.", "figure.", "font.", "grid.", "image.", "legend.", "lines.", "markers.", "mathtext.", "patch.",
         "path.", "savefig.", "text.", "xtick.", "ytick.")  # fmt: skip
_RC = {
    **{key: value for key, value in rcParamsDefault.items() if key.startswith(_OURS)},
    "font.sans-serif": ["DejaVu Sans"],
}


@contextlib.contextmanager
def own_look() -> Iterator[None]:
    """A context that draws with Matplotlib's defaults, whatever the user's rcParams, and restores those."""
    with rc_context(_RC):
        yield


@dataclass(frozen=True)
class Style:
    """The colours of one theme.

    Attributes:
        face: The background of the whole figure.
        plot: The background of a plot.
        ink: The colour of text and axes.
        muted: The colour of ticks, grids and secondary text.
        faint: The colour of grid lines.
        data: The colour of data points.
        path: The colour of a descent's path.
        halo: The outline that sets a mark off from any background.
        bands: The colours of a loss map from low to high, a float array (bands, 4).
        aside: The colours of a map of something else, from low to high, likewise.
        parts: The colours of the vectors that make up a step, by name.
        instead: Replacements for colours that are too close to this theme's plots.
    """

    face: str
    plot: str
    ink: str
    muted: str
    faint: str
    data: str
    path: str
    halo: str
    bands: np.ndarray = field(repr=False)
    aside: np.ndarray = field(repr=False)
    parts: dict[str, str] = field(repr=False)
    instead: dict[str, str] = field(default_factory=dict, repr=False)

    def shown(self, color: str) -> str:
        """Return a line's or a mark's colour in this theme, with a contrast of 3:1 against its plots."""
        return self.instead.get(color, color)

    def written(self, color: str) -> str:
        """Return a colour adapted for text, with a contrast of 4.5:1 against face and plot."""
        return _legible(self.shown(color), self.ink, self.face, self.plot)


@functools.cache
def _legible(color: str, ink: str, *grounds: str) -> str:
    for share in np.linspace(1, 0, 21):
        mixed = share * np.array(to_rgb(color)) + (1 - share) * np.array(to_rgb(ink))
        if (
            min(contrast(mixed, ground) for ground in grounds) >= WORDS + 0.1
        ):  # so that it still holds when rounded to eight bits
            return to_hex(mixed)
    return ink


def contrast(one: ColorType, other: ColorType) -> float:
    """Return the contrast ratio of two colours, 1 to 21, as the Web Content Accessibility Guidelines define it."""
    dark, light = sorted(float(luminance(np.array(to_rgb(color)))) for color in (one, other))
    return (light + 0.05) / (dark + 0.05)


def luminance(rgb: np.ndarray) -> np.ndarray:
    """Return the relative luminance of sRGB colours, (…, 3) from 0 to 1, as (…)."""
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)


BANDS = 18
WORDS, MARKS = 4.5, 3.0  # least contrast of text, and of lines and marks, with what is beside them


def _bands(low: float, high: float, name: str = "YlGnBu") -> np.ndarray:
    return colormaps[name](np.linspace(low, high, BANDS))


LIGHT = Style(
    face="#ffffff",
    plot="#fbfbfc",
    ink="#1c2733",
    muted="#5b6773",
    faint="#e3e7eb",
    data="#7d8894",
    path="#d7301f",
    halo="#ffffff",
    bands=_bands(0.02, 0.92),
    aside=_bands(0.0, 0.95, "OrRd"),
    parts={
        "gradient": "#111111",
        "momentum": "#8e24aa",
        "decay": "#00695c",
        "look-ahead": "#b85c00",
        "step": "#d7301f",
    },
    instead={"#cc79a7": "#c0649a", "#e69f00": "#b87800", "#56b4e9": "#2f8fcb"},
)
DARK = Style(
    face="#111111",
    plot="#191c20",
    ink="#eceff1",
    muted="#a7b1ba",
    faint="#2d3338",
    data="#9aa5ae",
    path="#e5391f",
    halo="#ffffff",
    bands=_bands(0.08, 1.0) * np.array([0.9, 0.9, 0.9, 1.0]),
    aside=_bands(0.05, 1.0, "OrRd") * np.array([0.9, 0.9, 0.9, 1.0]),
    parts=LIGHT.parts,
    instead={"#0072b2": "#4aa3df", "#8e24aa": "#c377d8", "#56b4e9": "#f0e442"},
)
STYLES = {"light": LIGHT, "dark": DARK}

# In the order of `LOSSES`, Okabe and Ito's colours, each with its own line style. The fourth one's dashes lie over the
# third one's line where Huber and SmoothL1 coincide. A loss keeps its colour in every picture, and its line style when
# shown with others; a loss not in this list takes the spare ones in turn.
_OF_LOSSES = (
    ("#0072b2", (0, (7.0, 1.4))),
    ("#d55e00", (0, (4.0, 1.4, 1.0, 1.4))),
    ("#009e73", "-"),
    ("#cc79a7", (0, (2.2, 1.6))),
    ("#e69f00", (0, (1.0, 1.2))),
    ("#56b4e9", (0, (7.0, 1.4, 1.0, 1.4, 1.0, 1.4))),
)
_SPARE = (("#0072b2", "-"), ("#e69f00", "-"), ("#56b4e9", "-"))


def loss_line(name: str, position: int, style: Style = LIGHT, *, alone: bool = False) -> tuple[str, object]:
    """Return the colour and line style of a loss.

    Args:
        name: The loss; the playground's have their own styles.
        position: Its index among the losses shown, for any other name.
        style: The theme.
        alone: Whether it is the only one shown, and so needs no dashes to tell it apart.
    """
    lines = dict(zip(LOSSES, _OF_LOSSES, strict=False))
    color, dashes = lines.get(name, _SPARE[position % len(_SPARE)])
    return style.shown(color), "-" if alone else dashes
