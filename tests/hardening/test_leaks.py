"""Nothing is left of a widget that is closed, nor of one that no page shows and nobody holds."""

import os
import weakref

import pytest

from gradwidgets import OptimizerPlayground
from tests.hardening.notebook import Notebook, open_notebook

LONG = os.environ.get("GRADWIDGETS_SOAK") == "1"
TIMES, RUNS = (200, 30) if LONG else (4, 2)  # of each of five

START = """
import asyncio, gc, threading, weakref
import comm, ipywidgets, psutil, torch
from ipywidgets.widgets import widget as registry
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import FigureBase
from torch import nn
from torch.nn.functional import mse_loss
from traitlets import link
from IPython.display import display
from gradwidgets import LayerFlowPanel, OptimizerPlayground, SurfaceExplorer, gallery, lesson
from gradwidgets.widgets.panel.page import Page
from gradwidgets.widgets.panel.panel import Panel
from gradwidgets.widgets.kernel.unheld import close_unheld

Page.latest = {"width": 560, "height": 500}  # a small picture is drawn sooner
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
        "threads": sorted(one.name for one in threading.enumerate() if not type(one).__module__.startswith("zmq")),
        "callbacks": sum(len(those) for those in get_ipython().events.callbacks.values()),
    }

def panels():
    return [one for one in registry._instances.values() if isinstance(one, Panel)]

def memory():
    return psutil.Process().memory_info().rss / 1e6

gc.collect()
gc.freeze()  # torch's 300,000 objects are looked at no more: everything below is three times as quick
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
    two = f"for turn in range(2): {widget}.close()"  # a kernel's messages are dropped when there are too many at once
    for _ in range(TIMES // 4):
        notebook.run(two)
    held = notebook.value("memory()")
    for _ in range(TIMES // 4 if LONG else 0):
        notebook.run(two)
    assert notebook.value("left()") == before
    print(f"{widget}: {notebook.value('memory()') - held:.1f} MB more after {TIMES // 2} more")


@pytest.mark.parametrize("name", WIDGETS if LONG else ("playground", "layers"))
def test_the_same_cell_run_again_leaves_one_panel(name, notebook):
    widget = WIDGETS[name]
    notebook.run(widget, "a")
    notebook.run(widget, "a")
    notebook.until("len(panels()) == 1")
    once, held = notebook.value("left()"), notebook.value("memory()")
    for _ in range(RUNS):
        notebook.run(widget, "a")
    notebook.until("len(panels()) == 1")
    assert notebook.value("left()") == once
    print(f"{widget}: {(notebook.value('memory()') - held) / RUNS:.2f} MB a run")


HELD = {  # how somebody holds one, what is then shown, how it is let go
    "a variable": ("held = {}", "held", ""),
    "a list": ("held = [{}]", "held[0]", ""),
    "an attribute": ("class Thing: pass\nheld = Thing()\nheld.own = {}", "held.own", ""),
    "a closure": ("def keep(panel): return lambda: panel\nheld = keep({})", "held()", ""),
    "a part of it": ("held = {}.controls['lr']", "panels()[0]", ""),
    "its figure": ("held = {}.figure", "panels()[0]", ""),
    "an observer of another widget": (
        "held = ipywidgets.IntSlider()\n"
        "def follow(panel): held.observe(lambda change: setattr(panel, 'lr', 0.01 * change.new), 'value')\n"
        "follow({})",
        "panels()[0]",
        "held.close()",
    ),
    "a link": (
        "held = ipywidgets.FloatText(0.1)\nlinked = link((held, 'value'), ({}, 'lr'))\ndel linked",
        "panels()[0]",
        "held.close()",
    ),
    "a box": ("held = ipywidgets.HBox([{}])", "held.children[0]", "held.close()"),
    "a coroutine": (
        "async def wait(panel):\n    await asyncio.get_running_loop().create_future()\n"
        "held = asyncio.ensure_future(wait({}))",
        "panels()[0]",
        "held.cancel()",
    ),
    "a thread": (
        "held = threading.Event()\n"
        "def wait(panel): held.wait()\n"
        "threading.Thread(target=wait, args=[{}], daemon=True).start()",
        "panels()[0]",
        "held.set()",
    ),
}


# Each is found in its own way but the first three, which are Python's references.
WAYS = HELD if LONG else {name: HELD[name] for name in ("a variable", "a part of it", "a link", "a box", "a coroutine")}


@pytest.mark.parametrize(("hold", "panel", "let_go"), WAYS.values(), ids=WAYS)
def test_what_somebody_holds_stays_and_is_closed_when_it_is_let_go(hold, panel, let_go, notebook):
    notebook.run(f"{hold.format('OptimizerPlayground()')}\ndisplay({panel})", "a")
    notebook.clear("a")
    notebook.until(f"{panel}.page.gone")
    notebook.run("close_unheld()")
    assert notebook.value(f"len(panels()), {panel}.comm is None") == (1, False)
    notebook.run(f"{panel}.lr = 0.2\ndisplay({panel})", "b")  # shown again, it is as it was
    assert notebook.value(f"{panel}.error, {panel}.page.gone") == ("", False)
    notebook.clear("b")
    notebook.until(f"{panel}.page.gone")
    notebook.run(f"{let_go}\nheld = None")
    notebook.until("not close_unheld() and not panels()")


DURING = """
from unittest.mock import patch
letterboxes = []
kernel = get_ipython().kernel

