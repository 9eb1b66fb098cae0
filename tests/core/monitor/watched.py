"""Models that train, for the tests of the monitor."""

import sys

import torch
from torch import nn

GLOBAL = sys.modules[torch.optim.Optimizer.__module__]


def net(dropout=0.0, width=8):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, width), nn.ReLU(), nn.BatchNorm1d(width), nn.Dropout(dropout), nn.Linear(width, 3)
    )


def sgd(model, **settings):
    return torch.optim.SGD(model.parameters(), **{"lr": 0.1, **settings})


def step(model, optimizer, batches=1):
    for _ in range(batches):
        model(torch.randn(6, 4)).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()


def hooks(model, *optimizers):
    """Every hook that stands anywhere."""
    found = [GLOBAL._global_optimizer_pre_hooks, GLOBAL._global_optimizer_post_hooks]
    found += [one for name, one in vars(nn.modules.module).items() if name.startswith("_global_") and "hook" in name]
    for thing in (*model.modules(), *optimizers):
        found += [one for name, one in vars(thing).items() if name.endswith("_hooks") or "_hooks_" in name]
    found += [p._post_accumulate_grad_hooks for p in model.parameters()]
    found += [p._backward_hooks for p in model.parameters()]
    return sum(len(one) for one in found if isinstance(one, dict))


def flat(tensors):
    return torch.cat([tensor.detach().double().flatten() for tensor in tensors])
