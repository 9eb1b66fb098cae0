"""Work: the result of the latest settings, computed in slices if that takes long, and shown."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from gradwidgets.core.results.slices import finish
from gradwidgets.widgets.kernel.job import Job
from gradwidgets.widgets.kernel.main_thread import Turns, shown_at_home
from gradwidgets.widgets.kernel.mainloop import at_home
from gradwidgets.widgets.panel.errors import Errors
from gradwidgets.widgets.panel.frame import Busy

_log = logging.getLogger(__name__)

STILL = 0.4  # seconds of work worth waiting for, for a picture in a saved notebook
_STOPPED = "Stopped before everything was computed; the next change starts again."
_INTERRUPTED = "It was interrupted before everything was shown; the next change starts again."


class Shown(Protocol):
    """What a panel needs to know about a result."""

    @property
    def settings(self) -> Any:
        """The settings that it was computed for."""

    @property
    def exact(self) -> bool:
        """Whether it is exact, not a preview."""


S = TypeVar("S")  # settings, frozen
R = TypeVar("R", bound=Shown)


@dataclass(frozen=True)
class Steps(Generic[S, R]):
    """The steps from settings to a picture.

    Attributes:
        begin: Does what is needed before the settings are frozen.
        snapshot: Freezes the settings that a result depends on.
        compute: Computes the result of frozen settings, in slices.
        preview: Returns what can be shown immediately if the work is known to be long; None if it is short.
        fit: Gives the picture its size.
        show: Updates picture, text and controls to a result and its current view.
        invalidate: Makes everything be redrawn the next time.
        anew: Discards everything cached from earlier pictures.
        answers: Whether a result also answers other settings.
    """

    begin: Callable[[], None]
    snapshot: Callable[[], S]
    compute: Callable[[S], Generator[float | R, None, R]]
    preview: Callable[[S], R | None]
    fit: Callable[[], None]
    show: Callable[[R], None]
    invalidate: Callable[[], None]
    anew: Callable[[], None]
    answers: Callable[[R, S], bool]


class Work(Generic[S, R]):
    """Computes and shows for one panel.

    Args:
        steps: The steps.
        turns: The turns of the threads that work on the panel.
        errors: Where failures are shown.
        busy: The row that shows the progress of long work.
        patience: Seconds of work after which progress is shown.
        ready: Returns whether the panel is made and not closed.
        closed: Returns whether it is closed.

    Attributes:
        result: The last exact result.
        shown: The result that the picture shows, possibly a preview.
        job: The current or last job; None at first and after an interrupt.
        by_hand: Whether a change comes from the page, where a quick picture matters more than completeness.
        half_shown: Whether showing was begun but not finished, so that caches may be wrong.
    """

    def __init__(
        self,
        steps: Steps[S, R],
        turns: Turns,
        errors: Errors,
        busy: Busy,
        *,
        patience: float,
        ready: Callable[[], bool],
        closed: Callable[[], bool],
    ) -> None:
        self.steps = steps
        self.result: R | None = None
        self.shown: R | None = None
        self.job: Job[R] | None = None
        self.by_hand = self.half_shown = False
        self._turns, self._errors, self._busy, self._patience = turns, errors, busy, patience
        self._ready, self._closed = ready, closed
        self._settings: S | None = None  # of the current job
        self._began = 0.0

    # -- from the settings to the picture -------------------------------------------------------------------

    def update(self) -> None:
        """Update everything to the settings: immediately on the main thread, otherwise there, soon."""
        if at_home() and not self._turns.amidst:
            self._errors.attempt(self.refresh)
        else:
            self._turns.owe("refresh", lambda: self._errors.attempt(self.refresh))

    def refresh(self) -> None:
        """Update picture, text and controls to the settings."""
        self.steps.begin()
        settings = self.steps.snapshot()
        seen = self.shown
        known = seen is not None and (self.running or seen.exact)
        if seen is not None and known and settings == (self._settings if self.running else seen.settings):
            self.present(seen)  # only the view changed
            return
        if self.job is not None:
            self.job.stop()
        if self._errors.said in (_STOPPED, _INTERRUPTED):
            self._errors.complain("")
        self._settings = settings
        self._start(settings)

    def _start(self, settings: S) -> None:
        work = self.steps.compute(settings)
        self.job = Job(work, self._done, self._failed, self._show_progress, self.present, self._do_part)
        self._began = time.monotonic()
        preview = self.steps.preview(settings)
        if preview is not None:
            self.present(preview)
        if preview is not None or not self.job.start(pause=self.by_hand):
            if self._ready() and not self.by_hand and preview is None:
                self.job.finish_if_short(
                    STILL
                )  # after setting a trait from Python, everything is up to date on the next line
            if self.job.running:
                self._show_progress(0.0)
                self.job.go_on()

    def refresh_by_hand(self) -> None:
        """The same after a change from the page."""
        self.by_hand = True
        try:
            self._turns.alone(self.refresh)
        finally:
            self.by_hand = False

    def _done(self, result: R) -> None:
        self.result = result
        self._busy.hide()
        self.present(result)

    def _failed(self, failure: Exception) -> None:
        """Show the failure with the last good result, not a preview: a preview has no text."""
        if self.result is not None and self._ready():
            try:
                self.present(self.result)
            except Exception as another:
                _log.debug("the last good picture could not be shown again", exc_info=another)
        self._errors.fail(failure)

    def _do_part(self, part: Callable[[], bool]) -> bool:
        return self._turns.alone(lambda: self._turns.amid(part))

    def _show_progress(self, share: float) -> None:
        if time.monotonic() - self._began >= self._patience:  # earlier, the message would cost more than the slice
            self._busy.show(share)

    def present(self, result: R) -> None:
        """Show a result in its current view."""
        self.showing(lambda: self._present(result))

    def _present(self, result: R) -> None:
        self.steps.fit()  # another thread may have changed the available room
        self.shown = result
        self.steps.show(result)

    def showing(self, work: Callable[[], None]) -> None:
        """Show something; if showing was interrupted the last time, everything is redone."""
        half, self.half_shown = self.half_shown, True
        if half:
            self.steps.anew()
        self._turns.amid(work)
        self.half_shown = False

    @shown_at_home
    def present_again(self) -> None:
        """Show the current result in another view."""
        if self.shown is not None:
            self.present(self.shown)

    @shown_at_home
    def redraw(self) -> None:
        """Redraw everything, as something else is to be shown in its place."""
        if self.shown is not None:
            self.steps.invalidate()
            self.refit()

    @shown_at_home
    def refit(self) -> None:
        """Apply the size and theme reported by the page; messages shown remain valid."""
        if not self._closed():
            self._errors.attempt_beside(self.steps.fit if self.shown is None else self.present_again)

    # -- what is asked for ------------------------------------------------------------------------------------

    @property
    def seen(self) -> R:
        """The result that the picture shows, possibly a preview; a RuntimeError before the first."""
        if self.shown is None:
            raise RuntimeError("nothing is shown yet")
        return self.shown

    @property
    def running(self) -> bool:
        """Whether something is still being computed."""
        return self.job is not None and self.job.running

    def settled(self) -> R:
        """Return the exact result of the current settings; what is still to be computed is computed now.

        If that fails, or was stopped, `error` says so, and the result is that of the last good picture, which stays.
        """
        if not at_home() or self._closed():
            return self._turns.alone(self._computed_here)
        self.catch_up()
        self.finish()
        if not self._up_to_date() and self._turns.amidst:  # called from an observer of a picture of other settings
            return self._turns.alone(self._computed_here)
        if not self._up_to_date() and self._errors.said != _STOPPED:  # it failed, or was interrupted
            self._errors.attempt(self.refresh)
            self.finish()
        if self.result is None:
            raise RuntimeError(f"there is no result: {self._errors.said}")
        return self.result

    def _up_to_date(self) -> bool:
        return self.result is not None and self.steps.answers(self.result, self.steps.snapshot())

    def _computed_here(self) -> R:
        """The result of the current settings, computed on a thread other than the main one, which shows it later."""
        if self.result is not None and self._up_to_date():
            return self.result
        return finish(self.steps.compute(self.steps.snapshot()))

    def catch_up(self) -> None:
        """Do now what other threads requested, and what an interrupt cut short."""
        self._turns.pay()
        if self.half_shown and self.shown is not None and not self._turns.amidst:
            self._errors.attempt(self.refresh)

    def finish(self) -> None:
        """Compute now what is still to be computed."""
        if self.job is not None and self.job.running:
            self.job.finish()

    def catch_up_if_short(self) -> None:
        """Do the same if it takes no longer than a picture that is kept is worth."""
        self.catch_up()
        if self.job is not None and self.job.running:
            self.job.finish_if_short(STILL)

    # -- what ends it -----------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Cancel what is still to be computed, and say so."""
        self.drop()
        self._busy.hide()
        self._errors.complain(_STOPPED)

    def drop(self) -> None:
        """Cancel what is still to be computed."""
        if self.job is not None:
            self.job.stop()

    def broken_off(self, failure: Exception) -> None:
        """Handle a failure; while the panel is being made it is raised, as there is nothing to show yet."""
        if self.shown is None and not self._ready():
            raise failure
        self._busy.hide()

    def interrupted(self) -> None:
        """Start again the next time, whatever had been begun."""
        self.half_shown, self.by_hand = True, False
        job, self.job = self.job, None
        if job is not None:
            with contextlib.suppress(Exception):
                job.stop()
        self._busy.hide()
        self._errors.complain(_INTERRUPTED)
