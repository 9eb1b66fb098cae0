"""Causes of a rising loss that no smaller step cures: noise in place of a gradient, targets that run away."""

import torch

from gradwidgets.core.monitor.verdicts.evidence import JudgedRecord
from gradwidgets.core.results.wording import number, percent

_NUMBERS, _SPREADS, _MORE = 64, 5.0, 0.01  # of a layer; standard errors of a spread, and a little more
_LAYERS, _MOSTLY = 2, 0.9  # of the samples
_TAILS = 1.5  # times the root mean square, which a largest element has that is no sign
_ASIDE = 0.9  # of the steps


def cause_of_rise(judged: JudgedRecord) -> tuple[str, str]:
    """Words that follow a message, and an action other than shorter steps; both empty where no cause was measured."""
    return _noise(judged) or _own_targets(judged) or ("", "")


def _noise(judged: JudgedRecord) -> tuple[str, str] | None:
    """Gradients with the same root mean square in all layers, however many numbers these have: noise."""
    history = judged.history
    columns = [column for column in judged.weighted if history.parameters[column] >= _NUMBERS]
    if len(columns) < _LAYERS or judged.samples < _SPREADS:
        return None
    rms, largest = history.rms[:, columns], history.largest[:, columns]
    sizes = torch.tensor([history.parameters[column] for column in columns], dtype=torch.float64)
    spread = float(rms[rms.isfinite()].median()) if bool(rms.isfinite().any()) else 0.0
    same = (rms - spread).abs() <= spread * (_SPREADS / (2 * sizes).sqrt() + _MORE)
    share = float((same & (largest > _TAILS * rms)).all(1).double().mean())
    if not spread > 0 or share < _MOSTLY:
        return None
    words = (
        f"; the gradient's root mean square is {number(spread, 2)} in each layer, at {percent(share)} of the samples: "
        "what the steps go by is noise of that spread, which something adds to every number between backward() and "
        "step()"
    )
    action = (
        "Make the noise smaller: what is added to a mean over the batch is to be divided by the batch's size as well "
        "(noise_multiplier · max_norm / batch); larger batches; then a smaller learning rate."
    )
    return words, action


def _own_targets(judged: JudgedRecord) -> tuple[str, str] | None:
    """A model that also runs without a graph at every step, with a loss that compares numbers: its own targets."""
    told = judged.history.answers
    # An evaluation after each step has rows of its own number, or the very inputs of the training.
    if (
        not told
        or told.get("paired", 0.0) < _ASIDE
        or judged.kind not in ("", "numbers")
        or "softmax" in judged.history.of_loss
    ):
        return None
    words = (
        f"; at {percent(told['paired'])} of the steps the model runs without a graph beside the pass that is trained, "
        "on as many other rows"
    )
    action = (
        "Lower the learning rate first. If the loss rises all the same and those answers are the targets (a return "
        "that is guessed from the next state, for example), they run away with the model: take them from a target "
        "network, a copy that is updated rarely or slowly, under torch.no_grad(); no value behind the end of an "
        "episode (1 - done); a discount below 1."
    )
    return words, action
