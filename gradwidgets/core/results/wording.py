"""Numbers, percentages, counts and points as text."""

import math
import re
from collections.abc import Iterable, Sequence

_UNIT = r"(?:%|‰|×|[kMGT]?i?B|[kM]?bit|min|[mµn]?s|h|px|°C?)"
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_BESIDE = re.compile(rf"(?<=\d) (?={_UNIT}(?!\w))|(?<=×) (?=[\d−])")


def number(value: float | None, digits: int = 4) -> str:
    """Return a number as it is written in a sentence."""
    if value is None or math.isnan(value):
        return "undefined"
    if math.isinf(value):
        return "infinite" if value > 0 else "minus infinite"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e6:
        text = f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"
        return text.replace("-", "−")
    mantissa, exponent = f"{value:.{2 if digits <= 4 else digits - 1}e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}".replace("-", "−")


def power_of_ten(exponent: float) -> str:
    """Return the nearest power of ten, with its exponent raised: "10⁻¹²"."""
    return "10" + f"{round(exponent)}".translate(_RAISED)


def percent(share: float) -> str:
    """Return a fraction as a percentage in a sentence."""
    if 0.9995 <= share < 1:
        return "over 99.9 %"
    return "under 0.1 %" if 0 < share < 0.001 else f"{100 * share:.3g} %"


def named(name: str) -> str:
    """Return a layer's name, in quotes if it would read as a number: "fc.weight", "'2'", "'0.1'"."""
    return f"'{name}'" if name.replace(".", "").isdecimal() else name


def counted(count: int, what: str) -> str:
    """Return a count with its noun: "1 sample", "2,000 samples", "2 batches"."""
    plural = what + ("es" if what.endswith(("ch", "s")) else "s")
    return f"{count:,} {what if count == 1 else plural}"


def place(names: Iterable[str], point: Iterable[float], digits: int = 3) -> str:
    """Return a point as it is written in a sentence: "a 0.5, b −1"."""
    return ", ".join(f"{name} {number(value, digits)}" for name, value in zip(names, point, strict=True))


def as_read(value: float, digits: int = 3) -> float:
    """Return a finite number rounded as `number` prints it."""
    return float(number(value, digits).replace("−", "-"))


def shortened(text: str, most: int) -> str:
    """Shorten a text to at most `most` characters, cut between two words."""
    if len(text) <= most:
        return text
    whole = text[: most - 1]
    return f"{whole.rsplit(maxsplit=1)[0] if ' ' in whole else whole}…"


def unbroken(text: str) -> str:
    """Return the text or HTML with non-breaking spaces between numbers and their units."""
    return _BESIDE.sub("\u00a0", text)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Format rows of equal length as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
