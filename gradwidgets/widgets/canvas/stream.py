"""Pictures in flight to a page: quickly encoded differences, with flow control by the page's acknowledgements."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from gradwidgets.widgets.canvas.patch import encode_patch
from gradwidgets.widgets.canvas.png import encode_rgba

FRAMES_IN_FLIGHT = 2
ANSWER_TIMEOUT = 2.0  # seconds after which an unacknowledged frame counts as lost (page closed or reloaded)


class Stream:
    """The stream of frames to a page.

    Args:
        send: Sends a frame: its kind, "png" or "patch" (`gradwidgets.widgets.canvas.patch`), and its bytes. The page
            draws it over what it shows, and acknowledges it.

    Attributes:
        frames: The number of frames sent.
        patches: Whether the page has reported that it understands patches.
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
        """The number of frames that the page has not acknowledged yet."""
        return len(self._in_flight)

    def free(self) -> bool:
        """Whether a frame may be sent now."""
        with self._flight_lock:
            now = time.monotonic()
            while self._in_flight and now - self._in_flight[0] > ANSWER_TIMEOUT:
                self._in_flight.popleft()
            return len(self._in_flight) < FRAMES_IN_FLIGHT

    def answered(self) -> None:
        """Note, on any thread, that the page has acknowledged a frame."""
        with self._flight_lock:
            if self._in_flight:
                self._in_flight.popleft()

    def restart(self) -> None:
        """Start again with a page that shows nothing yet and acknowledges nothing sent before."""
        with self._flight_lock:
            self._in_flight.clear()
        self.whole_next()

    def whole_next(self) -> None:
        """Send the next picture as a whole."""
        self._sent = None

    def show(self, pixels: np.ndarray) -> None:
        """Send the differences from what the page shows, if any.

        Args:
            pixels: The picture, (height, width, 4) bytes.
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
        # The page drops a picture that is overtaken by the next one before it was loaded. So every difference repeats
        # the pixels of those still in flight, and a dropped one does no harm.
        visible = changed.copy()
        for earlier in self._changed:
            visible |= earlier
        self._changed.append(changed)
        rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
        box = np.s_[: rows[-1] + 1, : columns[-1] + 1]
        if self.patches:
            return "patch", encode_patch(pixels[box[0]], visible[box[0]])
        return "png", encode_rgba(pixels[box], visible[box])
