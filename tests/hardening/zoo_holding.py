"""Models that hold themselves, and losses, inputs and targets that hold the model."""

import functools
import weakref

import torch
from torch import nn
from torch.nn import functional

from tests.hardening.cases import Case, Forward, Zoo, line, numbers, square

ZOO = Zoo()


@ZOO.entry("a weak reference to the parent")
def weak_parent():
    model = nn.Sequential(line(), nn.Tanh(), line())
    model[0].parent = weakref.ref(model)
    return model


@ZOO.entry("a weak proxy of the parent")
def weak_proxy():
    child = Forward(lambda m, x: functional.linear(x, vars(m)["parent"][2].weight), own=line())
    model = nn.Sequential(child, nn.Tanh(), line())
    object.__setattr__(child, "parent", weakref.proxy(model))  # torch would take a proxy for a child
    return model


@ZOO.entry("a reference to the parent that is no child")
def parent_cycle():
    child = Forward(lambda m, x: m.own(x) + vars(m)["parent"].scale, own=line())
    model = Forward(lambda m, x: m.child(x).tanh(), child=child)
    model.scale = nn.Parameter(torch.ones(4))
    object.__setattr__(child, "parent", model)
    return model


@ZOO.entry("the parent in a list of the child")
def parent_in_list():
    child = Forward(lambda m, x: m.own(x) * m.parents[0].scale, own=line(), parents=[])
    model = Forward(lambda m, x: m.child(x).tanh(), child=child)
    model.scale = nn.Parameter(torch.ones(4))
    child.parents.append(model)
    return model


@ZOO.entry("a lambda that holds the model")
def lambda_self():
    model = Forward(lambda m, x: m.half(m.layer(x)), layer=line())
    model.half = lambda x: x * model.layer.weight.mean()
    return model


@ZOO.entry("a bound method as an attribute")
def bound_method():
    model = Forward(lambda m, x: m.call(x.tanh()), layer=line())
    model.call = model.layer.forward
    return model


@ZOO.entry("a bound method of the model itself")
def bound_to_itself():
    model = Forward(lambda m, x: m.layer(x).tanh(), layer=line())
    model.again = model.forward
    return model


@ZOO.entry("forward replaced by a function that holds the layer")
def patched_forward():
    layer = line()
    inner = layer.forward
    layer.forward = lambda x: inner(x).tanh()
    return nn.Sequential(layer, line())


@ZOO.entry("forward replaced by a partial")
def partial_forward():
    layer = line()
    layer.forward = functools.partial(functional.linear, weight=layer.weight, bias=layer.bias)
    return nn.Sequential(layer, nn.Tanh(), line(1))


@ZOO.entry("a partial of a method")
def partial_method():
    model = Forward(lambda m, x: m.call().mean() + m.layer(x), layer=line())
    model.call = functools.partial(model.layer.forward, torch.ones(1, 4))
    return model


@ZOO.entry("a closure that counts", beyond="a closure")
def counting_closure():
    calls = [0]

    def count(module, x):
        calls[0] += 1
        return module.layer(x) * (1 + 0 * calls[0])

    return Case(Forward(count, layer=line()), numbers(), None, square, {"calls": calls})


@ZOO.entry("a nonlocal that counts", beyond="a closure")
def counting_nonlocal():
    calls = 0

    def count(module, x):
        nonlocal calls
        calls += 1
        return module.layer(x)

    return Forward(count, layer=line())


