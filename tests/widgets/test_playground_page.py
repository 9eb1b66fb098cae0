"""What a person does in the page, and what a page must not do."""

import logging
import threading

import pytest

from gradwidgets import OptimizerPlayground
from gradwidgets.widgets.presets import PRESETS
from tests.widgets.conftest import LOOP_THREAD
from tests.widgets.fake_page import FakePage, kernel_picture
from tests.widgets.test_playground import assert_up_to_date


def send(widget, **state) -> None:
    """Change a widget's state as the page does."""
    widget.set_state(state)


def choose(menu, name: str) -> None:
    """Choose from a menu as the page does, by position."""
    names = [one[1] if isinstance(one, tuple) else one for one in menu.options]
    send(menu, index=names.index(name))


@pytest.fixture
def quiet_log():
    """The log gets tracebacks of what goes wrong on purpose."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


# -- controls set traits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lr", "momentum", "dampening", "weight_decay", "steps", "delta", "beta"])
def test_slider_and_field_set_the_trait(playground, page, name):
    control = playground.controls[name]
    for position in (5, 9, len(control.stops) - 1):
        send(control.slider, value=position)
        page.answer()
        assert getattr(playground, name) == control.stops[position] == control.field.value
    typed = {"steps": 77, "dampening": 0.123, "momentum": 0.987}.get(name, 0.0321)
    send(control.field, value=typed)
    page.answer()
    assert getattr(playground, name) == typed
    assert playground.error == ""
    assert_up_to_date(playground)


def test_the_slider_stands_at_the_stop_nearest_to_the_trait(playground):
    control = playground.controls["lr"]
    for lr in (1e-4, 0.1, 0.33, 10, 500.0):
        playground.lr = lr
        assert control.field.value == lr
        distances = abs(control._spread(control.stops) - control._spread(lr * (control.stops > 0)))
        assert distances[control.slider.value] == distances.min()


def test_lr_is_on_a_log_scale_and_momentum_fine_near_one(playground):
    lr, momentum = playground.controls["lr"].stops, playground.controls["momentum"].stops
    ratios = lr[1:] / lr[:-1]
    assert lr[0] <= 1e-4 and lr[-1] >= 1 and ratios.max() / ratios.min() < 1.05
    assert momentum[0] == 0 and momentum[-1] <= 1 and momentum[-1] - momentum[-2] <= 0.002
    assert 0.9 in momentum


@pytest.mark.parametrize("name", ["nesterov", "maximize", "arrows"])
def test_a_box_sets_the_trait(playground, page, name):
    playground.momentum = 0.5
    for value in (True, False):
        send(playground.controls[name].box, value=value)
        page.answer()
        assert getattr(playground, name) is value


def test_the_start_s_fields_set_the_trait(playground, page):
    for field, value in zip(playground.controls["start"].fields, (2.5, -1.25), strict=True):
        send(field, value=value)
        page.answer()
    assert playground.start == (2.5, -1.25)
    assert_up_to_date(playground)


def test_a_field_left_alone_keeps_its_exact_number(playground, page):
    playground.start = (1.23456789, 2.0)
    send(playground.controls["start"].fields[1], value=3.0)
    page.answer()
    assert playground.start == (1.23456789, 3.0)


def test_the_toggles_choose_the_losses(playground, page):
    for name in ("L1", "Huber"):
        send(playground.controls["losses"].buttons[name], value=False)
        page.answer()
    assert playground.losses == ("MSE", "SmoothL1")


def test_the_menus_choose_data_theme_and_preset(playground, page):
    choose(playground.controls["dataset"].menu, "anscombe II")
    page.answer()
    assert playground.dataset == "anscombe II" and playground.start != (6.0, -3.0)
    choose(playground.controls["dataset"].menu, "beale")
    page.answer()
    assert list(playground.trajectories) == ["beale"] and playground.error == ""
    choose(playground.controls["theme"].menu, "dark")
    page.answer()
    assert playground.theme == "dark"


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_sets_all_its_settings(playground, page, preset):
    choose(playground.controls["preset"].menu, preset)
    page.answer()
    assert {name: getattr(playground, name) for name in PRESETS[preset]} == PRESETS[preset]
    assert_up_to_date(playground)


def test_a_preset_can_be_chosen_again(playground, page):
    menu = playground.controls["preset"].menu
    choose(menu, "momentum 0.9")
    page.answer()
    send(playground.controls["momentum"].slider, value=0)
    page.answer()
    assert playground.momentum == 0 and menu.value != "momentum 0.9"
    choose(menu, "momentum 0.9")
    page.answer()
    assert playground.momentum == 0.9


def test_the_scrubber_walks_and_its_end_is_the_whole_run(playground, page):
    slider = playground.controls["step"].slider
    for step in (0, 1, 50, 99):
        send(slider, value=step)
        page.answer()
        assert playground.step == step
    send(slider, value=100)
    page.answer()
    assert playground.step is None


def test_the_number_of_steps_moves_no_step(playground, page):
    """What the view does to its slider must not come back as a person's wish."""
    for first, second in (({"steps": 20, "step": 3}, 3), ({"steps": 5}, 3), ({"steps": 2}, 3), ({"steps": 60}, 3)):
        playground.restore(first)
        page.answer()
        assert playground.step == second
    playground.restore({"step": None, "steps": 0})
    page.answer()
    for steps in (1, 7, 1000, 0, 3):
        playground.steps = steps
        page.answer()
        assert playground.step is None


