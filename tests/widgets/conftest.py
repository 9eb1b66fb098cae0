"""A main loop in a thread of its own, and one playground for the tests that can share it."""

import asyncio
import gc
import logging
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from gradwidgets import OptimizerPlayground
from gradwidgets.widgets.kernel import mainloop
from gradwidgets.widgets.panel.page import Page
from tests.widgets.fake_page import FakePage, arrived
from tests.widgets.inside import errors_of, work_of

LOOP_THREAD = "the main loop's thread"


class LoopThread:
    """An asyncio loop that runs in a thread named `LOOP_THREAD`."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.errors: list[dict] = []
        self.loop.set_exception_handler(lambda _, context: self.errors.append(context))
        self._thread = threading.Thread(target=self.loop.run_forever, name=LOOP_THREAD, daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], object]) -> object:
        """Run `work` on the loop, behind all that waits there already, and give what it returns."""

        async def wrapped():
            return work()

        return asyncio.run_coroutine_threadsafe(wrapped(), self.loop).result(60)

    def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait until `condition` holds on the loop."""

        async def wait():
            while not condition():
                await asyncio.sleep(0.005)

        asyncio.run_coroutine_threadsafe(asyncio.wait_for(wait(), seconds), self.loop).result(seconds + 5)

    def close(self) -> None:
        """End the thread; what is still scheduled is dropped."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture
def loop(monkeypatch) -> Iterator[LoopThread]:
    """Stands for the kernel's main loop."""
    thread = LoopThread()
    kernel = SimpleNamespace(io_loop=SimpleNamespace(asyncio_loop=thread.loop))
    monkeypatch.setattr(mainloop, "get_ipython", lambda: SimpleNamespace(kernel=kernel))
    yield thread
    thread.close()


@pytest.fixture(autouse=True)
def _no_page_before(monkeypatch) -> None:
    """No test sees what an earlier one's page told."""
    monkeypatch.setattr(Page, "latest", {})


@pytest.fixture(scope="package")
def _shared() -> Iterator[OptimizerPlayground]:
    playground = OptimizerPlayground()
    yield playground
    playground.close()


@pytest.fixture
def playground(_shared) -> OptimizerPlayground:
    """A playground as freshly made, with all its pictures answered; not to be closed."""
    _shared.page.size = {}
    Page.latest = {}
    work_of(_shared).stop()
    _shared.reset()
    _shared.controls["step"].distrust()  # nothing that a former page may still send is awaited
    errors_of(_shared).complain("")
    FakePage(_shared.canvas).refresh()
    arrived(_shared.canvas)
    return _shared


@pytest.fixture
def page(playground) -> FakePage:
    """The page that shows the shared playground."""
    page = FakePage(playground.canvas)
    page.refresh()
    page.answer()
    return page


@pytest.fixture
def make() -> Iterator[Callable[..., OptimizerPlayground]]:
    """Makes playgrounds and closes them."""
    made = []

    def make(*args, **settings) -> OptimizerPlayground:
        made.append(OptimizerPlayground(*args, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()
    made.clear()
    gc.collect()


@pytest.fixture
def quiet_log():
    """The log gets tracebacks of what goes wrong on purpose."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def shown() -> Iterator[Callable]:
    """Makes panels of any kind, each in a page that has answered everything; all are closed after the test."""
    made = []

    def show(kind: type, *arguments, **settings):
        made.append(kind(*arguments, **settings))
        page = FakePage(made[-1].canvas)
        page.refresh()
        page.answer()
        return made[-1]

    yield show
    for one in made:
        one.close()
    gc.collect()
