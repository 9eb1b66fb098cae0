"""Shares of one that is kept, weights that are written in, single parameters, softmaxes of shares, norms across, bags."""

# ruff: noqa: E501

import math

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through

_SHARES = {
    "topk": lambda scores: _softmaxed(*scores.topk(1, -1)),
    "gathered": lambda scores: _softmaxed(scores.gather(-1, scores.argmax(-1, keepdim=True)), scores.argmax(-1, keepdim=True)),
    "divided": lambda scores: _divided(*scores.softmax(-1).topk(1, -1)),
    "two": lambda scores: _softmaxed(*scores.topk(2, -1)),
    "two, divided": lambda scores: _divided(*scores.softmax(-1).topk(2, -1)),
    "before": lambda scores: scores.softmax(-1).topk(1, -1),
    "sigmoid": lambda scores: (scores.topk(1, -1)[0].sigmoid(), scores.topk(1, -1)[1]),
}  # fmt: skip


def _softmaxed(scores, places):
    return scores.softmax(-1), places


def _divided(shares, places):
    return shares / shares.sum(-1, keepdim=True), places


def routed(how):
    """Experts, of which a router chooses one or two for each sample."""

    def run(s, x):
        h = s.first(x)
        shares, kept = _SHARES[how](s.router(h))
        each = torch.stack([one(h) for one in s.experts], 1)
        picked = each.gather(1, kept[..., None].expand(-1, -1, h.shape[-1]))
        return s.out(h + (picked * shares[..., None]).sum(1))

    experts = nn.ModuleList(through(20, 40, 20) for _ in range(5))
    model = Runs(run, first=nn.Linear(8, 20), router=nn.Linear(20, 5), experts=experts, out=nn.Linear(20, 4))
    return model, torch.randn(64, 8), classes(64, 4), F.cross_entropy


def generated(how):
    """A layer whose weights another network makes, and writes in, or hands over."""

    def run(s, x):
        weight = s.maker(s.code).view(12, 7)
        if how == "call":
            return s.out(torch.func.functional_call(s.layer, {"weight": weight}, (x,)).tanh())
        if how == "linear":
            return s.out((F.linear(x, weight) + s.layer(x)).tanh())
        if how == "data":
            s.layer.weight.data = weight
        elif how == "copied":
            with torch.no_grad():
                s.layer.weight.copy_(weight)
        else:
            s.layer.weight.data[:] = weight
        return s.out(s.layer(x).tanh())

    code = nn.Parameter(torch.randn(5))
    model = Runs(run, code=code, maker=through(5, 16, 84), layer=nn.Linear(7, 12), out=nn.Linear(12, 2))
    return model, torch.randn(40, 7), classes(40, 2), F.cross_entropy


class Scaled(nn.Module):
    """A layer by hand, with a scale that is used as `how` says."""

    def __init__(self, how):
        super().__init__()
        self.how, self.weight, self.scale = how, nn.Parameter(torch.randn(9, 14) * 0.3), nn.Parameter(torch.ones(14))

    def forward(self, x):
        """The layer."""
        return torch.relu(x @ self.weight) * _SCALES[self.how](self.scale)


_SCALES = {
    "numbers": lambda scale: torch.as_tensor(scale.tolist()),
    "rounded": lambda scale: scale.round(),
    "unused": lambda scale: 1.0,
    "used": lambda scale: scale,
}


def scaled(how, *, frozen=False):
    """A network with such a layer."""
    model = nn.Sequential(Scaled(how), nn.Linear(14, 3))
    model[0].scale.requires_grad_(not frozen)
    return model, torch.randn(40, 9), classes(40, 3), F.cross_entropy


_WEIGHINGS = {
    "once": lambda s, scores: scores.softmax(-1),
    "twice": lambda s, scores: scores.softmax(-1).softmax(-1),
    "dropped between": lambda s, scores: F.dropout(scores.softmax(-1), 0.1, s.training).softmax(-1),
    "of logarithms": lambda s, scores: scores.log_softmax(-1).softmax(-1),
    "sharpened": lambda s, scores: (scores.softmax(-1) / 0.05).softmax(-1),
}


def attends(how="once", norm=None):
    """Attention by hand: how scores become shares, and the axis along which queries and keys are normalised."""

    def run(s, x):
        h = s.first(x)
        q, k, v = (part.unflatten(-1, (2, 12)).transpose(1, 2) for part in s.qkv(h).chunk(3, -1))
        if norm is not None:
            q, k = F.normalize(q, dim=norm) * s.scale, F.normalize(k, dim=norm)
        scores = q @ k.mT / (1 if norm is not None else math.sqrt(12))
        h = h + (_WEIGHINGS[how](s, scores) @ v).transpose(1, 2).flatten(2)
        return s.out(h.mean(1))

    parts = {"first": nn.Linear(5, 24), "qkv": nn.Linear(24, 72), "out": nn.Linear(24, 3)}
    scale = {} if norm is None else {"scale": nn.Parameter(torch.tensor(8.0))}
    return Runs(run, **parts, **scale), torch.randn(18, 15, 5), classes(18, 3), F.cross_entropy


