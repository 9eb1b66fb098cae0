"""Pictures on their way to a page: quickly encoded differences, no more of them at a time than the page answers."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from gradwidgets.widgets.canvas.patch import encode_patch
from gradwidgets.widgets.canvas.png import encode_rgba

FRAMES_IN_FLIGHT = 2
ANSWER_TIMEOUT = 2.0  # seconds after which an unanswered frame is taken for lost (page closed or reloaded)


class Stream:
    """What one page is shown.

    Args:
        send: Sends a frame: its kind, "png" or "patch" (`gradwidgets.widgets.canvas.patch`), and its bytes. The page
            draws it over what it shows, and answers.

    Attributes:
        frames: How many were sent.
        patches: Whether the page has said that it understands patches.
    """

    def __init__(self, send: Callable[[str, bytes], None]) -> None:
        self._send = send
        self.frames = 0
        self.patches = False
        self._sent: np.ndarray | None = None  # what the page shows once all frames have arrived
        self._changed: deque[np.ndarray] = deque(maxlen=FRAMES_IN_FLIGHT)
        self._in_flight: deque[float] = deque()
        self._flight_lock = threading.Lock()

    @property
    def under_way(self) -> int:
        """How many frames were not answered yet."""
        return len(self._in_flight)

    def free(self) -> bool:
        """Whether a frame may leave now."""
        with self._flight_lock:
            now = time.monotonic()
            while self._in_flight and now - self._in_flight[0] > ANSWER_TIMEOUT:
                self._in_flight.popleft()
            return len(self._in_flight) < FRAMES_IN_FLIGHT

    def answered(self) -> None:
        """Hear, on any thread, that a frame has arrived."""
        with self._flight_lock:
            if self._in_flight:
                self._in_flight.popleft()

    def restart(self) -> None:
        """Begin anew with a page that shows nothing yet and answers nothing that was sent before."""
        with self._flight_lock:
            self._in_flight.clear()
        self.whole_next()

    def whole_next(self) -> None:
        """Send the next picture whole."""
        self._sent = None

    def show(self, pixels: np.ndarray) -> None:
        """Send what differs from what the page shows, if anything does.

        Args:
            pixels: (height, width, 4) bytes.
        """
        now = pixels.view(np.uint32).squeeze(2)
        if self._sent is None or self._sent.shape != now.shape:
            self._changed.clear()
            self._changed.append(np.ones(now.shape, bool))
            kind, data = "png", encode_rgba(pixels)
        else:
            changed = now != self._sent
            if not changed.any():
                return
            kind, data = self._difference(pixels, changed)
        self._sent = now.copy()
        with self._flight_lock:
            self._in_flight.append(time.monotonic())
        self.frames += 1
        self._send(kind, data)

    def _difference(self, pixels: np.ndarray, changed: np.ndarray) -> tuple[str, bytes]:
        # The page drops a picture that the next one overtakes before it was loaded. Every difference
        # therefore repeats the pixels of those still under way, and a dropped one leaves no trace.
        visible = changed.copy()
        for earlier in self._changed:
            visible |= earlier
        self._changed.append(changed)
        rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
        box = np.s_[: rows[-1] + 1, : columns[-1] + 1]
        if self.patches:
            return "patch", encode_patch(pixels[box[0]], visible[box[0]])
        return "png", encode_rgba(pixels[box], visible[box])
