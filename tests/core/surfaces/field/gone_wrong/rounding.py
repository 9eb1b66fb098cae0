"""What rounding loses, and what is undefined at one point alone."""

import math

import torch

from tests.core.surfaces.field.case import Case, one_of
from tests.core.surfaces.field.gone_wrong.shared import in_dtype

RIGHT_BOX = (1.21, 0.93)


NEAR_ZERO = (0.1, 0.9, -0.4, 1.3)


def dispersed(log_theta):
    y, theta, mean = in_dtype([2.0, 6.0, 1.0, 8.0], log_theta), torch.exp(log_theta), 4.25
    ways = torch.lgamma(y + theta) - torch.lgamma(theta) - torch.lgamma(y + 1)
    return -(ways + theta * torch.log(theta / (theta + mean)) + y * torch.log(mean / (theta + mean))).mean()


def rms_norm(x, g):
    return (g * x * torch.rsqrt((x * x + 2.7) / 2 + 1e-6) - 0.8) ** 2


def cauchy(x):
    return -(1 / (1 + (x / 0.9) ** 2)) + 1e-5 * (x - 40) ** 2


def running_sum(w):
    total = w
    for _ in range(60):
        total = total + 0.003 * w
    return (total - 1.9) ** 2


def log_one_plus(a):
    return torch.log(1 + 2e-3 * torch.exp(a)) + 2e-4 * (a + 3) ** 2


def offset_residual(w):
    return ((800.6 + w) - 795.1) ** 2


def fp16_energy(x):
    return (torch.sqrt((x * 3) ** 2 + 4.0) - 100.0) ** 2 * 1e-3


def bf16_softmax_offset(a, b):
    return ((256.4 + a) * 0.5 - (256.1 + b) * 0.5 - 0.2) ** 2 + 0.0 * a


def ciou(w, h):
    W, H = 1.37, 0.83
    inter = torch.minimum(w, in_dtype(W, w)) * torch.minimum(h, in_dtype(H, h))
    iou = inter / (w * h + W * H - inter)
    v = 4 / math.pi**2 * (math.atan(W / H) - torch.atan(w / h)) ** 2
    return 1 - iou + v / (1 - iou + v) * v


def v_over_v(w, h):
    d = (w - RIGHT_BOX[0]) ** 2 + (h - RIGHT_BOX[1]) ** 2
    v = (torch.log(w / h) - math.log(RIGHT_BOX[0] / RIGHT_BOX[1])) ** 2
    return d + v * v / (v + d)


def vae_kl_exp(mu, log_var):
    return 0.5 * (torch.exp(log_var) + mu**2 - 1 - log_var)


ROUNDING = (
    Case(
        "squares before a root in float16",
        "a norm's root of mean squares under automatic mixed precision",
        rms_norm,
        {"x": (-400.0, 600.0), "g": (-1.0, 2.0)},
        "x² overflows float16 beyond 256, and what is divided by it is 0, its gradient too",
        (one_of("precision"),),
        ("overflows", "mul|pow"),
        {"dtype": "float16"},
    ),
    Case(
        "a kernel of squares in float16",
        "a Cauchy kernel in float16",
        cauchy,
        {"x": (-20.0, 700.0)},
        "the square overflows float16 far from the kernel",
        (one_of("precision"),),
        ("overflows", "pow"),
        {"dtype": "float16"},
    ),
    Case(
        "a sum that stops growing",
        "a loop that adds up in bfloat16",
        running_sum,
        {"w": (-1.0, 2.0)},
        "what is added is rounded off beside the sum: it stays where it is",
        (one_of("precision"),),
        ("bfloat16", "add"),
        {"dtype": "bfloat16"},
    ),
    Case(
        "one plus a little in bfloat16",
        "log(1 + x) in place of log1p",
        log_one_plus,
        {"a": (-4.0, 0.6)},
        "1 + 0.001 is 1 in bfloat16, and its logarithm 0",
        (one_of("precision"),),
        ("bfloat16", "add|log"),
        {"dtype": "bfloat16"},
    ),
    Case(
        "a residual of large numbers",
        "targets that are not centred, in bfloat16",
        offset_residual,
        {"w": (-1.5, 2.0)},
        "numbers are 4 apart there: the residual is rounding",
        (one_of("precision"),),
        ("bfloat16", "add|sub"),
        {"dtype": "bfloat16"},
    ),
    Case(
        "a root of squares in float16",
        "a length in float16",
        fp16_energy,
        {"x": (-60.0, 160.0)},
        "(3x)² overflows float16 beyond 85, the root of it with it",
        (one_of("precision"),),
        ("pow|mul", "overflow"),
        {"dtype": "float16"},
    ),
    Case(
        "two large halves",
        "a difference of two offsets in bfloat16",
        bf16_softmax_offset,
        {"a": (-1.5, 1.8), "b": (-1.4, 1.6)},
        "numbers are 2 apart there",
        (one_of("precision"),),
        ("add|sub", "bfloat16"),
        {"dtype": "bfloat16"},
    ),
    Case(
        "aspect of a perfect box",
        "the trade-off of CIoU without an eps",
        ciou,
        {"w": (0.2, 3.1), "h": (0.2, 2.3)},
        "0 by 0 where the boxes agree",
        (one_of("non_finite", "precision"),),
        ("div",),
        {},
    ),
    Case(
        "a share of nothing",
        "a weight that is a quotient of two losses",
        v_over_v,
        {"w": (0.3, 2.6), "h": (0.2, 2.2)},
        "0 by 0 where both are 0, at the minimum alone",
        (one_of("non_finite", "precision"),),
        ("div",),
        {},
    ),
    Case(
        "a divergence far out",
        "a variational encoder's divergence",
        vae_kl_exp,
        {"mu": (-3.0, 3.0), "log_var": (-5.0, 100.0)},
        "exp overflows float32 beyond 88.7",
        (one_of("precision"),),
        ("exp", "overflow"),
        {},
    ),
    Case(
        "a count's spread, far out",
        "scverse/scvi-tools#2965",
        dispersed,
        {"log_theta": (0.0, 16.0)},
        "differences of lgammas of large numbers: in float32 no gradient is left and the value is off by more than its"
        " change",
        (one_of("precision"),),
        ("the loss itself is off by up to",),
    ),
    Case(
        "a variance by squares, far out",
        "the mean of squares less the square of the mean",
        lambda m: ((in_dtype(NEAR_ZERO, m) + m) ** 2).mean() - (in_dtype(NEAR_ZERO, m) + m).mean() ** 2 + 1e-9 * m**2,
        {"m": (0.0, 2e4)},
        "the two are nearly the same, and what is left of them is rounding",
        (one_of("precision"),),
        ("off by",),
    ),
)
