"""Take the README's film: a hand drags lr, then momentum, ticks nesterov and drags the start over a map.

    python docs/take_film.py

Each frame is what a page shows once the picture has followed the hand; the hand itself, which a screenshot does not
show, is drawn at the place where the mouse is.
"""

import io
import math
import sys
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).resolve().parent))

from pictures import DOCS, SHOTS, note
from take_picture import open_widget

from tests.browser.find_chromium import find_chromium
from tests.browser.lab import Lab
from tests.browser.page import Page, open_browser

NAME = "playground.webp"
FINENESS = 1.5  # pixels of the film to a CSS pixel
FRAME = 50  # ms
DRAGGING = 14, 10  # CSS pixels from one frame to the next, on average, and the least number of frames of a way
MOVING = 36, 6  # the same, of a hand that does not drag
AIR = 150  # ms that a picture must have been the same before it is taken
HAND, PRESSED = 7, 10  # radius of the hand, in CSS pixels


class Camera:
    """A hand in a page, and the frames of what it does.

    Args:
        page: The page.
        area: What of it is filmed, in CSS pixels.

    Attributes:
        frames: The pictures, the hand in them.
        times: How long each is shown, in ms.
    """

    def __init__(self, page: Page, area: dict[str, float]) -> None:
        self._page, self._area = page, area
        self._at = (area["x"] + 0.62 * area["width"], area["y"] + 0.9 * area["height"])
        self._down = False
        self.frames: list[Image.Image] = []
        self.times: list[int] = []
        page.raw.mouse.move(*self._at)

    def look(self, milliseconds: int = FRAME) -> None:
        """Take a frame once the page has followed, and show it for so long."""
        now = self._page.raw.evaluate("performance.now()")
        self._page.until("watched.kernel().status === 'idle'")
        self._page.until(f"performance.now() - Math.max(watched.frames.at(-1) ?? 0, {now}) > {AIR}")
        frame = Image.open(io.BytesIO(self._page.raw.screenshot(clip=self._area))).convert("RGB")
        self._draw_hand(frame)
        self.frames.append(frame)
        self.times.append(milliseconds)

    def go(self, *places: tuple[float, float]) -> None:
        """Move the hand through places, slowly at both ends of each way."""
        for (x0, y0), (x1, y1) in pairwise((self._at, *places)):
            stride, least = DRAGGING if self._down else MOVING
            steps = max(least, round(math.hypot(x1 - x0, y1 - y0) / stride))
            for step in range(1, steps + 1):
                share = (1 - math.cos(math.pi * step / steps)) / 2
                self._at = (x0 + share * (x1 - x0), y0 + share * (y1 - y0))
                self._page.raw.mouse.move(*self._at)
                self.look()

    def press(self) -> None:
        """Press the mouse button."""
        self._down = True
        self._page.raw.mouse.down()
        self.look(240)

    def release(self, milliseconds: int = 600) -> None:
        """Let go, and look at what has become."""
        self._down = False
        self._page.raw.mouse.up()
        self.look(milliseconds)

    def _draw_hand(self, frame: Image.Image) -> None:
        fine, radius = 4, FINENESS * (PRESSED if self._down else HAND)
        side = round(2 * radius) + 2
        hand = Image.new("RGBA", (fine * side, fine * side))
        face = (20, 20, 20, 150 if self._down else 235)
        ring = [fine, fine, fine * (side - 1), fine * (side - 1)]
        ImageDraw.Draw(hand).ellipse(ring, fill=face, outline=(255, 255, 255, 255), width=round(1.5 * fine * FINENESS))
        hand = hand.resize((side, side), Image.Resampling.BOX)
        x, y = (FINENESS * (at - self._area[name]) - side / 2 for at, name in zip(self._at, ("x", "y"), strict=True))
        frame.paste(hand, (round(x), round(y)), hand)


def middle(box: dict[str, float]) -> tuple[float, float]:
    """The middle of something on the page."""
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag_slider(page: Page, camera: Camera, label: str, *shares: float) -> None:
    """Drag a slider's handle to shares of its track."""
    slider = page.slider(label)
    handle, track = (slider.locator(part).bounding_box() for part in (".noUi-handle", ".noUi-target"))
    height = middle(handle)[1]
    camera.go(middle(handle))
    camera.press()
    camera.go(*((track["x"] + share * track["width"], height) for share in shares))
    camera.release()


def play(page: Page, camera: Camera) -> None:
    """Do what the film shows."""
    camera.look(600)
    drag_slider(page, camera, "lr", 0.8, 0.542)
    drag_slider(page, camera, "momentum", 0.486)
    camera.go(middle(page.raw.locator(".widget-checkbox").filter(has_text="nesterov").locator("input").bounding_box()))
    camera.press()
    camera.release(800)
    camera.go(page.on_map(6, -3, "widget"))
    camera.press()
    camera.go(*(page.on_map(*place, "widget") for place in ((5.5, 5), (-3, 5.5))))
    camera.release(1300)


def same_colors(frames: list[Image.Image]) -> list[Image.Image]:
    """The frames, all with the same 256 colours: what does not change then stays the same to the bit."""
    some = frames[:: max(1, len(frames) // 8)]
    together = Image.new("RGB", (some[0].width, len(some) * some[0].height))
    for place, frame in enumerate(some):
        together.paste(frame, (0, place * frame.height))
    palette = together.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    return [frame.quantize(palette=palette, dither=Image.Dither.NONE).convert("RGB") for frame in frames]


if __name__ == "__main__":
    with Lab() as lab, open_browser(find_chromium()) as browser:
        notebook = lab.write([SHOTS[NAME].cell])
        with Page(browser, f"http://127.0.0.1:{lab.port}", notebook, 1280, 800, FINENESS) as page:
            camera = Camera(page, open_widget(page, SHOTS[NAME].theme))
            play(page, camera)
            told = page.value("widget.page.size")
            page.end_kernel()
    first, *others = same_colors(camera.frames)
    film = {"save_all": True, "append_images": others, "duration": camera.times, "loop": 0}
    first.save(DOCS / NAME, **film, lossless=True, quality=60, method=4)
    note(NAME, told)
    size = (DOCS / NAME).stat().st_size
    print(f"{NAME}: {first.size}, {len(camera.frames)} frames, {sum(camera.times) / 1000:.1f} s, {size / 1000:.0f} kB")
