"""Models that went wrong, each with what must be said of it.

A case may deserve more findings than it asks for.
"""

# ruff: noqa: E501

import math

import torch
from torch import nn
from torch.nn import functional as F

from tests.core.layers.field.case import Case, Runs, classes, one_of, through

CUT = one_of("no_gradient")
LOST = one_of("cliff", "vanishing")
SMALL = one_of("no_gradient", "cliff", "vanishing")
GROWN = one_of("exploding", "cliff")
NOT_FINITE = one_of("non_finite")
CONSTANT = one_of("constant_loss", "no_gradient")


def told(model, count=32, width=16, of=4, scale=1.0):
    return model, scale * torch.randn(count, width), classes(count, of), F.cross_entropy


def net(run, **parts):
    """Two layers, a and b, a head, and what runs them."""
    layers = {"a": nn.Linear(16, 32), "b": nn.Linear(32, 32), "out": nn.Linear(32, 4)}
    return told(Runs(run, **layers | parts))


# -- layers that are not trained -------------------------------------------------------------------------------


def experts_in_a_dictionary():
    model, *rest = net(lambda s, x: s.out(s.experts["one"](F.relu(s.a(x)))))
    model.experts = {"one": nn.Linear(32, 32)}
    return model, *rest


def scale_without_a_parameter():
    model, *rest = net(lambda s, x: s.out(F.relu(s.b(F.relu(s.a(x)))) * s.temperature))
    model.temperature = torch.ones(32, requires_grad=True)
    return model, *rest


def drawn_in_forward():
    return net(lambda s, x: s.out(F.relu(nn.Linear(32, 32)(F.relu(s.a(x))))))


def without_grad(s, x):
    with torch.no_grad():
        h = F.relu(s.a(x))
    return s.out(F.relu(s.b(h)))


def through_a_list(s, x):
    return s.out(F.relu(s.b(torch.tensor(F.relu(s.a(x)).tolist()))))


def hard_choice(s, x):
    """One of the rows of b, by argmax: nothing comes back to a."""
    return s.out(F.relu(s.b.weight[s.a(x).argmax(-1)]))


def hard_code(s, x):
    return s.out((s.b(F.relu(s.a(x))) > 0).float())


def overwritten(s, x):
    h = F.relu(s.b(F.relu(s.a(x))))
    h = torch.relu(s.c(x))
    return s.out(h)


# -- units -----------------------------------------------------------------------------------------------------


def relu_on_logits():
    model, *rest = net(lambda s, x: F.relu(s.out(F.relu(s.a(x)))))
    del model.b
    nn.init.constant_(model.out.bias, -4.0)
    return model, *rest


def unscaled_sensors():
    model = through(16, 32, 4, act=nn.Sigmoid)
    x = 400 * torch.rand(64, 16) + 200
    return model, x, classes(64, 4), F.cross_entropy


def tanh_of_big_weights():
    model = through(16, 64, 64, 4, act=nn.Tanh)
    for one in model:
        if isinstance(one, nn.Linear):
            nn.init.normal_(one.weight)
    model[0].weight.data.mul_(4)
    return told(model)


def negative_and_relu():
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4))
    model[2].weight.data.abs_().neg_()
    return told(model)


def clamped():
    model, *rest = net(lambda s, x: s.out(s.b(s.a(x)).clamp(0, 1)))
    nn.init.normal_(model.b.weight, 0, 40.0)
    return model, *rest


# -- the way back ----------------------------------------------------------------------------------------------


def gain_0():
    model = nn.Sequential(nn.Linear(16, 32), nn.LayerNorm(32, elementwise_affine=True), nn.ReLU(), nn.Linear(32, 4))
    model[1].weight = nn.Parameter(torch.zeros(32), requires_grad=False)
    return told(model)


def all_dropped():
    return told(nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Dropout(1.0), nn.Linear(32, 4)))


def small_branch(s, x):
    h = F.relu(s.a(x))
    return s.out(h + 1e-6 * s.deep(h))


def closed_gate(s, x):
    h = F.relu(s.a(x))
    return s.out(h + torch.sigmoid(s.gate(h) - 30) * s.b(h))


def flushed(s, x):
    return s.out(F.relu(s.b(F.relu(s.a(x)) / 1e7)) * 1e7 * 1e-7)


def steep_attention():
    """Scores of hundreds, not divided by √d: the softmax picks one key and its gradient is gone."""

    def run(s, x):
        h = s.embed(x)
        scores = s.q(h) @ s.k(h).mT
        return s.out((scores.softmax(-1) @ s.v(h)).mean(1))

    names = {name: nn.Linear(64, 64, bias=False) for name in "qkv"}
    for one in (names["q"], names["k"]):
        nn.init.normal_(one.weight, 0, 1.0)
    model = Runs(run, embed=nn.Linear(8, 64), out=nn.Linear(64, 4), **names)
    return model, torch.randn(16, 12, 8), classes(16, 4), F.cross_entropy


