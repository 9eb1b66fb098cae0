"""Paths that grow once: when they are first seen, and after a hand has let go.

Nothing waits for it. It is neither work nor a result: a few frames are drawn between what the page asks for, any other
picture ends it, and its last frame is the picture that was there before.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from time import monotonic as clock

from traitlets import Bunch

from gradwidgets.widgets.kernel.mainloop import before_next_cell, call_later, call_soon, main_loop
from gradwidgets.widgets.panel.page import Page

SECONDS, FRAMES = 0.6, 10  # how long it takes, and of how many pictures it consists at most
SLOW = 0.06  # seconds to draw a frame, beyond which it would be a slide show
AGAIN = 30.0  # seconds after which it is tried again
SETTLED = 0.1  # seconds after the last picture, by which all that a hand did has been read
PATIENCE = 3.0  # seconds that it waits for that, at most
SWITCH = "GRADWIDGETS_MOTION"  # the environment variable that switches it off, if it is 0


class Growth:
    """Draws a picture's paths growing.

    Args:
        page: The page, which says when the panel is seen, and when a hand holds something.
        draw: Draws the picture with its paths up to a share of their way.
        may: Returns whether the picture has paths to grow, and is settled.
        free: Returns whether the page has taken all earlier frames.
    """

    def __init__(
        self,
        page: Page,
        draw: Callable[[float], None],
        *,
        may: Callable[[], bool],
        free: Callable[[], bool],
    ) -> None:
        self._page, self._draw, self._may, self._free = page, draw, may, free
        self._picture: object = None  # the result that is shown
        self._known: object = None  # the result that grew last, or that a hand found
        self._since = self._began = self._asked = 0.0
        self._frames = self._slow = 0
        self._growing = False
        self._not_before = 0.0  # when it may be tried again
        self._forget: Callable[[], None] = lambda: None
        page.observe(self._on_hand, "held")
        page.observe(lambda change: call_soon(self._ask), "seen")

    def shown(self, result: object) -> None:
        """Note that a result is shown, whole."""
        self._end()
        self._picture, self._since = result, clock()

    def finish(self) -> None:
        """Show the whole picture now, if it is growing."""
        if self._growing:
            self._end()
            self._draw(1.0)

    @property
    def growing(self) -> bool:
        """Whether the picture is growing."""
        return self._growing

    def _on_hand(self, change: Bunch) -> None:
        call_soon(self._hold if change.new else self._ask)

    def _hold(self) -> None:
        self._known = self._picture

    def _ask(self) -> None:
        if main_loop() is not None and os.environ.get(SWITCH) != "0" and not self._page.told().get("calm"):
            self._asked = clock()
            self._await_rest()

    def _await_rest(self) -> None:
        """Begin once the picture has settled, if it is another one than before."""
        now = clock()
        if self._growing or self._page.held or now - self._asked > PATIENCE:
            return
        if now - self._since < SETTLED or not self._may():
            call_later(SETTLED, self._await_rest)
        elif self._picture is not self._known and now >= self._not_before:
            self._begin()

    def _begin(self) -> None:
        self._known, self._began, self._growing = self._picture, clock(), True
        self._frames = self._slow = 0
        self._forget = before_next_cell(self.finish)
        self._go_on()

    def _go_on(self) -> None:
        if not self._growing:
            return
        now, interval = clock(), SECONDS / FRAMES
        share = (now - self._began + interval) / SECONDS
        if not self._may():  # something else is shown
            self._end()
        elif share > 1 - 1e-3 or self._frames == FRAMES - 1:
            self.finish()
        else:
            if self._free():
                self._draw_frame(eased(share))
            call_later(max(interval - (clock() - now), 0.0), self._go_on)

    def _draw_frame(self, share: float) -> None:
        began = clock()
        self._draw(share)
        self._frames += 1
        slow = self._frames > 1 and clock() - began > SLOW  # the first may draw the ground anew
        self._slow = self._slow + 1 if slow else 0
        if self._slow == 2:
            self._not_before = clock() + AGAIN
            self.finish()

    def _end(self) -> None:
        self._growing = False
        forget, self._forget = self._forget, lambda: None
        forget()


def eased(share: float) -> float:
    """Return how far something has moved after a share of its time: quick at first, then slower."""
    # The Bézier curve (0.2, 0.7, 0.2, 1): halving finds where its time is `share`.
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if _bezier(middle, 0.2, 0.2) < share else (low, middle)
    return _bezier(low, 0.7, 1.0)


def _bezier(at: float, first: float, second: float) -> float:
    return 3 * (1 - at) ** 2 * at * first + 3 * (1 - at) * at**2 * second + at**3
