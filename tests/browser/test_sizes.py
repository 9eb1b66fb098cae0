"""A projector's strip over the picture, and a phone, where everything is one below the other."""

import pytest

from tests.browser.page import Page

pytestmark = pytest.mark.browser

KINDS = ("OptimizerPlayground", "SurfaceExplorer", "LayerFlowPanel")
# What is dragged most is in the strip, the other is behind More.
STRIP = {"OptimizerPlayground": ("lr", "dataset"), "SurfaceExplorer": ("strength", "colours"),
         "LayerFlowPanel": ("depth", "preset")}  # fmt: skip
PARTS = """which => which.map((what) => {
    const part = [...document.querySelectorAll(".gradwidgets " + what)].find((one) => one.getClientRects().length);
    return part ? part.getBoundingClientRect().toJSON() : null;
})"""


def shown(lab, browser, address, kind: str, style: str, **size) -> Page:
    cells = [f"from gradwidgets import {kind}\nwidget = {kind}(style={style!r})\nwidget"]
    page = Page(browser, address, lab.write(cells), **size)
    page.raw.evaluate("jupyterapp.shell.collapseLeft()")
    page.run(0)
    page.until_picture()
    page.until_kernel("widget.page.size != {}")
    page.until_painted("widget")
    return page


@pytest.mark.parametrize("kind", KINDS)
def test_on_a_projector_strip_verdict_and_picture_are_seen_at_once(kind, lab, browser, address):
    with shown(lab, browser, address, kind, "projector", width=1280, height=800) as page:
        panel = page.raw.locator(".gradwidgets").first
        panel.evaluate("one => { one.style.scrollMarginTop = '8px'; one.scrollIntoView({block: 'start'}); }")
        which = [".gradwidgets-column", ".gradwidgets-said", ".jupyter-matplotlib-canvas-div"]
        strip, said, picture = page.raw.evaluate(PARTS, which)
        assert strip["bottom"] <= said["top"] and said["bottom"] <= picture["top"]
        assert picture["bottom"] <= 770 and picture["width"] > 0.95 * strip["width"]
        assert strip["height"] < 100
        dragged, other = (
            page.raw.locator(f".gradwidgets-column .widget-label:text-is('{name}')") for name in STRIP[kind]
        )
        assert dragged.first.is_visible() and not other.first.is_visible()
        page.raw.get_by_role("button", name="More", exact=True).and_(page.raw.locator(".gradwidgets-rest *")).click()
        other.first.wait_for(state="visible")
        assert page.complaints() == [] and page.console == []
        page.end_kernel()


def test_on_a_phone_the_picture_comes_after_the_first_line_and_is_not_cut(lab, browser, address):
    with shown(lab, browser, address, KINDS[0], "page", width=390, height=844, pixel_ratio=2) as page:
        which = [".gradwidgets-head", ".gradwidgets-said", ".jupyter-matplotlib-canvas-div", ".gradwidgets-bar"]
        which += [".gradwidgets-group .gradwidgets-number.gradwidgets-strip", ".gradwidgets-group .gradwidgets-menu"]
        parts = page.raw.evaluate(PARTS, which)
        assert [one["top"] for one in parts] == sorted(one["top"] for one in parts)
        assert (
            parts[2]["right"]
            <= page.raw.locator(".gradwidgets").first.bounding_box()["x"]
            + (page.raw.locator(".gradwidgets").first.bounding_box()["width"])
        )
        assert page.complaints() == [] and page.console == []
        page.end_kernel()
