"""A result that is asked for is that of the present settings, whatever became of the last computation."""

import time
from dataclasses import replace

import pytest
import torch
from torch import nn

from gradwidgets import LayerFlowPanel, OptimizerPlayground, SurfaceExplorer
from gradwidgets.widgets.kernel import job
from tests.widgets.inside import errors_of, settled, work_of

SQUARE = {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}


def slowly(a, b):
    time.sleep(0.0005)
    return float(a) ** 2 * 0 + a * a + b * b


@pytest.fixture
def explorer():
    made = []

    def make(loss, **settings):
        made.append(SurfaceExplorer(loss, SQUARE, resolution=7, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def spans(panel) -> list[tuple[float, float]]:
    return [tuple(grid.axes["a"]) for grid in panel.grids.values()]


def test_after_stop_the_result_is_the_last_picture_s_and_the_error_says_so(explorer, loop):
    panel = loop.do(lambda: explorer(slowly))
    loop.do(lambda: settled(panel))

    def move_and_stop():
        work_of(panel).by_hand = True  # as when a page moves it: the rest is left to the loop
        panel.x_range = (0.0, 3.0)
        assert work_of(panel).job.running
        work_of(panel).stop()
        work_of(panel).by_hand = False

    loop.do(move_and_stop)
    assert loop.do(lambda: spans(panel)) == [(-1.0, 1.0)] and panel.error.startswith("Stopped before")
    loop.do(lambda: setattr(panel, "x_range", (0.0, 2.0)))
    assert loop.do(lambda: spans(panel)) == [(0.0, 2.0)] and panel.error == ""


def test_what_is_said_stays_though_the_page_is_another_size_now(loop, monkeypatch):
    monkeypatch.setattr(job, "AT_ONCE", 0.0)
    panel = loop.do(lambda: OptimizerPlayground(steps=20, losses=("MSE",)))

    def move_and_stop():
        work_of(panel).by_hand = True
        panel.steps = 100_000
        assert work_of(panel).job.running
        work_of(panel).stop()
        work_of(panel).by_hand = False

    def resize(width):
        loop.do(lambda: panel.page.set_trait("size", {"width": width, "height": 800, "dark": False}))
        loop.do(lambda: None)

    loop.do(move_and_stop)
    for width in (700, 900):  # the words below the picture make room for themselves
        resize(width)
        assert panel.error.startswith("Stopped before")
        assert loop.do(lambda: len(panel.trajectories["MSE"].points)) == 21
    loop.do(lambda: setattr(panel, "steps", 30))
    assert loop.do(lambda: len(panel.trajectories["MSE"].points)) == 31 and panel.error == ""
    loop.do(lambda: errors_of(panel).complain("refused"))
    resize(800)
    assert panel.error == "refused"
    loop.do(lambda: setattr(panel, "steps", 40))
    assert loop.do(lambda: len(panel.trajectories["MSE"].points)) == 41 and panel.error == ""
    loop.do(panel.close)


def test_an_error_of_fitting_the_picture_goes_once_it_fits(explorer, quiet_log):
    panel = explorer(lambda a, b: a * a + b * b)
    steps = work_of(panel).steps

    def fit():
        if panel.page.size.get("width") == 500:
            raise ArithmeticError("too small for words")
        steps.fit()

    work_of(panel).steps = replace(steps, fit=fit)
    panel.page.size = {"width": 500, "height": 800}
    assert "too small for words" in panel.error
    panel.page.size = {"width": 900, "height": 800}
    assert panel.error == ""


def test_after_a_failure_the_result_is_the_last_good_picture_s_and_the_error_says_so(explorer, quiet_log):
    broken = []

    def loss(a, b):
        if broken:
            raise ArithmeticError("out of order")
        return a * a + b * b

    panel = explorer(loss)
    broken.append(True)
    panel.x_range = (0.0, 3.0)
    assert spans(panel) == [(-1.0, 1.0)] and panel.findings
    assert "out of order" in panel.error and "The last good picture stays" in panel.error
    broken.clear()
    assert spans(panel) == [(0.0, 3.0)] and panel.error == ""


def test_what_listens_to_a_picture_and_changes_a_setting_gets_the_result_of_the_new_one():
    panel, got = OptimizerPlayground(steps=7, losses="MSE"), []

    def follow(_change):
        if panel.steps != 3:
            panel.steps = 3
            got.append(panel.trajectories["MSE"].steps)

    panel.observe(follow, "summary")
    panel.steps = 9
    assert got == [3] and panel.trajectories["MSE"].steps == 3 and "3 steps" in panel.summary
    panel.close()


def test_a_closed_panel_gives_what_its_settings_say(explorer):
    panel = explorer(lambda a, b: a * b)
    before = panel.grids
    panel.close()
    assert panel.grids == before
    panel.x_range = (0.0, 3.0)
    assert spans(panel) == [(0.0, 3.0)] and panel.error == ""


@pytest.mark.parametrize("closed", [False, True])
def test_after_an_interrupt_the_result_is_that_of_the_present_settings(explorer, closed):
    struck = []

    def loss(a, b):
        if struck:
            raise KeyboardInterrupt
        return a * a + b * b

    panel = explorer(loss)
    struck.append(True)
    with pytest.raises(KeyboardInterrupt):
        panel.x_range = (0.0, 3.0)
    struck.clear()
    assert panel.error.startswith("It was interrupted")
    if closed:
        panel.close()
    assert spans(panel) == [(0.0, 3.0)]


def test_a_loss_that_asks_for_the_result_that_it_is_needed_for_is_told(explorer, quiet_log):
    asked = []

    def loss(a, b):
        if asked:
            assert asked[0].grids
        return a * a + b * b

    panel = explorer(loss)
    asked.append(panel)
    panel.x_range = (0.0, 3.0)
    assert "a result was requested from within its own computation" in panel.error
    asked.clear()
    assert spans(panel) == [(0.0, 3.0)]


def test_a_model_that_was_trained_since_is_not_measured_unasked():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    panel = LayerFlowPanel(model, torch.randn(5, 3), torch.randn(5, 1), nn.functional.mse_loss)
    flow = panel.flow
    with torch.no_grad():
        model[0].weight.mul_(2)
    assert panel.flow is flow
    panel.measure_again()
    assert panel.flow is not flow
    panel.close()