def test_play_from_the_end_begins_anew(playground, page):
    play = playground.controls["step"].play
    send(play, playing=True)
    page.answer()
    assert playground.step == 0 and play.value == 0
    send(play, playing=False)


def test_every_control_has_a_label_and_a_tooltip(playground):
    for name, control in playground.controls.items():
        words = [getattr(child, "description", "") or getattr(child, "value", "") for child in control.children]
        assert any(isinstance(word, str) and name in word for word in words), name
        assert any(getattr(child, "tooltip", None) for child in control.children), name


# -- bursts ---------------------------------------------------------------------------------------------------


def test_a_burst_ends_with_the_last_value(playground, page):
    slider = playground.controls["lr"].slider
    for position in range(20, 60):
        send(slider, value=position)
        if position % 7 == 0:
            page.answer(1)
    page.answer()
    assert playground.lr == playground.controls["lr"].stops[59]
    assert page.most_waiting <= 2 and len(page.pictures) < 40
    assert_up_to_date(playground)
    assert (page.shown() == kernel_picture(playground.canvas)).all()


def test_moves_made_together_are_judged_together(playground, page):
    playground.restore({"momentum": 0.9, "nesterov": True})
    page.answer()
    playground.lr, playground.lr = 0.2, 0.3  # two pictures under way: what comes now waits
    send(playground.controls["momentum"].slider, value=0)
    send(playground.controls["nesterov"].box, value=False)
    page.answer()
    assert (playground.momentum, playground.nesterov, playground.error) == (0.0, False, "")


def test_a_move_made_while_the_main_loop_is_busy_is_not_lost(loop):
    playground = loop.do(lambda: OptimizerPlayground(losses="MSE", steps=5))
    page, control = FakePage(playground.canvas), playground.controls["lr"]
    loop.do(page.refresh)

    def meanwhile(change) -> None:
        """The page speaks on a thread of its own, between the new words and the controls."""
        speaking = threading.Thread(target=lambda: send(control.slider, value=69))
        speaking.start()
        speaking.join()

    playground.observe(meanwhile, "summary")
    loop.do(lambda: setattr(playground, "momentum", 0.5))
    playground.unobserve(meanwhile, "summary")
    for _ in range(4):
        loop.do(page.answer)
    assert playground.lr == control.stops[69] and control.slider.value == 69
    assert control.field.value == playground.lr
    loop.do(playground.close)


def test_a_start_dragged_while_the_main_loop_is_busy_is_not_lost(loop):
    playground = loop.do(lambda: OptimizerPlayground(losses="MSE", steps=5))
    page, control = FakePage(playground.canvas), playground.controls["start"]
    loop.do(page.refresh)

    def meanwhile(change) -> None:
        speaking = threading.Thread(target=lambda: send(control.fields[0], value=2.5))
        speaking.start()
        speaking.join()

    playground.observe(meanwhile, "summary")
    loop.do(lambda: setattr(playground, "momentum", 0.5))
    playground.unobserve(meanwhile, "summary")
    for _ in range(4):
        loop.do(page.answer)
    assert playground.start == (2.5, -3.0)
    loop.do(playground.close)


