"""Losses that went wrong in somebody's project, each cut down to one or two numbers.

The facts come from public reports; the code is our own. A case may deserve more findings than it asks for.
"""

import math

import torch
from torch.nn import functional as F

from tests.core.losses.field.case import Case, one_of

WIDE = {"a": (-4.0, 4.0), "b": (-4.0, 4.0)}
UNIT = {"x": (-1.0, 1.0), "y": (-1.0, 1.0)}
SHARES = torch.tensor([0.2, 0.3, 0.5])
LOG_SHARES = (math.log(0.4), math.log(0.6))  # the first two logits that give SHARES beside a third of 0

NOT_FINITE = one_of("non_finite", "singular")
IN_TRAINING = one_of("precision", "non_finite")
ASTRAY = one_of("off_target", "wrong_direction", "no_bottom", "unexpected_minimum")


def three(a, b):
    """Two logits beside a third that stays 0."""
    return torch.stack((a, b, a - a))


def in_dtype(numbers, like):
    return torch.tensor(numbers, dtype=like.dtype)


# -- a formula that is not the one that was meant --------------------------------------------------------------


def divergence_without_a_log(a, b, shares):
    return F.kl_div(three(a, b).softmax(0), shares, reduction="sum")


def both_divergences_without_a_log(a, b):
    student, teacher = three(a, b).softmax(0), in_dtype([0.6, 0.3, 0.1], a)
    return (F.kl_div(student, teacher, reduction="sum") + F.kl_div(teacher, student, reduction="sum")) / 2


def temperature_on_the_teacher_alone(a, b):
    teacher = (in_dtype([2.4, -1.2, 0.0], a) / 4).softmax(0)
    return 16 * F.kl_div(three(a, b).log_softmax(0), teacher, reduction="sum")


def smoothing_with_the_wrong_sign(a, b):
    logs = three(a, b).log_softmax(0)
    return -0.9 * logs[0] + 0.1 * logs.mean(0)


def pinball_that_turns_negative(q):
    above = 0.4 - q
    return torch.where(above >= 0, 0.8 * above, 0.2 * above)


def contrast_with_labels_swapped(x):
    similar, distance = 1, (x - 0.4).abs()
    return similar * F.relu(1.5 - distance) ** 2 + (1 - similar) * distance**2


def push_without_a_margin(x):
    return (x - 0.3) ** 2 - 1.5 * (x + 0.5) ** 2


def hinge_on_labels_0_and_1(positive, negative):
    return F.relu(1 - 1 * positive) + F.relu(1 - 0 * negative)


FORMULAS = (
    Case(
        "divergence without a log",
        "lightly-ai/lightly#1341",
        divergence_without_a_log,
        WIDE,
        "kl_div wants logarithms and gets probabilities: it is lowest elsewhere than at the target",
        (ASTRAY,),
        ("target",),
        {"fixed": {"shares": SHARES}, "target": LOG_SHARES},
    ),
    Case(
        "both divergences without a log",
        "PaddlePaddle/PaddleClas#538",
        both_divergences_without_a_log,
        WIDE,
        "negative, and lowest elsewhere than where student and teacher agree",
        (ASTRAY,),
        ("target",),
        {"target": (math.log(6.0), math.log(3.0))},
    ),
    Case(
        "temperature on the teacher alone",
        "distillation with the student's logits left undivided",
        temperature_on_the_teacher_alone,
        WIDE,
        "lowest at a quarter of the teacher's logits, (0.6, −0.3), not at them",
        (ASTRAY,),
        ("target",),
        {"target": (2.4, -1.2)},
    ),
    Case(
        "smoothing with the wrong sign",
        "label smoothing by hand",
        smoothing_with_the_wrong_sign,
        {"a": (-6.0, 6.0), "b": (-6.0, 6.0)},
        "over-confidence is rewarded: it falls on and on as a grows, past the smoothed target",
        (ASTRAY,),
        ("target",),
        {"target": (math.log(28.0), 0.0)},
    ),
    Case(
        "pinball that turns negative",
        "scikit-learn/scikit-learn#8087",
        pinball_that_turns_negative,
        {"q": (-3.0, 3.0)},
        "the sign of the other branch is wrong: it falls without end to the right, past the value 0.4",
        (ASTRAY,),
        ("target",),
        {"target": (0.4,)},
    ),
    Case(
        "contrast with labels swapped",
        "VinhLoiIT/signet-pytorch#2",
        contrast_with_labels_swapped,
        {"x": (-3.0, 3.0)},
        "a similar pair is pushed apart: it is highest at the target, x 0.4",
        (ASTRAY,),
        ("target",),
        {"target": (0.4,)},
    ),
    Case(
        "push without a margin",
        "a contrastive pair whose repulsion has no margin",
        push_without_a_margin,
        {"x": (-4.0, 4.0)},
        "the repulsion outweighs: it is unbounded below and has no minimum at the positive, 0.3",
        (ASTRAY,),
        ("target|bottom|without end|unbounded",),
        {"target": (0.3,)},
    ),
    Case(
        "ranking with the sign turned",
        "XPixelGroup/RankSRGAN#5",
        lambda first, second: F.relu(first - second + 0.5),
        {"first": (-2.0, 2.0), "second": (-2.0, 2.0)},
        "the second is ranked above the first, the target being the other way round",
        (ASTRAY,),
        ("target",),
        {"target": lambda first, second: first - second >= 0.5},
    ),
    Case(
        "hinge on labels 0 and 1",
        "a hinge whose labels should be −1 and 1",
        hinge_on_labels_0_and_1,
        {"positive": (-3.0, 3.0), "negative": (-3.0, 3.0)},
        "the negative's score changes nothing: a descent leaves it where it was",
        (ASTRAY | one_of("dead_zone", "no_gradient_path"),),
        ("target|negative",),
        {"target": {"positive": (1.0, 3.0), "negative": (-3.0, -1.0)}},
    ),
    Case(
        "nothing but a sum",
        "a goal that the loss never mentions",
        lambda a, b: b + a,
        {"a": (-1.0, 1.0), "b": (-1.0, 1.0)},
        "the descents leave through a corner, not at the target",
        (ASTRAY,),
        ("target",),
        {"target": (0.0, 0.0)},
    ),
)


