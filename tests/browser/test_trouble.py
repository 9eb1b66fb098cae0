"""What goes wrong is said in the page, nothing is lost, and the next change works."""

import pytest

pytestmark = pytest.mark.browser

BOWL = """
broken = False
def bowl(a, b):
    if broken:
        raise RuntimeError("the bowl leaks")
    return a**2 + 3 * b**2
playground = OptimizerPlayground(objective=bowl, start=(1.0, 1.0))
playground
"""


def test_an_objective_that_raises_shows_its_line_and_the_next_change_recovers(open_page):
    page = open_page("from gradwidgets import OptimizerPlayground", BOWL)
    page.run_all()
    page.until_picture()
    page.until_painted()
    before, words = page.pixels(), page.value("playground.summary")

    page.tell("broken = True")
    page.press("lr")
    page.until_text("RuntimeError: the bowl leaks", within=".gradwidgets-error")
    page.until_quiet()
    assert "the bowl leaks" in page.value("playground.error")
    assert page.value("playground.summary") == words
    assert (page.pixels() == before).all()
    assert any("Traceback" in text and "in bowl" in text for text in page.forgive())

    page.tell("broken = False")
    page.press("lr")
    page.until_kernel("playground.error == ''")
    page.until("document.querySelector('.gradwidgets-error') === null")
    page.until_painted()
    assert page.value("playground.summary") != words
    assert (page.pixels() != before).any()
    assert page.complaints() == []


@pytest.mark.parametrize("nonsense", [1e300, "text", None], ids=str)
@pytest.mark.parametrize("part", ["slider", "field"])
def test_what_a_page_must_not_send_is_refused_in_words(page, part, nonsense):
    lr, words = page.value("playground.lr"), page.value("playground.summary")
    model = page.value(f"playground.controls['lr'].{part}.model_id")

    page.forge(model, value=nonsense)

    page.until_kernel("playground.error != ''", seconds=5)
    page.until_text("lr", within=".gradwidgets-error")
    assert page.value("playground.lr") == lr
    assert page.value("playground.summary") == words
    page.press("lr")
    page.until_kernel(f"playground.error == '' and playground.lr != {lr}")
    page.until_painted()
    page.console.clear()  # the kernel's answer puts the nonsense into the page's own field, which grumbles


@pytest.mark.parametrize(
    ("model", "state"),
    [
        ("playground.controls['nesterov'].box", {"value": "text"}),
        ("playground.controls['dataset'].menu", {"index": 999}),
        ("playground.controls['step'].slider", {"value": "text"}),
        ("playground.controls['start'].fields[0]", {"value": 1e300}),
        ("playground.page", {"size": {"width": "text", "height": None}}),
        ("playground.page", {"size": {"width": 1e300, "height": -1e300, "dark": 7}}),
    ],
    ids=str,
)
def test_nonsense_in_other_controls_stops_nothing(page, model, state):
    shape = page.pixels().shape
    page.forge(page.value(f"{model}.model_id"), **state)
    page.press("lr")
    page.until_kernel("playground.lr == 0.112 and playground.error == ''")
    page.until_painted()
    if "page" not in model:
        assert page.pixels().shape == shape
    page.console.clear()


def test_stop_ends_long_work_before_it_is_done(page):
    words = page.value("playground.summary")
    page.type("steps", "100000")
    stop = page.raw.get_by_role("button", name="Stop", exact=True)
    stop.wait_for(state="visible")
    stop.click()

    page.until_text("Stopped before everything was computed", within=".gradwidgets-error")
    assert page.value("len(playground.trajectories['MSE'].points)") == 101
    assert page.value("playground.summary") == words
    page.tell("playground.steps = 50")
    page.until_kernel("playground.error == '' and len(playground.trajectories['MSE'].points) == 51")
    page.until_painted()
    assert not stop.is_visible()
