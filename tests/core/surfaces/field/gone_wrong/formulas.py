"""A formula that is not the one that was meant."""

import math

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case, one_of
from tests.core.surfaces.field.gone_wrong.shared import ASTRAY, LOG_SHARES, SHARES, WIDE, in_dtype, three


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
        (ASTRAY | one_of("wrong_input"),),
        ("target|kl_div",),
        {"fixed": {"shares": SHARES}, "target": LOG_SHARES},
    ),
    Case(
        "both divergences without a log",
        "PaddlePaddle/PaddleClas#538",
        both_divergences_without_a_log,
        WIDE,
        "negative, and lowest elsewhere than where student and teacher agree",
        (ASTRAY | one_of("wrong_input"),),
        ("target|kl_div",),
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
