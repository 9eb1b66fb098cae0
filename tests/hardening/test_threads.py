"""Settings set on any thread: one thread paints, nothing fails, the last value is shown."""

import logging
import os
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import ipywidgets as widgets
import pytest
import torch
import traitlets
from torch import nn
from traitlets import TraitError

from gradwidgets import LayerFlowPanel
from gradwidgets.widgets.canvas import stream
from gradwidgets.widgets.panel.page import Page
from tests.hardening.panels import SMALL, in_a_page, painted, same_pictures, seen_of
from tests.widgets.conftest import LOOP_THREAD, LoopThread, loop  # noqa: F401
from tests.widgets.inside import network_of, settled, turns_of, work_of
from tests.widgets.taught import prediction_of

# A setting, and values that take different amounts of work.
SET = {
    "playground": [("lr", (0.05, 0.2, 0.7)), ("delta", (0.3, 1.0)), ("step", (None, 3, 8)), ("steps", (10, 25))],
    "explorer": [("scale", ("linear", "log")), ("point", ((0.2, 0.4), (1.0, -0.5))), ("resolution", (9, 17))],
    "layers": [("gain", (0.5, 1.0, 2.0)), ("view", ("flow", "clipping", "doctor")), ("depth", (3, 5))],
}


SOAK = os.environ.get("GRADWIDGETS_SOAK") == "1"
SETS = {"playground": 100, "explorer": 100 if SOAK else 12, "layers": 100 if SOAK else 12}  # in each thread


@pytest.fixture(autouse=True)
def _page(monkeypatch) -> None:
    monkeypatch.setattr(Page, "latest", {"width": 560, "height": 500})
    monkeypatch.setattr(stream, "ANSWER_TIMEOUT", 0.02)  # nobody answers pictures here


@pytest.fixture
def record() -> Iterator[list]:
    """What went to the log as an error."""
    said: list = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda one: said.append(one.getMessage())
    logging.getLogger().addHandler(handler)
    yield said
    logging.getLogger().removeHandler(handler)


