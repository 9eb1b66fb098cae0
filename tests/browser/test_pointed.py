"""What a picture shows under the pointer, in a real page: beside the place, inside the picture, and gone with it."""

import re

import pytest

pytestmark = pytest.mark.browser

PANELS = {
    "playground": "from gradwidgets import OptimizerPlayground\npanel = OptimizerPlayground()\npanel",
    "explorer": "from gradwidgets import SurfaceExplorer\n"
    "panel = SurfaceExplorer(lambda a, b: a**2 + b**2, {'a': (-2, 2), 'b': (-2, 2)}, point=(1, 1))\npanel",
    "layers": "from gradwidgets import LayerFlowPanel\npanel = LayerFlowPanel(depth=12)\npanel",
}
TIP = ".gradwidgets-value:not([hidden])"
PICTURE = ".jupyter-matplotlib-canvas-div"
# Counts what the page asks of the kernel.
COUNTED = (
    "asked = []\n"
    "panel.page.on_msg(lambda _widget, content, _buffers: asked.append(1) if 'question' in content else None)"
)


def pixel(page, axes: str, x: float, y: float) -> tuple[float, float]:
    """Where on the page a place in axes is, of which Python returns both."""
    across, up = page.value(f"[float(v) for v in {axes}.transData.transform(({x}, {y})) / panel.figure.bbox.size]")
    box = page.raw.locator(PICTURE).first.bounding_box()
    return box["x"] + across * box["width"], box["y"] + (1 - up) * box["height"]


def pointed(page, axes: str, x: float, y: float) -> str:
    """Move the mouse to a place in axes; return what is told there, beside it and inside the picture."""
    at = pixel(page, axes, x, y)
    tip = page.raw.locator(TIP)
    page.raw.mouse.move(2, 2)
    tip.wait_for(state="hidden")
    page.raw.mouse.move(*at)
    tip.wait_for()
    page.until_quiet(0.2)
    box, picture = tip.bounding_box(), page.raw.locator(PICTURE).first.bounding_box()
    for side, length in (("x", "width"), ("y", "height")):
        assert picture[side] - 0.5 <= box[side] and box[side] + box[length] <= picture[side] + picture[length] + 0.5
    assert not (box["x"] <= at[0] <= box["x"] + box["width"] and box["y"] <= at[1] <= box["y"] + box["height"])
    return tip.inner_text()


def test_maps_fit_and_losses_of_a_playground(open_panel):
    with open_panel((PANELS["playground"],)) as page:
        said = pointed(page, "panel._figure.maps['L1'].axes", -2, -4)
        grid = "panel.surfaces['L1']"
        expected = page.value(f"float({grid}.loss[abs({grid}.y + 4).argmin(), abs({grid}.x + 2).argmin()])")
        assert float(re.match(r"loss ([\d.]+), gradient [\d.]+\n", said)[1]) == pytest.approx(expected, rel=0.05)
        there = re.search(r"bias −([\d.]+), weight −([\d.]+)", said)
        assert [float(one) for one in there.groups()] == pytest.approx([2, 4], abs=0.06)
        end = page.value("panel.trajectories['MSE'].points[-1].tolist()[::-1]")
        assert re.match(r"step \d+: loss", pointed(page, "panel._figure.maps['MSE'].axes", *end))
        edge = page.value("list(panel._figure.maps['L1'].axes.get_xlim())")
        assert "bias" in pointed(page, "panel._figure.maps['L1'].axes", edge[1] - 0.05, -4)
        assert pointed(
            page, "panel._figure.curves.axes", 50, "panel._figure.curves.axes.get_ylim()[0] + 0.01"
        ).startswith("step 50\nMSE ")
        assert pointed(page, "panel._figure.data.axes", 0, 2).startswith("x ")
        page.raw.mouse.move(2, 2)
        page.raw.locator(TIP).wait_for(state="hidden")
        assert page.complaints() == [] and page.console == []


def test_maps_and_cuts_of_an_explorer(open_panel):
    with open_panel((PANELS["explorer"],)) as page:
        said = pointed(page, "panel._figure.maps[0].axes", -0.5, -1.4)
        told = [float(one.replace("−", "-")) for one in re.findall(r"−?\d[\d.]*", said)]
        assert told == pytest.approx([2.21, -1, -2.8, -0.5, -1.4], abs=0.06) and "∂a" in said
        middle = "sum(panel._figure.plots[0].axes.get_ylim()) / 2"
        assert re.match(r"a 0\.\d+\nloss 1\.[23]", pointed(page, "panel._figure.plots[0].axes", 0.5, middle))
        middle = "sum(panel._figure.plots[1].axes.get_xlim()) / 2"
        assert re.match(r"b −?[\d.]+\nloss ", pointed(page, "panel._figure.plots[1].axes", middle, -0.2))
        assert page.complaints() == [] and page.console == []


def test_layers_by_name_and_number_in_the_dark_at_200_percent(lab, browser, address):
    from tests.browser.page import Page

    with Page(browser, address, lab.write([PANELS["layers"]]), 640, 400, pixel_ratio=2) as page:
        page.theme("JupyterLab Dark")
        page.raw.evaluate("jupyterapp.shell.collapseLeft()")
        page.run(0)
        page.until_picture()
        page.until("document.querySelector('.gradwidgets-narrow') !== null")
        page.until_quiet()
        page.raw.locator(PICTURE).scroll_into_view_if_needed()
        page.until_quiet()
        profile = "panel.figure.axes[0]"
        said = pointed(page, profile, 7.1, f"sum({profile}.get_ylim()) / 2")
        value = page.value(
            "panel.flow.layers[[k for k, one in enumerate(panel.flow.layers) if one.weights][6]].weight_grad_rms"
        )
        assert said.startswith("layer 7\n") and float(re.search(r"rms ([\d.e−]+)", said)[1].replace("−", "-")) == (
            pytest.approx(value, rel=0.01)
        )
        assert page.raw.locator(TIP).evaluate("one => getComputedStyle(one).color") == "rgb(238, 241, 248)"
        page.end_kernel()


def test_nothing_is_asked_while_a_button_is_pressed_and_else_not_often(open_panel):
    with open_panel((PANELS["playground"],)) as page:
        page.tell(COUNTED)
        axes = "panel._figure.maps['MSE'].axes"
        from_, to = pixel(page, axes, -2, -2), pixel(page, axes, 2, 3)
        page.raw.mouse.move(*from_)
        page.raw.locator(TIP).wait_for()
        page.raw.mouse.down()
        page.raw.locator(TIP).wait_for(state="hidden")
        page.until_quiet()
        before = page.value("len(asked)")
        page.raw.mouse.move(*to, steps=30)
        page.until_quiet()
        assert page.value("len(asked)") == before and page.raw.locator(TIP).count() == 0
        page.raw.mouse.up()
        page.until_quiet()
        began = page.raw.evaluate("performance.now()")
        page.raw.mouse.move(*from_, steps=60)
        page.raw.locator(TIP).wait_for()
        page.until_quiet()
        took = page.raw.evaluate("performance.now()") - began
        assert 1 <= page.value("len(asked)") - before <= took / 50 + 1
        assert page.complaints() == [] and page.console == []
