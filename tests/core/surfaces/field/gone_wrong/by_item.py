"""Losses that one item of the data makes undefined, or one number: it is named, with what is done about it."""

import torch
from torch import distributions
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case, one_of
from tests.core.surfaces.field.gone_wrong.shared import NOT_FINITE, in_dtype

CLIPS = torch.tensor([[1.0, 2.0], [0.0, 0.0], [0.5, 1.0]])
TARGETS = torch.tensor([2.0, 0.0, 5.0])
CLASSES = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
KEPT = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
COUNTS = torch.tensor([4, 0, 2])
FEATURES = torch.tensor([[1.0, 2.0, 4.0], [5.0, 5.0, 5.0]])
ACTIONS = torch.tensor([0.2, 1.0, -0.5])
SHARES = torch.tensor([0.2, 1.0, 0.4])
UNIFORM = torch.tensor([0.4, 0.9, 1.0, 0.2])
IGNORED = torch.tensor([-100, -100])
LINE = torch.arange(4.0)
AROUND = {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}
POSITIVE = {"p": (0.1, 3.0), "q": (0.1, 3.0)}


def scale_invariant_ratio(a, b):
    found = CLIPS * a + 0.1 * b
    share = (found * CLIPS).sum(-1) / (CLIPS**2).sum(-1)
    rest = found - share[:, None] * CLIPS
    return -torch.log10((share**2 + 1e-3) / ((rest**2).sum(-1) + 1e-3)).mean()


def relative_error(a, b):
    return ((a * torch.tensor([1.0, 2.0, 3.0]) + b - TARGETS).abs() / TARGETS.abs()).mean()


def dice_by_class(p, q):
    shares = torch.stack([torch.stack([p, q, 0 * p]), torch.stack([q, p, 0 * p])])
    return 1 - (2 * (shares * CLASSES).sum(0) / (shares + CLASSES).sum(0)).mean()


def mean_of_each_row(a, b):
    return (((torch.stack([a, b]) - 0.3) ** 2 * KEPT).sum(1) / KEPT.sum(1)).mean()


def mean_of_each_class(a, b):
    return (torch.stack([a, b, a * b]) ** 2 / COUNTS).sum()


def standardised(a, b):
    z = (FEATURES - FEATURES.mean(1, keepdim=True)) / FEATURES.std(1, keepdim=True)
    return ((a * z + b - 1) ** 2).mean()


def squashed_policy(a, b):
    return (0.5 * ((torch.atanh(ACTIONS) - a) / b.exp()) ** 2 + b).mean()


def of_log_odds(a, b):
    return (((a + 1.5) * torch.log(SHARES / (1 - SHARES)) + b) ** 2).mean()


def perturbed_choice(a, b):
    noise = -torch.log(-torch.log(UNIFORM))
    return -torch.log_softmax(torch.stack([a, b, 0 * a, 0 * b]) + noise, -1)[0]


def all_ignored(a, b):
    return F.cross_entropy(torch.stack([torch.stack([a, b, 0 * a])] * 2), IGNORED)


def text_too_long(a, b):
    steps = torch.stack([torch.stack([a, b, 0 * a])] * 2).log_softmax(-1)[:, None]
    return F.ctc_loss(steps, torch.tensor([[1, 1]]), torch.tensor([2]), torch.tensor([2]))


def tweedie(mean, rho):
    return -2 * mean ** (1 - rho) / (1 - rho) + mean ** (2 - rho) / (2 - rho)


def renyi(p, alpha):
    return torch.log(p**alpha + (1 - p) ** alpha) / (1 - alpha)


def determination_turned_round(slope, start):
    x = in_dtype(LINE, slope)
    y = 2 * x + 1
    left = ((slope[..., None] * x + start[..., None] - y) ** 2).sum(-1)
    return 1 - ((y - y.mean()) ** 2).sum() / left


def drawn_from(spread):
    # torch.compile, once used, turns the checks of all distributions off for the rest of the process.
    drawn = distributions.Normal(torch.zeros_like(spread), spread, validate_args=True)
    return -drawn.log_prob(torch.full_like(spread, 0.3))


