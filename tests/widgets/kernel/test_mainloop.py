"""Handing work to the main loop."""

import threading
import time

from gradwidgets.widgets.kernel import mainloop
from gradwidgets.widgets.kernel.mainloop import Latest, call_later, call_soon, main_loop
from tests.widgets.conftest import LOOP_THREAD


def test_without_a_kernel_there_is_no_loop_and_work_is_done_at_once():
    done = []
    assert main_loop() is None
    call_soon(lambda: done.append(threading.current_thread()))
    assert done == [threading.current_thread()]
    call_later(0.0, lambda: done.append("later"))
    assert len(done) == 1


def test_ipython_without_a_kernel_counts_as_none(monkeypatch):
    monkeypatch.setattr(mainloop, "get_ipython", object)
    assert main_loop() is None


def test_with_a_kernel_work_is_done_in_the_loop_s_thread(loop):
    done = []
    call_soon(lambda: done.append(threading.current_thread().name))
    loop.do(lambda: None)
    assert done == [LOOP_THREAD]


def test_later_means_later_and_on_the_loop(loop):
    begun, done = time.monotonic(), []
    call_later(0.1, lambda: done.append((threading.current_thread().name, time.monotonic())))
    loop.do(lambda: None)
    assert not done
    loop.until(lambda: bool(done))
    assert done[0][0] == LOOP_THREAD
    assert done[0][1] - begun >= 0.09


def test_a_closed_loop_is_none(loop, monkeypatch):
    done = []
    with monkeypatch.context() as patch:
        patch.setattr(loop.loop, "is_closed", lambda: True)
        call_soon(lambda: done.append(1))
        call_later(0.0, lambda: done.append(2))
    assert done == [1]


def test_a_burst_from_many_threads_is_one_job_with_the_newest_state(loop):
    state, seen = [0], []
    latest = Latest(lambda: seen.append((state[0], threading.current_thread().name)))
    gate = threading.Event()
    loop.loop.call_soon_threadsafe(gate.wait)

    def ask():
        for _ in range(50):
            state[0] += 1
            latest.request()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    newest = state[0]
    gate.set()
    loop.do(lambda: None)
    assert seen == [(newest, LOOP_THREAD)]
    latest.request()
    loop.do(lambda: None)
    assert len(seen) == 2


def test_a_request_made_while_the_job_runs_is_not_lost(loop):
    seen = []

    def work():
        seen.append(1)
        if len(seen) == 1:
            latest.request()

    latest = Latest(work)
    latest.request()
    loop.until(lambda: len(seen) == 2)
    loop.do(lambda: None)
    assert seen == [1, 1] and not latest.pending


def test_a_failure_does_not_block_the_next_request(loop):
    seen = []

    def work():
        seen.append(1)
        raise RuntimeError("once")

    latest = Latest(work)
    for _ in range(2):
        latest.request()
        loop.do(lambda: None)
    assert len(seen) == 2
    assert [str(error["exception"]) for error in loop.errors] == ["once", "once"]


def test_a_cancelled_job_never_runs(loop):
    seen = []
    latest = Latest(lambda: seen.append(1))
    gate = threading.Event()
    loop.loop.call_soon_threadsafe(gate.wait)
    latest.request()
    latest.cancel()
    gate.set()
    loop.do(lambda: None)
    latest.request()
    loop.do(lambda: None)
    assert not seen
