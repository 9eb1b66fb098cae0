"""One pass forward and backward through a model, measured without changing it."""

import math
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.utils import _pytree as pytree

from gradwidgets.core.layers.axes.ahead import ahead_in
from gradwidgets.core.layers.axes.along_samples import Along
from gradwidgets.core.layers.axes.bags import of_bags
from gradwidgets.core.layers.axes.drowned import drowned
from gradwidgets.core.layers.axes.mixing import mixed_in
from gradwidgets.core.layers.axes.padding_read import padding_read
from gradwidgets.core.layers.axes.pooled import pooled_in, pools_of
from gradwidgets.core.layers.axes.scrambled import place_of, scrambles
from gradwidgets.core.layers.axes.shares_across import across_samples, shares_of
from gradwidgets.core.layers.axes.unread import PICKS, unread_in
from gradwidgets.core.layers.batchwise.always_dropped import always_dropped
from gradwidgets.core.layers.batchwise.gates import gates
from gradwidgets.core.layers.batchwise.suspects import Suspects, suspects_in, told_of
from gradwidgets.core.layers.causes.asked import without_asked
from gradwidgets.core.layers.causes.drawn import drawn_in
from gradwidgets.core.layers.causes.following import cuts_of, stops_of
from gradwidgets.core.layers.causes.in_place import told_in_place
from gradwidgets.core.layers.causes.same_outputs import same_in
from gradwidgets.core.layers.causes.single_parameters import apart, causes_of, put_to_layers
from gradwidgets.core.layers.causes.smoothing import smoothed_in
from gradwidgets.core.layers.causes.softmax_rows import ATTENTION, SOFTMAX
from gradwidgets.core.layers.causes.stay_alike import copies_in
from gradwidgets.core.layers.causes.unlisted import unlisted, with_makers
from gradwidgets.core.layers.causes.zeroed import drops_all, zeroed_in
from gradwidgets.core.layers.codes.straight_residuals import straight_residuals
from gradwidgets.core.layers.misuse.added_masks import added_masks, may_add_masks
from gradwidgets.core.layers.misuse.attention_masks import MASK
from gradwidgets.core.layers.misuse.constant_codes import constant_codes
from gradwidgets.core.layers.misuse.heavy_dropout import heavy_dropouts
from gradwidgets.core.layers.misuse.kernels import kernels_in
from gradwidgets.core.layers.misuse.linear_chains import linear_chains
from gradwidgets.core.layers.misuse.lone_softmax import LONE, with_line
from gradwidgets.core.layers.misuse.loss_views import of_order, views_in
from gradwidgets.core.layers.misuse.misused import LOOKED_AT, of_axes, of_graph
from gradwidgets.core.layers.misuse.operation import Operation
from gradwidgets.core.layers.misuse.own_backwards import own_backwards, own_functions
from gradwidgets.core.layers.misuse.place_codes import place_codes, sums_of
from gradwidgets.core.layers.misuse.repeated import repeated_in
from gradwidgets.core.layers.misuse.softmax_axes import AXIS
from gradwidgets.core.layers.norms.large_epsilons import large_epsilons
from gradwidgets.core.layers.norms.step_channels import step_channels
from gradwidgets.core.layers.origin import origin_of, origin_of_bad_gradient
from gradwidgets.core.layers.origin.in_pass import unless_written
from gradwidgets.core.layers.passes.half_precision import overflows_in, rounded_in
from gradwidgets.core.layers.passes.passes import (
    FlowError,
    Subject,
    hooks_in_words,
    quietly,
    run,
    without_gradient_hooks,
)
from gradwidgets.core.layers.passes.poisoned import unread_rows
from gradwidgets.core.layers.passes.reduce import Norms, Reducer
from gradwidgets.core.layers.passes.rows import Row, mark_spare, rows_of, shared_names
from gradwidgets.core.layers.passes.stats import LayerFlow
from gradwidgets.core.layers.passes.tracking import Tracked, names_by_id
from gradwidgets.core.layers.passes.underflow import underflowing
from gradwidgets.core.layers.passes.watch import Watch
from gradwidgets.core.layers.preflight import Glance, Look
from gradwidgets.core.layers.preflight.reading import left_out, named_tensors
from gradwidgets.core.layers.recurrent.time_gradients import gradients_along_time
from gradwidgets.core.layers.recurrent.unread_states import unread_states
from gradwidgets.core.layers.recurrent.unused_states import unused_states
from gradwidgets.core.layers.scores.cosines_across import ACROSS, across
from gradwidgets.core.layers.scores.equal_scores import always_equal, equal_shares
from gradwidgets.core.layers.scores.hidden_softmaxes import between_layers
from gradwidgets.core.layers.scores.kept_scores import SHARED, kept_alone
from gradwidgets.core.layers.scores.lone_keys import lone_keys
from gradwidgets.core.layers.scores.masked_scores import masked_by_zero
from gradwidgets.core.layers.scores.softmax_twice import TWICE, taken_twice
from gradwidgets.core.layers.scores.temperatures import cold
from gradwidgets.core.layers.summary import Measured, summarise
from gradwidgets.core.layers.weights.between_passes import kept_graphs, made_anew, states_of
from gradwidgets.core.layers.weights.by_weights import gradients_by_weights
from gradwidgets.core.layers.weights.clipped_weights import clipped
from gradwidgets.core.layers.weights.one_memory import in_one_memory
from gradwidgets.core.layers.weights.plain_tensors import plain_tensors
from gradwidgets.core.layers.weights.squashes import squashed
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.subject.collection import NoCollection
from gradwidgets.core.subject.home import at_home

