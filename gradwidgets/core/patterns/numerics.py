"""Values that are not finite, gradients that float32 loses, that are cut off, or that are not the loss's."""

import torch

from gradwidgets.core.differences import MISMATCH, sharp
from gradwidgets.core.finding import Finding
from gradwidgets.core.loss_call import LossError
from gradwidgets.core.non_finite import blame
from gradwidgets.core.patterns.look import Look
from gradwidgets.core.wording import number, percent, place

LOST_SHARE = 0.01
MISMATCH_SHARE = 0.05
_REFUSED = "The loss refuses these points: keep the view, and the training, inside what it takes."
_FEWEST = 5  # points along an axis: fewer show no steps
_LOWEST_POINTS = 3


def non_finite(look: Look) -> Finding | None:
    """NaN or infinity in the loss or its gradient, with the operation that makes it."""
    bad = ~look.finite
    if not bool(bad.any()):
        return None
    share, spot = look.share(bad), look.first(bad)
    loss_too = bool((~look.grid.loss.isfinite()).any())
    message = f"{percent(share)} of the view is not finite, {'loss' if loss_too else 'only the gradient'}, at "
    message += f"{place(look.names, spot)} say"
    evidence: dict[str, object] = {"share": share, "threshold": 0.0}
    if look.grid.failed:
        sentence, count = next(iter(look.grid.failed.items()))
        evidence |= {"calls that raised": sum(look.grid.failed.values())}
        message += f"; at {count} points {sentence}"
        return Finding("non_finite", "error", message, evidence, spot, _REFUSED)
    if look.function is not None:
        culprit = blame(look.function, torch.tensor(spot, dtype=torch.float64))
        if culprit is not None:
            message += f"; {culprit.sentence}"
            evidence |= {"operation": culprit.operation, "in": culprit.which}
            return Finding("non_finite", "error", message, evidence, spot, culprit.action)
    return Finding("non_finite", "error", message, evidence, spot)


def vanishes_in_float32(look: Look) -> Finding | None:
    """Gradients that float64 has and float32, in which models train, rounds to zero."""
    function = look.function
    if function is None or function.dtype == torch.float32 or look.steep == 0:
        return None
    (points, exact, slope), single = look.sample, look.single
    if single is None:
        return None
    tiny = torch.finfo(torch.float32).tiny
    gone = (single.abs() < tiny).all(-1) & (exact != 0).any(-1) & exact.isfinite().all(-1)
    # Beside a point where the gradient passes through zero, rounding alone leaves something in float64.
    gone &= slope > 0
    share = float(gone.double().mean())
    if share < LOST_SHARE:
        return None
    spots = points[gone]
    spot = tuple(spots[len(spots) // 2].tolist())
    largest = float(exact[gone].abs().max())
    return Finding(
        "vanishes_in_float32",
        "warning",
        f"in {percent(share)} of the view the gradient is zero in float32 though float64 has one, up to "
        f"{number(largest)}, at {place(look.names, spot)} say",
        {"share": share, "threshold": LOST_SHARE, "largest lost": largest},
        spot,
    )


def gradient_mismatch(look: Look) -> Finding | None:
    """Autograd's gradient is not the slope that central differences of the loss have."""
    if look.function is None or look.function.dtype == torch.float32:
        return None
    (points, exact, _), found = look.sample, look.compared
    if found is None:
        return None
    bad, gaps = found.wrong.any(-1), found.relative().amax(-1)
    gaps = torch.where(bad, gaps, torch.zeros_like(gaps))
    wrong = bad & sharp(exact, look.single, look.spans, look.steep)
    share = float(wrong.double().mean())
    if share < MISMATCH_SHARE:
        return None
    at = int(gaps.argmax())
    spot = tuple(points[at].tolist())
    return Finding(
        "gradient_mismatch",
        "error",
        f"autograd and central differences disagree in {percent(share)} of the view, most at "
        f"{place(look.names, spot)}: something on the way is detached, rounded, or has a backward of its own",
        {
            "share": share,
            "threshold": MISMATCH_SHARE,
            "largest relative gap": float(gaps[at]),
            "gap counted from": MISMATCH,
        },
        spot,
    )


def _between(look: Look, axis: int) -> bool:
    """Whether a parameter has a gradient in the cells around the lowest points, between the grid's points."""
    if look.function is None:
        return False
    grid, dims = look.grid, len(look.names)
    losses = torch.where(look.finite, grid.loss, float("inf")).flatten()
    lowest = grid.points.flatten(0, -2)[losses.argsort()[:_LOWEST_POINTS]]
    cell = look.spans / (torch.tensor(grid.loss.shape[::-1], dtype=torch.float64) - 1)
    # Off the middle and each other's distances: a step must not hide behind symmetry.
    shares = 0.93 * torch.linspace(-1, 1, 8 if dims == 2 else 24, dtype=torch.float64) + 0.0171
    offsets = torch.cartesian_prod(*[shares] * dims).reshape(-1, dims) * cell
    places = (lowest[:, None] + offsets).flatten(0, 1)
    inside = ((places >= look.bounds[:, 0]) & (places <= look.bounds[:, 1])).all(-1)
    try:
        slopes = look.function.values(places[inside]).gradient[:, axis]
    except LossError:
        return False
    return bool((slopes.isfinite() & (slopes != 0)).any())


def no_gradient_path(look: Look) -> Finding | None:
    """The loss depends on a parameter that gets no gradient, or does not depend on it at all."""
    grid = look.grid
    for axis, name in enumerate(look.names):
        dim = -1 - axis
        part = grid.gradient[..., axis][look.finite]
        reached = name not in grid.no_path
        if not len(part) or (reached and bool((part != 0).any())):
            continue
        if int(look.finite.sum(dim).max()) < 2:
            continue  # nowhere two values that could differ
        lowest = torch.where(look.finite, grid.loss, float("inf")).amin(dim)
        highest = torch.where(look.finite, grid.loss, -float("inf")).amax(dim)
        change = float((highest - lowest).clamp_min(0).max())
        if change <= 1e-12 * float(grid.loss[look.finite].abs().max()):
            if reached and look.height == 0:
                continue  # a constant: that is the dead zone's to say
            return Finding(
                "no_gradient_path",
                "warning",
                f"the loss does not depend on {name}: it is the same all along that axis, and {name} gets no gradient",
                {"change of the loss along the axis": change},
                action=f"Is {name} used at all? Multiplied by zero, or the wrong variable?",
            )
        if reached and (min(grid.loss.shape) < _FEWEST or _between(look, axis)):
            continue
        cause = "is exactly zero everywhere: it is rounded, compared or cut to a sign" if reached else "does not exist"
        return Finding(
            "no_gradient_path",
            "error",
            f"the loss changes by {number(change)} along {name}, yet its gradient {cause}",
            {"change of the loss along the axis": change, "gradient path": reached},
        )
    return None
