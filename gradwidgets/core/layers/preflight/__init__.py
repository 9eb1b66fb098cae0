"""What goes into a model, and what the loss makes of what comes out: looked at first.

`preflight` is for people. The parts are for a pass that runs anyway: `batch_findings` before it, `Entry` around the
call of the model, `LossCall` around that of the loss, `Warned` around both, then `reconsidered` and `together`.
"""

from gradwidgets.core.layers.preflight.batch import batch_findings, reconsidered
from gradwidgets.core.layers.preflight.caught import Warned
from gradwidgets.core.layers.preflight.entry import Entry
from gradwidgets.core.layers.preflight.loss_call import LossCall
from gradwidgets.core.layers.preflight.run import preflight, together

__all__ = ["Entry", "LossCall", "Warned", "batch_findings", "preflight", "reconsidered", "together"]
