"""An interrupt may strike at any line: the next change shows the right picture all the same."""

import contextlib
import logging
import os
import random
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import comm
import pytest
from ipywidgets.widgets import widget as registry

import gradwidgets
from gradwidgets.widgets.canvas.canvas import LiveCanvas
from gradwidgets.widgets.layers.view import View
from gradwidgets.widgets.panel.page import Page
from gradwidgets.widgets.panel.panel import Panel
from tests.hardening.interrupts import Tracer
from tests.hardening.panels import SMALL, in_a_page, painted, picture_of, same_pictures, seen_of
from tests.widgets.conftest import loop  # noqa: F401
from tests.widgets.inside import is_busy

SOAK = os.environ.get("GRADWIDGETS_SOAK") == "1"
TIMES = 60 if SOAK else 1  # interrupts a change
HERE = str(Path(gradwidgets.__file__).parent)


class Interrupt:
    """Raises a KeyboardInterrupt at the n-th line of ours that is run; counts them where there is no n."""

    def __init__(self, at: int | None = None) -> None:
        self.at, self.lines, self.where = at, 0, ""

    def _trace(self, frame, event, _):
        if not frame.f_code.co_filename.startswith(HERE):
            return None
        if event == "line" and self.where == "":
            self.lines += 1
            if self.lines == self.at:
                self.where = f"{Path(frame.f_code.co_filename).relative_to(HERE)}:{frame.f_lineno}"
                raise KeyboardInterrupt
        return self._trace

    def __enter__(self) -> "Interrupt":
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_) -> None:
        sys.settrace(self._before)


# What is interrupted, from where, and the small change that follows.
CHANGES = {
    "playground": [
        ({}, {"lr": 0.3}, {"momentum": 0.2}),
        ({}, {"delta": 0.3}, {"momentum": 0.2}),
        ({}, {"steps": 35}, {"lr": 0.2}),
        ({}, {"dataset": "beale"}, {"momentum": 0.2}),
        ({}, {"theme": "dark"}, {"lr": 0.2}),
        ({"step": 5}, {"step": 7}, {"lr": 0.2}),
    ],
    "explorer": [
        ({}, {"scale": "log"}, {"point": (1.1, 0.7)}),
        ({}, {"point": (0.5, 0.5)}, {"descent": True}),
        ({}, {"x_range": (-1.0, 1.0)}, {"descent": True}),
        ({}, {"example": "hinge"}, {"arrows": "off"}),
        ({"compare": None}, {"gradient_check": True}, {"arrows": "off"}),
        ({"descent": True}, {"y_axis": "none"}, {"lr": 0.2}),
    ],
    "layers": [
        ({}, {"gain": 1.7}, {"seed": 3}),
        ({}, {"view": "doctor"}, {"lr": 0.02}),
        ({}, {"quantity": "activation"}, {"seed": 3}),
        ({"view": "doctor"}, {"fix": "He init"}, {"lr": 0.02}),
        ({"view": "clipping"}, {"max_norm": 0.2}, {"spike": 3.0}),
        ({"view": "curvature"}, {"depth": 3}, {"lr": 0.02}),
        ({"view": "live"}, {"theme": "dark"}, {"measure": "norm"}),
        ({}, {"depth": 6}, {"theme": "dark"}),
    ],
}


@pytest.fixture(autouse=True, scope="module")
def _small_page() -> None:
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(Page, "latest", {"width": 560, "height": 500})  # a small picture is drawn sooner
    yield
    monkeypatch.undo()


@pytest.fixture(scope="module", params=list(CHANGES))
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def panel(kind):
    made = SMALL[kind]()
    yield made
    made.close()


def right(kind: str, start: dict, *changes: dict) -> tuple:
    """Picture and words of a panel to which nothing happened."""
    one = SMALL[kind]()
    try:
        in_a_page(one)
        for change in (start, *changes):
            one.restore(change)
        return painted(one), seen_of(one)
    finally:
        one.close()


def lines_of(work: Callable[[], None]) -> int:
    with Interrupt() as count:
        work()
    return count.lines


def set_all(panel, values: dict) -> None:
    for name, value in values.items():
        setattr(panel, name, value)


def test_after_an_interrupt_at_any_line_the_next_change_shows_the_right_picture(kind, panel, quiet_log):
    chance, struck, wrong = random.Random(kind), 0, []
    page = in_a_page(panel)
    changes = list(enumerate(CHANGES[kind]))
    for number, (start, change, after) in changes if SOAK else chance.sample(changes, 2):
        picture, seen = right(kind, start, {**change, **after})
        panel.reset()
        panel.restore(start)
        set_all(panel, change)  # what is kept of it makes the same change shorter
        panel.reset()
        panel.restore(start)
        page.answer()
        lines = lines_of(partial(set_all, panel, change))
        for _ in range(TIMES):
            at = lines
            while True:
                at = chance.randint(1, at)
                panel.reset()
                panel.restore(start)
                page.answer()
                assert panel.error == ""
                with contextlib.suppress(KeyboardInterrupt), Interrupt(at) as interrupt:
                    set_all(panel, change)
                    continue  # it was shorter, by what is kept from before or on a faster day
                break
            struck += 1
            begun = {name: getattr(panel, name) for name in change} == change
            told = "interrupted" in panel.error or not begun
            going = is_busy(panel)
            panel.restore({**change, **after})
            page.answer()
            marks = (
                told and not going,
                panel.error == "",
                same_pictures(picture_of(panel), picture),
                same_pictures(page.shown(), picture),
                seen_of(panel) == seen,
            )
            if not all(marks):
                wrong.append((number, at, interrupt.where, marks))
    print(f"\n{kind}: {struck} interrupts, {len(wrong)} wrong afterwards")
    assert not wrong and struck >= 2


@pytest.fixture
def quiet_log():
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("kind", list(SMALL))
def test_of_a_panel_whose_making_is_interrupted_at_any_line_nothing_stays_registered(kind, quiet_log):
    made = []

    def make() -> None:
        made.append(SMALL[kind]())

    def close() -> None:
        while made:
            made.pop().close()

    make()  # what is kept of the first one makes those that follow shorter
    close()
    with Tracer("line")() as whole:
        make()
    close()
    chance, struck = random.Random(kind), 0
    before, comms = set(registry._instances), set(comm.get_comm_manager().comms)
    for _ in range(5 * TIMES if SOAK else 3):
        at = chance.randint(1, whole.count)
        with contextlib.suppress(KeyboardInterrupt), Tracer("line", at)() as interrupt:
            make()
        struck += not made
        close()
        left = registry._instances.keys() - before
        assert not left, f"{interrupt.where}: {[registry._instances[key] for key in left]}"
        assert not set(comm.get_comm_manager().comms) - comms, interrupt.where
    assert struck >= 2  # a slower day has more lines, on which what is done waits


@pytest.mark.parametrize("number", range(3))
def test_an_interrupt_while_a_panel_of_several_views_is_made_is_what_comes_out(number, monkeypatch):
    made, column = [], View.column

    def interrupted(self, *parts):
        made.append(self)
        if len(made) > number:
            raise KeyboardInterrupt
        return column(self, *parts)

    before = set(registry._instances)
    monkeypatch.setattr(View, "column", interrupted)
    with pytest.raises(KeyboardInterrupt):
        SMALL["layers"]()
    left = [one for key, one in registry._instances.items() if key not in before]
    assert not any(isinstance(one, Panel | LiveCanvas) for one in left)
