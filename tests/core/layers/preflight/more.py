"""Sick and sound ones that were written down when the first were all found."""

# ruff: noqa: E501

import math
import warnings

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from tests.core.layers.preflight.parts import (
    Calls,
    Convolutions,
    Logits,
    batch,
    binary,
    drawn,
    images,
    labels,
    net,
    randn,
    regression,
    segmented,
)
from tests.core.layers.preflight.sick import Sick, spoilt
from tests.core.layers.preflight.sound import Sound, Twins


class Heads(nn.Module):
    """Several outputs of one body."""

    def __init__(self, *heads, each=lambda *z: z):
        super().__init__()
        self.body, self.heads, self.each = nn.Linear(16, 16), nn.ModuleList([nn.Linear(16, k) for k in heads]), each

    def forward(self, x):
        h = torch.relu(self.body(x))
        return self.each(*[head(h) for head in self.heads])


class Masks(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention, self.head = nn.MultiheadAttention(16, 2, batch_first=True), nn.Linear(16, 4)

    def forward(self, x, mask=None, bias=None):
        z = self.attention(x, x, x, attn_mask=bias if mask is None else mask, need_weights=False)[0]
        return self.head(z.mean(1))


class Raw(nn.Module):
    """Weights without layers."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Parameter(0.2 * randn(16, 32)), nn.Parameter(0.2 * randn(32, 4))

    def forward(self, x):
        return torch.relu(x @ self.a) @ self.b


class Conditioned(nn.Module):
    def __init__(self):
        super().__init__()
        self.x, self.gate, self.head = nn.Linear(16, 16), nn.Linear(1, 16), nn.Linear(16, 4)

    def forward(self, x, c):
        return self.head(torch.relu(self.x(x) * self.gate(c)))


class Packed(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.GRU(3, 8, batch_first=True), nn.Linear(8, 4)

    def forward(self, packed):
        return self.head(self.rnn(packed)[1][-1])


class Warns(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = net(4)

    def forward(self, x):
        warnings.warn("a new version of this model is out", stacklevel=1)
        return self.net(x)


class Scaled(nn.Module):
    """Similarities of pictures and texts with a scale that is learned."""

    def __init__(self):
        super().__init__()
        self.twins, self.scale = Twins(), nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, a, b):
        a, b = self.twins(a, b)
        return self.scale.exp() * a @ b.T


class Inward(nn.Module):
    """Gives its inputs back, for a loss that differentiates by them."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))

    def forward(self, x):
        x = x.requires_grad_()
        return self.net(x), x


class Perceives(nn.Module):
    """A loss with a frozen network of its own."""

    def __init__(self):
        super().__init__()
        self.sees = nn.Conv2d(3, 8, 3).requires_grad_(False)

    def forward(self, output, targets):
        return F.mse_loss(self.sees(output), self.sees(targets))


class Whole(nn.Module):
    def forward(self, output, targets):
        return F.nll_loss(F.log_softmax(output, dim=-1), targets)


def torchvision_focal(output, targets):
    p = torch.sigmoid(output)
    loss = F.binary_cross_entropy_with_logits(output, targets, reduction="none")
    share = p * targets + (1 - p) * (1 - targets)
    return (loss * (1 - share) ** 2).mean()


def residual_of_heat(output, _):
    u, x = output
    (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
    return (slope[:, :1] - slope[:, 1:]).pow(2).mean()


def mixture(output, targets):
    weights, mean, scale = output
    logs = torch.distributions.Normal(mean, F.softplus(scale) + 0.01).log_prob(targets[:, None])
    return -torch.logsumexp(weights.log_softmax(1) + logs, 1).mean()


def partial_likelihood(output, told):
    risk, died = output[:, 0], told
    return -((risk - risk.logcumsumexp(0)) * died).sum() / died.sum()


def jensen(output, targets):
    p, q = output.softmax(1), targets
    m = ((p + q) / 2).log()
    return (F.kl_div(m, p, reduction="batchmean") + F.kl_div(m, q, reduction="batchmean")) / 2


def twins_of_barlow(views, _):
    a, b = [(v - v.mean(0)) / (v.std(0) + 1e-6) for v in views]
    return (a.T @ b / len(a) - torch.eye(a.shape[1])).pow(2).sum()


def spread(views, _):
    a, b = views
    return F.mse_loss(a, b) + F.relu(1 - a.std(0)).mean() + F.relu(1 - b.std(0)).mean()


def margin_of_angles(output, targets):
    at = F.one_hot(targets, output.shape[1]) * 0.5
    return F.cross_entropy(64 * (output.clamp(-0.999, 0.999).acos() + at).cos(), targets)


def generalised_overlap(output, targets):
    a, b = output.sigmoid(), targets
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    area = (a[:, 2:] - a[:, :2]).prod(1).abs() + (b[:, 2:] - b[:, :2]).prod(1) - shared
    return (1 - shared / (area + 1e-6)).mean()


def bellman(output, told):
    actions, reward, after = told
    return F.smooth_l1_loss(output.gather(1, actions[:, None])[:, 0], reward + 0.99 * after.max(1).values)


def actor_critic(output, told):
    logits, value = output
    actions, returns = told
    policy = torch.distributions.Categorical(logits=logits)
    gain = (returns - value.squeeze(-1)).detach()
    return (
        -(policy.log_prob(actions) * gain).mean()
        + F.mse_loss(value.squeeze(-1), returns)
        - 0.01 * policy.entropy().mean()
    )


def balanced(output, targets):
    logits, router = output
    share = router.softmax(-1)
    used = F.one_hot(share.argmax(-1), share.shape[-1]).float().mean(0)
    return F.cross_entropy(logits, targets) + 0.01 * 4 * (used * share.mean(0)).sum()


def spectrum(output, targets):
    return (torch.fft.rfft(output) - torch.fft.rfft(targets)).abs().mean()


def ctc(targets, lengths, steps=12, **keywords):
    def loss(output, told):
        logs = output.log_softmax(-1).transpose(0, 1)
        return F.ctc_loss(logs, told[0], torch.full((4,), steps), told[1], **keywords)

    return Calls(16, 6), randn(4, steps, 16), (targets, lengths), loss


def packed():
    x = spoilt(randn(4, 9, 3), math.nan, 1, 2, 0)
    return Packed(), pack_padded_sequence(x, torch.tensor([9, 8, 5, 3]), batch_first=True), labels(4), F.cross_entropy


def numpys(output, targets):
    return F.mse_loss(torch.from_numpy(output.detach().numpy()), targets)


def mixed_up(output, told):
    a, b = told
    return 0.3 * F.cross_entropy(output, a) + 0.7 * F.cross_entropy(output, b)


def cells():
    class Steps(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.head = nn.GRUCell(3, 8), nn.Linear(8, 4)

        def forward(self, x):
            h = torch.zeros(len(x), 8)
            for t in range(x.shape[1]):
                h = self.cell(x[:, t], h)
            return self.head(h)

    return Steps(), 1e4 * randn(8, 5, 3), labels(8), F.cross_entropy


two = (randn(32, 16), randn(32, 16, seed=1))

MORE_SICK = [Sick(*one) for one in (
    ("softmax and a bound", "not_logits", lambda: batch(Logits(lambda x: x.softmax(1).clamp(1e-6, 1 - 1e-6)))),
    ("softmax of two outputs in a list", "not_logits", lambda: (Heads(4, 4, each=lambda *z: [one.softmax(1) for one in z]), randn(32, 16), labels(32), lambda o, t: F.cross_entropy(o[0], t) + 0.4 * F.cross_entropy(o[1], t))),
    ("gumbel softmax", "not_logits", lambda: batch(Logits(lambda x: F.gumbel_softmax(x, dim=1)))),
    ("shares of what is positive", "not_logits", lambda: batch(Logits(lambda x: F.normalize(F.softplus(x), p=1, dim=1)))),
    ("sigmoid before a soft margin of many labels", "not_logits", lambda: binary(nn.Sigmoid(), out=6, loss=nn.MultiLabelSoftMarginLoss())),
    ("hard sigmoid before BCEWithLogits", "not_logits", lambda: binary(nn.Hardsigmoid(), loss=nn.BCEWithLogitsLoss())),
    ("half a tanh and a half", "not_logits", lambda: binary(Logits(lambda x: 0.5 * (x.tanh() + 1)), loss=nn.BCEWithLogitsLoss())),
    ("sigmoid before a published focal loss", "not_logits", lambda: binary(nn.Sigmoid(), loss=torchvision_focal)),
    ("softmax before a loss that is a module", "not_logits", lambda: batch(nn.Softmax(1), loss=Whole())),
    ("softmax, one loss for each sample by vmap", "not_logits", lambda: batch(nn.Softmax(1), loss=lambda o, t: torch.vmap(F.cross_entropy)(o, t).mean())),
    ("sigmoid of two classes", "not_logits", lambda: (net(2, nn.Sigmoid()), randn(32, 16), labels(32, most=2), F.cross_entropy)),
    ("squared error by keywords", "broadcast", lambda: regression(loss=lambda o, t: F.mse_loss(input=o, target=t))),
    ("logarithm of a cosh", "broadcast", lambda: regression(loss=lambda o, t: torch.log(torch.cosh(o - t)).mean())),
    ("one of two outputs, (32, 1) and (32,)", "broadcast", lambda: (Heads(1, 4), randn(32, 16), (randn(32), labels(32)), lambda o, t: (t[0] - o[0]).pow(2).mean() + F.cross_entropy(o[1], t[1]))),
    ("shares of error, (32, 1) and (32,)", "broadcast", lambda: regression(loss=lambda o, t: ((t - o) / (t.abs() + 1)).abs().mean())),
    ("labels beyond the classes along time", "labels", lambda: (Heads(4, each=lambda z: z), randn(4, 9, 16), spoilt(labels(4, 9), 4, 0, 0), lambda o, t: F.cross_entropy(o.flatten(0, 1), t.flatten()))),
    ("labels as floats", "labels", lambda: (net(4), randn(32, 16), labels(32).float(), F.cross_entropy)),
    ("every label left out by 0", "constant_loss", lambda: (net(4), randn(32, 16), torch.zeros(32, dtype=torch.long), nn.CrossEntropyLoss(ignore_index=0))),
    ("weights of 0", "constant_loss", lambda: binary(loss=lambda o, t: F.binary_cross_entropy_with_logits(o, t, weight=torch.zeros_like(t)))),
    ("weights of 0 on probabilities", "constant_loss", lambda: binary(nn.Sigmoid(), loss=lambda o, t: F.binary_cross_entropy(o, t, weight=torch.zeros_like(t)))),
    ("a loss times 0", "constant_loss", lambda: batch(loss=lambda o, t: 0.0 * F.cross_entropy(o, t) + 1)),
    ("share of right answers", "detached_loss", lambda: batch(loss=lambda o, t: (o.argmax(1) == t).float().mean())),
    ("through NumPy", "detached_loss", lambda: regression(target=(32, 1), loss=numpys)),
    ("a threshold", "detached_loss", lambda: (net(1), randn(32, 16), labels(32, 1, most=2).float(), lambda o, t: F.mse_loss((o > 0).float(), t))),
    ("forward without gradients", "detached_loss", lambda: batch(Logits(torch.no_grad()(lambda x: x * 1)))),
    ("signs", "constant_loss", lambda: (net(1), randn(32, 16), randn(32, 1).sign(), lambda o, t: F.mse_loss(o.sign(), t))),
    ("sixteen bits", "input_scale", lambda: (Convolutions(), torch.randint(0, 65536, (8, 3, 8, 8), generator=drawn()).float(), labels(8), F.cross_entropy)),
    ("sound in whole numbers", "input_scale", lambda: (nn.Sequential(nn.Conv1d(1, 8, 80, 20), nn.ReLU(), nn.Flatten(), nn.Linear(136, 4)), (3000 * randn(4, 1, 400)).round(), labels(4), F.cross_entropy)),
    ("bytes into weights without layers", "input_scale", lambda: (Raw(), torch.randint(0, 256, (32, 16), generator=drawn()).float(), labels(32), F.cross_entropy)),
    ("thousands into a cell", "input_scale", cells),
    ("ages and incomes in one row", "input_scale", lambda: (net(4, wide=3), torch.tensor([40.0, 5e4, 1.7]) * (1 + 0.2 * randn(32, 3)), labels(32), F.cross_entropy)),
    ("NaN in a packed sequence", "non_finite_data", packed),
    ("NaN in a list of inputs", "non_finite_data", lambda: (Logits(lambda xs: xs[0] @ torch.ones(16, 4, requires_grad=True)), [spoilt(randn(32, 16), math.nan, 0, 0)], labels(32), F.cross_entropy)),
    ("an infinite target", "non_finite_data", lambda: (net(1), randn(32, 16), spoilt(randn(32, 1), math.inf, 0, 0), F.mse_loss)),
    ("CTC: targets in one row, one too long", "ctc", lambda: ctc(torch.randint(1, 6, (30,), generator=drawn()), torch.tensor([5, 4, 18, 3]))),
    ("CTC: left out silently", "ctc", lambda: ctc(torch.randint(1, 6, (4, 15), generator=drawn()), torch.tensor([5, 4, 15, 3]), zero_infinity=True)),
    ("CTC: blank is last, and among the targets", "ctc", lambda: ctc(torch.full((4, 3), 5), torch.tensor([3, 3, 3, 3]), blank=5)),
    ("CTC: a label beyond the classes", "labels", lambda: ctc(torch.full((4, 3), 6), torch.tensor([3, 3, 3, 3]))),
    ("policy (32, 1) times advantage (32,)", "broadcast", lambda: (net(4), randn(32, 16), (labels(32), randn(32)), lambda o, t: -(o.log_softmax(1).gather(1, t[0][:, None]) * t[1]).mean())),
    ("losses (32,) times weights (32, 1)", "broadcast", lambda: (net(4), randn(32, 16), (labels(32), torch.rand(32, 1)), lambda o, t: (F.cross_entropy(o, t[0], reduction="none") * t[1]).mean())),
    ("Q values (32, 1) against their targets (32,)", "broadcast", lambda: (net(4), randn(32, 16), (labels(32), randn(32)), lambda o, t: (o.gather(1, t[0][:, None]) - (t[1] + 0.9 * o.detach().max(1).values)).pow(2).mean())),
    ("squared error, target first", "broadcast", lambda: regression(loss=lambda o, t: F.mse_loss(t, o))),
    ("sigmoid for standardised targets", "out_of_reach", lambda: regression(nn.Sigmoid(), target=(32, 1), loss=nn.MSELoss())),
    ("ReLU for returns of both signs", "out_of_reach", lambda: regression(nn.ReLU(), target=(32, 1), loss=nn.L1Loss())),
    ("tanh for pixels of 0 to 255", "out_of_reach", lambda: segmented(nn.Tanh(), out=3, targets=torch.randint(0, 256, (4, 3, 8, 8), generator=drawn()).float(), loss=nn.MSELoss())),
    ("a condition from 0 to 1,000", "input_scale", lambda: (Conditioned(), (randn(32, 16), 1000 * torch.rand(32, 1, generator=drawn())), labels(32), F.cross_entropy)),
    ("squared error of logarithms", "broadcast", lambda: (net(1, nn.Softplus()), randn(32, 16), torch.rand(32), lambda o, t: F.mse_loss(torch.log1p(o), torch.log1p(t)))),
    ("a hinge by hand", "broadcast", lambda: (net(1), randn(32, 16), 2.0 * labels(32, most=2) - 1, lambda o, t: (1 - o * t).clamp(min=0).mean())),
    ("a distance of (32, 1) and (32,)", "broadcast", lambda: regression(loss=torch.dist)),
    ("shares of an ensemble, weighted", "not_logits", lambda: (Heads(4, 4, each=lambda a, b: 0.3 * a.softmax(1) + 0.7 * b.softmax(1)), randn(32, 16), labels(32), F.cross_entropy)),
    ("places of the largest", "detached_loss", lambda: batch(loss=lambda o, t: (o.topk(1).indices[:, 0] - t).float().abs().mean())),
    ("a mask that nothing passes", "constant_loss", lambda: batch(loss=lambda o, t: (F.cross_entropy(o, t, reduction="none") * (t > 9)).sum() / ((t > 9).sum() + 1e-6))),
    ("classes last", "labels", lambda: (Heads(4, each=lambda z: z), randn(4, 9, 16), labels(4, 9), F.cross_entropy)),
    ("sizes that do not fit", "raised", lambda: (net(4), randn(32, 15), labels(32), F.cross_entropy)),
)]  # fmt: skip

MORE_SOUND = [Sound(*one) for one in (
    ("a mixture of densities", lambda: (Heads(3, 3, 3), randn(32, 16), randn(32), mixture)),
    ("experts that are balanced", lambda: (Heads(4, 4), randn(32, 16), labels(32), balanced)),
    ("attention beside the logits", lambda: (Heads(4, 6, each=lambda z, a: {"logits": z, "attention": a.softmax(1)}), randn(32, 16), labels(32), lambda o, t: F.cross_entropy(o["logits"], t) - 0.01 * (o["attention"] * o["attention"].log()).sum(1).mean())),
    ("cosines with a scale", lambda: (Scaled(), two, None, lambda o, _: (F.cross_entropy(o, torch.arange(32)) + F.cross_entropy(o.T, torch.arange(32))) / 2)),
    ("smoothed by kl_div", lambda: (net(4), randn(32, 16), 0.9 * F.one_hot(labels(32), 4) + 0.025, lambda o, t: F.kl_div(o.log_softmax(1), t, reduction="batchmean"))),
    ("kl_div of the logarithm of a softmax", lambda: (net(4, nn.Softmax(1)), randn(32, 16), randn(32, 4).softmax(1), lambda o, t: F.kl_div(o.log(), t, reduction="sum"))),
    ("divergence of Jensen and Shannon", lambda: (net(4), randn(32, 16), randn(32, 4).softmax(1), jensen)),
    ("likeness of two views", lambda: (Twins(), two, None, lambda o, _: 2 - 2 * (o[0] * o[1].detach()).sum(1).mean())),
    ("redundancy of two views", lambda: (Twins(), two, None, twins_of_barlow)),
    ("variance of two views", lambda: (Twins(), two, None, spread)),
    ("prototypes of classes", lambda: (net(8), randn(32, 16), (labels(32), randn(4, 8, seed=5)), lambda o, t: F.cross_entropy(-torch.cdist(o, t[1]), t[0]))),
    ("survival", lambda: (net(1), randn(32, 16), labels(32, most=2).float(), partial_likelihood)),
    ("ordered classes", lambda: (net(3), randn(32, 16), labels(32), lambda o, t: F.binary_cross_entropy_with_logits(o, (t[:, None] > torch.arange(3)).float()))),
    ("overlap of boxes", lambda: (net(4), randn(32, 16), torch.rand(32, 2, generator=drawn()).repeat(1, 2) * 0.5 + torch.tensor([0, 0, 0.3, 0.3]), generalised_overlap)),
    ("ranking of one above another", lambda: (Twins(1), two, None, lambda o, _: -F.logsigmoid(o[0] - o[1]).mean())),
    ("physics", lambda: (Inward(), torch.rand(64, 2, generator=drawn()), None, residual_of_heat)),
    ("temporal differences", lambda: (net(4), randn(32, 16), (labels(32), 200 * torch.rand(32, generator=drawn()), randn(32, 4)), bellman)),
    ("actor and critic", lambda: (Heads(4, 1), randn(32, 16), (labels(32), 20 * randn(32)), actor_critic)),
    ("bytes turned to −1 to 1", lambda: (nn.Sequential(Logits(lambda x: x.float() / 127.5 - 1), Convolutions()), torch.randint(0, 256, (8, 3, 8, 8), generator=drawn(), dtype=torch.uint8), labels(8), F.cross_entropy)),
    ("targets standardised in the loss", lambda: (net(1), randn(64, 16), 2e6 + 3e5 * randn(64, 1), lambda o, t: F.mse_loss(o, (t - t.mean()) / t.std()))),
    ("corners of boxes in pixels", lambda: (net(4), randn(32, 16), 640 * torch.rand(32, 4, generator=drawn()), nn.SmoothL1Loss())),
    ("margins between angles", lambda: (net(4, Logits(lambda x: F.normalize(x, dim=1))), randn(32, 16), labels(32), margin_of_angles)),
    ("a teacher's probabilities", lambda: (net(4), randn(32, 16), randn(32, 4), lambda o, t: F.cross_entropy(o, (t / 0.5).softmax(1)))),
    ("mixed labels", lambda: (net(4), randn(32, 16), (labels(32), labels(32).flip(0)), mixed_up)),
    ("logits kept small", lambda: batch(loss=lambda o, t: F.cross_entropy(o, t) + 1e-4 * o.logsumexp(1).pow(2).mean())),
    ("overlap of soft classes", lambda: segmented(loss=lambda o, t: 1 - (o.softmax(1) * F.one_hot(t, 4).permute(0, 3, 1, 2)).mean())),
    ("sums of several scales", lambda: segmented(loss=lambda o, t: F.cross_entropy(o, t) + 0.5 * F.cross_entropy(F.interpolate(o, scale_factor=0.5), t[:, ::2, ::2]))),
    ("a loss that sees", lambda: segmented(out=3, loss=Perceives(), targets=images(4))),
    ("spectra", lambda: (net(16), randn(32, 16), randn(32, 16), spectrum)),
    ("a loss of shape (1,)", lambda: regression(target=(32, 1), loss=lambda o, t: F.mse_loss(o, t).reshape(1))),
    ("a generator's loss", lambda: (net(1), randn(32, 16), None, lambda o, _: F.softplus(-o).mean())),
    ("all are to be real", lambda: (net(1), randn(32, 16), None, lambda o, _: F.binary_cross_entropy_with_logits(o, torch.ones_like(o)))),
    ("expanded on purpose", lambda: (net(3), randn(32, 16), randn(32, 1), lambda o, t: F.mse_loss(o, t.expand_as(o)))),
    ("pairs of a ranking", lambda: (net(1), randn(32, 16), randn(32), lambda o, t: F.softplus(-(o - o.T) * (t[:, None] - t[None]).sign()).mean())),
    ("a model that warns", lambda: (Warns(), randn(32, 16), labels(32), F.cross_entropy)),
    ("one loss for each sample by vmap", lambda: batch(loss=lambda o, t: torch.vmap(F.cross_entropy)(o, t).mean())),
    ("autocast", lambda: (nn.Sequential(Logits(lambda x: x), *net(4)), randn(32, 16), labels(32), lambda o, t: torch.autocast("cpu", torch.bfloat16)(F.cross_entropy)(o, t))),
    ("weights without layers", lambda: (Raw(), randn(32, 16), labels(32), F.cross_entropy)),
    ("an actor between −1 and 1", lambda: (net(2, nn.Tanh()), randn(32, 16), torch.rand(32, 2, generator=drawn()) * 2 - 1, F.mse_loss)),
    ("sums of squares of shape (32,) and (32,)", lambda: regression(nn.Flatten(0), loss=nn.MSELoss(reduction="sum"))),
    ("moving averages as targets", lambda: (net(4), randn(32, 16), randn(32, 4), lambda o, t: F.mse_loss(F.normalize(o, dim=1), F.normalize(t, dim=1)))),
    ("a loss in the model's own wrapper", lambda: (Heads(4, each=lambda z: z), two[0], labels(32), nn.CrossEntropyLoss(reduction="sum"))),
    ("log of one minus a sigmoid", lambda: binary(nn.Sigmoid(), loss=lambda o, t: -(t * (o + 1e-7).log() + (1 - t) * (1 - o + 1e-7).log()).mean())),
    ("distances of all pairs", lambda: (net(8), randn(32, 16), randn(32, 8), lambda o, t: F.cross_entropy(-((o**2).sum(1, keepdim=True) + (t**2).sum(1) - 2 * o @ t.T), torch.arange(32)))),
    ("attention to a single key", lambda: (Heads(4, 1, each=lambda z, a: (z, a.softmax(1))), randn(32, 16), labels(32), lambda o, t: F.cross_entropy(o[0] * o[1], t))),
    ("a mask of −inf that comes first", lambda: (Masks(), {"mask": torch.full((6, 6), -math.inf).triu(1), "x": randn(4, 6, 16)}, labels(4), F.cross_entropy)),
    ("scores lowered by distance, and masked", lambda: (Masks(), {"x": randn(4, 6, 16), "bias": torch.full((6, 6), -math.inf).triu(1) - torch.arange(6.0)}, labels(4), F.cross_entropy)),
    ("ReLU for depths, unknown ones are −1", lambda: segmented(nn.ReLU(), out=1, targets=torch.where(randn(4, 1, 8, 8) > 0, randn(4, 1, 8, 8).abs(), -1.0), loss=lambda o, t: ((o - t) * (t > 0)).abs().mean())),
    ("sigmoid for targets with some noise", lambda: regression(nn.Sigmoid(), target=(32, 1), loss=lambda o, t: F.mse_loss(o, 0.5 + 0.2 * t))),
    ("weights of samples", lambda: (net(4), randn(32, 16), (labels(32), torch.rand(32)), lambda o, t: (F.cross_entropy(o, t[0], reduction="none") * t[1]).mean())),
    ("centres of classes", lambda: (net(8), randn(32, 16), (labels(32), randn(4, 8)), lambda o, t: (o - t[1][t[0]]).pow(2).sum(1).mean())),
    ("emissions by logsumexp", lambda: batch(loss=lambda o, t: (o.logsumexp(1) - o.gather(1, t[:, None])[:, 0]).mean())),
    ("noise over signal", lambda: segmented(nn.Sigmoid(), out=3, targets=torch.rand(4, 3, 8, 8, generator=drawn()), loss=lambda o, t: 10 * torch.log10(F.mse_loss(o, t)))),
    ("depths without a scale", lambda: segmented(nn.Softplus(), out=1, targets=1 + 50 * torch.rand(4, 1, 8, 8, generator=drawn()), loss=lambda o, t: ((o + 1e-3).log() - t.log()).var())),
    ("correlation", lambda: (net(1), randn(32, 16), randn(32), lambda o, t: -torch.corrcoef(torch.stack([o[:, 0], t]))[0, 1])),
    ("clipped values", lambda: (net(1), randn(32, 16), (randn(32, 1), randn(32, 1, seed=4)), lambda o, t: torch.max((o - t[0]) ** 2, (t[1] + (o - t[1]).clamp(-0.2, 0.2) - t[0]) ** 2).mean())),
    ("logits that are large", lambda: batch(Logits(lambda x: 50 * x))),
    ("metres around a car", lambda: (net(4, wide=3), 20 * randn(64, 3), labels(64), F.cross_entropy)),
    ("nothing is to be trained", lambda: (net(4).requires_grad_(False), randn(32, 16), labels(32), F.cross_entropy)),
)]  # fmt: skip
