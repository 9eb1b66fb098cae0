"""The playground under a hand, in a real page: what is asked for is what is painted."""

import numpy as np
import pytest

from tests.browser.conftest import PLAYGROUND
from tests.browser.link import Link
from tests.browser.page import CANVAS

pytestmark = pytest.mark.browser

# A slider, a key on it, and settings in which it matters.
SLIDERS = {
    "lr": ("ArrowRight", {}),
    "momentum": ("ArrowRight", {}),
    "dampening": ("ArrowRight", {"momentum": 0.9}),
    "weight_decay": ("ArrowRight", {}),
    "steps": ("ArrowLeft", {}),
    "delta": ("ArrowLeft", {}),
    "beta": ("ArrowLeft", {}),
    "step": ("ArrowLeft", {}),
}


@pytest.mark.parametrize("label", SLIDERS)
def test_a_key_on_a_slider_changes_the_picture_and_the_words(page, label):
    key, settings = SLIDERS[label]
    page.unfold()
    for name, value in settings.items():
        page.tell(f"playground.{name} = {value}")
    page.until_painted()
    before, words = page.pixels(), page.value("playground.summary")
    value = page.value(f"playground.{label}")

    page.press(label, key)

    page.until_kernel(f"playground.{label} != {value!r}")
    page.until_painted()
    assert (page.pixels() != before).any()
    assert page.value("playground.summary") != words
    assert page.value("playground.error") == ""


def test_every_slider_is_tested(page):
    page.unfold()
    labels = page.raw.locator(".widget-slider .widget-label:visible").all_inner_texts()
    assert sorted(labels) == sorted(SLIDERS)


def test_the_picture_is_painted_on_the_main_thread_whatever_thread_a_change_comes_from(page):
    page.tell(
        "import threading\n"
        "threads = set()\n"
        "def note(change):\n"
        "    threads.add(threading.current_thread().name)\n"
        "playground.controls['lr'].slider.observe(note, 'value')"
    )
    page.press("lr", times=5)
    page.until_kernel("playground.lr > 0.17")
    assert page.value("len(threads)") > 0
    page.until_painted()
    assert page.value("sorted(playground.canvas.painted_on)") == ["MainThread"]


def test_a_burst_of_keys_ends_with_the_last_value_painted(page):
    page.focus("lr")
    page.raw.evaluate("for (let i = 0; i < 40; i++) watched.press('ArrowLeft')")

    page.until_kernel("playground.lr == 0.001")
    page.until_painted()
    assert page.value("playground.controls['lr'].slider.value") == 20
    assert page.field("lr").input_value() == "0.001"
    assert page.value("sorted(playground.canvas.painted_on)") == ["MainThread"]


def test_a_typed_number_counts_and_a_refused_one_is_explained(page):
    page.type("lr", "0.123")
    page.until_kernel("playground.lr == 0.123")
    page.until_painted()

    page.type("lr", "-1")
    page.until_text("lr must be", within=".gradwidgets-error")
    assert page.value("playground.lr") == 0.123
    page.until("document.querySelector('.gradwidgets-error') !== null")
    assert page.field("lr").input_value() == "0.123"

    page.press("lr")
    page.until_kernel("playground.error == '' and playground.lr != 0.123")
    page.until_painted()


def test_a_click_on_a_map_moves_the_start_and_a_drag_takes_the_paths_along(page):
    page.raw.mouse.click(*page.on_map(weight=2.0, bias=4.0))
    page.until_kernel("abs(playground.start[0] - 2) < 0.2 and abs(playground.start[1] - 4) < 0.2")
    page.until_painted()
    clicked = page.pixels()

    page.raw.mouse.move(*page.on_map(weight=2.0, bias=4.0))
    page.raw.mouse.down()
    page.raw.mouse.move(*page.on_map(weight=-2.0, bias=-1.0), steps=8)
    # Still held down.
    page.until_kernel("abs(playground.start[0] + 2) < 0.2 and abs(playground.start[1] + 1) < 0.2")
    page.until_painted()
    dragged = page.pixels()
    page.raw.mouse.up()
    assert (dragged != clicked).any()
    assert page.value("playground.trajectories['MSE'].points[0].tolist() == list(playground.start)")

    # A mouse that only passes over moves nothing.
    start = page.value("playground.start")
    page.raw.mouse.move(*page.on_map(weight=4.0, bias=1.0), steps=4)
    page.until_painted()
    assert page.value("playground.start") == start


