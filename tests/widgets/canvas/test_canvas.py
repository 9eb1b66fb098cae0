"""The live canvas: what a page shows is what the kernel painted, whatever happens on the way."""

import gc
import threading
import time
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from ipywidgets.widgets import widget as registry
from matplotlib.figure import Figure

from gradwidgets.figures.base.redraw import Redraw
from gradwidgets.widgets.canvas import stream
from gradwidgets.widgets.canvas.canvas import LiveCanvas
from gradwidgets.widgets.canvas.stream import FRAMES_IN_FLIGHT
from tests.widgets.conftest import LOOP_THREAD
from tests.widgets.fake_page import FakePage, decoded, kernel_picture


class Live:
    """A small figure with one line and one mark that move, on a canvas, in a page."""

    def __init__(self) -> None:
        self.figure = Figure(figsize=(2.4, 1.8), dpi=100)
        self.axes = self.figure.add_axes((0.1, 0.15, 0.8, 0.75))
        self.axes.set_xlim(0, 1)
        self.axes.set_ylim(0, 1)
        (self.line,) = self.axes.plot([0, 1], [0.5, 0.5], animated=True, zorder=5)
        (self.mark,) = self.axes.plot([0.5], [0.5], "o", animated=True, zorder=6)
        self.events = []
        self.canvas = LiveCanvas(self.figure, self.events.append)
        self.page = FakePage(self.canvas)

    def move(self, place: float) -> None:
        self.line.set_ydata([place, 1 - place])
        self.mark.set_data([place], [place * place])
        self.canvas.paint()

    def close(self) -> None:
        self.canvas.close()


@pytest.fixture
def live():
    live = Live()
    yield live
    live.close()


def plain_picture(live) -> np.ndarray:
    """The same figure drawn by Matplotlib alone, nothing cached."""
    moving = [live.line, live.mark]
    for artist in moving:
        artist.set_animated(False)
    matplotlib.backends.backend_agg.FigureCanvasAgg.draw(live.canvas)
    picture = kernel_picture(live.canvas)
    for artist in moving:
        artist.set_animated(True)
    return picture


# -- pictures -----------------------------------------------------------------------------------------------


def test_what_moves_is_drawn_as_matplotlib_draws_everything(live):
    for place in (0.1, 0.7, 0.3):
        live.move(place)
        live.page.answer()
    shown = live.page.shown()
    assert np.array_equal(shown, kernel_picture(live.canvas))
    assert np.abs(shown.astype(int) - plain_picture(live)).max() <= 2


@settings(max_examples=25, phases=[Phase.explicit, Phase.generate])
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("move"), st.floats(0, 1)),
            st.tuples(st.just("answer"), st.integers(1, 2)),
            st.tuples(st.just("limits"), st.floats(0.5, 2)),
            st.tuples(st.just("refresh"), st.just(0)),
        ),
        min_size=1,
        max_size=14,
    )
)
def test_the_page_ends_with_the_newest_state_whatever_is_dropped_on_the_way(script):
    live = Live()
    try:
        live.move(0.5)
        for action, value in script:
            if action == "move":
                live.move(value)
            elif action == "answer":
                live.page.answer(value)
            elif action == "limits":
                live.axes.set_xlim(0, value)
                live.canvas.stale(Redraw(with_labels=(live.axes,)))
                live.canvas.paint()
            else:
                live.page.refresh()
        live.page.answer()
        newest = kernel_picture(live.canvas)
        assert np.array_equal(newest, plain_picture(live)), "the last state was not painted"
        assert live.page.most_waiting <= FRAMES_IN_FLIGHT
        assert np.array_equal(live.page.shown(), newest)
        for dropped in range(len(live.page.pictures) - 1):
            assert np.array_equal(live.page.shown(dropped), newest), f"picture {dropped} dropped"
    finally:
        live.close()


def test_a_first_full_picture_that_the_next_overtakes_is_not_missed(live):
    live.move(0.2)
    live.move(0.8)
    live.page.answer()
    assert len(live.page.pictures) == 2
    assert np.array_equal(live.page.shown(dropped=0), kernel_picture(live.canvas))


