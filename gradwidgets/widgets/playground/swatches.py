"""The losses' own colours and dashes on their toggles, as in the picture, in both themes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gradwidgets.core.regression.losses import LOSSES
from gradwidgets.figures.base.style import STYLES, loss_line

_DARK = (".gradwidgets-dark", '[data-jp-theme-light="false"] .gradwidgets:not(.gradwidgets-light)')  # see tokens.css
_LONG = 18  # CSS pixels: of a swatch


def class_of(position: int) -> str:
    """Return the class of a loss's toggle, by its place in `LOSSES`."""
    return f"gradwidgets-line-{position}"


def rules() -> str:
    """Return the style sheet."""
    return "\n".join(_rules())


def _rules() -> Iterator[str]:
    for theme, style in STYLES.items():
        for k, name in enumerate(LOSSES):
            color, dashes = loss_line(name, k, style)
            of_theme = _DARK if theme == "dark" else (".gradwidgets",)
            where = ", ".join(f"{panel} .{class_of(k)}" for panel in of_theme)
            yield f"{where} {{ {variables(color, dashes)} }}"


def variables(color: str, dashes: Any) -> str:
    """Return the CSS variables of a line's colour and of its swatch."""
    return f"--gw-chosen: {color}; --gw-swatch: {_swatch(color, dashes)};"


def _swatch(color: str, dashes: Any) -> str:
    """Return a line's dashes as a CSS gradient, that ends with a whole one."""
    if isinstance(dashes, str):
        return color
    lengths = dashes[1]
    times = max(1, round(_LONG / sum(lengths) / 1.2))
    unit = _LONG / (times * sum(lengths) - lengths[-1])
    at, stops = 0.0, []
    for k, length in enumerate(lengths):
        shade, end = "transparent" if k % 2 else color, at + unit * length
        stops.append(f"{shade} {at:.2f}px {end:.2f}px")
        at = end
    return f"repeating-linear-gradient(90deg, {', '.join(stops)})"
