"""A page without a browser: it takes the canvas's messages, and shows and answers pictures when told to."""

import io
import json

import numpy as np
from PIL import Image


def decoded(png: bytes) -> np.ndarray:
    """A PNG's pixels, uint8 (height, width, 4)."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def kernel_picture(canvas) -> np.ndarray:
    """What the kernel has painted."""
    return np.array(canvas.get_renderer().buffer_rgba())


class FakePage:
    """Records what a canvas sends.

    Attributes:
        pictures: Every picture sent so far.
        waiting: How many of them are not answered.
        most_waiting: The most there ever were.
    """

    def __init__(self, canvas) -> None:
        self._canvas = canvas
        self.pictures: list[np.ndarray] = []
        self.waiting = self.most_waiting = 0
        canvas.send = self._take

    def _take(self, content, buffers=None) -> None:
        if json.loads(content["data"])["type"] == "binary":
            self.pictures.append(decoded(bytes(buffers[0])))
            self.waiting += 1
            self.most_waiting = max(self.most_waiting, self.waiting)

    def say(self, **content) -> None:
        """Send the canvas a message, as the page does."""
        self._canvas._handle_custom_msg(content, [])

    def answer(self, count: int | None = None) -> None:
        """Answer some pictures; all of them, those that the answers set free included, if no count is given."""
        while self.waiting and (count is None or count > 0):
            self.waiting -= 1
            count = None if count is None else count - 1
            self.say(type="draw")

    def refresh(self) -> None:
        """Load anew: forget everything and ask for a full picture."""
        self.pictures.clear()
        self.waiting = 0
        self.say(type="refresh")

    def shown(self, dropped: int | None = None) -> np.ndarray:
        """What is on the screen after all pictures, one of them perhaps dropped because the next overtook it."""
        screen = None
        for number, picture in enumerate(self.pictures):
            if number == dropped:
                continue
            if screen is None:
                screen = np.zeros_like(self._full_size(number))
            height, width = picture.shape[:2]
            if (picture[..., 3] == 255).all() and screen.shape != picture.shape:
                screen = np.zeros_like(picture)
            part = screen[:height, :width]
            np.copyto(part, picture, where=picture[..., 3:] > 0)
        return screen

    def _full_size(self, number: int) -> np.ndarray:
        return max(self.pictures[: number + 1], key=lambda picture: picture.size)


def send(widget, **state) -> None:
    """Change a widget's state as the page does."""
    widget.set_state(state)


def choose(menu, name: str) -> None:
    """Choose from a menu as the page does, by position."""
    names = [one[1] if isinstance(one, tuple) else one for one in menu.options]
    send(menu, index=names.index(name))