_WITH_LINE = (LONE, AXIS, TWICE, ACROSS)  # findings that another forward pass completes with file and line
# Norm of the gradients by the weights up to which the loss itself is tested for a slope.
FAINT = 1e-7


@at_home
def layer_flow(model: nn.Module, inputs: object, targets: object, loss_fn: Callable[..., Any]) -> LayerFlow:
    """Run a model forward and backward once, and measure every layer.

    A copy of the model runs. The model itself stays bit-identical, even if something fails or is interrupted, and
    `certificate` proves it: whatever the pass changes outside of the copy is restored. The copy runs in the model's
    current mode, on copies of `inputs` and `targets`, with the model's own forward hooks; hooks on gradients (of
    tensors and modules) do not run, and `notes` says so.

    Args:
        model: Any module. One that is compiled, or wrapped in DataParallel, is measured as the module inside.
        inputs: A tuple is passed as `model(*inputs)`, a mapping as `model(**inputs)`, anything else as
            `model(inputs)`.
        targets: The second argument of the loss.
        loss_fn: `loss_fn(model's output, targets)` returns a tensor of one real number.

    Returns:
        The measurements. Modules that own parameters directly and torch's activation modules have a row each;
        activations that are called as functions (`F.relu`) have none.

    Raises:
        TypeError: `model` is not a module, or `loss_fn` is not callable.
        FlowError: (a ValueError) The model or the loss raised, or the loss is not a tensor of one real number.
    """
    return flow_of(Subject.of(model, inputs, targets, loss_fn))


@at_home
def flow_of(subject: Subject, *, own: bool = False, known: bool = False) -> LayerFlow:
    """Run `layer_flow` of a checked subject.

    Args:
        subject: Model, batch and loss.
        own: Whether the model was made by this package for this one use, so that it need not be copied.
        known: Whether the batch and the loss were made by this package too, so that no fault is searched for in them.
    """
    subject.notes += hooks_in_words(subject.model)
    look = _measure_plainly if known else partial(_measure_fully, given=None if own else subject)
    with NoCollection() as block, block:
        found, certificate = subject.looked_at(look, own=own)
        found.unlisted = with_makers(subject.model, found.unlisted)
        with quietly(subject.light) as quiet, quiet.again():
            return summarise(found, certificate, subject.notes)


def _measure_fully(subject: Subject, given: Subject | None) -> Measured:
    """Measure one pass, then run further passes where its results call for them."""
    look = Look(subject, *subject.batch())
    try:
        found = _measure(subject, look)
    except FlowError as error:
        told = told_in_place(subject, error)
        if told is None:
            raise
        raise told from error.__cause__
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the first pass has given these warnings already
        return _run_further_passes(subject, found, given)


