"""What a page must not send, objectives that fail, work that takes long."""

import pytest

from gradwidgets import OptimizerPlayground
from tests.widgets.fake_page import FakePage, kernel_picture, send
from tests.widgets.inside import busy_row_of, error_line_of, is_busy, press_stop, words_of, work_of
from tests.widgets.playground.test_playground import assert_up_to_date

# -- hostile --------------------------------------------------------------------------------------------------

NONSENSE = [1e300, -1e300, float("nan"), "text", None, [1, 2], {}, True]


@pytest.mark.parametrize("value", NONSENSE, ids=repr)
@pytest.mark.parametrize(("name", "part"), [("lr", "slider"), ("lr", "field"), ("steps", "field")])
def test_a_hostile_value_leaves_every_setting_in_its_bounds(playground, page, name, part, value):
    send(getattr(playground.controls[name], part), value=value)
    page.answer()
    control = playground.controls[name]
    trait = playground.traits()[name]
    assert trait.low <= getattr(playground, name) <= trait.high
    assert_up_to_date(playground)
    if not isinstance(value, bool) and (part == "field" or not isinstance(value, float)):
        assert name in playground.error
    send(playground.controls["momentum"].slider, value=9)
    page.answer()
    assert playground.momentum == playground.controls["momentum"].stops[9] and playground.error == ""
    assert control.field.value == getattr(playground, name)
    assert_up_to_date(playground)


HOSTILE = {
    "a box": ("maximize", "box", {"value": "text"}),
    "a menu's index": ("dataset", "menu", {"index": 999}),
    "a menu's index text": ("theme", "menu", {"index": "text"}),
    "a negative index": ("dataset", "menu", {"index": -3}),
    "the scrubber": ("step", "slider", {"value": "text"}),
    "the scrubber's end": ("step", "slider", {"max": 10**9, "value": 10**8}),
    "the player": ("step", "play", {"value": "text"}),
    "an endless number": ("steps", "field", {"value": 10**400}),
}


@pytest.mark.parametrize(("name", "part", "state"), HOSTILE.values(), ids=HOSTILE)
def test_nonsense_changes_no_setting_and_stops_nothing(playground, page, name, part, state, quiet_log):
    before = playground.state()
    send(getattr(playground.controls[name], part), **state)
    page.answer()
    assert playground.state() == before
    send(playground.controls["momentum"].slider, value=9)
    page.answer()
    assert playground.momentum == playground.controls["momentum"].stops[9] and playground.error == ""
    assert_up_to_date(playground)


@pytest.mark.parametrize("value", [1e300, float("nan"), float("inf")])
def test_a_start_off_all_bounds_is_refused_in_words_and_taken_back(playground, page, value):
    field = playground.controls["start"].fields[0]
    send(field, value=value)
    page.answer()
    assert playground.start == (6.0, -3.0) and "start must be two finite numbers" in playground.error
    assert field.value == 6.0
    playground.lr = 0.2
    assert playground.error == ""


def test_the_last_loss_cannot_be_taken_away(playground, page):
    buttons = playground.controls["losses"].buttons
    for button in buttons.values():
        send(button, value=False)
        page.answer()
    assert len(playground.losses) == 1 and "losses must be" in playground.error
    assert [name for name, button in buttons.items() if button.value] == list(playground.losses)


SIZES = [
    {"width": "text", "height": None},
    {"width": 1e300, "height": -1e300, "dark": 7},
    {"width": float("inf")},
    {"width": float("nan"), "height": float("nan")},
    {"width": -5, "height": 0},
    {"width": 10**400},
    {"width": [900], "dark": "yes"},
    {"nobody": "knows"},
    {"width": True},
]


@pytest.mark.parametrize("size", SIZES, ids=repr)
def test_a_page_of_impossible_size_is_ignored(playground, page, size):
    send(playground.page, size=size)
    page.answer()
    playground.lr = 0.2
    page.answer()
    assert playground.error == ""
    height, width = kernel_picture(playground.canvas).shape[:2]
    assert 240 <= height <= 1000 and 240 <= width <= 1600  # 240 on a phone
    assert (page.shown() == kernel_picture(playground.canvas)).all()


def test_messages_to_a_closed_playground_do_nothing(make):
    playground = make(losses="MSE", steps=5)
    page, controls = FakePage(playground.canvas), dict(playground.controls)
    playground.close()
    for control in (controls["lr"].slider, controls["lr"].field, controls["momentum"].slider):
        send(control, value=7)
    for kind in ("refresh", "draw", "initialized", "closing"):
        page.say(type=kind)
    assert playground.lr == 0.1 and not page.pictures and playground.error == ""
    playground.close()
    playground.lr = 0.3


