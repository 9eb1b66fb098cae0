"""Losses of which the place was named and not the cause, or that were passed: shapes, edges, one item."""

import math

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case, one_of

LINE = {"w": (-2.0, 4.0), "b": (-3.0, 3.0)}
CIRCLE = {"w": (-3.0, 6.0), "b": (-4.0, 4.0)}
X = torch.tensor([-1.7, -1.2, -0.9, -0.6, -0.3, -0.1, 0.2, 0.4, 0.7, 1.0, 1.3, 1.8])
Y = 1.4 * X - 0.4 + torch.tensor([0.1, -0.1, 0.05, 0.0, -0.05, 0.1, -0.1, 0.0, 0.1, -0.1, 0.05, -0.05])
LABELS = torch.tensor([0.0, 0, 0, 1, 0, 0, 1, 0, 1, 1, 1, 1])
WEIGHTS = torch.tensor([5.0, 0.2, 1.0, 3.0, 0.5, 2.0, 0.1, 4.0, 0.3, 0.7, 2.5, 0.4])[:, None]
COUNTS = torch.tensor([2.0, 1, 3, 2, 3, 2, 4, 3, 5, 4, 4, 6])
SCORES = torch.tensor([[0.2, -1.1, 0.5], [1.3, 0.1, -0.4], [-0.6, 0.9, 0.3], [0.4, -0.2, 1.2]])
CLASSES = torch.tensor([0, 2, 1, 0])
ALONG = {"right": F.one_hot(CLASSES, 3).float(), "other": SCORES.roll(1, 0) ** 2}
PICTURE = torch.linspace(-2, 2.6, 40)
ANGLE = {"angle": (0.0, math.pi)}


class Scaled(torch.autograd.Function):
    """The mean of squares, whose backward forgets what comes in, and the mean."""

    @staticmethod
    def forward(ctx, error):
        ctx.save_for_backward(error)
        return error.square().mean()

    @staticmethod
    def backward(ctx, from_above):
        (error,) = ctx.saved_tensors
        return 2 * error


def cox_with_a_column(w, x, alive):
    risk = w * x
    return -((risk - torch.logcumsumexp(risk, 0)) * alive).mean()


def chosen_by_a_column(w, b, x, y, chosen):
    return torch.where(chosen, F.huber_loss(w * x + b, y, reduction="none"), 0.0).mean()


def hard_ones(w, b, x, y):
    error = (w * x + b - y) ** 2
    return error[error > 0.4].sum() / len(y)


def centred_in_place(w, b, x, y):
    y -= 0.2 * y.mean()
    return ((w * x + b - y) ** 2).mean()


def survived(w, x, event):
    risk = w * x
    return -(risk - torch.logcumsumexp(risk, 0))[event].mean()


def percentage(w, b, x, y):
    return ((y - w * x - b).abs() / y.abs().clamp(min=1e-6)).mean()


def pinball(q, y):
    above = y - q
    return (0.8 * above * (above > 0) + 0.2 * above * (above <= 0)).mean()


def half_turn(angle):
    apart = (angle - 2.6).abs()
    return torch.minimum(apart, math.pi - apart)


def overlap(gain, shift, picture, mask):
    z = gain * picture + shift
    return 1 - (2 * (z * mask).sum() + 1) / (z.sum() + mask.sum() + 1)


def great_circle(lat, lon):
    a = torch.sin((lat - 51.5) / 2) ** 2 + torch.cos(lat) * math.cos(51.5) * torch.sin((lon - 0.1) / 2) ** 2
    return torch.asin(torch.sqrt(a.clamp(1e-12, 1 - 1e-7)))


def survival(a):
    p = torch.sigmoid(a).clamp(max=1 - 1e-6)
    return (torch.log1p(-p) + 0.7) ** 2


def case(name, source, loss, axes, right, finding, *words, unsaid=(), **keywords):
    return Case(name, source, loss, axes, right, (one_of(*finding.split("|")),), words, keywords, unsaid=unsaid)


