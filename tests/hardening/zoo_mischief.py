"""Models whose forward changes what it should not."""

import collections
import copy
import random

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrizations

from tests.hardening.cases import Zoo

ZOO = Zoo()


class Mischief(nn.Module):
    """Two layers and whatever a forward may touch; `act` is done before or after they run."""

    def __init__(self, act, late: bool = False):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)
        self.register_buffer("running", torch.zeros(3))
        self.count, self.cache, self.late, self.act = 0, [], late, act
        self.deep = {
            "a": [{"b": [torch.zeros(2), 1]}],
            "c": collections.deque(maxlen=3),
            "d": {1},
            "e": (torch.ones(2),),
        }
        self.table, self.ordered = collections.defaultdict(list), collections.OrderedDict(x=1, y=2)
        self.array, self.raw = np.zeros(3), bytearray(3)
        self.generator_of_numpy, self.own_random = np.random.default_rng(0), random.Random(0)

    def forward(self, x):
        if not self.late:
            self.act(self)
        out = self.last(torch.tanh(self.norm(self.first(x))))
        if self.late:
            self.act(self)
        return out


def nothing(*_):
    return None


def mischief(name: str, act, **kind) -> None:
    """Add a model that does something in each forward."""
    late = kind.pop("late", False)
    ZOO.entry(name, **kind)(lambda: Mischief(act, late))


def set_of(owner, name, value):
    setattr(owner, name, value)


def act_each(*acts):
    return lambda m: [act(m) for act in acts]


