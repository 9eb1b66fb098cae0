"""Trainings whose steps are lost: of a rate of 0, in rounding, by thrown gradients, put back, made by new optimizers."""

# ruff: noqa: E501

import itertools
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

from gradwidgets.core.monitor import GradientMonitor, diagnose
from tests.core.monitor.field.training import STEPS, Training, adam, cross_entropy, digits, plain, rows_of, sgd, train

BY_ADAM = adam(3e-3)


def one_of(*names):
    return frozenset(names)


def batch(size=16):
    inputs, labels = digits()
    some = rows_of(inputs, 0, size)
    return inputs[some], labels[some]


def loop(of_step, make=plain, optimizer=BY_ADAM, steps=STEPS, given=True):
    """`of_step(model, optimizer, monitor, step)` makes each step, whatever it is made of; the rest is by default."""
    torch.manual_seed(0)
    model = make()
    first = optimizer(model.parameters()) if optimizer else None
    with GradientMonitor(model, first if given else None) as monitor:
        for step in range(steps):
            of_step(model, first, monitor, step)
    return diagnose(monitor.history)


def one_step(model, optimizer, monitor, step, loss=cross_entropy):
    optimizer.zero_grad()
    value = loss(model, *batch())
    value.backward()
    optimizer.step()
    monitor.note_loss(value.item())


def by_new(make, every):
    """Steps by an optimizer that is made anew after so many."""
    held = {}

    def of_step(model, optimizer, monitor, step):
        if step % every == 0:
            held["now"] = make(model.parameters())
        one_step(model, held["now"], monitor, step)

    return partial(loop, of_step, optimizer=None)


def reptile(model, optimizer, monitor, step):
    """Each task begins from the same weights, with an optimizer of its own; half of its way is kept."""
    before = [one.detach().clone() for one in model.parameters()]
    inner = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(5):
        one_step(model, inner, monitor, step)
    with torch.no_grad():
        for one, old in zip(model.parameters(), before, strict=True):
            one.lerp_(old, 0.5)


def running_total(model, optimizer, monitor, step, total):
    """The loss is added to a total, and the total's gradient is taken."""
    optimizer.zero_grad()
    value = cross_entropy(model, *batch())
    total["sum"] = value + (total["sum"] if step else 0)
    total["sum"].backward(retain_graph=True)
    optimizer.step()
    monitor.note_loss(value.item())


def moving_average(model, optimizer, monitor, step, kept):
    """A moving average of the losses is what is passed backward."""
    optimizer.zero_grad()
    value = cross_entropy(model, *batch())
    kept["average"] = 0.1 * value + (0.9 * kept["average"] if step else 0)
    kept["average"].backward(retain_graph=True)
    optimizer.step()
    monitor.note_loss(value.item())


