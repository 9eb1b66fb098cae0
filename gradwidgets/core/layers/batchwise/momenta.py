"""Batch norms with the momentum of another library: in torch it is the share of the newest batch."""

from torch import nn

from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import percent

MOMENTUM = "norm momentum"
# Momenta from which it is an info, and a warning; except 1, which uses the newest batch alone on purpose.
_MOST = (0.9, 0.98)


def momenta(model: nn.Module) -> list[Finding]:
    """Report batch norms with a momentum near 1."""
    norms = [(name, one) for name, one in model.named_modules() if isinstance(one, nn.modules.batchnorm._NormBase)]
    some = [(name, one.momentum) for name, one in norms if one.track_running_stats and one.momentum is not None]
    some = [(name, value) for name, value in some if _MOST[0] <= value < 1]
    if not some:
        return []
    (name, value), more = some[0], len(some) - 1
    message = (
        f"{name or 'the model'}{f' and {more} more norms have' if more else ' has'} a momentum of {value:g}: in torch "
        f"that is the share of the newest batch, so that {percent(value)} of the mean and variance for evaluation are "
        "those of the last batch, and evaluation is off by what that one was"
    )
    action = f"momentum={1 - value:.3g}, which is what others (Keras, TensorFlow) call {value:g}; torch's own is 0.1."
    evidence = {"layer": name, "momentum": value, "threshold": _MOST}
    return [Finding(MOMENTUM, "warning" if value >= _MOST[1] else "info", message, evidence, action=action)]
