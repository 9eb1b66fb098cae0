"""Why a loss must be called point by point: which of its operations needs the numbers themselves."""

import linecache
import traceback

_REASONS = (
    ("calling .item()", "item(), or what calls it,"),
    ("control flow", "an if on a value"),
    ("boolean mask", "a mask as an index"),
    ("dynamic shape", "what has as many results as its values say (nonzero, unique)"),
    ("data pointer", "numpy() or tolist()"),
    ("accessing `data`", ".data"),
)
_OURS = ("/torch/", "/gradwidgets/core/")
_LONGEST = 80  # characters of a line that is quoted


def why_one_by_one(error: BaseException | None) -> str:
    """Why many points cannot be one call, in a sentence, from what that raised; "" if it is not known."""
    said = str(error or "")
    what = next((words for part, words in _REASONS if part in said), "")
    if error is None or not what:
        return ""
    return f"it is called point by point, which takes longer: {what}{_line_of(error)} needs the numbers themselves"


def _line_of(error: BaseException) -> str:
    """The line of the loss that raised it, in words; "" if it cannot be read."""
    frames = [
        one for one in traceback.extract_tb(error.__traceback__) if not any(part in one.filename for part in _OURS)
    ]
    if not frames or not frames[-1].lineno:
        return ""
    line = linecache.getline(frames[-1].filename, frames[-1].lineno).partition("  #")[0].strip()
    if len(line) > _LONGEST:
        return f" in line {frames[-1].lineno}"
    return f" in “{line}”" if line else ""
