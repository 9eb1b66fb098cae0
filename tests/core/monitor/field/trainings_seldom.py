"""Trainings that a monitor left to itself has hardly sampled, and what shows at the weights, the modes and the targets."""

# ruff: noqa: E501

import copy

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

from tests.core.layers.field.case import one_of
from tests.core.monitor.field.helpers import Leading, ink, learned
from tests.core.monitor.field.training import (
    STEPS,
    Training,
    adam,
    digits,
    looped,
    mlp,
    of_digits,
    plain,
    sgd,
    train,
    watched,
)
from tests.core.monitor.field.trainings_clean import shuffled

WILD, BACK, SCALE = one_of("diverging", "large_updates"), one_of("put_back"), one_of("target_scale")
MODE, CUT, TWICE, AGAIN = one_of("evaluation"), one_of("cut"), one_of("two_optimizers"), one_of("drawn_again")


def seldom(**options):
    """With the monitor's own pace."""
    return lambda: train(seldom=True, **options)


# -- who writes to the weights ---------------------------------------------------------------------------------


def averaged(decay, *, data=False):
    """An average of the weights is written over them after each step."""
    held = {}

    def after(model, optimizer, step):
        if not held:
            held.update(copy.deepcopy(model.state_dict()))
            return
        with torch.no_grad():
            for name, one in model.named_parameters():
                held[name].lerp_(one, 1 - decay)
                (one.data if data else one).copy_(held[name])

    return after


def apart(decay):
    """An average of the weights, kept apart from them, and swapped in for a look every tenth step."""
    held = {}

    def after(model, optimizer, step):
        held.update(held or copy.deepcopy(model.state_dict()))
        for name, one in model.state_dict().items():
            held[name].lerp_(one, 1 - decay)
        if step % 10 == 9:
            own = copy.deepcopy(model.state_dict())
            model.load_state_dict(held)
            model.load_state_dict(own)

    return after


def drawn_again(every, *, data=False):
    """All weights are drawn anew each so many steps."""

    def after(model, optimizer, step):
        if step % every == every - 1:
            for one in model:
                if isinstance(one, nn.Linear):
                    other = nn.Linear(one.in_features, one.out_features)
                    if data:
                        one.weight.data.copy_(other.weight.data)
                        one.bias.data.copy_(other.bias.data)
                    else:
                        one.reset_parameters()

    return after


def within(limit):
    """Weights are held within a range after each step."""

    def after(model, optimizer, step):
        with torch.no_grad():
            for one in model.parameters():
                one.clamp_(-limit, limit)

    return after


def sharpness(model, optimizer, step):
    """Weights go up the slope and back before each step, as sharpness-aware minimisation has it."""
    with torch.no_grad():
        moves = [0.05 * one.grad / (one.grad.norm() + 1e-6) for one in model.parameters()]
        for one, move in zip(model.parameters(), moves, strict=True):
            one.add_(move)
        for one, move in zip(model.parameters(), moves, strict=True):
            one.sub_(move)


def lookahead(every):
    """Slow weights that the fast ones are drawn back to each so many steps."""
    slow = []

    def after(model, optimizer, step):
        if not slow:
            slow.extend(one.detach().clone() for one in model.parameters())
        if step % every == every - 1:
            with torch.no_grad():
                for one, mine in zip(model.parameters(), slow, strict=True):
                    one.copy_(mine.lerp_(one, 0.5))

    return after


def with_two(first, second, *, given=True):
    """Two optimizers hold all of the weights, and both step on each gradient."""

    def run():
        torch.manual_seed(0)
        model = plain()
        both = [first(model.parameters()), second(model.parameters())]
        told = both[0] if given else None
        return looped(model, of_digits(model), 150, *both, optimizer=told, seldom=True)

    return run


