"""What goes into a model, and what the loss makes of what comes out: looked at first.

`preflight` is for people; `Look` is for a pass that runs anyway, and made of the others: `batch_findings` before it,
`Entry` around the call of the model, `LossCall` around that of the loss, `Warned` around both, then `together`.
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
