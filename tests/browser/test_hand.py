"""Small things that only a hand in a page meets."""

import pytest

pytestmark = pytest.mark.browser

# What stands beside the slider that walks through the steps.
READOUT = "document.querySelector('.gradwidgets-scrubber .widget-readout').innerText.trim()"


def drag(page, label: str, *shares: float) -> None:
    """Drag a slider's handle to shares of its track, one after the other, and let go."""
    slider, mouse = page.slider(label), page.raw.mouse
    handle, track = (slider.locator(part).bounding_box() for part in (".noUi-handle", ".noUi-target"))
    height = handle["y"] + handle["height"] / 2
    mouse.move(handle["x"] + handle["width"] / 2, height)
    mouse.down()
    for share in shares:
        mouse.move(track["x"] + share * track["width"], height, steps=12)
        page.raw.wait_for_timeout(40)  # a hand that turns
    mouse.up()


def test_dragging_the_number_of_steps_keeps_the_whole_run(page):
    for low, high in ((0.05, 0.9), (0.1, 0.8), (0.15, 0.7), (0.2, 0.95)):
        drag(page, "steps", low, high)
        page.until_kernel("playground.steps > 100")  # where the hand let go, however late the kernel hears of it
        page.until_quiet(0.6)
        page.until_kernel("playground.controls['step'].slider.max == playground.steps")
        page.until_quiet()
        assert page.value("playground.step") is None
        page.until(f"{READOUT} === '{page.value('playground.steps')}'")


@pytest.mark.parametrize("steps", [40, 75, 300, 20])
def test_the_scrubber_s_end_is_the_number_of_steps(page, steps):
    page.tell(f"playground.steps = {steps}")
    page.until(f"{READOUT} === '{steps}'")
    assert page.value("playground.step") is None


def test_a_decimal_comma_is_a_decimal_point(page):
    field = page.field("lr")
    field.click(click_count=3)
    page.raw.keyboard.type("0,25")
    page.raw.keyboard.press("Enter")
    page.until_kernel("playground.lr == 0.25")
    assert field.input_value() == "0.25"


def test_more_steps_than_there_may_be_are_refused(page):
    page.type("steps", "1e6")
    page.until_text("steps must be a whole number from 0 to 100,000; got 1000000.0", within=".gradwidgets-error")
    assert page.value("playground.steps") == 100


def test_a_check_box_that_is_greyed_out_says_why(page):
    box = page.raw.locator(".widget-checkbox").filter(has_text="nesterov").first
    box.hover()
    page.until("document.querySelector('.widget-checkbox [title^=\"needs momentum\"]') !== null")
    page.tell("playground.momentum = 0.9")
    page.raw.mouse.move(5, 5)
    page.until("!document.querySelector('.widget-checkbox input').disabled")
    box.hover()
    page.until("document.querySelector('.widget-checkbox [title^=\"Nesterov: take the gradient\"]') !== null")


PLACES = """() => [...document.querySelectorAll(".gradwidgets :is(label, input, select, button, .noUi-target)")]
    .filter((part) => part.getClientRects().length).map((part) => {
        const { left, top, width, height } = part.getBoundingClientRect();
        return [left, top, width, height].map(Math.round);
    })"""


def test_why_a_control_is_off_stands_under_it_and_nothing_moves_when_that_comes_and_goes(page):
    reason = page.raw.get_by_text("needs momentum above 0")
    assert reason.is_visible()
    before = page.raw.evaluate(PLACES)
    page.press("momentum")
    page.until_kernel("playground.momentum > 0")
    reason.wait_for(state="hidden")
    assert page.raw.evaluate(PLACES) == before
    page.press("momentum", "ArrowLeft")
    reason.wait_for(state="visible")
    assert page.raw.evaluate(PLACES) == before


def test_a_control_that_is_off_is_reached_by_the_keyboard_and_read_with_its_reason(page):
    page.focus("momentum")
    page.until("document.querySelector('[aria-disabled=true][aria-label=nesterov]')")
    for _ in range(2):  # its field, and then
        page.raw.keyboard.press("Tab")
    said = page.raw.evaluate(
        "() => { const row = document.activeElement; return [row.ariaLabel, row.ariaDisabled,"
        " document.getElementById(row.getAttribute('aria-describedby')).innerText.trim()]; }"
    )
    assert said == ["nesterov", "true", "needs momentum above 0"]
    page.tell("playground.momentum = 0.9")
    page.until("!document.querySelector('.gradwidgets-column [aria-disabled=true][aria-label=nesterov]')")
    page.tell("playground.lock = ['lr']")
    page.raw.locator(".gradwidgets-number", has_text="set by your teacher").wait_for(state="visible")
    page.tell("playground.lock = []")


def test_copying_says_that_it_has_copied(page):
    page.raw.get_by_role("button", name="Copy code").click()
    page.raw.get_by_role("button", name="Copied").wait_for(state="visible")
    page.raw.get_by_role("button", name="Copy code").wait_for(state="visible")


def test_it_plays_and_reset_stops_it(page):
    page.tell("playground.step = 10")
    page.until_painted()
    page.raw.locator(".gradwidgets-bar button:has(.fa-play)").click()
    page.until_kernel("(playground.step or 0) >= 13")
    page.raw.get_by_role("button", name="Reset").click()
    page.until_kernel("playground.step is None")
    page.until("document.querySelector('.gradwidgets-bar .fa-pause') === null")
    page.until_quiet(0.5)
    assert page.value("playground.step") is None


def test_the_picture_has_no_handle_to_resize_it_with(page):
    page.reload()
    page.until_picture()
    page.until_painted()
    assert page.value("playground.canvas.resizable") is False
    top = page.raw.locator(".jupyter-matplotlib-canvas-div canvas").nth(1)
    drawn = "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v)"
    assert top.evaluate(drawn) is False
