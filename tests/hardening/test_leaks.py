"""Nothing is left of a widget that is closed, nor of one that no page shows and nobody holds."""

import os

import pytest

from tests.hardening.notebook import Notebook, open_notebook

LONG = os.environ.get("GRADWIDGETS_SOAK") == "1"
TIMES, RUNS = (200, 30) if LONG else (4, 5)  # of each of five

START = """
import gc, threading, weakref
import comm, ipywidgets, psutil, torch
from ipywidgets.widgets import widget as registry
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import FigureBase
from torch import nn
from torch.nn.functional import mse_loss
from traitlets import link
from IPython.display import display
from gradwidgets import LayerFlowPanel, OptimizerPlayground, SurfaceExplorer, gallery, lesson
from gradwidgets.widgets.panel import Panel

models = weakref.WeakSet()

def model():
    models.add(made := nn.Sequential(nn.Linear(3, 300), nn.ReLU(), nn.Linear(300, 1)))
    return made

def layers(**settings):
    return LayerFlowPanel(model(), torch.randn(8, 3), torch.randn(8, 1), mse_loss, **settings)

def alive(kind):
    return [thing for thing in gc.get_objects() if issubclass(type(thing), kind)]

def left():
    gc.collect()
    return {
        "widgets": len(registry._instances),
        "comms": len(comm.get_comm_manager().comms),
        "figures": len(alive(FigureBase)),
        "canvases": len(alive(FigureCanvasBase)),
        "models": len(models),
        "threads": threading.active_count(),
        "callbacks": sum(len(those) for those in get_ipython().events.callbacks.values()),
    }

def panels():
    return [one for one in registry._instances.values() if isinstance(one, Panel)]

def memory():
    return psutil.Process().memory_info().rss / 1e6
"""

WIDGETS = {
    "playground": "OptimizerPlayground()",
    "explorer": "SurfaceExplorer('pair')",
    "layers": "layers()",
    "lesson": "lesson('dead-zone')",
    "gallery": "gallery('sigmoid')",
}


@pytest.fixture(scope="module")
def _kernel():
    with open_notebook() as notebook:
        notebook.run(START)
        yield notebook


@pytest.fixture
def notebook(_kernel) -> Notebook:
    yield _kernel
    _kernel.run("for one in panels(): one.close()")


@pytest.mark.parametrize("widget", WIDGETS.values(), ids=WIDGETS)
def test_made_and_closed_many_times_leaves_nothing(widget, notebook):
    notebook.run(f"{widget}.close()")
    before = notebook.value("left()")
    half = f"for _ in range({TIMES // 2}): {widget}.close()"
    notebook.run(half)
    held = notebook.value("memory()")
    notebook.run(half)
    assert notebook.value("left()") == before
    print(f"{widget}: {notebook.value('memory()') - held:.1f} MB more after {TIMES // 2} more")


@pytest.mark.parametrize("widget", WIDGETS.values(), ids=WIDGETS)
def test_the_same_cell_run_again_leaves_one_panel(widget, notebook):
    notebook.run(widget, "a")
    notebook.run(widget, "a")
    notebook.until("len(panels()) == 1")
    once, held = notebook.value("left()"), notebook.value("memory()")
    for _ in range(RUNS):
        notebook.run(widget, "a")
    notebook.until("len(panels()) == 1")
    assert notebook.value("left()") == once
    print(f"{widget}: {(notebook.value('memory()') - held) / RUNS:.2f} MB a run")
