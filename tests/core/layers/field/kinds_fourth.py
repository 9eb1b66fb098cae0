"""States that are not handed on, outputs whose size a norm fixes, parts that stay copies, dropouts last, variances at a bound."""

# ruff: noqa: E501

import copy

import torch
from torch import nn
from torch.distributions import Categorical, Independent, Normal, Poisson
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through


def steps_of_a_cell(hands_on, every=False):
    """A GRUCell in a loop, whose state is handed on or is not; all states are read, or the last."""

    def run(s, x):
        h, all_of_it = None, []
        for t in range(x.shape[1]):
            h = s.cell(x[:, t], h if hands_on else None)
            all_of_it.append(h)
        return s.out(torch.stack(all_of_it, 1).mean(1) if every else h)

    return (
        Runs(run, cell=nn.GRUCell(6, 20), out=nn.Linear(20, 3)),
        torch.randn(32, 9, 6),
        classes(32, 3),
        F.cross_entropy,
    )


def step_by_step(hands_on):
    """nn.RNN of two layers, called with one step at a time, steps first."""

    def run(s, x):
        h = None
        for step in x:
            y, left = s.rnn(step[None], h)
            h = left if hands_on else None
        return s.out(y[0])

    return (
        Runs(run, rnn=nn.RNN(4, 16, num_layers=2), out=nn.Linear(16, 1)),
        torch.randn(12, 24, 4),
        torch.randn(24, 1),
        F.mse_loss,
    )


def both_ways(read):
    """A bidirectional LSTM of two layers."""
    model = Runs(
        lambda s, x: s.out(read(*s.rnn(x))),
        rnn=nn.LSTM(5, 12, 2, batch_first=True, bidirectional=True),
        out=nn.Linear(24, 4),
    )
    return model, torch.randn(20, 17, 5), classes(20, 4), F.cross_entropy


def one_step_only(state):
    """A recurrent layer, given a sequence of one step, or a cell that runs once from a state of zeros."""
    if state:
        model = Runs(
            lambda s, x: s.out(s.cell(x, torch.zeros(len(x), 16))), cell=nn.GRUCell(5, 16), out=nn.Linear(16, 3)
        )
    else:
        model = Runs(
            lambda s, x: s.out(s.rnn(x[:, None])[0][:, 0]), rnn=nn.LSTM(5, 16, batch_first=True), out=nn.Linear(16, 3)
        )
    return model, torch.randn(20, 5), classes(20, 3), F.cross_entropy


def child_sums():
    """Nodes of a tree: leaves begin at zeros, those above at the sum of the states below."""

    def run(s, x):
        leaves = [s.cell(x[:, i], torch.zeros(len(x), 16)) for i in range(4)]
        inner = [s.cell(x[:, 4 + i], leaves[2 * i] + leaves[2 * i + 1]) for i in range(2)]
        return s.out(s.cell(x[:, 6], inner[0] + inner[1]))

    return (
        Runs(run, cell=nn.GRUCell(5, 16), out=nn.Linear(16, 3)),
        torch.randn(20, 7, 5),
        classes(20, 3),
        F.cross_entropy,
    )


def normed_output(norm, targets, width=1):
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, width), norm)
    return model, torch.randn(64, 8), targets, F.mse_loss


def functional_norm():
    """Four readings, the features of each sample normalised last by F.layer_norm."""
    model = Runs(lambda s, x: F.layer_norm(s.net(x), (4,)), net=through(8, 32, 4))
    return model, torch.randn(64, 8), 12 + 3 * torch.randn(64, 4), F.smooth_l1_loss


def branches(same, gate=None):
    """Three branches of convolutions, weighed by a gate and summed."""

    def run(s, x):
        w = s.gate(x.mean((2, 3))).softmax(1) if gate else torch.full((len(x), 3), 1 / 3)
        y = sum(w[:, i, None, None, None] * b(x) for i, b in enumerate(s.parts.values()))
        return s.out(y.mean((2, 3)))

    def branch():
        return nn.Sequential(nn.Conv2d(3, 8, 3), nn.GELU(), nn.Conv2d(8, 8, 3))

    one = branch()
    parts = nn.ModuleDict({name: copy.deepcopy(one) if same else branch() for name in ("low", "middle", "high")})
    model = Runs(run, parts=parts, out=nn.Linear(8, 4), **({"gate": nn.Linear(3, 3)} if gate else {}))
    if gate == "zero":
        nn.init.zeros_(model.gate.weight), nn.init.zeros_(model.gate.bias)
    return model, torch.randn(16, 3, 9, 9), classes(16, 4), F.cross_entropy


