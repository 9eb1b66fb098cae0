"""Trainings one part of which is treated unlike the others: its rate, its gradient, its memory; or none is moved."""

# ruff: noqa: E501

import copy

import torch
from torch import nn
from torch.nn import functional as F

from gradwidgets.core.monitor import GradientMonitor, diagnose
from tests.core.monitor.field.training import (
    Training,
    convolutions,
    digits,
    mlp,
    of_digits,
    plain,
    rows_of,
    watched,
)


class Parted(nn.Module):
    """A body and a head."""

    def __init__(self, body, head):
        super().__init__()
        self.body, self.head = body, head

    def forward(self, inputs):
        """Logits."""
        return self.head(self.body(inputs))


def parted():
    """The model of most trainings here."""
    torch.manual_seed(0)
    return Parted(nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 32), nn.ReLU()), nn.Linear(32, 10))


def conv_parted():
    """Convolutions with a linear head."""
    torch.manual_seed(0)
    whole = convolutions()
    return Parted(whole[:-1], whole[-1])


def stepped(model, optimizer, steps=200, zero=None, given=True, size=32, loss=None):
    """Cross-entropy of digits, left to itself; `zero(step)` takes gradients away."""
    of = loss or of_digits(model, size)
    several = optimizer if isinstance(optimizer, list) else [optimizer]

    def one_step(step):
        zero(step) if zero else [one.zero_grad() for one in several]
        value = of(step)
        value.backward()
        for one in several:
            one.step()
        return value

    return watched(model, one_step, steps, several[0] if given else None, seldom=True)


def partly_zeroed(make=parted, rate=0.1, optimizer=torch.optim.SGD, in_place=False):
    """The body's gradients are taken away, the head's never."""
    model = make()
    zero = lambda step: model.body.zero_grad(set_to_none=not in_place)  # noqa: E731
    return stepped(model, optimizer(model.parameters(), rate), zero=zero)


def second_never(given, sound=False):
    """Two optimizers, of which one is zeroed."""
    model = parted()
    first, second = torch.optim.Adam(model.body.parameters(), 1e-3), torch.optim.SGD(model.head.parameters(), 0.05)

    def zero(step):
        first.zero_grad()
        if sound:
            second.zero_grad(set_to_none=False)

    return stepped(model, [first, second], zero=zero, given=given)


def head_seldom():
    """The head's own optimizer steps every fourth time, by the mean of four gradients."""
    model = parted()
    first, second = torch.optim.Adam(model.body.parameters(), 1e-3), torch.optim.SGD(model.head.parameters(), 0.1)
    of = of_digits(model)

    def one_step(step):
        first.zero_grad()
        value = of(step)
        value.backward()
        first.step()
        if step % 4 == 3:
            for one in model.head.parameters():
                one.grad /= 4
            second.step()
            second.zero_grad()
        return value.detach()

    return watched(model, one_step, 200, first, seldom=True)


def grouped(optimizer, slow, fast, part="head", make=parted):
    """Two groups, with a rate each."""
    model = make()
    pick = {
        "head": lambda name, one: name.startswith("head"),
        "small": lambda name, one: one.ndim < 2,
        "head's bias": lambda name, one: name == "head.bias",
    }[part]
    named = list(model.named_parameters())
    groups = [
        {"params": [one for name, one in named if not pick(name, one)], "lr": slow},
        {"params": [one for name, one in named if pick(name, one)], "lr": fast},
    ]
    return stepped(model, optimizer(groups))


def fine_tuned():
    """A body that has learned before goes on slowly below a new head."""
    model = parted()
    before = torch.optim.Adam(model.parameters(), 3e-3)
    of = of_digits(model)
    for step in range(150):
        before.zero_grad()
        of(step).backward()
        before.step()
    model.head = nn.Linear(32, 10)
    groups = [{"params": model.body.parameters(), "lr": 1e-5}, {"params": model.head.parameters(), "lr": 1e-2}]
    return stepped(model, torch.optim.AdamW(groups))


