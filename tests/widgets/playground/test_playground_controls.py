"""What a person does with the controls."""

import math
import threading
import time

import numpy as np
import pytest

from gradwidgets import OptimizerPlayground
from gradwidgets.widgets.controls.scrubber import SPEEDS
from gradwidgets.widgets.playground.presets import PRESETS
from tests.widgets.conftest import LOOP_THREAD
from tests.widgets.fake_page import Answering, FakePage, choose, kernel_picture, send
from tests.widgets.playground.test_playground import assert_up_to_date

# -- controls set traits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lr", "momentum", "dampening", "weight_decay", "delta", "beta"])
def test_slider_and_field_set_the_trait(playground, page, name):
    control = playground.controls[name]
    for position in (5, 9, len(control.stops) - 1):
        send(control.slider, value=position)
        page.answer()
        assert getattr(playground, name) == control.stops[position] == control.field.value
    typed = {"dampening": 0.123, "momentum": 0.987}.get(name, 0.0321)
    send(control.field, value=typed)
    page.answer()
    assert getattr(playground, name) == typed
    assert playground.error == ""
    assert_up_to_date(playground)


def test_the_number_of_steps_is_a_field(playground, page):
    for steps in (77, 12, 30):
        send(playground.controls["steps"].field, value=steps)
        page.answer()
        assert playground.steps == steps and playground.error == ""
    assert_up_to_date(playground)


def test_the_slider_stands_at_the_stop_nearest_to_the_trait(playground):
    control = playground.controls["lr"]
    below, above = control.stops[60:62]
    nearer = (math.sqrt(below * above) + (below + above) / 2) / 2  # to the one above by its ratio, not by its distance
    for lr in (1e-4, 0.1, 0.33, 10, 500.0, nearer):
        playground.lr = lr
        assert control.field.value == lr
        distances = abs(np.log(control.stops / lr))
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


def test_a_page_s_late_answer_to_a_former_end_is_no_person_s_choice(playground, page):
    scrubber = playground.controls["step"]
    for steps in (12, 180, 450):
        playground.steps = steps
        page.answer()
    send(scrubber.slider, value=180)
    page.answer()
    assert playground.step is None and scrubber.slider.value == 450
    send(scrubber.slider, value=181)
    page.answer()
    assert playground.step == 181
    send(scrubber.slider, value=180)  # the answer has been given: now it is a hand
    page.answer()
    assert playground.step == 180
    playground.step = 12  # a former end, but from Python
    assert playground.step == 12 and scrubber.slider.value == 12


def test_play_from_the_end_begins_anew_walks_to_the_end_and_stops(loop, monkeypatch):
    monkeypatch.setattr("gradwidgets.widgets.controls.scrubber.PACE", 0.1)
    playground = loop.do(lambda: OptimizerPlayground(steps=5))
    loop.do(lambda: Answering(playground.canvas).refresh())
    seen = []
    playground.observe(lambda change: seen.append(change.new), "step")
    scrubber = playground.controls["step"]
    send(scrubber.play, value=True)
    loop.until(lambda: not scrubber.play.value and playground.step is None and len(seen) > 1)
    assert seen == [0, 1, 2, 3, 4, None]
    assert scrubber.play.icon == "play"
    loop.do(playground.close)
    assert loop.errors == []


@pytest.mark.parametrize(("speed", "seconds"), [("½×", 2.0), ("1×", 1.0), ("4×", 0.25)])
def test_a_walk_keeps_its_time_and_leaves_out_steps_that_cannot_be_drawn(loop, monkeypatch, speed, seconds):
    monkeypatch.setattr("gradwidgets.widgets.controls.scrubber.PACE", 1e-3)
    playground = loop.do(lambda: OptimizerPlayground(steps=1000, losses=["MSE"]))
    loop.do(lambda: Answering(playground.canvas).refresh())
    scrubber, seen = playground.controls["step"], []
    loop.until(lambda: scrubber.slider.max == 1000)
    send(scrubber.speed, index=list(SPEEDS).index(speed))
    playground.observe(lambda change: seen.append(change.new), "step")
    began = time.monotonic()
    send(scrubber.play, value=True)
    loop.until(lambda: not scrubber.play.value and playground.step is None and len(seen) > 1)
    assert seconds <= time.monotonic() - began < 3 * seconds + 1
    assert seen[0] == 0 and seen[-1] is None and seen[:-1] == sorted(seen[:-1]) and len(seen) < 900
    loop.do(playground.close)
    assert loop.errors == []


@pytest.mark.parametrize("end", ["reset", "whole", "pause", "python", "close"])
def test_playing_ends_when_told_to(loop, monkeypatch, end):
    monkeypatch.setattr("gradwidgets.widgets.controls.scrubber.PACE", 0.02)
    playground = loop.do(lambda: OptimizerPlayground(steps=1000, losses=["MSE"]))
    scrubber = playground.controls["step"]
    send(scrubber.play, value=True)
    loop.until(lambda: (playground.step or 0) > 3)
    ways = {
        "reset": playground.reset,
        "whole": lambda: scrubber.whole.click(),
        "pause": lambda: send(scrubber.play, value=False),
        "python": lambda: setattr(playground, "step", 900),
        "close": playground.close,
    }
    loop.do(ways[end])
    loop.until(lambda: not scrubber.play.value)
    if end != "close":
        expected = {"reset": None, "whole": None, "python": 900}.get(end, playground.step)
        loop.until(lambda: playground.step == expected)
        here = loop.do(lambda: playground.step)
        for _ in range(3):
            loop.do(lambda: None)
        assert playground.step == here
        loop.do(playground.close)
    assert loop.errors == []


def test_a_step_from_python_ends_the_walk_that_has_a_step_not_yet_read(playground):
    scrubber = playground.controls["step"]
    with scrubber.quietly():
        scrubber.play.value, scrubber.slider.value = True, 7
    scrubber.moved = True  # the walk went on to 7, and nobody read it yet
    scrubber.show(None)  # the setting is still what it was: the walk goes on
    assert scrubber.play.value and scrubber.moved and scrubber.slider.value == 7
    scrubber.show(40)
    assert not scrubber.play.value and not scrubber.moved and scrubber.slider.value == 40


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
