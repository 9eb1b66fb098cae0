"""A loss that rises by steps of a usual size, though nothing runs away: one term of a sum may grow first."""

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord, medians
from gradwidgets.core.results.finding import Severity
from gradwidgets.core.results.wording import number

_PARTS, _LOSSES = 20, 5  # of the record; losses in each at least
_TIMES, _BACK = 2.0, 0.5  # the start, that is a rise; of what it had risen to
_FLAT = 1.2  # times the lowest of the last third

_OF_TERMS = "; it is a sum of several terms"
ONE_BY_ONE = (
    "If the loss is a sum of several terms, look at each by itself: what is to be learned may fall while another term "
    "grows first (such as a codebook's), and the sum says nothing of it. If all of them rise, lower the learning rate."
)


def why_no_runaway(judged: JudgedRecord, start: float) -> tuple[str, Severity]:
    """What speaks against a loss that runs away, and how grave it is then; no words where nothing does.

    Of a sum that does not keep rising nothing is known to be wrong.
    """
    words = _why(judged, start)
    turns = "terms" in judged.history.of_loss and words != _OF_TERMS
    return (words, "info" if turns else "warning") if words else ("", "error")


def _why(judged: JudgedRecord, start: float) -> str:
    _, values = judged.losses
    levels = medians(values, max(1, min(_PARTS, len(values) // _LOSSES)))
    if not bool(values.isfinite().all()):
        return ""
    if fell := _falls_again(levels, _TIMES * start):
        return f"; on the way it comes down again to {number(fell, 3)}"
    if _is_flat(levels, _TIMES * start):
        return "; it has risen to a level and stays there"
    return _OF_TERMS if "terms" in judged.history.of_loss else ""


def _falls_again(levels: list[float], high: float) -> float:
    """The lowest level behind one that is high, where it is far below that; 0 for none."""
    for place, level in enumerate(levels[:-1]):
        later = min(levels[place + 1 :])
        if level > high and later < _BACK * level:
            return later
    return 0.0


def _is_flat(levels: list[float], high: float) -> bool:
    last = levels[-max(2, len(levels) // 3) :]
    return min(last) > high and max(last) < _FLAT * min(last)
