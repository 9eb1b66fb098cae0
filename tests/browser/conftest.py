"""One JupyterLab and one Chromium for all tests of a session, one page for the tests that can share it."""

import contextlib
import os
from collections.abc import Callable, Iterator

import pytest

from tests.browser.find_chromium import MISSING, find_chromium
from tests.browser.lab import Lab
from tests.browser.page import Page, open_browser

SECONDS = 600  # of one test: what waits for an answer of the page itself has no other limit

PLAYGROUND = ("from gradwidgets import OptimizerPlayground", "playground = OptimizerPlayground()\nplayground")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """End a test that hangs, and its process with it, for nothing else ends a wait for the browser."""
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.timeout(SECONDS, method="thread"))


@pytest.fixture(scope="session")
def chromium() -> str:
    path = find_chromium()
    if path is None:
        # Where the tests decide about a change, a missing browser must not look like a pass.
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(MISSING)
    return path


@pytest.fixture(scope="session")
def lab(chromium) -> Iterator[Lab]:
    with Lab() as server:
        yield server


@pytest.fixture(scope="session")
def browser(chromium):
    with open_browser(chromium) as running:
        yield running


@pytest.fixture(scope="session")
def address(lab) -> str:
    return f"http://127.0.0.1:{lab.port}"


@pytest.fixture
def open_page(lab, browser, address) -> Iterator[Callable[..., Page]]:
    """Opens cells as a notebook of its own, without running them; closed, kernel and all, after the test."""
    pages: list[Page] = []

    def open_cells(*cells: str, **options) -> Page:
        pages.append(Page(browser, options.pop("address", address), lab.write(cells), **options))
        return pages[-1]

    yield open_cells
    for page in pages:
        page.end_kernel()
        page.close()


@pytest.fixture(scope="module")
def shared_page(lab, browser, address) -> Iterator[Page]:
    with Page(browser, address, lab.write(PLAYGROUND)) as page:
        page.run_all()
        page.until_picture()
        page.until_quiet()
        yield page
        page.end_kernel()


@pytest.fixture
def page(shared_page) -> Iterator[Page]:
    """A page with a playground as it comes; whatever is complained of and not forgiven fails the test."""
    shared_page.tell("playground.reset()")
    shared_page.until_quiet()
    shared_page.forgive()
    yield shared_page
    assert shared_page.complaints() == []
    assert shared_page.console == []


@pytest.fixture(scope="module")
def open_panel(lab, browser, address) -> Callable[[tuple[str, ...]], contextlib.AbstractContextManager[Page]]:
    """Opens cells whose first makes and shows a `panel`, and runs that one; ended with its kernel."""

    @contextlib.contextmanager
    def open_cells(cells: tuple[str, ...]) -> Iterator[Page]:
        with Page(browser, address, lab.write(cells)) as page:
            page.run(0)
            page.until_picture()
            page.until_painted("panel")
            page.open_words()
            yield page
            page.end_kernel()

    return open_cells