def two_critics(same):
    """Twin critics of the same state and action, the second a copy of the first."""
    first = through(6, 32, 1)
    second = copy.deepcopy(first) if same else through(6, 32, 1)
    model = Runs(lambda s, x: (s.first(x), s.second(x)), first=first, second=second)
    return model, torch.randn(64, 6), torch.randn(64, 1), lambda o, y: F.mse_loss(o[0], y) + F.mse_loss(o[1], y)


def two_towers():
    """Towers that begin as copies, and see different things."""
    one = through(6, 32, 8)
    model = Runs(lambda s, a, b: F.normalize(s.a(a)) @ F.normalize(s.b(b)).T * 10, a=one, b=copy.deepcopy(one))
    x = torch.randn(24, 6)
    return model, (x, x + 0.3 * torch.randn(24, 6)), torch.arange(24), F.cross_entropy


def queries(begin, places=None):
    """Learned queries that look at a sequence, and their mean."""

    def run(s, x):
        q = s.queries.expand(len(x), -1, -1)
        h = s.read(x)
        y = s.attend(q if places is None else q + s.places, h, h)[0]
        return s.out(F.gelu(s.mix(y)).amax(1))

    own = {} if places is None else {"places": nn.Parameter(places)}
    model = Runs(
        run,
        read=nn.Linear(5, 16),
        queries=nn.Parameter(begin),
        attend=nn.MultiheadAttention(16, 4, batch_first=True),
        mix=nn.Linear(16, 16),
        out=nn.Linear(16, 3),
        **own,
    )
    return model, torch.randn(24, 11, 5), classes(24, 3), F.cross_entropy


def dropped_last(how):
    """Classes whose logits are dropped at random, or features that a loss takes twice."""
    if how == "function":
        model = Runs(lambda s, x: F.dropout(s.net(x), 0.3, s.training), net=through(8, 32, 4))
        return model, torch.randn(64, 8), classes(64, 4), F.cross_entropy
    if how == "flattened":
        return (
            nn.Sequential(nn.Conv1d(3, 8, 3), nn.ReLU(), nn.Conv1d(8, 1, 3), nn.Dropout(0.2), nn.Flatten()),
            torch.randn(32, 3, 12),
            torch.randn(32, 8),
            nn.SmoothL1Loss(),
        )
    if how == "pairs":  # SimCSE: dropout makes the two views

        def loss(o, _):
            scores = F.normalize(o[0]) @ F.normalize(o[1]).T / 0.05
            return F.cross_entropy(scores, torch.arange(len(scores)))

        model = Runs(lambda s, x: (s.net(x), s.net(x)), net=nn.Sequential(through(8, 64, 16), nn.Dropout(0.1)))
        return model, torch.randn(32, 8), None, loss

    def run(s, x):  # AWD-LSTM: a term keeps what is dropped of the states small
        h = F.dropout(s.rnn(s.embed(x))[0], 0.4, s.training)
        return s.out(h).transpose(1, 2), h

    x = torch.randint(0, 30, (12, 15))
    model = Runs(run, embed=nn.Embedding(30, 16), rnn=nn.LSTM(16, 32, batch_first=True), out=nn.Linear(32, 30))
    return model, x[:, :-1], x[:, 1:], lambda o, y: F.cross_entropy(o[0], y) + 2 * o[1].pow(2).mean()


def keeps(share, functional=False):
    model = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Dropout(1 - share), nn.Linear(64, 4))
    return model, torch.randn(64, 12), classes(64, 4), F.cross_entropy


def teacher(kind):
    """A student that follows a teacher: itself, or a copy that begins as it does."""

    def run(s, x):
        with torch.no_grad():
            said = s.net(x) if kind == "itself" else s.follows(x)
        return s.net(x), said

    net = through(10, 32, 6)
    follows = {"named": net, "copy": copy.deepcopy(net).requires_grad_(False)}.get(kind)
    model = Runs(run, net=net, **({"follows": follows} if follows else {}))
    return model, torch.randn(32, 10), None, lambda o, _: F.mse_loss(*o)


