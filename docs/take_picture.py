"""Take the README's picture: the playground as JupyterLab shows it, with momentum, after one keystroke.

    python docs/take_picture.py [OUT.png]

Twice as many pixels as the page has, and few enough colours to stay small.
"""

import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser.find_chromium import find_chromium  # noqa: E402
from tests.browser.lab import Lab  # noqa: E402
from tests.browser.page import Page, open_browser  # noqa: E402

CELL = """\
from gradwidgets import OptimizerPlayground

playground = OptimizerPlayground(lr=0.05, momentum=0.9)
playground"""
MARGINS = (6, 2, 3, 4)  # left, top, right, below, in CSS pixels


def take(out: Path) -> None:
    """Run the cell in a page and save how the widget looks."""
    with Lab() as lab, open_browser(find_chromium()) as browser:
        address, notebook = f"http://127.0.0.1:{lab.port}", lab.write([CELL])
        with Page(browser, address, notebook, 1280, 800, pixel_ratio=2) as page:
            page.raw.add_style_tag(content=".Toastify { display: none }")
            page.run(0)
            page.until_picture()
            page.until_kernel("playground.page.size != {}")
            page.until_quiet(1.0)
            box = page.raw.locator(".gradwidgets").first.bounding_box()
            left, top, right, below = MARGINS
            area = {
                "x": box["x"] - left,
                "y": box["y"] - top,
                "width": left + box["width"] + right,
                "height": top + box["height"] + below,
            }
            page.raw.screenshot(path=out, clip=area)
    few_colors = Image.open(out).convert("RGB").quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few_colors.save(out, optimize=True)


if __name__ == "__main__":
    out = Path(sys.argv[1]) if sys.argv[1:] else ROOT / "docs" / "playground.png"
    take(out)
    print(f"{out}: {Image.open(out).size}, {out.stat().st_size / 1000:.0f} kB")
