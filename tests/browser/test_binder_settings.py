"""What Binder's settings change in a page: the kernel hears the controls in its own thread."""

import pytest

from tests.browser.lab import ROOT, Lab
from tests.browser.page import Page

pytestmark = pytest.mark.browser

CELL = """
import threading
from ipywidgets import IntSlider

heard = set()
slider = IntSlider(description="one")
slider.observe(lambda change: heard.add(threading.current_thread() is threading.main_thread()), "value")
slider
"""


def where_heard(browser, lab: Lab) -> list[bool]:
    """Whether the slider's messages were handled on the main thread."""
    with Page(browser, f"http://127.0.0.1:{lab.port}", lab.write([CELL])) as page:
        page.run(0)
        page.press("one", times=6)
        page.until_kernel("slider.value == 6")
        assert page.complaints() == [] and page.console == []
        heard = page.value("sorted(heard)")
        page.end_kernel()
    return heard


def test_messages_stay_off_the_subshells(lab, browser):
    assert False in where_heard(browser, lab)  # as JupyterLab comes, or there would be nothing to see
    with Lab(overrides=ROOT / "binder") as as_on_binder:
        assert where_heard(browser, as_on_binder) == [True]
