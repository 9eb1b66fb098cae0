"""Trainings written after the mends for those in trainings_causes.py, before the verdicts on them were seen."""

# ruff: noqa: E501

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

from tests.core.monitor.field.helpers import (
    BEGINS,
    DECAY,
    NEGATED,
    NOTED,
    PENALTY,
    SMALL,
    SUM,
    UNHELD,
    UNLISTED,
    Block,
    InAList,
    Leading,
    Lstm,
    Next,
    against,
    critic,
    everything,
    ink,
    learned,
    minus,
    of_words,
    rare,
    whether,
    words,
)
from tests.core.monitor.field.training import (
    STEPS,
    Grey,
    Gru,
    Training,
    adam,
    convolutions,
    cross_entropy,
    digits,
    mlp,
    plain,
    rows_of,
    sgd,
    train,
    watched,
)
from tests.core.monitor.field.trainings_clean import with_
from tests.core.monitor.field.trainings_sick import summed


def loaded_after():
    """The optimizer is made, and then a model of a checkpoint takes the place; the old name is what it holds."""
    torch.manual_seed(0)
    inputs, labels = digits()
    old = Lstm()
    optimizer = torch.optim.AdamW(old.parameters(), 1e-3)
    model = Lstm()
    model.load_state_dict(old.state_dict())

    def one_step(step):
        some = rows_of(inputs, step, 32)
        optimizer.zero_grad()
        loss = cross_entropy(model, inputs[some], labels[some])
        loss.backward()
        optimizer.step()
        return loss

    return watched(model, one_step, STEPS, optimizer, every=1)


def cast_after():
    """float64 after the optimizer was made, by parameters that are new."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = plain()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    for one in model:
        if isinstance(one, nn.Linear):
            one.weight, one.bias = nn.Parameter(one.weight.double()), nn.Parameter(one.bias.double())

    def one_step(step):
        some = rows_of(inputs, step, 32)
        model.zero_grad()
        loss = cross_entropy(model, inputs[some].double(), labels[some])
        loss.backward()
        optimizer.step()
        return loss.item()

    return watched(model, one_step, STEPS, optimizer)


def by_hand_beside():
    """The optimizer trains the body; the head is moved by hand."""

    def after(model, optimizer, step):
        with torch.no_grad():
            for one in model[-1].parameters():
                one.sub_(0.1 * one.grad)
                one.grad = None

    return train(held=lambda model: model[:-1].parameters(), after_step=after, optimizer=sgd(0.1))


def adversary_alone():
    """The critic's optimizer is the one that is told; the maker has its own."""
    torch.manual_seed(0)
    inputs, _ = digits()
    model = nn.ModuleDict({"maker": mlp(8, 32, 64), "critic": mlp(64, 32, 1)})
    ours, theirs = (torch.optim.Adam(model[name].parameters(), 1e-3) for name in ("critic", "maker"))
    binary, true, false = F.binary_cross_entropy_with_logits, torch.ones(32, 1), torch.zeros(32, 1)

    def one_step(step):
        made = model["maker"](torch.randn(32, 8))
        theirs.zero_grad()
        loss = -binary(model["critic"](made), false)  # as the game was written down first
        loss.backward()
        theirs.step()
        real = inputs[rows_of(inputs, step, 32)]
        ours.zero_grad()
        binary(model["critic"](real), true).add(binary(model["critic"](made.detach()), false)).backward()
        ours.step()
        return loss

    return watched(model, one_step, STEPS, ours)


class Mixer(nn.Module):
    """Mixes rows and columns in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.ModuleList(mlp(8, 32, 8) for _ in range(2))
        self.columns = nn.ModuleList(mlp(8, 32, 8) for _ in range(2))
        self.out = nn.Linear(64, 10)

    def forward(self, inputs):
        x = inputs.reshape(-1, 8, 8)
        for row, column in zip(self.rows, self.columns, strict=True):
            x = x + row(x)
            x = x + column(x.transpose(1, 2)).transpose(1, 2)
        return self.out(x.flatten(1))


def with_weights(scale):
    """The penalty of each layer by hand, norms and no squares."""
    return lambda loss, model, step: loss + scale * torch.stack([one.norm(1) for one in model.parameters()]).sum()


def elastic(loss, model, step):
    return (
        loss
        + 1e-5 * sum(one.abs().sum() for one in model.parameters())
        + 1e-4 * sum(one.pow(2).sum() for one in model.parameters())
    )


def squares_by_hand(model, inputs, targets):
    return ((model(inputs)[:, 0] - targets) ** 2).sum()


def entropy_kept(model, inputs, labels):
    """An actor's loss: minus what it gains, and minus some entropy."""
    logits = model(inputs)
    chosen = torch.distributions.Categorical(logits=logits)
    arms = chosen.sample()
    pay = (arms == labels).float()
    return -(chosen.log_prob(arms) * (pay - pay.mean())).mean() - 0.01 * chosen.entropy().mean()