# -- minima and bottoms ----------------------------------------------------------------------------------------


def half_turn(p, t):
    apart = torch.abs(t - p)
    return torch.where(apart < math.pi / 2, apart, math.pi - apart)


def turn_taken_once(p, t):
    apart = torch.abs(t - p)
    return torch.where(apart < 180, apart, 360 - apart)


def fitted_frequency(w):
    x = torch.linspace(0, 3, 25, dtype=w.dtype)
    return ((torch.sin(w * x) - torch.sin(2 * x)) ** 2).mean()


def robust_centre(m):
    squares = (m - in_dtype([-0.2, 0.0, 0.1, 4.0, 4.1], m)) ** 2
    return (squares / (squares + 0.25)).sum()


MINIMA = (
    Case(
        "second minimum of a quartic",
        "a curve whose minima lie on grid points",
        lambda p: p * p * (3 + p * (p / 4 - 5 / 3)),
        {"p": (-1.0, 4.0)},
        "a minimum of its own at 3, 2.25 above the one at 0",
        (one_of("unexpected_minimum"),),
        ("p 3|p 2.99",),
    ),
    Case(
        "half a turn, at the edge",
        "cvg/DeepLSD#36",
        half_turn,
        {"p": (0.0, math.pi)},
        "what begins left of 1.23 descends to the edge at 0, 0.34 above the minimum at 2.8",
        (one_of("unexpected_minimum"),),
        ("p 0|edge",),
        {"fixed": {"t": 2.8}},
        "in",
    ),
    Case(
        "a turn taken once",
        "an angle that is wrapped once only",
        turn_taken_once,
        {"p": (-800.0, 800.0)},
        "falls without end beyond 180 degrees on either side; 40 is but a minimum of its own",
        (one_of("unexpected_minimum", "no_bottom"),),
        (),
        {"fixed": {"t": 40.0}},
    ),
    Case(
        "a fitted frequency",
        "the frequency of a sine by least squares",
        fitted_frequency,
        {"w": (0.5, 9.0)},
        "minima of their own at the wrong frequencies beyond the one at 2",
        (one_of("unexpected_minimum"),),
    ),
    Case(
        "a robust centre and two outliers",
        "Geman–McClure with a clump of outliers",
        robust_centre,
        {"m": (-3.0, 7.0)},
        "a minimum of its own among the outliers at 4, higher than the one at 0",
        (one_of("unexpected_minimum"),),
        ("4",),
    ),
    Case(
        "an angle with weight decay",
        "1 − cos with a small penalty, in a view as wide as two turns",
        lambda p: 1 - torch.cos(p - 0.5) + 0.02 * p**2,
        {"p": (-5.0, 6.0)},
        "what begins left of −2.7 ends at the left edge, far above the minimum near 0.5",
        (one_of("unexpected_minimum"),),
        ("edge|p −|p -",),
    ),
)


# -- no gradient where there should be one ---------------------------------------------------------------------


def overlap(x, y):
    shared = F.relu(1 - x.abs()) * F.relu(1 - y.abs())
    return 1 - shared / (2 - shared)


def dice_of_a_decision(z, w):
    decided = (torch.sigmoid(z) > 0.5).to(z.dtype)
    return 1 - 2 * decided / (decided + 1) + (w - 0.3) ** 2


def divergence_behind_a_clamp(mean, log_var):
    held = log_var.clamp(-4, 2)
    return 0.5 * (mean**2 + held.exp() - 1 - held)


DEAD = (
    Case(
        "overlap of boxes that do not meet",
        "lilanxiao/Rotated_IoU#9",
        overlap,
        {"x": (-3.0, 3.0), "y": (-3.0, 3.0)},
        "1 without a slope wherever the boxes do not meet",
        (one_of("dead_zone"),),
    ),
    Case(
        "dice of a decision",
        "qubvel-org/segmentation_models.pytorch#611",
        dice_of_a_decision,
        {"z": (-3.0, 3.0), "w": (-2.0, 2.0)},
        "a comparison has no gradient: nothing leads to z",
        (one_of("no_gradient_path", "dead_zone"),),
        ("z", "comparison|threshold|jump|discontinu|step|dead"),
    ),
    Case(
        "sigmoid twice",
        "itakurah/focal-loss-pytorch#5",
        lambda z: F.softplus(-torch.sigmoid(z)),
        {"z": (-20.0, 20.0)},
        "saturates on both sides, at ln 2 on the left where it should be high and steep",
        (one_of("dead_zone"),),
    ),
    Case(
        "softmax twice",
        "ariecattan/SciCo#2",
        lambda a, b: -three(a, b).softmax(0).log_softmax(0)[0],
        {"a": (-20.0, 20.0), "b": (-20.0, 20.0)},
        "the inner softmax saturates: flat and high wherever a is not the largest by far or nearly so",
        (one_of("dead_zone"),),
    ),
    Case(
        "squares of a sigmoid",
        "guojunq/lsgan#3",
        lambda real, fake: (torch.sigmoid(real) - 1) ** 2 + torch.sigmoid(fake) ** 2,
        {"real": (-25.0, 25.0), "fake": (-25.0, 25.0)},
        "flat where the sigmoids are sure and wrong",
        (one_of("dead_zone"),),
    ),
    Case(
        "the generator's saturating loss",
        "depthfirstlearning/depthfirstlearning.com#22",
        lambda z: -F.softplus(z),
        {"z": (-25.0, 25.0)},
        "no slope at the left, where the critic is sure and the generator has all to learn",
        (one_of("dead_zone"),),
    ),
    Case(
        "log-variance behind a clamp",
        "a clamp on the log-variance, as advised against overflow",
        divergence_behind_a_clamp,
        {"mean": (-2.0, 2.0), "log_var": (-10.0, 10.0)},
        "beyond the clamp log_var has no gradient, though the divergence is lower inside",
        (one_of("dead_zone"),),
        ("log_var",),
    ),
    Case(
        "Welsch far from the data",
        "a correntropy loss with a narrow kernel",
        lambda x, y: 1 - torch.exp(-2 * ((x - 0.4) ** 2 + (y + 0.7) ** 2)),
        {"x": (-6.0, 6.0), "y": (-6.0, 6.0)},
        "1 without a slope all around a small bowl",
        (one_of("dead_zone"),),
    ),
)


