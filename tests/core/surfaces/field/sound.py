"""Losses as they are published and used, each in a view in which nothing is to be said against it.

Every one has a single minimum, or a single region of them, in view; slopes of one scale; no flat ground above the
lowest; and in float32 the values and gradients that it has in float64. A loss with a weakness far out is looked at
where it is used.
"""

import math

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.beside_items import BESIDE_ITEMS
from tests.core.surfaces.field.case import Case
from tests.core.surfaces.field.eighth_sound import EIGHTH_SOUND
from tests.core.surfaces.field.followed import FOLLOWED
from tests.core.surfaces.field.look_alikes import LOOK_ALIKES
from tests.core.surfaces.field.more_sound import MORE_SOUND
from tests.core.surfaces.field.neighbours import NEIGHBOURS
from tests.core.surfaces.field.seventh_sound import SEVENTH_SOUND
from tests.core.surfaces.field.sixth_sound import SIXTH_SOUND

LINE = {"slope": (-2.0, 3.0), "offset": (-3.0, 2.0)}
PAIR = {"a": (-3.0, 3.0), "b": (-3.0, 3.0)}
ODD = {"z": (-6.0, 6.0)}
TWO = {"first": (-3.0, 3.0), "second": (-3.0, 3.0)}

X = torch.tensor([-1.8, -1.5, -1.1, -0.9, -0.4, -0.2, 0.1, 0.3, 0.7, 0.8, 1.2, 1.6, 1.9], dtype=torch.float64)
NOISE = torch.tensor([0.1, -0.2, 0.0, 0.3, -0.1, 0.2, -0.3, 0.1, 0.0, -0.1, 0.2, -0.2, 0.1], dtype=torch.float64)
Y = 0.9137 * X - 0.4129 + NOISE
SIGNS = torch.tensor([-1.0, -1, -1, 1, -1, -1, 1, -1, 1, 1, 1, 1, -1], dtype=torch.float64)


def line(slope, offset):
    """Predictions of a line, and what they should be."""
    return slope * X.to(slope) + offset, Y.to(slope)


def scores(slope, offset):
    """Scores of a line, and the signs that they should have."""
    return slope * X.to(slope) + offset, SIGNS.to(slope)


def three(a, b):
    """Two logits beside a third that stays 0."""
    return torch.stack((a, b, torch.zeros_like(a)))


def numbers(values, like):
    return torch.tensor(values, dtype=like.dtype)


def sound(name, source, loss, axes, right, domain="free", **keywords):
    return Case(name, source, loss, axes, right, keywords=keywords, domain=domain)


# -- torch.nn.functional ---------------------------------------------------------------------------------------


def multilabel_soft_margin(a, b):
    return F.multilabel_soft_margin_loss(torch.stack((a, b))[None], numbers([[1.0, 0.0]], a))


def binary_cross_entropy(p, q):
    return F.binary_cross_entropy(torch.stack((p, q)), numbers([0.8, 0.3], p))


def triplet(x, y):
    anchor = torch.stack((x, y))[None]
    return F.triplet_margin_loss(anchor, numbers([[0.2, -0.1]], x), numbers([[2.0, 1.5]], x))


def cosine_embedding(x):
    vector = torch.stack((x, torch.ones_like(x)))
    return F.cosine_embedding_loss(vector[None], numbers([[0.6, 0.8]], x), numbers([1.0], x))


def hinge_embedding(x):
    distances = torch.stack(((x - 0.3).abs(), (x + 1).abs()))
    return F.hinge_embedding_loss(distances, numbers([1.0, -1.0], x))