def low_rank():
    """The two factors of an adapter, the one that begins at 0 sixteen times as fast."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 16, bias=False), nn.Linear(16, 10, bias=False))
    nn.init.zeros_(model[1].weight)
    groups = [{"params": model[0].parameters(), "lr": 1e-3}, {"params": model[1].parameters(), "lr": 1.6e-2}]
    return stepped(model, torch.optim.AdamW(groups))


def tempered():
    """A temperature learns a hundred times as fast as the weights."""
    torch.manual_seed(0)

    class Tempered(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.heat = plain(), nn.Parameter(torch.tensor(1.0))

        def forward(self, inputs):
            return F.normalize(self.net(inputs), dim=1) * self.heat.exp()

    model = Tempered()
    groups = [{"params": model.net.parameters(), "lr": 1e-3}, {"params": [model.heat], "lr": 0.1}]
    return stepped(model, torch.optim.Adam(groups))


def halved(make, optimizer, scale=1.0):
    """Weights of half precision, and a loss that is multiplied and whose gradient is divided again."""
    torch.manual_seed(0)
    model = make().half()
    inputs, labels = digits()

    def loss(step):
        some = rows_of(inputs, step, 64)
        return F.cross_entropy(model(inputs[some].half()).float(), labels[some])

    if scale == 1:
        return stepped(model, optimizer(model.parameters()), 80, loss=loss)
    optimizer = optimizer(model.parameters())

    def one_step(step):
        optimizer.zero_grad()
        value = loss(step)
        (value * scale).backward()
        for one in model.parameters():
            one.grad /= scale
        optimizer.step()
        return value

    return watched(model, one_step, 80, optimizer, seldom=True)


def quasi_newton(zero="never", line="strong_wolfe", terms=1, steps=30, rate=0.5):
    """LBFGS; `zero` says where gradients are taken away."""
    torch.manual_seed(0)
    inputs, labels = (one[:256] for one in digits())
    model = mlp(64, 24, 1, act=nn.Tanh)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=rate, max_iter=6, line_search_fn=line)

    def closure():
        if zero.startswith("closure"):
            optimizer.zero_grad(set_to_none=zero == "closure")
        loss = F.mse_loss(model(inputs).squeeze(1), labels / 5 - 1)
        loss.backward()
        if terms > 1:
            penalty = 1e-4 * sum(one.square().sum() for one in model.parameters())
            penalty.backward()
        return loss

    def one_step(step):
        if zero == "before":
            optimizer.zero_grad()
        return optimizer.step(closure).detach()

    return watched(model, one_step, steps, optimizer, seldom=True)


def by_hand(in_place, steps=150):
    """Steps without an optimizer; or what looks like some."""
    torch.manual_seed(0)
    model = plain()
    of = of_digits(model)
    with GradientMonitor(model) as monitor:
        for step in range(steps):
            model.zero_grad()
            loss = of(step)
            loss.backward()
            monitor.note_loss(loss)
            monitor.sample()
            with torch.no_grad():
                weights = [one if in_place else one.clone() for one in model.parameters()]
                for one, own in zip(weights, model.parameters(), strict=True):
                    one -= 0.1 * own.grad
    return diagnose(monitor.history)


def averaged(share, whose, every=1, optimizer=torch.optim.Adam, rate=1e-3):
    """Student and teacher: after a step the `share` of one is put into the other."""
    torch.manual_seed(0)
    model = plain()
    teacher, optimizer, of = copy.deepcopy(model), optimizer(model.parameters(), rate), of_digits(model)

    def one_step(step):
        optimizer.zero_grad()
        loss = of(step)
        loss.backward()
        optimizer.step()
        to, by = (model, teacher) if whose == "student" else (teacher, model)
        if step % every == every - 1:
            with torch.no_grad():
                mixed = {
                    name: (1 - share) * one + share * by.state_dict()[name] for name, one in to.state_dict().items()
                }
            to.load_state_dict(mixed)
            if whose == "both":
                model.load_state_dict(mixed)
        return loss.detach()

    return watched(model, one_step, 200, optimizer, seldom=True)


PARTS_SICK = (
    Training("head never zeroed, convolutions", "the head's gradients add up, its body's do not", lambda: partly_zeroed(conv_parted), frozenset({"added_up"}), ("head", "zero_grad")),
    Training("head never zeroed, in place below", "the same where zeros are written to the body's", lambda: partly_zeroed(in_place=True, rate=0.05), frozenset({"added_up"}), ("head", "zero_grad")),
    Training("second optimizer never zeroed", "only the first one's are taken away", lambda: second_never(True), frozenset({"added_up"}), ("head",)),
    Training("second optimizer never zeroed, none told", "the same, of no optimizer that is told", lambda: second_never(False), frozenset({"added_up"}), ("head",)),
    Training("head ten thousand times as fast", "its group has a typing error", lambda: grouped(torch.optim.SGD, 0.01, 100.0), frozenset({"fast_group", "non_finite", "diverging"}), ("head", "group")),
    Training("biases a thousand times as fast", "theirs has one", lambda: grouped(torch.optim.AdamW, 1e-3, 1.0, "small"), frozenset({"fast_group"}), ("bias", "0.001")),
    Training("head of Adam a thousand times as fast", "its group has one", lambda: grouped(torch.optim.Adam, 1e-3, 1.0), frozenset({"fast_group"}), ("head", "0.001")),
    Training("eps gone in half precision, convolutions", "eps is 0 in float16", lambda: halved(lambda: mlp(64, 96, 10, act=nn.GELU), lambda some: torch.optim.AdamW(some, 1e-3)), frozenset({"non_finite"}), ("eps", "float16", "1e-4"), never=("lower the learning rate",)),
    Training("eps gone in half precision, RMSprop", "the same of another rule", lambda: halved(plain, lambda some: torch.optim.RMSprop(some, 1e-3)), frozenset({"non_finite"}), ("eps", "float16"), never=("lower the learning rate",)),
    Training("a scale of a million in half precision", "gradients overflow under it, and no step is left out", lambda: halved(plain, lambda some: torch.optim.SGD(some, 0.1), 2.0**20), frozenset({"non_finite"}), ("float16", "scale", "65,504"), leads=True, never=("no finite slope", "lower the learning rate")),
    Training("closure never zeroed", "LBFGS goes by sums of gradients", quasi_newton, frozenset({"added_up"}), ("closure", "zero_grad"), leads=True),
    Training("closure zeroed outside", "the first of a step's calls alone is clean", lambda: quasi_newton("before"), frozenset({"added_up"}), ("closure",), leads=True),
    Training("closure never zeroed, no line search", "the same with steps of one length", lambda: quasi_newton(line=None, rate=0.05), frozenset({"added_up"}), ("closure",), leads=True),
    Training("copies are moved", "the model's own weights stand still", lambda: by_hand(False), frozenset({"unmoved"}), ("in place",)),
    Training("student pulled to its teacher", "of each step one hundredth is left", lambda: averaged(0.99, "student"), frozenset({"put_back"}), ()),
    Training("student pulled to its teacher, SGD", "of each step one fiftieth is left", lambda: averaged(0.98, "student", optimizer=torch.optim.SGD, rate=0.1), frozenset({"put_back"}), ()),
)  # fmt: skip

PARTS_CLEAN = (
    Training("head zeroed in place", "each is zeroed, in its own way", lambda: second_never(True, sound=True)),
    Training("head steps every fourth time", "its gradient is a mean of four", head_seldom),
    Training("new head far faster than what was learned", "so it is meant", fine_tuned),
    Training("second factor sixteen times as fast", "it begins at 0", low_rank),
    Training("temperature a hundred times as fast", "a number by itself may", tempered),
    Training("half precision with a larger eps", "eps is there in float16", lambda: halved(plain, lambda some: torch.optim.Adam(some, 1e-3, eps=1e-4))),
    Training("a scale of 256 in half precision", "gradients are finite under it", lambda: halved(plain, lambda some: torch.optim.SGD(some, 0.1), 256.0)),
    Training("closure zeroed", "LBFGS as it is meant", lambda: quasi_newton("closure")),
    Training("closure zeroed in place", "the memory is kept and filled with zeros", lambda: quasi_newton("closure in place")),
    Training("closure of two passes", "loss and penalty are passed backward by themselves", lambda: quasi_newton("closure in place", terms=2)),
    Training("steps by hand", "in place, under no_grad", lambda: by_hand(True)),
    Training("teacher follows its student", "the average is the teacher's", lambda: averaged(0.01, "teacher")),
)  # fmt: skip
