"""Sound losses right beside those that an item of the data or a convention spoils."""

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case

KEPT = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
WEIGHTS = torch.tensor([0.2, 0.5, 0.3])
AROUND = {"a": (-2.0, 2.0), "b": (-2.0, 2.0)}


def rows_clamped(a, b):
    squares = (torch.stack([torch.stack([a, b]), torch.stack([b, a])]) - 0.2) ** 2 * KEPT
    return (squares.sum(1) / KEPT.sum(1).clamp(min=1)).mean()


def dice_smoothed(a, b):
    shares = torch.sigmoid(torch.stack([torch.stack([a, b]), torch.stack([b, a])]))
    target = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    dice = (2 * (shares * target).sum(1) + 1) / (shares.sum(1) + target.sum(1) + 1)
    return 1 - dice.mean() + 0.01 * (a * a + b * b)


def soft_labels(a, b):
    return F.binary_cross_entropy_with_logits(torch.stack([b, a, a]), torch.tensor([0.1, 0.9, 0.6]))


def ranked_both_ways(a, b):
    ranking = F.margin_ranking_loss(torch.stack([a, a]), torch.stack([b, b / 2]), torch.tensor([-1.0, 1.0]), margin=0.3)
    return ranking + 0.2 * (a - 1) ** 2 + 0.1 * b**2


def sorted_values(a, b):
    values = torch.stack([a, b, 0 * a + 0.3]).sort().values
    return (values * WEIGHTS).sum() ** 2 + 0.1 * (a - 0.3) ** 2 + 0.1 * (b - 0.3) ** 2


def largest_detached(a, b):
    largest = torch.maximum(a, b).detach()
    return largest + torch.log(torch.exp(a - largest) + torch.exp(b - largest)) + 0.2 * (a * a + b * b)


def free_bits(a, b):
    divergence = 0.5 * (a**2 + b.exp() - 1 - b)
    return divergence.clamp(min=0.2) + 0.05 * (a - 1) ** 2 + 0.02 * b**2


def heading(h):
    return 1 - torch.cos(torch.deg2rad(h - 30.0))


def tweedie_of_a_logarithm(m):
    return 4 * torch.exp(-0.5 * m) + 2 * torch.exp(0.5 * m)


def one_ignored(a, b):
    return F.cross_entropy(torch.stack([torch.stack([a, b, 0 * a])] * 2), torch.tensor([0, -100]), label_smoothing=0.1)


BESIDE_ITEMS = (
    Case("an empty row, counted as one", "a mean by row with clamp(min=1)", rows_clamped, AROUND, "squares"),
    Case("an empty class, smoothed", "Dice with a smooth part", dice_smoothed, AROUND, "Dice"),
    Case("labels between 0 and 1", "label smoothing", soft_labels, AROUND, "convex"),
    Case("ranking with labels of −1", "torch", ranked_both_ways, AROUND, "convex"),
    Case("sorted values", "an ordered weighted mean", sorted_values, AROUND, "kinks, and a gradient everywhere"),
    Case("the largest, detached", "logsumexp by hand", largest_detached, AROUND, "what is detached cancels"),
    Case("free bits", "a divergence that may be so large", free_bits, AROUND, "flat where it is low enough"),
    Case("degrees, turned", "an angle in degrees", heading, {"h": (-60.0, 120.0)}, "one minimum"),
    Case("Tweedie of a logarithm", "insurance claims", tweedie_of_a_logarithm, {"m": (-3.0, 4.0)}, "convex"),
    Case("one of two ignored", "ignore_index", one_ignored, AROUND, "a cross-entropy"),
)