TORCH = (
    sound("mse_loss", "torch", lambda slope, offset: F.mse_loss(*line(slope, offset)), LINE, "a bowl"),
    sound("l1_loss", "torch", lambda slope, offset: F.l1_loss(*line(slope, offset)), LINE, "convex, with kinks"),
    sound(
        "smooth_l1_loss",
        "torch",
        lambda slope, offset: F.smooth_l1_loss(*line(slope, offset), beta=0.5),
        LINE,
        "convex",
    ),
    sound("huber_loss", "torch", lambda slope, offset: F.huber_loss(*line(slope, offset), delta=1.5), LINE, "convex"),
    sound(
        "cross_entropy of shares",
        "torch",
        lambda a, b: F.cross_entropy(three(a, b)[None], numbers([[0.5, 0.2, 0.3]], a)),
        PAIR,
        "convex, lowest where the softmax is the shares",
        target=(math.log(5 / 3), math.log(2 / 3)),
    ),
    sound(
        "cross_entropy of a class",
        "torch",
        lambda a, b: F.cross_entropy(three(a, b)[None], torch.tensor([0])),
        PAIR,
        "convex, lowest in a corner of the view",
    ),
    sound(
        "cross_entropy, smoothed",
        "torch",
        lambda a, b: F.cross_entropy(three(a, b)[None], torch.tensor([1]), label_smoothing=0.2),
        PAIR,
        "convex, lowest in view: the smoothing bounds the logits",
    ),
    sound(
        "nll_loss with weights",
        "torch",
        lambda a, b: F.nll_loss(
            three(a, b).log_softmax(0).expand(2, 3), torch.tensor([0, 2]), weight=numbers([1.0, 2.0, 1.5], a)
        ),
        PAIR,
        "convex, lowest on the edge b −3: that class is absent",
    ),
    sound(
        "kl_div",
        "torch",
        lambda a, b: F.kl_div(three(a, b).log_softmax(0)[None], numbers([[0.2, 0.5, 0.3]], a), reduction="batchmean"),
        PAIR,
        "convex, 0 where the shares agree",
        target=(math.log(2 / 3), math.log(5 / 3)),
    ),
    sound(
        "kl_div of logarithms",
        "torch",
        lambda a, b: F.kl_div(
            three(a, b).log_softmax(0), numbers([0.6, -0.4, 0.0], a).log_softmax(0), reduction="sum", log_target=True
        ),
        PAIR,
        "convex, 0 where the logits agree",
        target=(0.6, -0.4),
    ),
    sound("binary_cross_entropy", "torch", binary_cross_entropy, {"p": (0.05, 0.95), "q": (0.05, 0.95)}, "convex"),
    sound(
        "binary_cross_entropy_with_logits",
        "torch",
        lambda z: F.binary_cross_entropy_with_logits(z, 0.7 + 0 * z, reduction="none"),
        ODD,
        "convex, lowest at the label's logit",
        target=(math.log(7 / 3),),
    ),
    sound(
        "binary_cross_entropy_with_logits, weighted",
        "torch",
        lambda slope, offset: F.binary_cross_entropy_with_logits(
            scores(slope, offset)[0], (SIGNS.to(slope) + 1) / 2, pos_weight=numbers(1.5, slope)
        ),
        LINE,
        "convex; the classes overlap",
    ),
    sound(
        "poisson_nll_loss",
        "torch",
        lambda rate: F.poisson_nll_loss(rate, 2.5 + 0 * rate, reduction="none"),
        {"rate": (-3.0, 3.0)},
        "convex in the log of the rate, lowest at ln 2.5",
        target=(math.log(2.5),),
    ),
    sound(
        "poisson_nll_loss of a rate",
        "torch",
        lambda rate: F.poisson_nll_loss(rate, 2 + 0 * rate, log_input=False, reduction="none"),
        {"rate": (0.3, 6.0)},
        "convex, lowest at 2; the rate stays positive",
    ),
    sound(
        "gaussian_nll_loss",
        "torch",
        lambda mean, spread: F.gaussian_nll_loss(
            mean + 0 * X.to(mean), Y.to(mean), F.softplus(spread) + 0 * X.to(mean)
        ),
        {"mean": (-3.0, 2.0), "spread": (-1.5, 3.0)},
        "one minimum, at the data's mean and variance; the variance is bounded from below",
    ),
    sound(
        "soft_margin_loss",
        "torch",
        lambda slope, offset: F.soft_margin_loss(*scores(slope, offset)),
        LINE,
        "convex; the classes overlap",
    ),
    sound(
        "multi_margin_loss",
        "torch",
        lambda a, b: F.multi_margin_loss(three(a, b)[None], torch.tensor([0]), p=2),
        PAIR,
        "convex, 0 on the whole of the region where the margin is kept",
    ),
    sound("multilabel_soft_margin_loss", "torch", multilabel_soft_margin, PAIR, "convex, lowest in a corner"),
    sound(
        "margin_ranking_loss",
        "torch",
        lambda first, second: F.margin_ranking_loss(first, second, torch.ones_like(first), 0.5, reduction="none"),
        {"first": (-2.0, 2.0), "second": (-2.0, 2.0)},
        "convex, 0 on the whole of the region where the order is right by the margin",
        target=lambda first, second: first - second >= 0.5,
    ),
    sound("triplet_margin_loss", "torch", triplet, {"x": (-1.0, 1.0), "y": (-1.0, 1.0)}, "0 around the positive"),
    sound(
        "cosine_embedding_loss", "torch", cosine_embedding, {"x": (-3.0, 3.0)}, "one minimum, at x 0.75", target=(0.75,)
    ),
    sound("hinge_embedding_loss", "torch", hinge_embedding, {"x": (-0.8, 2.5)}, "falls to 0.3 from both sides"),
    sound(
        "logsigmoid",
        "torch",
        lambda z: -F.logsigmoid(z),
        {"z": (-30.0, 30.0)},
        "convex; what is left of it on the right is next to nothing",
    ),
)


