"""Warnings that torch raises during a pass: kept, told as findings, never lost."""

import math
import re
import sys
import threading
import warnings
from pathlib import Path
from types import FrameType

import torch

from gradwidgets.core.results.finding import Finding, Severity

NAME = "torch_warning"
_TORCH = str(Path(torch.__file__).parent)
_OURS = str(Path(__file__).parents[3])
_SIZE = re.compile(r"\(\[([\d, ]*)\]\)")
_TRIGGERED = re.compile(r"\s*\(Triggered internally at .*", re.DOTALL)
# What torch says of faults, rather than of its own plans; the rest is passed on as an info.
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
    """Keeps torch's own warnings within a `with` block.

    There they neither end a pass, where the process turns warnings into errors, nor are they shown only once.
    `findings` says what they were. Others' warnings are handed on when the block ends, to whatever the process does
    with them; what it makes an error of there is told instead.
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
        """What torch warned of, each thing once."""
        return [_finding(text, one) for text, one in (self._torchs | self._told).items()]

    def _show(self, message: Warning, category: type, filename: str, lineno: int, *rest: object) -> None:
        if threading.get_ident() != self._thread:
            self._shown(message, category, filename, lineno, *rest)
            return
        one = warnings.WarningMessage(message, category, filename, lineno)
        text = str(message)
        if "Triggered internally at" in text or filename.startswith(_TORCH) or _torch_says(sys._getframe(1)):
            self._torchs.setdefault(_TRIGGERED.sub("", text), one)
        else:
            self._others.append(one)


def _torch_says(frame: FrameType | None) -> bool:
    """Whether the code that warns is torch's, though it names its caller's line."""
    while frame is not None and frame.f_code.co_filename.endswith("warnings.py"):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(_TORCH)


def _finding(text: str, one: warnings.WarningMessage) -> Finding:
    place = "" if one.filename.startswith(_OURS) else f"{Path(one.filename).name}, line {one.lineno}"
    evidence = {"category": one.category.__name__, "place": place, "text": text}
    for part, name, action in _FAULTS:
        if part in text:
            severity = _of_sizes(text) if name != NAME else "warning"
            evidence |= dict(zip(("target", "output"), _sizes(text), strict=False))
            return Finding(name, severity, f"torch warns: {_plain(text)}", evidence, action=action)
    return Finding(NAME, "info", f"torch warns{f' ({place})' if place else ''}: {_plain(text)}", evidence)


def _of_sizes(text: str) -> Severity:
    """How bad two sizes are that torch names: one number against many is meant, and pairs of all with all are not."""
    sizes = _sizes(text)
    counts = [math.prod(one) for one in sizes]
    if len(sizes) < 2 or 1 in counts:
        return "info"
    try:
        return "error" if torch.broadcast_shapes(*sizes[:2]).numel() > max(counts) else "warning"
    except RuntimeError:  # they do not go together, and torch raises after it has warned
        return "error"


def _sizes(text: str) -> list[list[int]]:
    """The sizes that torch names: of the target and of the input, in this order."""
    return [[int(k) for k in one.split(",") if k.strip()] for one in _SIZE.findall(text)]


def _plain(text: str) -> str:
    """The first sentences, on one line and without a full stop."""
    line = " ".join(text.split())
    return (line if len(line) < 300 else line[:297] + "…").rstrip(".")
