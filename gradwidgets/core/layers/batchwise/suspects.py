"""What is seen in the graph of a pass, and what only further passes tell of it: of batches, rows and codes of places."""

from typing import NamedTuple

from torch import nn

from gradwidgets.core.layers.batchwise.rows_apart import rows_apart
from gradwidgets.core.layers.batchwise.whole_batch import Whole, whole_batches, whole_in
from gradwidgets.core.layers.codes.one_row import may_take_one_row, one_row
from gradwidgets.core.layers.passes.passes import Subject
from gradwidgets.core.layers.passes.tracking import Tracked
from gradwidgets.core.layers.preflight.reading import left_out
from gradwidgets.core.results.finding import Finding

_NORMING = ("div", "mul", "native_layer_norm")


class Suspects(NamedTuple):
    """What may be wrong.

    Attributes:
        whole: What is normalised by a number of all of it.
        tables: Whether a sum may take one row of a table for all places.
    """

    whole: tuple[Whole, ...] = ()
    tables: bool = False


def suspects_in(tracked: Tracked, model: nn.Module) -> Suspects:
    """What a pass has to be asked for further, from its graph."""
    own = [(one.node, one.place) for one in tracked.operations(_NORMING)]
    whole = left_out(whole_batches)(own, tracked.of_loss())
    return Suspects(tuple(whole), bool(left_out(may_take_one_row)(tracked.sums(), model)))


def told_of(subject: Subject, output: object, suspects: Suspects) -> list[Finding]:
    """What further passes tell.

    Args:
        subject: A copy that may run.
        output: What the model gave.
        suspects: Those of the pass.
    """
    found = left_out(one_row)(subject, output) if suspects.tables else []
    found += left_out(whole_in)(subject, output, suspects.whole) if suspects.whole else []
    return found + left_out(rows_apart)(subject, output)