def of_raw_scores(p):
    return F.binary_cross_entropy(p, torch.full_like(p, 0.7), reduction="none")


def case(name, source, loss, axes, right, *words, findings=(NOT_FINITE,), **more):
    return Case(name, source, loss, axes, right, findings, words, **more)


BY_ITEM = (
    case(
        "one silent clip",
        "a scale-invariant ratio",
        scale_invariant_ratio,
        AROUND,
        "clip 1 has no energy",
        "div",
        "clips[1] is 0 all along",
        "leave such items out",
    ),
    case(
        "one target of 0",
        "a mean absolute percentage error",
        relative_error,
        AROUND,
        "target 1 is 0",
        "div",
        "targets[1] is 0",
        "eps",
    ),
    case(
        "a class that is not there",
        "Dice by class",
        dice_by_class,
        POSITIVE,
        "class 2 is empty",
        "div",
        "classes[:, 2] is 0",
        "numerator",
    ),
    case(
        "a sequence without a target",
        "microsoft/LMOps#38",
        mean_of_each_row,
        AROUND,
        "row 1 of the mask is empty",
        "div",
        "kept[1] is 0 all along",
        "clamp(min=1)",
    ),
    case(
        "a class without samples",
        "a mean by class",
        mean_of_each_class,
        AROUND,
        "class 1 has no samples",
        "div",
        "counts[1] is 0",
    ),
    case(
        "a feature that never changes",
        "standardised by hand",
        standardised,
        AROUND,
        "feature 1 has no spread",
        "div",
        "features[1] is the same all along",
    ),
    case(
        "an action at the bound",
        "rlworkgroup/garage#2129",
        squashed_policy,
        AROUND,
        "atanh of action 1, which is 1, is infinite",
        "atanh",
        "actions[1] is 1",
        "inside",
    ),
    case(
        "log odds of certainty",
        "log odds as a target",
        of_log_odds,
        AROUND,
        "share 1 is 1, whose odds are infinite",
        "shares[1] is 1",
        "clamp shares",
    ),
    case(
        "noise of a number that is 1",
        "HKUDS/SSLRec#26",
        perturbed_choice,
        AROUND,
        "the logarithm of 0 where a random number is 1",
        "log",
        "uniform[2] is 1",
        "clamp",
    ),
    case(
        "all targets ignored",
        "NVIDIA-NeMo/Automodel#3796",
        all_ignored,
        AROUND,
        "a mean over nothing",
        "nll_loss",
        "ignore_index",
        'reduction="sum"',
    ),
    case(
        "a text longer than its sound",
        "connectionist temporal classification",
        text_too_long,
        AROUND,
        "no alignment: infinite",
        "ctc_loss",
        "zero_infinity",
    ),
    case(
        "a power's limit",
        "dmlc/xgboost#12444",
        tweedie,
        {"mean": (0.2, 5.0)},
        "1 − rho is 0",
        "div",
        "rho is 1",
        "limit",
        keywords={"fixed": {"rho": 1.0}},
        unsaid=("mask is empty",),
    ),
    case(
        "an entropy's limit",
        "an entropy by its order",
        renyi,
        {"p": (0.05, 0.95)},
        "1 − alpha is 0",
        "div",
        "alpha is 1",
        "limit",
        keywords={"fixed": {"alpha": 1.0}},
    ),
    case(
        "determination turned round",
        "keras-team/keras#7249",
        determination_turned_round,
        {"slope": (0.0, 4.0), "start": (-1.0, 3.0)},
        "minus infinite at the perfect fit: the quotient is upside down",
        "div|slope grows",
        findings=(one_of("non_finite", "singular", "no_bottom"),),
    ),
    case(
        "a spread of a linear layer",
        "a distribution's own check",
        drawn_from,
        {"spread": (-1.0, 2.0)},
        "refused where the spread is not above 0",
        "constraint",
        "softplus",
    ),
    case(
        "raw scores for probabilities",
        "binary_cross_entropy without the sigmoid",
        of_raw_scores,
        {"p": (-0.5, 1.5)},
        "refused outside of 0 to 1",
        "between 0 and 1",
        "logits",
    ),
)
