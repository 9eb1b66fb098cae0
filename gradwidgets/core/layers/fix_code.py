"""The fixes as plain torch code, for somebody's own script: it changes `model`."""

from collections.abc import Iterable

_LAYERS = "nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d"
_ALL = f"{_LAYERS}, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d"


def reinitialise(call: str, *, seed: int) -> str:
    """Code that draws all weights anew with `call`, which names the weight `module.weight`."""
    return f"""\
import torch
from torch import nn

torch.manual_seed({seed})
for module in model.modules():
    if isinstance(module, ({_ALL})) and module.weight.requires_grad:
        {call}
        if module.bias is not None:
            nn.init.zeros_(module.bias)
"""


def activation(*, to: str, which: Iterable[str] | None) -> str:
    """Code that replaces the activations of these names; for None those that are listed before the last layer."""
    if which is not None:
        return f"""\
from torch import nn

old = [model.get_submodule(name) for name in {list(which)!r}]
for parent in list(model.modules()):
    for name, child in list(parent.named_children()):
        if any(child is module for module in old):
            setattr(parent, name, nn.{to}())
"""
    return f"""\
from torch import nn

layers = ({_ALL})
activations = (nn.Sigmoid, nn.Tanh, nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.ELU, nn.SELU)
order = [module for module in model.modules() if isinstance(module, (*layers, *activations))]
last = max(i for i, module in enumerate(order) if isinstance(module, layers))
inner = [module for module in order[:last] if isinstance(module, activations)]
for parent in list(model.modules()):
    for name, child in list(parent.named_children()):
        if any(child is module for module in inner):
            setattr(parent, name, nn.{to}())
"""


def normalization(*, kind: str) -> str:
    """Code that puts a normalisation after every layer but the last."""
    flat = "nn.LayerNorm(layer.out_features)" if kind == "layer" else "nn.BatchNorm1d(layer.out_features)"
    if kind == "layer":
        maps = "nn.GroupNorm(1, layer.out_channels)"
    else:
        maps = "getattr(nn, f'BatchNorm{layer.weight.ndim - 2}d')(layer.out_channels)"
    return f"""\
from collections import OrderedDict

from torch import nn

kinds = ({_LAYERS})
norms = (nn.LayerNorm, nn.GroupNorm, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def normalised(layer):
    norm = {flat} if isinstance(layer, nn.Linear) else {maps}
    norm = norm.to(layer.weight.device, layer.weight.dtype).train(layer.training)
    return nn.Sequential(OrderedDict(layer=layer, norm=norm))


last = [module for module in model.modules() if isinstance(module, kinds)][-1]
for parent in list(model.modules()):
    if type(parent).__module__.startswith("torch.") and not isinstance(parent, (nn.Sequential, nn.ModuleList)):
        continue
    children = list(parent.named_children())
    for (name, child), (_, following) in zip(children, [*children[1:], ("", None)]):
        if isinstance(child, kinds) and child is not last and not isinstance(following, norms):
            setattr(parent, name, normalised(child))
"""


def residual(*, layers: int, scale: float | None) -> str:
    """Code for a block of `layers` layers with the identity beside it."""
    by = "1 / math.sqrt(blocks)" if scale is None else repr(scale)
    return f"""\
import math

from torch import nn


class Residual(nn.Module):
    # x + scale * branch(x): the branch must keep the shape
    def __init__(self, branch, scale):
        super().__init__()
        self.branch, self.scale = branch, scale

    def forward(self, x):
        return x + self.scale * self.branch(x)


# Each {layers} layers of one width in a row become one block:
#     Residual(nn.Sequential({", ".join(["nn.Linear(width, width), nn.ReLU()"] * min(layers, 3))}), scale)
blocks = 10  # how many there are in your model
scale = {by}
"""


def gain(*, gain: float | None) -> str:
    """Code that scales every weight to an RMS of gain/√inputs."""
    value = "math.sqrt(2)  # for ReLU; nn.init.calculate_gain knows others" if gain is None else repr(gain)
    return f"""\
import math

import torch
from torch import nn

gain = {value}
with torch.no_grad():
    for module in model.modules():
        if isinstance(module, ({_ALL})) and module.weight.requires_grad:
            inputs = module.weight[0].numel()
            module.weight.mul_(gain / math.sqrt(inputs) / module.weight.square().mean().sqrt())
"""


def clip(*, max_norm: float) -> str:
    """The line of clipping, where it stands in a training step."""
    return f"""\
import torch

loss.backward()
torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm={max_norm!r})
optimizer.step()
"""
