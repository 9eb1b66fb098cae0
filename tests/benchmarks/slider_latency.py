"""How long a slider step takes to reach the screen, in a real JupyterLab page.

    python tests/benchmarks/slider_latency.py [--rounds 2] [--only ours] [--notebook MINE.ipynb]
        [--slider lr] [--link-delay-ms 75 --link-mbit 8]

opens ours and what it is compared with (`peers.py`), each in a fresh kernel, in turn, and gives

* first picture: from running the cell that makes the widget, imports done, to the first painted frame;
* step: from one arrow key on the slider to the first frame whose pixels differ from the one before it;
* drag: 60 arrow keys at 60 Hz; changed frames per second while it lasts, and the let-go lag, how long after the
  last key the last changed frame came.

All as a Markdown table, medians over the rounds, beside the ratios to `ready_picture`, the floor under any picture
of that kind. On a shared machine only ratios from one run mean anything.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from playwright.sync_api import Browser
from playwright.sync_api import TimeoutError as Late

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.benchmarks.peers import PEERS, SLIDERS
from tests.browser.find_chromium import MISSING, find_chromium
from tests.browser.lab import Lab
from tests.browser.link import Link
from tests.browser.page import Page, open_browser

WARM_UP = 3  # steps that are made first and do not count
REST_MS = 120  # between two steps
TURN = 10  # steps after which the keys go the other way
FLOOR = "ready_picture"
DRAG = {"keys": 60, "turn": 20, "interval": 16, "quiet": 2500}


@dataclass(frozen=True)
class Measured:
    """One notebook's figures; NaN where nothing was painted."""

    step: float  # ms, median
    p95: float  # ms
    rate: float  # changed frames per second of a drag
    lag: float  # ms
    first: float  # s, or NaN for a notebook that is not made of the two cells
    missed: int  # steps after which nothing changed


def measure(browser: Browser, address: str, notebook: str, label: str, steps: int, *, cells: bool) -> Measured:
    """Open a notebook, run it, press keys on its slider."""
    with Page(browser, address, notebook, 1500, 1400) as page:
        first = _first_picture(page) if cells else _run_all(page)
        if page.raw.locator(".echo").count():
            page.raw.evaluate("watched.echoes(document.querySelector('.echo'))")
        page.until_quiet(2)
        page.focus(label)
        times = list(_steps(page, steps))
        drag = page.raw.evaluate("watched.drag", DRAG)
    seen = sorted(time for time in times if time is not None)
    return Measured(
        step=statistics.median(seen) if seen else float("nan"),
        p95=seen[int(0.95 * (len(seen) - 1))] if seen else float("nan"),
        rate=drag["rate"],
        lag=float("nan") if drag["lag"] is None else drag["lag"],
        first=first,
        missed=len(times) - len(seen),
    )


def _first_picture(page: Page) -> float:
    page.run(0)
    page.until_quiet()
    began = page.run(1)
    if page.raw.locator(".echo").count():
        return float("nan")
    page.until_picture()
    return (page.raw.evaluate("watched.pictures[0]") - began) / 1000


def _run_all(page: Page) -> float:
    page.run_all()
    page.raw.locator(".widget-slider .noUi-handle").first.wait_for(state="attached")
    if not page.raw.locator(".echo").count():
        page.until_picture()
    return float("nan")


def _steps(page: Page, count: int) -> Iterator[float | None]:
    for number in range(WARM_UP + count):
        key = "ArrowRight" if number % (2 * TURN) < TURN else "ArrowLeft"
        pressed = page.raw.evaluate("watched.press", key)
        try:
            page.raw.wait_for_function(f"watched.frames.length > {pressed['frames']}", timeout=15_000, polling=4)
        except Late:
            if number >= WARM_UP:
                yield None
            continue
        if number >= WARM_UP:
            yield page.raw.evaluate(f"watched.frames[{pressed['frames']}]") - pressed["began"]
        page.raw.wait_for_timeout(REST_MS)  # a person's pace, and no frame of this step is taken for the next one's


def middle(runs: Sequence[Measured]) -> Measured:
    """The median of each figure over the rounds."""

    def median(name: str) -> float:
        values = [value for run in runs if (value := getattr(run, name)) == value]
        return statistics.median(values) if values else float("nan")

    return Measured(**{field.name: median(field.name) for field in fields(Measured)})


