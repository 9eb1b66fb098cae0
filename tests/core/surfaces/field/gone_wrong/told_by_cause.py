"""Losses of which the cause is named: the term that falls, what cuts, the convention that is another."""

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case, one_of

PICTURE = torch.tensor([0.0, 255.0, 255.0])
SIGNS = torch.tensor([-1.0, 1.0, 1.0])
ALIKE = torch.tensor([1.0, 0.0])
RANKS = torch.tensor([0.0, 1.0, 2.0])
BINS = torch.tensor([0.0, 1.0, 1.0, 1.0])
EDGES = torch.linspace(-2, 2, 9, dtype=torch.float64)
OTHERS = torch.tensor([[1.0, 0.5], [0.4, 1.0]])
AROUND = {"a": (-2.0, 2.0), "b": (-2.0, 2.0)}


def entropy_that_is_paid_for(a, b):
    return (b - 0.3) ** 2 + 0.01 * torch.exp(-a) - 0.5 * (a + 1.4)


def divergence_that_is_paid_for(a, b):
    return (b - 0.4) ** 2 - 0.1 * (a.exp() + b * b - 1 - a)


def pushed_apart(a, b):
    return (a - 1) ** 2 - 2 * (a - b) ** 2


def product_that_wins(a, b):
    return a**2 + b**2 - 3 * a * b


def terms_in_a_stack(a, b):
    return torch.stack([(a - 1) ** 2, -(b * 3.0)]).sum()


def in_eighths(a, b):
    return (a - 0.3) ** 2 + 0.1 * torch.floor(3 * a) + b * b


def rounded_to_quarters(a, b):
    return (torch.round(4 * a) / 4 - 0.3) ** 2 + 0.5 * (b - 0.2) ** 2 + 0.1 * a**2


def mask_of_bytes(a, b):
    return F.binary_cross_entropy_with_logits(torch.stack([b, a, a]), PICTURE)


def signs_for_shares(a, b):
    return F.binary_cross_entropy_with_logits(torch.stack([a, b, a + b]), SIGNS)


def shares_for_signs(a, b):
    ours = torch.stack([torch.stack([a, 0 * a + 1]), torch.stack([b, 0 * b + 1])])
    return F.cosine_embedding_loss(ours, OTHERS, ALIKE)


def wrapped_again(a):
    return torch.tensor(float((a - 1) ** 2), requires_grad=True)


def counted(a, b):
    return ((torch.histc(torch.stack([a, b, 0 * a]), 4, -2.0, 2.0) - BINS) ** 2).sum()


def ranked(a, b):
    ranks = torch.stack([a, b, 0 * a]).argsort().argsort()
    return ((ranks.to(a.dtype) - RANKS) ** 2).sum()


def in_bins(a, b):
    return (torch.bucketize(a, EDGES).to(a.dtype) - 3) ** 2 + b**2


def detached_far_out(a, b):
    return (a - 0.2) ** 2 + (b + 0.1) ** 2 + torch.where(a > 1.82, (3 * (a - 1.82)).detach(), 0 * a)


def detached_in_a_corner(a, b):
    return (a - 0.2) ** 2 + (b + 0.1) ** 2 + 4 * torch.relu((a + b).detach() - 3.2)


def heading(h):
    return 1 - torch.cos(h - 30.0)


def sine_of(h):
    return (torch.sin(h) - 0.5) ** 2


def normalised(a, b):
    return ((F.layer_norm(torch.stack([a, b]), (2,)) - torch.tensor([1.0, -1.0])) ** 2).sum()


def case(name, source, loss, right, finding, *words, axes=AROUND, **more):
    return Case(name, source, loss, axes, right, (one_of(*finding.split("|")),), words, **more)


