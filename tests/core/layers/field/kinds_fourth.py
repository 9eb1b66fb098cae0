"""States that are not handed on, parts that stay copies, outputs whose size a norm fixes, and backwards of one's own."""

# ruff: noqa: E501

import copy

import torch
from torch import nn
from torch.distributions import Categorical, Normal
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


class _Softsign(torch.autograd.Function):
    """x / (1 + |x|), whose backward leaves out a square."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x / (1 + x.abs())

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g / (1 + x.abs())


class _Affine(torch.autograd.Function):
    """tanh(x w), the gradient by w of which has twice its size."""

    @staticmethod
    def forward(ctx, x, w):
        y = torch.tanh(x @ w)
        ctx.save_for_backward(x, w, y)
        return y

    @staticmethod
    def backward(ctx, g):
        x, w, y = ctx.saved_tensors
        g = g * (1 - y**2)
        return g @ w.T, 2 * x.T @ g


class _Mish(torch.autograd.Function):
    """Mish, its backward right."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.tanh(F.softplus(x))

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        t = torch.tanh(F.softplus(x))
        return g * (t + x * torch.sigmoid(x) * (1 - t * t))


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, strength):
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return -ctx.strength * g, None


class _Rounds(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.round(4 * x) / 4

    @staticmethod
    def backward(ctx, g):
        return g


class _Spikes(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x > 0).to(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g / (1 + 10 * x.abs()) ** 2


class _Clamps(torch.autograd.Function):
    """A clamp that lets back what leads into its bounds."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(-0.3, 0.3)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (g * (x - x.clamp(-0.3, 0.3)) >= 0)


def by_own(function, *more):
    """A network with a function of one's own between its layers."""
    apply = function.apply
    model = Runs(
        lambda s, x: s.out(apply(s.mid(apply(s.first(x), *more)), *more)),
        first=nn.Linear(7, 24),
        mid=nn.Linear(24, 24),
        out=nn.Linear(24, 2),
    )
    return model, torch.randn(48, 7), torch.randn(48, 2), F.mse_loss


def by_own_weights():
    model = Runs(
        lambda s, x: s.out(_Affine.apply(x, s.w)), w=nn.Parameter(torch.randn(7, 24) / 3), out=nn.Linear(24, 2)
    )
    return model, torch.randn(48, 7), torch.randn(48, 2), F.mse_loss


def ratios(how):
    """PPO, whose old logarithm of the chance is detached, made anew with a gradient, or the new one itself."""

    def loss(logits, given):
        actions, gains = given
        new = Categorical(logits=logits).log_prob(actions)
        old = new.detach() if how == "detached" else Categorical(logits=logits).log_prob(actions)
        ratio = new.exp() / old.exp() if how == "divided" else torch.exp(new - old)
        bonus = Categorical(logits=logits).entropy().mean()
        return -torch.min(ratio * gains, ratio.clamp(0.8, 1.2) * gains).mean() - 0.01 * bonus

    return through(6, 32, 5, act=nn.Tanh), torch.randn(48, 6), (classes(48, 5), torch.randn(48)), loss


def own_labels(kind):
    """Labels that are the output's own largest; in the sound ones beside a term of the targets, or without targets."""

    def loss(o, y):
        own = F.cross_entropy(o, o.softmax(1).argmax(1))
        return own + F.cross_entropy(o, y) if kind == "beside" else own

    return through(9, 32, 5), torch.randn(40, 9), None if kind == "no targets" else classes(40, 5), loss


def margins(kind):
    """Hinges by hand, and a contrast of pairs, whose labels are 0 and 1 by rights."""

    def loss(o, y):
        if kind == "pairs":
            far = (o[:, 0] - o[:, 1]).abs()
            return (y * far**2 + (1 - y) * F.relu(1 - far) ** 2).mean()
        y = 2 * y - 1 if kind == "signs" else y
        short = 1 - y * o[:, 0]
        return F.relu(short).sum() / len(y) if kind == "relu" else short.clamp(min=0).pow(2).mean()

    return through(9, 32, 2), torch.randn(60, 9), classes(60, 2).float(), loss


def tied(how):
    """A language model whose head shares the embedding's numbers, as one parameter or by .data."""
    embed, out = nn.Embedding(20, 16), nn.Linear(16, 20, bias=False)
    if how == "data":
        out.weight.data = embed.weight.data
    elif how == "one":
        out.weight = embed.weight
    else:  # all of them one behind the other in a buffer, as some optimizers have it
        flat = torch.cat([embed.weight.data.flatten(), out.weight.data.flatten()]) / 4
        embed.weight.data, out.weight.data = (one.view(20, 16) for one in flat.split(320))
    nn.init.normal_(embed.weight, 0, 0.1)
    model = Runs(
        lambda s, x: s.out(s.mix(s.embed(x)).tanh()).transpose(1, 2), embed=embed, mix=nn.Linear(16, 16), out=out
    )
    x = torch.randint(0, 20, (12, 9))
    return model, x[:, :-1], x[:, 1:], F.cross_entropy


def bounded_scale(how):
    """A scale of each feature that is kept above 0: by a parameter made anew, in place, or as it is used."""

    def run(s, x):
        if how == "anew":
            s.scale = nn.Parameter(s.scale.clamp(min=0.1))
        elif how == "in place":
            s.scale.data.clamp_(min=0.1)
        return s.out(torch.tanh(s.first(x)) * s.scale)

    model = Runs(run, first=nn.Linear(6, 16), scale=nn.Parameter(torch.ones(16)), out=nn.Linear(16, 3))
    return model, torch.randn(32, 6), classes(32, 3), F.cross_entropy


def state_of_before(detaches):
    """An LSTM that goes on from batch to batch, once it has seen one."""

    def run(s, x):
        state = tuple(one.detach() for one in s.state) if detaches and s.state else s.state
        y, s.state = s.rnn(x, state)
        return s.out(y)

    model = Runs(run, rnn=nn.LSTM(4, 12, batch_first=True), out=nn.Linear(12, 2))
    model.state = None
    x, y = torch.randn(10, 8, 4), torch.randn(10, 8, 2)
    F.mse_loss(model(x), y).backward()
    return model, x, y, F.mse_loss


def remembers_its_shares():
    """An attention that keeps its last shares to be looked at."""

    def run(s, x):
        s.seen = (s.a(x) @ s.b(x).transpose(1, 2) / 4).softmax(-1)
        return s.out((s.seen @ x).mean(1))

    model = Runs(run, a=nn.Linear(6, 16), b=nn.Linear(6, 16), out=nn.Linear(6, 3))
    x, y = torch.randn(12, 7, 6), classes(12, 3)
    F.cross_entropy(model(x), y).backward()
    return model, x, y, F.cross_entropy


def hidden_keys(how):
    """Attention over sequences of different lengths."""

    def run(s, x, mask):
        scores, keys = s.a(x) @ s.b(x).transpose(1, 2) / 4, mask[:, None, :]
        if how == "filled":
            shares = scores.masked_fill(keys == 0, -torch.inf).softmax(-1)
        else:
            shares = (scores * keys).softmax(-1)
        if how == "again":  # AllenNLP's masked_softmax
            shares = shares * keys
            shares = shares / (shares.sum(-1, keepdim=True) + 1e-13)
        return s.out(((shares @ x) * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))

    lengths = torch.randint(2, 9, (14,))
    mask = (torch.arange(8) < lengths[:, None]).float()
    model = Runs(run, a=nn.Linear(6, 16), b=nn.Linear(6, 16), out=nn.Linear(6, 3))
    return model, (torch.randn(14, 8, 6) * mask[..., None], mask), classes(14, 3), F.cross_entropy


def codes_at(temperature, how="gumbel"):
    """An autoencoder through shares of a softmax."""

    def run(s, x):
        scores = s.enc(x)
        shares = (
            F.gumbel_softmax(scores, tau=temperature) if how == "gumbel" else (scores * (1 / temperature)).softmax(1)
        )
        return s.dec(shares) if how == "gumbel" else s.dec(torch.tanh(shares @ s.table))

    x = torch.rand(40, 12)
    model = Runs(run, enc=through(12, 32, 9), table=nn.Parameter(torch.randn(9, 9)), dec=nn.Linear(9, 12))
    if how == "gumbel":
        del model.table
    return model, x, x, F.mse_loss


def nearness(width):
    """Classes by how near a sample is to learned centres."""
    model = Runs(
        lambda s, x: s.out(torch.exp(-(x[:, None] - s.centres).pow(2).sum(-1) / width)),
        centres=nn.Parameter(torch.randn(16, 12)),
        out=nn.Linear(16, 3),
    )
    return model, torch.randn(40, 12), classes(40, 3), F.cross_entropy


def softmaxes_between(act):
    """Six layers of convolutions, with the same activation between each two."""

    def run(s, x):
        for one in s.layers[:-1]:
            x = act(one(x))
        return s.layers[-1](x).mean(2)

    layers = nn.ModuleList(nn.Conv1d(4 if k == 0 else 24, 24, 1) for k in range(5))
    layers.append(nn.Conv1d(24, 3, 1))
    return Runs(run, layers=layers), torch.randn(24, 4, 7), classes(24, 3), F.cross_entropy


def clipped_critic(bound):
    parts = [m for k in range(6) for m in (nn.Conv2d(3 if k == 0 else 16, 16, 3, padding=1), nn.LeakyReLU(0.2))]
    model = nn.Sequential(*parts, nn.Flatten(), nn.Linear(16 * 36, 1))
    for one in model.parameters():
        one.data.clamp_(-bound, bound)
    return model, torch.randn(24, 3, 6, 6), None, lambda o, _: o[12:].mean() - o[:12].mean()


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
    Case("its own teacher by name", "no deepcopy", lambda: teacher("named"), one_of("loss_met"), ("deepcopy",)),
    Case("its own teacher", "called twice", lambda: teacher("itself"), one_of("loss_met"), ("deepcopy",)),
    Case("a variance by relu", "gaussian_nll_loss", lambda: spread(F.relu), one_of("variance"), ("relu", "softplus", "exp")),
    Case("a variance by clamp", "by hand", lambda: spread(lambda v: v.clamp(min=1e-4), "hand"), one_of("variance"), ("clamp", "softplus", "exp")),
    Case("a deviation by relu", "Normal", lambda: spread(F.relu, "normal"), one_of("variance"), ("relu", "softplus", "exp")),
    Case("a ratio to itself", "old not detached", lambda: ratios("anew"), one_of("term_without_gradient"), ("(kinds_fourth.py, line", "cancel", "detach")),
    Case("a ratio of two chances", "old not detached", lambda: ratios("divided"), one_of("term_without_gradient"), ("(kinds_fourth.py, line", "cancel", "detach")),
    Case("its own labels", "argmax of the output", lambda: own_labels("own"), one_of("moving_target"), ("cross_entropy", "targets", "not used|does not use")),
    Case("a hinge of 0 and 1", "relu", lambda: margins("relu"), one_of("target_range"), ("0", "−1", "2 * targets − 1")),
    Case("a squared hinge of 0 and 1", "clamp", lambda: margins("squared"), one_of("target_range"), ("0", "−1", "2 * targets − 1")),
    Case("a head in the embedding's memory", ".data", lambda: tied("data"), one_of("one memory"), ("embed.weight", "out.weight", "memory")),
    Case("a scale made anew", "nn.Parameter in forward", lambda: bounded_scale("anew"), one_of("parameter made anew"), ("scale", "anew", "optimizer")),
    Case("the state of the batch before", "not detached", lambda: state_of_before(False), one_of("kept graph"), ("state", "detach")),
    Case("keys hidden by 0", "scores * mask", lambda: hidden_keys("times"), one_of("masked by 0"), ("softmax", "masked_fill")),
    Case("codes at a temperature of 0.002", "gumbel_softmax", lambda: codes_at(0.002), one_of("temperature"), ("0.002", "temperature of 1")),
    Case("shares at a temperature of 0.001", "scores * 1000", lambda: codes_at(0.001, "by hand"), one_of("temperature"), ("0.001", "temperature of 1")),
    Case("kernels that are too narrow", "exp(−d²/0.01)", lambda: nearness(0.01), one_of("no_gradient"), ("exp (kinds_fourth.py, line", "underflow")),
    Case("softmaxes between layers", "as activations", lambda: softmaxes_between(lambda h: F.softmax(h, 1)), one_of("vanishing", "same output"), ("softmaxes", "activations", "relu")),
    Case("a critic clipped to 0.005", "WGAN", lambda: clipped_critic(0.005), one_of("vanishing"), ("0.005", "clipped", "penalty")),
    Case("a backward without a square", "softsign", lambda: by_own(_Softsign), one_of("custom backward"), ("_softsign", "finite difference")),
    Case("a backward of twice its size", "by w", by_own_weights, one_of("custom backward"), ("_affine", "finite difference")),
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
    Case("a variance by softplus", "Lakshminarayanan 2017", lambda: spread(lambda v: F.softplus(v) + 1e-4, "hand")),
    Case("a variance by exp, bounded", "Haarnoja 2018", lambda: spread(lambda v: v.clamp(-5, 2).exp())),
    Case("logarithms of spectra", "Kong 2020", loud_and_silent),
    Case("a ratio to what is detached", "Shao 2024", lambda: ratios("detached")),
    Case("its own labels beside others", "Sohn 2020", lambda: own_labels("beside")),
    Case("its own labels alone", "Lee 2013", lambda: own_labels("no targets")),
    Case("a squared hinge of signs", "Tang 2013", lambda: margins("signs")),
    Case("pairs near and far", "Hadsell 2006", lambda: margins("pairs")),
    Case("a head that is the embedding", "Press 2016", lambda: tied("one")),
    Case("parameters in one buffer", "apex", lambda: tied("flat")),
    Case("a scale bounded in place", "", lambda: bounded_scale("in place")),
    Case("a scale as it is", "", lambda: bounded_scale("")),
    Case("the state of the batch before, detached", "Merity 2017", lambda: state_of_before(True)),
    Case("shares kept to be looked at", "", remembers_its_shares),
    Case("keys hidden by −inf", "Vaswani 2017", lambda: hidden_keys("filled")),
    Case("keys hidden by 0 and again", "Gardner 2018", lambda: hidden_keys("again")),
    Case("codes at a temperature of 1", "Jang 2016", lambda: codes_at(1.0)),
    Case("codes at a temperature of 0.1", "Jang 2016", lambda: codes_at(0.1)),
    Case("kernels that are wide", "Broomhead 1988", lambda: nearness(24.0)),
    Case("GELUs between layers", "", lambda: softmaxes_between(F.gelu)),
    Case("a critic clipped to 1", "", lambda: clipped_critic(1.0)),
    Case("mish by hand", "Misra 2019", lambda: by_own(_Mish)),
    Case("gradients reversed", "Ganin 2015", lambda: by_own(_Reversed, 1.0)),
    Case("gradients scaled", "fairseq", lambda: by_own(_Reversed, -0.1)),
    Case("straight through", "Bengio 2013", lambda: by_own(_Rounds)),
    Case("spikes with a surrogate", "Zenke 2018", lambda: by_own(_Spikes)),
    Case("a clamp that lets back in", "Crowson 2021", lambda: by_own(_Clamps)),
)  # fmt: skip
