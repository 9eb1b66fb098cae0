"""A learned weight without a bound, which only makes the rest of the loss count less."""

import torch

from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.slices import finish
from gradwidgets.core.results.wording import place
from gradwidgets.core.surfaces.patterns.ends.descents import Descents
from gradwidgets.core.surfaces.patterns.look import Look

_SAME = 1e-7  # of the largest singular value: the others are smaller if one parameter is only a factor of the rest
_VARIES = 0.1  # of its largest value: if the rest varies by less over the view, it counts as a number
_BEYOND = (0.5, 1.0, 2.0, 4.0)  # widths of the view beyond its edge
_HOLD = (
    "The error is not made small, it is made to count for nothing. What weighs an error and is learned needs a term "
    "that holds it: exp(−s) · L + s, or L / 2σ² + log σ, as in a likelihood. A weight that is not to be learned "
    "belongs "
    'into fixed. If it is meant, allow it: allow=["no_bottom"].'
)


def weighed_away(look: Look) -> Finding | None:
    """A loss g(s) · f(x), plus terms without s, that falls as s goes beyond the view."""
    descents = look.descents
    if look.grid.y is None or not look.known or look.view.slow or descents is None or not len(descents.ends):
        return None
    lowest = int(descents.losses.argmin())
    blocked = descents.blocked(look.view)[lowest].nonzero().flatten().tolist()
    if len(blocked) != 1 or not bool(look.lattice.finite.all()) or not _is_factor(look, blocked[0]):
        return None
    axis, end = blocked[0], descents.ends[lowest]
    out = -float(descents.gradients[lowest, axis].sign())
    if not _falls_on(look, descents, axis, out):
        return None
    weight, rest = look.names[axis], look.names[1 - axis]
    return Finding(
        "no_bottom",
        "warning",
        f"{weight} does nothing but weigh what {rest} makes of the loss, and the loss falls as {weight} "
        f"{'grows' if out > 0 else 'falls'}, on beyond {place(look.names, end.tolist())}, at the edge of the view",
        {"weighs": weight, "of": rest},
        tuple(end.tolist()),
        _HOLD,
    )


def _is_factor(look: Look, axis: int) -> bool:
    """Whether the loss changes along an axis by the same curve everywhere, times a number above 0."""
    losses = look.lattice.loss.reshape(look.lattice.count, look.lattice.count)
    losses = losses if axis == 1 else losses.T
    changes = losses - losses[:, :1]
    first = changes[:, [changes.shape[1] // 2, -1]]  # two columns first: they rule out most losses
    if float(torch.linalg.det(first.T @ first).abs()) > _SAME * float((first.T @ first).diagonal().prod()):
        return False
    left, sizes, _ = torch.linalg.svd(changes)
    if not float(sizes[1]) <= _SAME * float(sizes[0]):
        return False
    rest = left[:, 0] * left[:, 0].sum().sign()
    inside = 0 < int(rest.argmin()) < len(rest) - 1
    return inside and bool((rest > 0).all()) and float(rest.max() - rest.min()) > _VARIES * float(rest.max())


def _falls_on(look: Look, descents: Descents, axis: int, out: float) -> bool:
    """Whether the loss keeps falling along an axis beyond the end of the lowest descent."""
    lowest = int(descents.losses.argmin())
    places = descents.ends[lowest].repeat(len(_BEYOND), 1)
    places[:, axis] += out * look.spans[axis] * torch.tensor(_BEYOND, dtype=torch.float64)
    losses, _ = finish(look.view.at(places, gradient=False))
    falls = -torch.cat([descents.losses[lowest, None], losses]).diff()
    return bool(losses.isfinite().all()) and bool((falls >= 0).all()) and float(falls[0]) > 0