def test_from_other_threads_all_is_done_on_the_main_loop(loop):
    playground = loop.do(lambda: OptimizerPlayground(losses=("MSE", "L1"), steps=20))
    page = FakePage(playground.canvas)
    where = set()
    playground.observe(lambda change: where.add(threading.current_thread().name), "lr")
    loop.do(page.refresh)

    def drag():
        for position in range(30, 70):
            send(playground.controls["lr"].slider, value=position)
            page.answer(1)

    thread = threading.Thread(target=drag, name="a subshell")
    thread.start()
    thread.join()
    stops = playground.controls["lr"].stops

    def settled() -> bool:
        page.answer()
        return playground.lr == stops[69]

    loop.until(settled)
    assert where == {LOOP_THREAD} == playground.canvas.painted_on
    assert not loop.errors and playground.error == ""
    loop.do(playground.close)


# -- hostile --------------------------------------------------------------------------------------------------

NONSENSE = [1e300, -1e300, float("nan"), "text", None, [1, 2], {}, True]


@pytest.mark.parametrize("value", NONSENSE, ids=repr)
@pytest.mark.parametrize("part", ["slider", "field"])
@pytest.mark.parametrize("name", ["lr", "steps"])
def test_a_hostile_value_leaves_every_setting_in_its_bounds(playground, page, name, part, value):
    send(getattr(playground.controls[name], part), value=value)
    page.answer()
    control = playground.controls[name]
    assert control.stops[0] <= getattr(playground, name) <= control.stops[-1]
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
    assert 300 <= height <= 1000 and 300 <= width <= 1600
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
    shown = playground._alert.value
    assert "<script" not in shown and "<b>" not in shown and "<img" not in shown
    if "script" in str(trouble):
        assert "<script>alert('boo')</script> & <b>bold</b>" in playground.error
        assert "&lt;script&gt;" in shown and "&amp;" in shown
    assert playground._alert.layout.display != "none"
    assert playground.summary == words
    assert {name: run.points.tolist() for name, run in playground.trajectories.items()} == {
        name: run.points.tolist() for name, run in runs.items()
    }
    page.answer()
    assert (page.shown() == picture).all()

    leaky.trouble = None
    change(30, 0.3)
    assert playground.error == "" and playground._alert.value == ""
    assert playground._alert.layout.display == "none"
    assert playground.summary != words


def test_names_are_escaped_in_the_words(make):
    from gradwidgets.core import as_objective

    def named(points):
        return (points**2).sum(-1)

    named.__name__ = "<script>f</script>"
    objective = as_objective(named, parameters=("<img src=x>", "a&b"))
    playground = make(objective=objective, steps=5, step=2)
    html = playground._words.value
    assert "<script" not in html and "<img" not in html and "&lt;img" in html
    assert "<img src=x>" in playground.summary
    playground.step = None
    assert "<script" not in playground._words.value and "<img" not in playground._words.value
    assert playground.png()[:4] == b"\x89PNG"


# -- long work ------------------------------------------------------------------------------------------------


class Slow(Leaky):
    def __call__(self, points):
        import time

        time.sleep(0.003)
        return super().__call__(points)


def test_long_work_shows_progress_and_can_be_stopped(loop):
    playground = loop.do(lambda: OptimizerPlayground(objective=Slow(), steps=2, lr=0.1))
    loop.until(lambda: not playground._job.running)
    page = FakePage(playground.canvas)
    loop.do(page.refresh)
    words = playground.summary
    loop.do(lambda: setattr(playground, "steps", 5000))
    loop.until(lambda: 0 < playground._progress.value < 1)
    assert playground._busy.layout.display == ""
    stop = next(child for child in playground._busy.children if getattr(child, "description", "") == "Stop")
    stop._handle_custom_msg({"event": "click"}, [])
    loop.until(lambda: not playground._job.running)
    assert playground.summary == words and "Stopped" in playground.error
    assert playground._busy.layout.display == "none"

    loop.do(lambda: setattr(playground, "steps", 3000))
    loop.do(lambda: setattr(playground, "steps", 4))
    loop.until(lambda: not playground._job.running)
    assert len(playground.trajectories["Slow"].points) == 5 and playground.error == ""
    loop.do(playground.close)


def test_results_asked_for_during_long_work_are_up_to_date(loop):
    playground = loop.do(lambda: OptimizerPlayground(objective=Slow(), steps=1, lr=0.1))

    def set_and_read() -> int:
        playground.steps = 100
        return len(playground.trajectories["Slow"].points)

    assert loop.do(set_and_read) == 101
    loop.do(playground.close)
