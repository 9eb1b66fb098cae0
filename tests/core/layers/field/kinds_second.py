"""Samples without a say, terms without a slope, grids outside of a map, what underflows, and what is multiplied by 0."""

# ruff: noqa: E501

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through

FEW = 18  # samples, and steps of each


def reads(pick, *, net=None, shape=(FEW, FEW, 6), count: int = FEW, **parts):
    """A reader of sequences, of whose states `pick` takes one."""
    net = net or nn.LSTM(6, 12, batch_first=True)
    return Runs(lambda s, x: s.head(pick(s.net(x)[0])), net=net, head=nn.Linear(12, 3), **parts), torch.randn(shape), classes(count, 3), F.cross_entropy  # fmt: skip


def told_to_all():
    """The first sample's answer for everybody."""
    return Runs(lambda s, x: s.net(x[0]).repeat(len(x), 1), net=through(6, 12, 2)), torch.randn(14, 6), torch.randn(14, 2), F.mse_loss  # fmt: skip


def words_of_one():
    """A GRU over words, as many as sentences, of which the last sentence is taken."""
    model, _, y, loss = reads(lambda h: h.select(0, -1), net=nn.GRU(6, 12, batch_first=True))
    model.embed = nn.Embedding(40, 6)
    model._run = lambda s, x: s.head(s.net(s.embed(x))[0].select(0, -1))
    return model, torch.randint(0, 40, (FEW, FEW)), y, loss


def steps_come_first():
    """torch's own order of axes, where [-1] is the last step."""
    return reads(lambda h: h[-1], net=nn.GRU(6, 12))


def against_the_first():
    """What each sample differs by from the first."""
    return Runs(lambda s, x: s.head(s.net(x) - s.net(x[:1])), net=through(6, 12, 8), head=nn.Linear(8, 2)), torch.randn(14, 6), torch.randn(14, 2), F.mse_loss  # fmt: skip


def hardest(o, y):
    return F.cross_entropy(o, y, reduction="none").topk(2).values.mean()


def equation(act, count=40):
    """−u″ = f, the second derivative taken by the model, with two ends held."""

    def run(s, x):
        x = x.clone().requires_grad_()
        u = s.net(x)
        for _ in range(2):
            u = torch.autograd.grad(u, x, torch.ones_like(u), create_graph=True)[0]
        return u, s.net(x[:1] * 0)

    model = Runs(run, net=through(1, 20, 20, 1, act=act))
    return model, torch.rand(count, 1), torch.ones(count, 1), lambda o, f: F.mse_loss(-o[0], f) + o[1].square().mean()


def slope_of(u, x):
    return torch.autograd.grad(u.sum(), x, create_graph=True)[0]


