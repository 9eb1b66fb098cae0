"""Half precision."""

import math

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case, one_of
from tests.core.surfaces.field.gone_wrong.shared import IN_TRAINING, in_dtype


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
