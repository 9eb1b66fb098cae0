"""No gradient where there should be one."""

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case, one_of
from tests.core.surfaces.field.gone_wrong.shared import three


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
    Case(
        "a product behind a clamp",
        "outputs clamped to a range before the loss",
        lambda x, y: ((x * y).clamp(-0.5, 0.5) - 0.4) ** 2,
        {"x": (-2.0, 2.0), "y": (-2.0, 2.0)},
        "outside of the clamp nothing moves, and it is the clamp that must go",
        (one_of("dead_zone"),),
        ("clamp that lets no gradient", "after each step"),
    ),
    Case(
        "the smaller of two",
        "a loss capped by minimum",
        lambda x, y: torch.minimum((x - 1) ** 2 + (y - 0.5) ** 2, torch.full_like(x, 0.5)),
        {"x": (-2.0, 2.0), "y": (-2.0, 2.0)},
        "beyond the cap there is no slope",
        (one_of("dead_zone"),),
        ("minimum",),
    ),
)
