"""All there is to know of a model of our own, told without the code under test."""

import torch
from torch import nn


def bits(tensor):
    if tensor is None or nn.parameter.is_lazy(tensor):
        return None
    if tensor.is_sparse:
        return tensor.coalesce().indices().tolist(), tensor.coalesce().values().tolist()
    return tensor.detach().clone().reshape(-1).view(torch.uint8).tolist()


def everything(model):
    return {
        "state": [(n, id(t), bits(t)) for n, t in [*model.named_parameters(), *model.named_buffers()]],
        "gradients": [(n, id(p.grad), bits(p.grad)) for n, p in model.named_parameters()],
        "trained": [p.requires_grad for p in model.parameters()],
        "modes": [m.training for m in model.modules()],
        "hooks": [len(v) for m in model.modules() for k, v in vars(m).items() if k.endswith("_hooks") and v],
        "tensor hooks": [len(p._backward_hooks or ()) for p in model.parameters()],
        "attributes": [sorted(vars(m)) for m in model.modules()],
        "kinds": [type(m) for m in model.modules()],
    }
