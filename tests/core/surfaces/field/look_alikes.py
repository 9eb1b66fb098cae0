"""Losses that are meant as they are, beside those of which the cause was not named."""

import math

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case
from tests.core.surfaces.field.gone_wrong.cut_gradients import circle_with_detached_weights
from tests.core.surfaces.field.gone_wrong.fourth_look import ALONG, CIRCLE, CLASSES, LABELS, LINE, SCORES, X, Y

PLANE = {"a": (-3.0, 3.0), "b": (-3.0, 3.0)}
SPREAD = torch.tensor([-0.9, 0.4, 1.7, 2.0, 2.6, 3.1, 4.4])
TWO_HEAPS = torch.tensor([-3.4, -3.1, -2.7, -2.5, 3.3, 3.8, 4.1, 4.4, 4.9])
GRID = torch.linspace(-2, 2, 13)
SPOT = torch.exp(-((GRID - 0.3) ** 2 + (GRID[:, None] + 0.4) ** 2))
CLOUD = torch.tensor([[0.9, -0.3], [-0.6, 1.1], [0.2, 0.4], [-1.2, -0.8], [1.4, 0.7]])
SIMILAR = torch.tensor([[0.6, 0.1, -0.2], [0.0, 0.5, 0.2], [-0.3, 0.1, 0.4]])


def _distances(x):
    squares = x**2
    return squares.sum(1, keepdim=True) + squares.sum(1) - 2 * x @ x.T


def beta_nll(mu, log_var, y):
    var = log_var.exp()
    return (0.5 * ((y - mu) ** 2 / var + log_var) * var.detach() ** 0.5).mean()


def quantised(z, e):
    return (z + (e - z).detach() - 1) ** 2 + (e - z.detach()) ** 2 + 0.25 * (z - e.detach()) ** 2


def two_heaps(m, n, y):
    return -torch.logaddexp(math.log(0.4) - 0.5 * (y - m) ** 2, math.log(0.6) - 0.5 * (y - n) ** 2).mean()


def chamfer(a, b, cloud):
    apart = ((cloud[:, None] + torch.stack([a, b]) - cloud.flip(0)[None] * 0.8) ** 2).sum(-1)
    return apart.min(0).values.mean() + apart.min(1).values.mean()


def both_ways(sim):
    places = torch.arange(3)
    return F.nll_loss(F.log_softmax(sim / 0.1, 0), places) + F.nll_loss(F.log_softmax(sim / 0.1, 1), places)


def actor_and_critic(z, v):
    advantage = (1.8 - v).detach()
    return -advantage * F.logsigmoid(z) + 0.5 * (1.8 - v) ** 2 + 0.02 * z**2


def apart_along_a_line(centre, width):
    start, end = centre - width / 2, centre + width / 2
    low, high = torch.full_like(centre, 0.6), torch.full_like(centre, 1.4)
    both = (torch.minimum(end, high) - torch.maximum(start, low)).clamp(min=0)
    union, hull = width + 0.8 - both, torch.maximum(end, high) - torch.minimum(start, low)
    return 1 - both / union + (hull - union) / hull


def sound(name, source, loss, axes, **keywords):
    return Case(name, source, loss, axes, "sound", keywords=keywords)


