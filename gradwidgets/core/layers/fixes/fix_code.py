"""The fixes as plain torch code that changes `model`, to be copied into the user's script."""

from collections.abc import Iterable, Mapping

_LAYERS = "nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d"
_ALL = f"{_LAYERS}, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d"


def reinitialise(call: str, *, seed: int, also: Mapping[str, str | None] | None = None) -> str:
    """Return code that initialises all weights again with `call`, a statement about each `part`."""
    return f"""\
import torch
from torch import nn

{_matrices(also)}
torch.manual_seed({seed})
with torch.no_grad():
    for weight, parts, bias in chosen:
        for part in parts:
            {call}
        if bias is not None and bias.requires_grad:
            bias.zero_()
"""


def _matrices(also: Mapping[str, str | None] | None) -> str:
    """Return code that lists the trained matrices as `chosen`."""
    more = f"""\
for name, bias in {dict(also)!r}.items():
    weight = model.get_parameter(name.removesuffix(".T"))
    owner = model.get_submodule(name.removesuffix(".T").rpartition(".")[0])
    part = weight.T if name.endswith(".T") else weight  # .T: stored (inputs, outputs)
    found.append((owner, weight, [part], bias and model.get_parameter(bias)))
""" if also else ""  # fmt: skip
    return f"""\

def matrices(module):
    own = module._parameters
    if isinstance(module, ({_ALL}, nn.Bilinear)) and own.get("weight") is not None:
        weight = own["weight"]
        yield weight, [weight.flatten(1) if isinstance(module, nn.Bilinear) else weight], own.get("bias")
    elif isinstance(module, nn.MultiheadAttention):
        for key in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
            if own.get(key) is not None:
                yield own[key], own[key].chunk(3) if key == "in_proj_weight" else [own[key]], own.get("in_proj_bias")


found = [(module, *one) for module in model.modules() for one in matrices(module)]
{more}own = {{(id(module), id(weight)) for module, weight, _, _ in found}}
kept = [(id(module), id(p)) for module in model.modules() for p in module._parameters.values() if p is not None]
left = {{weight for module, weight in kept if (module, weight) not in own}}  # also used as an embedding, say
once = {{id(one[1]): one[1:] for one in reversed(found)}}
order = dict.fromkeys(id(one[1]) for one in found)
chosen = [once[key] for key in order if key not in left and once[key][0].requires_grad]
"""


def activation(*, to: str, which: Iterable[str] | None) -> str:
    """Return code that replaces the activations of these names, or, for None, all listed before the last layer."""
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
    """Return code that inserts a normalisation after every layer but the last."""
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
    """Return code that adds the identity to every run of `layers` layers that keep the width."""
    by = "1 / math.sqrt(max(1, sum(map(len, blocks.values()))))" if scale is None else repr(scale)
    return f"""\
import math

from torch import nn

kinds = ({_ALL})
activations = (nn.Sigmoid, nn.Tanh, nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.ELU, nn.SELU)
norms = (nn.LayerNorm, nn.GroupNorm, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Residual(nn.Module):
    def __init__(self, branch, scale):
        super().__init__()
        self.branch, self.scale = branch, scale

    def forward(self, x):
        return x + self.scale * self.branch(x)


def keeps_shape(layer):
    if isinstance(layer, nn.Linear):
        return layer.in_features == layer.out_features
    if not isinstance(layer, ({_LAYERS})) or layer.in_channels != layer.out_channels or set(layer.stride) != {{1}}:
        return False
    sizes = zip(layer.kernel_size, layer.padding, layer.dilation)
    return layer.padding == "same" or all(2 * p == d * (k - 1) for k, p, d in sizes)


def runs(parent):
    found, run, count = [], [], 0
    for name, child in [*parent._modules.items(), ("", None)]:
        fits = isinstance(child, kinds) and child is not last and keeps_shape(child)
        follows = isinstance(child, (*activations, *norms, nn.Dropout))
        if run and not follows and (not fits or count == {layers}):
            found += [run] if count == {layers} else []
            run, count = [], 0
        if fits:
            run, count = [*run, name], count + 1
        elif run and follows:
            run.append(name)
    return found


last = [module for module in model.modules() if isinstance(module, kinds)][-1]
blocks = {{parent: runs(parent) for parent in model.modules() if type(parent) is nn.Sequential}}
scale = {by}
for parent, its in blocks.items():
    starts = {{run[0]: run for run in its}}
    inside = {{name for run in its for name in run[1:]}}
    kept = []
    for name, child in parent._modules.items():
        if name in starts:
            kept.append((name, Residual(nn.Sequential(*(parent._modules[one] for one in starts[name])), scale)))
        elif name not in inside:
            kept.append((name, child))
    if all(name.isdigit() for name, _ in kept):
        kept = [(str(k), child) for k, (_, child) in enumerate(kept)]
    parent._modules.clear()
    parent._modules.update(kept)
"""


def gain(*, gain: float | None, also: Mapping[str, str | None] | None = None) -> str:
    """Return code that scales every weight to an RMS of gain/√inputs."""
    value = "math.sqrt(2)  # for ReLU; nn.init.calculate_gain knows others" if gain is None else repr(gain)
    return f"""\
import math

import torch
from torch import nn

{_matrices(also)}
gain = {value}
with torch.no_grad():
    for weight, parts, bias in chosen:
        for part in parts:
            rms = part.abs().square().mean().sqrt()
            if rms > 0:
                part.mul_(gain / math.sqrt(part[0].numel()) / rms)
"""


def drop_output_activation(*, which: Iterable[str] | None) -> str:
    """Return code that removes the activation at the output."""
    if which is None:
        name = "[name for name, one in model.named_modules(remove_duplicate=False) if name and not one._modules][-1]"
    else:
        name = repr(next(iter(which), ""))
    return f"""\
from torch import nn

name = {name}
parent, _, key = name.rpartition(".")
model.get_submodule(parent)._modules[key] = nn.Identity()
"""


def clip(*, max_norm: float) -> str:
    """Return the line that clips, between backward and step."""
    return f"""\
import torch

loss.backward()
torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm={max_norm!r})
optimizer.step()
"""
