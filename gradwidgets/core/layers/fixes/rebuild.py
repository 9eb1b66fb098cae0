"""Changes of a model's modules and weights in place, which the fixes make.

Each function only inspects the model. It returns a function that makes the change, or raises `NothingToChange`.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, TypeAlias

import torch
from torch import nn

from gradwidgets.core.layers.fixes.matrices import CONVOLUTIONS, LINEAR, WEIGHTED, Matrix, matrices
from gradwidgets.core.layers.networks.activations import ACTIVATIONS
from gradwidgets.core.layers.networks.arguments import positive, whole
from gradwidgets.core.layers.networks.networks import Residual
from gradwidgets.core.layers.passes.activation_units import has_units, is_activation

_NORMS = (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._NormBase)
_Layer: TypeAlias = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
_Nonlinearity: TypeAlias = Literal["linear", "relu", "leaky_relu", "tanh", "selu", "sigmoid"]

Change: TypeAlias = Callable[[], None]
_NO_ACTIVATION = (
    "no activation between layers is a module (nn.ReLU, for example): one that is called as a function has to be "
    "changed in the model's forward"
)


class NothingToChange(ValueError):
    """The fix finds nothing to change in this model."""


def reinitialise(
    model: nn.Module, draw: Callable[..., object], seed: int, also: Mapping[str, str | None] | None = None
) -> Change:
    """Initialise all trained matrices again, stacked ones separately, and set their biases to 0."""
    layers, seed = _trained(model, also), whole("seed", seed, 0, 2**63 - 1)

    @torch.no_grad()
    def change() -> None:
        generators: dict[torch.device, torch.Generator] = {}
        for one in layers:
            device = one.weight.device
            if device not in generators:
                generators[device] = torch.Generator(device).manual_seed(seed)
            for part in one.parts:
                draw(part, generator=generators[device])
            if one.bias is not None and one.bias.requires_grad:
                one.bias.zero_()

    return change


def rescale(model: nn.Module, gain: float | None, also: Mapping[str, str | None] | None = None) -> Change:
    """Scale every trained matrix to an RMS of gain/√inputs, keeping its directions.

    Args:
        model: The model to change.
        gain: The gain; None for that of torch's `calculate_gain` for the next activation in the model's order.
        also: As for `matrices`.
    """
    modules, layers = list(model.modules()), _trained(model, also)
    if gain is not None:
        positive("gain", gain)

    @torch.no_grad()
    def change() -> None:
        for one in layers:
            rest = modules[modules.index(one.module) + 1 :]
            following = next((m for m in rest if isinstance(m, WEIGHTED) or has_units(type(m))), None)
            wanted = _gain_of(following) if gain is None else gain
            for part in one.parts:
                rms = _norm(part) / math.sqrt(part.numel())
                if rms > 0 and math.isfinite(rms):
                    part.mul_(wanted / math.sqrt(part[0].numel()) / rms)

    return change


def drop_output_activation(model: nn.Module, which: Iterable[str] | None) -> Change:
    """Replace the activation at the output by nn.Identity.

    Args:
        model: The model to change.
        which: The activation's name; None for the last module of the model, if that is an activation.
    """
    name = output_activation(model) if which is None else next(iter(which), "")
    if not name:
        raise NothingToChange(
            "no activation module gives the output: one that is called as a function has to be taken out of the "
            "model's forward"
        )
    modules = dict(model.named_modules(remove_duplicate=False))
    if name not in modules or not is_activation(type(modules[name])):
        raise ValueError(f"which must name an activation of the model; got {name!r}")
    parent, _, key = name.rpartition(".")

    def change() -> None:
        modules[parent]._modules[key] = nn.Identity().train(modules[name].training)

    return change


def output_activation(model: nn.Module) -> str:
    """Return the name of the model's last module if that is an activation and the model has layers; "" otherwise."""
    named = [(name, m) for name, m in model.named_modules(remove_duplicate=False) if name and not m._modules]
    if not named or not is_activation(type(named[-1][1])) or not any(isinstance(m, WEIGHTED) for _, m in named):
        return ""
    return named[-1][0]