def test_a_difference_holds_only_what_changed(live):
    for place in (0.5, 0.52, 0.54, 0.56):
        live.move(place)
        live.page.answer()
    assert (live.page.pictures[0][..., 3] == 255).all()
    assert (live.page.pictures[-1][..., 3] > 0).mean() < 0.5


def test_nothing_is_sent_when_nothing_changed(live):
    live.move(0.5)
    live.page.answer()
    for _ in range(3):
        live.canvas.paint()
    assert len(live.page.pictures) == 1


def test_stale_axes_are_drawn_again_and_the_rest_is_kept(live):
    live.move(0.5)
    live.page.answer()
    live.axes.set_ylim(0, 3)
    live.canvas.paint()
    live.page.answer()
    kept = live.page.shown()
    live.canvas.stale(Redraw(with_labels=(live.axes,)))
    live.canvas.paint()
    live.page.answer()
    assert not np.array_equal(live.page.shown(), kept)
    assert np.abs(live.page.shown().astype(int) - plain_picture(live)).max() <= 2


def test_labels_that_change_leave_those_in_their_corner_alone(live):
    # The left plot's last label lies in the corner between what the right one says above and what it says beside.
    live.axes.set_position((0.1, 0.15, 0.4, 0.75))
    live.axes.set_xticks([1.0], ["1,000,000"])
    beside = live.figure.add_axes((0.6, 0.4, 0.15, 0.5))
    beside.set_xticks([])
    beside.yaxis.tick_right()
    beside.set_yticks([0.0, 0.5], ["a long one\n\n\n\n\n", "another"], va="top")
    live.move(0.5)
    live.page.answer()
    for level in ("another one", "the last one"):
        beside.set_yticks([0.0, 0.5], ["a long one\n\n\n\n\n", level], va="top")
        live.canvas.stale(Redraw(with_labels=(beside,)))
        live.canvas.paint()
        live.page.answer()
    live.axes.set_ylim(0, 3)
    for changed in (live.axes, beside):
        live.canvas.stale(Redraw(with_labels=(changed,)))
        beside.set_yticks([0.0, 0.5], ["a long one\n\n\n\n\n", "the very last one"], va="top")
        live.canvas.paint()
        live.page.answer()
    overlap = live.axes.get_tightbbox().x1 > beside.get_tightbbox().x0
    assert overlap and beside.get_tightbbox().y0 < live.axes.get_tightbbox().y0, "this tries nothing"
    assert np.abs(live.page.shown().astype(int) - plain_picture(live)).max() <= 2


def test_labels_that_wait_for_a_picture_are_drawn_though_the_inside_changes_meanwhile(live):
    live.canvas.stale(Redraw(with_labels=(live.axes,)))
    live.move(0.5)
    live.page.answer()
    live.axes.set_ylim(0, 3)
    live.canvas.stale(Redraw(with_labels=(live.axes,)))
    live.canvas.stale(Redraw(inside=(live.axes,)))
    live.canvas.paint()
    live.page.answer()
    assert np.abs(live.page.shown().astype(int) - plain_picture(live)).max() <= 2


def test_hidden_artists_and_axes_stay_hidden(live):
    live.move(0.5)
    live.page.answer()
    live.line.set_visible(False)
    live.mark.set_visible(False)
    live.canvas.paint()
    live.page.answer()
    empty = live.page.shown()
    live.line.set_visible(True)
    live.axes.set_visible(False)
    live.canvas.paint()
    live.page.answer()
    assert np.array_equal(live.page.shown(), empty)


# -- frames in flight ---------------------------------------------------------------------------------------


def test_at_most_two_pictures_are_under_way_and_the_newest_follows(live):
    for k in range(20):
        live.move(k / 20)
    assert len(live.page.pictures) == FRAMES_IN_FLIGHT == 2
    assert not live.canvas.free()
    live.page.answer(1)
    assert len(live.page.pictures) == 3, "the answer sets the newest state free, once"
    live.page.answer()
    assert len(live.page.pictures) == 3
    assert live.canvas.free()
    assert np.array_equal(live.page.shown(), kernel_picture(live.canvas))


