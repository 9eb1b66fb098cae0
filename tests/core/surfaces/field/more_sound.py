"""More losses as they are published and used, beside those that go wrong in nearly the same way."""

import math

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case
from tests.core.surfaces.field.gone_wrong.shared import in_dtype

SAMPLES = torch.tensor([0.31, -1.4, 1.9, 0.8])
THREE = torch.tensor([0.4, -1.2, 2.1])


def mse_half(w, b):
    x, y = in_dtype([-1.2, 0.4, 1.1], w), in_dtype([0.3, 0.5, 1.4], w)
    return sum((w * x[i] + b - y[i]) ** 2 for i in range(3)) / 3


def huber_half(w):
    return F.huber_loss(w, torch.full_like(w, 0.7), reduction="none")


def bce_half(z):
    return F.binary_cross_entropy_with_logits(z, torch.full_like(z, 0.3), reduction="none")


def ciou_eps(w, h):
    W, H = 1.37, 0.83
    inter = torch.minimum(w, in_dtype(W, w)) * torch.minimum(h, in_dtype(H, h))
    iou = inter / (w * h + W * H - inter)
    v = 4 / math.pi**2 * (math.atan(W / H) - torch.atan(w / h)) ** 2
    alpha = v / (1 - iou + v + 1e-7)
    return 1 - iou + alpha.detach() * v if False else 1 - iou + alpha * v


def rmse_eps(w):
    x = in_dtype([0.2, 0.7, -1.1], w)
    return torch.sqrt(sum((w * x[i] - 0.43 * x[i]) ** 2 for i in range(3)) + 1e-8)


def gmm_floor(mu, raw, y):
    s = 0.25 + F.softplus(raw)
    one = -0.5 * ((y - mu) / s) ** 2 - torch.log(s) + math.log(0.4)
    two = -0.5 * (y / 1.3) ** 2 - math.log(1.3) + math.log(0.6)
    return -torch.logaddexp(one, two).mean()


def nll_many(mu, log_sigma, y):
    return (log_sigma + 0.5 * ((y - mu) / torch.exp(log_sigma)) ** 2).mean()


def laplace_many(mu, log_b, y):
    return (log_b + (y - mu).abs() * torch.exp(-log_b)).mean()


def prec_prior(mu, log_prec, y):
    one = -0.5 * (y - mu) ** 2 * torch.exp(log_prec) + 0.5 * log_prec
    return -one.mean() + 0.2 * torch.exp(log_prec)


def eig_sum(a, b):
    M = torch.stack([torch.stack([a, b]), torch.stack([b, 0 * a + 0.62])])
    return (torch.linalg.eigvalsh(M) ** 2).sum() + 0.3 * (a - 0.4) ** 2


def logdet_pd(a, b):
    M = torch.stack([torch.stack([torch.exp(a), 0.2 + 0 * a]), torch.stack([0.2 + 0 * a, torch.exp(b)])])
    return torch.exp(a) + torch.exp(b) - torch.logdet(M)


def det_ok(a, b):
    M = torch.stack([torch.stack([1 + a * a, 0.2 * b]), torch.stack([0.2 * b, 1 + b * b])])
    return torch.linalg.det(M) + 0.3 * (a - 0.4) ** 2 - 0.2 * b


def masked_ok(a, b, mask):
    p = (torch.stack([a, b, 0 * a]) + mask).softmax(0)
    return (p[0] - 0.4) ** 2 + 0.05 * (a - 0.3) ** 2 + 0.1 * (b - 0.2) ** 2


def causal_ok(a, b, bias):
    s = torch.stack([torch.stack([a, b]), torch.stack([b, a])]) + bias
    p = s.softmax(-1)
    return ((p @ in_dtype([0.2, 0.9], a)) - in_dtype([0.2, 0.5], a)).pow(2).sum() + 0.05 * (a * a + b * b)


def ppo_ok(logr):
    r = torch.exp(logr)
    return -torch.minimum(r * 0.9, r.clamp(0.8, 1.2) * 0.9)


def hinge_ok(s, b):
    return torch.clamp(1.1 - s, min=0) + 0.3 * (b - 0.2) ** 2


