"""A short explanation as HTML: sentences, and formulas line by line."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

_RAISED, _SUP = r"\^(\w+)", r"<sup>\1</sup>"


def card(said: str, formulas: Sequence[str] = ()) -> str:
    """Return sentences and formulas as HTML, everything escaped.

    Args:
        said: The sentences.
        formulas: Plain text, a line each; a name or number after ^ is raised.
    """
    lines = "".join(f"<code>{re.sub(_RAISED, _SUP, html.escape(line))}</code>" for line in formulas)
    return f"{html.escape(said)}{lines}"
