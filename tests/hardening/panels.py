"""Panels small enough to be made anew many times, and how two are compared: to the pixel."""

import numpy as np

from gradwidgets import LayerFlowPanel, OptimizerPlayground, SurfaceExplorer
from tests.widgets.fake_page import FakePage, arrived, kernel_picture
from tests.widgets.inside import constant_rows_of, shown_in_controls_of, words_of

SMALL = {
    "playground": lambda **more: OptimizerPlayground(**{"steps": 20, "losses": ("MSE", "Huber"), **more}),
    "explorer": lambda **more: SurfaceExplorer("pair", **{"resolution": 15, **more}),
    "layers": lambda **more: LayerFlowPanel(**{"depth": 4, "width": 6, "batch": 8, "activation": "Tanh", **more}),
}


def in_a_page(panel) -> FakePage:
    """Show a panel in a page that has answered everything."""
    page = FakePage(panel.canvas)
    page.refresh()
    page.answer()
    return page


def painted(panel) -> np.ndarray:
    """The picture as the kernel paints it now, whether or not a page answers."""
    arrived(panel.canvas)
    panel.canvas.paint()
    return picture_of(panel)


def picture_of(panel) -> np.ndarray:
    """What the kernel has painted."""
    return kernel_picture(panel.canvas)


def controls_of(panel) -> dict[str, object]:
    """What the controls show that can be moved; the others keep what they showed last."""
    hidden = {f"constant {k + 1}" for k, row in enumerate(constant_rows_of(panel)) if row.layout.display == "none"}
    return {name: value for name, value in shown_in_controls_of(panel).items() if name not in {*hidden, "step"}}


def seen_of(panel) -> dict[str, object]:
    """All that a reader sees besides the picture."""
    return {"summary": panel.summary, "words": words_of(panel), **controls_of(panel)}


def same_pictures(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two pictures are the same to the pixel."""
    return first.shape == second.shape and bool((first == second).all())


def where_they_differ(first: np.ndarray, second: np.ndarray) -> str:
    """Of two pictures of one size the pixels that differ: how many, and in which box."""
    if first.shape != second.shape:
        return f"{first.shape} and {second.shape}"
    rows, columns = np.nonzero((first != second).any(-1))
    return f"{len(rows)} pixels, rows {rows.min()} to {rows.max()}, columns {columns.min()} to {columns.max()}"