def contrast(axis):
    """Two views of the same samples, whose cosines the loss takes."""

    def loss(o, _):
        one, two = (F.normalize(part, dim=axis) for part in o)
        return F.cross_entropy(one @ two.T / 0.1, torch.arange(len(one)))

    model = Runs(lambda s, a, b: (s.net(a), s.net(b)), net=through(16, 48, 24))
    x = torch.randn(40, 16)
    return model, (x, x + 0.1 * torch.randn(40, 16)), None, loss


def bags(how):
    """Texts of several lengths, one behind the other, and where each of them starts."""
    lengths = torch.randint(2, 9, (14,))
    if how == "some empty":
        lengths[::5] = 0
    starts = {
        "zeros": torch.zeros(14, dtype=torch.long),
        "lengths": torch.cat([torch.zeros(1, dtype=torch.long), lengths[:-1]]),
    }
    starts = starts.get(how, lengths.cumsum(0) - lengths)
    model = Runs(lambda s, words, at: s.out(s.table(words, at)), table=nn.EmbeddingBag(60, 18), out=nn.Linear(18, 3))
    return model, (torch.randint(60, (int(lengths.sum()),)), starts), classes(14, 3), F.cross_entropy


class Placed(nn.Module):
    """Codes of places for steps first, in a module that runs no other."""

    def __init__(self, axis):
        super().__init__()
        self.axis = axis
        self.register_buffer("code", torch.randn(50, 1, 20) * 0.3)

    def forward(self, x):
        """The tokens with their places."""
        code = self.code[: x.shape[self.axis]]
        return x + (code if self.axis == 0 else code.transpose(0, 1))


def placed(axis):
    """Tokens, samples first, with codes of places along the first or the second axis."""
    encoder = nn.TransformerEncoderLayer(20, 2, 40, 0.0, batch_first=True)
    model = nn.Sequential(nn.Embedding(70, 20), Placed(axis), encoder, nn.Linear(20, 4))
    return (
        model,
        torch.randint(70, (13, 9)),
        classes(117, 4).view(13, 9),
        lambda o, y: F.cross_entropy(o.flatten(0, 1), y.flatten()),
    )


def focal(sign):
    """A focal loss by hand, with its minus and without."""

    def loss(o, y):
        log = o.log_softmax(1).gather(1, y[:, None])
        return sign * (log * (1 - log.exp()) ** 2).mean()

    return through(9, 32, 4), torch.randn(40, 9), classes(40, 4), loss


def costs(o, given):
    """What was done, weighed by what it cost."""
    done, cost = given
    return (o.log_softmax(1).gather(1, done[:, None])[:, 0] * cost).mean()


def head_left_aside(name):
    """A network that is frozen, and a new layer under a name that is used or not."""
    model = Runs(lambda s, x: s.head(s.trunk(x)), trunk=through(8, 24, 24, 16), head=nn.Linear(16, 5)).requires_grad_(
        False
    )
    setattr(model, name, nn.Linear(16, 5))
    return model, torch.randn(30, 8), classes(30, 5), F.cross_entropy


def normed(*, momentum=0.1, training=False, batches=0):
    """BatchNorms over large numbers, after some batches or none."""
    norms = [nn.BatchNorm2d(n, momentum=momentum) for n in (12, 24)]
    model = nn.Sequential(
        nn.Conv2d(3, 12, 3),
        norms[0],
        nn.ReLU(),
        nn.Conv2d(12, 24, 3),
        norms[1],
        nn.ReLU(),
        nn.Flatten(),
        nn.LazyLinear(6),
    )
    x = torch.randn(16, 3, 10, 10) * 30 + 40
    model(x)
    for one in norms:
        one.reset_running_stats()
    for _ in range(batches):
        model(x)
    model.requires_grad_(True).train(training)
    return model, x, classes(16, 6), F.cross_entropy


def cancelled(detached):
    """Values, and beside them how far a policy is from itself."""

    def run(s, x):
        h = s.trunk(x)
        return s.policy(h), s.value(h)[:, 0]

    def loss(o, y):
        log, other = o[0].log_softmax(-1), o[0].log_softmax(-1)
        other = torch.full_like(other, -math.log(6)) if detached else other
        return F.mse_loss(o[1], y) + (log.exp() * (log - other)).sum(-1).mean()

    model = Runs(run, trunk=through(7, 24, 24, act=nn.Tanh), policy=nn.Linear(24, 6), value=nn.Linear(24, 1))
    return model, torch.randn(32, 7), torch.randn(32), loss


def swallowed(how):
    """Roots and logarithms of what a ReLU gives, of which 0 is left out."""

    def run(s, x):
        h = s.act(s.first(x))
        f = torch.log if how == "log" else torch.sqrt
        return s.out(torch.where(h > 0, f(h), torch.zeros_like(h)))

    return (
        Runs(run, first=nn.Linear(9, 30), act=nn.ReLU(), out=nn.Linear(30, 3)),
        torch.randn(40, 9),
        classes(40, 3),
        F.cross_entropy,
    )


