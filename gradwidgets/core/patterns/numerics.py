"""Values that are not finite, gradients that float32 loses, that are cut off, or that are not the loss's."""

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from gradwidgets.core.finding import Finding
from gradwidgets.core.loss_call import LossError
from gradwidgets.core.non_finite import blame
from gradwidgets.core.patterns.look import Look
from gradwidgets.core.wording import number, percent, place

LOST_SHARE = 0.01
MISMATCH_SHARE = 0.05
MISMATCH = 1e-3
_FEW = 100  # points that a loss which must be called point by point is asked for


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
    elif look.function is not None:
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
    points, exact, slope = _sample(look)
    single = _single(look, points)
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
    points, exact, _ = _sample(look)
    wrong, gaps = mismatch(look, points, exact)
    # Where float32 and float64 already disagree, differences of losses are rounding.
    single = _single(look, points)
    if single is not None:
        wrong &= ((single - exact).abs() <= 0.01 * exact.abs() + 1e-6 * look.steep / look.spans).all(-1)
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


def mismatch(look: Look, points: Tensor, exact: Tensor) -> tuple[Tensor, Tensor]:
    """Compare gradients with central differences in float64.

    Args:
        look: Whose function.
        points: (N, P).
        exact: Autograd's gradients there, (N, P).

    Returns:
        Where they disagree, (N,), and by how much, relative to the larger of the two, (N,); a kink within the
        difference's reach counts as agreement.
    """
    function, dims = look.function, points.shape[1]
    steps = torch.finfo(torch.float64).eps ** (1 / 3) * torch.maximum(points.abs(), look.spans / 2)
    gaps, wrong = [torch.zeros(len(points), dtype=torch.float64)], [torch.zeros(len(points), dtype=torch.bool)]
    for i in range(dims):
        own, h = exact[:, i], steps[:, i]
        if not bool((own != 0).any()):
            continue  # no gradient at all: another pattern's
        shift = torch.zeros_like(points).index_copy(1, torch.tensor([i]), h[:, None])
        places = torch.cat([points + times * shift for times in (-8, -1, 0, 1, 8)])
        far_behind, behind, here, ahead, far_ahead = function.values(places).loss.reshape(5, -1)
        slope, wider = (ahead - behind) / (2 * h), (far_ahead - far_behind) / (16 * h)
        size = torch.maximum(slope.abs(), own.abs())
        noise = 20 * torch.finfo(torch.float64).eps * here.abs() / h
        # A kink within reach, or a loss too rough for differences: then they do not agree among themselves.
        rough = (slope - wider).abs() > 0.05 * torch.maximum(slope.abs(), wider.abs()) + noise
        kink = (ahead - 2 * here + behind).abs() > 0.1 * torch.maximum((ahead - here).abs(), (here - behind).abs())
        gap = (slope - own).abs()
        gaps.append(torch.nan_to_num(gap / size.clamp_min(1e-300)))
        allowed = MISMATCH * size + noise + (slope - wider).abs() + 1e-9 * look.steep / look.spans[i]
        wrong.append((gap > allowed) & ~rough & ~kink)
    bad = torch.stack(wrong).any(0)
    return bad, torch.where(bad, torch.stack(gaps).amax(0), torch.zeros_like(gaps[0]))


def no_gradient_path(look: Look) -> Finding | None:
    """The loss depends on a parameter that gets no gradient, or does not depend on it at all."""
    grid = look.grid
    for axis, name in enumerate(look.names):
        dim = -1 - axis
        part = grid.gradient[..., axis][look.finite]
        reached = name not in grid.no_path
        if not len(part) or (reached and bool((part != 0).any())):
            continue
        losses = torch.where(look.finite, grid.loss, torch.full_like(grid.loss, float("nan")))
        first = losses.select(dim, 0).unsqueeze(dim)
        change = float(torch.nan_to_num((losses - first).abs()).max())
        if change <= 1e-12 * float(losses[look.finite].abs().max()):
            if reached and look.height == 0:
                continue  # a constant: that is the dead zone's to say
            return Finding(
                "no_gradient_path",
                "warning",
                f"the loss does not depend on {name}: it is the same all along that axis, and {name} gets no gradient",
                {"change of the loss along the axis": change},
                action=f"Is {name} used at all? Multiplied by zero, or the wrong variable?",
            )
        cause = "is exactly zero everywhere: it is rounded, compared or cut to a sign" if reached else "does not exist"
        return Finding(
            "no_gradient_path",
            "error",
            f"the loss changes by {number(change)} along {name}, yet its gradient {cause}",
            {"change of the loss along the axis": change, "gradient path": reached},
        )
    return None


def _single(look: Look, points: Tensor) -> Tensor | None:
    """The gradients that float32 gives, (N, P); None where the loss takes no float32."""
    try:
        return look.function.values(points, torch.float32).gradient.double()
    except LossError:
        return None


def _sample(look: Look) -> tuple[Tensor, Tensor, Tensor]:
    """Points (N, P), autograd's gradients there, and the steepest slope next to each relative to its own (N,).

    The third is zero where a much steeper neighbour shows that the gradient only passes through zero.
    """
    grid = look.grid
    slope = look.slope[None, None] if grid.y is not None else look.slope[None, None, None]
    around = max_pool2d(slope, 3, 1, 1).reshape(look.slope.shape)
    own = torch.where(look.slope > 1e-10 * around, look.slope, torch.zeros_like(look.slope))
    points, gradient = grid.points[look.finite], grid.gradient[look.finite]
    most = _FEW if grid.method == "pointwise" else 10_000
    if len(points) > most:
        chosen = torch.linspace(0, len(points) - 1, most).round().long()
        return points[chosen], gradient[chosen], own[look.finite][chosen]
    return points, gradient, own[look.finite]