def spread(of, by="function"):
    """A mean and a deviation for each sample."""

    def loss(o, y):
        mean, var = o
        if by == "normal":
            return -Normal(mean, var.sqrt() if of is None else var + 1e-4).log_prob(y).mean()
        if by == "hand":
            return (0.5 * (y - mean) ** 2 / var + 0.5 * torch.log(var)).mean()
        return F.gaussian_nll_loss(mean, y, var)

    def run(s, x):
        h = s.body(x)
        return s.mean(h), of(s.spread(h))

    x = torch.randn(128, 6)
    model = Runs(run, body=nn.Sequential(through(6, 48), nn.Tanh()), mean=nn.Linear(48, 2), spread=nn.Linear(48, 2))
    return model, x, x[:, :2] ** 2, loss


def loud_and_silent():
    """Logarithms of spectra, held above a floor where it is silent."""
    x = torch.rand(16, 32)

    def loss(o, y):
        return F.l1_loss(torch.log(F.relu(o) + 1e-5), torch.log(y.clamp(min=1e-5)))

    return through(32, 64, 32), x, (x - 0.5).relu(), loss


def likely(how):
    """Counts and readings by their likelihood; a policy whose returns are below 0."""

    def loss(o, y):
        if how == "policy":
            actions, returns = y
            return -(Categorical(logits=o).log_prob(actions) * returns).mean()
        if how == "counts":
            return Poisson(o.exp()).log_prob(y).sum(1).mean()
        told = Independent(Normal(o[:, :2], F.softplus(o[:, 2:]) + 0.1), 1).log_prob(y)
        return told.mean() if how == "readings" else -told.mean()

    y = {"policy": (classes(40, 4), -torch.rand(40) * 9), "counts": torch.poisson(torch.full((40, 4), 2.0))}
    return through(7, 32, 4), torch.randn(40, 7), y.get(how, torch.randn(40, 2)), loss


FOURTH_SICK = (
    Case("a cell without its state", "h not handed on, all states read", lambda: steps_of_a_cell(False, True), one_of("unused state"), ("cell", "weight_hh", "9 calls", "hand")),
    Case("a cell of the last step", "h not handed on", lambda: steps_of_a_cell(False), one_of("unused state"), ("cell", "weight_hh", "9 calls", "last", "hand")),
    Case("step by step without state", "nn.RNN, one step a call", lambda: step_by_step(False), one_of("unused state"), ("rnn", "weight_hh_l0", "12 calls", "hand")),
    Case("the forward half at its first step", "out[:, 0] of both ways", lambda: both_ways(lambda y, _: y[:, 0]), one_of("unused state"), ("weight_hh_l1", "one step", "h_n")),
    Case("the backward half at its first step", "out[:, -1] of both ways", lambda: both_ways(lambda y, _: y[:, -1]), one_of("unused state"), ("weight_hh_l1_reverse", "one step", "h_n")),
    Case("a batch norm last", "targets of 20 ± 5", lambda: normed_output(nn.BatchNorm1d(3, affine=False), 20 + 5 * torch.randn(64, 3), 3), one_of("out_of_reach"), ("batch_norm", "mean 0", "20")),
    Case("a layer norm last", "targets of 50 ± 10", lambda: normed_output(nn.LayerNorm(4, elementwise_affine=False), 50 + 10 * torch.randn(64, 4), 4), one_of("out_of_reach"), ("layer_norm", "mean 0")),
    Case("a functional norm last", "F.layer_norm", functional_norm, one_of("out_of_reach"), ("layer_norm", "mean 0")),
    Case("branches that are copies", "deepcopy", lambda: branches(True), one_of("modules alike"), ("parts.low", "same")),
    Case("branches behind a gate of zeros", "deepcopy and a zero gate", lambda: branches(True, "zero"), one_of("modules alike"), ("parts.low", "same")),
    Case("twin critics that are one", "deepcopy", lambda: two_critics(True), one_of("modules alike"), ("first", "second", "same")),
    Case("queries all zero", "no places", lambda: queries(torch.zeros(1, 6, 16)), one_of("rows alike"), ("queries", "6", "same")),
    Case("queries all one", "no places", lambda: queries(torch.ones(4, 16)), one_of("rows alike"), ("queries", "4", "same")),
    Case("logits dropped", "F.dropout last", lambda: dropped_last("function"), one_of("dropout last"), ("last", "p = 0.3")),
    Case("readings dropped", "nn.Dropout before Flatten", lambda: dropped_last("flattened"), one_of("dropout last"), ("last", "p = 0.2")),
    Case("keeps a twentieth", "p = 0.95", lambda: keeps(0.05), one_of("dropout"), ("95 %", "smaller p")),
    Case("readings made less likely", "no minus", lambda: likely("readings"), one_of("likelihood"), ("log_prob", "plus", "minus")),
    Case("counts made less likely", "no minus", lambda: likely("counts"), one_of("likelihood"), ("log_prob", "plus", "minus")),
    Case("its own teacher by name", "no deepcopy", lambda: teacher("named"), one_of("loss_met"), ("deepcopy",)),
    Case("its own teacher", "called twice", lambda: teacher("itself"), one_of("loss_met"), ("deepcopy",)),
    Case("a variance by relu", "gaussian_nll_loss", lambda: spread(F.relu), one_of("variance"), ("relu", "softplus", "exp")),
    Case("a variance by clamp", "by hand", lambda: spread(lambda v: v.clamp(min=1e-4), "hand"), one_of("variance"), ("clamp", "softplus", "exp")),
    Case("a deviation by relu", "Normal", lambda: spread(F.relu, "normal"), one_of("variance"), ("relu", "softplus", "exp")),
)  # fmt: skip