def log_density(model, inputs, labels):
    """An affine flow's negative logarithm, sum over the pixels."""
    mean, scale = model(torch.zeros(1, 64)).chunk(2, 1)
    z = (inputs - mean) * scale.exp()
    return (0.5 * z.square() - scale).sum(1).mean()


class Prompt(nn.Module):
    """A frozen body, and a vector in a list that is trained by an optimizer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.body = learned(plain)
        self.body.requires_grad_(False)
        self.out = nn.Linear(10, 10)
        self.hint = [torch.zeros(64, requires_grad=True)]

    def forward(self, inputs):
        return self.out(self.body(inputs + self.hint[0]))


def own_optimizer_for_the_list():
    torch.manual_seed(0)
    model, second = Prompt(), []

    def after(model, optimizer, step):
        if not second:
            second.append(torch.optim.SGD(model.hint, 0.1))
        second[0].step()
        second[0].zero_grad()

    return train(make=lambda: model, after_step=after, optimizer=adam(3e-3), held=lambda m: m.out.parameters(), **NOTED)


class Gains(nn.Module):
    """A gain for each channel in a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.out = nn.Conv2d(1, 8, 3), nn.Linear(288, 10)
        self.gains = (nn.Parameter(torch.ones(8, 1, 1)), nn.Parameter(torch.zeros(8, 1, 1)))

    def forward(self, inputs):
        x = self.first(inputs.reshape(-1, 1, 8, 8)) * self.gains[0] + self.gains[1]
        return self.out(x.relu().flatten(1))


