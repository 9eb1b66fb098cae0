"""Long work run from Python, with a progress bar where tqdm is installed."""

import sys
import time
from typing import Protocol, TypeVar

from gradwidgets.core.results.slices import Slices

T = TypeVar("T")

PATIENCE = 1.0  # seconds before a bar appears


def finish_with_bar(work: Slices[T], what: str) -> T:
    """Run work to its end; if that takes more than a second, show a progress bar where tqdm is installed.

    Args:
        work: The work, in slices.
        what: The label beside the bar.

    Returns:
        Its result.
    """
    began = time.perf_counter()
    bar: _Bar | None = None
    try:
        while True:
            try:
                done = next(work)
            except StopIteration as end:
                return end.value
            if bar is None and time.perf_counter() - began > PATIENCE:
                bar = _bar(what)
            if bar is not None:
                bar.update(max(0.0, min(100.0, round(100 * done, 1)) - bar.n))
    finally:
        if bar is not None:
            bar.close()


class _Bar(Protocol):
    n: float

    def update(self, more: float) -> object: ...

    def close(self) -> None: ...


class _Silent:
    n = 0.0

    def update(self, more: float) -> None:
        self.n += more

    def close(self) -> None:
        pass


def _is_seen() -> bool:
    """Whether somebody sees a bar: in a terminal, or in a notebook; a file or a pipe would keep each of its lines."""
    ipython = sys.modules.get("IPython")
    kernel = getattr(ipython.get_ipython(), "kernel", None) if ipython is not None else None
    return kernel is not None or (sys.stderr is not None and sys.stderr.isatty())


def _bar(what: str) -> _Bar:
    if not _is_seen():
        return _Silent()
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _Silent()
    quiet = type("Bar", (tqdm,), {"monitor_interval": 0})  # else tqdm's monitor thread outlives the bar
    return quiet(total=100, desc=what, unit="%", leave=False, bar_format="{desc}: {percentage:3.0f} %|{bar}| {elapsed}")