def bf16_fine(a, b):
    return torch.logaddexp(a, b) - 0.6 * a - 0.4 * b + 0.05 * (a * a + b * b)


def asymmetric(z):
    p = torch.sigmoid(z)
    return -(1 - p) * F.logsigmoid(z) * 0.6 - 0.4 * p.pow(2) * F.logsigmoid(-z)


def lovasz_like(a, b):
    return F.softplus(1 - a) + F.softplus(1 + b) + 0.05 * (a * a + b * b)


def vicreg(a, b):
    x = torch.stack([a, b, 0.3 * a - 0.2 * b])
    v = torch.sqrt(x.var(0) + 1e-4)
    return F.relu(1 - v) + 0.2 * (a - 0.8) ** 2 + 0.3 * (b + 0.6) ** 2


def beta_nll(mu, lv):
    y = in_dtype([0.4, -0.9, 1.6, 0.2], mu)
    return sum(0.5 * (lv + (y[i] - mu) ** 2 * torch.exp(-lv)) for i in range(4)) / 4


def dpo(a, b):
    return -F.logsigmoid(0.3 * (a - b - 0.2)) - F.logsigmoid(-0.3 * (a - b - 1.7)) + 0.02 * (a * a + b * b)


def tweedie(log_mu):
    return -1.4 * torch.exp(log_mu * -0.5) / -0.5 + torch.exp(log_mu * 0.5) / 0.5


def arc_margin(theta):
    return F.softplus(-6 * (torch.cos(theta + 0.2) - 0.3)) + 0.02 * theta**2


def charbonnier(w, b):
    x, y = in_dtype([-1.0, 0.2, 1.4], w), in_dtype([0.1, 0.4, 1.3], w)
    return sum(torch.sqrt((w * x[i] + b - y[i]) ** 2 + 1e-3) for i in range(3)) / 3


def entropic(a, b):
    p = torch.stack([a, b, 0 * a]).log_softmax(0)
    return (p.exp() * p).sum(0) - 0.4 * p[0] - 0.3 * p[1] - 0.3 * p[2]


def unbalanced(a):
    return torch.expm1(a) - a + 0.3 * (a - 0.2) ** 2


def directions(mu, log_kappa):
    each = [torch.exp(log_kappa) * (torch.cos(mu - x) - 1) + 0.5 * log_kappa for x in (0.1, 0.9, -0.4)]
    return -sum(each) / 3