FOURTH_SOUND = (
    Case("a cell with its state", "loop", lambda: steps_of_a_cell(True)),
    Case("a cell whose states are all read", "loop", lambda: steps_of_a_cell(True, True)),
    Case("step by step with its state", "loop", lambda: step_by_step(True)),
    Case("both ways, a mean", "Conneau 2017", lambda: both_ways(lambda y, _: y.mean(1))),
    Case("both ways, last states", "h_n", lambda: both_ways(lambda _, state: torch.cat([state[0][-2], state[0][-1]], 1))),
    Case("a cell that runs once", "from zeros", lambda: one_step_only(True)),
    Case("a sequence of one step", "from zeros", lambda: one_step_only(False)),
    Case("child sums", "Tai 2015", child_sums),
    Case("a batch norm last, targets in its size", "standardised", lambda: normed_output(nn.BatchNorm1d(3, affine=False), torch.randn(64, 3), 3)),
    Case("a batch norm last that is trained", "affine", lambda: normed_output(nn.BatchNorm1d(3), 2 + torch.randn(64, 3), 3)),
    Case("a layer norm last, features of a teacher", "data2vec, Baevski 2022", lambda: normed_output(nn.LayerNorm(6, elementwise_affine=False), F.layer_norm(torch.randn(64, 6), (6,)), 6)),
    Case("copies behind a gate that differs", "Komatsuzaki 2022", lambda: branches(True, "drawn")),
    Case("branches that differ", "ResNeXt", lambda: branches(False, "drawn")),
    Case("branches that differ behind a gate of zeros", "experts", lambda: branches(False, "zero")),
    Case("twin critics", "Fujimoto 2018", lambda: two_critics(False)),
    Case("towers that begin as copies", "Radford 2021", two_towers),
    Case("queries of zeros with places", "Carion 2020", lambda: queries(torch.zeros(1, 6, 16), torch.randn(6, 16))),
    Case("queries drawn", "Jaegle 2021", lambda: queries(0.02 * torch.randn(1, 6, 16))),
    Case("views by dropout", "Gao 2021", lambda: dropped_last("pairs")),
    Case("dropped states kept small", "Merity 2017", lambda: dropped_last("kept small")),
    Case("keeps a tenth", "p = 0.9", lambda: keeps(0.1)),
    Case("a teacher that begins as its student", "Li 2016", lambda: teacher("copy")),
    Case("a policy of returns below 0", "Williams 1992", lambda: likely("policy")),
    Case("readings made likely", "", lambda: likely("made likely")),
    Case("a variance by softplus", "Lakshminarayanan 2017", lambda: spread(lambda v: F.softplus(v) + 1e-4, "hand")),
    Case("a variance by exp, bounded", "Haarnoja 2018", lambda: spread(lambda v: v.clamp(-5, 2).exp())),
    Case("logarithms of spectra", "Kong 2020", loud_and_silent),
)  # fmt: skip