def swap_activations(model: nn.Module, to: str, which: Iterable[str] | None) -> Change:
    """Replace the activations between layers.

    Args:
        model: The model to change.
        to: The new activation, a name in `ACTIVATIONS`.
        which: The names of the activations to replace; None for all that the model lists before its last layer.
    """
    if which is None:
        inner = listed_inner(model)
    else:
        modules = dict(model.named_modules())
        inner = [_activation_named(name, modules) for name in which]
        if not inner:
            raise NothingToChange(_NO_ACTIVATION)
    made = ACTIVATIONS[to].module
    if all(type(m) is type(made()) for m in inner):
        raise NothingToChange(f"every activation between layers is {to} already")
    places = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in _children(parent)
        if any(child is one for one in inner)
    ]

    def change() -> None:
        new: dict[int, nn.Module] = {}
        for parent, name, child in places:
            setattr(parent, name, new.setdefault(id(child), made().train(child.training)))

    return change


def normalise(model: nn.Module, kind: str) -> Change:
    """Insert a normalisation after every linear or convolution layer but the last, where there is none."""
    layers = [m for m in model.modules() if isinstance(m, (*LINEAR, *CONVOLUTIONS))]
    places: list[tuple[nn.Module, str, _Layer]] = []
    for parent in list(model.modules()):
        if not _may_be_wrapped(parent):
            continue
        children = _children(parent)
        for i, (name, child) in enumerate(children):
            if not isinstance(child, (*LINEAR, *CONVOLUTIONS)) or child is layers[-1]:
                continue
            if isinstance(parent, nn.Sequential) and i + 1 < len(children) and isinstance(children[i + 1][1], _NORMS):
                continue
            places.append((parent, name, child))
    if not places:
        raise NothingToChange("no linear or convolution layer but the last is without a normalisation")

    def change() -> None:
        for parent, name, child in places:
            normalised = nn.Sequential(OrderedDict[str, nn.Module](layer=child, norm=_norm_for(child, kind)))
            normalised.training = child.training
            parent._modules[name] = normalised

    return change


def add_residuals(model: nn.Module, layers: int, scale: float | None) -> Change:
    """Add the identity to runs of layers that keep the width, in every `nn.Sequential`."""
    last = next((m for m in reversed(list(model.modules())) if isinstance(m, WEIGHTED)), None)
    runs = [
        (parent, run)
        for parent in model.modules()
        if type(parent) is nn.Sequential
        for run in _runs(parent, layers, last)
    ]
    if not runs:
        raise NothingToChange(
            f"no nn.Sequential in this model holds {layers} layers of one width in a row (linear, or convolutions of "
            "stride 1 that keep the size)"
        )
    by = positive("scale", scale) if scale is not None else 1 / math.sqrt(len(runs))

    def change() -> None:
        for parent in {id(parent): parent for parent, _ in runs}.values():
            _wrap_runs(parent, [run for owner, run in runs if owner is parent], by)

    return change


def _wrap_runs(parent: nn.Sequential, runs: list[list[str]], by: float) -> None:
    """Replace each run of an `nn.Sequential`'s children by one residual block."""
    starts = {run[0]: run for run in runs}
    inside = {name for run in starts.values() for name in run[1:]}
    kept: list[tuple[str, nn.Module]] = []
    children = dict(_children(parent))
    for name, child in children.items():
        if name in starts:
            branch = nn.Sequential(OrderedDict((one, children[one]) for one in starts[name]))
            block = Residual(branch, by)
            # Not by `train`, which would change the layers inside: they keep their modes.
            block.training = branch.training = child.training
            kept.append((name, block))
        elif name not in inside:
            kept.append((name, child))
    if all(name.isdigit() for name, _ in kept):
        kept = [(str(i), child) for i, (_, child) in enumerate(kept)]
    parent._modules.clear()
    parent._modules.update(kept)