# -- regression ------------------------------------------------------------------------------------------------


def smoothed_quantile(q):
    over = Y.to(q) - q
    return (0.8 * over + 0.2 * F.softplus(-over / 0.2)).mean()


def wing(r):
    size, bend = r.abs(), 10 - 10 * math.log(1 + 10 / 2)
    return torch.where(size < 10, 10 * torch.log1p(size / 2), size - bend)


def barron(r, shape):
    return abs(shape - 2) / shape * (((r / 1.5) ** 2 / abs(shape - 2) + 1) ** (shape / 2) - 1)


def continuous_ranked_probability(mean, log_std):
    z = (Y.to(mean) - mean) * torch.exp(-log_std)
    density = torch.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    share = 0.5 * (1 + torch.erf(z / math.sqrt(2)))
    return (torch.exp(log_std) * (z * (2 * share - 1) + 2 * density - 1 / math.sqrt(math.pi))).mean()


def scale_invariant_depth(a, b):
    errors = torch.stack((a - 0.3, b + 0.2))
    return (errors**2).mean(0) - 0.5 * errors.mean(0) ** 2


def total_variation(a, b):
    return 0.5 * ((a - 0.8) ** 2 + (b + 0.2) ** 2) + 0.3 * torch.sqrt((a - b) ** 2 + 1e-2)