def deep_linear():
    model = nn.Sequential(*[nn.Linear(32, 32, bias=False) for _ in range(14)], nn.Linear(32, 4))
    for one in model[:-1]:
        nn.init.normal_(one.weight, 0, 3 / math.sqrt(32))
    return model, torch.randn(32, 32), torch.randn(32, 4), F.mse_loss


def squeezed():
    """Sixteen tanh layers with half of the gain that keeps a gradient."""
    model = through(16, *[32] * 16, 4, act=nn.Tanh)
    for one in model:
        if isinstance(one, nn.Linear):
            nn.init.xavier_normal_(one.weight, 0.4)
    return told(model)


def deep_residual():
    """Forty blocks that each double the signal."""

    def run(s, x):
        for one in s.blocks:
            x = x + F.relu(one(x))
        return s.out(x)

    blocks = nn.ModuleList(nn.Linear(32, 32) for _ in range(40))
    for one in blocks:
        nn.init.normal_(one.weight, 0, math.sqrt(4 / 32))
    return Runs(run, blocks=blocks, out=nn.Linear(32, 4)), torch.randn(32, 32), torch.randn(32, 4), F.mse_loss


def wild_memory():
    """A linear recurrence with weights three times as large as keep its size."""
    model = Runs(lambda s, x: s.out(s.rnn(x)[0][:, -1]), rnn=nn.RNN(8, 24, batch_first=True, nonlinearity="relu"),
                 out=nn.Linear(24, 1))  # fmt: skip
    nn.init.orthogonal_(model.rnn.weight_hh_l0, 2.5)
    return model, torch.randn(8, 40, 8), torch.randn(8, 1), F.mse_loss


def wild_gates():
    """Recurrent weights of 20: every gate of the LSTM is open or closed, and its state grows."""
    model = Runs(lambda s, x: s.out(s.lstm(x)[0][:, -1]), lstm=nn.LSTM(8, 24, batch_first=True), out=nn.Linear(24, 4))
    nn.init.normal_(model.lstm.weight_hh_l0, 0, 20.0)
    return model, torch.randn(8, 60, 8), classes(8, 4), F.cross_entropy


# -- the loss --------------------------------------------------------------------------------------------------


def empty_mask():
    x, mask = torch.randn(32, 16), torch.zeros(32, dtype=torch.bool)
    return through(16, 32, 1), x, torch.randn(32), lambda o, t: F.mse_loss(o[mask, 0], t[mask])


def log_of_softmax():
    model, x, t, _ = told(through(16, 32, 4))
    model[2].weight.data.mul_(500)
    return model, x, t, lambda o, t: -o.softmax(-1).log()[torch.arange(len(t)), t].mean()


def wrong_axis():
    """Probabilities over the samples, not over the classes."""
    return told(nn.Sequential(through(16, 32, 4), nn.Softmax(0)))


def sigmoid_before_logits():
    model = nn.Sequential(through(16, 32, 1), nn.Flatten(0), nn.Sigmoid())
    return model, torch.randn(32, 16), classes(32, 2).float(), F.binary_cross_entropy_with_logits


def logits_as_logarithms():
    return *told(through(16, 32, 4))[:3], F.nll_loss


def accuracy_as_loss():
    return *told(through(16, 32, 4))[:3], lambda o, t: 1 - (o.argmax(-1) == t).float().mean()


def one_score():
    """A softmax over one score is 1 whatever the model does."""
    model = nn.Sequential(through(16, 32, 1), nn.Softmax(-1))
    return model, torch.randn(32, 16), classes(32, 2).float()[:, None], F.mse_loss


def last_word():
    """One label more than there are classes."""
    return *told(through(16, 32, 4), of=4)[:2], torch.arange(32) % 5, F.cross_entropy


def money():
    return through(16, 32, 1), torch.randn(64, 16), 3e6 + 4e5 * torch.randn(64, 1), F.mse_loss


# -- numbers that are not finite -------------------------------------------------------------------------------


def own_norm(s, x):
    """Of units that are all the same the deviation is 0, and its root has no slope there."""
    h = s.a(x)
    h = h - h
    return s.out((h - h.mean(-1, keepdim=True)) / h.std(-1, keepdim=True))


def root_of_differences(s, x):
    h = s.a(x)
    return s.out(h + s.b(h).sub(s.b(h)).square().sum(-1, keepdim=True).sqrt())


def half_precision():
    model = nn.Sequential(through(16, 32, 4)).half()
    model[0][2].weight.data.fill_(6e4)
    return model, torch.randn(32, 16).half(), classes(32, 4), lambda o, t: F.cross_entropy(o.float(), t)


def ratio_of_counts(s, x):
    h = F.relu(s.a(x))
    return s.out(h / (x > 100).sum(-1, keepdim=True))