LOOK_ALIKES = (
    sound("a variance that weighs, held", "β-NLL", beta_nll, {"mu": (-3.0, 7.0), "log_var": (-3.0, 4.0)},
          fixed={"y": SPREAD}),
    sound("a code that is held in turn", "VQ-VAE", quantised, {"z": (-3.0, 3.0), "e": (-3.0, 3.0)}),
    sound("a target that is held", "a temporal difference",
          lambda a, b: (a - (1 + 0.9 * b).detach()) ** 2 + (b - 0.5) ** 2, PLANE),
    sound("circle loss with detached weights", "TinyZeaMays/CircleLoss#28", circle_with_detached_weights,
          {"positive": (-1.0, 1.0), "negative": (-1.0, 1.0)}),
    sound("a focus that is detached", "focal weights computed without a gradient",
          lambda z: torch.sigmoid(-z).detach() ** 2 * F.softplus(-z), {"z": (-4.0, 4.0)}),
    sound("two heaps, either first", "a mixture's likelihood", two_heaps, {"m": (-6.0, 6.5), "n": (-6.0, 6.5)},
          fixed={"y": TWO_HEAPS}),
    sound("a cloud beside its mirror", "Chamfer's distance", chamfer, PLANE, fixed={"cloud": CLOUD}),
    sound("a spot fitted along both axes", "a separable kernel",
          lambda a, b, x, y, spot: ((torch.exp(-((x - a) ** 2)) * torch.exp(-((y - b) ** 2)) - spot) ** 2).mean(),
          {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}, fixed={"x": GRID, "y": GRID[:, None], "spot": SPOT}),
    sound("a bell summed over a grid", "an integral over a plane",
          lambda a, b, x, y: -torch.exp(-((x - a) ** 2 + (y - b) ** 2)).mean(), {"a": (-1.0, 1.0), "b": (-1.0, 1.0)},
          fixed={"x": GRID, "y": GRID[:, None]}),
    sound("a whole turn", "an angle", lambda yaw: 1 - torch.cos(yaw - 1.5), {"yaw": (-math.pi, math.pi)},
          target=(1.5,)),
    sound("pairs told both ways", "CLIP", both_ways, {"own": (-1.0, 1.0), "others": (-1.0, 1.0)},
          fixed={"sim": SIMILAR}, directions={"own": torch.eye(3), "others": 1 - torch.eye(3)}),
    sound("classes along the first axis", "scores of shape (C, B)",
          lambda logits: -F.log_softmax(logits, 0)[torch.tensor([0, 3, 2]), torch.arange(3)].mean(),
          {"right": (-4.0, 8.0), "other": (-3.0, 3.0)}, fixed={"logits": SCORES}, directions=ALONG),
    sound("classes along the second", "cross entropy by hand",
          lambda logits: -F.log_softmax(logits, 1)[torch.arange(4), CLASSES].mean(),
          {"right": (-4.0, 8.0), "other": (-3.0, 3.0)}, fixed={"logits": SCORES}, directions=ALONG),
    sound("a level for each of two groups", "a lookup by a label",
          lambda a, b, y, group: ((torch.stack([a, b])[group] - y) ** 2).mean(), PLANE,
          fixed={"y": Y, "group": LABELS.long()}),
    sound("a mask of zeros and ones", "errors of some", lambda w, b, x, y, m: (m * (w * x + b - y) ** 2).mean(), LINE,
          fixed={"x": X, "y": Y, "m": LABELS}),
    sound("clamped in place", "data that stay as they are", lambda w, b, x, y: (
        (w * x.clamp_(-1, 1) + b - y) ** 2).mean(), LINE, fixed={"x": X, "y": Y}),
    sound("labels of bytes as targets", "binary cross entropy", lambda w, b, x, y: (
        F.binary_cross_entropy_with_logits(w * x + b, (y * 1).to(x.dtype))), CIRCLE,
          fixed={"x": X, "y": LABELS.to(torch.uint8)}),
    sound("a sum that is a line", "a regression of one feature twice",
          lambda a, b, x, y: ((a * x + b * x - y) ** 2).mean(), PLANE, fixed={"x": X, "y": 1.4 * X}),
    sound("an actor and a critic", "an advantage that is held", actor_and_critic, {"z": (-4.0, 4.0), "v": (-3.0, 5.0)}),
    sound("overlap and distance of two stretches", "a generalised overlap", apart_along_a_line,
          {"centre": (-2.0, 4.0), "width": (0.2, 3.2)},
          target={"centre": (0.9, 1.1), "width": (0.7, 0.9)}),
    sound("a valley of two kinks", "distances that are added", lambda a, b: 4 * (a - 2 * b).abs() + 0.3 * (a - 1).abs(),
          PLANE, target={"a": (0.9, 1.1), "b": (0.45, 0.55)}),
    sound("pairs told apart in float16", "contrastive scores over a temperature", lambda own, other: F.cross_entropy(
        torch.stack([own, other, 0 * own + 0.1])[None] / 0.08, torch.zeros(1, dtype=torch.long)),
          {"own": (-1.0, 1.0), "other": (-1.0, 1.0)}, dtype="float16"),
    sound("focus on what is hard, in float16", "a focal loss", lambda z: (
        -((1 - torch.sigmoid(z)) ** 2) * F.logsigmoid(z)), {"z": (-8.0, 8.0)}, dtype="float16"),
    sound("a logarithm near, a line far", "a wing", lambda w, b, x: torch.where(
        (w * x + 7 * b).abs() < 5, 5 * torch.log(1 + (w * x + 7 * b).abs()), (w * x + 7 * b).abs() + 3.959).mean(),
          {"w": (-2.0, 3.0), "b": (-2.0, 2.0)}, fixed={"x": torch.linspace(-2, 2, 33)}),
    sound("a line far, centred inputs", "Huber's loss of a line", lambda w, b, x: F.huber_loss(
        w * x + b, torch.full_like(x, 0.4)), {"w": (-1.5, 1.5), "b": (-6.0, 6.0)},
          fixed={"x": torch.linspace(-1, 1, 31)}),
    sound("a precision that is held", "uncertainty weighting", lambda w, s, x, y: (
        torch.exp(-s) * ((w * x - 0.4 - y) ** 2).mean() + s), {"w": (-2.0, 4.0), "s": (-7.0, 3.0)},
          fixed={"x": X, "y": Y}),
    sound("margins by their exponentials", "AdaBoost", lambda a, b: torch.exp(b - a), PLANE),
    sound("either cover", "rotations by quaternions", lambda angle: 1 - torch.cos((angle - 0.6) / 2) ** 2,
          {"angle": (-6.0, 8.0)}, target=lambda angle: torch.cos(angle - 0.6) > 0.98),
    sound("a mean and a variance of rows, both kept", "a scale-invariant error", lambda scale, shift, e: (
        (scale * e + shift).var(1, keepdim=True) + (scale * e + shift).mean(1, keepdim=True) ** 2).sqrt().mean(),
          {"scale": (0.2, 2.0), "shift": (-1.0, 1.0)}, fixed={"e": SPREAD.outer(GRID)}),
    sound("distances of all to all by their squares", "a metric loss", lambda a: (
        _distances(a * CLOUD) - 1.3 * _distances(CLOUD)).square().mean(), {"a": (0.2, 3.0)}),
    sound("one number for all targets", "the mean as a loss's lowest place", lambda w, y: F.mse_loss(w, y),
          {"w": (-3.0, 4.0)}, fixed={"y": SPREAD - 1.5}),
)  # fmt: skip
