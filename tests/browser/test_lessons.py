"""A lesson in a real page: guess, reveal, save; what is hidden is not there, and a file opens in a new kernel."""

import json

import numpy as np
import pytest

from tests.browser.test_accessibility import AXE, violations

pytestmark = pytest.mark.browser

LESSON = "from gradwidgets import lesson\nplayground = lesson('edge-of-stability')\nplayground"
PLAIN = "from gradwidgets import OptimizerPlayground\nplayground = OptimizerPlayground()\nplayground"


def ready(page, index: int = 0) -> None:
    page.run(index)
    page.until_picture()
    page.until_painted()


def test_a_guess_is_placed_revealed_saved_and_opened_in_a_new_kernel(open_page, tmp_path):
    page = open_page(LESSON)
    ready(page)
    page.until_text("The edge of stability")
    page.raw.evaluate(AXE.read_text(encoding="utf-8"))
    assert violations(page) == []
    assert page.raw.locator(".gradwidgets select").filter(has_text="hubble").count() == 1  # there, but not to be seen
    assert not page.raw.locator(".gradwidgets select").filter(has_text="hubble").is_visible()

    page.raw.get_by_role("button", name="Reveal").click()
    page.until_text("there is no guess yet")
    covered = page.pixels()
    page.raw.mouse.click(*page.on_map(2.0, 1.0))
    page.until_kernel("'end' in playground.answer")
    page.until_painted()
    assert (page.pixels() != covered).any()  # the mark of the guess
    np.testing.assert_allclose(page.value("playground.answer['end']"), (2.0, 1.0), atol=0.1)
    page.raw.locator(".gradwidgets-guess select").select_option("diverges")
    page.until_kernel("playground.answer.get('fate') == 'diverges'")
    assert page.value("playground.score") is None
    page.raw.get_by_role("button", name="Reveal").click()
    page.until_text("100 of 100 points")
    page.until_text("diverged at step 10")
    page.until_painted()
    revealed = page.pixels()

    page.unfold()
    with page.raw.expect_download() as coming:
        page.raw.get_by_role("button", name="Save", exact=True).click()
    saved = tmp_path / "work.json"
    coming.value.save_as(saved)
    assert json.loads(saved.read_text())["answer"] == page.value("playground.answer")

    other = open_page(PLAIN)
    ready(other)
    before = other.value("playground.state()")
    broken = tmp_path / "broken.json"
    broken.write_text(
        '{"gradwidgets": 1, "widget": "OptimizerPlayground", "lr": 0.5, "steps": "<img src=x onerror=alert(1)>"}'
    )
    chooser = other.raw.locator(".gradwidgets-files input[type=file]")
    chooser.set_input_files(broken)
    other.until_text("broken.json was not loaded: steps must be a whole number")
    assert other.value("playground.state()") == before
    assert other.raw.locator(".gradwidgets-error img").count() == 0
    chooser.set_input_files(saved)
    other.until_kernel("playground.score == 1.0 and playground.error == ''")
    other.until_painted()
    assert other.value("playground.state()") == page.value("playground.state()")
    # Without the lesson's words above it the picture is higher; at the same size it is the same.
    other.tell(f"playground.canvas.resize({revealed.shape[1]}, {revealed.shape[0]})")
    other.tell("playground._work.redraw()")
    page.tell("playground._work.redraw()")
    assert (other.drawn() == page.drawn()).all()
    for one in (page, other):
        assert one.complaints() == [] and one.console == []


def test_a_guessed_profile_by_keyboard(open_page):
    page = open_page("from gradwidgets import lesson\npanel = lesson('sigmoid')\npanel")
    page.run(0)
    page.until_picture()
    page.until_painted("panel")
    page.press("first 10^", "ArrowLeft", times=16)
    page.until_kernel("panel.answer == {'first': -16.0}")
    page.until_painted("panel")
    page.raw.locator(".gradwidgets-guess select").select_option("fades")
    page.until_kernel("panel.answer.get('fate') == 'fades'")
    page.raw.get_by_role("button", name="Reveal").press("Enter")
    page.until_text("Right: it fades")
    page.raw.evaluate(AXE.read_text(encoding="utf-8"))
    assert violations(page) == []
    page.until_painted("panel")
    assert page.value("panel.score") > 0.9
    page.press("depth", "ArrowRight")
    page.until_kernel("panel.depth > 20")
    page.until_painted("panel")
    assert not page.raw.get_by_text("Right: it fades").is_visible()  # that was another network
    page.raw.get_by_role("button", name="Guess again").click()
    page.until_kernel("panel.score is None")
    page.until_painted("panel")
    assert page.complaints() == [] and page.console == []
