"""Losses whose cure is not the usual one of the operation that shows."""

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case, one_of
from tests.core.surfaces.field.gone_wrong.shared import ASTRAY, in_dtype

INPUTS, LABELS = (-2.0, -1.0, 0.5, 1.0, 2.0, -0.5), (0.0, 1.0, 0.0, 1.0, 1.0, 0.0)


def focal_with_a_turned_sign(w, b):
    entropy = F.binary_cross_entropy_with_logits(w * in_dtype(INPUTS, w) + b, in_dtype(LABELS, w), reduction="none")
    return ((1 - torch.exp(entropy)) ** 1.5 * entropy).mean()


def variance_cut_off(mu, s):
    variance = torch.relu(s)
    return (0.5 * (torch.log(variance) + (in_dtype((0.5, 1.2, 0.8, 1.9), mu) - mu) ** 2 / variance)).mean()


def overlap_of_boxes(dx, dy):
    one = torch.ones_like(dx)
    across = (torch.minimum(dx + 1, one) - torch.maximum(dx - 1, -one)).clamp(min=0)
    down = (torch.minimum(dy + 1, one) - torch.maximum(dy - 1, -one)).clamp(min=0)
    return 1 - across * down / (8 - across * down + 1e-7)


def decided_dice(w, b):
    decided = (torch.sigmoid(w * in_dtype(INPUTS, w) + b) > 0.5).to(w.dtype)
    labels = in_dtype(LABELS, w)
    return 1 - (2 * (decided * labels).sum() + 1) / (decided.sum() + labels.sum() + 1)


FITTING_CURES = (
    Case(
        "a focal weight of exp(+loss)",
        "1 − pt with pt = exp(ce) in place of exp(−ce)",
        focal_with_a_turned_sign,
        {"w": (-4.0, 4.0), "b": (-4.0, 4.0)},
        "the base of the power is below zero wherever one looks: its sign is wrong",
        (one_of("non_finite"),),
        ("pow", "all of the view", "the sign of what makes it"),
    ),
    Case(
        "a variance behind a relu",
        "a Gaussian likelihood whose variance is cut off",
        variance_cut_off,
        {"mu": (-2.0, 4.0), "s": (-2.0, 4.0)},
        "its logarithm is infinite wherever the variance is cut off, and softplus is the cure",
        (one_of("non_finite"),),
        ("log", "softplus(…) + eps"),
    ),
    Case(
        "a generator that is pushed by log(1 − D)",
        "the first form of adversarial training",
        lambda d: torch.log(1 - torch.sigmoid(d)),
        {"d": (-25.0, 5.0)},
        "flat where the critic is sure, which logits do not cure",
        (one_of("dead_zone"),),
        ("−logsigmoid",),
    ),
    Case(
        "the same with softplus",
        "adversarial training with logits, unturned",
        lambda d: -F.softplus(d),
        {"d": (-25.0, 5.0)},
        "flat where the critic is sure, with logits as without",
        (one_of("dead_zone"),),
        ("−logsigmoid",),
    ),
    Case(
        "boxes that do not meet",
        "one less the intersection over the union",
        overlap_of_boxes,
        {"dx": (-6.0, 6.0), "dy": (-6.0, 6.0)},
        "boxes apart have no gradient to come together by",
        (one_of("dead_zone"),),
        ("overlap", "a term that sees the distance"),
    ),
    Case(
        "an eps that half precision does not have",
        "log(p + 1e-8) under float16",
        lambda z: -torch.log(torch.sigmoid(z) + 1e-8),
        {"z": (-30.0, 10.0)},
        "1e-8 is 0 in float16, and the logarithm infinite",
        (one_of("precision"),),
        ("1e−8 in it is 0 in float16",),
        {"dtype": "float16"},
    ),
    Case(
        "a dice of what was decided",
        "segmentation by a threshold, in two numbers",
        decided_dice,
        {"w": (-3.0, 3.0), "b": (-3.0, 3.0)},
        "a comparison has no gradient",
        (one_of("no_gradient_path"),),
        ("a comparison on the way cuts it off",),
    ),
    Case(
        "a turn by half",
        "sin² of an angle's error",
        lambda yaw: torch.sin(yaw - 0.6) ** 2,
        {"yaw": (-3.1, 3.1)},
        "half a turn away it is as low, and nothing tells the two apart",
        (ASTRAY,),
        ("as low as at the target", "1 − cos"),
        {"target": (0.6,)},
    ),
)
