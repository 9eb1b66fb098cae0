"""A model with a little of everything, and all that may be changed about it, by what it is called then."""

import collections
import random

import numpy as np
import torch
from torch import nn


class Model(nn.Module):
    total = 0

    def __init__(self):
        super().__init__()
        self.layer, self.norm = nn.Linear(3, 2), nn.BatchNorm1d(2)
        self.deep = {"a": [collections.deque([(torch.ones(2), {1, 2})])]}
        self.array, self.draws = np.zeros(3), random.Random(0)


CHANGES = {
    "layer.weight": lambda m: m.layer.weight.data.add_(1),
    "dtype, shape or memory of layer.weight": lambda m: setattr(m.layer.weight, "data", torch.ones(5).double()),
    "whether layer.bias is trained": lambda m: m.layer.bias.requires_grad_(False),
    "the gradient of layer.bias": lambda m: setattr(m.layer.bias, "grad", torch.ones(2)),
    "the hooks of layer.weight": lambda m: m.layer.weight.register_hook(lambda g: g),
    "the hooks of layer": lambda m: m.layer.register_forward_hook(lambda *_: None),
    "the mode of norm": lambda m: m.norm.eval(),
    "the class of layer": lambda m: setattr(m.layer, "__class__", nn.Identity),
    "buffers of the model": lambda m: m.register_buffer("new", torch.ones(1)),
    "parameters of layer": lambda m: m.layer.register_parameter("bias", None),
    "extra of the model": lambda m: setattr(m, "extra", 1),
    "deep of the model": lambda m: m.deep["a"][0].append(3),
    "deep.a.0.0.0": lambda m: m.deep["a"][0][0][0].zero_(),
    "array of the model": lambda m: m.array.__setitem__(0, 1.0),
    "draws of the model": lambda m: m.draws.random(),
    "total of the class Model": lambda m: setattr(Model, "total", 5),
}
