"""Losses of labels 1 and −1, and losses of rates or their logarithms."""

from torch import Tensor

from gradwidgets.core.layers.preflight.losses.call import Call
from gradwidgets.core.layers.preflight.losses.compared import RANGE
from gradwidgets.core.layers.preflight.losses.given import LOGARITHMS
from gradwidgets.core.layers.preflight.made import maker, short
from gradwidgets.core.layers.preflight.reading import numbers
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import number, percent

# The position of each loss's labels among its arguments.
_LABELS = {"cosine_embedding_loss": 2, "margin_ranking_loss": 2, "hinge_embedding_loss": 1, "soft_margin_loss": 1}
SIGNED = tuple(_LABELS)
_RATES = {"Exp": "exp", "Softplus": "softplus"}


def of_signs(call: Call) -> list[Finding]:
    """Report labels that are neither 1 nor −1."""
    y = call.get(_LABELS[call.name], "target")
    values = numbers(y) if isinstance(y, Tensor) else None
    if values is None:
        return []
    others = values[(values != 1) & (values != -1)]
    if not others.numel():
        return []
    share = others.numel() / values.numel()
    least, most = (number(float(one)) for one in values.aminmax())
    message = (
        f"{call.name} takes labels of 1 and −1, and these go from {least} to {most}: {percent(share)} of them are "
        "neither, and their samples count as nothing or as something else"
    )
    action = "Map 0 to −1: 2 * targets − 1." if bool((others == 0).all()) else "Map them to 1 and −1."
    evidence = {"function": call.name, "share": share, "threshold": 0.0}
    return [Finding(RANGE, "error", message, evidence, action=action)]


def of_rates(call: Call) -> list[Finding]:
    """Report `poisson_nll_loss` with log_input=True, which is the default, of rates."""
    x = call.first
    node = None if x is None else maker(x)
    by = None if node is None else _RATES.get(short(node))
    if by is None or not call.get(2, "log_input", True):
        return []
    message = (
        f"poisson_nll_loss takes the logarithm of a rate (log_input=True) and gets a rate, made by {by}: it takes e to "
        "the power of that once more"
    )
    evidence = {"function": call.name, "made by": by, "log_input": True}
    return [Finding(LOGARITHMS, "error", message, evidence, action=f"Leave {by} out, or give it log_input=False.")]