def _run_further_passes(subject: Subject, found: Measured, given: Subject | None) -> Measured:
    """Add what only further passes can find, each run only if the first pass has a symptom."""
    if found.unlisted:
        found.unlisted = tuple(without_asked(subject, found.unlisted))
    unreached = [row for row in found.rows if _is_unreached(row, found)]
    cuts = cuts_of(subject, unreached) if any(row.calls or "weight" not in row.own for row in unreached) else {}
    for row in unreached:
        row.cut = cuts.get(row.name)
    gradients = _sizes(found.norms, found.numbers)
    found.parameters = put_to_layers(found.rows, dict(causes_of(subject, *apart(found.rows, gradients))))
    if not math.isfinite(found.loss):
        found.culprit = unless_written(origin_of(subject), given)
    elif not found.is_finite:
        found.culprit = unless_written(origin_of_bad_gradient(subject), given)
    found.mixed = mixed_in(subject, found.output, found.views, (*found.along, *_across_samples(found.operations)))
    if math.isfinite(found.loss):
        found.same = same_in(subject, found.output, found.graph.waiting if found.graph else ())
        found.operations += smoothed_in(subject, found.output)
    found.operations += left_out(place_codes)(subject, found.output, found.added)
    if math.isfinite(found.loss):
        found.operations += left_out(unread_in)(subject, found.output, found.picks)
        found.operations += left_out(ahead_in)(subject)
        found.operations += left_out(pooled_in)(subject, found.output, found.pools) if found.pools else []
        found.operations += told_of(subject, found.output, found.suspects)
        found.operations += left_out(padding_read)(subject, found.output)
        if not found.mixed:
            found.operations += left_out(across_samples)(subject, found.output, left_out(shares_of)(found.output))
    found.output = None
    found.operations += left_out(own_backwards)(subject, found.own) if found.own else []
    if found.draws:
        draws = drawn_in(subject)
        found.drawn = draws.cutting
        found.operations += left_out(always_dropped)(subject) if draws.drops else []
        found.operations += draws.states
    if found.half:
        overflows = left_out(overflows_in)(subject)
        found.operations += overflows
        if not overflows and found.zeros:
            found.underflowing = underflowing(subject, found.zeros)
        elif not overflows:
            found.operations += left_out(rounded_in)(subject, found.rows)
    if found.zeros and not _waits(found):
        found.stops = stops_of(subject, found.zeros)
    if found.zeros and (not _waits(found) or drops_all(subject.model)):
        found.zeroed = zeroed_in(subject)
        if not found.zeroed:
            others = [one for one in found.zeros if one.name not in found.stops]
            for row in left_out(unread_rows)(subject, others, found.graph):
                row.unread = True
    if found.sums and not any(one.name == MASK for one in found.operations):
        found.operations += left_out(added_masks)(subject)
    if found.equal and not any(one.name == MASK for one in found.operations):
        found.operations += left_out(always_equal)(subject, found.equal, found.rows, gradients)
    if found.scrambling:
        found.operations.append(of_axes(found.scrambling[0], *place_of(subject, found.scrambling[0])))
    elif found.turned:
        found.operations.append(of_axes(found.turned[0], *place_of(subject, found.turned[0]), in_loss=True))
    found.operations = [with_line(subject, one) if one.name in _WITH_LINE else one for one in found.operations]
    found.operations += left_out(unread_states)(found.rows, {key: bool(size) for key, size in gradients.items()})
    found.operations += left_out(unused_states)(subject, found.rows, gradients)
    found.operations += [*left_out(large_epsilons)(subject), *left_out(plain_tensors)(subject)]
    found.operations += [*left_out(repeated_in)(subject.model), *left_out(kernels_in)(found.rows)]
    if found.graph is not None:
        found.operations += left_out(linear_chains)(subject.model, found.graph)
        found.operations += left_out(heavy_dropouts)(subject.model, found.graph)
        found.operations += left_out(step_channels)(subject.model, found.graph)
        found.operations += left_out(squashed)(subject, found.graph)
    found.along_time = gradients_along_time(subject)
    return found


def _measure_plainly(subject: Subject) -> Measured:
    found = _measure(subject, Glance(subject, *subject.batch()))
    if not math.isfinite(found.loss):
        found.culprit = origin_of(subject)
    return found