REGRESSION = (
    sound(
        "Charbonnier",
        "the differentiable L1 of optical flow",
        lambda a, b: torch.sqrt((a - 0.4) ** 2 + 1e-4) + torch.sqrt((b + 0.3) ** 2 + 1e-4),
        PAIR,
        "convex; the root never reaches 0",
    ),
    sound(
        "Charbonnier of a vector",
        "the end-point error with eps",
        lambda a, b: torch.sqrt((a - 0.4) ** 2 + (b + 0.3) ** 2 + 1e-3),
        PAIR,
        "convex; the root never reaches 0",
    ),
    sound(
        "pseudo-Huber",
        "Huber's loss, smooth",
        lambda slope, offset: (torch.sqrt(1 + (slope * X.to(slope) + offset - Y.to(slope)) ** 2) - 1).mean(),
        LINE,
        "convex",
    ),
    sound(
        "log cosh, stable",
        "|r| + softplus(−2|r|) − ln 2",
        lambda r: r.abs() + F.softplus(-2 * r.abs()) - math.log(2),
        {"r": (-150.0, 150.0)},
        "convex, and finite however far",
    ),
    sound(
        "pinball",
        "quantile regression",
        lambda q: torch.maximum(0.8 * (Y.to(q) - q), 0.2 * (q - Y.to(q))).mean(),
        {"q": (-4.0, 3.0)},
        "convex, with a kink at each of the data",
    ),
    sound("pinball, smoothed", "quantile regression with a softplus", smoothed_quantile, {"q": (-4.0, 3.0)}, "convex"),
    sound(
        "expectile",
        "asymmetric least squares",
        lambda q: ((0.5 + 0.3 * torch.sign(Y.to(q) - q)) * (Y.to(q) - q) ** 2).mean(),
        {"q": (-4.0, 3.0)},
        "convex; the slope has no jump",
    ),
    sound("wing", "facial landmarks, with its right constant", wing, {"r": (-30.0, 30.0)}, "one kinked minimum, at 0"),
    sound("Barron, shape 1", "the general robust loss", lambda r: barron(r, 1.0), {"r": (-6.0, 6.0)}, "convex"),
    sound("Barron, shape 0.5", "the general robust loss", lambda r: barron(r, 0.5), {"r": (-6.0, 6.0)}, "one minimum"),
    sound("Barron, shape −2", "the general robust loss", lambda r: barron(r, -2.0), {"r": (-4.0, 4.0)}, "one minimum"),
    sound("Cauchy", "robust fitting", lambda r: torch.log1p(0.5 * (r - 0.3) ** 2), {"r": (-5.0, 5.0)}, "one minimum"),
    sound(
        "Geman–McClure near the data",
        "robust fitting",
        lambda r: (r - 0.2) ** 2 / ((r - 0.2) ** 2 + 1),
        {"r": (-2.0, 2.0)},
        "one minimum, and a slope all over this view",
    ),
    sound(
        "Welsch near the data",
        "robust fitting",
        lambda a, b: 1 - torch.exp(-0.5 * ((a - 0.2) ** 2 + (b + 0.1) ** 2)),
        {"a": (-1.5, 1.5), "b": (-1.5, 1.5)},
        "one minimum, and a slope all over this view",
    ),
    sound(
        "Tukey's biweight within its bounds",
        "robust fitting",
        lambda r: 1 - (1 - (r / 4.685) ** 2) ** 3,
        {"r": (-3.5, 3.5)},
        "one minimum; flat only from 4.685 on, beyond this view",
    ),
    sound(
        "squared log error",
        "MSLE",
        lambda x: (torch.log1p(x) - math.log1p(3)) ** 2,
        {"x": (0.0, 12.0)},
        "one minimum, at 3",
        target=(3.0,),
    ),
    sound(
        "symmetric percentage error",
        "SMAPE with eps",
        lambda x: 2 * (x - 2).abs() / (x.abs() + 2 + 1e-3),
        {"x": (0.5, 8.0)},
        "one kinked minimum, at 2",
    ),
    sound(
        "Itakura–Saito",
        "spectra, in the difference of log-powers",
        lambda d: torch.exp(d) - d - 1,
        {"d": (-4.0, 3.0)},
        "convex, lowest at 0",
    ),
    sound(
        "scale-invariant depth", "Eigen's depth loss", scale_invariant_depth, PAIR, "a bowl, lowest where both agree"
    ),
    sound(
        "elastic net",
        "ridge and lasso",
        lambda a, b: 0.5 * ((a - 1) ** 2 + (b + 1) ** 2) + 0.3 * (a.abs() + b.abs()) + 0.1 * (a**2 + b**2),
        PAIR,
        "convex, with kinks at the axes",
    ),
    sound("total variation", "denoising, smooth", total_variation, PAIR, "convex"),
)


# -- likelihoods -----------------------------------------------------------------------------------------------


def student(mean, log_scale):
    z = (Y.to(mean) - mean) * torch.exp(-log_scale)
    return (log_scale + 2.5 * torch.log1p(z**2 / 4)).mean()


def laplace(mean, log_scale):
    return log_scale + (Y.to(mean) - mean).abs().mean() * torch.exp(-log_scale)


def normal_inverse_gamma(mean):
    evidence, shape, width = 1.5, 2.0, 2 * 1.0 * (1 + 1.5)
    return 0.5 * math.log(math.pi / evidence) + (shape + 0.5) * torch.log(evidence * (mean - 0.4) ** 2 + width)


def dirichlet_evidence(a, b):
    strength = F.softplus(three(a, b)) + 1
    total = strength.sum(0)
    share, label = strength / total, numbers([1.0, 0.0, 0.0], a)
    return ((share - label) ** 2 + share * (1 - share) / (total + 1)).sum()


def proportional_hazards(first, second):
    ages, doses = numbers([0.5, -0.4, 1.1, -1.2, 0.3, 0.9], first), numbers([-0.6, 0.2, 0.8, -0.1, 1.0, -0.9], first)
    risk = first * ages + second * doses
    return (torch.logcumsumexp(risk.flip(0), 0).flip(0) - risk).mean()


def mixture(mean):
    parts = torch.stack([-0.5 * (mean - centre) ** 2 for centre in (-0.6, 0.0, 0.7)])
    return -torch.logsumexp(parts, 0)


