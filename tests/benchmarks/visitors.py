"""Many visitors at once of the lessons as an app: memory of each, and whether closed pages end their kernels.

    python tests/benchmarks/visitors.py [--visitors 20] [--at-once 2]

The app is started as the README says, in this folder, whose `voila.json` it reads. Few cores open few pages at a time;
all of them stay open until the last one shows its picture. Then they are closed without a goodbye, as by a lost network
or a phone that is put away, and the kernels are waited for.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.browser.find_chromium import MISSING, find_chromium
from tests.browser.lab import ROOT, free_port, wait_until
from tests.browser.page import open_browser

FOLDERS = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR", "HOME")
SLACK = 60  # seconds that a busy machine may be late


@contextmanager
def served() -> Iterator[tuple[str, psutil.Process]]:
    """The app's address and process."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="gradwidgets-app-") as home:
        own = {name: str(Path(home) / name.lower()) for name in FOLDERS}
        with (Path(home) / "log").open("w") as log:
            options = ("--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1")
            app = subprocess.Popen(
                [sys.executable, "-m", "voila", "notebooks/lessons.ipynb", *options],
                cwd=ROOT,
                env={**os.environ, **own, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
            )
            try:
                wait_until(lambda: "is running at" in (Path(home) / "log").read_text(), "the app to start")
                yield f"http://127.0.0.1:{port}/", psutil.Process(app.pid)
            finally:
                app.terminate()
                app.wait(60)


def kernels(app: psutil.Process) -> list[psutil.Process]:
    """The kernels that run."""
    return [child for child in app.children() if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def memory(processes: list[psutil.Process]) -> tuple[float, float]:
    """RSS and PSS of all together, MB."""
    full = [process.memory_full_info() for process in processes]
    return sum(one.rss for one in full) / 1e6, sum(getattr(one, "pss", float("nan")) for one in full) / 1e6


def open_pages(browser, address: str, visitors: int, at_once: int) -> tuple[list, list[float]]:
    """Open so many pages, a few at a time; return them, and the seconds that each took to its picture."""
    pages, seconds = [], []
    for first in range(0, visitors, at_once):
        began = time.monotonic()
        count = min(at_once, visitors - first)
        those = [browser.new_page(viewport={"width": 1280, "height": 800}) for _ in range(count)]
        for page in those:
            page.goto(address, wait_until="commit", timeout=180_000)
        for page in those:
            page.locator(".gradwidgets canvas").first.wait_for(timeout=180_000)
            seconds.append(time.monotonic() - began)
        pages += those
    return pages, seconds


def weigh(app: psutil.Process, alone: float) -> None:
    """Print what the server and its kernels hold; `alone`, what the server held before."""
    running = kernels(app)
    rss, pss = memory(running)
    print(f"{len(running)} kernels: {rss / len(running):.0f} MB RSS each, {pss / len(running):.0f} MB PSS")
    print(f"the server: {alone:.0f} MB alone, {memory([app])[0]:.0f} MB with them; all kernels: {rss:,.0f} MB RSS")


def main() -> None:
    """Open, weigh, close, wait."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--at-once", type=int, default=2, help="pages that are opened at a time")
    options = parser.parse_args()
    chromium = find_chromium() or sys.exit(MISSING)
    culling = json.loads((ROOT / "voila.json").read_text())["MappingKernelManager"]
    longest = culling["cull_idle_timeout"] + 2 * culling["cull_interval"] + SLACK
    with served() as (address, app), open_browser(chromium) as browser:
        alone = memory([app])[0]
        pages, seconds = open_pages(browser, address, options.visitors, options.at_once)
        weigh(app, alone)
        print(f"{sorted(seconds)[len(seconds) // 2]:.1f} s to a picture, {options.at_once} pages at a time")
        for page in pages:
            page.close(run_before_unload=False)
        began = time.monotonic()
        wait_until(lambda: not kernels(app), "the kernels of closed pages to end", longest, lambda: time.sleep(1))
        print(
            f"closed without a goodbye: the last kernel ended {time.monotonic() - began:.0f} s later, at most {longest}"
        )


if __name__ == "__main__":
    main()