def one_then_another():
    """Adam for the first half, and SGD from there on."""
    torch.manual_seed(0)
    model = plain()
    both = [torch.optim.Adam(model.parameters(), 2e-3), torch.optim.SGD(model.parameters(), 0.05)]
    loss = of_digits(model)

    def one_step(step):
        model.zero_grad()
        value = loss(step)
        value.backward()
        both[step // 60].step()
        return value.detach()

    return watched(model, one_step, STEPS, seldom=True)


# -- how it is run ---------------------------------------------------------------------------------------------


def dropping(norm=nn.BatchNorm1d, share=0.3):
    parts = [nn.Linear(64, 48), norm(48), nn.ReLU(), nn.Dropout(share), nn.Linear(48, 10)]
    return nn.Sequential(*parts)


def evaluating(model=None):
    """A model that was never told that it trains."""
    return (model or dropping()).eval()


def evaluated(*, every, back=True):
    """A look at the validation set each so many steps, after which training mode comes back, or does not."""

    def after(model, optimizer, step):
        if step % every == every - 1:
            model.eval()
            with torch.no_grad():
                model(digits()[0][:64])
            model.train(back)

    return after


def with_norms_held():
    """Fine-tuned, its norms in evaluation mode by intention."""
    model = learned(dropping, steps=60)
    model[1].eval()
    return model


def probed():
    """A body that has learned, frozen and in evaluation mode, and a new head."""
    model = learned(dropping, steps=60)
    model[4] = nn.Linear(48, 10)
    for one in model[:4].parameters():
        one.requires_grad_(False)
    return model.eval()


class Body(nn.Module):
    """A body whose graph is cut in forward, in one way or another."""

    def __init__(self, how, *, frozen=False) -> None:
        super().__init__()
        self.body, self.head, self.how = mlp(64, 32, 16), nn.Linear(16, 10), how
        self.body.requires_grad_(not frozen)

    def forward(self, inputs):
        if self.how == "no_grad":
            with torch.no_grad():
                return self.head_of(self.body(inputs))
        x = self.body(inputs)
        return self.head(x.detach() if self.how == "detach" else x)

    def head_of(self, x):
        with torch.enable_grad():
            return self.head(x)


# -- what it is given ------------------------------------------------------------------------------------------


def times(scale, about=0.0):
    def data():
        inputs, values = ink()
        return inputs, scale * values + about

    return data


def of_numbers(model, inputs, targets):
    return F.mse_loss(model(inputs)[:, 0], targets)


def all_of_one():
    inputs, labels = digits()
    return inputs, 0 * labels


def shifted():
    inputs, labels = digits()
    return inputs, labels.roll(1)


def by_class(some, step, size):
    """Rows in the labels' order, batch for batch."""
    order = digits()[1].argsort(stable=True)
    return order[(step * size + torch.arange(size)) % len(order)]


def in_order(some, step, size):
    return (step * size + torch.arange(size)) % len(some)


def rare_ones():
    inputs, labels = digits()
    return inputs, ((labels == 3) & (inputs[:, 20] > 0.8)).long()


def more_classes(every):
    """Two classes first, and one more each so many steps."""

    def rows(some, step, size):
        few = (digits()[1] < min(10, 2 + step // every)).nonzero()[:, 0]
        return few[torch.randint(len(few), (size,))]

    return rows


def growing(scale):
    """A curriculum of numbers that get larger: sums over more and more terms."""

    def changed(loss, model, step):
        return loss * (1 + scale * step)

    return changed


numbers = lambda: mlp(64, 32, 1)  # noqa: E731

SELDOM_SICK = (
    Leading("SGD, 3, momentum, seldom", "it jumps, and stays at a guess", seldom(optimizer=sgd(3.0, momentum=0.9), steps=150), WILD, "learning rate"),
    Leading("Adam, 0.5, seldom", "it jumps, and stays at a guess", seldom(optimizer=adam(0.5), steps=200), WILD, "learning rate"),
    Leading("SGD, 20, seldom", "it jumps, and stays at a guess", seldom(optimizer=sgd(20.0), steps=60), WILD, "learning rate"),
    Leading("SGD, 3, momentum, units seen", "the units die of it", lambda: train(optimizer=sgd(3.0, momentum=0.9)), WILD, "learning rate"),
    Leading("SGD, 1e-6, seldom", "nothing moves", seldom(optimizer=sgd(1e-6), steps=150), one_of("small_updates"), "learning rate"),
    Leading("a schedule of 15 steps, seldom", "nothing moves any more", seldom(optimizer=sgd(0.02), schedule=lambda o: lr_scheduler.LambdaLR(o, lambda k: max(0.0, 1 - k / 15)), steps=200), one_of("small_updates"), "schedule"),
    Leading("gradients never taken away, seldom", "they add up", seldom(zero=None, optimizer=sgd(0.02)), one_of("added_up"), "zero_grad"),
    Leading("targets of 1e3, SGD", "it blows up and stalls", seldom(make=numbers, data=times(1e3), loss=of_numbers, optimizer=sgd(0.1), steps=100), SCALE, "divide|scale"),
    Leading("targets of 1e5, Adam", "it never gets there", seldom(make=numbers, data=times(1e5), loss=of_numbers, optimizer=adam(1e-3), steps=150), SCALE, "divide|scale"),
    Leading("targets about 1e4, Adam", "it never gets there", seldom(make=numbers, data=times(1e3, 1e4), loss=of_numbers, optimizer=adam(1e-3), steps=150), SCALE, "subtract|scale"),
    Leading("momentum of 0.999", "it swings", seldom(optimizer=sgd(0.1, momentum=0.999), steps=250), one_of("momentum"), "momentum"),
    Training("never told to train", "norms and dropout are off", seldom(make=evaluating), MODE, ("train()",)),
    Training("not told after a look", "norms and dropout are off from then on", seldom(make=dropping, after_step=evaluated(every=40, back=False)), MODE, ("train()",)),
    Training("a body under no_grad", "its graph is cut", seldom(make=lambda: Body("no_grad"), optimizer=adam(3e-3)), CUT, ("no_grad",)),
    Training("a body that is detached", "its graph is cut", seldom(make=lambda: Body("detach"), optimizer=adam(3e-3)), CUT, ("detach",)),
    Leading("an average of 0.999 written back", "a thousandth of each step is left", seldom(after_step=averaged(0.999), steps=200), BACK, "average"),
    Leading("an average of 0.99 written to data", "a hundredth of each step is left", seldom(after_step=averaged(0.99, data=True), optimizer=adam(1e-3), steps=200), BACK, "average"),
    Training("two optimizers, none told", "each gradient is used twice", with_two(adam(1e-3), sgd(3.0, momentum=0.9), given=False), TWICE, ("one",)),
    Training("two optimizers, one told", "each gradient is used twice", with_two(adam(1e-3), sgd(1.0, momentum=0.9)), TWICE, ("one",)),
    Training("drawn again each 28 steps", "it begins anew", seldom(after_step=drawn_again(28), optimizer=sgd(0.05, momentum=0.9), steps=200), AGAIN, ("once",)),
    Training("drawn again, by data", "it begins anew", seldom(after_step=drawn_again(40, data=True), optimizer=adam(2e-3), steps=200), AGAIN, ("once",)),
    Training("labels times 0", "one class alone", seldom(data=all_of_one), one_of("one_class"), ("labels|targets",)),
    Training("labels shifted by one", "labels of others", seldom(data=shifted, optimizer=sgd(0.05), steps=300, size=64), one_of("guessing"), ("labels",)),
    Training("labels by lot, Adam, seldom", "labels of others", seldom(data=shuffled, optimizer=adam(1e-3), rows=in_order, steps=160), one_of("guessing")),
    Training("sorted by class", "one class a batch", seldom(rows=by_class, steps=220), one_of("one_class_a_batch"), ("shuffle",)),
)  # fmt: skip

SELDOM_CLEAN = (
    Training("SGD, seldom", "the loss falls", seldom()),
    Training("SGD, seldom, 40 steps", "the loss falls", seldom(steps=40)),
    Training("warm-up, seldom", "begins slowly by intention", seldom(optimizer=adam(3e-3), schedule=lambda o: lr_scheduler.LambdaLR(o, lambda k: min(1, (k + 1) / 50)))),
    Training("restarts, seldom", "the loss falls", seldom(optimizer=sgd(0.1, momentum=0.9), schedule=lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 40))),
    Training("a large momentum, a small rate", "a memory of a hundred steps that suits it", seldom(optimizer=sgd(2e-3, momentum=0.99), steps=200)),
    Training("classes added", "harder and harder by intention", seldom(rows=more_classes(40), optimizer=adam(5e-3), steps=320)),
    Training("a loss that is weighted more and more", "larger by intention", seldom(changed=growing(0.2), optimizer=adam(2e-3), steps=200)),
    Training("norms held in evaluation mode", "fine-tuned", seldom(make=with_norms_held, optimizer=adam(1e-3))),
    Training("a probe in evaluation mode", "only its head is trained", seldom(make=probed, optimizer=adam(1e-2), held=lambda m: m[4].parameters())),
    Training("looks in evaluation mode", "training mode comes back", seldom(make=dropping, after_step=evaluated(every=20))),
    Training("a frozen body under no_grad", "only its head is trained", seldom(make=lambda: Body("no_grad", frozen=True), optimizer=adam(3e-3), held=lambda m: m.head.parameters())),
    Training("an average kept apart", "it is swapped in for a look", seldom(after_step=apart(0.99), optimizer=adam(2e-3))),
    Training("weights held within a range", "by intention", seldom(after_step=within(0.1), optimizer=adam(2e-3))),
    Training("sharpness-aware", "there and back before each step", seldom(before_step=sharpness)),
    Training("lookahead", "drawn back each fifth step", seldom(after_step=lookahead(5), optimizer=sgd(0.2))),
    Training("Adam first, then SGD", "one after the other", one_then_another),
    Training("rare ones in small batches", "most batches hold zeros alone", seldom(make=lambda: mlp(64, 32, 2), data=rare_ones, size=8, optimizer=adam(2e-3), steps=200)),
    Training("targets of 20", "a scale that is got used to", seldom(make=numbers, data=times(20.0), loss=of_numbers, optimizer=adam(1e-2), steps=200)),
    Training("targets of 1e3, a rate that suits", "it gets there", seldom(make=numbers, data=times(1e3), loss=of_numbers, optimizer=adam(0.5), steps=200)),
    Training("slow and sure", "its first steps", seldom(optimizer=sgd(0.01), steps=200)),
)  # fmt: skip