def message(panel, **state):
    kernel.comm_manager.comm_msg(None, None, {
        "buffers": [],
        "content": {"comm_id": panel.page.model_id, "data": {"method": "update", "state": state, "buffer_paths": []}},
    })

def arrives(**state):
    collect = gc.collect
    def collect_meanwhile():
        there = [key for key, one in comm.get_comm_manager().comms.items() if type(one).__name__ == "_Letterbox"]
        assert held.page.model_id in there
        letterboxes.append(comm.get_comm_manager().comms[held.page.model_id])
        message(held, **state)
        return collect()
    return patch("gradwidgets.widgets.kernel.unheld.gc.collect", collect_meanwhile)
"""


def test_a_message_that_arrives_while_references_are_looked_for_is_not_lost(notebook):
    notebook.run(DURING)
    notebook.run("held = OptimizerPlayground()\ndisplay(held)", "a")
    notebook.clear("a")
    notebook.until("held.page.gone")
    unnamed = "patch('gradwidgets.widgets.kernel.unheld.named', lambda *_: False)"
    notebook.run(f"with {unnamed}, arrives(size={{'width': 700}}): close_unheld()")
    assert notebook.value("held.page.size, held.comm is None") == ({"width": 700}, False)
    late = {"method": "update", "state": {"size": {"width": 800}}, "buffer_paths": []}
    notebook.run(f"letterboxes[0].handle_msg({{'buffers': [], 'content': {{'data': {late}}}}})")  # on a slower thread
    assert notebook.value("held.page.size") == {"width": 800}
    notebook.run("held = None; letterboxes.clear()")
    notebook.until("not close_unheld() and not panels()")


@pytest.mark.parametrize("widget", ["OptimizerPlayground()", "ipywidgets.HBox([layers()])"])
def test_a_message_arrives_although_the_subshell_that_last_spoke_to_the_page_has_ended(widget, notebook):
    notebook.run(widget, "a")
    notebook.run("for one in registry._instances.values():\n    one.comm._reply_subshell_id = 'ended'\ndel one")
    notebook.clear("a")
    notebook.until("not panels()")


def test_the_history_holds_nothing_and_says_what_became_of_it(notebook):
    notebook.run("OptimizerPlayground(lr=0.2)", "a")
    number = notebook.value("max(Out)")
    assert notebook.value(f"Out[{number}] is _ is _{number} is panels()[0]")
    notebook.clear("a")
    notebook.until("not panels()")
    said = notebook.value(f"repr(Out[{number}])")
    assert said == "OptimizerPlayground(lr=0.2), closed: it was removed from the page, and no variable held it"
    assert notebook.value(f"Out[{number}] is _ is _{number}")
    with pytest.raises(AssertionError, match="A panel that is assigned to a variable"):
        notebook.run("_.lr")
    notebook.run("1 + 1", "b")
    assert notebook.value(f"_ == 2 and __ is Out[{number}]")


def test_one_that_was_closed_by_hand_says_so_wherever_it_is_shown(notebook):
    notebook.run("held = OptimizerPlayground(lr=0.2)\nheld.close()")
    assert notebook.value("repr(held)") == "OptimizerPlayground(lr=0.2), closed"
    assert notebook.value("get_ipython().display_formatter.format(held)[0]") == {
        "text/plain": "OptimizerPlayground(lr=0.2), closed"
    }


def test_a_name_for_a_result_in_the_history_holds_it(notebook):
    notebook.run("OptimizerPlayground()", "a")
    notebook.run("mine = _")
    notebook.clear("a")
    notebook.until("mine.page.gone")
    notebook.run("close_unheld()")
    assert notebook.value("mine.comm is None, Out[max(Out)] is mine") == (False, True)
    notebook.run("del mine")
    notebook.until("not close_unheld() and not panels()")


def test_one_that_is_shown_from_a_function_lives_as_long_as_its_view(notebook):
    notebook.run("def show():\n    panel = OptimizerPlayground()\n    display(panel)\nshow()", "a")
    notebook.run("close_unheld()")
    assert notebook.value("len(panels())") == 1
    notebook.clear("a")
    notebook.until("not panels()")


def test_one_that_is_shown_twice_lives_as_long_as_either_view(notebook):
    notebook.run("OptimizerPlayground()", "a")
    notebook.run("Out[max(Out)]", "b")
    notebook.clear("a")
    notebook.run("close_unheld()")
    assert notebook.value("len(panels()), panels()[0].page.gone") == (1, False)
    notebook.clear("b")
    notebook.until("not panels()")


def test_one_that_another_page_shows_stays_and_a_page_that_is_reloaded_takes_nothing_away(notebook):
    notebook.pages = ["first", "second"]
    notebook.run("OptimizerPlayground()", "a")
    model = notebook.value("panels()[0].page.model_id")
    notebook.tell(model, page="first", views=0)
    notebook.tell(model, page="second", views=None)  # it is reloaded, and says no more
    notebook.run("close_unheld()")
    assert notebook.value("panels()[0].page.gone, panels()[0].comm is None") == (False, False)
    notebook.tell(model, page="third", views=1)
    notebook.tell(model, page="third", views=0)
    notebook.until("not panels()")
    notebook.pages = ["page"]


def test_a_view_that_comes_and_goes_may_be_told_of_in_the_wrong_order(notebook):
    notebook.pages = []  # what this one tells is written out below
    notebook.run("OptimizerPlayground()", "a")
    model = notebook.value("panels()[0].page.model_id")
    notebook.tell(model, page="page", views=0, turn=10_002)
    notebook.tell(model, page="page", views=1, turn=10_001)
    notebook.until("not panels()")
    notebook.pages = ["page"]


def test_a_box_that_the_page_lost_sight_of_is_closed_once_its_cell_is_run_again(notebook):
    notebook.pages = []
    notebook.run("ipywidgets.HBox([layers()])", "a")
    model = notebook.value("panels()[0].page.model_id")
    notebook.tell(model, page="page", views=1)
    notebook.tell(model, page="page", views=0, boxes=[])
    notebook.until("panels()[0].page.gone")
    notebook.run("None", "a")
    notebook.until("not panels()")
    notebook.pages = ["page"]


def test_a_box_that_left_with_its_panel_is_closed_too_and_one_that_is_held_holds_it(notebook):
    notebook.run("None")
    before = notebook.value("left()")
    notebook.run("ipywidgets.Accordion([ipywidgets.HBox([layers()])])", "a")
    notebook.clear("a")
    notebook.until("not panels()")
    assert notebook.value("left()") == before
    notebook.run("held = ipywidgets.Tab([OptimizerPlayground()])\nheld", "a")
    notebook.clear("a")
    notebook.until("held.children[0].page.gone")
    notebook.run("close_unheld()")
    assert notebook.value("held.children[0].comm is None") is False
    notebook.run("del held")
    notebook.until("not close_unheld() and not panels()")


def test_one_that_a_box_still_shows_at_times_stays(notebook):
    notebook.run("ipywidgets.Stack([OptimizerPlayground(), ipywidgets.Label()], selected_index=0)", "a")
    notebook.tell(notebook.value("panels()[0].page.model_id"), page="page", views=0, boxes=[])  # the label is shown
    notebook.until("panels()[0].page.gone")
    notebook.run("close_unheld()")
    assert notebook.value("len(panels())") == 1
    notebook.run("for one in [*registry._instances.values()]: isinstance(one, ipywidgets.Stack) and one.close()")


def test_one_that_still_computes_for_nobody_is_closed_and_computes_no_more(notebook, tmp_path):
    calls = f"os.path.getsize({str(tmp_path / 'calls')!r})"  # not a list: what a loss changes is put back
    notebook.run(f"""
