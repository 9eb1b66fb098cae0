"""Suspicious operations in the graph of a pass that need further passes: of batches, rows, position codes."""

from typing import NamedTuple

from torch import nn

from gradwidgets.core.layers.batchwise.momenta import momenta
from gradwidgets.core.layers.batchwise.pooled_gates import POOLS, Pool, pooled_together, pools_taken
from gradwidgets.core.layers.batchwise.rows_apart import rows_apart
from gradwidgets.core.layers.batchwise.steps_apart import among_heads, steps_apart
from gradwidgets.core.layers.batchwise.whole_batch import Whole, whole_batches, whole_in
from gradwidgets.core.layers.causes.softmax_rows import SOFTMAX
from gradwidgets.core.layers.codes.one_row import may_take_one_row, one_row
from gradwidgets.core.layers.passes.passes import Subject
from gradwidgets.core.layers.passes.tracking import Tracked
from gradwidgets.core.layers.preflight.reading import left_out, tried
from gradwidgets.core.results.finding import Finding

_NORMING = ("div", "mul", "native_layer_norm")


class Suspects(NamedTuple):
    """Operations that may be wrong.

    Attributes:
        whole: Tensors that are divided by a single number computed from all of the tensor.
        tables: Whether a sum may add one row of a table at all places.
        heads: Attention that may be among heads, by place and shape.
        pools: Pools over a first axis and others whose output is a layer's input.
    """

    whole: tuple[Whole, ...] = ()
    tables: bool = False
    heads: tuple[tuple[str, tuple[int, ...]], ...] = ()
    pools: tuple[Pool, ...] = ()


def suspects_in(tracked: Tracked, model: nn.Module, inputs: object) -> Suspects:
    """Return the suspicious operations of a pass, from its graph."""
    own = tracked.operations((*_NORMING, *SOFTMAX, *POOLS))
    norming = [(one.node, one.place) for one in own if one.name in _NORMING]
    pools = [one for one in own if one.name in POOLS]
    return Suspects(
        tuple(left_out(whole_batches)(norming, tracked.of_loss())),
        tried(may_take_one_row, bool)(tracked.sums(), model),
        tuple(left_out(among_heads)([one for one in own if one.name in SOFTMAX], inputs)),
        tuple(left_out(pools_taken)(pools, tracked.nodes())) if pools else (),
    )


def told_of(subject: Subject, output: object, suspects: Suspects) -> list[Finding]:
    """Check suspicious operations by further passes.

    Args:
        subject: A copy of the model, which runs.
        output: The model's output.
        suspects: The suspicious operations of the first pass.
    """
    found = left_out(one_row)(subject, output) if suspects.tables else []
    found += left_out(whole_in)(subject, output, suspects.whole) if suspects.whole else []
    found += left_out(steps_apart)(subject, output, suspects.heads) if suspects.heads else []
    found += left_out(pooled_together)(subject, output, suspects.pools) if suspects.pools else []
    return [*found, *left_out(rows_apart)(subject, output), *left_out(momenta)(subject.model)]
