"""Warnings of torch during a pass, reported as findings."""

import math
import re
import sys
import threading
import warnings
from pathlib import Path
from types import FrameType
from typing import TextIO

import torch

from gradwidgets.core.results.finding import Finding, Severity

NAME = "torch_warning"
_TORCH = str(Path(torch.__file__).parent)
_OURS = str(Path(__file__).parents[3])
_SIZE = re.compile(r"\(\[([\d, ]*)\]\)")
_TRIGGERED = re.compile(r"\s*\(Triggered internally at .*", re.DOTALL)
# Parts of torch's warnings about faults; other warnings are reported as an info.
_FAULTS = (
    ("Using a target size", "broadcast", "Give output and targets the same shape."),
    ("Implicit dimension choice", NAME, "Say along which dimension: dim=1 or dim=-1 for classes."),
    ("discards the imaginary part", NAME, "Take abs() or real on purpose."),
    (
        "None of the inputs have requires_grad",
        NAME,
        "Nothing below that checkpoint gets a gradient: use_reentrant=False.",
    ),
    ("degrees of freedom is <= 0", NAME, "A deviation of one number is NaN: larger batches, or correction=0."),
)


class Warned:
    """Records torch's own warnings within a `with` block; `findings` reports them.

    Inside, they do not end the pass if the process turns warnings into errors, and they are recorded every time. Other
    warnings are issued again when the block ends; those that the process turns into errors are reported instead.
    """

    def __init__(self) -> None:
        self._torchs: dict[str, warnings.WarningMessage] = {}
        self._others: list[warnings.WarningMessage] = []
        self._told: dict[str, warnings.WarningMessage] = {}

    def __enter__(self) -> "Warned":
        self._thread = threading.get_ident()
        self._always = torch.is_warn_always_enabled()
        self._block = warnings.catch_warnings()
        self._block.__enter__()
        self._shown = warnings.showwarning
        warnings.simplefilter("always")
        warnings.showwarning = self._show
        torch.set_warn_always(True)
        return self

    def __exit__(self, *_: object) -> None:
        torch.set_warn_always(self._always)
        self._block.__exit__(None, None, None)
        others, self._others = self._others, []
        for one in others:
            try:
                warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
            except Warning:
                self._told[str(one.message)] = one

    def findings(self) -> list[Finding]:
        """Report each warning once."""
        return [_finding(text, one) for text, one in (self._torchs | self._told).items()]

    def _show(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        """Record a warning of this thread, in place of `warnings.showwarning`."""
        if threading.get_ident() != self._thread:
            self._shown(message, category, filename, lineno, file, line)
            return
        one = warnings.WarningMessage(message, category, filename, lineno)
        text = str(message)
        if "Triggered internally at" in text or filename.startswith(_TORCH) or _torch_says(sys._getframe(1)):
            self._torchs.setdefault(_TRIGGERED.sub("", text), one)
        else:
            self._others.append(one)


def _torch_says(frame: FrameType | None) -> bool:
    """Whether torch's code issues the warning, although it names the line of its caller."""
    while frame is not None and frame.f_code.co_filename.endswith("warnings.py"):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(_TORCH)


def _finding(text: str, one: warnings.WarningMessage) -> Finding:
    place = "" if one.filename.startswith(_OURS) else f"{Path(one.filename).name}, line {one.lineno}"
    evidence: dict[str, object] = {"category": one.category.__name__, "place": place, "text": text}
    for part, name, action in _FAULTS:
        if part in text:
            severity = _of_sizes(text) if name != NAME else "warning"
            evidence |= dict(zip(("target", "output"), _sizes(text), strict=False))
            return Finding(name, severity, f"torch warns: {_plain(text)}", evidence, action=action)
    return Finding(NAME, "info", f"torch warns{f' ({place})' if place else ''}: {_plain(text)}", evidence)


def _of_sizes(text: str) -> Severity:
    """Return the severity for two sizes in a warning: one number and many are intended, all pairs are not."""
    sizes = _sizes(text)
    counts = [math.prod(one) for one in sizes]
    if len(sizes) < 2 or 1 in counts:
        return "info"
    try:
        return "error" if torch.broadcast_shapes(*sizes[:2]).numel() > max(counts) else "warning"
    except RuntimeError:  # they do not match, and torch raises an error after the warning
        return "error"


def _sizes(text: str) -> list[list[int]]:
    """Return the sizes in a warning: of the target and of the input, in this order."""
    return [[int(k) for k in one.split(",") if k.strip()] for one in _SIZE.findall(text)]


def _plain(text: str) -> str:
    """Return the first sentences in one line, without a full stop."""
    line = " ".join(text.split())
    return (line if len(line) < 300 else line[:297] + "…").rstrip(".")
