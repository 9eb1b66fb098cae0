"""Losses of which a sentence was false, or the cause another one, at an eighth look."""

import math

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case, one_of

DRAW = torch.Generator().manual_seed(37)
FIRST = torch.randn(9, 5, generator=DRAW)
SECOND = FIRST + 0.4 * torch.randn(9, 5, generator=DRAW)
SAME = torch.eye(9, dtype=torch.bool)
X = torch.rand(30, 2, generator=DRAW)
Y = X @ torch.tensor([1.5, -0.5])
EVEN = torch.randn(500, generator=DRAW)
Z = torch.randn(50, generator=DRAW)
LABELS = (Z + 0.5 * torch.randn(50, generator=DRAW) > 0).float()
CENTRES = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0])
PLANE = {"w1": (-3.0, 3.0), "w2": (-3.0, 3.0)}
LINE = {"s": (0.1, 2.0)}


def case(name, source, loss, axes, right, findings, *words, unsaid=(), **keywords):
    found = tuple(one_of(*part.split("|")) for part in findings.split("+"))
    return Case(name, source, loss, axes, right, found, words, keywords, "in", unsaid)


def rows(s, t):
    first, second = (F.normalize(part.to(s) * s + t, dim=1) for part in (FIRST, SECOND))
    return first, second


def masked_with_the_wrong_infinity(s, t):
    first, second = rows(s, t)
    near = (first @ second.T).masked_fill(SAME, -math.inf)
    farthest = (1 - near).max(dim=1).values
    return F.relu(1 - (first * second).sum(1) - farthest + 0.5).mean()


def nearest_of_the_masked(s, t):
    first, second = rows(s, t)
    far = (first[:, None] - second).square().sum(-1)
    nearest = far.masked_fill(SAME, -math.inf).amin(1)
    return (nearest - far.diagonal() + 0.2).clamp(min=0).mean()


def share_of_nothing(s):
    lowest = torch.where(FIRST > 0, s * FIRST.to(s), -torch.inf).amin(1)
    return torch.sigmoid(lowest).mean()


def fit(w1, w2):
    return ((X.to(w1) @ torch.stack([w1, w2]) - Y.to(w1)) ** 2).mean()


def held_regulariser(w1, w2):
    weights = torch.stack([w1, w2]).detach()
    return fit(w1, w2) + weights.clamp(max=0).square().mean()


def decay_of_the_data(w1, w2):
    decay = 0.2 * (torch.stack([w1, w2]).data ** 2).sum()
    return fit(w1, w2) + decay


def difference_without_gradient(w1, w2):
    with torch.no_grad():
        apart = 0.3 * (w1 - w2).abs()
    return fit(w1, w2) + apart


def smoothed(m):
    logs = F.log_softmax(torch.stack([m, *[m * 0] * 4]), 0)
    return -0.9 * logs[0] - 0.02 * logs.sum()


def quantile_backwards(out, value, tau):
    return ((tau - (out < value).to(value)) * (out - value)).mean()


def divergence_without_a_factor(q, p):
    p = torch.as_tensor(p)
    return p * torch.log(p) - torch.log(q) + (1 - p) * torch.log(1 - p) - (1 - p) * torch.log(1 - q)


def shares_swapped(w, b, z, y):
    p = (w * z + b).sigmoid()
    return -torch.where(y == 1, 1 - p, p).log().mean()


def shared_out_too_much(margin, eps, count):
    logs = F.log_softmax(torch.stack([margin, *[margin * 0] * 4]), 0)
    return -(1 - eps) * logs[0] - ((1 - eps) / count) * logs.sum()


def of_the_noise(gain):
    error = ((gain * Z.to(gain) - Z.to(gain)) ** 2).mean()
    return -10 * torch.log10(1 / error)


def rounded_again(s):
    z = s * Z.to(s)
    far = -(z[:, None] - CENTRES.to(s)).abs()
    soft = (far.softmax(1) * CENTRES.to(s)).sum(1)
    hard = CENTRES.to(s)[far.argmax(1)]
    whole = torch.round((hard - soft).detach() + soft)
    return ((whole - Z.to(s)) ** 2).mean()


def floored_codes(s):
    z = s * Z.to(s)
    codes = z + (CENTRES.to(s)[(z[:, None] - CENTRES.to(s)).abs().argmin(1)] - z).detach()
    return ((torch.floor(codes) - Z.to(s)) ** 2).mean()


def rebuilt_beside_a_choice(s, t):
    z = s * Z.to(s) + t
    hard = ((z - LABELS.to(s)).abs() > 0.7).nonzero()[:, 0]
    kept = torch.tensor((z - LABELS.to(s)).pow(2).tolist(), dtype=s.dtype)
    return kept[hard].mean() if len(hard) else kept.mean()


def chosen_by_numpy(s, t):
    z = s * Z.to(s) + t
    hard = ((z - LABELS.to(s)).abs() > 0.7).cpu().numpy().nonzero()[0]
    kept = torch.from_numpy(z.data.numpy()[hard])
    return (kept - 0.5).square().mean()


