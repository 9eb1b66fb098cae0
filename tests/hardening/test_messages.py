"""A panel that anything may happen to stays alive, and shows its settings."""

import contextlib
import logging
import os
from collections.abc import Iterator

import pytest

from gradwidgets.widgets.canvas import stream
from gradwidgets.widgets.panel.page import Page
from tests.hardening.events import NONSENSE, REFUSALS, Fuzzer
from tests.hardening.panels import SMALL, in_a_page, painted, same_pictures, where_they_differ
from tests.widgets.conftest import LOOP_THREAD, LoopThread, loop  # noqa: F401
from tests.widgets.inside import at_rest, buttons_in, constant_rows_of, settled, work_of

SOAK = os.environ.get("GRADWIDGETS_SOAK") == "1"
EVENTS = int(os.environ.get("GRADWIDGETS_EVENTS", 10_000 if SOAK else 60))
SEED = int(os.environ.get("GRADWIDGETS_SEED", 1))
EVERY = 75  # events between two comparisons with a fresh panel
KEPT = "The last good picture stays."
WIDE = {"width": 560, "height": 500, "dark": False}


@pytest.fixture(autouse=True)
def _page(monkeypatch) -> None:
    monkeypatch.setattr(Page, "latest", dict(WIDE))
    monkeypatch.setattr(stream, "ANSWER_TIMEOUT", 0.05)


class Log(logging.Handler):
    """What went wrong and was logged; refusals count for themselves."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.refused, self.lost = 0, []

    def emit(self, record: logging.LogRecord) -> None:
        kind, failure, trace = record.exc_info or (None, None, None)
        if kind is not None and issubclass(kind, REFUSALS) and "could not follow" in record.getMessage():
            self.refused += 1
        else:
            where = ""
            while trace is not None:
                where, trace = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}", trace.tb_next
            self.lost.append(f"{record.getMessage()[:200]} {kind and kind.__name__}: {failure} {where}"[:400])


@contextlib.contextmanager
def logged() -> Iterator[Log]:
    """Listen to every log instead of printing it."""
    log, loggers = Log(), [logging.getLogger(name) for name in ("", "traitlets")]
    before = [(one, one.handlers[:], one.propagate) for one in loggers]
    for one in loggers:
        one.handlers[:] = [log]
    loggers[1].propagate = False
    try:
        yield log
    finally:
        for one, handlers, propagate in before:
            one.handlers[:], one.propagate = handlers, propagate


def settle(panel, page, loop: LoopThread) -> None:  # noqa: F811
    """Wait until all that was asked for is shown."""

    def settled() -> bool:
        page.answer()
        return at_rest(panel)

    loop.until(settled)


def compare(kind: str, panel, page) -> str:
    """Say in what a panel is not as one that was made for its settings."""
    panel.controls["step"].discard() if "step" in panel.controls else None
    panel.predict, panel.style, panel.hide, panel.lock = False, "page", (), ()
    if kind == "layers":
        panel.compare, panel.selected = False, None
        if panel.view in ("live", "curvature"):
            panel.view = "flow"
    panel.page.size = dict(WIDE)
    work_of(panel).refit()
    panel.restore({})
    settled(panel)
    kept = painted(panel)
    if not same_pictures(page.shown(), kept):
        return "the page shows another picture than was painted"
    told = getattr(getattr(panel, "views", {}).get(getattr(panel, "view", ""), None), "figure", None)
    explained = getattr(told, "explained", None)
    work_of(panel).steps.invalidate()
    panel.canvas.distrust()
    panel.restore({})
    anew = painted(panel)
    if explained == getattr(told, "explained", None) and not same_pictures(kept, anew):
        return f"what was kept from pictures before shows: {where_they_differ(kept, anew)}; {panel.state()}"
    other = SMALL[kind]()
    try:
        other.restore(panel.state())
        settled(other)
        if panel.error.endswith(KEPT):  # nothing can be shown for these settings: which picture came last is history
            return "" if other.error == panel.error else "a fresh panel says something else"
        if not same_pictures(painted(panel), painted(other)):
            return "the picture is not a fresh panel's"
        if kind != "layers" and panel.summary != other.summary:
            return "the words are not a fresh panel's"
    finally:
        other.close()
    return ""


@pytest.mark.parametrize("kind", list(SMALL))
def test_whatever_happens_a_panel_lives_and_shows_its_settings(kind, loop):  # noqa: F811
    panel = loop.do(SMALL[kind])
    page = loop.do(lambda: in_a_page(panel))
    fuzzer = Fuzzer(kind, panel, page, loop, seed=SEED)
    lost = fuzzer.lost
    with logged() as log:
        while fuzzer.count < EVENTS:
            what = fuzzer.do_one()
            loop.do(lambda: None)
            lost += [f"{what}: {one}" for one in log.lost + [str(e) for e in loop.errors]]
            log.lost.clear()
            loop.errors.clear()
            if panel.comm is None or not panel.canvas.painted_on <= {LOOP_THREAD}:
                lost.append(f"{what}: not alive, or painted on {panel.canvas.painted_on}")
                break
            if fuzzer.count % EVERY == 0:
                page.say(type="set_device_pixel_ratio", device_pixel_ratio=1)
                settle(panel, page, loop)
                wrong = loop.do(lambda: compare(kind, panel, page))
                lost += [f"before {fuzzer.count}: {wrong}"] if wrong else []
                page.refresh()
                page.answer()
    refused = fuzzer.refused + log.refused
    survived = fuzzer.count - len(lost)
    print(f"\n{kind}: {fuzzer.count} events, {refused} refused, {survived} survived, {len(lost)} lost")
    loop.do(panel.close)
    assert not lost, "\n".join(lost[:40])


def test_a_canvas_passes_over_what_is_no_message():
    panel = SMALL["playground"]()
    page, before = in_a_page(panel), painted(panel)
    with logged() as log:
        for content in (*NONSENSE, "text", b"bytes", ["draw"], {"type": ["draw"]}, {"type": "event"}):
            panel.canvas._handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})
        page.say(type="resize", width=8_000, height=8_000)
    assert not log.lost and same_pictures(before, painted(panel))
    panel.lr = 0.2
    assert panel.error == "" and not same_pictures(before, painted(panel))
    panel.close()


def test_a_slider_of_a_constant_that_is_not_shown_moves_nothing():
    panel = SMALL["explorer"]()
    hidden = [row.children[0] for row in constant_rows_of(panel) if row.layout.display == "none"]
    before = panel.state()
    for control in hidden:
        control.slider.set_state({"value": 1})
    assert hidden and panel.state() == before and panel.error == ""
    panel.close()


def test_copy_fix_without_a_fix_says_what_to_do():
    panel, sent = SMALL["layers"](view="doctor"), []
    panel.page.send = sent.append
    buttons_in(panel)["Copy fix"].click()
    assert panel.error.startswith("choose a fix first") and not sent
    panel.fix = "He init"
    buttons_in(panel)["Copy fix"].click()
    assert panel.error == "" and "copy" in sent[0]
    panel.close()
