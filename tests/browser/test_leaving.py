"""A panel whose view is gone for good is closed if nobody holds it; one that will be seen again is not."""

import os

import pytest

from tests.browser.page import Page

pytestmark = pytest.mark.browser

SOAK = os.environ.get("GRADWIDGETS_SOAK") == "1"
RUNS = 30 if SOAK else 4
CELLS = ("HBox([layers()])", "gallery()", "OptimizerPlayground()", "p = layers()\np")
CANVAS = "document.querySelector('.gradwidgets canvas') !== null"
NO_CANVAS = "document.querySelector('.gradwidgets canvas') === null"
START = """
import gc, weakref
import psutil, torch
from ipywidgets import HBox
from ipywidgets.widgets import widget as registry
from torch import nn
from torch.nn.functional import mse_loss
from IPython.display import display
from gradwidgets import LayerFlowPanel, OptimizerPlayground, SurfaceExplorer, gallery
from gradwidgets.widgets.canvas.canvas import LiveCanvas
from gradwidgets.widgets.panel.panel import Panel

models = weakref.WeakSet()

def layers():
    models.add(model := nn.Sequential(nn.Linear(3, 300), nn.ReLU(), nn.Linear(300, 1)))
    return LayerFlowPanel(model, torch.randn(8, 3), torch.randn(8, 1), mse_loss)

def counted(kind):
    return sum(issubclass(type(thing), kind) for thing in gc.get_objects())

def left():
    gc.collect()
    return len(registry._instances), counted(Panel), counted(LiveCanvas), len(models)

def memory():
    return psutil.Process().memory_info().rss / 1e6
"""


@pytest.mark.parametrize("cell", CELLS if SOAK else CELLS[:2])
def test_the_same_cell_run_again_and_again_leaves_one_panel(cell, open_page):
    page = open_page(START, cell)
    page.run(0)
    for _ in range(2):
        page.run(1)
        page.until(CANVAS)
    page.until_kernel("left()[1] == 1")
    once, before = page.value("left()"), page.value("memory()")
    for _ in range(RUNS):
        page.run(1)
    page.until_kernel("left()[1] == 1")
    assert page.value("left()") == once
    page.until("document.querySelectorAll('.gradwidgets').length === 1")
    print(f"\n{cell!r}: {(page.value('memory()') - before) / RUNS:.2f} MB a run, {once}")
    assert page.complaints() == []


def command(page: Page, name: str, **options: object) -> None:
    page.raw.evaluate("([name, options]) => jupyterapp.commands.execute(name, options)", [name, options])


def select(page: Page, cell: int) -> None:
    page.raw.evaluate("cell => { watched.notebook().content.activeCellIndex = cell; }", cell)


def assert_lives(page: Page) -> None:
    page.until(CANVAS)
    page.until_quiet(1.5)  # longer than a page takes to say that a view is gone
    assert page.value("left()[1]") == 1
    assert page.raw.locator("text=Error displaying widget").count() == 0


def test_a_panel_that_is_moved_or_seen_again_stays(open_page):
    page = open_page(START, "OptimizerPlayground()", "None")
    page.run(0)
    page.run(1)
    assert_lives(page)

    select(page, 1)
    command(page, "notebook:move-cell-down")
    assert_lives(page)
    command(page, "notebook:move-cell-up")
    assert_lives(page)

    select(page, 1)
    command(page, "notebook:delete-cell")
    page.until(NO_CANVAS)
    page.until_quiet(1.5)
    command(page, "notebook:undo-cell-action")
    assert_lives(page)

    select(page, 1)
    command(page, "notebook:create-output-view")
    page.until("document.querySelectorAll('.gradwidgets canvas').length >= 2")
    command(page, "application:close")
    assert_lives(page)

    name = page.raw.evaluate("watched.notebook().context.path")
    command(page, "docmanager:save")
    command(page, "application:close")
    page.until(NO_CANVAS)
    command(page, "docmanager:open", path=name)
    page.wait_until_ready()
    assert_lives(page)

    page.reload()
    assert_lives(page)

    first = page.value("[one.model_id for one in registry._instances.values() if isinstance(one, Panel)][0]")
    page.run(1)  # and after all that, the page still knows when its view has gone
    page.until_kernel(f"{first!r} not in registry._instances")
    assert_lives(page)


def test_a_panel_that_another_page_shows_stays(open_page, browser, address):
    page = open_page(START, "OptimizerPlayground()")
    page.run(0)
    page.run(1)
    assert_lives(page)
    name = page.raw.evaluate("watched.notebook().context.path")
    command(page, "docmanager:save")
    with Page(browser, address, name) as other:
        other.until(CANVAS)
        select(page, 1)
        command(page, "notebook:clear-cell-output")
        page.until(NO_CANVAS)
        assert_lives(other)
        select(other, 1)
        command(other, "notebook:clear-cell-output")
        page.until_kernel("left()[1] == 0")


def test_a_panel_with_a_name_stays_and_is_closed_when_the_name_is_gone(open_page):
    page = open_page(START, "panel = OptimizerPlayground()\npanel", "panel")
    page.run(0)
    page.run(1)
    page.run(2)
    page.until("document.querySelectorAll('.gradwidgets canvas').length >= 2")
    for cell in (1, 2):
        select(page, cell)
        command(page, "notebook:clear-cell-output")
    page.until(NO_CANVAS)
    page.until_kernel("panel.page.gone")
    assert page.value("left()[1]") == 1
    page.run(2)
    assert_lives(page)
    select(page, 2)
    command(page, "notebook:clear-cell-output")
    page.until_kernel("panel.page.gone")
    page.tell("del panel")
    page.until_kernel("left()[1] == 0")