LIKELIHOODS = (
    sound(
        "Gaussian, log-variance",
        "heteroscedastic regression",
        lambda mean, log_var: 0.5 * (log_var + ((Y.to(mean) - mean) ** 2).mean() * torch.exp(-log_var)),
        {"mean": (-2.5, 1.5), "log_var": (-1.5, 3.0)},
        "one minimum, at the data's mean and variance",
    ),
    sound("Student's t", "robust regression", student, {"mean": (-2.5, 1.5), "log_scale": (-1.0, 1.5)}, "one minimum"),
    sound("Laplace", "robust regression", laplace, {"mean": (-2.5, 1.5), "log_scale": (-0.8, 1.5)}, "one minimum"),
    sound(
        "gamma, log link",
        "insurance claims",
        lambda eta: eta + 2.2 * torch.exp(-eta),
        {"eta": (-2.0, 3.0)},
        "convex, lowest at ln 2.2",
        target=(math.log(2.2),),
    ),
    sound(
        "Tweedie, log link",
        "rainfall and claims, power 1.5",
        lambda eta: 2 * 1.7 * torch.exp(-0.5 * eta) + 2 * torch.exp(0.5 * eta),
        {"eta": (-3.0, 4.0)},
        "convex, lowest at ln 1.7",
        target=(math.log(1.7),),
    ),
    sound(
        "negative binomial, log link",
        "counts, over-dispersed",
        lambda eta: 5 * F.softplus(eta - math.log(3)) - 2 * eta,
        {"eta": (-4.0, 5.0)},
        "convex, lowest at ln 2",
        target=(math.log(2.0),),
    ),
    sound(
        "exponential, log rate",
        "waiting times",
        lambda log_rate: 1.4 * torch.exp(log_rate) - log_rate,
        {"log_rate": (-4.0, 2.5)},
        "convex, lowest at −ln 1.4",
    ),
    sound(
        "von Mises",
        "directions",
        lambda angle: 2 * (1 - torch.cos(angle - 0.4)),
        {"angle": (-2.2, 2.6)},
        "one minimum, at 0.4, in less than a turn",
        target=(0.4,),
    ),
    sound(
        "divergence of Gaussians",
        "the encoder's term of a variational autoencoder",
        lambda mean, log_var: 0.5 * (mean**2 + torch.exp(log_var) - 1 - log_var),
        {"mean": (-2.5, 2.5), "log_var": (-3.0, 2.5)},
        "convex, 0 at the prior",
        target=(0.0, 0.0),
    ),
    sound("normal-inverse-gamma", "evidential regression", normal_inverse_gamma, {"mean": (-4.0, 4.0)}, "one minimum"),
    sound("Dirichlet evidence", "evidential classification", dirichlet_evidence, PAIR, "falls to one corner"),
    sound("proportional hazards", "Cox's partial likelihood", proportional_hazards, TWO, "convex"),
    sound("mixture of near components", "a mixture by logsumexp", mixture, {"mean": (-4.0, 4.0)}, "one minimum"),
    sound(
        "continuous ranked probability",
        "probabilistic forecasts",
        continuous_ranked_probability,
        {"mean": (-2.5, 1.5), "log_std": (-1.5, 1.5)},
        "one minimum",
    ),
    sound(
        "weights of two tasks",
        "learned log-variances",
        lambda first, second: 0.8 * torch.exp(-first) + first + 1.7 * torch.exp(-second) + second,
        {"first": (-1.5, 2.0), "second": (-1.5, 2.0)},
        "convex, lowest at (ln 0.8, ln 1.7)",
        target=(math.log(0.8), math.log(1.7)),
    ),
)


# -- classification --------------------------------------------------------------------------------------------


def focal(wanted, unwanted):
    return torch.sigmoid(-wanted) ** 2 * F.softplus(-wanted) + torch.sigmoid(unwanted) ** 2 * F.softplus(unwanted)


def dice(inside, outside):
    p, q = torch.sigmoid(inside), torch.sigmoid(outside)
    return 1 - (2 * p + 1e-3) / (p + q + 1 + 1e-3)


def tversky(inside, outside):
    p, q = torch.sigmoid(inside), torch.sigmoid(outside)
    return 1 - (p + 0.1) / (p + 0.7 * (1 - p) + 0.3 * q + 0.1)


def generalised_cross_entropy(a, b):
    return (1 - three(a, b).softmax(0)[0] ** 0.7) / 0.7


def poly_cross_entropy(a, b):
    logs = three(a, b).log_softmax(0)
    return -logs[0] + 1 - logs[0].exp()


def symmetric_cross_entropy(a, b):
    logs = three(a, b).log_softmax(0)
    return -logs[0] + 4 * (1 - logs[0].exp())


def brier(a, b):
    return ((three(a, b).softmax(0) - numbers([0.3, 0.3, 0.4], a)) ** 2).sum()


