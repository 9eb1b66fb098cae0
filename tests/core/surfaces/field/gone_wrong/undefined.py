"""Infinite, undefined, without a gradient."""

import math

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case, one_of
from tests.core.surfaces.field.gone_wrong.shared import NOT_FINITE, SHARES, UNIT, WIDE, in_dtype, three


def two_by_two(a, b, c):
    return torch.stack([torch.stack([a, b], -1), torch.stack([b, c], -1)], -2)


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
    Case(
        "a mask after the logarithm",
        "padded entries multiplied by zero after the log",
        lambda x, y: (torch.log(torch.stack([x + 3, F.relu(y)])) * torch.tensor([[1.0], [0.0]])).sum(0) + x**2 + y**2,
        UNIT,
        "log 0 is −∞, and times zero NaN, over half of the view",
        (NOT_FINITE,),
        ("log", "mask", "where|index"),
    ),
    Case(
        "a covariance that is none",
        "a Gaussian's log-determinant, of a matrix by its entries",
        lambda a, b: 0.5 * (a + b * b) - torch.logdet(two_by_two(a, b, torch.ones_like(a))),
        {"a": (0.1, 4.0), "b": (-2.0, 2.0)},
        "not positive definite where b² is more than a",
        (one_of("non_finite"),),
        ("logdet makes it", "positive definite"),
    ),
    Case(
        "the logarithm of a determinant",
        "the same by hand, of a correlation",
        lambda r: r**2 - torch.log(torch.linalg.det(two_by_two(1 + 0 * r, r, 1 + 0 * r))),
        {"r": (-2.0, 2.0)},
        "not positive definite beyond ±1",
        (one_of("non_finite"),),
        ("log makes it of a matrix whose determinant", "positive definite"),
    ),
)
