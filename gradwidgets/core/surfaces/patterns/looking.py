"""The work that fills in a `Look`, in slices: what several patterns need, within a limit of time."""

from collections.abc import Iterable

import torch
from torch import Tensor

from gradwidgets.core.losses.loss_call import LossError
from gradwidgets.core.results.slices import Slices, part_of
from gradwidgets.core.surfaces.critical_points import finding_critical_points
from gradwidgets.core.surfaces.patterns.ends.descents import Descents, descending
from gradwidgets.core.surfaces.patterns.ends.of_note import ENDS, places_of_note, target_point
from gradwidgets.core.surfaces.patterns.ends.rings import without_tips
from gradwidgets.core.surfaces.patterns.in_view import finite
from gradwidgets.core.surfaces.patterns.kinked_minima import settling_kinks
from gradwidgets.core.surfaces.patterns.look import Look
from gradwidgets.core.surfaces.patterns.precision.training_precision import training_trouble
from gradwidgets.core.surfaces.patterns.singular.zoom import Close, around, looking_closer, polishing

_ROUNDING = 1e-9  # of the height: if a loss is hardly ever steeper, all of its critical points are rounding
_ENDS, _KINKS = 3, 4  # how many ends of descents and kinks are looked at closely


def looking(look: Look) -> Slices[None]:
    """Find the critical points and compute what several patterns need, in slices."""
    if not look.known:
        return
    yield from part_of(look.sampling(), 0.0, 0.05)
    precision, first = f"a look at {str(look.dtype).removeprefix('torch.')}", look.time.limited
    if first:
        asked = look.dtype != torch.float32
        yield from part_of(look.time.within(precision, _looking_at_training(look), asked), 0.05, 0.0)
    look.descents = yield from part_of(look.time.within("descents", descending(look.view)), 0.05, 0.4)
    close = yield from part_of(
        look.time.within("a closer look between the points", looking_closer(look.view)), 0.45, 0.2
    )
    look.close = close or Close()
    for name in ("lowest", "height", "floor"):
        look.__dict__.pop(name, None)  # they may have been computed before
    if look.descents is not None:
        work = look.time.within("a look at where descents end", _looking_at_ends(look, look.descents))
        yield from part_of(work, 0.65, 0.05)
    if look.steep > _ROUNDING * look.height:
        yield from part_of(look.time.within("critical points", _finding_critical(look)), 0.7, 0.095)
    yield from part_of(look.time.within("places of note", _looking_at_places_of_note(look)), 0.795, 0.005)
    # The values of the cached properties of these names, which would compute them all at once.
    look.spike = look.single = look.compared = None
    if look.height:
        look.spike = yield from look.time.within("a look for spikes", look.searching_spike())
    if look.spike is None:
        look.fall = yield from look.time.within("a look beyond the edges", look.searching_fall())
    yield from part_of(look.time.within("a comparison with central differences", _checking_gradients(look)), 0.8, 0.15)
    if not first:
        yield from part_of(look.time.within(precision, _looking_at_training(look)), 0.95, 0.05)


def _finding_critical(look: Look) -> Slices[None]:
    # Where much ground is flat, a gradient of zero is no critical point.
    flat = look.dead.still | (look.finite & (look.slope == 0))
    usable = look.finite & ~flat if look.share(flat) > 0.01 else look.finite
    work = finding_critical_points(look.grid, look.function, usable, look.steep)
    found = yield from part_of(work, 0.0, 0.95)
    found = yield from without_tips(look.view, found, look.steep)
    if look.descents is not None:
        cell = look.spans / (look.grid.loss.shape[-1] - 1)
        settling = settling_kinks(look.view, found, look.descents, cell, look.floor)
        found = yield from part_of(settling, 0.95, 0.05)
    look.critical = found
    look.__dict__.pop("lowest", None)


def _places_of_note_in(look: Look, starts: Iterable[Tensor] = ()) -> Tensor:
    ends = [torch.tensor(one.point, dtype=torch.float64) for one in look.critical if one.kind == "minimum"][:ENDS]
    if look.descents is not None:
        ends += list(look.descents.ends[look.descents.losses.argsort()[:ENDS]])
    return places_of_note(look.bounds, ends, [*starts, *target_point(look.wanted, look.names)])


def _looking_at_places_of_note(look: Look) -> Slices[None]:
    """Evaluate the loss exactly at minima and at round numbers: it may be 0 / 0 there, and finite beside them."""
    places = _places_of_note_in(look)
    loss, gradient = yield from look.view.at(places)
    inside = ((places >= look.view.low) & (places <= look.view.high)).all(-1)
    look.close.bad += list(places[inside & ~finite(loss, gradient)])


def _looking_at_ends(look: Look, descents: Descents) -> Slices[None]:
    """Look closely at the lowest ends of descents and at kinks, where losses are often singular."""
    if look.view.slow or not len(descents.ends):
        return
    seen: list[Tensor] = []
    for end in descents.ends[descents.losses.argsort()]:
        if all(bool(((end - other).abs() > 0.02 * look.spans).any()) for other in seen):
            seen.append(end)
        if len(seen) == _ENDS:
            break
    for point in [*seen, *look.close.kinks[:_KINKS]]:
        bad, smooth = yield from around(look.view, point)
        if bad is None and not smooth:
            bad = yield from polishing(look.view, point)
        if bad is not None:
            look.close.bad.append(bad)
            return


def _looking_at_training(look: Look) -> Slices[None]:
    lattice = look.lattice
    if not bool(lattice.finite.any()):
        return
    sound = bool(lattice.finite.all()) and not look.close.bad
    try:
        look.trouble = yield from training_trouble(
            look.view,
            look.own,
            look.dtype,
            lattice.points,
            look.floor,
            look.height,
            beside=_places_of_note_in(look, look.starts.values()),
            sound=sound,
        )
    except LossError as error:
        look.untried = str(error)


def _checking_gradients(look: Look) -> Slices[None]:
    look.single = yield from part_of(look.gradient_in_float32(), 0.0, 0.3)
    look.compared = yield from part_of(look.comparing(), 0.3, 0.7)