def longer_and_longer(cell, optimizer, monitor, step):
    """One cell, applied once more after each ten steps."""
    inputs, _ = batch()
    state = inputs
    for _ in range(1 + step // 10):
        state = torch.tanh(cell(state)) + inputs
    optimizer.zero_grad()
    value = F.mse_loss(state, inputs.flip(1))
    value.backward()
    optimizer.step()
    monitor.note_loss(value.item())


def scheduled(make, of_rate=BY_ADAM, steps=STEPS):
    return partial(train, optimizer=of_rate, schedule=make, seldom=True, steps=steps)


def broken_at(root, when=70):
    """A root of something that is 0 at one step, and no part of the loss at any other."""

    step = itertools.count(1)

    def loss(model, inputs, labels):
        outputs = model(inputs)
        return F.cross_entropy(outputs, labels) + 1e-3 * root(outputs * (next(step) != when)).mean()

    return partial(loop, partial(one_step, loss=loss))


def added(micro, divide, lr):
    """Batches whose gradients are added up."""

    def of_step(model, optimizer, monitor, step):
        for _ in range(micro):
            inputs, labels = batch()
            value = F.mse_loss(model(inputs), 3 * F.one_hot(labels, 10).float())
            (value / (micro if divide else 1)).backward()
        optimizer.step()
        optimizer.zero_grad()
        monitor.note_loss(value.item())

    return partial(loop, of_step, optimizer=sgd(lr), steps=60)


def in_parts(micro, *, thrown, clip=False):
    """Each batch's loss is noted, and gradients taken away before each of them or once a step."""

    def of_step(model, optimizer, monitor, step):
        for part in range(micro):
            if thrown or not part:
                optimizer.zero_grad()
            value = cross_entropy(model, *batch(8))
            (value / micro).backward()
            monitor.note_loss(value.item())
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return partial(loop, of_step)


def sharpness_aware(model, optimizer, monitor, step):
    """A step uphill, and from there the gradient of the step down."""
    some = batch()
    optimizer.zero_grad()
    value = cross_entropy(model, *some)
    value.backward()
    monitor.note_loss(value.item())
    with torch.no_grad():
        up = [0.05 * one.grad / (one.grad.norm() + 1e-9) for one in model.parameters()]
        torch._foreach_add_(list(model.parameters()), up)
    optimizer.zero_grad()
    value = cross_entropy(model, *some)
    value.backward()
    monitor.note_loss(value.item())
    with torch.no_grad():
        torch._foreach_sub_(list(model.parameters()), up)
    optimizer.step()


def two_tasks(model, optimizer, monitor, step):
    """Two tasks' gradients by themselves, and of both the mean."""
    found = []
    for _ in range(2):
        optimizer.zero_grad()
        value = cross_entropy(model, *batch())
        value.backward()
        monitor.note_loss(value.item())
        found.append([one.grad.clone() for one in model.parameters()])
    for one, first, second in zip(model.parameters(), *found, strict=True):
        one.grad.copy_((first + second) / 2)
    optimizer.step()


def of_half(optimizer):
    """Weights of bfloat16."""

    def loss(model, inputs, labels):
        return F.cross_entropy(model(inputs.bfloat16()).float(), labels)

    return partial(loop, partial(one_step, loss=loss), lambda: plain().bfloat16(), optimizer)


def averaged(decay, every=1):
    """An average of the weights that is copied back over them."""
    kept = {}

    def of_step(model, optimizer, monitor, step):
        if not step:
            kept["average"] = [one.detach().clone() for one in model.parameters()]
        one_step(model, optimizer, monitor, step)
        with torch.no_grad():
            torch._foreach_lerp_(kept["average"], list(model.parameters()), 1 - decay)
            if step % every == every - 1:
                torch._foreach_copy_(list(model.parameters()), kept["average"])

    return partial(loop, of_step, steps=150)


def minus(model, inputs, labels) -> Tensor:
    """What is to be made larger: the logarithm of how likely the labels are."""
    return -cross_entropy(model, inputs, labels)


def root(outputs):
    return outputs.square().sum(1).sqrt()


def root_of_each(outputs):
    return outputs.abs().sqrt().mean(1)


ANEW, LOST = one_of("made_anew"), one_of("past_losses")
NONE, BROKEN = one_of("no_rate"), one_of("non_finite")
linear = partial(nn.Linear, 64, 10)

STEPS_SICK = (
    Training("Adam for each step", "its averages never fill", by_new(adam(1e-3), 1), ANEW, ("once, before the loop",)),
    Training("momentum of three steps", "it begins at 0 each time", by_new(sgd(0.05, momentum=0.9), 3), ANEW),
    Training("a total of losses", "backward of this loss alone", partial(loop, partial(running_total, total={}), linear, sgd(0.01)), LOST, ("loss.item()",), True),
    Training("an average of losses", "backward of this loss alone", partial(loop, partial(moving_average, kept={}), linear, adam(1e-3)), LOST, ("detach",), True),
    Training("a warm-up of whole numbers", "its factor is 0", scheduled(lambda o: lr_scheduler.LambdaLR(o, lambda k: min(1, k // 1000))), NONE, ("rate is 0 throughout", "schedule"), True),
    Training("lr of 0", "no step moves anything", scheduled(None, sgd(0.0)), NONE, ("rate is 0 throughout",), True),
    Training("a root of a square", "step 70 has no finite slope", broken_at(root), BROKEN, ("step 70", "eps"), True),
    Training("roots of sizes", "step 70 has no finite slope", broken_at(root_of_each), BROKEN, ("step 70", "eps"), True),
    Training("twelve undivided", "divide by them", added(12, False, 0.6), one_of("non_finite", "diverging"), ("sum of 12 backward passes", "divide"), True),
    Training("sixteen undivided", "divide by them", added(16, False, 2.0), one_of("non_finite", "diverging"), ("sum of 16 backward passes", "divide"), True),
    Training("zeros among four", "three of four are lost", in_parts(4, thrown=True), one_of("thrown_away"), ("3 of 4", "once a step"), True),
    Training("zeros among eight, clipped", "seven of eight are lost", in_parts(8, thrown=True, clip=True), one_of("thrown_away"), ("7 of 8",), True),
    Training("Adam's steps in bfloat16", "lost in rounding", of_half(adam(3e-6)), one_of("rounding"), ("bfloat16", "float32"), True),
    Training("SGD's steps in bfloat16", "lost in rounding", of_half(sgd(1e-4)), one_of("rounding"), ("bfloat16", "float32"), True),
    Training("an average of 0.99 copied back", "a hundredth of each step is left", averaged(0.99), one_of("put_back"), ("average",), True),
    Training("an average of 0.95 copied back", "a twentieth of each step is left", averaged(0.95), one_of("put_back"), ("average",), True),
)  # fmt: skip

STEPS_CLEAN = (
    Training("SGD for each step", "it has no memory", by_new(sgd(0.1), 1)),
    Training("Adam for each epoch", "it may be meant so", by_new(adam(1e-3), 40)),
    Training("Reptile", "each task begins anew", partial(loop, reptile, optimizer=None, steps=20)),
    Training("a cell used more and more often", "the gradients are its own", partial(loop, longer_and_longer, partial(nn.Linear, 64, 64), adam(1e-3))),
    Training("a warm-up from 0", "it is over soon", scheduled(lambda o: lr_scheduler.LambdaLR(o, lambda k: min(1.0, k / 30)))),
    Training("warm restarts each 25", "they are meant so", scheduled(lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 25))),
    Training("twelve divided", "a mean of twelve", added(12, True, 0.1)),
    Training("four added up and noted", "one step of four", in_parts(4, thrown=False)),
    Training("sharpness-aware steps", "the first gradient is used", partial(loop, sharpness_aware)),
    Training("two tasks and a mean", "both gradients are used", partial(loop, two_tasks)),
    Training("bfloat16 at a usual rate", "it learns", of_half(adam(2e-3))),
    Training("Lookahead each five", "half of the way is kept", averaged(0.5, every=5)),
    Training("a likelihood made larger", "maximize is right there", partial(loop, partial(one_step, loss=minus), optimizer=adam(3e-3, maximize=True))),
)  # fmt: skip