# -- a gradient that is not the loss's -------------------------------------------------------------------------


class DropsWhatComesFromAbove(torch.autograd.Function):
    """x / sqrt(1 + x²) for a negative x, else x; its backward returns the slope alone."""

    @staticmethod
    def forward(ctx, x):
        shrink = (1 + torch.clamp(x, max=0) ** 2) ** -0.5
        ctx.save_for_backward(shrink)
        return shrink * x

    @staticmethod
    def backward(ctx, from_above):
        return ctx.saved_tensors[0] ** 3


class Reversed(torch.autograd.Function):
    """x itself, with its gradient turned round."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, from_above):
        return -from_above


SINGLE = torch.ones(1)  # float32 whatever the loss computes in


def backward_that_drops(x):
    return (SINGLE * DropsWhatComesFromAbove.apply(x)).square().sum()


def rounded_straight_through(x, y):
    level = x + (torch.round(x) - x).detach()
    return (level - 0.3) ** 2 + (y - 0.2) ** 2


def circle_with_detached_weights(positive, negative):
    up, down = F.relu(1.25 - positive).detach(), F.relu(negative + 0.25).detach()
    return F.softplus(4 * (down * (negative - 0.25) - up * (positive - 0.75)))


CUT = (
    Case(
        "backward beside float32 data",
        "pytorch/pytorch#4355",
        backward_that_drops,
        {"x": (-2.0, 2.0)},
        "the backward ignores what comes from above; that the closure's tensor is float32 hides nothing",
        (one_of("gradient_mismatch"),),
        ("gradient",),
    ),
    Case(
        "gradient turned round",
        "a reversal layer left in front of the loss",
        lambda x: (Reversed.apply(x) - 0.5) ** 2,
        {"x": (-2.0, 2.0)},
        "the gradient is the loss's with the other sign",
        (one_of("gradient_mismatch"),),
        ("backward|custom|autograd",),
    ),
    Case(
        "rounded straight through",
        "moskomule/dda#2",
        rounded_straight_through,
        {"x": (-2.0, 2.0), "y": (-2.0, 2.0)},
        "the loss goes in steps along x and its gradient does not: an estimate by intention, which must be said",
        (one_of("gradient_mismatch", "jump"),),
        ("detach|straight",),
    ),
    Case(
        "circle loss with detached weights",
        "TinyZeaMays/CircleLoss#28",
        circle_with_detached_weights,
        {"positive": (-1.0, 1.0), "negative": (-1.0, 1.0)},
        "the gradient takes the weights for constants, by intention: it is not the loss's",
        (one_of("gradient_mismatch"),),
        ("detach",),
    ),
    Case(
        "a focus that is detached",
        "focal weights computed without a gradient",
        lambda z: torch.sigmoid(-z).detach() ** 2 * F.softplus(-z),
        {"z": (-4.0, 4.0)},
        "the weight's own slope is missing from the gradient",
        (one_of("gradient_mismatch"),),
        ("detach",),
    ),
)


# -- jumps -----------------------------------------------------------------------------------------------------


def wing_with_a_decimal_logarithm(r):
    size, bend = r.abs(), 10 - 10 * math.log10(1 + 10 / 2)
    return torch.where(size < 10, 10 * torch.log1p(size / 2), size - bend)


def smooth_l1_undivided(r):
    size = r.abs()
    return torch.where(size < 2, 0.5 * size**2, size - 0.5)


JUMPS = (
    Case(
        "a penalty by comparison",
        "a comparison in a loss",
        lambda a, b: a * a + b * b + torch.where(a > 0.3, 5.0, 0.0),
        {"a": (-1.0, 1.0), "b": (-1.0, 1.0)},
        "5 higher right of a 0.3, of which no gradient knows",
        (one_of("jump"),),
        ("jump|step|discontinu", "0.3"),
    ),
    Case(
        "wing with a decimal logarithm",
        "TropComplique/wing-loss#9",
        wing_with_a_decimal_logarithm,
        {"r": (-30.0, 30.0)},
        "the constant that joins the two branches is wrong: down by 10 at ±10",
        (one_of("jump"),),
        ("10",),
    ),
    Case(
        "smooth L1 undivided",
        "pytorch/pytorch#17447",
        smooth_l1_undivided,
        {"r": (-6.0, 6.0)},
        "the square is not divided by its width 2: down by 0.5 at ±2",
        (one_of("jump"),),
        ("r 2|r −2|r -2|±2",),
    ),
    Case(
        "an angle's remainder",
        "MizuhoAOKI/python_simple_mppi#9",
        lambda yaw: torch.remainder(yaw - 0.7, 2 * math.pi) ** 2,
        {"yaw": (-2.5, 3.0)},
        "39.5 higher just left of the minimum at 0.7: half a turn should be subtracted again",
        (one_of("jump"),),
        ("0.7",),
    ),
    Case(
        "steps of a floor",
        "a level counted in whole steps",
        lambda x, y: (x - 0.3) ** 2 + (y - 0.1) ** 2 + 0.4 * torch.floor(x + 0.37 * y),
        {"x": (-2.0, 2.0), "y": (-2.0, 2.0)},
        "steps of 0.4 across the view, of which no gradient knows",
        (one_of("jump"),),
        ("jump|step|discontinu",),
    ),
    Case(
        "phase of a complex number",
        "pytorch/pytorch#98276",
        lambda x, y: (torch.atan2(y, x) - 0.6) ** 2,
        UNIT,
        "cut along the negative x, and towards the origin its slope grows without bound",
        (one_of("jump"), NOT_FINITE),
    ),
)


# -- infinite, undefined, without a gradient -------------------------------------------------------------------


def spherical_angle(a, b, shares):
    return torch.acos(torch.sqrt(three(a, b).softmax(0) * shares).sum())


def rotation_apart(a, b):
    u, v = torch.cos(a - 0.31), torch.cos(b + 0.17)
    return torch.acos((u + u * v + v - 1) / 2)


def guarded_by_where(x, y):
    length = (x**2 + y**2) ** 0.5
    return 1 - (3 * x + 4 * y) / (5 * torch.where(length > 0, length, torch.ones_like(length)))


def cosine_unguarded(x, y):
    u, v = x - 0.137, y + 0.211
    return 1 - (3 * u + 4 * v) / (5 * torch.sqrt(u**2 + v**2))


def root_of_mean_squares(slope, offset):
    x = torch.linspace(-1, 1, 6, dtype=slope.dtype)
    return torch.sqrt(((slope * x + offset - (1.3 * x - 0.4)) ** 2).mean())


def log_depth(a, b):
    error = torch.stack((a - 0.31, b + 0.27))
    return 10 * torch.sqrt((error**2).mean(0) - 0.85 * error.mean(0) ** 2)


def poincare_distance(x, y):
    apart = (x - 0.3) ** 2 + (y - 0.2) ** 2
    return torch.acosh(1 + 2 * apart / ((1 - x**2 - y**2) * (1 - 0.3**2 - 0.2**2)))


def margin_on_an_angle(c, other):
    turned = c * math.cos(0.5) - torch.sqrt((1 - c**2).clamp(0, 1)) * math.sin(0.5)
    return F.softplus(10 * (other - turned))


def aspect_of_a_box(w, h):
    height = F.relu(h)
    return 4 / math.pi**2 * (math.atan(1.5) - torch.atan(w / height)) ** 2 + (w - 0.9) ** 2 + (height - 0.6) ** 2


def general_robust(x, shape):
    edge = (shape - 2).abs()
    return edge / shape * (((x - 0.4) ** 2 / edge + 1) ** (shape / 2) - 1)


def dice_of_nothing(a, b):
    drawn = F.relu(a) + F.relu(b)
    return 1 - 0 * drawn / drawn


def standardised_by_one(a, b):
    batch = a.unsqueeze(0)
    variance = ((batch - batch.mean(0)) ** 2).sum(0) / (len(batch) - 1)
    return (a - 0.5) ** 2 / variance + b**2


def divergence_from_a_zero(a, b):
    shares = in_dtype([0.0, 0.4, 0.6], a)
    return (shares * torch.log(shares / three(a, b).softmax(0))).sum()


def no_way_through(a, b):
    barred = torch.stack((a, b)) + in_dtype([-math.inf, -math.inf], a)
    return (torch.logaddexp(torch.logsumexp(barred, 0), a) - 0.5) ** 2 + b**2


def multitask_weights(first, second):
    return 0.8 / (2 * first**2) + 1.7 / (2 * second**2) + torch.log(first) + torch.log(second)


def masked_after_the_square(a, b, y):
    errors = torch.stack((a - y[0], b - y[1])) ** 2
    return errors[y == y].sum()


def masked_by_a_product(a, b, y, keep):
    return (torch.stack((a, b, a + b)).sub(y).square() * keep).sum()


SENSOR = torch.tensor([0.2, -0.4, math.inf, 0.1])
TRUSTED = torch.tensor([1.0, 1.0, 0.0, 1.0])


def sensor_that_failed(gain):
    return (TRUSTED.to(gain) * (gain * SENSOR.to(gain) - 0.3) ** 2).sum()


UNDEFINED = (
    Case(
        "angle between distributions",
        "jax-ml/jax#15798",
        spherical_angle,
        WIDE,
        "at the minimum acos is asked for its slope at 1, which it has not",
        (NOT_FINITE,),
        ("acos",),
        {"fixed": {"shares": SHARES}},
    ),
    Case(
        "rotations apart",
        "naver/roma#9",
        rotation_apart,
        {"a": (-1.5, 1.5), "b": (-1.5, 1.5)},
        "where the rotations agree acos is at 1: its gradient is infinite or NaN",
        (NOT_FINITE,),
        ("acos",),
    ),
    Case(
        "one over x",
        "a pole between two grid points",
        lambda x: torch.reciprocal(x),
        {"x": (-1.0, 1.07)},
        "infinite at 0, and without bound on either side of it",
        (NOT_FINITE | one_of("no_bottom"),),
        ("x 0|x −0|x -0",),
    ),
    Case(
        "distance to a point",
        "huggingface/sentence-transformers#4033",
        lambda x, y: ((x - 0.31) ** 2 + (y + 0.27) ** 2) ** 0.5,
        UNIT,
        "at the minimum, between the grid's points, the gradient is NaN",
        (NOT_FINITE,),
        ("sqrt|pow",),
    ),
    Case(
        "root of mean squares",
        "keras-team/keras#1172",
        root_of_mean_squares,
        {"slope": (-1.0, 3.0), "offset": (-2.0, 2.0)},
        "a perfect fit, at (1.3, −0.4), has no gradient: sqrt of 0",
        (NOT_FINITE,),
        ("sqrt",),
    ),
    Case(
        "log depth",
        "cleinc/bts#13",
        log_depth,
        {"a": (-2.0, 2.0), "b": (-2.0, 2.0)},
        "the root of 0 where both depths are right, at (0.31, −0.27): a NaN gradient",
        (NOT_FINITE,),
        ("sqrt",),
    ),
    Case(
        "magnitude of a spectrum",
        "pytorch/audio#993",
        lambda real, imag: (torch.sqrt(real**2 + imag**2) - 0.5).abs(),
        {"real": (-1.0, 1.0), "imag": (-1.0, 1.0)},
        "silence, the origin, has a NaN gradient: sqrt of 0",
        (NOT_FINITE,),
        ("sqrt",),
    ),
    Case(
        "distance in the Poincaré ball",
        "hyperbolic embeddings",
        poincare_distance,
        {"x": (-0.5, 0.6), "y": (-0.6, 0.5)},
        "where the points agree acosh is at 1: no finite gradient",
        (NOT_FINITE,),
        ("acosh",),
    ),
    Case(
        "root guarded by where",
        "google-deepmind/optax#946",
        guarded_by_where,
        UNIT,
        "where guards the division alone; the root's gradient at the origin is NaN all the same",
        (NOT_FINITE,),
        ("sqrt|pow",),
    ),
    Case(
        "cosine unguarded",
        "cosine distance without eps",
        cosine_unguarded,
        UNIT,
        "0 by 0 at (0.137, −0.211), and the slope grows without bound towards it",
        (NOT_FINITE,),
        ("div|sqrt|reciprocal",),
    ),
    Case(
        "margin on an angle",
        "ronghuaiyang/arcface-pytorch#91",
        margin_on_an_angle,
        {"c": (-1.2, 1.2), "other": (-1.0, 1.0)},
        "at |c| 1 the root is of 0: slopes without bound towards it, and an infinite gradient there",
        (NOT_FINITE,),
        ("sqrt",),
    ),
    Case(
        "aspect of a box",
        "ultralytics/yolov5#13416",
        aspect_of_a_box,
        {"w": (0.2, 2.0), "h": (-1.0, 2.0)},
        "a box of no height is divided by: the gradient is NaN on a third of the view",
        (NOT_FINITE,),
        ("div|atan",),
    ),
    Case(
        "power of a negative error",
        "fizyr/keras-retinanet#706",
        lambda x, y: (x - y) ** 1.5,
        UNIT,
        "a negative number to the power 1.5 is NaN: half of the view",
        (one_of("non_finite"),),
        ("pow",),
    ),
    Case(
        "the general robust loss",
        "deebuls/deep_evidential_regression_loss_pytorch#3",
        general_robust,
        {"x": (-3.0, 3.0), "shape": (-1.0, 3.0)},
        "undefined at shape 0 and shape 2, where its limits should be put in",
        (NOT_FINITE,),
        ("div|pow|mul",),
    ),
    Case(
        "Box–Cox",
        "a power transform at its logarithm",
        lambda power: ((2.5**power - 1) / power - 0.8) ** 2,
        {"power": (-2.0, 2.0)},
        "0 by 0 at power 0, where the transform is the logarithm",
        (NOT_FINITE,),
        ("div|reciprocal",),
    ),
    Case(
        "dice of nothing",
        "nasa/delta#115",
        dice_of_nothing,
        {"a": (-1.0, 1.0), "b": (-1.0, 1.0)},
        "0 by 0 where nothing is drawn of nothing, a quarter of the view",
        (one_of("non_finite"),),
        ("div",),
    ),
    Case(
        "log of an overlap",
        "UnitBox's −ln IoU",
        lambda x: -torch.log(F.relu(1 - x.abs()) / (1 + x.abs().clamp(max=1))),
        {"x": (-3.0, 3.0)},
        "infinite wherever the boxes do not meet: log of 0",
        (one_of("non_finite"),),
        ("log",),
    ),
    Case(
        "barrier crossed",
        "a log-barrier beyond its wall",
        lambda x: x**2 - 0.1 * torch.log(1 - x),
        {"x": (-1.0, 2.0)},
        "infinite at the wall, x 1, and NaN beyond it",
        (one_of("non_finite"),),
        ("log",),
    ),
    Case(
        "logs in a stack",
        "any loss that stacks and reduces",
        lambda a: -torch.stack((a.clamp(min=0), (1.5 - a) / 2)).log().sum(0),
        {"a": (-0.2, 1.0)},
        "log of 0 from a 0 downwards",
        (one_of("non_finite"),),
        ("log",),
    ),
    Case(
        "log of a task's weight",
        "QunBB/DeepLearning#1",
        multitask_weights,
        {"first": (-1.0, 3.0), "second": (-1.0, 3.0)},
        "the log of a negative weight is NaN: more than a third of the view",
        (one_of("non_finite"),),
        ("log",),
    ),
    Case(
        "a negative rate",
        "pytorch/pytorch#184030",
        lambda rate: F.poisson_nll_loss(rate, 2 + 0 * rate, log_input=False, reduction="none"),
        {"rate": (-1.0, 5.0)},
        "a negative rate has no logarithm: NaN on a sixth of the view",
        (one_of("non_finite"),),
        ("log|poisson",),
    ),
    Case(
        "standard deviation free to vanish",
        "a Gaussian likelihood without a floor",
        lambda mean, std: torch.log(std.abs()) + (mean - 0.4) ** 2 / (2 * std**2),
        {"mean": (-2.0, 2.0), "std": (-2.0, 2.0)},
        "a pole all along std 0: infinite, and minus infinity at mean 0.4",
        (NOT_FINITE | one_of("no_bottom"),),
        ("log|div|pow|reciprocal",),
    ),
    Case(
        "standardised by one",
        "pytorch/pytorch#1381",
        standardised_by_one,
        {"a": (-2.0, 2.0), "b": (-2.0, 2.0)},
        "the variance of a single sample is 0 by 0: NaN everywhere",
        (one_of("non_finite"),),
        ("nan", "div"),
    ),
    Case(
        "divergence from a zero",
        "Kullback–Leibler by hand, a target being 0",
        divergence_from_a_zero,
        WIDE,
        "0 · log 0 is NaN everywhere; xlogy is meant",
        (one_of("non_finite"),),
        ("nan", "log|mul"),
    ),
    Case(
        "no way through",
        "pytorch/pytorch#31829",
        no_way_through,
        {"a": (-2.0, 2.0), "b": (-2.0, 2.0)},
        "the loss is finite; the gradient of a logsumexp of nothing but −inf is NaN everywhere",
        (one_of("non_finite"),),
        ("logsumexp|logaddexp", "nan"),
    ),
    Case(
        "masked after the square",
        "pytorch/pytorch#121416",
        masked_after_the_square,
        {"a": (-2.0, 2.0), "b": (-2.0, 2.0)},
        "a label in y is NaN; the mask comes after the square, too late for the gradient",
        (one_of("non_finite"),),
        ("y", "nan"),
        {"fixed": {"y": torch.tensor([0.5, math.nan])}},
    ),
    Case(
        "masked by a product",
        "ecmwf/WeatherGenerator#2717",
        masked_by_a_product,
        {"a": (-2.0, 2.0), "b": (-2.0, 2.0)},
        "a label in y is NaN, and NaN · 0 is NaN: the mask must select, not multiply",
        (one_of("non_finite"),),
        ("y", "nan"),
        {"fixed": {"y": torch.tensor([0.5, math.nan, -0.2]), "keep": torch.tensor([1.0, 0.0, 1.0])}},
    ),
    Case(
        "a sensor that failed",
        "an infinite reading with weight 0",
        sensor_that_failed,
        {"gain": (-3.0, 3.0)},
        "SENSOR holds an infinity, and 0 · inf is NaN everywhere",
        (one_of("non_finite"),),
        ("sensor",),
    ),
)


# -- float32 is not enough -------------------------------------------------------------------------------------


def all_but_itself(s1, s2):
    scores = torch.stack((torch.ones_like(s1), s1, s2)) / 0.005
    scores = scores - scores.amax(0).detach()
    return scores.exp()[1:].sum(0).log() - scores[1]


def contrast_by_hand(same, other):
    up, down = torch.exp(same / 0.01), torch.exp(other / 0.01)
    return -torch.log(up / (up + down))


def mixture_by_hand(first, second):
    peaks = [torch.exp(-0.5 * (m / 0.3) ** 2) / (0.3 * math.sqrt(2 * math.pi)) for m in (first, second)]
    return -torch.log(0.5 * peaks[0] + 0.5 * peaks[1])


def soft_minimum_by_hand(x):
    return -0.01 * torch.log(0.5 * torch.exp(-((x - 0.5) ** 2) / 0.01) + 0.5 * torch.exp(-((x - 0.7) ** 2) / 0.01))


def hazards_by_hand(effect):
    ages = in_dtype([2.5, -0.4, 1.1, -2.2, 0.3], effect)
    at_risk = torch.exp(effect * ages)
    return torch.stack([torch.log(at_risk[i:].sum(0)) - effect * ages[i] for i in range(4)]).mean(0)


def determinant_by_hand(s):
    return 0.5 * torch.log(torch.stack([torch.exp(s)] * 40).prod(0)) + 10 * torch.exp(-s)


def beta_by_hand(alpha, beta):
    def gamma(n):
        return torch.exp(torch.lgamma(n))

    shares = (0.25, 0.3, 0.4)
    each = [
        x ** (alpha - 1) * (1 - x) ** (beta - 1) * gamma(alpha + beta) / (gamma(alpha) * gamma(beta)) for x in shares
    ]
    return -torch.stack(each).log().mean(0)


def entropy_by_hand(a, b):
    p = three(a, b).softmax(0)
    return (p * torch.log(p)).sum(0) + 0.01 * (a - b) ** 2


def spread_by_two_means(width):
    x = 5000 + width * in_dtype([-1.2, -0.5, 0.1, 0.6, 1.0], width)
    variance = (x**2).mean(0) - x.mean(0) ** 2
    return (variance - 1) ** 2


def correlated_pair(c):
    rho = torch.tanh(c)
    free = 1 - rho**2
    return 0.5 * torch.log(free) + (0.5**2 + 0.3**2 - 2 * 0.5 * 0.3 * rho) / (2 * free)


def filtered_ratio(x):
    ratio = torch.exp(x)
    return ratio * (ratio < 5).to(x.dtype)


def focal_tversky(inside, outside):
    p, q = torch.sigmoid(inside), torch.sigmoid(outside)
    return (1 - (p + 1) / (p + 0.7 * (1 - p) + 0.3 * q + 1)) ** 0.75


SINGLE_PRECISION = (
    Case(
        "log of a hyperbolic cosine",
        "Lightning-AI/torchmetrics#3488",
        lambda r: r.cosh().log(),
        {"r": (-120.0, 120.0)},
        "cosh is infinite in float32 from 89.4 on: so is the loss, on a quarter of the view",
        (one_of("precision"),),
        ("float32", "cosh"),
    ),
    Case(
        "log of one minus a sigmoid",
        "xingyizhou/CenterNet#121",
        lambda z: torch.log(1 - z.sigmoid()).neg(),
        {"z": (-30.0, 30.0)},
        "from about 17 on the sigmoid is 1 in float32: log of 0",
        (one_of("precision"),),
        ("float32", "log"),
    ),
    Case(
        "all but itself",
        "emadeldeen24/TS-TCC#25",
        all_but_itself,
        {"s1": (-1.0, 1.0), "s2": (-1.0, 1.0)},
        "what is left after its own score is taken out is 0 in float32 on most of the view: log of 0",
        (one_of("precision"),),
        ("float32", "log"),
    ),
    Case(
        "log of a sigmoid",
        "xiangwang1223/neural_graph_collaborative_filtering#17",
        lambda chosen, other: -torch.log(torch.sigmoid(chosen - other)),
        {"chosen": (-80.0, 80.0), "other": (-80.0, 80.0)},
        "the sigmoid of less than −88.7 is 0 in float32: log of 0; logsigmoid is meant",
        (one_of("precision"),),
        ("float32", "log"),
    ),
    Case(
        "logistic by hand",
        "borgwang/tinynn#7",
        lambda z: torch.log(1 + torch.exp(z)) - 0.7 * z,
        {"z": (-20.0, 120.0)},
        "exp is infinite in float32 from 88.7 on",
        (one_of("precision"),),
        ("float32", "exp"),
    ),
    Case(
        "a straight branch beside exp",
        "pytorch/pytorch#68425",
        lambda x: (torch.where(x > 0, 1 + x, torch.exp(x)) - 0.5) ** 2,
        {"x": (-10.0, 120.0)},
        "finite, but from 88.7 on the branch that where does not take makes float32's gradient NaN",
        (IN_TRAINING,),
        ("float32", "exp"),
    ),
    Case(
        "divergence of an encoder",
        "vanderschaarlab/synthcity#331",
        lambda mean, log_var: 0.5 * (mean**2 + torch.exp(log_var) - 1 - log_var),
        {"mean": (-3.0, 3.0), "log_var": (-20.0, 100.0)},
        "the variance overflows float32 from 88.7 on",
        (one_of("precision"),),
        ("float32", "exp"),
    ),
    Case(
        "policy behind a tanh",
        "pytorch/rl#2199",
        lambda m: -torch.log(1 - torch.tanh(m) ** 2),
        {"m": (-12.0, 12.0)},
        "from 9 on tanh is 1 in float32: log of 0, on a quarter of the view",
        (one_of("precision"),),
        ("float32", "log|tanh"),
    ),
    Case(
        "ratio of a stale policy",
        "PrimeIntellect-ai/prime-rl#2972",
        lambda step: torch.maximum(torch.exp(step), torch.exp(step).clamp(0.8, 1.2)),
        {"step": (-20.0, 110.0)},
        "for a bad action the ratio counts unclipped, and exp overflows float32 from 88.7 on",
        (one_of("precision"),),
        ("float32", "exp"),
    ),
    Case(
        "a ratio filtered by a product",
        "OpenRLHF/OpenRLHF#1314",
        filtered_ratio,
        {"x": (-5.0, 95.0)},
        "from 88.7 on inf · 0 makes NaN in float32; and the filter makes it jump by 5 at ln 5",
        (IN_TRAINING, one_of("jump")),
        ("float32", "exp|mul"),
    ),
    Case(
        "contrast by hand",
        "Lightning-Universe/lightning-bolts#811",
        contrast_by_hand,
        {"same": (-1.0, 1.0), "other": (-1.0, 1.0)},
        "exp of a hundred overflows float32, and of minus a hundred vanishes: infinite or NaN on much of the view",
        (one_of("precision"),),
        ("float32", "exp|log|div"),
    ),
    Case(
        "mixture by hand",
        "keras-team/keras#2586",
        mixture_by_hand,
        {"first": (-6.0, 6.0), "second": (-6.0, 6.0)},
        "both densities vanish in float32 beyond 4.3: log of 0; logsumexp is meant",
        (one_of("precision"),),
        ("float32", "exp|log"),
    ),
    Case(
        "soft minimum by hand",
        "PythonOT/POT#54",
        soft_minimum_by_hand,
        {"x": (-2.0, 2.0)},
        "a cost of more than a hundred times the regulariser vanishes in float32: log of 0 on almost half of the view",
        (one_of("precision"),),
        ("float32", "exp|log"),
    ),
    Case(
        "hazards by hand",
        "a Cox likelihood with the risks' plain sum",
        hazards_by_hand,
        {"effect": (-50.0, 50.0)},
        "the risk overflows float32 from 35.5 on, and from −40.3 downwards; logcumsumexp is meant",
        (one_of("precision"),),
        ("float32", "exp"),
    ),
    Case(
        "determinant by hand",
        "cornellius-gp/gpytorch#226",
        determinant_by_hand,
        {"s": (-4.0, 4.0)},
        "the product of forty variances is 0 in float32 below −2.6 and infinite above 2.2; the sum of logs is meant",
        (one_of("precision"),),
        ("float32", "prod|log"),
    ),
    Case(
        "beta likelihood by hand",
        "gamma functions outside of their logarithms",
        beta_by_hand,
        {"alpha": (1.0, 40.0), "beta": (1.0, 40.0)},
        "the gamma function overflows float32 beyond 35: infinite or NaN on most of the view",
        (one_of("precision"),),
        ("float32", "exp|div|mul"),
    ),
    Case(
        "entropy by hand",
        "huggingface/trl#7221",
        entropy_by_hand,
        {"a": (-120.0, 120.0), "b": (-120.0, 120.0)},
        "a probability that vanishes in float32 makes 0 · log 0, NaN",
        (IN_TRAINING,),
        ("float32", "log|mul"),
    ),
    Case(
        "focus with a root",
        "kornia/kornia#918",
        lambda z: torch.sqrt(1 - torch.sigmoid(z)) * F.softplus(-z),
        {"z": (-30.0, 30.0)},
        "a gamma of one half: from 17 on the root is of 0 in float32 and its gradient NaN",
        (IN_TRAINING,),
        ("float32", "sqrt"),
    ),
    Case(
        "focal Tversky of a perfect mask",
        "shruti-jadon/Semantic-Segmentation-Loss-Functions#2",
        focal_tversky,
        {"inside": (-30.0, 30.0), "outside": (-30.0, 30.0)},
        "where float32 takes the mask for perfect 0 is raised to 0.75, with a NaN gradient; flat where it is all wrong",
        (IN_TRAINING,),
        ("float32", "pow"),
    ),
    Case(
        "correlation behind a tanh",
        "abduallahmohamed/Social-STGCNN#54",
        correlated_pair,
        {"c": (-12.0, 12.0)},
        "from 9 on the correlation is 1 in float32: log of 0, and division by it",
        (one_of("precision"),),
        ("float32", "log|div|reciprocal"),
    ),
    Case(
        "spread by two means",
        "Lightning-AI/torchmetrics#2281",
        spread_by_two_means,
        {"width": (0.4, 2.5)},
        "the difference of two means near 2.5 · 10⁷ is mostly rounding in float32: loss and gradient are wrong",
        (one_of("precision"),),
        ("float32",),
    ),
    Case(
        "cross-entropy of a saturated sigmoid",
        "pytorch/pytorch#24933",
        lambda z: F.binary_cross_entropy(torch.sigmoid(z), torch.zeros_like(z), reduction="none"),
        {"z": (-30.0, 30.0)},
        "from 17 on the sigmoid is 1 in float32: the loss is cut at 100 and its gradient is lost",
        (one_of("precision"),),
        ("float32",),
    ),
)


# -- half precision --------------------------------------------------------------------------------------------


def dice_over_many_pixels(z):
    block = torch.sigmoid(z).half() * 16_384
    inside = sum([block] * 16)
    return 1 - 2 * inside / (inside + sum([torch.ones_like(block) * 16_384] * 16))


def log_size_of_a_box(t):
    return (torch.log(torch.exp(t).half() + 1e-8).to(t.dtype) - math.log(0.3)).abs()


def short_vector(x, y):
    v = torch.stack((x, y)).half()
    return 1 - (v * in_dtype([0.6, 0.8], v)).sum(0) / torch.sqrt((v * v).sum(0) + 1e-12)


def row_masked_whole(a, b):
    scores = torch.stack((a, b)).half() - 1e6
    return -torch.log_softmax(scores, 0)[0] + 0.1 * (a**2 + b**2).half()


def two_masks_added(a, b):
    least = torch.finfo(torch.bfloat16).min
    plane = torch.tensor([0.0, 0.0, least], dtype=torch.bfloat16)
    logs = (torch.stack((a, b, a)).bfloat16() + (plane + plane).view(3, *[1] * a.dim())).log_softmax(0)
    return (logs.exp() * logs).sum(0) + 0.1 * (a**2 + b**2).bfloat16()


def clamp_that_rounds_away(z):
    p = torch.sigmoid(z.bfloat16()).clamp(max=1 - 1e-6)
    return -torch.log1p(-p)


def surprise(a, b):
    return -torch.log(1 - torch.stack((a, b)).softmax(0)[0])


def odds_ratio(good, bad):
    up, down = F.logsigmoid(good), F.logsigmoid(bad)
    return -F.logsigmoid(up - torch.log(1 - up.exp()) - (down - torch.log(1 - down.exp())))


HALF_PRECISION = (
    Case(
        "exp of a half",
        "training under automatic mixed precision",
        lambda x: x.half().neg().exp(),
        {"x": (0.0, 25.0)},
        "0 in float16 from about 17 on, and no gradient",
        (one_of("precision", "dead_zone"),),
        ("half|float16",),
    ),
    Case(
        "dice over many pixels",
        "qubvel-org/segmentation_models.pytorch#463",
        dice_over_many_pixels,
        {"z": (-6.0, 6.0)},
        "a sum over a quarter of a million pixels overflows float16: inf by inf is NaN",
        (IN_TRAINING,),
        ("half|float16",),
    ),
    Case(
        "log of a box's size",
        "rwightman/efficientdet-pytorch#291",
        log_size_of_a_box,
        {"t": (-22.0, 4.0)},
        "eps is 0 in float16, and so is a size below e^−17: log of 0; from e^−11 on the gradient overflows",
        (IN_TRAINING,),
        ("half|float16", "log"),
    ),
    Case(
        "a short vector",
        "MinishLab/model2vec#369",
        short_vector,
        {"x": (-5e-4, 5e-4), "y": (-5e-4, 5e-4)},
        "squares this small vanish in float16, eps with them: 0 by 0 around the origin, NaN gradients all over",
        (IN_TRAINING,),
        ("half|float16", "div|sqrt|mul|pow"),
    ),
    Case(
        "a row masked whole",
        "google/flax#982",
        row_masked_whole,
        {"a": (-2.0, 2.0), "b": (-2.0, 2.0)},
        "−10⁶ is −inf in float16, and a softmax of nothing but −inf is NaN everywhere",
        (IN_TRAINING,),
        ("half|float16|nan",),
    ),
    Case(
        "two masks added",
        "NVIDIA-NeMo/Automodel#2658",
        two_masks_added,
        {"a": (-2.0, 2.0), "b": (-2.0, 2.0)},
        "the lowest bfloat16 twice is −inf, which the entropy multiplies by 0: NaN everywhere",
        (IN_TRAINING,),
        ("bfloat16|nan",),
    ),
    Case(
        "a clamp that rounds away",
        "fastino-ai/GLiNER2#155",
        clamp_that_rounds_away,
        {"z": (-8.0, 12.0)},
        "1 − 1e-6 is 1 in bfloat16, so the clamp does nothing: log of 0 from about 6 on",
        (IN_TRAINING,),
        ("bfloat16", "log"),
    ),
    Case(
        "squared depth",
        "depths in metres under automatic mixed precision",
        lambda depth: (depth.half() - 20) ** 2,
        {"depth": (0.0, 400.0)},
        "the square of more than 255 overflows float16",
        (IN_TRAINING,),
        ("half|float16", "pow|mul"),
    ),
    Case(
        "a loss divided by tokens",
        "facebookresearch/pytext#581",
        lambda a, b: ((a.half() - 0.5) ** 2 + (b.half() - 0.2) ** 2) / 3e8,
        {"a": (-3.0, 3.0), "b": (-3.0, 3.0)},
        "the mean over many tokens is 0 in float16, and its gradient too",
        (one_of("precision", "dead_zone"),),
        ("half|float16",),
    ),
    Case(
        "coordinates in bfloat16",
        "wandb/senpai#328",
        lambda x: (x.bfloat16() - 500.3) ** 2,
        {"x": (496.0, 504.0)},
        "numbers are 2 apart in bfloat16 there: loss and gradient are the nearest one's, wrong around the target",
        (one_of("precision", "dead_zone", "jump", "gradient_mismatch"),),
        ("bfloat16",),
    ),
    Case(
        "an encoder in float16",
        "the divergence of an encoder under automatic mixed precision",
        lambda mean, log_var: 0.5 * (mean**2 + torch.exp(log_var) - 1 - log_var),
        {"mean": (-3.0, 3.0), "log_var": (-6.0, 14.0)},
        "the variance overflows float16 from 11.1 on",
        (one_of("precision"),),
        ("float16|half", "exp"),
        {"dtype": torch.float16},
    ),
    Case(
        "unlikelihood in bfloat16",
        "the log of one minus a probability, trained in bfloat16",
        surprise,
        {"a": (-8.0, 8.0), "b": (-8.0, 8.0)},
        "a probability above 0.998 is 1 in bfloat16: log of 0, where one is ahead by 6.2 or more",
        (one_of("precision"),),
        ("bfloat16", "log"),
        {"dtype": torch.bfloat16},
    ),
    Case(
        "odds in float16",
        "huggingface/trl#1491",
        odds_ratio,
        {"good": (-3.0, 14.0), "bad": (-3.0, 14.0)},
        "exp of a log-probability near 0 is 1 in float16: log of 0 from a logit of about 8 on",
        (one_of("precision"),),
        ("float16|half", "log"),
        {"dtype": torch.float16},
    ),
)

GONE_WRONG = (*FORMULAS, *MINIMA, *DEAD, *CUT, *JUMPS, *UNDEFINED, *SINGLE_PRECISION, *HALF_PRECISION)
