"""A page without a browser: it takes the canvas's messages, and shows and answers pictures when told to."""

import io
import json
import zlib

import numpy as np
from PIL import Image

from gradwidgets.widgets.kernel.mainloop import call_soon


def decoded(png: bytes) -> np.ndarray:
    """A PNG's pixels, uint8 (height, width, 4)."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def unpacked(patch: bytes) -> np.ndarray:
    """A patch's pixels, uint8 (height, width, 4), clear where nothing changed."""
    plain = zlib.decompress(patch)
    width, height, count = np.frombuffer(plain, "<u4", 3)
    pixels = np.frombuffer(plain, np.uint8, 4 * count, 12).reshape(count, 4)
    bits = np.unpackbits(np.frombuffer(plain, np.uint8, offset=12 + 4 * count), count=width * height)
    picture = np.zeros((height, width, 4), np.uint8)
    picture[bits.reshape(height, width).astype(bool)] = pixels
    return picture


def kernel_picture(canvas) -> np.ndarray:
    """What the kernel has painted."""
    return np.array(canvas.get_renderer().buffer_rgba())


def arrived(canvas) -> None:
    """Have all pictures arrive that are under way, and nobody hear of it."""
    canvas._stream._in_flight.clear()  # private: each answer that a page can give is heard


class FakePage:
    """Records what a canvas sends.

    Attributes:
        pictures: Every picture sent so far.
        kinds: Of each picture, "binary" for a PNG or "patch".
        waiting: How many of them are not answered.
        most_waiting: The most there ever were.
    """

    def __init__(self, canvas) -> None:
        self._canvas = canvas
        self.pictures: list[np.ndarray] = []
        self.kinds: list[str] = []
        self.waiting = self.most_waiting = 0
        canvas.send = self._take

    def _take(self, content, buffers=None) -> None:
        kind = json.loads(content["data"])["type"]
        if kind in ("binary", "patch"):
            self.kinds.append(kind)
            self.pictures.append((decoded if kind == "binary" else unpacked)(bytes(buffers[0])))
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


class Answering(FakePage):
    """A page that takes each picture at once, on the main loop."""

    def _take(self, content, buffers=None) -> None:
        super()._take(content, buffers)
        if json.loads(content["data"])["type"] in ("binary", "patch"):
            call_soon(self.answer)


def send(widget, **state) -> None:
    """Change a widget's state as the page does."""
    widget.set_state(state)


def choose(menu, name: str) -> None:
    """Choose from a menu as the page does, by position."""
    names = [one[1] if isinstance(one, tuple) else one for one in menu.options]
    send(menu, index=names.index(name))