def laplace(act):
    """A sum of second derivatives by a function that the forward calls."""

    def laplacian(u, x):
        first = slope_of(u, x)
        return sum(slope_of(first[:, i], x)[:, i] for i in range(2))

    class Field(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = through(2, 20, 20, 1, act=act)

        def forward(self, x):
            x = x.detach().requires_grad_()
            u = self.net(x)
            return {"u": u, "bent": laplacian(u, x)}

    return Field(), torch.rand(30, 2), torch.rand(30, 1), lambda o, y: F.mse_loss(o["u"], y) + 0.1 * o["bent"].square().mean()  # fmt: skip


def with_term(term):
    """A regression with another term of its output."""
    return through(5, 12, 3), torch.randn(20, 5), torch.randn(20, 3), lambda o, y: F.mse_loss(o, y) + 0.5 * term(o, y)


def warped(place, *, padding: str = "zeros"):
    """A net that learns where to look in a picture."""

    def run(s, x):
        grid = place(s.where(x.flatten(1)).view(-1, 6, 6, 2))
        return s.head(F.relu(s.mix(F.grid_sample(x, grid, padding_mode=padding, align_corners=True))).mean((2, 3)))

    layers = {"where": nn.Linear(144, 72), "mix": nn.Conv2d(1, 6, 3), "head": nn.Linear(6, 3)}
    return Runs(run, **layers), torch.randn(10, 1, 12, 12), classes(10, 3), F.cross_entropy


def density(log, far=60.0):
    """A mixture of two bells, and a target that is far from both."""
    y = torch.randn(30, 1)
    y[4] = far

    def loss(o, y):
        mean, spread, share = o.chunk(3, 1)
        return -log(-0.5 * ((y - mean) / F.softplus(spread)) ** 2, share.softmax(1), F.softplus(spread)).mean()

    return through(2, 16, 6), torch.randn(30, 2), y, loss


def by_hand(power, share, spread):
    return torch.log((share * torch.exp(power) / spread).sum(1))


def by_logarithms(power, share, spread):
    return torch.logsumexp(power + share.log() - spread.log(), 1)


def sure_classes():
    """log of a softmax whose scores are far apart."""
    return through(4, 8, 3), 3e3 * torch.randn(16, 4), classes(16, 3), lambda o, y: F.nll_loss(torch.log(o.softmax(1)), y)  # fmt: skip


def gated(gate, value=lambda z: z, bias=-20.0):
    """A value that a gate multiplies."""
    model = Runs(lambda s, x: s.head(F.relu(s.gate(x)) * value(s.value(x))), gate=nn.Linear(5, 8), value=nn.Linear(5, 8), head=nn.Linear(8, 2))  # fmt: skip
    nn.init.constant_(model.gate.bias, bias)
    return model, torch.randn(20, 5), torch.randn(20, 2), F.mse_loss


def rates():
    """Counts, of which a ReLU gives the rate."""
    net = through(5, 10, 1)
    nn.init.constant_(net[2].bias, -20.0)
    return Runs(lambda s, x: F.relu(s.net(x)) + 1e-3, net=net), torch.randn(20, 5), torch.randint(0, 4, (20, 1)).float(), lambda o, y: (o - y * o.log()).mean()  # fmt: skip


class Scaled(nn.Module):
    """A code that is made of a parameter before it is kept."""

    def __init__(self, make):
        super().__init__()
        self.net, self.code = nn.Linear(6, 3), make(torch.randn(6))

    def forward(self, x):
        return self.net(x + self.code)


def scaled(make):
    return Scaled(make), torch.randn(12, 6), torch.randn(12, 3), F.mse_loss


def lone(score, weigh):
    """Words weighed by a score each."""

    def run(s, x):
        z = s.embed(x)
        return s.head(weigh(s.score(z), z))

    return Runs(run, embed=nn.Embedding(30, 8), score=score, head=nn.Linear(8, 2)), torch.randint(0, 30, (9, 7)), classes(9, 2), F.cross_entropy  # fmt: skip


def far_off(rows, factor: float = 1e3, count: int = 40):
    x = torch.randn(count, 6)
    x[rows] *= factor
    return through(6, 12, 2), x, torch.randn(count, 2), F.smooth_l1_loss


def updates(count: int):
    """A row of blocks with low-rank updates, both of whose factors are 0."""

    def block():
        factors = {"down": nn.Parameter(torch.zeros(8, 2)), "up": nn.Parameter(torch.zeros(2, 8))}
        return Runs(lambda s, x: torch.tanh(s.whole(x) + x @ s.down @ s.up), whole=nn.Linear(8, 8), **factors)

    return nn.Sequential(*[block() for _ in range(count)]), torch.randn(20, 8), torch.rand(20, 8) - 0.5, F.mse_loss


def overflowing(power, low: float, high: float):
    """Numbers far below 0, and a few that are too large."""
    model = Runs(lambda s, x: s.head(power(s.net(x))), net=nn.Linear(2, 2), head=nn.Linear(2, 1))
    nn.init.eye_(model.net.weight)
    model.net.bias.data = torch.tensor([low, high])
    return model, torch.rand(12, 2), torch.randn(12, 1), F.mse_loss


LINE = "(kinds_second.py, line"
SECOND_SICK = (
    Case("the last sample for the last step", "out[-1], batch_first", lambda: reads(lambda h: h[-1]), one_of("unread samples"), ("only sample 17 has", f"an index {LINE}", "out[:, -1]")),
    Case("the last sentence for the last word", "out[-1], batch_first", words_of_one, one_of("unread samples"), ("only sample 17 has", f"select {LINE}")),
    Case("one sample's answer for all", "x[0]", told_to_all, one_of("unread samples"), ("of 14 samples only sample 0",)),
    Case("an equation in the forward, by ReLU", "u″ of ReLU", partial(equation, nn.ReLU), one_of("term_without_gradient"), ("second derivative", "all 40 points", "ReLU", "tanh")),
    Case("Laplace in the forward, by LeakyReLU", "Δu of LeakyReLU", partial(laplace, nn.LeakyReLU), one_of("term_without_gradient"), ("second derivative", "LeakyReLU", "tanh")),
    Case("a term of rounded outputs", "round in a loss", lambda: with_term(lambda o, y: F.l1_loss(o.round(), y)), one_of("term_without_gradient"), ("round, whose slope is 0", "exactly 0 in every weight")),
    Case("a term of signs", "sign in a loss", lambda: with_term(lambda o, y: (o.sign() - y.sign()).square().mean()), one_of("term_without_gradient"), ("sign, whose slope is 0",)),
    Case("coordinates in pixels", "grid_sample", lambda: warped(lambda g: 6 + g), one_of("sampling grid"), ("100 % of them outside", "−1 to 1", "2 · x / (width − 1) − 1")),
    Case("coordinates in pixels, held at the border", "grid_sample", lambda: warped(lambda g: 40 * g.sigmoid() + 2, padding="border"), one_of("sampling grid"), ("the border alone", "2 · x / (width − 1) − 1")),
    Case("a density that underflows", "log of a sum of exp", lambda: density(by_hand), one_of("non_finite"), ("exp has underflowed", "logsumexp", "log_prob")),
    Case("a softmax that underflows", "log of softmax", sure_classes, one_of("non_finite"), ("softmax has underflowed", "log_softmax")),
    Case("a value and its dead gate", "relu as a gate", lambda: gated(None), one_of("dead_units"), ("relu after gate", "value is not behind them, but multiplied")),
    Case("a rate by ReLU", "relu as the last", rates, one_of("dead_units"), ("softplus",)),
    Case("a parameter times a number", "nn.Parameter(…) * 0.1", lambda: scaled(lambda t: nn.Parameter(t) * 0.1), one_of("unlisted"), ("code (6)", "mul makes of a parameter", "compute inside")),
    Case("a parameter in another precision", "nn.Parameter(…).to()", lambda: scaled(lambda t: nn.Parameter(t.double()).to(torch.float32)), one_of("unlisted"), ("code (6)", "makes of a parameter", "compute inside")),
    Case("a softmax of one score", "softmax(-1) of (…, 1)", lambda: lone(nn.Linear(8, 1), lambda w, z: (w.softmax(-1) * z).sum(1)), one_of("softmax_of_one"), (LINE, "score, which makes them")),
    Case("a softmax of one score, by a net", "softmax(-1) of (…, 1)", lambda: lone(through(8, 4, 1), lambda w, z: (F.softmax(w, dim=2) * z).mean(1)), one_of("softmax_of_one"), (LINE, "score.2, which makes them")),
    Case("one sample far off", "an outlier", lambda: far_off([11]), one_of("input_scale"), ("sample 11 of 40 alone makes it so",)),
    Case("two samples far off", "outliers", lambda: far_off([30, 3]), one_of("input_scale"), ("samples 3, 30 of 40 alone make it so",)),
    Case("three updates of zeros", "LoRA, A = B = 0", lambda: updates(3), one_of("no_gradient"), ("in 3 products", "0.down and 0.up", "2.down and 2.up")),
    Case("six updates of zeros", "LoRA, A = B = 0", lambda: updates(6), one_of("no_gradient"), ("in 6 products", "and 2 more")),
    Case("exp of some", "exp", lambda: overflowing(torch.exp, -400.0, 94.0), one_of("non_finite"), ("exp of numbers up to 9",)),
    Case("sinh of some", "sinh", lambda: overflowing(torch.sinh, -200.0, 10.0), one_of("non_finite"), ("sinh of numbers down to −",)),
)  # fmt: skip

SECOND_SOUND = (
    Case("the last step, samples first", "Hochreiter 1997", lambda: reads(lambda h: h[:, -1])),
    Case("the last step, steps first", "Hochreiter 1997", steps_come_first),
    Case("against the first sample", "", against_the_first),
    Case("the two hardest", "Shrivastava 2016", lambda: (through(6, 12, 3), torch.randn(30, 6), classes(30, 3), hardest)),
    Case("an equation in the forward, by tanh", "Raissi 2019", partial(equation, nn.Tanh)),
    Case("Laplace in the forward, by softplus", "Raissi 2019", partial(laplace, nn.Softplus)),
    Case("a term of rounded outputs, straight through", "Bengio 2013", lambda: with_term(lambda o, y: F.l1_loss(o + (o.round() - o).detach(), y))),
    Case("free bits", "Kingma 2016", lambda: with_term(lambda o, y: o.square().mean().clamp(min=4.0))),
    Case("looks at all of it", "Jaderberg 2015", lambda: warped(lambda g: 0.1 * g + torch.linspace(-1, 1, 6)[:, None, None])),
    Case("looks beyond it too", "Jaderberg 2015", lambda: warped(lambda g: g + 2.4 * torch.rand(10, 6, 6, 2) - 1.2)),
    Case("a density by logarithms", "Bishop 1994", lambda: density(by_logarithms, far=6.0)),
    Case("a value and its open gate", "Dauphin 2016", lambda: gated(None, bias=0.0)),
    Case("a parameter of scaled numbers", "Vaswani 2017", lambda: scaled(lambda t: nn.Parameter(0.1 * t))),
    Case("a softmax of words", "Bahdanau 2014", lambda: lone(nn.Linear(8, 1), lambda w, z: (w.softmax(1) * z).sum(1))),
    Case("some samples larger", "", lambda: far_off([11], factor=4.0)),
)  # fmt: skip