def ordinal(score, gap):
    levels = torch.stack((score + F.softplus(gap), score, score - F.softplus(gap)))
    return F.binary_cross_entropy_with_logits(levels, numbers([0.9, 0.6, 0.2], score), reduction="mean")


def earth_mover(a, b):
    return ((three(a, b).softmax(0).cumsum(0) - numbers([0.3, 0.6, 1.0], a)) ** 2).sum()


def asymmetric(wanted, unwanted):
    shifted = (torch.sigmoid(unwanted) - 0.05).clamp(min=0)
    return F.softplus(-wanted) - shifted**2 * torch.log(1 - shifted)


CLASSIFICATION = (
    sound(
        "hinge with ridge",
        "a support vector machine",
        lambda slope, offset: F.relu(1 - torch.mul(*scores(slope, offset))).mean() + 0.05 * (slope**2 + offset**2),
        LINE,
        "convex, with kinks",
    ),
    sound(
        "squared hinge with ridge",
        "a support vector machine",
        lambda slope, offset: (
            (F.relu(1 - torch.mul(*scores(slope, offset))) ** 2).mean() + 0.05 * (slope**2 + offset**2)
        ),
        LINE,
        "convex",
    ),
    sound(
        "logistic with ridge",
        "logistic regression",
        lambda slope, offset: F.softplus(-torch.mul(*scores(slope, offset))).mean() + 0.01 * (slope**2 + offset**2),
        LINE,
        "convex",
    ),
    sound(
        "exponential",
        "boosting",
        lambda slope, offset: torch.exp(-0.5 * torch.mul(*scores(slope, offset))).mean(),
        LINE,
        "convex; the classes overlap",
    ),
    sound(
        "focal",
        "dense object detection, on logits",
        focal,
        {"wanted": (-5.0, 5.0), "unwanted": (-5.0, 5.0)},
        "falls to one corner",
    ),
    sound(
        "asymmetric",
        "multi-label classification",
        asymmetric,
        {"wanted": (-4.0, 4.0), "unwanted": (-5.0, 4.0)},
        "0 for the unwanted one where its probability is below the shift; falls everywhere else",
    ),
    sound(
        "dice with eps",
        "segmentation, on logits",
        dice,
        {"inside": (-4.0, 4.0), "outside": (-4.0, 4.0)},
        "falls to one corner",
    ),
    sound(
        "Tversky with eps",
        "segmentation, on logits",
        tversky,
        {"inside": (-4.0, 4.0), "outside": (-4.0, 4.0)},
        "falls to one corner",
    ),
    sound(
        "log cosh of dice",
        "segmentation, on logits",
        lambda inside, outside: torch.log(torch.cosh(dice(inside, outside))),
        {"inside": (-4.0, 4.0), "outside": (-4.0, 4.0)},
        "falls to one corner",
    ),
    sound(
        "dice and cross-entropy",
        "segmentation, on logits",
        lambda inside, outside: dice(inside, outside) + 0.5 * (F.softplus(-inside) + F.softplus(outside)),
        {"inside": (-5.0, 5.0), "outside": (-5.0, 5.0)},
        "falls to one corner",
    ),
    sound("generalised cross-entropy", "noisy labels", generalised_cross_entropy, PAIR, "falls to one corner"),
    sound("poly cross-entropy", "PolyLoss-1", poly_cross_entropy, PAIR, "falls to one corner"),
    sound("symmetric cross-entropy", "noisy labels", symmetric_cross_entropy, PAIR, "falls to one corner"),
    sound("Brier", "calibration", brier, {"a": (-2.0, 2.0), "b": (-2.0, 2.0)}, "one minimum"),
    sound("ordinal", "CORAL's cumulative logits", ordinal, {"score": (-3.0, 4.0), "gap": (-2.0, 3.0)}, "one minimum"),
    sound("earth mover", "squared, on a softmax", earth_mover, {"a": (-2.0, 2.0), "b": (-2.0, 2.0)}, "one minimum"),
    sound(
        "distillation",
        "both logits divided by the temperature",
        lambda a, b: (
            16 * F.kl_div((three(a, b) / 4).log_softmax(0), numbers([0.6, -0.3, 0.0], a).softmax(0), reduction="sum")
        ),
        {"a": (-4.0, 5.0), "b": (-5.0, 4.0)},
        "convex, 0 at the teacher's logits",
        target=(2.4, -1.2),
    ),
)