def in_threads(count: int, work: Callable[[int], None]) -> list[BaseException]:
    """Do something in several threads at once; return what they raised."""
    raised: list[BaseException] = []
    together = threading.Barrier(count)

    def run(number: int) -> None:
        together.wait()
        try:
            work(number)
        except BaseException as failure:
            raised.append(failure)

    threads = [threading.Thread(target=run, args=(k,), name=f"thread {k}") for k in range(count)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(120)
    assert not any(one.is_alive() for one in threads), "a deadlock"
    return raised


def is_settled(panel) -> bool:
    """Whether all that was asked for on other threads is shown."""
    return not turns_of(panel).owed and not work_of(panel).half_shown and not work_of(panel).running


def shows_its_settings(panel, make: Callable) -> bool:
    """Whether picture, words and controls are those of a panel made for these settings."""
    other = make()
    try:
        other.restore(panel.state())
        for one in (panel, other):
            settled(one)
        return same_pictures(painted(panel), painted(other)) and seen_of(panel) == seen_of(other)
    finally:
        other.close()


@pytest.mark.parametrize("kind", list(SET))
def test_four_threads_set_and_one_paints_the_last_value(kind, loop, record):  # noqa: F811
    panel = loop.do(SMALL[kind])

    def work(number: int) -> None:
        chance = random.Random(number)
        for _ in range(SETS[kind]):
            name, values = chance.choice(SET[kind])
            setattr(panel, name, chance.choice(values))

    assert in_threads(4, work) == []
    loop.until(lambda: is_settled(panel))
    assert panel.canvas.painted_on == {LOOP_THREAD}
    assert panel.error == "" and not loop.errors and not record
    assert loop.do(lambda: shows_its_settings(panel, SMALL[kind]))
    loop.do(panel.close)


@pytest.mark.parametrize("kind", list(SET) if SOAK else ["layers"])
def test_without_a_loop_threads_take_turns(kind, record):
    panel = SMALL[kind]()

    def work(number: int) -> None:
        chance = random.Random(number)
        for _ in range(8 if SOAK else 3):
            name, values = chance.choice(SET[kind])
            setattr(panel, name, chance.choice(values))

    assert in_threads(4, work) == []
    assert panel.error == "" and not record
    assert shows_its_settings(panel, SMALL[kind])
    panel.close()


def test_on_the_main_thread_the_next_line_is_up_to_date_while_others_set(loop):  # noqa: F811
    panel, seen, over = loop.do(SMALL["playground"]), [], threading.Event()

    def set_and_read() -> None:
        for steps in range(5, 15):
            panel.steps = steps
            seen.append((steps, len(panel.trajectories["MSE"].points) - 1))
        over.set()

    def work(number: int) -> None:
        while not over.is_set():
            panel.lr = random.choice((0.1, 0.2))

    loop.loop.call_soon_threadsafe(set_and_read)
    assert in_threads(2, work) == []
    assert [shown for _, shown in seen] == [wanted for wanted, _ in seen]
    loop.do(panel.close)


def test_a_refused_value_is_refused_on_the_thread_that_set_it(loop):  # noqa: F811
    panel, refused = loop.do(SMALL["playground"]), []

    def work(number: int) -> None:
        for _ in range(50):
            if number:
                panel.restore({"lr": 0.3, "momentum": 0.9})
                continue
            try:
                panel.restore({"lr": 0.4, "nesterov": True, "momentum": 0.0})
            except TraitError as refusal:
                refused.append(str(refusal))

    assert in_threads(2, work) == []
    assert len(refused) == 50 and all("momentum > 0" in one for one in refused)
    loop.until(lambda: is_settled(panel))
    assert (panel.lr, panel.momentum, panel.nesterov) == (0.3, 0.9, False) and panel.error == ""
    loop.do(panel.close)


def test_held_notifications_of_two_threads_do_not_mix(loop):  # noqa: F811
    panel, told = loop.do(SMALL["playground"]), []
    panel.observe(lambda change: told.append((change.name, change.new)), ["lr", "momentum"])

    def work(number: int) -> None:
        name = ("lr", "momentum")[number]
        for k in range(1, 101):
            with panel.hold_trait_notifications():
                setattr(panel, name, 0.5 + 0.001 * k)
                setattr(panel, name, 0.001 * k)

    assert in_threads(2, work) == []
    for name in ("lr", "momentum"):
        assert [new for who, new in told if who == name] == [0.001 * k for k in range(1, 101)]
    loop.do(panel.close)


def test_a_linked_slider_of_the_user_s_on_a_subshell(loop):  # noqa: F811
    panel, slider = loop.do(SMALL["playground"]), widgets.FloatSlider(min=0.01, max=1, step=0.001, value=0.1)
    link = traitlets.link((slider, "value"), (panel, "lr"))

    def work(number: int) -> None:
        for k in range(60):
            slider.set_state({"value": 0.2 + 0.01 * k})

    assert in_threads(1, work) == []
    loop.until(lambda: is_settled(panel))
    assert panel.lr == slider.value == pytest.approx(0.79) and panel.controls["lr"].value == panel.lr
    assert panel.canvas.painted_on == {LOOP_THREAD}
    link.unlink()
    slider.close()
    loop.do(panel.close)


def test_two_panels_linked_both_ways_and_set_on_two_threads_do_not_wait_for_each_other(loop):  # noqa: F811
    one, two = loop.do(SMALL["playground"]), loop.do(SMALL["playground"])
    links = [traitlets.dlink((one, "lr"), (two, "lr")), traitlets.dlink((two, "momentum"), (one, "momentum"))]

    def work(number: int) -> None:
        for k in range(1, 60):
            setattr(*((one, "lr") if number else (two, "momentum")), 0.01 * k)

    assert in_threads(2, work) == []
    loop.until(lambda: is_settled(one) and is_settled(two))
    assert (one.lr, one.momentum) == (two.lr, two.momentum) == (0.59, 0.59)
    assert one.canvas.painted_on == two.canvas.painted_on == {LOOP_THREAD}
    for link in links:
        link.unlink()
    loop.do(one.close)
    loop.do(two.close)


VERBS = {
    "restore": lambda panel: panel.restore({"theme": "dark"}),
    "reset": lambda panel: panel.reset(),
    "hide": lambda panel: setattr(panel, "hide", ("theme", "buttons")),
    "lock": lambda panel: setattr(panel, "lock", ("theme",)),
    "style": lambda panel: setattr(panel, "style", "projector"),
    "guess": lambda panel: guess(panel),
    "png": lambda panel: panel.png(),
    "bundle": lambda panel: panel._repr_mimebundle_(),
    "code": lambda panel: panel.code(),
    "introduce": lambda panel: panel.lesson.introduce("<b>words</b>", 20),
}


def guess(panel) -> None:
    panel.predict = True
    panel.answer = {"fate": next(iter(prediction_of(panel).asked["fate"].control.menu.options[1:]))[1]}
    panel.reveal()
    assert panel.score is not None
    panel.predict = False


@pytest.mark.parametrize("kind", list(SET))
def test_every_verb_on_another_thread_leaves_the_painting_to_the_main_one(kind, loop, record):  # noqa: F811
    panel = loop.do(SMALL[kind])
    if kind == "explorer":
        loop.do(lambda: setattr(panel, "descent", True))

    def work(number: int) -> None:
        for verb in random.Random(number).sample(list(VERBS), len(VERBS)):
            VERBS[verb](panel)

    assert in_threads(1, work) == []
    loop.until(lambda: is_settled(panel))
    assert panel.canvas.painted_on == {LOOP_THREAD} and panel.error == "" and not record and not loop.errors
    loop.do(lambda: panel.restore({"theme": "light"}))
    assert "locked" not in panel.error and panel.hide == ("theme", "buttons")
    loop.do(panel.close)


def test_the_five_views_and_their_buttons_on_another_thread(loop, record):  # noqa: F811
    panel = loop.do(SMALL["layers"])

    def work(number: int) -> None:
        for view in ("doctor", "clipping", "curvature", "live", "flow"):
            panel.view = view
        panel.view, panel.fix = "doctor", "He init"
        panel.apply_fix()
        panel.undo_fix()
        panel.view = "curvature"
        if SOAK:  # torch takes seconds to import what that needs
            assert set(panel.measure_curvature("noise scale")) == {"noise scale"}
        assert panel.flow.layers

    assert in_threads(1, work) == []
    loop.until(lambda: is_settled(panel))
    shown = work_of(panel).shown
    assert panel.view == shown.settings.view == "curvature" and (not SOAK or shown.part["noise scale"])
    assert panel.canvas.painted_on == {LOOP_THREAD} and panel.error == "" and not record and not loop.errors
    loop.do(panel.close)


def test_a_training_on_another_thread_is_followed_and_the_model_measured_at_its_end(loop, record, monkeypatch):  # noqa: F811
    monkeypatch.setattr("gradwidgets.widgets.layers.panel.after_each_cell", lambda work: lambda: None)
    torch.manual_seed(0)
    model, x, y = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)), torch.randn(16, 4), torch.randn(16, 1)
    panel = loop.do(lambda: LayerFlowPanel(model, x, y, nn.functional.mse_loss))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def work(number: int) -> None:
        with panel.watch(optimizer) as monitor:
            for _ in range(30):
                optimizer.zero_grad()
                loss = nn.functional.mse_loss(model(x), y)
                loss.backward()
                optimizer.step()
                monitor.note_loss(loss)

    assert in_threads(1, work) == []
    loop.until(lambda: is_settled(panel))
    assert panel.view == "live" and panel.monitor.steps == 30
    assert work_of(panel).shown.settings.version == network_of(panel).now()[1], "what is shown is of the model before"
    assert panel.canvas.painted_on == {LOOP_THREAD} and panel.error == "" and not record and not loop.errors
    loop.do(panel.close)


