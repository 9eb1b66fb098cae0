"""Parts of a model that are cut off on purpose: a teacher, a target network."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from torch import nn

from gradwidgets.core.layers.causes.cut import Cut

_ON_PURPOSE = ("detach", "detach_", "data")


def set_aside(
    model: nn.Module,
    cuts: Mapping[str, Cut],
    needed: Collection[str],
    compared: Collection[str],
    judged: Collection[str] = (),
) -> dict[str, Cut]:
    """Mark the layers that are cut off on purpose, beside the trained layers.

    Args:
        model: The model.
        cuts: The cuts by the layers' names.
        needed: The layers that trained tensors depend on.
        compared: The layers whose outputs are compared with trained tensors, by a distance or a product.
        judged: The layers whose outputs are inputs of layers that are trained on other data as well.
    """
    found = dict(cuts)
    for part, names in _parts(model, cuts):
        if names.isdisjoint(needed) and all(_is_deliberate(cuts[name]) for name in names):
            twin = _twin(model, part, cuts) if len(names) > 1 and names & set(compared) else ""
            beside = len(names) > 1 and not names.isdisjoint(judged)
            found |= {name: replace(cuts[name], aside=True, twin=twin, judged=beside) for name in names}
    return found


def _parts(model: nn.Module, cuts: Collection[str]) -> Iterator[tuple[str, set[str]]]:
    """Yield the largest parts of a model whose trainable layers are all cut off, with these layers."""
    known: set[str] = set()
    for name, module in model.named_modules():
        layers = {one for one, inner in _layers(name, module) if _asks(inner)}
        if name and layers and layers <= set(cuts) and not layers <= known:
            known |= layers
            yield name, layers


def _layers(name: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for inner, one in module.named_modules():
        yield f"{name}.{inner}" if inner and name else inner or name, one


def _asks(module: nn.Module) -> bool:
    return any(one is not None and one.requires_grad for one in module._parameters.values())


def _is_deliberate(cut: Cut) -> bool:
    return cut.how == "cut" and (cut.quiet or cut.operation in _ON_PURPOSE)


def _twin(model: nn.Module, part: str, cuts: Collection[str]) -> str:
    """Return another part of the model of the same shapes that is trained; "" for none."""
    shapes = _shapes(model.get_submodule(part))
    for name, module in model.named_modules():
        others = {one for one, _ in _layers(name, module)}
        if name and name != part and others.isdisjoint(cuts) and _shapes(module) == shapes:
            return name
    return ""


def _shapes(module: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, tuple(one.shape)) for name, one in module.named_parameters()]