class Scaled(nn.Module):
    """A learned temperature that begins at 20, over cosines."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.classes = mlp(64, 48, 16), nn.Parameter(torch.randn(10, 16))
        self.scale = nn.Parameter(torch.tensor(3.0))

    def forward(self, inputs):
        return self.scale.exp() * F.normalize(self.body(inputs), dim=1) @ F.normalize(self.classes, dim=1).T


def normal_head():
    """The last layer drawn with a spread of 1, over 256 units."""
    model = mlp(64, 256, 256, 10)
    nn.init.normal_(model[-1].weight, std=5.0)
    nn.init.kaiming_normal_(model[2].weight)
    nn.init.kaiming_normal_(model[0].weight)
    return model


def ages(*, by_lot=False):
    """Whole numbers from 0 to 9, to be told as numbers."""

    def data():
        inputs, labels = digits()
        return inputs, labels[torch.randperm(len(labels))] if by_lot else labels

    return data


def as_numbers(model, inputs, labels):
    return F.smooth_l1_loss(model(inputs)[:, 0], labels.float())


UNSEEN_SICK = (
    Leading("loaded after the optimizer was made", "nobody moves these", loaded_after, UNHELD),
    Leading("cast after the optimizer was made", "nobody moves these", cast_after, UNHELD),
    Leading("Adam, 3e-8, block", "nothing moves", with_(make=Block, optimizer=adam(3e-8), updates=False), SMALL, "learning rate"),
    Leading("SGD, 1e-9, mixer", "nothing moves", with_(make=Mixer, optimizer=sgd(1e-9)), SMALL, "learning rate"),
    Leading("RMSprop, 1e-7, words", "nothing moves", with_(make=Next, data=words(by_lot=False), loss=of_words, optimizer=lambda p: torch.optim.RMSprop(p, 1e-7)), SMALL, "learning rate"),
    Leading("decay of 1, mixer", "weights shrink to nothing", with_(make=Mixer, optimizer=sgd(0.1, weight_decay=1.0, momentum=0.9), steps=160), DECAY),
    Leading("AdamW, decay of 100, GRU", "weights shrink to nothing", with_(make=Gru, optimizer=lambda p: torch.optim.AdamW(p, 1e-3, weight_decay=100.0), steps=200), DECAY),
    Leading("minus cross-entropy, block", "the loss falls without end", with_(make=Block, changed=minus, optimizer=adam(1e-3), steps=160), NEGATED),
    Leading("minus binary cross-entropy", "the loss falls without end", with_(make=lambda: mlp(64, 32, 1), data=rare, loss=whether, changed=minus, optimizer=adam(1e-2), **NOTED), NEGATED),
    Leading("sum for mean, LSTM", "64 times the gradient", with_(make=Lstm, loss=summed, size=64, optimizer=sgd(0.5), **NOTED), SUM),
    Leading("sum of squares by hand", "128 times the gradient", with_(make=lambda: mlp(64, 32, 1), data=ink, loss=squares_by_hand, size=128, optimizer=sgd(0.05), **NOTED), SUM),
    Leading("a penalty by norms, convolutions", "it outweighs the data's loss", with_(make=convolutions, changed=with_weights(1.0), optimizer=adam(3e-3), steps=200, **NOTED), PENALTY),
    Leading("a penalty of squares, mixer", "it outweighs the data's loss", with_(make=Mixer, changed=lambda loss, model, step: loss + sum((one * one).sum() for one in model.parameters()), optimizer=sgd(0.1), steps=200, **NOTED), PENALTY),
    Leading("a last layer of spread 5", "it begins far above guessing", with_(make=normal_head, optimizer=adam(1e-3)), BEGINS),
    Leading("shades of spread 30", "it begins far above guessing", with_(make=lambda: _spread(Grey(), 30.0), optimizer=adam(1e-3), **NOTED), BEGINS),
    Leading("gains in a tuple", "nobody trains them", with_(make=Gains, optimizer=adam(2e-3)), UNLISTED),
    Leading("convolution in a list, Adam", "nobody trains it", with_(make=lambda: InAList(lambda a, b: nn.Sequential(nn.Linear(a, b), nn.LayerNorm(b)), 2), optimizer=adam(1e-3)), UNLISTED),
    Training("ages by lot", "squares of labels at their variance", with_(make=lambda: mlp(64, 4, 1), data=ages(by_lot=True), loss=lambda m, x, y: F.mse_loss(m(x)[:, 0], y.float()), optimizer=adam(1e-2), size=128, steps=400, **NOTED), frozenset({"guessing"})),
)  # fmt: skip


def _spread(model, times):
    with torch.no_grad():
        model.shades.weight.mul_(times)
    return model


UNSEEN_CLEAN = (
    Training("the head moved by hand", "no optimizer, and somebody moves it", by_hand_beside),
    Training("the critic's optimizer alone is watched", "the maker has its own, and its loss is below 0 by right", adversary_alone),
    Training("fine-tuned, SGD, 3e-4, momentum", "small steps are meant", with_(make=partial(learned, Lstm), optimizer=sgd(3e-4, momentum=0.9), updates=False)),
    Training("fine-tuned, Adam, 2e-6, convolutions", "small steps are meant", with_(make=partial(learned, convolutions), optimizer=adam(2e-6))),
    Training("a warm-up over 3,000 steps, SGD", "its first steps are to be tiny", with_(optimizer=sgd(0.1), schedule=lambda o: lr_scheduler.LinearLR(o, 1e-5, total_iters=3000), steps=24, every=1)),
    Training("goes on at the end of a cosine", "steps get tiny since they are to", with_(make=partial(learned, plain), optimizer=adam(1e-3), schedule=lambda o: lr_scheduler.CosineAnnealingLR(o, 120))),
    Training("AdamW, decay of 1, mixer", "a strong decay, and it learns", with_(make=Mixer, optimizer=lambda p: torch.optim.AdamW(p, 3e-3, weight_decay=1.0))),
    Training("SGD, decay of 0.02, block", "it learns", with_(make=Block, optimizer=sgd(0.1, weight_decay=0.02, momentum=0.9), steps=200)),
    Training("an actor", "a loss below 0 by right", with_(make=lambda: mlp(64, 32, 10), loss=entropy_kept, optimizer=adam(3e-3), steps=200, **NOTED)),
    Training("a flow", "the logarithm of a density", with_(make=lambda: mlp(64, 32, 128), loss=log_density, optimizer=adam(1e-3), steps=300, **NOTED)),
    Training("a critic, value alone", "below 0 by right", with_(make=lambda: mlp(64, 32, 1), loss=critic, optimizer=adam(1e-3), steps=200)),
    Training("a sum, Adam", "Adam does not care", with_(loss=summed, optimizer=adam(1e-3), **NOTED)),
    Training("a sum of squares, small steps", "the learning rate is divided too", with_(make=lambda: mlp(64, 32, 1), data=ink, loss=squares_by_hand, optimizer=sgd(1e-3), **NOTED)),
    Training("an elastic net", "both penalties are small", with_(changed=elastic, optimizer=adam(2e-3), **NOTED)),
    Training("a temperature of 20", "cosines that are told apart from the start", with_(make=Scaled, optimizer=adam(3e-3), **NOTED)),
    Training("learned, with labels turned", "sure of another task at first", with_(make=partial(learned, plain, steps=60), data=lambda: (digits()[0], (digits()[1] + 1) % 10), optimizer=adam(3e-3), **NOTED)),
    Training("a hint in a list with an optimizer of its own", "it is trained", own_optimizer_for_the_list),
    Training("ages", "whole numbers told as numbers", with_(make=lambda: mlp(64, 32, 1), data=ages(), loss=as_numbers, optimizer=adam(3e-3), steps=160)),
    Training("another loss expected", "label smoothing in the loop, none in what was told", with_(expected=everything(F.cross_entropy), loss=lambda m, x, y: F.cross_entropy(m(x), y, label_smoothing=0.1), optimizer=adam(2e-3), **NOTED)),
)  # fmt: skip


# -- once those were mended ------------------------------------------------------------------------------------


class Weights(nn.Module):
    """Matrices by themselves, in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(32, 10)
        self.matrices = [nn.Parameter(torch.randn(64, 32) / 8), nn.Parameter(torch.randn(32, 32) / 6)]

    def forward(self, inputs):
        return self.out((inputs @ self.matrices[0]).relu() @ self.matrices[1])