def test_a_model_that_another_thread_trains_is_not_read_meanwhile(loop, record, monkeypatch):  # noqa: F811
    monkeypatch.setattr("gradwidgets.widgets.layers.panel.after_each_cell", lambda work: lambda: None)
    torch.manual_seed(0)
    model, x, y = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)), torch.randn(16, 4), torch.randn(16, 1)
    panel = loop.do(lambda: LayerFlowPanel(model, x, y, nn.functional.mse_loss))
    optimizer, shown, said = torch.optim.SGD(model.parameters(), 0.1), [], []

    def choose(view: str) -> None:
        panel.view = view
        said.append((view, panel.error))
        shown.append(work_of(panel).shown.flow)

    def work(number: int) -> None:
        with panel.watch(optimizer):
            for view in ("doctor", "curvature", "clipping", "flow", "live"):
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()
                loop.do(lambda view=view: choose(view))

    before = work_of(panel).shown.flow
    assert in_threads(1, work) == [] and not loop.errors
    refused = [view for view, error in said if "Another thread is training your model" in error]
    assert refused == ["doctor", "curvature", "clipping"] and all(flow is before for flow in shown)
    loop.until(lambda: is_settled(panel))
    assert panel.error == "" and work_of(panel).shown.flow is not before
    loop.do(lambda: setattr(panel, "view", "doctor"))
    assert panel.error == "" and work_of(panel).shown.settings.view == "doctor"
    record.clear()
    loop.do(panel.close)


