"""The layer panel under a hand, in a real page."""

import pytest

pytestmark = pytest.mark.browser

CELLS = (
    "from gradwidgets import LayerFlowPanel",
    "panel = LayerFlowPanel(init='default', depth=30)\npanel",
)


@pytest.fixture(scope="module")
def page(lab, browser, address):
    from tests.browser.page import Page

    with Page(browser, address, lab.write(CELLS)) as page:
        page.run_all()
        page.until_picture()
        page.until_painted("panel")
        page.open_words()
        yield page
        page.end_kernel()


@pytest.fixture(autouse=True)
def _as_it_comes(page):
    page.tell("panel.reset()")
    page.until_painted("panel")
    page.forgive()
    yield
    assert page.complaints() == [] and page.console == []


def test_keys_on_depth_and_gain_change_picture_and_words(page):
    before = page.pixels()
    page.press("depth", "ArrowLeft", times=5)
    page.until_kernel("panel.depth == 20")
    page.press("gain", "ArrowRight", times=8)
    page.until_kernel("abs(panel.gain - 1.4) < 1e-9")
    page.until_painted("panel")
    assert (page.pixels() != before).any()
    page.until_text("20 layers with weights", within=".gradwidgets-verdict")
    assert page.value("sorted(panel.canvas.painted_on)") == ["MainThread"]


def test_a_click_shows_a_layer_from_near_and_another_hides_it(page):
    place = page.on_map(weight=-8.0, bias=12.0, widget="panel")
    page.raw.mouse.click(*place)
    page.until_kernel("panel.selected == 11")
    page.until_text("linear_12 (Linear, 10,100 parameters)", within=".gradwidgets-verdict")
    page.until_painted("panel")
    page.raw.mouse.click(*place)
    page.until_kernel("panel.selected is None")
    page.until_painted("panel")


def test_a_preset_pins_and_is_explained(page):
    page.raw.get_by_label("preset").select_option("five activations")
    page.until_kernel("panel.quantity == 'activation gradient' and len(panel.pinned) == 4")
    page.until_painted("panel")
    page.until_text("vanishing", within=".gradwidgets-verdict .card.error")