FOURTH_LOOK = (
    case(
        "a column of events", "a partial likelihood", cox_with_a_column, {"w": (-3.0, 3.0)},
        "every risk gets the mean of the events", "broadcast", "(12, 1) (alive)", "squeeze(-1) alive",
        fixed={"x": X, "alive": LABELS[:, None]},
    ),
    case(
        "a column of weights behind a loss of torch's", "a weighted regression",
        lambda w, b, x, y, weight: (F.mse_loss(w * x + b, y, reduction="none") * weight).sum() / weight.sum(), LINE,
        "the weights have no effect", "broadcast", "product of two means", "(12, 12)",
        fixed={"x": X, "y": Y, "weight": WEIGHTS},
    ),
    case(
        "a column that chooses", "a mask of samples", chosen_by_a_column, LINE, "every error is chosen by all of them",
        "broadcast", "a choice of shapes (12, 1) (chosen) and (12,)", fixed={"x": X, "y": Y, "chosen": WEIGHTS > 0.4},
    ),
    case(
        "a backward that forgets what comes in", "a square by hand", lambda w, b, x, y: (
            0.5 * Scaled.apply(w * x + b - y) + 0.01 * w**2
        ), LINE, "12 times too large, and twice", "gradient_mismatch", "scaled has a backward of its own", "comes in",
        unsaid=("detach",), fixed={"x": X, "y": Y},
    ),
    case(
        "squares of a picture added up in float16", "a sum of squares",
        lambda gain, shift, x: ((gain * x + shift - 1) ** 2).sum(), {"gain": (-4.0, 4.0), "shift": (-6.0, 6.0)},
        "the sum of 5000 passes 65504", "precision", "adds up 5000 numbers", "mean in place of the sum",
        unsaid=("rounded to 0",), fixed={"x": torch.linspace(-2, 2, 5000)}, dtype="float16",
    ),
    case(
        "the hard ones alone", "online hard example mining", hard_ones, LINE, "items come and go as they cross a limit",
        "jump", "takes another number of items", unsaid=("python",), fixed={"x": X, "y": Y},
    ),
    case(
        "a sine whose lowest place is not all", "a narrow view of an angle", torch.sin, {"input": (-3.0, 3.0)},
        "a quarter leave through the edge at 3", "off_target", "as low as at the target", target=(-1.5708,),
    ),
    case(
        "a margin added to an angle", "ArcFace", lambda angle: F.softplus(2 - 12 * torch.cos(angle + 0.6)), ANGLE,
        "beyond π − 0.6 it falls towards π", "off_target", "edge of the view", target=lambda angle: angle < 0.4,
    ),
    case(
        "shares of the samples", "log_softmax over the batch",
        lambda logits: F.nll_loss(F.log_softmax(logits, 0), CLASSES), {"right": (-4.0, 8.0), "other": (-3.0, 3.0)},
        "each class's shares sum to 1", "wrong_input", "along the samples", "dim=1",
        fixed={"logits": SCORES}, directions=ALONG,
    ),
    case(
        "shares of the samples, picked by hand", "softmax over the batch",
        lambda logits: -torch.log(logits.softmax(0)).gather(1, CLASSES[:, None]).mean(),
        {"right": (-4.0, 8.0), "other": (-3.0, 3.0)}, "each class's shares sum to 1", "wrong_input",
        "along the samples", fixed={"logits": SCORES}, directions=ALONG,
    ),
    case(
        "targets that are centred in place", "a target normalised in the loss", centred_in_place, LINE,
        "every call moves y on", "not_repeatable", "changes y in place", "call by call", "clone()",
        fixed={"x": X, "y": Y + 3},
    ),
    case(
        "events of whole numbers", "shwetak/torchsurv#117", survived, {"w": (-3.0, 3.0)},
        "rows 0 and 1 are taken again and again", "wrong_input", "event, of whole numbers", "event.bool()",
        fixed={"x": X, "event": LABELS.long()},
    ),
    case(
        "labels of bytes", "a hinge of uint8 labels",
        lambda w, b, x, y: torch.relu(1 - (2 * y - 1) * (w * x + b)).mean(), CIRCLE, "0 becomes 255", "wrong_input",
        "uint8", "255 where it should be −1", "y.float()", fixed={"x": X, "y": LABELS.to(torch.uint8)},
    ),
    case(
        "a hinge of labels 0 and 1", "deepchem/deepchem#5017",
        lambda w, b, x, y: torch.relu(1 - y * (w * x + b)).mean(), CIRCLE, "labels of 0 teach nothing", "wrong_input",
        "6 items whose y is 0", "2 · y − 1", fixed={"x": X, "y": LABELS},
    ),
    case(
        "a percentage of nothing", "MAPE with a target of 0", percentage, {"w": (-2.0, 4.0), "b": (0.0, 6.0)},
        "item 4 alone counts", "wrong_input", "y[4] is 0", "leave such items out",
        fixed={"x": X, "y": torch.where(torch.arange(12) == 4, 0.0, Y + 3)},
    ),
    case(
        "a rate for its logarithm", "poisson_nll_loss as it comes",
        lambda w, b, x, y: F.poisson_nll_loss(F.softplus(w * x + b), y), {"w": (-2.0, 4.0), "b": (-2.0, 6.0)},
        "lowest at the logarithm of the counts", "wrong_input", "log_input", "softplus", fixed={"x": X, "y": COUNTS},
    ),
    case(
        "a pinball of one sign", "scikit-learn/scikit-learn#6076", pinball, {"q": (-5.0, 9.0)},
        "the other branch falls without end", "off_target", "falls on", "sign", fixed={"y": Y + 1}, target=(1.9,),
    ),
    case(
        "a distance of lines", "cvg/DeepLSD#36", half_turn, ANGLE, "beyond the crest at 1.03 it falls to 0",
        "off_target", "at angle 1.03", "minimum changes", "1 − cos(2d)", target=(2.6,),
    ),
    case(
        "advantages below 0", "a regression weighed by advantages",
        lambda w, b, x, y, adv: (adv * (w * x + b - y) ** 2).mean(), LINE, "what weighs below 0 is sought",
        "no_bottom|saddle", "adv is below 0 for 8 of 12", "exp(w)", fixed={"x": X, "y": Y, "adv": X.roll(3) - 0.6},
    ),
    case(
        "a bound that bfloat16 does not have", "a survival's logarithm", survival, {"a": (-6.0, 12.0)},
        "1 − 1e−6 is 1", "precision", "0.999999 in it is 1 in bfloat16", "above −1", dtype="bfloat16",
    ),
    case(
        "an overlap of logits", "ScrollPrize/villa#1644", overlap, {"gain": (0.0, 4.0), "shift": (-3.0, 3.0)},
        "the divisor goes through 0", "non_finite|singular|no_bottom", "sigmoid",
        fixed={"picture": PICTURE, "mask": (PICTURE > 1).float()},
    ),
    case(
        "an angle of a quotient", "atan of a ratio", lambda s, c: (torch.atan(s / c) - 0.5) ** 2,
        {"s": (-2.0, 2.0), "c": (-2.0, 2.0)}, "no angle at c = 0", "non_finite|jump", "torch.atan2(y, x)",
    ),
    case(
        "a great circle in degrees", "a distance on a globe", great_circle, {"lat": (43.0, 60.0), "lon": (-9.0, 9.0)},
        "lowest a turn of 6.283 degrees on too", "unexpected_minimum|off_target", "deg2rad", target=(51.5, 0.1),
    ),
)  # fmt: skip