# -- boxes, pairs, preferences ---------------------------------------------------------------------------------


def boxes(x, y, w, h):
    """Overlap by union, and the enclosing box's sides, of a box and the unit box at the origin."""
    left, right = torch.maximum(x - w / 2, 0 * x - 0.5), torch.minimum(x + w / 2, 0 * x + 0.5)
    low, high = torch.maximum(y - h / 2, 0 * y - 0.5), torch.minimum(y + h / 2, 0 * y + 0.5)
    shared = F.relu(right - left) * F.relu(high - low)
    wide = torch.maximum(x + w / 2, 0 * x + 0.5) - torch.minimum(x - w / 2, 0 * x - 0.5)
    tall = torch.maximum(y + h / 2, 0 * y + 0.5) - torch.minimum(y - h / 2, 0 * y - 0.5)
    return shared, w * h + 1 - shared, wide, tall


def generalised_overlap(x, y):
    shared, union, wide, tall = boxes(x, y, 1 + 0 * x, 1 + 0 * y)
    return 1 - shared / union + (wide * tall - union) / (wide * tall)


def distance_overlap(x, y):
    shared, union, wide, tall = boxes(x, y, 1 + 0 * x, 1 + 0 * y)
    return 1 - shared / union + (x**2 + y**2) / (wide**2 + tall**2)


def complete_overlap(w, h):
    shared, union, wide, tall = boxes(0.11 + 0 * w, 0.11 + 0 * h, w, h)
    aspect = 4 / math.pi**2 * (math.pi / 4 - torch.atan(w / h)) ** 2
    overlap = shared / union
    return 1 - overlap + 2 * 0.11**2 / (wide**2 + tall**2) + aspect**2 / (1 - overlap + aspect + 1e-7)


def soft_triplet(x, y):
    near, far = (x - 0.3) ** 2 + (y + 0.2) ** 2, (x + 1.5) ** 2 + (y - 2) ** 2
    return F.softplus(near - far) + 0.1 * near


def pair_with_a_margin(x):
    return (x - 0.3) ** 2 + F.relu(1 - (x + 1).abs()) ** 2


def circle(positive, negative):
    return F.softplus(8 * ((negative**2 - 0.25**2) + ((positive - 1) ** 2 - 0.25**2)))


def in_batch(first, second):
    return F.cross_entropy(torch.stack((torch.full_like(first, 0.6), first, second))[None] / 0.2, torch.tensor([0]))


def simcse(positive, negative):
    fixed = torch.full_like(positive, 0.1)
    return F.cross_entropy(torch.stack((positive, negative, fixed))[None] / 0.1, torch.tensor([0]))


def additive_margin(wanted, other):
    fixed = torch.full_like(wanted, 0.1)
    return F.cross_entropy(8 * torch.stack((wanted - 0.3, other, fixed))[None], torch.tensor([0]))


def barlow(same, cross):
    return (1 - same) ** 2 + 0.2 * (cross**2 + (0.5 * cross) ** 2)


def listwise(first, second):
    return -(numbers([2.0, 1.0, 0.0], first).softmax(0) * three(first, second).log_softmax(0)).sum()


