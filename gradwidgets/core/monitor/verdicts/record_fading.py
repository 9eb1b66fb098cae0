"""A gradient that fades by decades while the loss that it is of does not fall."""

import math

from torch import Tensor

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord, listed
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

_SAMPLES, _LOSSES = 10, 10
_LATE = 0.9  # of the steps
_SOME = 4  # samples of one of two, where the other has enough
_FIRST = 3  # samples
_FADED, _WELL = 1e-4, 1e-2  # of the norm at first
_UP_TO, _LITTLE = 0.02, 0.05  # of a first loss that is below 0; of the norm at first, in that case
_NOTHING = 1e-3  # below 0: log(1 - D) is -0.69 for a critic that knows nothing, and 0 for one that is sure
_RISEN = 1e-3  # of the first loss: a training that has converged ends below it

_Norms = tuple[float, float]


def fading(judged: JudgedRecord) -> list[Finding]:
    """Networks whose gradient has nearly vanished, while the loss has risen."""
    groups = [one for one in judged.groups if len(one) >= _SAMPLES]
    own = {k: _losses(judged, one) for k, one in enumerate(groups)}
    # Where losses are noted for one of several optimizers only, it is not known for which.
    known = all(len(one) >= _LOSSES for one in own.values())
    faded = [
        (group, ends)
        for k, group in enumerate(groups)
        if (ends := _faded(judged, group)) and _rises(own[k] if known else _finite(judged.losses[1]))
    ]
    if not faded:
        return _saturated(judged)
    if known and len(faded) > 1:
        return []
    losses = own[groups.index(faded[0][0])] if known else _finite(judged.losses[1])
    if not known:
        some = [one for one in judged.groups if len(one) >= _SOME]
        faded = [(one, ends) for one in some if (ends := _faded(judged, one, _WELL))]
    return [_told(judged, faded, losses, known)]


def _saturated(judged: JudgedRecord) -> list[Finding]:
    """A loss below 0, through another network, that rises to nearly 0 while its gradient nearly vanishes.

    The loss of a policy that makes no costly mistakes any more does the same, but it goes through no other network.
    """
    losses, of_loss = _finite(judged.losses[1]), judged.history.of_loss
    if judged.takes_turns or judged.samples < _SAMPLES or len(losses) < _LOSSES or not _is_of_another(of_loss):
        return []
    begun, end = _ends(losses)
    total = _finite(judged.total)
    from_the_start = -_NOTHING < begun < end
    up = from_the_start or abs(end) < _UP_TO * abs(begun)
    if not begun < 0 or bool((losses > 0).any()) or not up or len(total) < _SAMPLES:
        return []
    first, last = float(total[:_FIRST].max()), float(total[-len(total) // 2 :].median())
    if not 0 < last < _LITTLE * first:
        return []
    return [_told(judged, [(list(range(judged.samples)), (first, last))], losses, True, _LITTLE)]


def _is_of_another(of_loss: tuple[str, ...]) -> bool:
    return "another network" in of_loss and "softmax" not in of_loss


def _finite(values: Tensor) -> Tensor:
    return values[values.isfinite()]


def _losses(judged: JudgedRecord, group: list[int]) -> Tensor:
    """The losses of one optimizer's steps, where several take turns; else all losses."""
    return _finite(judged.history.loss[group] if judged.takes_turns else judged.losses[1])


def _faded(judged: JudgedRecord, group: list[int], share: float = _FADED) -> _Norms | None:
    """The norm of the gradient at first and at last, where the latter is at most `share` of the former."""
    total = judged.total[group]
    if not bool(total.isfinite().all()):
        return None
    first, last = float(total[:_FIRST].max()), float(total[-max(_FIRST, len(total) // 20) :].median())
    return (first, last) if 0 < last <= share * first else None


def _ends(losses: Tensor) -> tuple[float, float]:
    return float(losses[:_FIRST].median()), float(losses[-max(_FIRST, len(losses) // 10) :].median())


def _rises(losses: Tensor) -> bool:
    """Whether the loss is higher at last than at first: in a training that converges it is lower."""
    if len(losses) < _LOSSES:
        return False
    begun, end = _ends(losses)
    of_one_sign = bool((losses[: len(losses) // 10 + _FIRST] * begun > 0).all())
    return of_one_sign and end > begun + _RISEN * abs(begun)


def _told(
    judged: JudgedRecord, faded: list[tuple[list[int], _Norms]], losses: Tensor, own: bool, well: float = _WELL
) -> Finding:
    columns = sorted({column for group, _ in faded for column in _columns(judged, group)})
    group, (first, last) = faded[-1]
    low = (judged.total[group] > well * first).nonzero().flatten()
    since = int(judged.history.steps[group[min(int(low[-1]) + 1, len(group) - 1)]])
    begun, end = _ends(losses)
    each = "; and ".join(
        f"that of {listed(judged.names(_columns(judged, one)))} from a norm of {number(a, 2)} to {number(b, 2)}"
        for one, (a, b) in faded
    )
    late = since > _LATE * judged.steps  # a single late sample happens to be larger
    when = "" if late else f" (below {percent(well)} of it from about step {since:,} on)"
    whose = "its loss" if own else "the loss that is noted"
    message = (
        f"the gradient vanishes along the training, {each}{when}, "
        f"and {whose} is no lower for it: it goes from {number(begun, 3)} to {number(end, 3)}"
    )
    action = (
        "If it is to make something that another network, a critic, takes for real: the critic tells all, and the loss "
        "that is noted is saturated (log(1 − D(G(z))) has no slope there). Take the non-saturating loss, −log D(G(z)) "
        "(F.softplus(-D(fake)).mean()), and hold the critic back: a lower learning rate, fewer steps. Else look for a "
        "sigmoid, a tanh or a softmax that is at its end."
    )
    evidence = {"layers": judged.names(columns), "norm, first": first, "norm, last": last, "step": since}
    evidence |= {"threshold": _FADED, "loss, first": begun, "loss, last": end}
    return Finding("fading", "warning", message, evidence, tuple(columns), action)


def _columns(judged: JudgedRecord, group: list[int]) -> list[int]:
    norm = judged.history.norm[group[0]]
    return [column for column in judged.weighted if math.isfinite(float(norm[column])) and float(norm[column]) > 0]
