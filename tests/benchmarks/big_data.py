"""A million points in a real JupyterLab page: first picture, memory, and whether the page stays alive.

    python tests/benchmarks/big_data.py [--points 1000000]

makes the data, then a playground of them beside a slider that only changes a text. While all points are on their way
that slider gets a key whenever its text has answered the last one; the longest answer is the longest time for which
the page seemed dead. Memory is the kernel's peak above what it held with the libraries and the data.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.benchmarks.meanwhile import CELL, begin, waits
from tests.browser.find_chromium import MISSING, find_chromium
from tests.browser.lab import Lab
from tests.browser.page import Page, open_browser

DATA = (
    CELL
    + """
import resource, sys, time
import numpy as np, psutil, torch
from gradwidgets import OptimizerPlayground
random = np.random.default_rng(0)
x = random.standard_normal({points})
y = random.standard_normal({points})
y *= 0.3
y += x
unit = 1 if sys.platform == "darwin" else 1024
held = psutil.Process().memory_info().rss
"""
)

SHOW = "playground = OptimizerPlayground(x, y)\nplayground"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=1_000_000)
    args = parser.parse_args()
    chromium = find_chromium() or sys.exit(MISSING)
    with Lab() as lab, open_browser(chromium) as browser:
        notebook = lab.write([DATA.replace("{points}", str(args.points)), SHOW])
        with Page(browser, f"http://127.0.0.1:{lab.port}", notebook, 1500, 1400) as page:
            page.run(0)
            page.until_quiet()
            begin(page)
            began = page.run(1)
            page.until_picture()
            first = (page.raw.evaluate("watched.pictures[0]") - began) / 1000
            page.raw.get_by_text("computing", exact=True).wait_for(state="hidden", timeout=600_000)
            whole = (page.raw.evaluate("performance.now()") - began) / 1000
            answers = waits(page, began)
            held, peak = page.value("[held, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit]")
    rows = [
        ("first picture, s", f"{first:.2f}", "< 3"),
        ("all points computed, s", f"{whole:.2f}", ""),
        ("peak memory above the data, MB", f"{(peak - held) / 1e6:.0f}", "< 1000"),
        ("longest answer of another slider meanwhile, ms", f"{answers[-1]:.0f}", "the page stays responsive"),
        ("its median, ms", f"{answers[len(answers) // 2]:.0f}", ""),
    ]
    print(f"\n| {args.points:,} points | measured | target |\n|---|---|---|")
    print("\n".join(f"| {' | '.join(row)} |" for row in rows))


if __name__ == "__main__":
    main()
