"""The look of all gradwidgets pictures: one set of colours, sizes and marks, light and dark.

Colours are distinguishable with any colour vision: the maps run from a pale valley to a dark height, and the losses
differ in line style as well.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from matplotlib import colormaps, rcParams, rcParamsDefault
from matplotlib.colors import to_hex, to_rgb
from matplotlib.typing import ColorType

from gradwidgets.core.regression.losses import LOSSES
from gradwidgets.figures.base.luminous import luminous

_OURS = ("agg.", "axes.", "figure.", "font.", "grid.", "image.", "legend.", "lines.", "markers.", "mathtext.", "patch.",
         "path.", "savefig.", "text.", "xtick.", "ytick.")  # fmt: skip
_RC = {
    **{key: value for key, value in rcParamsDefault.items() if key.startswith(_OURS)},
    "font.sans-serif": ["DejaVu Sans"],
}


@contextlib.contextmanager
def own_look() -> Iterator[None]:
    """A context that draws with Matplotlib's defaults, whatever the user's rcParams, and restores those.

    They are set as `rc_context` does, but without checking each of them again, which takes as long as a small picture.
    """
    before = {key: dict.__getitem__(rcParams, key) for key in _RC}
    dict.update(rcParams, _RC)
    try:
        yield
    finally:
        dict.update(rcParams, before)


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
        accent: The colour of what a hand can move.
        alarm: The colour of what warns: a limit, a sick layer.
        sound: The colour of what is as it should be.
        halo: The outline that sets a mark off from any background.
        ramp: The colours of a loss map from low to high, a float array (levels, 4).
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
    accent: str
    alarm: str
    sound: str
    halo: str
    ramp: np.ndarray = field(repr=False)
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


WORDS, MARKS = 4.5, 3.0  # least contrast of text, and of lines and marks, with what is beside them
_ASIDE = 18  # bands of a map of something else


def _aside(low: float, high: float) -> np.ndarray:
    return colormaps["OrRd"](np.linspace(low, high, _ASIDE))


LIGHT = Style(
    face="#ffffff",
    plot="#f7f8fb",
    ink="#171c2b",
    muted="#555d73",
    faint="#e4e7ef",
    data="#7d869b",
    accent="#5546d6",
    alarm="#c4284b",
    sound="#0b7a55",
    halo="#ffffff",
    ramp=luminous((0.975, 0.30), (0.045, 0.115, 0.105, 0.115)),
    aside=_aside(0.0, 0.95),
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
    face="#14161d",
    plot="#1a1d26",
    ink="#eef1f8",
    muted="#a6aec2",
    faint="#2a2e3b",
    data="#8b93a7",
    accent="#a99cff",
    alarm="#ff7d92",
    sound="#57d3a0",
    halo="#ffffff",
    ramp=luminous((0.95, 0.215), (0.055, 0.115, 0.105, 0.085)),
    aside=_aside(0.05, 1.0) * np.array([0.9, 0.9, 0.9, 1.0]),
    parts=LIGHT.parts,
    instead={
        "#2457f0": "#6fa8ff",
        "#d95a00": "#ff8a3d",
        "#009a63": "#62e6b0",
        "#b93aa8": "#d07ab0",
        "#8a6a00": "#e3c44a",
        "#5f6b85": "#a9b4cc",
        "#8e24aa": "#c377d8",
        "#56b4e9": "#f0e442",
        "#c4284b": "#ff7d92",
    },
)
STYLES = {"light": LIGHT, "dark": DARK}

# In the order of `LOSSES`, each with its own line style. The fourth one's dashes lie over the third one's line where
# Huber and SmoothL1 coincide. A loss keeps its colour in every picture, and its line style when shown with others; a
# loss not in this list takes the spare ones in turn.
_OF_LOSSES = (
    ("#2457f0", (0, (6.7, 1.7))),
    ("#d95a00", (0, (4.2, 1.7, 1.0, 1.7))),
    ("#009a63", "-"),
    ("#b93aa8", (0, (2.1, 1.7))),
    ("#8a6a00", (0, (1.0, 1.2))),
    ("#5f6b85", (0, (7.0, 1.4, 1.0, 1.4, 1.0, 1.4))),
)
_SPARE = (("#2457f0", "-"), ("#d95a00", "-"), ("#009a63", "-"))


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
