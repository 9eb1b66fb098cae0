"""Answers that are all alike: embeddings of one direction, a policy of one action, or one that is sure too soon."""

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

_LOOKS, _LATE = 5, 1 / 3  # at which answers were seen; of them, the last ones
_ALIKE, _FALLEN = 0.15, 0.6  # how far directions are apart, of 1; of what they were at first
_PAIRS = 0.9  # of the steps that make several passes
_SURE, _MOSTLY = 0.999, 0.95  # the likeliest answer's share on the average; at looks by the way
_GONE = 1e-2  # of the gradient at first
_WIDE = 256  # answers of a sample that are looked at
_SOON = 0.25  # of the record


def collapsed(judged: JudgedRecord) -> list[Finding]:
    """Answers to different samples that have become all alike."""
    told = judged.history.answers
    if not told or len(told["steps"]) < _LOOKS or sum(told["differ"]) < len(told["differ"]):
        return []
    return _one_direction(judged) or _one_action(judged) or _no_doubt(judged)


def _one_direction(judged: JudgedRecord) -> list[Finding]:
    """Embeddings that no longer differ, with a loss that only makes two views of a sample alike."""
    told = judged.history.answers
    late = sorted(told["apart"][-max(3, int(_LATE * len(told["steps"]))) :])
    first, last = told["apart"][0], late[len(late) // 2]
    in_pairs = max(told["several"], told["aside"]) >= _PAIRS
    if "directions" not in judged.history.of_loss or not in_pairs:
        return []
    if not last < _ALIKE or not last < _FALLEN * first:
        return []
    message = (
        "the answers to different samples have become alike: their directions are "
        f"{number(last, 2)} of their length apart at the end, and were {number(first, 2)} at first (their mean "
        "cosine is "
        f"{number(1 - last**2, 3)}): a loss that only asks two views of a sample to agree is lowest where all agree"
    )
    action = (
        "Take what holds them apart: the other samples of the batch as negatives (InfoNCE), a term for their variance "
        "and covariance (VICReg), or a predictor on one side and detach() on the other (SimSiam, BYOL). Watch the "
        "spread of normalised embeddings beside the loss."
    )
    evidence = {"at first": first, "at last": last, "threshold": _ALIKE}
    return [Finding("collapsed", "warning", message, evidence, action=action)]


def _one_action(judged: JudgedRecord) -> list[Finding]:
    """The same answer to all samples, with a probability of nearly 1, in the last third and not at first."""
    told = judged.history.answers
    few = max(3, int(_LATE * len(told["steps"])))
    sure, one = told["sure"], told["one"]
    late = sorted(sure[-few:])
    if not _is_of_a_policy(judged) or late[few // 2] < _SURE or late[0] < _MOSTLY or not sure[0] < _SURE:
        return []
    if min(one[-few:]) < 1:
        return []
    since = _since(judged)
    message = (
        f"from about step {since:,} on all of different samples get one and the same answer of {told['width']}, with "
        f"{percent(late[few // 2])} of the probability: as a policy it has one action, an entropy of 0, and next "
        "to no gradient to find another by"
    )
    action = (
        "If that is the best action in all of these states, all is well. Else start again with a smaller learning "
        "rate, subtract a baseline from the returns (their mean, or a critic's guess), and add a bonus for entropy "
        "(- 0.01 * entropy)."
    )
    evidence = {"step": since, "probability": late[few // 2], "threshold": _SURE}
    return [Finding("collapsed", "warning", message, evidence, action=action)]


def _is_of_a_policy(judged: JudgedRecord) -> bool:
    """Whether the loss uses probabilities and is none of torch's losses of classes."""
    few = judged.history.answers["width"] <= _WIDE
    return few and "softmax" in judged.history.of_loss and not judged.history.chance


def _since(judged: JudgedRecord) -> int:
    """The step from which on the answers are sure."""
    told = judged.history.answers
    doubt = [k for k, one in enumerate(told["sure"]) if one < _MOSTLY]
    return told["steps"][min(doubt[-1] + 1, len(told["steps"]) - 1) if doubt else 0]


def _no_doubt(judged: JudgedRecord) -> list[Finding]:
    """A policy that has tried only one action since the first quarter of the record: it is right, or sure too soon."""
    told = judged.history.answers
    if not _is_of_a_policy(judged) or judged.samples < _LOOKS:
        return []
    since, first = _since(judged), float(judged.total[:3].max())
    left = float(judged.total[-judged.samples // 3 :].median()) / first if first > 0 else 1.0
    if told["sure"][-1] < _SURE or not 1 < since < _SOON * judged.steps or not left < _GONE:
        return []
    message = (
        f"since about step {since:,} of {judged.steps:,} the likeliest answer has all of the probability for every "
        f"sample, and the gradient is {number(left, 1)} of what it was: as a policy it tries nothing else any more"
    )
    action = (
        "If its reward is what it can be, all is well. Else start again with a smaller learning rate, subtract a "
        "baseline from the returns, and add a bonus for entropy (- 0.01 * entropy)."
    )
    evidence = {"step": since, "gradient left": left, "threshold": _GONE}
    return [Finding("collapsed", "info", message, evidence, action=action)]