def test_lost_answers_are_given_up(live, monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(stream, "time", SimpleNamespace(monotonic=lambda: clock.now))
    for place in (0.1, 0.2, 0.3):
        live.move(place)
    assert len(live.page.pictures) == 2
    clock.now += stream.ANSWER_TIMEOUT + 0.01
    assert live.canvas.free()
    live.canvas.paint()
    assert len(live.page.pictures) == 3
    assert np.array_equal(live.page.shown(), kernel_picture(live.canvas))


def test_lost_answers_are_given_up_by_themselves(loop, monkeypatch, live):
    monkeypatch.setattr(stream, "ANSWER_TIMEOUT", 0.1)
    for place in (0.1, 0.2, 0.3):
        loop.do(lambda place=place: live.move(place))
    loop.until(lambda: len(live.page.pictures) == 3, seconds=10)
    assert np.array_equal(loop.do(live.page.shown), kernel_picture(live.canvas))


def test_too_many_answers_do_no_harm(live):
    for _ in range(5):
        live.page.say(type="draw")
    for place in (0.1, 0.2, 0.3, 0.4):
        live.move(place)
    assert len(live.page.pictures) == 2


def test_every_answer_tells_who_waits_for_it(live):
    answers = []
    live.canvas.when_free(lambda: answers.append(1))
    live.move(0.1)
    live.page.answer()
    assert answers == [1]
    live.canvas.when_free(None)
    live.move(0.2)
    live.page.answer()
    assert answers == [1]


# -- messages -----------------------------------------------------------------------------------------------


def test_a_page_that_loads_anew_gets_a_full_picture(live):
    live.move(0.1)
    live.move(0.2)
    live.page.refresh()
    assert (live.page.pictures[0][..., 3] == 255).all()
    assert np.array_equal(live.page.shown(), kernel_picture(live.canvas))


def mouse(kind: str, x: float, y: float, **more) -> dict:
    return {"type": kind, "x": x, "y": y, "button": 0, "buttons": 1, "modifiers": [], "guiEvent": {}, **more}


def test_a_click_and_a_drag_arrive_where_they_were_made(live):
    live.move(0.5)
    height = live.figure.bbox.height
    live.page.say(**mouse("button_press", 120, 90))
    live.page.say(**mouse("motion_notify", 150, 60))
    press, drag = live.events
    assert press.name == "button_press_event" and (press.x, press.y) == (120, height - 90)
    assert press.inaxes is live.axes
    assert drag.name == "motion_notify_event" and (drag.x, drag.y) == (150, height - 60)


def test_hovering_wakes_nobody(live):
    live.page.say(**mouse("motion_notify", 120, 90, buttons=0))
    assert not live.events


def test_a_screen_of_other_density_gets_a_picture_of_its_own(live):
    live.move(0.5)
    live.page.answer()
    live.page.say(type="set_device_pixel_ratio", device_pixel_ratio=2)
    live.page.answer()
    assert kernel_picture(live.canvas).shape == (360, 480, 4)
    assert np.array_equal(live.page.shown(), kernel_picture(live.canvas))


@pytest.mark.parametrize("ratio", [0, -1, 1e300, float("nan"), float("inf"), "text", None, [2]], ids=repr)
def test_an_impossible_density_is_ignored(live, ratio):
    live.move(0.5)
    live.page.answer()
    live.page.say(type="set_device_pixel_ratio", device_pixel_ratio=ratio)
    live.move(0.9)
    live.page.answer()
    assert kernel_picture(live.canvas).shape == (180, 240, 4)
    assert np.array_equal(live.page.shown(), kernel_picture(live.canvas))


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"type": None},
        {"type": "nobody knows"},
        {"type": "button_press"},
        {"type": "button_press", "x": "text", "y": None, "button": 0, "modifiers": [], "guiEvent": {}},
        {"type": "motion_notify", "buttons": 1},
        {"type": "resize", "width": 1e9, "height": 1e9},
        {"type": "resize", "width": -5, "height": 0},
        {"type": "toolbar_button", "name": "close_all_figures"},
        {"type": "key_press", "key": "q"},
        {"type": "scroll"},
        [],
        "text",
        None,
    ],
    ids=repr,
)
def test_messages_that_make_no_sense_stop_nothing(live, content):
    live.move(0.5)
    live.page.answer()
    live.canvas._handle_custom_msg(content, [])
    live.page.answer()
    live.move(0.9)
    live.page.answer()
    assert kernel_picture(live.canvas).shape == (180, 240, 4)
    assert np.array_equal(live.page.shown(), kernel_picture(live.canvas))