def test_a_panel_that_is_made_on_a_subshell_is_painted_on_the_main_thread(loop, record):  # noqa: F811
    made = []
    assert in_threads(1, lambda number: made.append(SMALL["playground"]())) == []
    loop.do(lambda: None)
    (panel,) = made
    assert panel.canvas.painted_on <= {LOOP_THREAD} and not record and not loop.errors
    assert loop.do(lambda: shows_its_settings(panel, SMALL["playground"]))
    loop.do(panel.close)


@pytest.mark.parametrize("kind", list(SET) if SOAK else ["playground"])
def test_what_listens_to_a_panel_may_set_it(kind, record):
    name, values = SET[kind][0]
    panel = SMALL[kind]()
    panel.observe(lambda change: setattr(panel, name, values[1]), "summary")
    for _, others in [SET[kind][1]]:
        for value in others:
            setattr(panel, SET[kind][1][0], value)
    assert getattr(panel, name) == values[1] and panel.error == "" and not record
    assert shows_its_settings(panel, SMALL[kind])
    panel.close()


def test_what_listens_and_asks_for_more_each_time_does_not_hang(loop):  # noqa: F811
    panel = loop.do(SMALL["playground"])
    panel.observe(lambda change: setattr(panel, "lr", panel.lr + 0.001), "summary")
    loop.do(lambda: setattr(panel, "momentum", 0.1))
    assert loop.do(lambda: panel.momentum) == 0.1
    panel.unobserve_all("summary")
    loop.do(panel.close)


def test_the_loop_survives_an_interrupt_and_the_panel_says_so(loop):  # noqa: F811
    panel = loop.do(SMALL["playground"])
    page = loop.do(lambda: in_a_page(panel))
    steps, struck = work_of(panel).steps, []

    def interrupted(settings):
        if not struck:
            struck.append(1)
            raise KeyboardInterrupt
        return steps.compute(settings)

    work_of(panel).steps = replace(steps, compute=interrupted)
    panel.controls["lr"].slider.set_state({"value": 20})
    loop.until(lambda: bool(struck))
    assert loop.do(lambda: panel.error).count("interrupted") == 1 and not loop.errors
    panel.controls["lr"].slider.set_state({"value": 40})
    loop.do(page.answer)
    loop.until(lambda: panel.lr == panel.controls["lr"].stops[40] and is_settled(panel))
    assert panel.error == ""
    assert loop.do(lambda: shows_its_settings(panel, SMALL["playground"]))
    loop.do(panel.close)