PAIRS = (
    sound(
        "generalised overlap",
        "GIoU of boxes that meet",
        generalised_overlap,
        {"x": (-0.8, 0.8), "y": (-0.8, 0.8)},
        "one kinked minimum, where the boxes coincide",
        target=(0.0, 0.0),
    ),
    sound(
        "distance overlap",
        "DIoU of boxes that meet",
        distance_overlap,
        {"x": (-0.8, 0.8), "y": (-0.8, 0.8)},
        "one kinked minimum, where the boxes coincide",
        target=(0.0, 0.0),
    ),
    sound(
        "complete overlap",
        "CIoU of boxes whose centres are near",
        complete_overlap,
        {"w": (0.4, 2.0), "h": (0.4, 2.0)},
        "one kinked minimum; sides stay positive",
    ),
    sound(
        "triplet with a soft margin", "re-identification", soft_triplet, {"x": (-2.0, 2.0), "y": (-2.0, 2.0)}, "convex"
    ),
    sound(
        "contrastive with a margin", "siamese networks", pair_with_a_margin, {"x": (-0.9, 2.5)}, "one minimum, at 0.3"
    ),
    sound(
        "circle",
        "pair similarities, weights in the gradient",
        circle,
        {"positive": (0.0, 1.0), "negative": (0.0, 1.0)},
        "convex",
    ),
    sound(
        "InfoNCE",
        "contrastive learning at temperature 0.2",
        in_batch,
        {"first": (-0.5, 1.0), "second": (-0.5, 1.0)},
        "convex",
    ),
    sound(
        "SimCSE",
        "sentence embeddings at temperature 0.1",
        simcse,
        {"positive": (-0.5, 1.0), "negative": (-0.5, 1.0)},
        "convex",
    ),
    sound(
        "additive margin",
        "CosFace at scale 8",
        additive_margin,
        {"wanted": (-0.5, 1.0), "other": (-0.5, 1.0)},
        "convex",
    ),
    sound("Barlow twins", "one pair of features", barlow, {"same": (-1.0, 1.0), "cross": (-1.0, 1.0)}, "a bowl"),
    sound(
        "variance hinge",
        "VICReg's variance term",
        lambda width: F.relu(1 - torch.sqrt(width**2 + 1e-4)),
        {"width": (0.1, 2.0)},
        "0 from a width of 1 on, and a slope of −1 below",
    ),
    sound("RankNet", "learning to rank", lambda first, second: F.softplus(second - first), TWO, "convex"),
    sound("ListNet", "learning to rank", listwise, TWO, "convex", target=(2.0, 1.0)),
    sound(
        "DPO", "preferences, beta 0.1", lambda margin: -F.logsigmoid(0.1 * margin), {"margin": (-30.0, 30.0)}, "convex"
    ),
    sound(
        "IPO",
        "preferences",
        lambda margin: (margin - 1 / (2 * 0.1)) ** 2,
        {"margin": (-10.0, 20.0)},
        "a parabola",
        target=(5.0,),
    ),
    sound(
        "PPO, a good action",
        "the clipped objective",
        lambda step: -torch.minimum(torch.exp(step), torch.exp(step).clamp(0.8, 1.2)),
        {"step": (-1.0, 1.0)},
        "falls until the ratio is 1.2 and is flat, at its lowest, from there on",
    ),
    sound(
        "PPO, a bad action",
        "the clipped objective",
        lambda step: torch.maximum(torch.exp(step), torch.exp(step).clamp(0.8, 1.2)),
        {"step": (-1.0, 1.0)},
        "flat, at its lowest, until the ratio is 0.8, and rises from there on",
    ),
    sound(
        "policy behind a tanh, stable",
        "2 (ln 2 − u − softplus(−2u))",
        lambda m: -2 * (math.log(2) - m - F.softplus(-2 * m)),
        {"m": (-12.0, 12.0)},
        "convex, and finite however far",
    ),
    sound(
        "critic with a penalty",
        "WGAN-GP on a linear critic",
        lambda w: 2 * (w.abs() - 1) ** 2 - 1.6 * w,
        {"w": (0.2, 3.0)},
        "a parabola, lowest at 1.4",
        target=(1.4,),
    ),
)

_AROUND = {"x": (-2.0, 2.0), "y": (-2.0, 2.0)}
ROOTS = (
    sound(
        "penalty on a length, with an eps",
        "a gradient penalty as it should be",
        lambda x, y: (torch.sqrt((x - 0.137) ** 2 + (y + 0.211) ** 2 + 1e-12) - 1) ** 2,
        _AROUND,
        "a ring; in its middle the gradient is zero and finite",
    ),
    sound(
        "penalty on a norm",
        "torch's norm, whose gradient at zero is zero",
        lambda x, y: (torch.linalg.vector_norm(torch.stack([x - 0.137, y + 0.211]), dim=0) - 1) ** 2,
        _AROUND,
        "a ring; in its middle there is a tip, and the gradient finite",
    ),
    sound(
        "largest of three",
        "a convex loss with kinks that meet",
        lambda x, y: torch.maximum(torch.maximum((x - 0.3).abs(), (y - 0.1).abs()), (x + y).abs()),
        _AROUND,
        "kinks all over, and every gradient finite",
    ),
)

SOUND = (
    *ROOTS,
    *TORCH,
    *REGRESSION,
    *LIKELIHOODS,
    *CLASSIFICATION,
    *PAIRS,
    *MORE_SOUND,
    *NEIGHBOURS,
    *FOLLOWED,
    *BESIDE_ITEMS,
    *LOOK_ALIKES,
    *SIXTH_SOUND,
    *SEVENTH_SOUND,
    *EIGHTH_SOUND,
)