def table(rows: dict[str, Measured]) -> str:
    """The figures as Markdown."""
    floor = rows.get(FLOOR) or next(iter(rows.values()))
    columns = {
        "first picture, s": lambda row: _number(row.first, 2),
        "step, ms": lambda row: _number(row.step, 0),
        "p95, ms": lambda row: _number(row.p95, 0),
        "× ready picture": lambda row: _number(row.step / floor.step, 2),
        "drag, frames/s": lambda row: _number(row.rate, 1),
        "let-go lag, ms": lambda row: _number(row.lag, 0),
        "missed": lambda row: _number(row.missed, 0),
    }
    lines = [f"| notebook | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for name, row in rows.items():
        lines.append(f"| {name} | {' | '.join(write(row) for write in columns.values())} |")
    return "\n".join(lines)


def targets(rows: dict[str, Measured], *, far: bool) -> str:
    """Ours beside what it aims at, as Markdown; with `far`, what it aims at over a slow link."""
    ours, floor = rows["ours"], rows[FLOOR]
    goals = [
        ("step / ready picture's", ours.step / floor.step, "≤", 1.2 if far else 1.25, 2),
        ("let-go lag less ready picture's, ms", ours.lag - floor.lag, "≤", 150 if far else 60, 0),
    ]
    if not far:
        goals[1:1] = [
            ("p95 of a step / ready picture's", ours.p95 / floor.p95, "≤", 1.3, 2),
            ("drag's frames/s / ready picture's", ours.rate / floor.rate, "≥", 0.9, 2),
        ]
        goals.append(("run to first picture, after imports, s", ours.first, "≤", 1.0, 2))
        for name, times in (("full_redraw", 4), ("naive_interact", 25)):
            if name in rows:
                goals.append((f"{name}'s step / ours", rows[name].step / ours.step, "≥", times, 1))
    if "explorer" in rows and not far:
        explorer = rows["explorer"]
        goals += [
            ("explorer's step / ready picture's", explorer.step / floor.step, "≤", 2, 2),
            ("explorer's drag, frames/s / ready picture's", explorer.rate / floor.rate, "≥", 0.5, 2),
            ("explorer's let-go lag to the fine picture, ms", explorer.lag, "≤", 250, 0),
        ]
    for name, what in (("layers", "gain"), ("layers_depth", "depth")):
        if name in rows and not far:
            goals += [
                (f"layer panel's step of {what} / ready picture's", rows[name].step / floor.step, "≤", 2, 2),
                (f"layer panel's let-go lag of {what}, ms", rows[name].lag, "≤", 250, 0),
            ]
    lines = ["| what | measured | target | met |", "|---|---|---|---|"]
    for what, value, sense, limit, digits in goals:
        met = value <= limit if sense == "≤" else value >= limit
        lines.append(f"| {what} | {_number(value, digits)} | {sense} {limit:g} | {'yes' if met else 'no'} |")
    return "\n".join(lines)


def _number(value: float, digits: int) -> str:
    return "–" if value != value else f"{value:.{digits}f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=[name for name in PEERS if name != "echo"])
    parser.add_argument("--notebook", nargs="+", type=Path, default=[], help="other notebooks to measure as well")
    parser.add_argument("--slider", default="lr", help="its label; the first one where no slider has it")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--link-delay-ms", type=float, default=0, help="later by so much, each way")
    parser.add_argument("--link-mbit", type=float, default=0, help="no faster than that, each way")
    args = parser.parse_args()
    chromium = find_chromium() or sys.exit(MISSING)
    far = bool(args.link_delay_ms or args.link_mbit)

    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(Lab())
        port = lab.port
        if far:
            port = stack.enter_context(Link(lab.port, args.link_delay_ms, args.link_mbit)).port
        browser = stack.enter_context(open_browser(chromium))
        notebooks = {name: (lab.write(PEERS[name], f"{name}.ipynb"), True) for name in args.only}
        notebooks |= {path.name: (lab.add(path), False) for path in args.notebook}
        runs: dict[str, list[Measured]] = {name: [] for name in notebooks}
        for number in range(args.rounds):
            for name, (notebook, cells) in notebooks.items():
                print(f"round {number + 1} of {args.rounds}: {name}", file=sys.stderr)
                lab.end_kernels()
                address = f"http://127.0.0.1:{port}"
                slider = SLIDERS.get(name, args.slider)
                runs[name].append(measure(browser, address, notebook, slider, args.steps, cells=cells))

    rows = {name: middle(measured) for name, measured in runs.items()}
    if far:
        print(f"\nOver {args.link_delay_ms:g} ms each way, {args.link_mbit:g} Mbit/s:")
    print(f"\n{table(rows)}")
    if "ours" in rows and FLOOR in rows:
        print(f"\n{targets(rows, far=far)}")


if __name__ == "__main__":
    main()
