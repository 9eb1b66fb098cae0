"""Paths that grow once: a few frames that nothing waits for, and after them the picture that was there before."""

import threading

import numpy as np
import pytest

from gradwidgets import OptimizerPlayground
from gradwidgets.widgets.playground import path_growth as growth
from gradwidgets.widgets.playground.path_growth import FRAMES, eased
from tests.widgets.fake_page import Answering, kernel_picture, send
from tests.widgets.inside import growth_of, settled, tell, watch_growth, work_of
from tests.widgets.playground.test_playground_picture import assert_picture_is_of


@pytest.fixture
def show(loop, monkeypatch):
    """Makes playgrounds in a page, on the loop; each has been shown whole when it is returned."""
    monkeypatch.setattr(growth, "SETTLED", 0.01)
    monkeypatch.setattr(growth, "SECONDS", 0.3)
    monkeypatch.setattr(growth, "SLOW", 10.0)  # however busy the machine is
    made = []

    def show(**settings):
        made.append(loop.do(lambda: OptimizerPlayground(**{"losses": ["MSE"], "lr": 0.3, **settings})))
        one = made[-1]
        one._screen = loop.do(lambda: Answering(one.canvas))
        loop.do(one._screen.refresh)
        loop.until(lambda: one.canvas.frames and not one.canvas.under_way)
        return one

    yield show
    for one in made:
        loop.do(one.close)
    assert loop.errors == []


def whole_picture(loop, one) -> np.ndarray:
    return loop.do(lambda: kernel_picture(one.canvas))


def rests(one) -> bool:
    return not growth_of(one).growing and not one.canvas.under_way


def grows(loop, one, message, seconds: float = 1.5) -> int:
    """How many frames a message from the page brings about."""
    frames = loop.do(lambda: one.canvas.frames)
    tell(one.page, message)
    try:
        loop.until(lambda: growth_of(one).growing, seconds)
    except TimeoutError:
        assert loop.do(lambda: one.canvas.frames) == frames
        return 0
    loop.until(lambda: rests(one))
    return loop.do(lambda: one.canvas.frames) - frames


def test_at_first_sight_paths_grow_in_at_most_ten_frames_to_the_very_same_picture(loop, show):
    one = show()
    before, state = whole_picture(loop, one), loop.do(one.state)
    assert 3 <= grows(loop, one, {"seen": True}) <= FRAMES
    assert (whole_picture(loop, one) == before).all() and (one._screen.shown() == before).all()
    assert loop.do(one.state) == state and not work_of(one).running
    assert loop.do(lambda: one.canvas.painted_on) <= {"the main loop's thread", "MainThread"}
    assert grows(loop, one, {"seen": True}, 0.3) == 0  # once


def test_half_grown_it_is_not_the_picture(loop, show):
    one = show()
    before, seen = whole_picture(loop, one), []
    watch_growth(one, lambda share: seen.append((share, kernel_picture(one.canvas))))
    grows(loop, one, {"seen": True})
    shares = [share for share, _ in seen]
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert (seen[0][1] != before).any() and (seen[-1][1] == before).all()


def test_paths_grow_after_a_hand_that_changed_something_lets_go(loop, show):
    one = show()
    slider = one.controls["lr"].slider
    tell(one.page, {"held": True})
    for position in range(10, 20):
        send(slider, value=position)
        loop.until(lambda: not one.controls["lr"].moved and not one.canvas.under_way)
        assert not growth_of(one).growing
    assert 3 <= grows(loop, one, {"held": False}) <= FRAMES
    tell(one.page, {"held": True})
    assert grows(loop, one, {"held": False}, 0.3) == 0  # nothing has changed since


@pytest.mark.parametrize("change", [{"lr": 0.05}, {"step": 7}, {"steps": 3}, {"losses": ["L1", "MSE"]}], ids=str)
def test_a_change_ends_it_with_the_new_picture_whole(loop, show, change):
    one = show()
    tell(one.page, {"seen": True})
    loop.until(lambda: growth_of(one).growing)
    loop.do(lambda: one.restore(change))
    assert not growth_of(one).growing
    loop.do(lambda: assert_picture_is_of(one, change.get("step")))
    for _ in range(20):
        loop.do(lambda: None)
    loop.do(lambda: assert_picture_is_of(one, change.get("step")))


def test_results_and_exports_do_not_wait_and_are_whole(loop, show):
    one = show()
    before, png = whole_picture(loop, one), loop.do(one.png)
    tell(one.page, {"seen": True})
    loop.until(lambda: growth_of(one).growing)
    assert loop.do(lambda: settled(one)) is work_of(one).result
    assert loop.do(one.png) == png and not growth_of(one).growing
    loop.until(lambda: rests(one))
    assert (one._screen.shown() == before).all()


@pytest.mark.parametrize("settings", [{"step": 4}, {"predict": True}], ids=str)
def test_nothing_grows_where_a_step_or_a_cover_is_shown(loop, show, monkeypatch, settings):
    monkeypatch.setattr(growth, "PATIENCE", 0.2)
    assert grows(loop, show(**settings), {"seen": True}, 0.5) == 0


def test_nothing_grows_where_it_is_switched_off_or_not_wanted(loop, show, monkeypatch):
    one = show()
    one.page.size = {"width": 850, "height": 800, "dark": False, "calm": True}
    loop.until(lambda: not one.canvas.under_way)
    assert grows(loop, one, {"seen": True}, 0.3) == 0
    monkeypatch.setenv(growth.SWITCH, "0")
    assert grows(loop, show(), {"seen": True}, 0.3) == 0


def test_a_picture_that_takes_long_to_draw_is_whole_at_once_and_not_tried_again(loop, show, monkeypatch):
    one = show()
    monkeypatch.setattr(growth, "SLOW", 0.0)
    before, frames = whole_picture(loop, one), loop.do(lambda: one.canvas.frames)
    tell(one.page, {"seen": True})
    loop.until(lambda: one.canvas.frames == frames + 4 and rests(one))
    assert (whole_picture(loop, one) == before).all()
    tell(one.page, {"held": True})
    loop.do(lambda: setattr(one, "lr", 0.05))
    loop.until(lambda: not one.canvas.under_way)
    assert grows(loop, one, {"held": False}, 0.3) == 0


def test_without_a_loop_nothing_grows(playground, page):
    frames = playground.canvas.frames
    tell(playground.page, {"seen": True})
    tell(playground.page, {"held": True})
    playground.lr = 0.3
    page.answer()
    tell(playground.page, {"held": False})
    page.answer()
    assert not growth_of(playground).growing and playground.canvas.frames == frames + 1
    assert threading.active_count() < 50


def test_it_is_quick_at_first_and_slower_then():
    shares = [eased(share) for share in np.linspace(0, 1, 11)]
    assert shares[0] == pytest.approx(0, abs=1e-5) and shares[-1] == pytest.approx(1, abs=1e-5)
    steps = np.diff(shares)
    assert (steps > 0).all() and steps[1] > 3 * steps[-2]
