"""Initial settings that keep a model from learning: weights of 0, heavy dropout, frozen layers, a large eps."""

import torch

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord, listed, modules_of
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

_SAMPLES, _LOSSES = 5, 40
_LEARNED = 0.9  # of the first loss, or of a guess: below it something is learned
_SEVERAL = 1.5  # times a guess, above which a first loss has several parts
_STILL = 0.99  # of the loss at first
_FROZEN = 0.5  # of a model's numbers
_ABOVE = 10.0  # times the root mean square of gradients: from there on an eps outweighs them


def learns_nothing(judged: JudgedRecord) -> bool:
    """Whether the loss is hardly below where it began, nor below a guess."""
    _, values = judged.losses
    if len(values) < _LOSSES or not bool(values.isfinite().all()):
        return False
    first, last = values[: max(5, len(values) // 10)], values[-len(values) // 4 :]
    begun, end, guess = float(first.mean()), float(last.mean()), judged.likely_guess
    if not judged.kind and begun > _SEVERAL * guess:
        guess = begun  # the guess may be that of one part of a loss with several
    return begun > 0 and end > _LEARNED * (min(begun, guess) if guess > 0 else begun)


def zero_weights(judged: JudgedRecord) -> list[Finding]:
    """Layers whose weights are all 0, and whose gradients are 0 for that very reason, so that they stay 0."""
    history = judged.history
    if judged.samples < _SAMPLES:
        return []
    still = (history.weight_norm == 0) & (history.norm == 0)
    where = [column for column in judged.weighted if bool(still[:, column].all())]
    if not where:
        return []
    names = judged.names(where)
    whose, verb = ("their", "are") if len(names) > 1 else ("its", "are")
    message = (
        f"all weights of {listed(names)} {verb} 0, and so is every gradient of {whose} weights at all sampled steps: "
        "what comes through weights of 0 is 0, so no step moves them"
    )
    action = (
        "Draw them at random (nn.init.kaiming_uniform_, or leave torch's own); of two factors, as those of a low-rank "
        "adapter, only one may begin at 0."
    )
    evidence = {"layers": names, "samples": judged.samples}
    return [Finding("zero_weights", "error", message, evidence, tuple(where), action)]


def dropped(judged: JudgedRecord) -> list[Finding]:
    """Dropout that drops nearly everything, and a loss that does not fall."""
    heavy = judged.history.setting.get("dropout") or {}
    if not heavy or not learns_nothing(judged):
        return []
    most = max(heavy.values())
    message = (
        f"{listed(list(heavy))} {'drop' if len(heavy) > 1 else 'drops'} {percent(most)} of what comes in, and the loss "
        "does not fall"
    )
    action = (
        "The p of nn.Dropout is the share that is dropped, and not the one that is kept: take 0.1 to 0.5 "
        f"(1 − {number(most, 3)} = {number(1 - most, 2)}, if that was meant)."
    )
    return [Finding("dropout", "warning", message, {"layers": heavy, "threshold": _LEARNED}, action=action)]


def frozen(judged: JudgedRecord) -> list[Finding]:
    """Most of a model's numbers frozen at their initial values, and a loss that does not fall."""
    told = judged.history.setting.get("frozen")
    if told is None or not told["share"] > _FROZEN or not learns_nothing(judged):
        return []
    columns = [column for column in judged.weighted if judged.history.layers[column] in told["layers"]]
    norm, (_, values) = judged.history.norm[:, columns].nan_to_num(nan=0.0), judged.losses
    if bool((norm != norm[0]).any()) or float(values[0]) < _LEARNED * judged.likely_guess:
        return []  # unfrozen later, or trained before
    names = told["layers"]
    message = (
        f"{percent(told['share'])} of the model's numbers are frozen (requires_grad is False in "
        f"{modules_of(names)}), and the loss stays where a model begins that has learned nothing"
    )
    action = (
        "If these layers are to be trained, call requires_grad_(True) on them and give them to the optimizer; if they "
        "are meant to be frozen, load what they have learned before the training."
    )
    # An untrained body may be frozen on purpose, as long as its head learns something.
    still = float(values[-len(values) // 4 :].mean()) > _STILL * float(values[: max(5, len(values) // 10)].mean())
    return [
        Finding("frozen", "warning" if still else "info", message, dict(told) | {"threshold": _FROZEN}, action=action)
    ]


def large_eps(judged: JudgedRecord) -> list[Finding]:
    """An eps much larger than the gradients that it is added to, so that steps are far shorter than the rate says."""
    history = judged.history
    eps = float(history.rule.get("eps", 0.0))
    rms = history.rms[:, judged.weighted]
    rms = rms[rms.isfinite() & (rms > 0)]
    if not eps > 0 or not history.rule.get("scaled") or len(rms) < _SAMPLES or not learns_nothing(judged):
        return []
    usual = float(torch.quantile(rms.sort().values[-10_000:], 0.75))
    if not eps > _ABOVE * usual:
        return []
    message = (
        f"the eps of {history.rule['name']}, {number(eps, 2)}, is about {number(eps / usual, 1)} times as large as the "
        f"gradients (root mean square {number(usual, 2)}) by whose size a step is divided: steps are as many times "
        "shorter than the learning rate says, and the loss does not fall"
    )
    action = "Take the usual eps of 1e-8 (1e-6 where the gradients are computed in half precision)."
    if history.rounded.get("type") == "float16":
        action = (
            "Weights of float16 cannot do without such an eps, since squares of small gradients are 0 there: keep the "
            "weights in float32, and compute under torch.autocast with a GradScaler."
        )
    evidence = {"eps": eps, "rms of gradients": usual, "threshold": _ABOVE}
    return [Finding("eps", "warning", message, evidence, action=action)]