SLOPED = "gradient_mismatch"
EIGHTH_LOOK = (
    case("a mask of the wrong infinity", "jinnnju/PaAno#1", masked_with_the_wrong_infinity,
         {"s": (0.1, 2.0), "t": (-1.0, 1.0)}, "max picks what is masked", "dead_zone", "given −infinity at every point",
         "max picks infinity", "masked_fill puts", "fill with +infinity", unsaid=("leaky_relu",)),
    case("the nearest of what is masked", "hard negatives", nearest_of_the_masked,
         {"s": (0.2, 2.0), "t": (-1.0, 1.0)}, "amin picks what is masked", "dead_zone", "amin picks infinity",
         "fill with +infinity", unsaid=("clamped on the right side",)),
    case("a sigmoid of nothing but infinity", "the weakest of several scores", share_of_nothing, {"s": (0.2, 2.0)},
         "amin picks what is left out", "dead_zone", "sigmoid", "amin picks infinity",
         unsaid=("keep its input small",)),
    case("a regulariser that is held", "yifita/deep_cage#16", held_regulariser, PLANE, "it is never taught", SLOPED,
         "end at w1 1.5, w2 −0.5", "the lowest is at", "a term of the sum, in “weights = ", unsaid=("all the same",)),
    case("a decay of .data", "weight decay by hand", decay_of_the_data, PLANE, "it is never taught", SLOPED,
         "the lowest is at", "a term of the sum, in “decay = ", unsaid=("all the same",)),
    case("a term under no_grad", "a penalty by hand", difference_without_gradient, PLANE, "it is never taught", SLOPED,
         "the lowest is at", "a term of the sum, in “apart = ", unsaid=("all the same",)),
    case("a little beside a box", "label smoothing", smoothed, {"m": (-5.0, 10.0)}, "it ends at 3.83", "off_target",
         target={"m": (3.95, 4.3)}),
    case("a little beside a limit", "label smoothing", smoothed, {"m": (-5.0, 10.0)}, "it ends at 3.83", "off_target",
         target=lambda m: m > 3.95),
    case("a quantile the wrong way round", "awslabs/gluonts#1784", quantile_backwards, {"out": (-4.0, 4.0)},
         "both are swapped", "off_target|wrong_direction", "swapped throughout|1 − tau in place of tau",
         unsaid=("−out in place",), fixed={"value": EVEN, "tau": 0.1}, target={"out": (-1.5, -1.0)}),
    case("a divergence that lacks a factor", "caglar/autoencoders#5", divergence_without_a_factor,
         {"q": (0.01, 0.99)}, "p · log q", "off_target|wrong_direction", "p · the log in place of the log",
         unsaid=("sigmoid(q) in place",), fixed={"p": 0.05}, target=[0.05]),
    case("the branches of a where, swapped", "fastai/fastbook#396", shares_swapped,
         {"w": (-5.0, 5.0), "b": (-3.0, 3.0)}, "1 − p is of the others", "off_target|wrong_direction",
         "the two branches of torch.where swapped", unsaid=("−z in place",), fixed={"z": Z, "y": LABELS},
         target={"w": (0.5, 5.0), "b": (-2.0, 2.0)}),
    case("what is shared out is what is kept", "paiml/aprender#2199", shared_out_too_much, {"margin": (-5.0, 10.0)},
         "eps / count", "off_target", "eps in the place of 1 − eps, this one alone",
         unsaid=("the mean in place of the sum",), fixed={"eps": 0.1, "count": 5.0}, target={"margin": (3.3, 4.3)}),
    case("the logarithm of an error", "dhryougit/AFM#5", of_the_noise, {"gain": (0.0, 2.0)}, "it has no bottom",
         "non_finite|singular", "add an eps inside", unsaid=("right way up", "unexpected_minimum")),
    case("a rounding around a straight-through form", "Justin-Tan/generative-compression#51", rounded_again, LINE,
         "the round is one too many", "no_gradient_path", "exactly zero everywhere: round on the way"),
    case("a floor behind codes", "a codebook", floored_codes, LINE, "the floor cuts", "no_gradient_path",
         "exactly zero everywhere: floor on the way"),
    case("rebuilt beside a choice", "liorshk/facenet_pytorch#6", rebuilt_beside_a_choice,
         {"s": (0.1, 2.0), "t": (-1.0, 1.0)}, "the list cuts, not the choice", "no_gradient_path",
         "does not exist: tolist|does not exist: torch.tensor", "in “kept = "),
    case("chosen by NumPy", "liorshk/facenet_pytorch#6", chosen_by_numpy, {"s": (0.1, 2.0), "t": (-1.0, 1.0)},
         "NumPy takes the values", "no_gradient_path", "does not exist: .data and numpy on the way",
         unsaid=("an if of python",)),
)  # fmt: skip