MORE_SOUND = (
    Case(
        "three directions",
        "von Mises' likelihood of three directions",
        directions,
        {"mu": (-1.0, 1.6), "log_kappa": (-2.0, 3.0)},
        "sound",
    ),
    Case(
        "squares in bfloat16",
        "mean squares in bfloat16",
        mse_half,
        {"w": (-2.0, 3.0), "b": (-2.0, 3.0)},
        "sound",
        keywords={"dtype": "bfloat16"},
    ),
    Case(
        "Huber in float16",
        "Huber's loss in float16",
        huber_half,
        {"w": (-3.0, 4.0)},
        "sound",
        keywords={"dtype": "float16"},
    ),
    Case(
        "logits in bfloat16",
        "binary cross-entropy with logits in bfloat16",
        bce_half,
        {"z": (-5.0, 4.0)},
        "sound",
        keywords={"dtype": "bfloat16"},
    ),
    Case(
        "CIoU with an eps",
        "CIoU as it is published",
        ciou_eps,
        {"w": (0.2, 3.1), "h": (0.2, 2.3)},
        "sound",
        keywords={},
    ),
    Case("root of mean squares with an eps", "RMSE with an eps", rmse_eps, {"w": (-1.0, 2.0)}, "sound", keywords={}),
    Case(
        "a mixture with a floor",
        "a mixture whose σ has a floor",
        gmm_floor,
        {"mu": (-1.5, 2.0), "raw": (-2.0, 2.0)},
        "sound",
        keywords={"fixed": {"y": torch.tensor([0.31, -0.4, 0.9, 0.8])}},
    ),
    Case(
        "a Gaussian over four samples",
        "Gaussian negative log-likelihood",
        nll_many,
        {"mu": (-2.0, 2.5), "log_sigma": (-0.8, 1.5)},
        "sound",
        keywords={"fixed": {"y": SAMPLES}},
    ),
    Case(
        "Laplace over four samples",
        "Laplace negative log-likelihood",
        laplace_many,
        {"mu": (-2.0, 2.5), "log_b": (-0.8, 1.5)},
        "sound",
        keywords={"fixed": {"y": SAMPLES}},
    ),
    Case(
        "a precision with a prior",
        "Gaussian with a prior on the precision",
        prec_prior,
        {"mu": (-2.0, 2.6), "log_prec": (-3.0, 2.0)},
        "sound",
        keywords={"fixed": {"y": THREE}},
    ),
    Case(
        "eigenvalues alone",
        "a penalty on eigenvalues",
        eig_sum,
        {"a": (-0.9, 2.0), "b": (-0.7, 1.1)},
        "sound",
        keywords={},
    ),
    Case(
        "a divergence of covariances",
        "Stein's loss",
        logdet_pd,
        {"a": (-0.9, 1.5), "b": (-0.7, 1.3)},
        "sound",
        keywords={},
    ),
    Case(
        "a determinant",
        "a determinant of a positive matrix",
        det_ok,
        {"a": (-1.5, 2.0), "b": (-1.5, 2.0)},
        "sound",
        keywords={},
    ),
    Case(
        "masked scores",
        "attention with one masked entry",
        masked_ok,
        {"a": (-2.0, 2.2), "b": (-1.8, 2.0)},
        "sound",
        keywords={"fixed": {"mask": torch.tensor([0.0, 0.0, -math.inf])}},
    ),
    Case(
        "causal attention",
        "causal attention",
        causal_ok,
        {"a": (-2.0, 2.0), "b": (-2.0, 2.2)},
        "sound",
        keywords={"fixed": {"bias": torch.tensor([[0.0, -math.inf], [0.0, 0.0]])}},
    ),
    Case("the clipped surrogate", "PPO", ppo_ok, {"logr": (-1.0, 1.0)}, "sound", keywords={}),
    Case("a hinge", "a hinge beside a square", hinge_ok, {"s": (-2.0, 3.0), "b": (-2.0, 2.0)}, "sound", keywords={}),
    Case(
        "logaddexp in bfloat16",
        "a cross-entropy of two in bfloat16",
        bf16_fine,
        {"a": (-4.0, 4.0), "b": (-4.0, 4.0)},
        "sound",
        keywords={"dtype": "bfloat16"},
    ),
    Case("asymmetric focus", "asymmetric loss", asymmetric, {"z": (-5.0, 5.0)}, "sound", keywords={}),
    Case(
        "two margins",
        "pairwise logistic margins",
        lovasz_like,
        {"a": (-3.0, 4.0), "b": (-4.0, 3.0)},
        "sound",
        keywords={},
    ),
    Case(
        "a variance's hinge",
        "VICReg's variance term",
        vicreg,
        {"a": (0.2, 2.0), "b": (-2.0, -0.1)},
        "sound",
        keywords={},
    ),
    Case(
        "a Gaussian's log-variance",
        "Gaussian negative log-likelihood",
        beta_nll,
        {"mu": (-2.0, 2.5), "lv": (-1.5, 2.5)},
        "sound",
        keywords={},
    ),
    Case(
        "preferences both ways",
        "DPO with noise in the labels",
        dpo,
        {"a": (-3.0, 4.0), "b": (-4.0, 3.0)},
        "sound",
        keywords={},
    ),
    Case("Tweedie", "Tweedie deviance", tweedie, {"log_mu": (-2.0, 3.0)}, "sound", keywords={}),
    Case("an angular margin", "ArcFace", arc_margin, {"theta": (-0.1, 2.2)}, "sound", keywords={}),
    Case(
        "Charbonnier over a line",
        "Charbonnier's loss",
        charbonnier,
        {"w": (-2.0, 3.0), "b": (-2.0, 2.5)},
        "sound",
        keywords={},
    ),
    Case(
        "a divergence from softmax",
        "KL divergence",
        entropic,
        {"a": (-3.0, 3.0), "b": (-3.0, 3.0)},
        "sound",
        keywords={},
    ),
    Case("exp less its tangent", "an unbalanced divergence", unbalanced, {"a": (-2.0, 2.0)}, "sound", keywords={}),
)
