"""A page at 200 %: 1280 × 800 pixels of the screen are 640 × 400 to the page."""

import pytest

from tests.browser.page import Page

pytestmark = pytest.mark.browser

BOXES = """() => {
    const panel = document.querySelector(".gradwidgets");
    const box = (what) => panel.querySelector(what).getBoundingClientRect().toJSON();
    return {
        panel: panel.getBoundingClientRect().toJSON(), column: box(".gradwidgets-column"),
        canvas: box(".jupyter-matplotlib-canvas-div"), words: box(":scope > .gradwidgets-details"),
        wide: panel.scrollWidth - panel.clientWidth,
        scrolled: panel.closest(".jp-WindowedPanel-outer, .jp-Notebook").scrollWidth
            - panel.closest(".jp-WindowedPanel-outer, .jp-Notebook").clientWidth,
    };
}"""


@pytest.mark.parametrize("kind", ["OptimizerPlayground", "SurfaceExplorer", "LayerFlowPanel"])
def test_at_200_percent_nothing_overlaps_or_is_cut_off(kind, lab, browser, address):
    cells = [f"from gradwidgets import {kind}\nwidget = {kind}()\nwidget"]
    with Page(browser, address, lab.write(cells), width=640, height=400, pixel_ratio=2) as page:
        page.raw.evaluate("jupyterapp.shell.collapseLeft()")
        page.run_all()
        page.until_picture()
        page.until("document.querySelector('.gradwidgets-narrow') !== null")
        page.until_kernel("widget.page.told() != {}")  # a busy page tells its width some time after it shows a picture
        page.until_painted("widget")
        page.raw.locator(".gradwidgets-details").click()  # in a low window the words are folded
        page.raw.locator(".gradwidgets > .gradwidgets-words").wait_for()
        page.until_quiet()
        seen = page.raw.evaluate(BOXES)
        panel, column, canvas, words = (seen[what] for what in ("panel", "column", "canvas", "words"))
        assert seen["wide"] <= 0 and seen["scrolled"] <= 0
        for part in (column, canvas, words):
            assert panel["left"] <= part["left"] and part["right"] <= panel["right"] + 0.5
            assert panel["top"] <= part["top"] and part["bottom"] <= panel["bottom"] + 0.5
        assert column["bottom"] <= canvas["top"] and canvas["bottom"] <= words["top"]
        page.unfold()
        page.raw.get_by_role("button", name="PNG").scroll_into_view_if_needed()
        page.raw.locator(".jupyter-matplotlib-canvas-div").scroll_into_view_if_needed()
        page.raw.locator(".gradwidgets > .gradwidgets-words").scroll_into_view_if_needed()
        assert page.complaints() == [] and page.console == []
        page.end_kernel()
