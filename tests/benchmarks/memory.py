"""What one student costs: memory of a kernel and its server, start-up, and the size of what is installed.

    python tests/benchmarks/memory.py

opens a JupyterLab page, imports the package, and shows one widget after the other. RSS is what the process holds in
memory, USS what would come free if it ended, PSS that and its share of what it holds together with others; the peak is
RSS's. The first picture counts from running the cell that makes the widget.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.browser.find_chromium import MISSING, find_chromium
from tests.browser.lab import Lab
from tests.browser.page import Page, open_browser

AT_MOST = 450  # MB, RSS of a kernel that shows all three
STAGES = (
    ("a kernel", "import os"),
    ("with torch, Matplotlib, ipywidgets, ipympl", "import torch, matplotlib.figure, ipywidgets, ipympl"),
    ("with gradwidgets", "import gradwidgets"),
    ("showing OptimizerPlayground", "playground = gradwidgets.OptimizerPlayground()\nplayground"),
    ("… and SurfaceExplorer", "explorer = gradwidgets.SurfaceExplorer()\nexplorer"),
    ("… and LayerFlowPanel", "panel = gradwidgets.LayerFlowPanel()\npanel"),
    ("… after 20 keys on the slider of lr", ""),
    ("… after a first optimizer of torch's", "torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)"),
)
SHOWN = 5  # the stage at which all three are


def memory(process: psutil.Process) -> list[str]:
    """RSS, USS and PSS, MB."""
    full = process.memory_full_info()
    return [f"{getattr(full, kind, float('nan')) / 1e6:.0f}" for kind in ("rss", "uss", "pss")]


def peak(page: Page) -> str:
    """The kernel's largest RSS so far, MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    most = page.value("__import__('resource').getrusage(__import__('resource').RUSAGE_SELF).ru_maxrss")
    return f"{most * unit / 1e6:.0f}"


def installed() -> list[tuple[str, float]]:
    """The environment's size and that of the largest packages in it, MB."""

    def size(folder: Path) -> float:
        files = (Path(where) / name for where, _, names in os.walk(folder) for name in names)
        return sum(file.lstat().st_size for file in files) / 1e6

    site = Path(psutil.__file__).parents[1]
    packages = [folder for folder in site.iterdir() if folder.is_dir()]
    largest = sorted(((folder.name, size(folder)) for folder in packages), key=lambda pair: -pair[1])
    return [("the environment", size(Path(sys.prefix))), *largest[:6]]


def measure(page: Page) -> list[tuple[str, list[str]]]:
    """A row for every stage: RSS, USS, PSS, peak, seconds to its end or to its picture."""
    kernel = psutil.Process(page.value("__import__('os').getpid()"))
    rows = []
    for index, (stage, code) in enumerate(STAGES):
        pictures = page.raw.evaluate("watched.pictures.length")
        began = page.run(index)
        ended = page.raw.evaluate("performance.now()")
        if "gradwidgets." in code:
            page.until(f"watched.pictures.length > {pictures}")
            ended = page.raw.evaluate(f"watched.pictures[{pictures}]")
        if not code:
            page.press("lr", times=20)
        page.until_quiet(1)
        rows.append((stage, [*memory(kernel), peak(page), f"{(ended - began) / 1000:.2f}" if code else ""]))
    rows.append(("its server", [*memory(kernel.parent()), "", ""]))
    return rows


def main() -> None:
    """Measure and print."""
    chromium = find_chromium() or sys.exit(MISSING)
    with Lab() as lab, open_browser(chromium) as browser:
        notebook = lab.write([code for _, code in STAGES])
        with Page(browser, f"http://127.0.0.1:{lab.port}", notebook, 1280, 3000) as page:
            rows = measure(page)
    print("\n| | RSS, MB | USS, MB | PSS, MB | peak, MB | s |\n|---|---|---|---|---|---|")
    print("\n".join(f"| {stage} | {' | '.join(numbers)} |" for stage, numbers in rows))
    print("\n| installed | MB |\n|---|---|")
    print("\n".join(f"| {name} | {size:.0f} |" for name, size in installed()))
    held = int(rows[SHOWN][1][0])
    print(f"\na kernel that shows all three widgets: {held} MB, at most {AT_MOST}")
    sys.exit(held > AT_MOST)


if __name__ == "__main__":
    main()
