"""Work at once, in slices, stopped, and failing."""

import time

import pytest

from gradwidgets.widgets.kernel import job as module
from gradwidgets.widgets.kernel.job import Job


class Record:
    def __init__(self, slices: int, seconds: float = 0.0, failing_at: int | None = None) -> None:
        self.results, self.failures, self.shares, self.closed = [], [], [], False
        self.made = 0
        self.job = Job(
            self.work(slices, seconds, failing_at), self.results.append, self.failures.append, self.shares.append
        )

    def work(self, slices, seconds, failing_at):
        try:
            for k in range(slices):
                if k == failing_at:
                    raise RuntimeError("the work fails")
                time.sleep(seconds)
                self.made += 1
                yield (k + 1) / slices
            return "result"
        finally:
            self.closed = True


def test_short_work_is_done_on_the_next_line():
    record = Record(5)
    assert record.job.running
    assert record.job.start()
    assert record.results == ["result"] and not record.job.running and not record.shares


def test_long_work_is_left_for_later_and_can_be_finished():
    record = Record(100, 0.01)
    assert not record.job.start()
    assert 0 < record.made < 60 and record.job.running and not record.results
    record.job.finish()
    record.job.finish()
    assert record.results == ["result"] and record.made == 100


def test_without_a_loop_the_rest_is_done_now():
    record = Record(15, 0.01)
    record.job.start()
    record.job.go_on()
    assert record.results == ["result"]


def test_on_a_loop_the_rest_comes_in_slices_with_progress_and_room_for_others(loop):
    record, turns = Record(60, 0.01), []
    assert not record.job.start()

    def others():
        turns.append(record.made)
        if record.job.running:
            loop.loop.call_later(0.001, others)

    loop.loop.call_soon_threadsafe(others)
    record.job.go_on()
    loop.until(lambda: not record.job.running)
    assert record.results == ["result"]
    assert record.shares == sorted(record.shares) and 0 < record.shares[0] < 1 and record.shares[-1] <= 1
    assert len(record.shares) >= 3
    assert len(set(turns)) >= 3


def test_stopped_work_is_dropped_and_cleaned_up(loop):
    record = Record(1000, 0.01)
    record.job.start()
    record.job.go_on()
    loop.until(lambda: bool(record.shares))
    loop.do(record.job.stop)
    made = record.made
    time.sleep(0.1)
    loop.do(lambda: None)
    assert record.made == made < 1000
    assert record.closed and not record.job.running and not record.results and not record.failures
    record.job.stop()
    record.job.finish()
    assert not record.results


def test_stopped_before_it_began_it_never_runs():
    record = Record(3)
    record.job.stop()
    assert record.job.start()
    assert not record.made and not record.results


@pytest.mark.parametrize("failing_at", [0, 30])
def test_a_failure_ends_the_work_and_is_reported_once(failing_at, loop):
    record = Record(60, 0.01, failing_at)
    if not record.job.start():
        record.job.go_on()
    loop.until(lambda: not record.job.running)
    assert [str(failure) for failure in record.failures] == ["the work fails"]
    assert not record.results and record.made == failing_at
    record.job.finish()
    assert len(record.failures) == 1


def test_a_new_job_begun_by_a_result_is_left_alone():
    """`done` may start the next job; the first one has forgotten its work by then."""
    jobs = []

    def done(_):
        jobs.append(job.running)

    def work():
        yield 0.5
        return 1

    job = Job(work(), done, pytest.fail, lambda share: None)
    job.start()
    assert jobs == [False]


def test_the_page_is_not_kept_waiting_for_longer_than_a_tenth_of_a_second():
    assert module.AT_ONCE <= 0.1 and module.SLICE <= 0.1


@pytest.mark.parametrize(("steps", "pause", "done"), [(30, 0.01, True), (400, 0.01, False)], ids=["short", "long"])
def test_what_is_short_is_finished_now_and_what_is_long_is_not(steps, pause, done):
    record = Record(steps, pause)
    assert not record.job.start()
    record.job.finish_if_short(0.5)
    assert record.job.running is not done and bool(record.results) is done
    record.job.stop()
