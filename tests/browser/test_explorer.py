"""The explorer under a hand, in a real page."""

import pytest

pytestmark = pytest.mark.browser

CELLS = (
    "from gradwidgets import SurfaceExplorer",
    "trouble = False\n"
    "def loss(a, b, margin):\n"
    "    if trouble:\n"
    "        raise RuntimeError('it <b>leaks</b>')\n"
    "    gap = (a - b).abs()\n"
    "    return (gap < margin) * gap**2 + (gap >= margin) * margin**2\n"
    "explorer = SurfaceExplorer({'square': loss, 'straight': lambda a, b, margin: margin * (a - b).abs()},\n"
    "                           {'a': (-1, 1), 'b': (-1, 1)}, fixed={'margin': 1.0})\n"
    "explorer",
)


@pytest.fixture(scope="module")
def page(lab, browser, address):
    from tests.browser.page import Page

    with Page(browser, address, lab.write(CELLS)) as page:
        page.run_all()
        page.until_picture()
        page.until_kernel("explorer.error == '' and len(explorer.findings) == 1")
        page.until_painted("explorer")
        yield page
        page.end_kernel()


@pytest.fixture(autouse=True)
def _as_it_comes(page):
    page.tell("explorer.reset()")
    page.until_painted("explorer")
    page.forgive()
    yield
    assert page.complaints() == [] and page.console == []


def test_a_key_on_a_constant_changes_picture_and_verdict(page):
    before, words = page.pixels(), page.value("explorer.summary")
    page.press("margin", "ArrowLeft", times=8)
    page.until_kernel("explorer.fixed['margin'] == 0.8")
    page.until_painted("explorer")
    assert (page.pixels() != before).any()
    page.until_kernel(f"explorer.summary != {words!r}")
    share = page.value("explorer.findings['square'][0].evidence['share']")
    page.until_text(f"{100 * share:.3g} % of the view is dead", within=".gradwidgets-badges .badge.warning")
    assert page.value("sorted(explorer.canvas.painted_on)") == ["MainThread"]


def test_a_click_and_a_drag_move_the_point(page):
    page.raw.mouse.click(*page.on_map(weight=0.5, bias=-0.25, widget="explorer"))
    page.until_kernel("explorer.point is not None and abs(explorer.point[0] + 0.25) < 0.05")
    page.until_kernel("abs(explorer.point[1] - 0.5) < 0.05")
    page.raw.mouse.move(*page.on_map(weight=0.5, bias=-0.25, widget="explorer"))
    page.raw.mouse.down()
    page.raw.mouse.move(*page.on_map(weight=-0.5, bias=0.5, widget="explorer"), steps=6)
    page.raw.mouse.up()
    page.until_kernel("abs(explorer.point[0] - 0.5) < 0.05 and abs(explorer.point[1] + 0.5) < 0.05")
    page.until_painted("explorer")
    said = page.raw.locator(".gradwidgets-verdict .note").text_content()
    at_point = "explorer.grids['square'].function.values(__import__('torch').tensor([explorer.point]).double())"
    a, b, loss = page.value(f"[*explorer.point, float({at_point}.loss)]")
    assert said.startswith(f"at a {a:.3g}, b −{-b:.3g}: loss {loss:.4g}")
    page.until_text(f"{loss:.4g}", within=".gradwidgets-bar .gradwidgets-here")  # in view, whatever is folded


def test_two_variants_stand_side_by_side(page):
    page.tell("explorer.compare = ('square', 'straight')")
    page.until_painted("explorer")
    assert page.value("len(explorer.figure.axes)") == 3 + 2 + 2
    page.until_text("dead zone · square", within=".gradwidgets-badges")


def test_a_hidden_tab_holds_nothing_up_and_shows_the_newest_when_it_is_back(page):
    before = page.pixels()
    with page.hidden():
        for margin in (0.9, 0.7, 0.5, 0.3):
            page.tell(f"explorer.fixed = {{'margin': {margin}}}")
        page.until_kernel("explorer.findings['square'][0].evidence['share'] > 0.6")
        assert page.value("explorer.canvas.under_way") <= 2
    page.until_painted("explorer")
    assert (page.pixels() != before).any()


def test_the_gradient_check_is_a_map_beside_the_loss(page):
    page.raw.locator(".widget-checkbox").filter(has_text="check the gradient").first.locator("input").check()
    page.until_kernel("explorer.gradient_check and len(explorer.figure.axes) == 2 + 2 + 2")
    page.until_painted("explorer")
    page.until_text("gradient check", within=".gradwidgets-badges .badge.ok")


def test_a_loss_that_raises_is_said_and_the_next_change_recovers(page):
    words = page.value("explorer.summary")
    page.tell("trouble = True")
    page.press("margin", "ArrowLeft")
    page.until_text("it <b>leaks</b>", within=".gradwidgets-error")
    assert page.value("explorer.summary") == words
    assert any("Traceback" in text for text in page.forgive())
    page.tell("trouble = False")
    page.press("margin", "ArrowLeft")
    page.until_kernel("explorer.error == ''")
    page.until("document.querySelector('.gradwidgets-error') === null")
    page.until_painted("explorer")