def _children(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the children of a module with their names, one that has several names under each of them."""
    return [(name, child) for name, child in module._modules.items() if child is not None]


def _trained(model: nn.Module, also: Mapping[str, str | None] | None) -> list[Matrix]:
    """Return the trained matrices that have no other use."""
    trained = matrices(model, also)
    if not trained:
        raise NothingToChange("the model has no linear or convolution layer whose weight is trained")
    return [one for one in trained if not one.shared]


def _norm(weight: torch.Tensor) -> float:
    parts = torch.view_as_real(weight) if weight.is_complex() else weight
    return float(torch.linalg.vector_norm(parts, dtype=torch.float64))


def listed_inner(model: nn.Module) -> list[nn.Module]:
    """Return the activations that the model lists before its last layer."""
    order = [m for m in model.modules() if isinstance(m, WEIGHTED) or has_units(type(m))]
    last = max((i for i, m in enumerate(order) if isinstance(m, WEIGHTED)), default=-1)
    inner = [m for m in order[: last + 1] if not isinstance(m, WEIGHTED)]
    if inner:
        return inner
    names = [name for name, module in model.named_modules() if any(module is one for one in order[last + 1 :])]
    if not names:
        raise NothingToChange(_NO_ACTIVATION)
    raise NothingToChange(
        f"{names[0] or 'the activation'} is listed after the last layer, so it may be the one that gives the output: "
        f"name what is to be replaced, which={tuple(names)!r}"
    )


def _activation_named(name: str, modules: dict[str, nn.Module]) -> nn.Module:
    if name not in modules or not has_units(type(modules[name])):
        known = [one for one, module in modules.items() if has_units(type(module))]
        raise ValueError(
            f"which must name activations of the model, {', '.join(known) or 'of which it has none'}; got {name!r}"
        )
    return modules[name]


def _gain_of(activation: nn.Module | None) -> float:
    names: dict[type, _Nonlinearity] = {
        nn.ReLU: "relu", nn.LeakyReLU: "leaky_relu", nn.Tanh: "tanh", nn.SELU: "selu", nn.Sigmoid: "sigmoid",
        nn.GELU: "relu", nn.SiLU: "relu", nn.ELU: "relu",
    }  # fmt: skip
    slope = getattr(activation, "negative_slope", None)
    return nn.init.calculate_gain(names.get(type(activation), "linear"), slope)


def _may_be_wrapped(module: nn.Module) -> bool:
    """Whether a module's children may be replaced by wrappers; torch's own modules use their children's attributes."""
    is_container = isinstance(module, (nn.Sequential, nn.ModuleList, nn.ModuleDict))
    return is_container or not type(module).__module__.startswith("torch.")


def _norm_for(layer: _Layer, kind: str) -> nn.Module:
    make = _layer_norm if kind == "layer" else _batch_norm
    return make(layer, layer.weight.device, layer.weight.dtype).train(layer.training)


def _layer_norm(layer: _Layer, device: torch.device, dtype: torch.dtype) -> nn.Module:
    if isinstance(layer, nn.Linear):
        return nn.LayerNorm(layer.out_features, device=device, dtype=dtype)
    return nn.GroupNorm(1, layer.out_channels, device=device, dtype=dtype)


def _batch_norm(layer: _Layer, device: torch.device, dtype: torch.dtype) -> nn.Module:
    if isinstance(layer, nn.Linear):
        return nn.BatchNorm1d(layer.out_features, device=device, dtype=dtype)
    kinds = {nn.Conv1d: nn.BatchNorm1d, nn.Conv2d: nn.BatchNorm2d, nn.Conv3d: nn.BatchNorm3d}
    made = next(made for kind, made in kinds.items() if isinstance(layer, kind))
    return made(layer.out_channels, device=device, dtype=dtype)


def _keeps_shape(layer: nn.Module) -> bool:
    """Whether the output of a layer has the shape of its input."""
    if isinstance(layer, nn.Linear):
        return layer.in_features == layer.out_features
    if not isinstance(layer, CONVOLUTIONS) or layer.in_channels != layer.out_channels or set(layer.stride) != {1}:
        return False
    if isinstance(layer.padding, str):
        return layer.padding == "same"
    sizes = zip(layer.kernel_size, layer.padding, layer.dilation, strict=True)
    return all(2 * padding == dilation * (size - 1) for size, padding, dilation in sizes)


def _runs(parent: nn.Sequential, layers: int, last: nn.Module | None) -> Iterator[list[str]]:
    """Yield the names of the children in each run of so many layers, with the activations and norms behind them."""
    run: list[str] = []
    count = 0
    for name, child in [*parent._modules.items(), ("", None)]:
        fits = isinstance(child, WEIGHTED) and child is not last and _keeps_shape(child)
        follows = has_units(type(child)) or isinstance(child, (*_NORMS, nn.Dropout))
        if run and not follows and (not fits or count == layers):
            if count == layers:
                yield run
            run, count = [], 0
        if fits:
            run, count = [*run, name], count + 1
        elif run and follows:
            run.append(name)
