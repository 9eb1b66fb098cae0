"""Long work ends when it is told to: by the cell's ■, and by the panel's Stop, in a page loaded anew too."""

import pytest

pytestmark = pytest.mark.browser

SLOW = """
import time
slow = False
def bowl(a, b):
    if slow:
        print("at work")
        time.sleep(0.15)
    return a**2 + 3 * b**2
playground = OptimizerPlayground(objective=bowl, start=(1.0, 1.0))
playground
"""
LONG = """
slow = True
playground.steps = 2_000
playground.trajectories
"""


def test_long_work_ends_when_the_cell_is_interrupted_or_stop_is_pressed_after_a_reload(open_page):
    page = open_page("from gradwidgets import OptimizerPlayground", SLOW, LONG)
    page.run(0)
    page.run(1)
    page.until_picture()
    page.until_quiet()

    page.begin(2)
    page.until_text("at work", within=".jp-OutputArea-output")
    page.raw.evaluate("jupyterapp.commands.execute('notebook:interrupt-kernel')")
    page.until_ended(2)
    page.until_text("interrupted", within=".gradwidgets-error")
    assert any("KeyboardInterrupt" in str(one) for one in page.outputs())
    stop = page.raw.get_by_role("button", name="Stop", exact=True)
    assert not stop.is_visible()
    page.tell("slow = False; playground.steps = 40")
    page.until_kernel("playground.error == '' and len(next(iter(playground.trajectories.values())).points) == 41")
    page.until_painted()

    page.tell("slow = True")
    page.type("steps", "2000")
    stop.wait_for(state="visible")
    page.reload()
    stop.wait_for(state="visible")
    stop.click()
    page.until_text("Stopped before everything was computed", within=".gradwidgets-error")
    page.tell("slow = False; playground.steps = 30")
    page.until_kernel("playground.error == '' and len(next(iter(playground.trajectories.values())).points) == 31")
    page.until_painted()
    page.forgive()


LINKED = """
import threading
import ipywidgets, traitlets
playground = OptimizerPlayground()
mine = ipywidgets.FloatSlider(description="mine", min=0, max=1, step=0.01, value=0.1)
seen = set()
mine.observe(lambda change: seen.add(threading.current_thread().name), "value")
traitlets.link((mine, "value"), (playground, "lr"))
ipywidgets.VBox([mine, playground])
"""


def test_a_slider_of_the_reader_s_own_that_is_linked_is_followed_on_the_main_thread(open_page):
    page = open_page("from gradwidgets import OptimizerPlayground", LINKED)
    page.run_all()
    page.until_picture()
    page.until_quiet()
    before = page.pixels()
    page.press("mine", times=40)
    page.until_kernel("mine.value == 0.5 and playground.controls['lr'].value == 0.5 and not playground._turns.owed")
    assert page.value("playground.error == '' and playground.canvas.painted_on == {'MainThread'}")
    assert page.value("seen != {'MainThread'}"), "this page sends over the main shell alone: nothing was tried"
    page.until_painted()
    assert (page.pixels() != before).any()
    assert page.complaints() == []
