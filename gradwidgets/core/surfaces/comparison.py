"""Compares two losses on the same axes: how their gradients differ, and what else does, in words."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gradwidgets.core.results.result import Result
from gradwidgets.core.results.wording import number, percent, place
from gradwidgets.core.subject.home import at_home
from gradwidgets.core.surfaces.patterns import Survey
from gradwidgets.core.surfaces.patterns.flat.ground import DEAD_SHARE, dead_share
from gradwidgets.core.surfaces.patterns.look import Look
from gradwidgets.core.surfaces.patterns.singular.lines import on_lines, singular_lines
from gradwidgets.core.surfaces.surface import SurfaceGrid

STARVED = 0.1  # of a parameter's median gradient: below, it hardly moves
NOTABLE = 0.02  # of the view: shares that differ by less are not worth a sentence
NEAR, AGAINST = 30.0, 90.0  # degrees
SAME = 1.0  # degrees: gradients within it have the same direction
ALL = 0.999  # of the view counts as all of it
APART = 2.0  # cells: lowest points within it are the same
EVEN = 1.25  # high over low ratio of two gradients' sizes: up to it one number describes them
ALIKE = 1.05  # times: sizes within it are the same

_ONE_WAY = "the two have the same gradient direction"


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Result):
    """The differences between two losses.

    Attributes:
        angle: The angle between the two gradients in the parameters' plane, in degrees from 0 to 180, of the losses'
            shape; 0 or 180 for curves. NaN where either gradient is zero, or a loss or gradient is not finite.
        names: The losses' names.
        sentences: The differences in words, at least one sentence.
        ratio: How many times as large as the first loss's gradient the second's is, both by their length in the
            parameters' plane: the median over the points where there is an angle, so that a pole does not matter. NaN
            if there is none.
        ratio_low: The lower quartile of these ratios.
        ratio_high: Their upper quartile.
    """

    angle: Tensor
    names: tuple[str, str]
    sentences: tuple[str, ...]
    ratio: float = math.nan
    ratio_low: float = math.nan
    ratio_high: float = math.nan

    def __str__(self) -> str:
        """The differences, one per line."""
        return "\n".join([f"{self.names[0]} beside {self.names[1]}:", *(f"  {one}" for one in self.sentences)])


@at_home
def compare_surfaces(
    first: SurfaceGrid,
    second: SurfaceGrid,
    *,
    names: tuple[str, str],
    surveys: Mapping[str, Survey] | None = None,
) -> Comparison:
    """Compare two losses of the same parameters.

    Args:
        first: A surface or a curve.
        second: Another over the same axes, at the same points.
        names: Their names, which must differ.
        surveys: Name → a survey of that loss, so that it need not be done again.

    Returns:
        The angle between their gradients, the ratio of their sizes, and the differences in words: dead ground,
        parameters that hardly move, where they are not finite or singular, how far the gradients agree in direction and
        size, and the lowest points. The angle and the sentence about it do not depend on a loss's scale, nor on a
        constant added to it.

    Raises:
        ValueError: The axes or their points differ, or there are not two different names.
    """
    given = tuple(names)
    if len(given) != 2 or given[0] == given[1]:
        raise ValueError(f"names must be two different ones; got {given!r:.80}")
    names = given[0], given[1]
    _check_same_axes(first, second)
    known = surveys or {}
    looks = {
        name: known[name].look if name in known else Look(grid)
        for name, grid in zip(names, (first, second), strict=True)
    }
    angle = _angle(first.gradient, second.gradient)
    angle[~(looks[names[0]].finite & looks[names[1]].finite)] = math.nan
    finite = torch.stack([look.finite for look in looks.values()]).all(0)
    both = angle.isfinite()
    ratios = _ratios(first.gradient[both], second.gradient[both])
    if _same(first.loss, second.loss) and _same(first.gradient, second.gradient):
        return Comparison(angle, names, (f"the two are the same loss {_everywhere(finite)}",), *_quartiles(ratios))
    lines = {name: singular_lines(look.grid) for name, look in looks.items()}
    direction, scaled = _direction(angle, finite), ""
    if direction.startswith(_ONE_WAY):
        scaled = _multiple(ratios, names, same=_same(first.loss[both], second.loss[both]))
    said = [
        _dead_ground(looks),
        *_without_gradient(looks),
        *_singular_places(looks, lines),
        direction + scaled,
        "" if scaled else _sizes(ratios, names, _view(both)),
        _lowest(looks, lines),
    ]
    sentences = tuple(sentence for sentence in said if sentence)
    nothing = ("the two have a gradient in common nowhere in view",)
    return Comparison(angle, names, sentences or nothing, *_quartiles(ratios))


def gradient_angle(first: SurfaceGrid, second: SurfaceGrid) -> Tensor:
    """The angle between the gradients of two losses on the same axes, as in `Comparison`."""
    return _angle(first.gradient, second.gradient)


def _check_same_axes(first: SurfaceGrid, second: SurfaceGrid) -> None:
    for grid in (first, second):
        if not isinstance(grid, SurfaceGrid):
            raise TypeError(f"both must be surfaces, from sample_surface; got {type(grid).__name__}")
    if first.names != second.names:
        raise ValueError(f"axes differ: {', '.join(first.names)} and {', '.join(second.names)}")
    for name, one, other in zip(first.names, (first.x, first.y), (second.x, second.y), strict=False):
        if one is None or other is None:
            continue
        if one.shape != other.shape or not torch.equal(one, other):
            ends = [f"{len(side)} from {number(float(side[0]))} to {number(float(side[-1]))}" for side in (one, other)]
            raise ValueError(f"the points along {name} differ: {ends[0]} and {ends[1]}")


def _angle(one: Tensor, other: Tensor) -> Tensor:
    """The angle between vectors, (…, P) with P 1 or 2, in degrees."""
    # Scaled to length about 1 first, so that no product underflows or overflows.
    one, other = (vector / vector.abs().amax(-1, keepdim=True) for vector in (one, other))
    dot = (one * other).sum(-1)
    cross = torch.zeros_like(dot)
    if one.shape[-1] == 2:
        cross = one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]
    return torch.atan2(cross.abs(), dot).rad2deg()


def _same(one: Tensor, other: Tensor) -> bool:
    equal = (one == other) | (one.isnan() & other.isnan())
    if bool(equal.all()):
        return True
    finite = one.isfinite() & other.isfinite()
    if bool((~equal & ~finite).any()):
        return False
    size = float(one[finite].abs().max())
    return bool(((one - other)[finite].abs() <= 1e-12 * size).all())


def _dead_ground(looks: Mapping[str, Look]) -> str:
    shares = {}
    for name, look in looks.items():
        constant = look.height == 0 and bool(look.finite.any())
        shares[name] = 1.0 if constant else dead_share(look)
    less, more = sorted(shares, key=shares.__getitem__)
    if shares[more] - shares[less] < DEAD_SHARE:
        return ""
    if shares[less] == 0:
        return f"{percent(shares[more])} of the view is dead ground for {more}, nothing for {less}"
    return f"{percent(shares[more])} of the view is dead ground for {more}, {percent(shares[less])} for {less}"


def _without_gradient(looks: Mapping[str, Look]) -> list[str]:
    said: dict[str, list[str]] = {}
    for axis, parameter in enumerate(next(iter(looks.values())).names):
        shares, without = {}, []
        for name, look in looks.items():
            slopes = look.grid.gradient[look.finite][:, axis].abs()
            if not len(slopes):
                continue
            if not bool((slopes > 0).any()):
                without += [name] if look.steep else []  # without any gradient it is dead ground
            elif (usual := float(slopes.median())) > 0:
                shares[name] = float((slopes < (1 - 1e-9) * STARVED * usual).double().mean())
        if len(without) == 1:
            said.setdefault(f"no gradient reaches {{}} in {without[0]}", []).append(parameter)
        if len(shares) == 2:
            less, more = sorted(shares, key=shares.__getitem__)
            if shares[more] - shares[less] >= NOTABLE:
                other = f"in {percent(shares[less])}" if shares[less] else "nowhere"
                where = f"in {percent(shares[more])} of the view for {more}, {other} for {less}"
                sentence = f"the gradient for {{}} is under a tenth of its median {where}"
                said.setdefault(sentence, []).append(parameter)
    return [sentence.replace("{}", _listed(p)) for sentence, p in said.items()]


def _singular_places(looks: Mapping[str, Look], lines: Mapping[str, dict[str, tuple[float, ...]]]) -> list[str]:
    one, other = looks
    places = {
        name: [f"{parameter} = {number(value, 3)}" for parameter, values in lines[name].items() for value in values]
        for name in looks
    }
    rest = {name: ~look.finite & ~on_lines(look.grid, lines[name]) for name, look in looks.items()}
    said = []
    for name, look in looks.items():
        its = places[name]
        if its and its != places[other if name == one else one]:
            said.append(f"{name} is singular at {' and at '.join(its)}")
        if bool(rest[name].any()) and look.share(rest[one] != rest[other]) >= 0.001:
            spot = place(look.names, look.first(rest[name]))
            share = look.share(~look.lattice.finite) or look.share(rest[name])
            said.append(f"{name} is not finite in {percent(share)} of the view, for example at {spot}")
    return said


def _everywhere(finite: Tensor) -> str:
    return "everywhere in view" if bool(finite.all()) else "wherever both are finite"


def _view(both: Tensor) -> str:
    return "the view" if float(both.double().mean()) >= 0.95 else "the points where both have one"


def _direction(angle: Tensor, finite: Tensor) -> str:
    both = angle.isfinite()
    if not bool(both.any()):
        return ""
    angles = angle[both]
    near, against = (float(mask.double().mean()) for mask in (angles <= NEAR, angles > AGAINST))
    where = _everywhere(finite) if float(both[finite].double().mean()) >= 0.95 else "wherever both have one"
    view = _view(both)
    if float((angles < SAME).double().mean()) >= ALL:
        return f"{_ONE_WAY} {where}"
    if float((angles > 180 - SAME).double().mean()) >= ALL:
        return f"the gradients of the two are opposite {where}"
    if angle.ndim == 1:
        return f"the gradients of the two have opposite signs in {percent(against)} of {view}"
    if near >= ALL:
        return f"the gradients of the two are within 30° of each other {where}"
    opposed = f"in {percent(against)}" if against else "nowhere"
    return (
        f"the gradients of the two are within 30° of each other in {percent(near)} of {view}, against each other "
        f"(over 90°) {opposed}"
    )


def _ratios(first: Tensor, second: Tensor) -> Tensor:
    """The sizes of the second gradients relative to the first, ascending, (N,); gradients are (N, P), P 1 or 2."""
    # hypot squares nothing, so that no size underflows or overflows.
    sizes = [torch.hypot(*part.T) if part.shape[-1] == 2 else part[:, 0].abs() for part in (first, second)]
    return (sizes[1] / sizes[0]).sort().values


def _quantile(ordered: Tensor, share: float) -> float:
    """A quantile; between two numbers their geometric mean, so that reciprocals have reciprocal quantiles."""
    place = share * (len(ordered) - 1)
    low, high = float(ordered[math.floor(place)]), float(ordered[math.ceil(place)])
    return low if low == high else math.sqrt(low) * math.sqrt(high)


def _quartiles(ratios: Tensor) -> tuple[float, float, float]:
    """The median of sorted ratios, their lower and their upper quartile."""
    if not len(ratios):
        return math.nan, math.nan, math.nan
    median, low, high = (_quantile(ratios, share) for share in (0.5, 0.25, 0.75))
    return median, low, high


def _multiple(ratios: Tensor, names: tuple[str, str], *, same: bool) -> str:
    """A clause for gradients of which one is a multiple of the other; "" if it is not."""
    middle = _quantile(ratios, 0.5)
    if not _is_even(ratios, 0.01, 1 + 1e-6):
        return ""
    if abs(middle - 1) <= 1e-6:
        return ": there they are the same" if same else ": they differ by a constant"
    return f": {names[1] if middle > 1 else names[0]} is {number(max(middle, 1 / middle))} times as steep"


def _is_even(ratios: Tensor, share: float, most: float) -> bool:
    """Whether ratios differ by at most `most` times, without a share of the lowest and one of the highest."""
    low, high = _quantile(ratios, share), _quantile(ratios, 1 - share)
    return low > 0 and math.isfinite(high) and high / low <= most


def _sizes(ratios: Tensor, names: tuple[str, str], view: str) -> str:
    """How the sizes of the gradients differ, in a sentence; "" if there are none, or their ratios overflow."""
    median, low, high = _quartiles(ratios)
    if not (low > 0 and math.isfinite(high)):
        return ""
    one, other = names
    if not _is_even(ratios, 0.25, EVEN):
        span = f"{number(low, 2)} to {number(high, 2)} times in half of {view}"
        return f"the gradient of {other} is {_as_large(median)} as that of {one} at the median, {span}"
    about = "" if _is_even(ratios, 0.01, 1 + 1e-6) else "about "
    if 1 / ALIKE <= median <= ALIKE:
        said = f"the gradients of the two are {about}equally large"
    else:
        said = f"the gradient of {other} is {about}{_as_large(median)} as that of {one}"
    if _is_even(ratios, 0.05, EVEN):
        return said
    low, high = _quantile(ratios, 0.05), _quantile(ratios, 0.95)
    return f"{said} in half of {view}, {number(low, 2)} to {number(high, 2)} times in nine tenths of it"


def _as_large(ratio: float) -> str:
    """Say how many times as large something is; the sentence must go on with "as"."""
    text = number(ratio, 2)
    return {"1": "as large", "0.5": "half as large", "2": "twice as large"}.get(text, f"{text} times as large")


def _lowest(looks: Mapping[str, Look], lines: Mapping[str, dict[str, tuple[float, ...]]]) -> str:
    lowest = {}
    for name, look in looks.items():
        if look.height == 0:
            return ""
        low = look.finite & (look.grid.loss <= float(look.grid.loss[look.finite].min()) + 1e-9 * look.height)
        if bool((low & on_lines(look.grid, lines[name])).any()):
            return ""  # beside a pole there is no lowest point
        lowest[name] = look.grid.points[low]
    (one, a), (other, b) = lowest.items()
    look = looks[one]
    cells = look.spans / (torch.tensor(look.grid.loss.shape[::-1]) - 1)
    between = ((a[:400, None] - b[None, :400]) / cells).abs().amax(-1)
    if float(between.min()) <= APART:
        return ""
    spots = [place(look.names, points[0].tolist()) for points in (a, b)]
    return f"{one} is lowest at {spots[0]}, {other} at {spots[1]}"


def _listed(parameters: list[str]) -> str:
    first, *more = parameters
    return f"{first} (likewise {', '.join(more)})" if more else first
