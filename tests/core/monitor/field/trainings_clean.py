"""Trainings in which nothing is wrong: none may be blamed."""

# ruff: noqa: E501

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

from tests.core.monitor.field.training import (
    Grey,
    Gru,
    Training,
    adam,
    adversaries,
    clipped,
    convolutions,
    cross_entropy,
    digits,
    frozen,
    mlp,
    plain,
    sgd,
    train,
)


def of_ink(model, inputs, labels):
    """How much of a picture is black, between 0 and 3."""
    return F.mse_loss(model(inputs).squeeze(1), inputs.sum(1) / 16)


def with_decay_by_hand(model, inputs, labels):
    return cross_entropy(model, inputs, labels) + 1e-3 * sum(one.square().sum() for one in model.parameters())


def shuffled():
    inputs, labels = digits()
    return inputs, labels[torch.randperm(len(labels))]


def every_fourth(optimizer, step):
    if step % 4 == 3:
        optimizer.zero_grad()


def in_place(optimizer, step):
    optimizer.zero_grad(set_to_none=False)


def with_(**options):
    return lambda: train(**options)


# As they were when the checks were written; others stand beside this file.
FIRST = (
    Training("SGD", "the loss falls", with_()),
    Training("momentum", "the loss falls", with_(optimizer=sgd(0.05, momentum=0.9))),
    Training("Nesterov", "the loss falls", with_(optimizer=sgd(0.02, momentum=0.9, nesterov=True))),
    Training("Adam", "the loss falls", with_(optimizer=adam(1e-3))),
    Training("AdamW", "the loss falls", with_(optimizer=lambda p: torch.optim.AdamW(p, 1e-3, weight_decay=0.1))),
    Training("weight decay", "the loss falls", with_(optimizer=sgd(0.1, weight_decay=1e-3))),
    Training("BatchNorm", "the loss falls", with_(make=lambda: mlp(64, 48, 32, 10, norm=nn.BatchNorm1d))),
    Training("LayerNorm", "the loss falls", with_(make=lambda: mlp(64, 48, 32, 10, norm=nn.LayerNorm), optimizer=adam(1e-3))),
    Training("convolutions", "the loss falls", with_(make=convolutions, optimizer=adam(2e-3))),
    Training("GRU", "the loss falls", with_(make=Gru, optimizer=adam(5e-3))),
    Training("embedding", "the loss falls", with_(make=Grey, optimizer=adam(1e-2))),
    Training("cosine", "ends with tiny steps by intention", with_(schedule=lambda o: lr_scheduler.CosineAnnealingLR(o, 120))),
    Training("one cycle", "begins and ends with tiny steps", with_(optimizer=sgd(0.1, momentum=0.9), schedule=lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=121))),
    Training("accumulate 4", "gradients add up within a step only", with_(micro=4)),
    Training("accumulate 4 in place", "the same in memory that is kept", with_(micro=4, zero=in_place)),
    Training("in place", "the memory of the gradients is kept and zeroed", with_(zero=in_place)),
    Training("zero every 4 steps", "three steps of four go by a sum, and it learns", with_(zero=every_fourth, optimizer=sgd(0.03))),
    Training("clip sometimes", "few steps are clipped", with_(before_step=clipped(1.0))),
    Training("clipped at every step, Adam", "0.01 where norms are 1: Adam divides it out", with_(before_step=clipped(0.01), optimizer=adam(1e-3))),
    Training("clip in place", "the same in memory that is kept", with_(before_step=clipped(1.0), zero=in_place)),
    Training("adversaries", "two optimizers in turn", adversaries),
    Training("frozen layer", "it is meant not to be trained", with_(make=lambda: frozen(plain(), 0))),
    Training("regression", "the loss falls", with_(make=lambda: mlp(64, 32, 1), loss=of_ink, optimizer=adam(1e-3))),
    Training("tanh", "the loss falls", with_(make=lambda: mlp(64, 48, 32, 10, act=nn.Tanh))),
    Training("decay by hand", "a penalty in the loss", with_(loss=with_decay_by_hand)),
    Training("RMSprop", "the loss falls", with_(optimizer=lambda p: torch.optim.RMSprop(p, 1e-3))),
    Training("Adagrad", "the loss falls", with_(optimizer=lambda p: torch.optim.Adagrad(p, 1e-2))),
    Training("batches of 4", "noisy, and it falls", with_(size=4, optimizer=sgd(0.02))),
    Training("long converged", "the last steps are small", with_(steps=400, optimizer=adam(3e-3))),
    Training("no optimizer given", "it is found by itself", with_(given=False)),
    Training("slow", "under guessing, slowly", with_(optimizer=sgd(0.005), steps=200)),
    Training("deep", "the loss falls", with_(make=lambda: mlp(64, 48, 48, 48, 48, 10), optimizer=adam(1e-3))),
    Training("labels by heart", "drawn at random, and learned by heart", with_(data=shuffled, optimizer=adam(3e-3), make=lambda: mlp(64, 256, 10), rows=lambda x, step, size: torch.randint(200, (size,)))),
)  # fmt: skip