@ZOO.entry("a cached property that holds a view")
def cached_property():
    class Cached(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = line()

        @functools.cached_property
        def first(self):
            return self.layer.weight[0]

        def forward(self, x):
            return self.layer(x) + self.first.sum()

    return Cached()


@ZOO.entry("a cached method")
def cached_method():
    class Cached(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.table = line(), {}

        def scale(self, size):
            return self.table.setdefault(size, torch.full((4,), 1.0 / size))

        def forward(self, x):
            return self.layer(x) * self.scale(len(x))

    return Cached()


class Decay:
    """A loss object that holds the model."""

    def __init__(self, model):
        self.model, self.calls = model, 0

    def __call__(self, output, targets):
        self.calls += 1
        return output.square().mean() + 0.1 * sum(p.square().sum() for p in self.model.parameters())


@ZOO.entry("a loss that holds the model in a closure")
def loss_by_closure():
    model = nn.Sequential(line(), nn.Tanh(), line(1))
    return Case(model, numbers(), None, lambda o, t: o.square().mean() + sum(p.norm() for p in model.parameters()))


@ZOO.entry("a loss object that holds the model and counts")
def loss_object():
    model = nn.Sequential(line(), nn.Tanh(), line(1))
    return Case(model, numbers(), None, Decay(model))


@ZOO.entry("a loss by the method of the model")
def loss_method():
    class WithLoss(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.seen = line(), []

        def forward(self, x):
            return self.layer(x).tanh()

        def loss(self, output, targets):
            self.seen.append(float(output.detach().sum()))
            return output.square().mean() + self.layer.weight.square().sum()

    model = WithLoss()
    return Case(model, numbers(), None, model.loss)


GLOBAL = {}


def by_global(output, targets):
    return output.square().mean() + GLOBAL["model"][0].weight.square().mean()


@ZOO.entry("a loss that names the model as a global")
def loss_by_global():
    GLOBAL["model"] = nn.Sequential(line(), nn.Tanh(), line(1))
    return Case(GLOBAL["model"], numbers(), None, by_global)


@ZOO.entry("a loss that is a module with a layer of the model")
def loss_module():
    class Loss(nn.Module):
        def __init__(self, layer):
            super().__init__()
            self.layer, self.norm = layer, nn.BatchNorm1d(4)

        def forward(self, output, targets):
            return self.norm(self.layer(output)).square().mean() + output.mean()

    model = nn.Sequential(line(), nn.Tanh(), line())
    return Case(model, numbers(), None, Loss(model[2]))


@ZOO.entry("a loss that is a learned module")
def learned_loss():
    class Loss(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, output, targets):
            self.calls += 1
            return (output * self.scale).square().mean()

    return Case(nn.Sequential(line(), nn.Tanh()), numbers(), None, Loss())


@ZOO.entry("a loss by partial with the model")
def loss_partial():
    model = nn.Sequential(line(), nn.Tanh(), line(1))

    def loss(held, output, targets):
        return output.square().mean() + held[0].bias.square().sum()

    return Case(model, numbers(), None, functools.partial(loss, model))


@ZOO.entry("teacher and student that share a layer")
def teacher():
    student = nn.Sequential(line(), nn.Tanh(), line(1))
    judge = nn.Sequential(student[0], nn.BatchNorm1d(4), line(1))
    x = numbers()
    return Case(student, x, x * 1, lambda o, t: (o - judge(t).detach()).square().mean(), {"teacher": judge})


@ZOO.entry("inputs that are the model's own parameter")
def input_is_parameter():
    model = nn.Sequential(line(), nn.Tanh(), line(1))
    return Case(model, model[0].weight, None, square)


@ZOO.entry("targets that are the model's own buffer")
def target_is_buffer():
    model = nn.Sequential(line(), nn.BatchNorm1d(4))
    return Case(model, numbers(4, 4), model[1].running_mean, lambda o, t: (o - t).square().mean())


@ZOO.entry("inputs twice the same tensor")
def same_input_twice():
    x = numbers()
    return Case(Pair(), (x, x), x, lambda o, t: (o - t).square().mean())


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = line()

    def forward(self, a, b):
        a.mul_(0.5)
        return self.layer(a) + b


@ZOO.entry("an optimizer held by the model")
def optimizer_inside():
    model = nn.Sequential(line(), nn.Tanh(), line(1))
    model.optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(numbers()).sum().backward()
    model.optimizer.step()
    return model


@ZOO.entry("an average of itself beside it")
def averaged():
    model = nn.Sequential(line(), nn.BatchNorm1d(4), line(1))
    model.average = [torch.optim.swa_utils.AveragedModel(model)]
    return model


@ZOO.entry("gradients that share memory")
def shared_gradients():
    model = nn.Sequential(line(bias=False), nn.Tanh(), line(bias=False))
    flat = torch.ones(32)
    model[0].weight.grad, model[2].weight.grad = flat[:16].view(4, 4), flat[16:].view(4, 4)
    return model


@ZOO.entry("a pending graph that is still to be run backward")
def pending():
    model = nn.Sequential(line(), nn.BatchNorm1d(4), nn.Tanh(), line(1))
    return Case(model, numbers(), None, square, {"loss": model(numbers()).sum()})