def test_the_picture_follows_a_dark_theme(page):
    light = page.pixels()
    try:
        page.theme("JupyterLab Dark")
        page.until_kernel("playground.page.size.get('dark') is True", seconds=15)
        page.until_painted()
        dark = page.pixels()
    finally:
        page.theme("JupyterLab Light")
    page.until_kernel("playground.page.size.get('dark') is False", seconds=15)
    page.until_painted()
    assert dark[0, 0, :3].max() < 80 < 200 < light[0, 0, :3].min()
    assert (page.pixels() == light).all()


def assert_all_in_view(page) -> None:
    def edges(selector: str) -> tuple[float, float]:
        box = page.raw.locator(selector).first.bounding_box()
        return box["x"] + box["width"], box["y"] + box["height"]

    right, bottom = edges(".jp-WindowedPanel-outer")
    for part in (".gradwidgets", ".gradwidgets-column", f"{CANVAS}:first-of-type", ".gradwidgets-badges"):
        assert edges(part)[0] <= right, part
        assert edges(part)[1] <= bottom, part
    if page.raw.locator(".gradwidgets-words table").is_visible():
        assert edges(".gradwidgets-words table")[0] <= edges(".gradwidgets")[0]
        assert edges(".gradwidgets-words table")[1] <= bottom


WIDEST_WORDS = (
    "playground.momentum = 0.9; playground.nesterov = True; playground.weight_decay = 2.0; playground.step = 6"
)


def test_a_fold_opens_under_the_hand_and_its_head_names_what_was_changed(page):
    page.unfold(opened=False)
    assert not page.slider("weight_decay").is_visible()
    page.raw.get_by_role("button", name="3 more settings", expanded=False).press("Enter")
    page.slider("weight_decay").wait_for(state="visible")
    page.raw.get_by_role("button", name="3 more settings", expanded=True).wait_for()
    page.press("weight_decay")
    page.until_kernel("playground.weight_decay > 0")
    page.until("document.querySelector('.gradwidgets-more').textContent.startsWith('weight_decay ')")
    page.raw.locator(".gradwidgets-more").click()
    assert not page.slider("weight_decay").is_visible()
    page.raw.get_by_role("button", name="Reset").click()
    page.raw.get_by_role("button", name="3 more settings").wait_for(state="visible")


def test_the_numbers_are_folded_in_a_low_window_and_open_in_a_high_one(page):
    table = page.raw.locator(".gradwidgets-words table")
    page.unfold(opened=False)
    head = page.raw.get_by_role("button", name="Numbers", expanded=False)
    head.wait_for()
    assert not table.is_visible()
    head.press("Enter")
    table.wait_for(state="visible")
    page.raw.get_by_role("button", name="Numbers", expanded=True).click()
    table.wait_for(state="hidden")
    page.raw.set_viewport_size({"width": 1280, "height": 1000})
    table.wait_for(state="visible")
    assert not page.raw.locator(".gradwidgets-details").is_visible()
    page.raw.set_viewport_size({"width": 1280, "height": 800})


def test_a_limit_stands_on_the_rail_and_what_is_beyond_it_is_red(page):
    row = page.raw.locator(".gradwidgets-limited")
    assert row.locator(".widget-label").first.inner_text() == "lr"
    page.until_text("MSE stable up to 0.976", within=".gradwidgets-remark")
    page.type("lr", "2")
    page.raw.locator(".gradwidgets-over").wait_for()
    page.until_text("diverges", within=".gradwidgets-badges")
    page.tell("playground.losses = ['L1']")
    row.wait_for(state="detached")


