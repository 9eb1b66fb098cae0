"""Take the README's pictures: the widgets as JupyterLab shows them.

    python docs/take_picture.py [playground.png ...]

Twice as many pixels as the page has, and few enough colours to stay small. Without a name, all are taken.
"""

import sys
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent))

from pictures import DOCS, SHOTS, note

from tests.browser.find_chromium import find_chromium
from tests.browser.lab import Lab
from tests.browser.page import Page, open_browser

MARGINS = (6, 2, 3, 4)  # left, top, right, below, in CSS pixels


def open_widget(page: Page, theme: str) -> dict[str, float]:
    """Run the first cell and wait until its widget stands still.

    Returns:
        Where the widget is on the page, with margins, in CSS pixels.
    """
    page.raw.add_style_tag(content=".Toastify { display: none }")
    page.theme(theme)
    page.run(0)
    page.until_picture()
    page.until_kernel("widget.page.size != {}")
    widget = page.raw.locator(".gradwidgets").first
    widget.evaluate("one => { one.style.scrollMarginTop = '8px'; one.scrollIntoView({block: 'start'}); }")
    page.until_quiet(1.0)
    box = widget.bounding_box()
    left, top, right, below = MARGINS
    return {
        "x": box["x"] - left,
        "y": box["y"] - top,
        "width": left + box["width"] + right,
        "height": top + box["height"] + below,
    }


def take(lab: Lab, browser: object, name: str) -> None:
    """Take one picture and note its fingerprint."""
    shot, address = SHOTS[name], f"http://127.0.0.1:{lab.port}"
    with Page(browser, address, lab.write([shot.cell]), 1280, 800, pixel_ratio=2) as page:
        area = open_widget(page, shot.theme)
        page.raw.screenshot(path=DOCS / name, clip=area)
        told = page.value("widget.page.size")
        page.end_kernel()
    Image.open(DOCS / name).convert("RGB").save(DOCS / name, optimize=True)
    note(name, told)


if __name__ == "__main__":
    names = sys.argv[1:] or [name for name, shot in SHOTS.items() if shot.taker == "take_picture.py"]
    with Lab() as lab, open_browser(find_chromium()) as browser:
        for name in names:
            take(lab, browser, name)
            print(f"{name}: {Image.open(DOCS / name).size}, {(DOCS / name).stat().st_size / 1000:.0f} kB")