mischief("nothing at all", nothing)
# Hooks.
mischief("hooks itself forward", lambda m: m.first.register_forward_hook(nothing))
mischief("hooks itself before forward", lambda m: m.register_forward_pre_hook(nothing))
mischief("hooks itself backward", lambda m: m.first.register_full_backward_hook(nothing), late=True)
mischief("hooks itself before backward", lambda m: m.first.register_full_backward_pre_hook(nothing), late=True)
mischief("hooks its state dict", lambda m: m.register_state_dict_post_hook(nothing))
mischief("hooks its loading", lambda m: m.register_load_state_dict_post_hook(nothing))
mischief("hooks a weight", lambda m: m.first.weight.register_hook(nothing) if m.first.weight.requires_grad else 0)
mischief(
    "hooks a weight that changes its gradient",
    lambda m: m.first.weight.register_hook(lambda g: g * 2) if m.first.weight.requires_grad else 0,
)
mischief(
    "hooks a weight's accumulation",
    lambda m: m.last.weight.register_post_accumulate_grad_hook(nothing) if m.last.weight.is_leaf else 0,
)
mischief("hooks all modules", lambda m: nn.modules.module.register_module_forward_hook(nothing))
mischief("clears its own hooks", lambda m: m.first._forward_hooks.clear())
# What it is made of.
mischief("registers a buffer", lambda m: m.register_buffer(f"b{len(m._buffers)}", torch.zeros(2)))
mischief(
    "registers a parameter", lambda m: m.register_parameter(f"p{len(m._parameters)}", nn.Parameter(torch.zeros(2)))
)
mischief("registers a submodule", lambda m: m.add_module(f"m{len(m._modules)}", nn.Linear(2, 2)))
mischief("replaces a parameter", lambda m: set_of(m.first, "weight", nn.Parameter(m.first.weight.detach() * 2)))
mischief(
    "replaces a parameter afterwards",
    lambda m: set_of(m.first, "weight", nn.Parameter(m.first.weight.detach() + 1)),
    late=True,
)
mischief("replaces a layer", lambda m: set_of(m, "last", copy.deepcopy(m.last)))
mischief("replaces a buffer", lambda m: set_of(m, "running", m.running + 1))
mischief("takes a buffer away", lambda m: m._buffers.pop("running", None), late=True)
mischief("takes a parameter away", lambda m: m.last._parameters.pop("bias", None) and set_of(m.last, "bias", None))
mischief(
    "reorders its parameters",
    lambda m: (
        m.first._parameters.move_to_end("weight")
        if hasattr(m.first._parameters, "move_to_end")
        else m.first._parameters.update(weight=m.first._parameters.pop("weight"))
    ),
)
mischief(
    "puts a parametrization on a layer",
    lambda m: hasattr(m.last, "parametrizations") or parametrizations.weight_norm(m.last),
    late=True,
)
mischief("makes a buffer not persistent", lambda m: m._non_persistent_buffers_set.add("running"))
# Attributes.
mischief("counts", lambda m: set_of(m, "count", m.count + 1))
mischief("keeps its last weights", lambda m: set_of(m, "kept", m.first.weight * 2))
mischief("deletes an attribute", lambda m: m.__dict__.pop("count", None))
mischief("deletes an attribute of a child", lambda m: m.first.__dict__.pop("in_features", None))
mischief("reorders its attributes", lambda m: set_of(m, "count", m.__dict__.pop("count")))
mischief(
    "renames a child's forward",
    lambda m: set_of(m.first, "forward", lambda x, f=m.first: nn.functional.linear(x, f.weight)),
)
mischief("empties its own dictionary", lambda m: m.__dict__.update(extra=1, cache=None), late=True)
# Containers at any depth.
mischief("appends to a list", lambda m: m.cache.append(1))
mischief("appends three deep", lambda m: m.deep["a"][0]["b"].append(2))
mischief("changes a tensor three deep in place", lambda m: m.deep["a"][0]["b"][0].add_(1))
mischief("changes a tensor in a tuple in place", lambda m: m.deep["e"][0].mul_(2))
mischief("replaces a tensor three deep", lambda m: m.deep["a"][0]["b"].__setitem__(0, torch.ones(3)))
mischief("adds a key two deep", lambda m: m.deep["a"][0].update(z=1))
mischief("changes the order of a dict's keys", lambda m: m.deep.update(a=m.deep.pop("a")))
mischief("moves a key of an OrderedDict", lambda m: m.ordered.move_to_end("x"))
mischief("pushes to a deque", lambda m: m.deep["c"].append(torch.ones(1)))
mischief("adds to a set", lambda m: m.deep["d"].add(len(m.deep["d"]) + 1))
mischief("reads a missing key of a defaultdict", lambda m: m.table[len(m.table)])
mischief("replaces a container", lambda m: m.deep.update(c=[]))
mischief("changes an array in place", lambda m: m.array.__iadd__(1))
mischief("changes a bytearray", lambda m: m.raw.__setitem__(0, m.raw[0] + 1))
mischief("sorts a list in place", lambda m: m.cache.extend([3, 1]) or m.cache.sort())
# Tensors.
mischief("scales its weights by data", lambda m: m.first.weight.data.mul_(2))
mischief("scales its weights without grad", lambda m: torch.no_grad()(lambda: m.first.weight.mul_(1.5))())
mischief("changes its weights afterwards", lambda m: m.first.weight.data.add_(1), late=True)
mischief("sets a weight's data anew", lambda m: set_of(m.first.weight, "data", m.first.weight.data * 2))
mischief("sets a weight's data of another dtype", lambda m: set_of(m.running, "data", m.running.data.double()))
mischief(
    "sets a parameter's data of another dtype",
    lambda m: set_of(m.first.weight, "data", m.first.weight.data.bfloat16()),
    late=True,
)
mischief("sets a weight's data of another shape", lambda m: set_of(m.last.weight, "data", torch.zeros(2, 4)), late=True)
mischief("resizes a buffer", lambda m: m.running.resize_(len(m.running) + 1))
mischief("transposes a weight's data", lambda m: set_of(m.first.weight, "data", m.first.weight.data.t()))
mischief("moves a running statistic", lambda m: m.running.add_(torch.rand(3)))
mischief("sets an attribute of a tensor", lambda m: set_of(m.first.weight, "note", m.count))
mischief("freezes a layer", lambda m: m.first.requires_grad_(False), late=True)
mischief("thaws and freezes", lambda m: m.last.requires_grad_(not m.last.weight.requires_grad), late=True)
mischief("trains a buffer", lambda m: m.running.requires_grad_(True))
mischief(
    "sets a gradient",
    lambda m: set_of(m.first.weight, "grad", torch.ones_like(m.first.weight.detach())) if m.first.weight.is_leaf else 0,
)
mischief("clears all gradients", lambda m: m.zero_grad())
mischief("casts itself to double afterwards", lambda m: m.last.double(), late=True)
mischief("calls eval on a child", lambda m: m.norm.eval())
mischief("calls train on a child", lambda m: m.train())
mischief("changes momentum of its norm", lambda m: set_of(m.norm, "momentum", m.norm.momentum / 2))
mischief("resets its parameters", lambda m: m.first.reset_parameters())
mischief("runs a training step", lambda m: [p.data.sub_(0.1) for p in m.parameters()], late=True)
mischief("runs backward inside forward", lambda m: m.first(torch.ones(1, 4)).sum().backward())
# Randomness.
mischief("draws from torch", lambda m: torch.rand(2))
mischief("draws from Python", lambda m: random.random())
mischief("draws from NumPy", lambda m: np.random.rand())
mischief("draws from its own NumPy generator", lambda m: m.generator_of_numpy.random())
mischief("draws from its own random.Random", lambda m: m.own_random.random())
mischief(
    "seeds everything", act_each(lambda m: torch.manual_seed(3), lambda m: random.seed(3), lambda m: np.random.seed(3))
)


@ZOO.entry("draws from its own torch generator")
def own_generator():
    model = Mischief(lambda m: torch.rand(2, generator=m.generator))
    model.generator = torch.Generator().manual_seed(3)
    return model


@ZOO.entry("draws from a torch generator in a closure", beyond="a closure")
def closed_over_generator():
    generator = torch.Generator().manual_seed(3)
    return Mischief(lambda m: torch.rand(2, generator=generator))