class Alias(nn.Module):
    """A list of layers that are registered besides."""

    def __init__(self) -> None:
        super().__init__()
        self.body = mlp(64, 32, 32, 10)
        self.order = [*self.body]

    def forward(self, inputs):
        for one in self.order:
            inputs = one(inputs)
        return inputs


class Made(nn.Module):
    """One network gives the weights of another."""

    def __init__(self) -> None:
        super().__init__()
        self.gives, self.tables = mlp(4, 16, 650), [torch.eye(4)]

    def forward(self, inputs):
        made = self.gives(self.tables[0]).mean(0)
        return inputs @ made[:640].reshape(64, 10) + made[640:]


def without_the_middle():
    return train(lambda: mlp(64, 48, 48, 48, 10), adam(2e-3), held=lambda m: [*m[0].parameters(), *m[-1].parameters()])


def mean_followed(held):
    """The optimizer is made of the running mean of a model, or of the model."""
    torch.manual_seed(0)
    inputs, labels = digits()
    model = convolutions()
    mean = torch.optim.swa_utils.AveragedModel(model)
    optimizer = torch.optim.AdamW((mean if held == "mean" else model).parameters(), 2e-3)

    def one_step(step):
        some = rows_of(inputs, step, 32)
        optimizer.zero_grad()
        loss = cross_entropy(model, inputs[some], labels[some])
        loss.backward()
        optimizer.step()
        if held != "mean":
            mean.update_parameters(model)
        return loss

    return watched(model, one_step, STEPS, optimizer)


def summed_by_hand(model, inputs, labels):
    return F.cross_entropy(model(inputs), labels, reduction="none").sum()


def gaussian(model, inputs, targets):
    mean, log_spread = model(inputs).chunk(2, 1)
    return -torch.distributions.Normal(mean[:, 0], log_spread[:, 0].exp()).log_prob(0.02 * targets).mean()


def pixels(model, inputs, labels):
    return F.mse_loss(model(inputs), inputs, reduction="none").sum(1).mean()


