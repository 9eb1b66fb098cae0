"""A loss that cannot be vectorised and takes 5 ms a call, in a real JupyterLab page.

    python tests/benchmarks/slow_loss.py

makes an explorer of it beside a slider that only changes a text: when does the coarse picture come, how long does Stop
take, and does the page stay alive meanwhile?
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.benchmarks.meanwhile import CELL, begin, waits
from tests.browser.find_chromium import MISSING, find_chromium
from tests.browser.lab import Lab
from tests.browser.page import Page, open_browser

LOSS = (
    CELL
    + """
import time
from gradwidgets import SurfaceExplorer

def slow(a, b):
    end = time.perf_counter() + 0.005
    while time.perf_counter() < end:
        pass
    return a**2 + b**2 if a.item() > 0 else (a - b) ** 2
"""
)
SHOW = """explorer = SurfaceExplorer(slow, {"a": (-1, 1), "b": (-1, 1)})\nexplorer"""
STOPS = 5

# Presses Stop and waits for the words that say so.
STOP = """async () => {
  const began = performance.now();
  [...document.querySelectorAll(".gradwidgets button")].find((one) => one.innerText === "Stop").click();
  while (!document.querySelector(".gradwidgets-error")) await new Promise((resume) => setTimeout(resume, 2));
  return performance.now() - began;
}"""


def main() -> None:
    """Measure and print."""
    chromium = find_chromium() or sys.exit(MISSING)
    with Lab() as lab, open_browser(chromium) as browser:
        notebook = lab.write([LOSS, SHOW])
        with Page(browser, f"http://127.0.0.1:{lab.port}", notebook, 1500, 1400) as page:
            page.run(0)
            page.until_quiet()
            begin(page)
            began = page.run(1)
            page.until_picture()
            first = page.raw.evaluate("watched.pictures[0]") - began
            progress = page.raw.get_by_text("computing", exact=True)
            progress.wait_for(state="visible")
            shown = page.raw.evaluate("performance.now()") - began
            page.raw.wait_for_timeout(3000)
            answers = waits(page, began)
            stops = []
            for k in range(STOPS):
                stops.append(page.raw.evaluate(STOP))
                page.tell(f"explorer.x_range = (-1, {2 + k})")
                page.until("document.querySelector('.gradwidgets-error') === null", seconds=120)
                progress.wait_for(state="visible")
    rows = [
        ("coarse picture, s", f"{first / 1000:.2f}", "< 1"),
        ("progress is seen after, s", f"{shown / 1000:.2f}", "there is progress"),
        ("longest answer of another slider meanwhile, ms", f"{answers[-1]:.0f}", "the page stays responsive"),
        ("its median, ms", f"{answers[len(answers) // 2]:.0f}", ""),
        (f"longest of {STOPS} stops, s", f"{max(stops) / 1000:.2f}", "< 0.3"),
    ]
    print("\n| a loss of 5 ms a call | measured | target |\n|---|---|---|")
    print("\n".join(f"| {' | '.join(row)} |" for row in rows))


if __name__ == "__main__":
    main()
