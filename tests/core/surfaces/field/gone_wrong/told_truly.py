"""Losses of which it is easy to say something that is not so, or to name a cure that does not help."""

import math

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case, one_of
from tests.core.surfaces.field.gone_wrong.shared import IN_TRAINING, NOT_FINITE, in_dtype

RESPONSES = torch.tensor([-0.4, 0.7, 1.6])
TIMES = torch.linspace(-1, 1, 9)
BOX = {"a": (-2.0, 2.0), "b": (-2.0, 2.0)}
MASK = torch.tensor([0.0, -math.inf, 0.0])


def likelihood_before_the_logarithm(m, spread):
    density = torch.exp(-0.5 * ((RESPONSES - m) / (1.1 + spread)) ** 2)
    return -torch.log(0.4 * density + 0.6 * density**2).mean()


def logarithm_of_a_steep_sigmoid(x):
    return -torch.log(torch.sigmoid(35 * x))


def weight_without_a_gradient(w):
    gap = (w - 0.37) ** 2
    with torch.no_grad():
        weight = gap / ((w - 0.37).abs() + gap)
    return gap + weight * gap


def by_its_own_detached_size(a):
    return (a - 0.21) ** 2 / (a - 0.21).abs().detach()


def mean_of_what_is_above(a, x):
    above = a * x > 40
    return ((a * x - 1) ** 2 * above).sum() / above.sum()


def angle_between(a, b):
    cosine = torch.cos(a) * torch.cos(b) + torch.sin(a) * torch.sin(b)
    return torch.acos(cosine.clamp(-1, 1))


