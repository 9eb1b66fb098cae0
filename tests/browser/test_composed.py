"""Panels inside the boxes of ipywidgets: beside each other, in tabs, folded, on a grid."""

from __future__ import annotations

import pytest

from tests.browser.page import Page

pytestmark = pytest.mark.browser

MADE = """
import ipywidgets as w
from gradwidgets import OptimizerPlayground, SurfaceExplorer

def two():
    return OptimizerPlayground(losses="MSE"), SurfaceExplorer("pair")
"""
WHOLES = {
    "row": "w.HBox(two())",
    "plain box": "w.Box(two())",
    "column": "w.VBox(two())",
    "row of columns": "w.HBox([w.VBox([w.Label('first'), two()[0]]), w.VBox([two()[1]])])",
    "grid": "w.GridBox(two(), layout=w.Layout(grid_template_columns='repeat(2, 1fr)'))",
    "two by two": "w.TwoByTwoLayout(top_left=two()[0], top_right=two()[1])",
    "app": "w.AppLayout(header=w.HTML('<h3>Two</h3>'), center=two()[0], right_sidebar=two()[1])",
    "tabs": "w.Tab(two(), titles=('one', 'other'))",
    "folded": "w.Accordion(two(), titles=('one', 'other'), selected_index=0)",
}
IN_ROWS = ("row", "plain box", "row of columns", "grid", "two by two")
ONE_AT_A_TIME = {"tabs": ".lm-TabBar-tab", "folded": ".jupyter-widget-Collapse-header"}

BOXES = """() => [...document.querySelectorAll(".gradwidgets")].filter((panel) => panel.getClientRects().length).map((panel) => {
    const box = (element) => element.getBoundingClientRect().toJSON();
    const canvas = panel.querySelector(".jupyter-matplotlib-canvas-div");
    return {
        panel: box(panel), canvas: box(canvas), stage: box(canvas.closest(".gradwidgets-stage")),
        output: box(panel.closest(".jp-OutputArea-output")), hidden: panel.scrollWidth - panel.clientWidth,
    };
})"""
SIZED = """() => [...document.querySelectorAll(".gradwidgets")].filter((panel) => panel.getClientRects().length).every((panel) => {
    const stage = panel.querySelector(".gradwidgets-stage").getBoundingClientRect().width;
    const canvas = panel.querySelector(".jupyter-matplotlib-canvas-div").getBoundingClientRect().width;
    return stage > 50 && (Math.abs(stage - canvas) < 8 || (stage < 400 && Math.abs(canvas - 400) < 8));
})"""


def shown(page: Page, count: int) -> list[dict]:
    """Wait until so many panels are seen, each with a picture as wide as its room; return where they are."""
    page.until(f"({BOXES})().length === {count}")
    page.until(f"({SIZED})()")
    page.until_quiet()
    boxes = page.raw.evaluate(BOXES)
    for one in boxes:
        assert one["hidden"] <= 0, "a panel is cut off"
        assert one["panel"]["right"] <= one["output"]["right"] + 1
    return boxes


@pytest.mark.parametrize("width", [1280, 1920])
@pytest.mark.parametrize("kind", WHOLES)
def test_panels_are_seen_in_every_box(kind, width, open_page):
    page = open_page(f"{MADE}\n{WHOLES[kind]}", width=width, height=width * 5 // 8)
    page.run_all()
    boxes = shown(page, 1 if kind in ONE_AT_A_TIME else 2)
    room = boxes[0]["output"]["width"]
    if kind in ONE_AT_A_TIME:
        page.raw.locator(ONE_AT_A_TIME[kind]).nth(1).click()
        page.until("document.querySelectorAll('.gradwidgets')[1].getClientRects().length")
        boxes += shown(page, 1)
    first, second = (one["panel"] for one in boxes)
    if kind in IN_ROWS and (width == 1920 or kind in ("grid", "two by two")):
        assert first["top"] == pytest.approx(second["top"], abs=40) and first["right"] <= second["left"] + 1
        assert first["width"] == pytest.approx(second["width"], rel=0.05)
        assert first["width"] + second["width"] > 0.9 * room
    elif kind != "app":
        assert min(first["width"], second["width"]) > 0.9 * room
    assert page.complaints() == [] and page.console == []