def test_all_of_it_can_be_seen_without_scrolling(page):
    page.unfold(opened=False)
    page.until_kernel("playground.page.size.get('width', 0) > 0")
    page.until_painted()
    assert_all_in_view(page)
    page.tell(WIDEST_WORDS)
    page.until_painted()
    assert_all_in_view(page)


def test_a_projector_gets_larger_controls_and_words_that_still_fit_and_follow_the_mouse(page):
    page.unfold(opened=False)
    column = page.raw.locator(".gradwidgets-column")
    narrow = column.bounding_box()["width"]
    try:
        page.raw.set_viewport_size({"width": 1920, "height": 1080})
        page.until_kernel("playground.page.size.get('height') == 1080")
        page.until_painted()
        assert column.bounding_box()["width"] > 1.2 * narrow
        assert_all_in_view(page)

        slider = page.slider("lr")
        track, handle = (slider.locator(part).bounding_box() for part in (".noUi-target", ".noUi-handle"))
        wanted = track["x"] + 0.25 * track["width"]
        page.raw.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
        page.raw.mouse.down()
        page.raw.mouse.move(wanted, handle["y"] + handle["height"] / 2, steps=5)
        page.raw.mouse.up()
        page.until_kernel("playground.lr < 0.1")
        page.until_painted()
        moved = slider.locator(".noUi-handle").bounding_box()
        assert moved["x"] + moved["width"] / 2 == pytest.approx(wanted, abs=3)
    finally:
        page.raw.set_viewport_size({"width": 1280, "height": 800})
    page.until_kernel("playground.page.size.get('height') == 800")
    page.until_painted()


def test_a_reloaded_page_shows_the_picture_again(page):
    page.tell("playground.lr = 0.05; playground.momentum = 0.9")
    page.until_painted()
    before = page.pixels()

    page.reload()
    page.until_picture()

    page.until_painted()
    assert (page.pixels() == before).all()
    page.press("lr")
    page.until_kernel("playground.lr != 0.05")
    page.until_painted()
    assert (page.pixels() != before).any()


def test_a_sharp_screen_gets_a_sharp_picture(open_page):
    page = open_page(*PLAYGROUND, pixel_ratio=2)
    page.run_all()
    page.until_picture()
    page.until_kernel("playground.canvas.device_pixel_ratio == 2")
    page.press("momentum")
    page.until_kernel("playground.momentum > 0")
    page.until_painted()
    assert page.pixels().shape[0] == 2 * page.value("playground.canvas.get_width_height()[1]")


def test_at_most_two_frames_are_on_their_way_over_a_slow_link(lab, open_page):
    with Link(lab.port, delay_ms=75, mbit=8) as link:
        page = open_page(*PLAYGROUND, address=f"http://127.0.0.1:{link.port}")
        page.run_all()
        page.until_picture()
        page.until_quiet(1)
        page.tell(
            "import time\n"
            "sent, send = [], playground.canvas.send\n"
            "def noted(content, buffers=None):\n"
            "    if buffers:\n"
            "        sent.append(1000 * time.time())\n"
            "    send(content, buffers)\n"
            "playground.canvas.send = noted"
        )
        page.raw.evaluate("watched.images.length = 0")
        page.focus("lr")
        page.raw.evaluate("watched.drag", {"keys": 60, "turn": 60, "interval": 16, "quiet": 1000})
        page.until_kernel("playground.lr == 10")
        page.until_painted(seconds=30)
        model = page.value("playground.canvas.model_id")
        arrived = [image["at"] for image in page.raw.evaluate("watched.images") if image["comm"] == model]
        sent = page.value("sent")
        page.close()
    assert len(sent) == len(arrived) >= 3
    on_their_way = [number + 1 - np.searchsorted(arrived, at) for number, at in enumerate(sent)]
    assert max(on_their_way) <= 2
