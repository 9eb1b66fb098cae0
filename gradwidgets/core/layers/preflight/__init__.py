"""Checks of a model's inputs and of the loss of its outputs.

`preflight` runs them alone, and `Look` in a pass that runs anyway: `batch_findings` before the pass, `Entry` around the
call of the model, `LossCall` around the call of the loss, `Warned` around both, and `together` in the end.
"""

from gradwidgets.core.layers.preflight.batch import batch_findings, reconsidered
from gradwidgets.core.layers.preflight.caught import Warned
from gradwidgets.core.layers.preflight.entry import Entry
from gradwidgets.core.layers.preflight.losses.watched_loss import LossCall
from gradwidgets.core.layers.preflight.run import Glance, Look, preflight, together

__all__ = [
    "Entry",
    "Glance",
    "Look",
    "LossCall",
    "Warned",
    "batch_findings",
    "preflight",
    "reconsidered",
    "together",
]