AFTER_SICK = (
    Leading("the middle not given", "nobody moves it", without_the_middle, UNHELD),
    Leading("the running mean's weights", "nobody moves these", lambda: mean_followed("mean"), UNHELD),
    Leading("AdamW, 1e-8, shades", "nothing moves", with_(make=Grey, optimizer=lambda p: torch.optim.AdamW(p, 1e-8)), SMALL),
    Leading("Nesterov, 1e-8, GRU", "nothing moves", with_(make=Gru, optimizer=sgd(1e-8, momentum=0.9, nesterov=True), updates=False), SMALL),
    Leading("Adam, decay of 2, LSTM", "weights shrink to nothing", with_(make=Lstm, optimizer=adam(5e-3, weight_decay=2.0), steps=200), DECAY),
    Leading("decay of 0.6, LSTM", "weights shrink to nothing", with_(make=Lstm, optimizer=sgd(0.2, weight_decay=0.6), steps=160), DECAY),
    Leading("cross-entropy times −1, convolutions", "the loss falls without end", with_(make=convolutions, changed=lambda loss, model, step: -1.0 * loss, optimizer=adam(1e-3), **NOTED), NEGATED),
    Leading("minus mean square, mixer", "the loss falls without end", with_(make=lambda: nn.Sequential(Mixer(), nn.Linear(10, 1)), data=ink, loss=against, changed=minus, optimizer=adam(3e-3), steps=160), NEGATED),
    Leading("each sample's loss, added, GRU", "128 times the gradient", with_(make=Gru, loss=summed_by_hand, size=128, optimizer=sgd(0.5), **NOTED), SUM),
    Leading("sum for mean, convolutions, value alone", "256 times the gradient", with_(make=convolutions, loss=summed, size=256, optimizer=sgd(0.1)), SUM),
    Leading("a penalty times 5, LSTM", "it outweighs the data's loss", with_(make=Lstm, changed=lambda loss, model, step: loss + 5 * sum(one.square().sum() for one in model.parameters()), optimizer=adam(5e-3), steps=240, **NOTED), PENALTY),
    Leading("a last layer of 200, GRU", "it begins far above guessing", with_(make=lambda: _last(Gru(), 200), optimizer=adam(2e-3)), BEGINS),
    Leading("a last layer of 100, mixer", "it begins far above guessing", with_(make=lambda: _last(Mixer(), 100), optimizer=sgd(0.01), **NOTED), BEGINS),
    Leading("matrices in a list", "nobody trains them", with_(make=Weights, optimizer=adam(2e-3)), UNLISTED, "matrices[0]"),
)  # fmt: skip

AFTER_CLEAN = (
    Training("a running mean that follows", "the optimizer holds the model", lambda: mean_followed("model")),
    Training("fine-tuned, Adam, 3e-6, shades", "small steps are meant", with_(make=partial(learned, Grey), optimizer=adam(3e-6))),
    Training("a sum of 256, 5e-5", "a tiny rate for a large gradient", with_(loss=summed, size=256, optimizer=sgd(5e-5, momentum=0.9), updates=False, steps=200)),
    Training("AdamW, decay of 0.05, LSTM", "it learns", with_(make=Lstm, optimizer=lambda p: torch.optim.AdamW(p, 5e-3, weight_decay=0.05))),
    Training("decay of 0.05 under norms", "norms make the weights' size no matter", with_(make=lambda: mlp(64, 48, 32, 10, norm=nn.BatchNorm1d), optimizer=sgd(0.1, weight_decay=0.05, momentum=0.9), steps=160)),
    Training("a Gaussian's logarithm by hand", "a loss below 0 by right", with_(make=lambda: mlp(64, 32, 2), data=ink, loss=gaussian, optimizer=adam(3e-3), steps=300, **NOTED)),
    Training("minus a cosine", "between −1 and 1", with_(make=lambda: mlp(64, 16, 64), loss=lambda m, x, y: -F.cosine_similarity(m(x), x).mean(), optimizer=adam(3e-3), **NOTED)),
    Training("pixels added up", "and a mean over the pictures", with_(make=lambda: mlp(64, 16, 64), loss=pixels, optimizer=adam(3e-3), **NOTED)),
    Training("twenty classes, ten of them asked for", "it begins a little above guessing", with_(make=lambda: mlp(64, 48, 20), optimizer=adam(3e-3), **NOTED)),
    Training("convolutions three times as large", "it begins above guessing", with_(make=lambda: _last(convolutions(), 3), optimizer=adam(1e-3), **NOTED)),
    Training("a list of registered layers", "they are trained", with_(make=Alias, optimizer=adam(2e-3))),
    Training("weights that are made", "tables in a list ask for no gradient", with_(make=Made, optimizer=adam(2e-3), steps=200)),
)  # fmt: skip


def _last(model, times):
    with torch.no_grad():
        list(model.parameters())[-2].mul_(times)
    return model