SICK = (
    Case("experts in a dictionary", "a dict where a ModuleDict should be", experts_in_a_dictionary,
         one_of("unlisted"), ("experts['one'].weight",)),
    Case("scale without a Parameter", "a tensor that asks for a gradient", scale_without_a_parameter,
         one_of("unlisted"), ("temperature",)),
    Case("layer made in forward", "drawn anew in every pass", drawn_in_forward, one_of("unlisted"), ("32 × 32",)),
    Case("features under no_grad", "left over from an evaluation", lambda: net(without_grad), CUT, ("a get", "no_grad")),
    Case("through a list", "tolist between two layers", lambda: net(through_a_list), CUT, ("a get", "tolist")),
    Case("hard choice", "argmax picks a row", lambda: net(hard_choice), CUT, ("a get", "argmax")),
    Case("hard code", "a comparison in place of a sigmoid", lambda: net(hard_code), CUT, ("a, b get", "gt")),
    Case("overwritten", "a branch whose result is replaced",
         lambda: net(overwritten, c=nn.Linear(16, 32)), CUT, ("a, b get", "does not use")),
    Case("ReLU on logits", "an activation after the last layer", relu_on_logits, one_of("dead_units"), ("relu after out",)),
    Case("sensors as they come", "sigmoid behind inputs of hundreds", unscaled_sensors,
         one_of("saturated", "input_scale"), ("inputs",)),
    Case("tanh of big weights", "N(0, 1) for each weight", tanh_of_big_weights, one_of("saturated"), ("1:",)),
    Case("ReLU of what is negative", "weights that lost their sign", negative_and_relu, one_of("dead_units"), ("3:",)),
    Case("clamped", "a clamp far narrower than what comes", clamped, one_of("saturated"), ("clamp",)),
    Case("frozen gain of 0", "a norm loaded with zeros", gain_0, CUT, ("0 gets", "3: its weight", "what 1 gives")),
    Case("all dropped", "dropout 1.0 for 0.1", all_dropped, CUT, ("0", "dropout|2")),
    Case("small branch", "a weight of 1e-6 left in",
         lambda: net(small_branch, deep=through(32, 32, 32)), LOST, ("mul", "deep.2")),
    Case("closed gate", "sigmoid of −30", lambda: net(closed_gate, gate=nn.Linear(32, 32)),
         one_of("saturated", "cliff"), ("sigmoid", "gate")),
    Case("factor of 1e-7", "a unit of measure in forward", lambda: net(flushed), SMALL, ("a", "div")),
    Case("steep attention", "no 1/√d, and weights of 1", steep_attention, one_of("saturated", "cliff", "exploding"),
         ("softmax|scores|q",)),
    Case("deep linear", "3 times the gain", deep_linear, one_of("exploding"), ("decades",)),
    Case("squeezed", "Xavier's draw with gain 0.4", squeezed, one_of("vanishing"), ("0 |layers",)),
    Case("deep residual", "branches as large as the trunk", deep_residual, one_of("exploding"), ("decades",)),
    Case("wild memory", "W = 2.5 · orthogonal", wild_memory, one_of("exploding along time"), ("rnn", "time")),
    Case("wild gates", "recurrent weights of 20", wild_gates, one_of("exploding along time", "saturated"), ("lstm",)),
    Case("empty mask", "the mean of nothing", empty_mask, NOT_FINITE | one_of("constant_loss"), ("mse_loss", "no numbers")),
    Case("log of softmax", "a probability that underflows", log_of_softmax, NOT_FINITE, ("log",)),
    Case("softmax over the samples", "dim 0 for dim 1", wrong_axis, one_of("not_logits"), ("softmax",)),
    Case("sigmoid before logits", "BCEWithLogits takes logits", sigmoid_before_logits, one_of("not_logits"), ("sigmoid",)),
    Case("logits as logarithms", "nll_loss without log_softmax", logits_as_logarithms,
         one_of("not_log_probabilities"), ("log_softmax",)),
    Case("accuracy as loss", "argmax in the loss", accuracy_as_loss, one_of("no_gradient", "detached_loss"), ("argmax",)),
    Case("softmax of one score", "one output for two classes", one_score, CONSTANT, ("softmax",)),
    Case("one label too many", "labels 0 to 4 of four classes", last_word, one_of("raised"), ("4 classes", "6 labels outside")),
    Case("money", "targets of millions", money, one_of("target_scale"), ("target",)),
    Case("deviation of 0", "a norm by hand without ε", lambda: net(own_norm), NOT_FINITE, ("div|std",)),
    Case("root of 0", "a distance between equals", lambda: net(root_of_differences), NOT_FINITE, ("sqrt",)),
    Case("half precision", "6e4 in float16", half_precision, NOT_FINITE, ("0.2", "float16|half|large")),
    Case("ratio of counts", "a count of nobody", lambda: net(ratio_of_counts), NOT_FINITE, ("div", "0")),
)  # fmt: skip
