"""Float32 is not enough."""

import math

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case, one_of
from tests.core.surfaces.field.gone_wrong.shared import IN_TRAINING, in_dtype, three


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
