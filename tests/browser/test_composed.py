"""Panels inside the boxes of ipywidgets: beside each other, in tabs, folded, on a grid."""

from __future__ import annotations

import pytest

from tests.browser.page import Page

pytestmark = pytest.mark.browser

MADE = """
import ipywidgets as w
from gradwidgets import OptimizerPlayground, SurfaceExplorer

def two():
    return OptimizerPlayground(losses="MSE"), OptimizerPlayground(losses="L1")
"""
WHOLES = {
    "row": "w.HBox([two()[0], SurfaceExplorer('barrier')])",
    "plain box": "w.Box(two())",
    "column": "w.VBox(two())",
    "row of columns": "w.HBox([w.VBox([w.Label('first'), two()[0]]), w.VBox([two()[1]])])",
    "grid": "w.GridBox(two(), layout=w.Layout(grid_template_columns='repeat(2, 1fr)'))",
    "two by two": "w.TwoByTwoLayout(top_left=two()[0], top_right=two()[1])",
    "app": "w.AppLayout(header=w.HTML('<h3>Two</h3>'), center=two()[0], right_sidebar=two()[1])",
    "tabs": "w.Tab(two(), titles=('one', 'other'))",
    "folded": "w.Accordion(two(), titles=('one', 'other'), selected_index=0)",
}
IN_ROWS, ON_GRIDS = ("row", "plain box", "row of columns"), ("grid", "two by two")
ONE_AT_A_TIME = {"tabs": ".jupyter-widget-tab .lm-TabBar-tab", "folded": ".jupyter-widget-Collapse-header"}

# Of the panels in a cell that are seen: where they are, and whether their pictures are as wide as their room, or as the
# narrowest picture there is.
SEEN = """(cell) => [...watched.notebook().content.widgets[cell].node.querySelectorAll(".gradwidgets")]
    .filter((panel) => panel.getClientRects().length && panel.querySelector(".jupyter-matplotlib-canvas-div canvas"))
    .map((panel) => {
        const box = (element) => element.getBoundingClientRect().toJSON();
        const canvas = box(panel.querySelector(".jupyter-matplotlib-canvas-div"));
        const room = box(panel.querySelector(".gradwidgets-stage")).width;
        return {
            ...box(panel), cut: panel.scrollWidth - panel.clientWidth,
            room: box(panel.closest(".jp-OutputArea-output")),
            fits: room > 50 && Math.abs(canvas.width - Math.max(room, 240)) < 8,
        };
    })"""


def shown(page: Page, cell: int, count: int) -> list[dict]:
    """Wait until so many panels of a cell are seen, each with a picture of the right size; return where they are."""
    page.until(f"(({SEEN})({cell})).filter((one) => one.fits).length === {count}")
    found = page.raw.evaluate(SEEN, cell)
    assert all(one["cut"] <= 0 and one["right"] <= one["room"]["right"] + 1 for one in found)
    return found


@pytest.mark.parametrize("width", [1280, 1920])
def test_panels_are_seen_in_every_box(width, open_page):
    page = open_page(MADE, *WHOLES.values(), width=width, height=width * 5 // 8)
    page.run(0)
    for cell, kind in enumerate(WHOLES, 1):
        page.run(cell)
        panels = shown(page, cell, 1 if kind in ONE_AT_A_TIME else 2)
        if kind in ONE_AT_A_TIME:
            page.raw.locator(ONE_AT_A_TIME[kind]).nth(1).click()
            panels += shown(page, cell, 1)
        first, second = panels
        if kind in ON_GRIDS or (kind in IN_ROWS and width == 1920):
            assert first["right"] <= second["left"] + 1 and first["left"] < second["left"], kind
            assert first["width"] == pytest.approx(second["width"], rel=0.05), kind
        elif kind != "app":
            assert min(first["width"], second["width"]) > 0.9 * first["room"]["width"], kind
        assert first["width"] + second["width"] > 0.9 * first["room"]["width"], kind
    assert page.complaints() == [] and page.console == []