class SteepStep(torch.autograd.Function):
    """A step with the slope of a steep sigmoid."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.sigmoid(20 * x)

    @staticmethod
    def backward(ctx, given):
        (x,) = ctx.saved_tensors
        grown = torch.exp(-20 * x)
        return given * 20 * grown / (1 + grown) ** 2


def step_of_its_own(u):
    return (SteepStep.apply(u - 0.2) - 1) ** 2 + 0.02 * u**2


def plain_matrix(a, b):
    rows = torch.stack([a, b], -1), torch.stack([b, torch.ones_like(a)], -1)
    return -torch.logdet(torch.stack(rows, -2)) + 0.4 * (a + b * b)


def entropy_of_masked(a, b, mask):
    log_p = F.log_softmax(torch.stack([a, b, torch.zeros_like(a)], -1) + mask, -1)
    return (log_p.exp() * log_p).sum(-1)


def masked_target(a, b, mask):
    scores = torch.stack([a, torch.zeros_like(a), b], -1) + mask
    return -scores.log_softmax(-1)[..., 1]


def exp_in_a_branch(a):
    return (torch.where(a <= 0, torch.exp(a), 1 + a) - 2.5) ** 2


def concentration(m, k, angles):
    return (torch.log(torch.special.i0(k)) - k * torch.cos(m - angles)).mean()


def log_cosh_by_hand(x):
    return torch.log(torch.cosh(x - 4))


def small_angle(x, y):
    angle = torch.sqrt(x * x + y * y)
    factor = torch.where(angle > 0, torch.sin(angle / 2) / angle, 0.5)
    return (factor * x - 0.2) ** 2 + (factor * y - 0.05) ** 2


def overlap_with_nothing(a, b, x, y):
    p = torch.sigmoid(a * x + b)
    return 1 - 2 * (p * y).sum() / (p.sum() + y.sum() + 1e-5)


def weighted_by_nothing(a, b, x, weight):
    wanted = (x > 0).to(a.dtype)
    return F.binary_cross_entropy_with_logits(a * x + b, wanted, weight=weight)


def hard_probability_to_a_root(z):
    p = torch.sigmoid(z)
    return torch.pow(1 - p, 0.5) * F.softplus(-z)


def wide_rational(t):
    return 1 - 1 / (1 + (t - 3) ** 2)


def direction_of_a_pair(s, c):
    return (torch.atan2(s, c) - 2.8) ** 2


def vector_of_equal_values(a, b):
    rows = torch.stack([2 + a, b], -1), torch.stack([b, 2 - a], -1)
    _, vectors = torch.linalg.eigh(torch.stack(rows, -2))
    return 1 - (vectors[..., :, 1] * in_dtype([0.6, 0.8], a)).sum(-1) ** 2


TOLD_TRULY = (
    Case(
        "a likelihood before its logarithm",
        "a mixture's density",
        likelihood_before_the_logarithm,
        {"m": (-70.0, 70.0), "spread": (0.0, 1.0)},
        "far out the density is 0 and the loss infinite; only at the rim of that is it the gradient alone",
        (one_of("non_finite"),),
        ("the loss itself", "only the gradient", "exp underflows", "logsumexp"),
        unsaid=("clamp its input away",),
    ),
    Case(
        "the logarithm of a steep sigmoid",
        "a probability before its logarithm",
        logarithm_of_a_steep_sigmoid,
        {"x": (-50.0, 50.0)},
        "the sigmoid is 0 below −21: logsigmoid is not",
        (one_of("non_finite"),),
        ("the loss is infinite", "sigmoid underflows", "logsigmoid"),
        unsaid=("softplus", "clamp its input"),
    ),
    Case(
        "a weight computed without a gradient",
        "a trade-off weight of a box loss",
        weight_without_a_gradient,
        {"w": (0.0, 1.0)},
        "0 by 0 where both agree, at 0.37: the divisor depends on the parameter all the same",
        (one_of("non_finite"),),
        ("div", "eps"),
        unsaid=("whatever the parameters", "count.clamp"),
    ),
    Case(
        "an error by its own detached size",
        "a reweighted absolute error",
        by_its_own_detached_size,
        {"a": (-1.0, 1.0)},
        "0 by 0 at 0.21",
        (one_of("non_finite"),),
        ("div", "detached", "eps"),
        unsaid=("whatever the parameters", "count.clamp"),
    ),
    Case(
        "a mean of what is above a threshold",
        "a mean over hard examples",
        mean_of_what_is_above,
        {"a": (-2.0, 2.0)},
        "nothing is above it",
        (one_of("non_finite"),),
        ("count", "clamp(min=1)"),
        {"fixed": {"x": TIMES}},
        unsaid=("whatever the parameters", "underflows"),
    ),
    Case(
        "the angle between two directions",
        "arccos of a dot product",
        angle_between,
        {"a": (-1.0, 1.4), "b": (-1.0, 1.4)},
        "where both are equal, infinities of both signs meet",
        (NOT_FINITE,),
        ("acos", "∞ − ∞|makes it"),
        unsaid=("the backward of cos then", "the backward of sin then"),
    ),
    Case(
        "a step with a backward of its own",
        "a surrogate gradient",
        step_of_its_own,
        {"u": (-6.0, 4.0)},
        "the backward's exp overflows in float32 below −4.2",
        (IN_TRAINING,),
        ("exp in the backward of steepstep overflows", "that backward"),
        unsaid=("sigmoid underflows", "logsumexp"),
    ),
    Case(
        "the determinant of a matrix that need not be positive",
        "a log-determinant",
        plain_matrix,
        {"a": (0.1, 4.0), "b": (-2.0, 2.0)},
        "below zero where b² > a: no logarithm there",
        (one_of("non_finite"),),
        ("logdet", "determinant is below zero", "l lᵀ"),
        unsaid=("use eps",),
    ),
    Case(
        "the entropy of masked scores",
        "p log p with a mask of −∞",
        entropy_of_masked,
        BOX,
        "0 × −∞",
        (one_of("non_finite"),),
        ("mask[1]", "masked_fill"),
        {"fixed": {"mask": MASK}},
        unsaid=("rows",),
    ),
    Case(
        "a target among what is masked",
        "cross-entropy with a mask of −∞",
        masked_target,
        BOX,
        "the loss of a masked class is infinite",
        (one_of("non_finite"),),
        ("mask[1]", "a target must not be"),
        {"fixed": {"mask": MASK}},
        unsaid=("rows",),
    ),
    Case(
        "exp in a branch that is not taken",
        "an exponential linear unit by torch.where",
        exp_in_a_branch,
        {"a": (-5.0, 140.0)},
        "in float32 the gradient alone is NaN beyond 88.7",
        (IN_TRAINING,),
        ("gradient, and it alone", "torch.where", "clamp(max"),
        unsaid=("logsumexp", "log1p"),
    ),
    Case(
        "the same in a wider view",
        "an exponential linear unit by torch.where",
        exp_in_a_branch,
        {"a": (-5.0, 1400.0)},
        "the gradient alone is NaN beyond 709.8",
        (one_of("non_finite"),),
        ("only the gradient", "torch.where", "clamp(max"),
        unsaid=("logsumexp", "log1p"),
    ),
    Case(
        "a Bessel function before its logarithm",
        "a von Mises likelihood",
        concentration,
        {"m": (-3.0, 3.0), "k": (0.2, 280.0)},
        "i0 overflows in float32 beyond 91",
        (IN_TRAINING,),
        ("i0 overflows", "i0e"),
        {"fixed": {"angles": in_dtype([0.8, 1.0, 1.3], torch.zeros(()))}},
        unsaid=("logsigmoid", "log1p"),
    ),
    Case(
        "log cosh by its letters",
        "log cosh of an error",
        log_cosh_by_hand,
        {"x": (-150.0, 160.0)},
        "cosh overflows in float32",
        (IN_TRAINING,),
        ("cosh overflows", "softplus(−2|x|)"),
        unsaid=("logsigmoid",),
    ),
    Case(
        "a factor for small angles",
        "an axis and an angle",
        small_angle,
        {"x": (-2.0, 2.0), "y": (-2.0, 2.0)},
        "at 0 both the root and the quotient have no finite slope: a safe value must go in before the root",
        (NOT_FINITE,),
        ("sqrt and div", "sqrt(torch.where"),
    ),
    Case(
        "the overlap with an empty mask",
        "Dice of an image without the class",
        overlap_with_nothing,
        BOX,
        "nothing of the prediction is left in it",
        (one_of("dead_zone"),),
        ("y is 0 all over", "smooth the numerator"),
        {"fixed": {"x": TIMES, "y": torch.zeros(9)}},
        unsaid=("curvature", "initialisation"),
    ),
    Case(
        "a batch of weight 0",
        "cross-entropy with weights",
        weighted_by_nothing,
        BOX,
        "all of it is multiplied by 0",
        (one_of("dead_zone"),),
        ("weight is 0 all over", "leave them out"),
        {"fixed": {"x": TIMES, "weight": torch.zeros(9)}},
        unsaid=("curvature", "initialisation", "dice"),
    ),
    Case(
        "a root of what is left of a sigmoid",
        "a focal weight with a small exponent",
        hard_probability_to_a_root,
        {"z": (-50.0, 60.0)},
        "1 − p is rounded to 0 beyond 37, where its root has no slope",
        (NOT_FINITE,),
        ("1 − sigmoid", "sigmoid(−x)"),
        unsaid=("from below it",),
    ),
    Case(
        "a rational well in a wide view",
        "a redescending error",
        wide_rational,
        {"t": (-900.0, 1000.0)},
        "far out it dies away as 1/t³, without an edge",
        (one_of("dead_zone"),),
        ("dies away gradually",),
        unsaid=("stops at its edge",),
    ),
    Case(
        "an angle of a pair of numbers",
        "a heading as sine and cosine",
        direction_of_a_pair,
        {"s": (-1.0, 1.0), "c": (-1.0, 1.0)},
        "at (0, 0) there is no angle",
        (NOT_FINITE,),
        ("atan2", "compare the pair itself"),
        unsaid=("add a small eps",),
    ),
    Case(
        "vectors of equal eigenvalues",
        "a gradient through eigh",
        vector_of_equal_values,
        {"a": (-1.0, 1.0), "b": (-1.0, 1.0)},
        "at (0, 0) both are 2",
        (NOT_FINITE,),
        ("eigh", "unequal numbers"),
        domain="in",
    ),
)