import os, time
def slow(a, b):
    time.sleep(0.005)
    with open({str(tmp_path / "calls")!r}, "a") as calls:
        calls.write(".")
    return a * b + torch.zeros(())
""")
    notebook.run("SurfaceExplorer(lambda a, b: slow(float(a), float(b)) + a * b, {'a': (-1, 1), 'b': (-1, 1)})", "a")
    begun = notebook.value(calls)
    notebook.until(f"{calls} > {begun}")  # it goes on beside what is asked
    notebook.clear("a")
    notebook.until("not panels()")
    done = notebook.value(calls)
    notebook.run("import asyncio\nawait asyncio.sleep(0.3)")
    assert notebook.value(calls) == done < 81 * 81


NONSENSE = [
    {"page": 1, "views": 0}, {"page": "page"}, {"views": 0}, {"page": "page", "views": "0"},
    {"page": "page", "views": -1.5}, {"page": "page", "views": [0]},
    {"page": "page", "views": 0, "turn": None},
]  # fmt: skip


def test_nonsense_about_views_closes_nothing(notebook):
    notebook.run("OptimizerPlayground()", "a")
    model = notebook.value("panels()[0].page.model_id")
    for nonsense in NONSENSE:
        notebook.tell(model, **nonsense)
        notebook.run("close_unheld()")
        assert notebook.value("len(panels()), panels()[0].page.gone") == (1, False), nonsense
    notebook.clear("a")
    notebook.until("not panels()")


@pytest.fixture
def undrawn(notebook):
    """A page that never comes to drawing what cells show."""
    notebook.pages = []
    yield notebook
    notebook.pages = ["page"]


REPLACED = ["ipywidgets.HBox([layers()])", "gallery('sigmoid')", "layers()"]


@pytest.mark.parametrize("widget", REPLACED if LONG else REPLACED[:1])
def test_what_was_replaced_before_a_page_drew_it_is_closed_too(widget, undrawn):
    undrawn.run(widget, "a")
    once = undrawn.value("left()")
    for _ in range(3):
        undrawn.run(widget, "a")
    undrawn.until("len(panels()) == 1")
    assert undrawn.value("left()") == once


def test_what_another_cell_or_a_widget_s_output_will_draw_stays(undrawn):
    undrawn.run("box = ipywidgets.HBox([OptimizerPlayground()])\ndisplay(box)", "a")
    undrawn.run("display(box)\ndel box", "b")
    undrawn.run("output = ipywidgets.Output()\nwith output: display(OptimizerPlayground())\nNone", "c")
    undrawn.run("shown = display(None, display_id='there')\nNone", "d")
    undrawn.run("shown.update(OptimizerPlayground())", "e")
    undrawn.until("len(panels()) == 3")
    for cell in "ace":
        undrawn.run("None", cell)
    undrawn.run("close_unheld()")
    assert undrawn.value("[(one.page.gone, one.comm is None) for one in panels()]") == [(False, False)] * 3
    undrawn.run("None", "b")
    undrawn.until("len(panels()) == 2")


DROPPED = ["SurfaceExplorer('pair')", "gallery('sigmoid')", "lesson('sigmoid')", "layers()"]


@pytest.mark.parametrize("widget", DROPPED if LONG else DROPPED[1:2])
def test_what_was_made_and_never_shown_is_closed_when_it_is_dropped(widget, notebook):
    notebook.run(f"made = {widget}")
    before = notebook.value("left()")
    notebook.run("close_unheld()")
    assert notebook.value("len(panels()), made.comm is None") == (1, False)
    notebook.run(f"for _ in range(3): made = {widget}")
    notebook.until("len(panels()) == 1")
    assert notebook.value("left()") == before
    notebook.run("made = [made]\nclose_unheld()")  # held without a name
    assert notebook.value("len(panels())") == 1
    notebook.run("made[0]", "a")  # shown after all, it is as it was
    assert notebook.value("panels()[0].error, panels()[0].comm is None") == ("", False)
    notebook.run("made = None\nclose_unheld()")
    assert notebook.value("len(panels())") == 1
    notebook.clear("a")
    notebook.until("not panels()")


def test_one_that_a_box_will_show_stays(notebook):
    notebook.run("box = ipywidgets.HBox([OptimizerPlayground()])\nclose_unheld()")
    assert notebook.value("len(panels()), box.children[0].comm is None") == (1, False)
    notebook.run("box.close()\ndel box")
    notebook.until("not panels()")


def test_outside_of_a_notebook_one_that_is_dropped_goes_when_another_is_made():
    kept = [OptimizerPlayground(steps=3)]
    dropped = weakref.ref(OptimizerPlayground(steps=3))
    assert dropped() is not None  # ipywidgets holds it
    kept.append(OptimizerPlayground(steps=3))
    assert dropped() is None
    assert not any(panel.comm is None for panel in kept) and kept[0].trajectories
    for panel in kept:
        panel.close()
