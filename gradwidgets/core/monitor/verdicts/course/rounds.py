"""A loss that goes up and down with a period, as where data come in the same order in each epoch, easy ones first."""

import math
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.results.finding import Finding, Severity
from gradwidgets.core.results.wording import number

_SHORTEST, _ROUNDS = 10, 3  # losses of a round; rounds
_MOST = 6000  # losses
_PEAK, _NEAR_IT = 0.3, 0.8  # of an autocorrelation of 1; of the highest peak
_ALIKE, _EACH = 0.7, 0.4  # correlation of a round's course with the next one's: on average, and of each pair
_WINDOW = 8  # part of a round that is averaged
_SMOOTH = 0.5  # of a round's variance that averaging leaves: of a fixed order of mixed batches, a third or less
_TIMES = 1.5  # times the lowest part of a round is the highest
_LEARNED = 0.05  # of the loss at first


def in_rounds(judged: JudgedRecord) -> list[Finding]:
    """Losses whose slow course is the same in each of three rounds or more, while the learning rate has no rounds."""
    steps, values = judged.losses
    if len(values) < _ROUNDS * _SHORTEST or judged.takes_turns or judged.is_of_a_critic or _has_rounds(judged):
        return []
    if not bool(values.isfinite().all()) or not bool((values > 0).all()) or len(values) > _MOST:
        return []
    course = values.log()
    for period in _periods(course):
        means, alike = _course_of(course, period)
        times = math.exp(float(means.max() - means.min()))
        if alike >= _ALIKE and times >= _TIMES:
            return [_told(judged, round(period * float(steps.diff().double().median())), means, alike, times)]
    return []


def _has_rounds(judged: JudgedRecord) -> bool:
    """Whether the learning rate goes down and up again, more than once."""
    _, rates = judged.rate_course
    change = rates.diff().sign()
    change = change[change != 0]
    return bool(judged.history.swings) or int((change.diff() > 0).sum()) > 1


def _periods(course: Tensor) -> list[int]:
    """Lags at which the course is like itself, by its autocorrelation; the shortest of the highest peaks first."""
    count = len(course)
    window = 2 * (count // _ROUNDS // 2) + 1
    padded = F.pad(course[None, None], (window // 2, window // 2), "reflect")
    off = course - F.avg_pool1d(padded, window, 1)[0, 0]
    spectrum = torch.fft.rfft(off, 2 * count)
    products = torch.fft.irfft(spectrum.abs().square())[: count // _ROUNDS + 2]
    like = products / torch.arange(count, count - len(products), -1) * count / products[0].clamp(min=1e-300)
    # Neighbours are alike as well: a peak is higher than both of its own.
    peaks = [k for k in range(_SHORTEST, len(like) - 1) if like[k] > _PEAK and like[k - 1] <= like[k] >= like[k + 1]]
    highest = max((float(like[k]) for k in peaks), default=0.0)
    return [k for k in peaks if float(like[k]) >= _NEAR_IT * highest][:_ROUNDS]


def _course_of(course: Tensor, period: int) -> tuple[Tensor, float]:
    """The slow course of a round, on average, and how alike it is from round to round; 0 where it is not slow."""
    rounds = course[: len(course) // period * period].reshape(-1, period)
    if len(rounds) > _ROUNDS:
        rounds = rounds[1:]  # in the first one most is learned
    rounds = rounds - rounds.mean(1, keepdim=True)
    window = max(3, period // _WINDOW)
    slow = F.avg_pool1d(rounds[:, None], window, 1)[:, 0]
    whole = rounds.mean(0)
    means = slow.mean(0)
    pairs = [float(torch.corrcoef(torch.stack(pair))[0, 1]) for pair in pairwise(slow)]
    is_slow = float(means.var()) >= _SMOOTH * float(whole.var())
    alike = sum(pairs) / len(pairs)
    return means, alike if is_slow and min(pairs) >= _EACH else 0.0


def _told(judged: JudgedRecord, period: int, means: Tensor, alike: float, times: float) -> Finding:
    _, values = judged.losses
    message = (
        f"the loss goes round with a period of {period:,} steps: it is {number(times, 2)} times as high in one part "
        f"of them as in another, and that part is the same in each of {len(values) // max(1, period):,} rounds (their "
        f"correlation is {number(alike, 2)}), while the learning rate does not go round"
    )
    action = (
        "If that is an epoch, its data come in the same order each time, not mixed (easy ones first, or sorted by a "
        "file, a class, a length): DataLoader(…, shuffle=True). If something else goes round with that period (a "
        "target network, the weight of a penalty), all is well."
    )
    evidence = {"period": period, "times": times, "correlation": alike, "threshold": _ALIKE}
    learned = float(values[-period:].mean()) < _LEARNED * float(values[0])
    severity: Severity = "warning" if judged.kind == "classes" and not learned else "info"
    return Finding("in_order", severity, message, evidence, action=action)