def test_messages_on_other_threads_are_obeyed_on_the_main_loop(loop):
    live, seen = loop.do(Live), []
    live.canvas.mpl_connect("button_press_event", lambda event: seen.append(threading.current_thread().name))
    loop.do(lambda: live.move(0.5))

    def talk():
        for _ in range(5):
            live.page.answer()
            live.page.say(**mouse("button_press", 120, 90))
            live.page.say(**mouse("motion_notify", 100, 90))
            live.page.say(type="refresh")

    threads = [threading.Thread(target=talk, name=f"subshell {k}") for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    loop.do(lambda: None)
    assert set(seen) == {LOOP_THREAD} and len(seen) == 15
    assert live.canvas.painted_on == {LOOP_THREAD}
    assert not loop.errors
    loop.do(live.close)


def test_a_drag_s_places_that_nobody_has_seen_yet_are_one(loop):
    live = loop.do(Live)
    gate = threading.Event()
    loop.loop.call_soon_threadsafe(gate.wait)
    for x in range(100, 150):
        live.page.say(**mouse("motion_notify", x, 90))
    gate.set()
    loop.do(lambda: None)
    assert [event.x for event in live.events] == [149]
    loop.do(live.close)


# -- still pictures and sizes -------------------------------------------------------------------------------


def test_a_still_picture_is_the_picture(live):
    live.move(0.5)
    assert np.array_equal(decoded(live.canvas.still()), kernel_picture(live.canvas))
    saved = live.canvas.get_state()
    assert saved["_data_url"].startswith("data:image/png;base64,") and list(saved["_size"]) == [240, 180]


def test_resizing_gives_a_full_picture_of_the_new_size(live):
    live.move(0.5)
    live.page.answer()
    live.canvas.resize(300, 200)
    live.canvas.paint()
    live.page.answer()
    assert kernel_picture(live.canvas).shape == (200, 300, 4)
    assert np.array_equal(live.page.shown(), kernel_picture(live.canvas))


def test_saving_leaves_the_live_picture_as_it_was(live, tmp_path):
    live.move(0.4)
    live.page.answer()
    before = kernel_picture(live.canvas)
    live.figure.savefig(tmp_path / "saved.png", dpi=217)
    live.canvas.stale()
    live.canvas.paint()
    live.page.answer()
    assert np.array_equal(kernel_picture(live.canvas), before)
    assert np.array_equal(live.page.shown(), before)


# -- closing ------------------------------------------------------------------------------------------------


def counts() -> tuple[int, int]:
    gc.collect()
    return len(registry._instances), sum(type(thing) is Figure for thing in gc.get_objects())


def test_closing_frees_everything_and_may_be_repeated():
    Live().close()
    before = counts()
    for _ in range(50):
        live = Live()
        live.move(0.5)
        live.close()
        live.close()
    del live
    assert counts() == before


def test_after_closing_nothing_is_painted_and_nothing_breaks(live):
    live.move(0.5)
    live.page.answer()
    live.close()
    sent = len(live.page.pictures)
    live.page.say(type="refresh")
    live.page.say(type="draw")
    live.page.say(**mouse("button_press", 120, 90))
    live.move(0.9)
    live.canvas.draw_idle()
    assert len(live.page.pictures) == sent
    assert not live.events


def test_a_timer_that_outlives_the_canvas_does_nothing(loop, monkeypatch):
    monkeypatch.setattr(stream, "ANSWER_TIMEOUT", 0.05)
    live = loop.do(Live)
    for place in (0.1, 0.2, 0.3):
        loop.do(lambda place=place: live.move(place))
    loop.do(live.close)
    time.sleep(0.15)
    loop.do(lambda: None)
    assert len(live.page.pictures) == 2 and not loop.errors
