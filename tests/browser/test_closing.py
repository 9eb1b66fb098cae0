"""Closed means gone: in the kernel's registries and on the page."""

import pytest

pytestmark = pytest.mark.browser

COUNT = """
import gc
from ipywidgets.widgets import widget
from matplotlib.figure import Figure
from gradwidgets import OptimizerPlayground

def count():
    gc.collect()
    return len(widget._instances), sum(type(thing) is Figure for thing in gc.get_objects())

def make_and_close(times):
    for _ in range(times):
        OptimizerPlayground().close()
"""
SHOW = "playground = OptimizerPlayground()\nplayground"


def test_made_and_closed_leaves_nothing_behind(open_page):
    page = open_page(COUNT, SHOW)
    page.run(0)
    page.tell("make_and_close(1)")
    before = page.value("count()")

    page.tell("make_and_close(15)", seconds=300)
    assert page.value("count()") == before

    for _ in range(3):  # shown, painted and moved, too
        page.run(1)
        page.until_painted()
        page.press("lr")
        page.until_kernel("playground.lr != 0.1")
        page.until_painted()
        page.tell("playground.close(); playground.close(); del playground")
        page.until("document.querySelector('.gradwidgets canvas') === null")
    page.tell("get_ipython().user_ns['Out'].clear(); _ = __ = ___ = None")
    assert page.value("count()") == before
    assert page.complaints() == []