DEGREES = {"h": (0.0, 90.0)}
FALLS = (
    case(
        "an entropy that is paid for",
        "an entropy bonus",
        entropy_that_is_paid_for,
        "falls as a grows, by the term in a",
        "no_bottom",
        "as a grows",
        "a that grows there, and is subtracted",
    ),
    case(
        "a divergence that is paid for",
        "the sign of the KL term",
        divergence_that_is_paid_for,
        "falls without end as a grows, beside a saddle",
        "no_bottom|saddle",
        "without end as a grows",
        "exp of a",
        "sign of each",
    ),
    case(
        "pushed apart",
        "a repulsion without a margin",
        pushed_apart,
        "a saddle, and unbounded below",
        "no_bottom|saddle",
        "without end",
        "pow of a and b",
        "subtracted",
    ),
    case(
        "a product that wins",
        "a product of two factors with a weight too large",
        product_that_wins,
        "a saddle, and unbounded below",
        "no_bottom|saddle",
        "without end",
        "mul of a and b",
    ),
    case(
        "terms in a stack",
        "terms that are stacked and summed",
        terms_in_a_stack,
        "falls as b grows",
        "no_bottom",
        "as b grows",
        "it is b",
    ),
)
STEPS = (
    case(
        "twelve equal steps",
        "a price by whole units",
        in_eighths,
        "floor goes up twelve times",
        "jump",
        "at 12 places along a|at 11 places along a",
        "floor",
        "straight-through",
    ),
    case(
        "rounded to quarters",
        "a quantised weight",
        rounded_to_quarters,
        "round makes sixteen steps, and minima on them",
        "jump",
        "places along a",
        "round",
    ),
)
CONVENTIONS = (
    case(
        "a mask as it is in its file",
        "segmentation masks of 0 and 255",
        mask_of_bytes,
        "targets far above 1",
        "wrong_input",
        "255",
        "picture[1]",
        "0 to 1",
    ),
    case(
        "labels −1 and 1 for 0 and 1",
        "binary cross-entropy of signs",
        signs_for_shares,
        "targets below 0",
        "wrong_input",
        "signs[0]",
        "(y + 1) / 2",
    ),
    case(
        "labels 0 and 1 for −1 and 1",
        "cosine_embedding_loss",
        shares_for_signs,
        "the pair of label 0 counts for nothing",
        "wrong_input",
        "alike[1]",
        "2 · y − 1",
    ),
    case(
        "a heading in degrees",
        "an angle's cosine",
        heading,
        "minima every 6.28 degrees",
        "unexpected_minimum|off_target",
        "radian",
        axes=DEGREES,
        keywords={"target": [30.0]},
    ),
    case(
        "a sine of degrees",
        "an angle's sine",
        sine_of,
        "sin takes radians",
        "unexpected_minimum|off_target",
        "radian",
        axes=DEGREES,
        keywords={"target": [30.0]},
    ),
)
CUT_OFF = (
    case(
        "a loss wrapped again",
        "torch.tensor of a loss",
        wrapped_again,
        "no gradient comes through float()",
        "no_gradient_path",
        "float()",
        "torch.stack",
        axes={"a": (-2.0, 2.0)},
    ),
    case("a histogram", "a loss on colours", counted, "counts have no gradient", "no_gradient_path", "histc", "kernel"),
    case(
        "ranks",
        "Spearman's correlation as a loss",
        ranked,
        "ranks have no gradient",
        "no_gradient_path",
        "argsort",
        "soft ranks",
    ),
    case(
        "numbers of bins",
        "an expected calibration error",
        in_bins,
        "numbers of bins have no gradient",
        "no_gradient_path",
        "bucketize",
    ),
    case(
        "detached far out",
        "a penalty computed without a gradient",
        detached_far_out,
        "in 4.5 % of the view a part is detached",
        "gradient_mismatch",
        "detach",
    ),
    case(
        "detached in a corner",
        "a barrier computed without a gradient",
        detached_in_a_corner,
        "in 2 % of the view a part is detached",
        "gradient_mismatch",
        "detach",
    ),
)
INVARIANT = (
    case(
        "normalised before the loss",
        "a layer_norm at the end",
        normalised,
        "size counts for nothing",
        "dead_zone",
        "scaled|shifted",
        "counts for nothing",
        axes={"a": (-2.0, 2.0), "b": (-2.0, 2.0)},
    ),
)
TOLD_BY_CAUSE = (*FALLS, *STEPS, *CONVENTIONS, *CUT_OFF, *INVARIANT)