def _measure(subject: Subject, look: Look | Glance) -> Measured:
    model, inputs, notes = subject.model, look.inputs, subject.notes
    rows = rows_of(model)
    for row, key, owner in shared_names(rows):
        row.note(f"{key} is shared with {owner}, and so is its gradient")
    watch, states = Watch(model, rows), states_of(model)
    with without_gradient_hooks(model):
        with watch:
            watch.weights()
            output = look.at_model(lambda: run("the model", model, inputs, model))
            watch.forward_done = True
            loss = look.at_loss(output)
            watch.weights()
            names = names_by_id(model.named_parameters())
            tracked = Tracked(loss, watch.calls, names)
            slopes = tracked.activations() if look.looks else []
            looked_at = tracked.operations(LOOKED_AT) if look.looks else []
            operations = _at_operations(looked_at, look, names) if isinstance(look, Look) else []
            sums = may_add_masks(one for one in looked_at if one.name in SOFTMAX)
            compared = (tracked.of_loss(), _tensors(look.targets)) if look.looks else ([], [])
            operations += left_out(of_order)(*compared)
            lone = [tracked.vertex_of(one) for one in left_out(lone_keys)(looked_at)]
            operations += _of_scores(looked_at, tracked, names) if look.looks else []
            equal = left_out(equal_shares)(looked_at)
            pools = left_out(pools_of)(tracked.of_model()) if look.looks else []
            suspects = suspects_in(tracked, model, look.inputs) if look.looks else Suspects()
            watch.place(tracked.vertex_of)
            tracked.watch(watch.gradients_at)
            watch.way_back()
            leaves = tracked.leaves
            gradients = look.at_gradients(
                lambda: gradients_by_weights(loss, rows, inputs, [tensor for tensor, _ in leaves], notes), watch.calls
            )
        watch.gradients(gradients)
        value = float(loss.detach())
    watch.numbers.read()
    mark_spare(model, rows)
    graph = tracked.graph(watch.gradients_at, watch.numbers, watch.norms)
    given = _tensors((inputs, look.targets))
    missed = unlisted(model, leaves, [*model.parameters(), *given]) if look.looks else ()
    reaches = any(not size <= FAINT for size in _sizes(watch.norms, watch.numbers).values() if size is not None)
    said = tuple(look.findings(loss, reaches=reaches))
    seen = Measured(rows, watch.numbers, watch.norms, value, model.training, graph, tuple(missed), slopes, said)
    if isinstance(look, Look):
        seen.output, seen.views = output, (*tracked.views(), *look.taken())
        seen.operations += operations
        seen.lone_keys = tuple(one for one in lone if one is not None)
        seen.operations += [*_of_weights(seen, gradients), *left_out(made_anew)(rows, dict(model.named_parameters()))]
        seen.operations += [*left_out(in_one_memory)(model), *left_out(kept_graphs)(model, states, leaves)]
        seen.scrambling = [*(one for one in look.taken() if scrambles(*one)), *tracked.scrambling()]
        seen.turned = left_out(views_in)(*compared)
        seen.half = tracked.is_half()
        seen.own = left_out(own_functions)(tracked.nodes())
        seen.draws = look.drew()
        seen.sums = sums
        seen.picks, seen.pools = left_out(tracked.picks)(PICKS), pools
        seen.added = left_out(sums_of)(tracked.sums())
        seen.along = (*look.steps_first(), *tracked.along_samples(), *left_out(gates)(looked_at, tracked.nodes()))
        seen.operations += left_out(straight_residuals)(tracked.nodes())
        seen.suspects, seen.equal = suspects, equal
    return seen


def _across_samples(operations: list[Finding]) -> list[Along]:
    """Return softmaxes of matrices along the first axis, whose shares weight the entries of the second."""
    axes = [one.evidence for one in operations if one.name == AXIS and not one.evidence["axis"]]
    return [Along("softmax", "softmax", tuple(one["shape"])) for one in axes if len(one["shape"]) == 2]


def _at_operations(operations: list[Operation], look: Look, names: Mapping[int, str]) -> list[Finding]:
    given = list(named_tensors(look.inputs, "inputs"))
    return of_graph(operations, look.masks(), look.hiding(), given, names)


def _of_scores(operations: list[Operation], tracked: Tracked, names: Mapping[int, str]) -> list[Finding]:
    """Check attention scores, bags and positional encodings, while the graph still has its saved tensors."""
    nodes, softmaxes = tracked.nodes(), [one for one in operations if one.name in SOFTMAX and one.name != ATTENTION]
    checks = (masked_by_zero, cold, between_layers, taken_twice) if softmaxes else ()
    found = [told for check in checks for told in left_out(check)(softmaxes, nodes)]
    found += left_out(kept_alone)([one for one in operations if one.name in SHARED], nodes, names)
    found += [*left_out(of_bags)(tracked.bags()), *left_out(across)(tracked.products())]
    sums = tracked.sums()
    return found + left_out(drowned)(sums, nodes) + left_out(constant_codes)(sums, names)


def _of_weights(found: Measured, gradients: Mapping[int, Tensor]) -> list[Finding]:
    """Check the weights' values: copies of each other, or clipped."""
    sizes = {key: found.numbers[norms.weight][0] for key, norms in found.norms.items()}
    copies = left_out(copies_in)(found.rows, sizes, gradients, found.graph)
    return copies + left_out(clipped)(found.rows, found.graph)


def _sizes(norms: Mapping[int, Norms], numbers: Reducer) -> dict[int, float | None]:
    """Return the norms of the gradients by parameters, by the parameters' ids; None for those without a gradient."""
    return {key: None if one.gradient is None else numbers[one.gradient][0] for key, one in norms.items()}


def _is_unreached(row: Row, found: Measured) -> bool:
    """Whether a layer requires a gradient, and none came to its parameters."""
    own = [one for one in row.own.values() if id(one) in found.norms]
    return any(one.requires_grad for one in own) and all(found.norms[id(one)].gradient is None for one in own)


def _waits(found: Measured) -> bool:
    """Whether weights that start at 0 explain gradients of 0, which end with the next step, without a further pass."""
    return found.graph is not None and any("bias" not in name for name in found.graph.waiting)


def _tensors(values: object) -> list[Tensor]:
    return [one for one in pytree.tree_leaves(values) if isinstance(one, Tensor)]
