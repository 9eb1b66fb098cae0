"""Whether what is said of a case is right, and the views in which it must be."""

import math
from collections.abc import Iterable

from gradwidgets import check_loss
from gradwidgets.core.results.finding import Finding
from tests.core.surfaces.field.case import Case

# Grid points along each axis, and by which share of its width, an irrational one, the view is moved.
VIEWS = ((81, 0.0), (41, 0.03 * (math.sqrt(2) - 1)), (41, 0.0), (81, -0.03 * (math.sqrt(3) - 1)))


def moved(case: Case, share: float) -> dict[str, tuple[float, float]]:
    """The case's axes, moved by a share of their widths; of one whose loss ends with its view, into it."""
    axes = {}
    for name, (low, high) in case.axes.items():
        by = share * (high - low)
        axes[name] = (low + by, high + by) if case.domain == "free" else (low + abs(by), high - 0.7 * abs(by))
    return axes


def said(case: Case, resolution: int = 81, share: float = 0.0) -> list[Finding]:
    """The findings of a case in a view."""
    return check_loss(case.loss, moved(case, share), resolution=resolution, **case.keywords).findings


def shortfall(case: Case, findings: Iterable[Finding]) -> str:
    """What falls short of what is right, in a sentence; "" where nothing does."""
    blamed = [one for one in findings if one.severity in ("warning", "error")]
    if not case.findings:
        return f"a sound loss is blamed: {'; '.join(map(str, blamed))}" if blamed else ""
    # What float32 loses has a name of its own.
    names = {"precision" if one.name == "vanishes_in_float32" else one.name for one in blamed}
    text = " ".join(f"{one.name} {one.message} {one.action}" for one in blamed).lower()
    missing = [" or ".join(sorted(some)) for some in case.findings if not some & names]
    missing += [repr(words) for words in case.words if not any(word.lower() in text for word in words.split("|"))]
    wrong = [repr(words) for words in case.unsaid if words.lower() in text]
    told = "; ".join(map(str, blamed)) or "nothing is said"
    if wrong:
        return f"{' and '.join(wrong)} said, which is false: {told}"
    return f"{' and '.join(missing)} missing: {told}" if missing else ""