SIXTH_SICK = (
    Case("a softmax of the one kept", "Mixtral with k = 1", lambda: routed("topk"), one_of("softmax_of_one"), ("topk", "before the choice")),
    Case("a softmax of the one gathered", "argmax", lambda: routed("gathered"), one_of("softmax_of_one"), ("gather", "before the choice")),
    Case("the one kept by its own sum", "norm_topk_prob with k = 1", lambda: routed("divided"), one_of("softmax_of_one"), ("own sum", "topk", "before the choice")),
    Case("weights set by .data", "a hypernetwork", lambda: generated("data"), one_of("no_gradient"), ("maker.0", "written into layer.weight", "functional_call")),
    Case("weights copied in", "a hypernetwork", lambda: generated("copied"), one_of("no_gradient"), ("maker.0", "written into layer.weight", "functional_call")),
    Case("weights set in place", "a hypernetwork", lambda: generated("in place"), one_of("no_gradient"), ("maker.0", "written into layer.weight", "functional_call")),
    Case("a scale as plain numbers", "tolist", lambda: scaled("numbers"), one_of("no_gradient"), ("0.scale", "tolist")),
    Case("a scale that is rounded", "round", lambda: scaled("rounded"), one_of("no_gradient"), ("0.scale", "exactly 0", "round")),
    Case("a softmax of shares", "softmax twice", lambda: attends("twice"), one_of("softmax twice"), ("between 0 and 1", "once")),
    Case("a softmax of shares that are dropped", "softmax twice", lambda: attends("dropped between"), one_of("softmax twice"), ("between 0 and 1", "once")),
    Case("cosines across the steps", "F.normalize(dim=2)", lambda: attends(norm=2), one_of("normalised axis"), ("(kinds_sixth.py, line", "axis 2", "dim=-1")),
    Case("cosines across the samples", "F.normalize(dim=0)", lambda: contrast(0), one_of("normalised axis"), ("axis 0", "dim=-1")),
    Case("bags that all start at 0", "zeros as offsets", lambda: bags("zeros"), one_of("bags"), ("empty", "cumsum")),
    Case("bags that start at their lengths", "lengths as offsets", lambda: bags("lengths"), one_of("bags"), ("go down", "cumsum")),
    Case("places along the samples, in a module", "pe[:x.size(0)]", lambda: placed(0), one_of("position code"), ("(kinds_sixth.py, line", "13 samples")),
    Case("a focal loss without its minus", "sign", lambda: focal(1), one_of("likelihood"), ("plus", "minus")),
    Case("a new head that nobody calls", "model.fc", lambda: head_left_aside("fc"), one_of("no_gradient"), ("trunk.0", "frozen", "fc", "never runs", "in the place")),
    Case("norms that never learn", "momentum 0", lambda: normed(momentum=0.0, training=True), one_of("batch norm"), ("momentum of 0", "0.1")),
    Case("norms that never learned", "momentum 0", lambda: normed(momentum=0.0, batches=3), one_of("batch norm"), ("momentum of 0", "0.1")),
    Case("what is compared with itself", "a divergence from itself", lambda: cancelled(False), one_of("no_gradient"), ("policy", "cancels out")),
)  # fmt: skip

SIXTH_SOUND = (
    Case("a softmax of two kept", "Jiang 2024", lambda: routed("two")),
    Case("two kept by their sum", "Lepikhin 2020", lambda: routed("two, divided")),
    Case("the one kept of a softmax", "Fedus 2021", lambda: routed("before")),
    Case("the one kept by a sigmoid", "", lambda: routed("sigmoid")),
    Case("a layer run with other weights", "Ha 2016", lambda: generated("call")),
    Case("made weights beside a layer's", "Ha 2016", lambda: generated("linear")),
    Case("a scale in a layer by hand", "", lambda: scaled("used")),
    Case("a scale that waits", "", lambda: scaled("unused")),
    Case("a frozen scale as plain numbers", "", lambda: scaled("numbers", frozen=True)),
    Case("a softmax of its logarithms", "", lambda: attends("of logarithms")),
    Case("shares that are sharpened", "", lambda: attends("sharpened")),
    Case("cosines of queries and keys", "Henry 2020", lambda: attends(norm=-1)),
    Case("cosines of two views", "Chen 2020", lambda: contrast(1)),
    Case("bags by their starts", "", lambda: bags("starts")),
    Case("bags of which some are empty", "", lambda: bags("some empty")),
    Case("places along the steps, in a module", "", lambda: placed(1)),
    Case("a focal loss by hand", "Lin 2017", lambda: focal(-1)),
    Case("costs of what was done", "Williams 1992", lambda: (through(9, 32, 4), torch.randn(40, 9), (classes(40, 4), torch.rand(40)), costs)),
    Case("a new head under the old name", "", lambda: head_left_aside("head")),
    Case("norms that have learned", "", lambda: normed(batches=40)),
    Case("a divergence from even chances", "", lambda: cancelled(True)),
    Case("logarithms behind a ReLU", "", lambda: swallowed("log")),
    Case("roots behind a ReLU", "", lambda: swallowed("root")),
)  # fmt: skip