# -- errors are seen ------------------------------------------------------------------------------------------


class Leaky:
    """An objective that fails when told to."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None

    def __call__(self, points):
        if self.trouble is not None:
            raise self.trouble
        return (points**2).sum(-1)


TROUBLE = [
    ZeroDivisionError("division by zero"),
    RuntimeError("<script>alert('boo')</script> & <b>bold</b>\nsecond line"),
    KeyError("k"),
    MemoryError(),
    ValueError(""),
    AssertionError("x" * 5000),
    StopIteration(3),
    type("</div><img src=x onerror=alert(1)>", (Exception,), {})("odd name"),
]


@pytest.mark.parametrize("trouble", TROUBLE, ids=lambda t: type(t).__name__[:12])
@pytest.mark.parametrize("from_page", [False, True], ids=["Python", "page"])
def test_a_failing_objective_is_one_escaped_line_and_the_next_change_recovers(make, trouble, from_page, quiet_log):
    leaky = Leaky()
    playground = make(objective=leaky, steps=5, lr=0.1)
    page = FakePage(playground.canvas)
    page.refresh()
    page.answer()
    words, runs, picture = playground.summary, playground.trajectories, page.shown()

    def change(position: int, lr: float) -> None:
        if from_page:
            send(playground.controls["lr"].slider, value=position)
            page.answer()
        else:
            playground.lr = lr

    leaky.trouble = trouble
    change(20, 0.2)
    assert playground.error and "\n" not in playground.error and len(playground.error) <= 400
    assert type(trouble).__name__[:30] in playground.error
    shown = error_line_of(playground).value
    assert "<script" not in shown and "<b>" not in shown and "<img" not in shown
    if "script" in str(trouble):
        assert "<script>alert('boo')</script> & <b>bold</b>" in playground.error
        assert "&lt;script&gt;" in shown and "&amp;" in shown
    assert error_line_of(playground).layout.display != "none"
    assert playground.summary == words
    assert {name: run.points.tolist() for name, run in playground.trajectories.items()} == {
        name: run.points.tolist() for name, run in runs.items()
    }
    page.answer()
    assert (page.shown() == picture).all()

    leaky.trouble = None
    change(30, 0.3)
    assert playground.error == "" and error_line_of(playground).value == ""
    assert error_line_of(playground).layout.display == "none"
    assert playground.summary != words


def test_names_are_escaped_in_the_words(make):
    from gradwidgets.core import as_objective

    def named(points):
        return (points**2).sum(-1)

    named.__name__ = "<script>f</script>"
    objective = as_objective(named, parameters=("<img src=x>", "a&b"))
    playground = make(objective=objective, steps=5, step=2)
    html = words_of(playground)
    assert "<script" not in html and "<img" not in html and "&lt;script&gt;f" in html
    assert "<img src=x>" in playground.summary
    playground.step = None
    html = words_of(playground)
    assert "<script" not in html and "<img" not in html and "&lt;img src=x&gt;" in html
    assert playground.png()[:4] == b"\x89PNG"


# -- long work ------------------------------------------------------------------------------------------------


class Slow(Leaky):
    def __call__(self, points):
        import time

        time.sleep(0.003)
        return super().__call__(points)


def test_long_work_shows_progress_and_can_be_stopped(loop):
    playground = loop.do(lambda: OptimizerPlayground(objective=Slow(), steps=2, lr=0.1))
    loop.until(lambda: not work_of(playground).job.running)
    page = FakePage(playground.canvas)
    loop.do(page.refresh)
    words = playground.summary
    loop.do(lambda: setattr(playground, "steps", 5000))
    loop.until(lambda: 0 < busy_row_of(playground).children[1].value < 1)
    assert is_busy(playground)
    press_stop(playground)
    loop.until(lambda: not work_of(playground).job.running)
    assert playground.summary == words and "Stopped" in playground.error
    assert not is_busy(playground)

    loop.do(lambda: setattr(playground, "steps", 3000))
    loop.do(lambda: setattr(playground, "steps", 4))
    loop.until(lambda: not work_of(playground).job.running)
    assert len(playground.trajectories["Slow"].points) == 5 and playground.error == ""
    loop.do(playground.close)


def test_results_asked_for_during_long_work_are_up_to_date(loop):
    playground = loop.do(lambda: OptimizerPlayground(objective=Slow(), steps=1, lr=0.1))

    def set_and_read() -> int:
        playground.steps = 100
        return len(playground.trajectories["Slow"].points)

    assert loop.do(set_and_read) == 101
    loop.do(playground.close)
