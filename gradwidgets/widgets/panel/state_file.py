"""Settings in a file: what a widget's `save` writes and its `load` reads. Nothing in a file is ever executed."""

from __future__ import annotations

import json
from collections.abc import Mapping

FORMAT = 1
LARGEST = 100_000  # bytes; a file of settings has a few hundred
_KEY = "gradwidgets"


def to_text(state: Mapping[str, object]) -> str:
    """Return a widget's `state()` as the content of a JSON file."""
    return json.dumps({_KEY: FORMAT, **state}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def from_bytes(content: bytes) -> dict[str, object]:
    """Return the state that a file holds.

    Args:
        content: The file's bytes, from any source.

    Raises:
        ValueError: They were not written by `to_text`; the message says why.
    """
    if len(content) > LARGEST:
        raise ValueError(f"it has more than {LARGEST:,} bytes, and settings have a few hundred")
    try:
        text = bytes(content).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("it is not text") from None
    try:
        held = json.loads(text, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(held, dict) or _KEY not in held:
        raise ValueError("it was not saved by gradwidgets")
    if held.pop(_KEY) != FORMAT:
        raise ValueError("it was saved by another version of gradwidgets")
    return held


def _reject_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")
