"""Models in which something is held twice: modules, parameters, memory, buffers."""

import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from tests.hardening.cases import Case, Forward, Zoo, line, square

ZOO = Zoo()


@ZOO.entry("a layer under two names")
def two_names():
    layer = line()
    return Forward(lambda m, x: m.second(m.first(x).tanh()), first=layer, second=layer)


@ZOO.entry("a layer at two depths")
def two_depths():
    layer = line()
    inner = nn.Sequential(nn.Sequential(line(), layer))
    return Forward(lambda m, x: m.layer(m.inner(x).tanh()), inner=inner, layer=layer)


@ZOO.entry("a layer twice in a Sequential")
def twice_in_sequential():
    layer = line()
    return nn.Sequential(layer, nn.ReLU(), layer)


@ZOO.entry("a block three times in a Sequential")
def block_thrice():
    block = nn.Sequential(line(), nn.BatchNorm1d(4), nn.Tanh(), line())
    return nn.Sequential(block, block, nn.Tanh(), block)


@ZOO.entry("a layer twice in a ModuleList")
def twice_in_list():
    layer = line()
    return Forward(lambda m, x: m.layers[1](m.layers[0](x).tanh()), layers=nn.ModuleList([layer, layer]))


@ZOO.entry("a layer twice in a ModuleDict")
def twice_in_dict():
    layer = line()
    return Forward(lambda m, x: m.parts["b"](m.parts["a"](x).tanh()), parts=nn.ModuleDict({"a": layer, "b": layer}))


@ZOO.entry("a layer in a plain list too")
def plain_list():
    layer = line()
    return Forward(lambda m, x: m.plain[0](m.layer(x).tanh()), layer=layer, plain=[layer])


@ZOO.entry("a layer only in a plain list")
def only_plain_list():
    return Forward(lambda m, x: m.plain[0](m.layer(x).tanh()), layer=line(), plain=[line()])


@ZOO.entry("layers in a plain dict of lists")
def dict_of_lists():
    layer = line()
    return Forward(lambda m, x: m.plain["all"][1](m.layer(x).tanh()), layer=layer, plain={"all": [layer, line()]})


@ZOO.entry("an alias of an inner layer")
def alias():
    body = nn.Sequential(line(), nn.Tanh(), line(3))
    return Forward(lambda m, x: m.body(x) + m.last.weight.sum(), body=body, last=body[2])


@ZOO.entry("an alias of an inner weight")
def weight_alias():
    layer = line()
    return Forward(lambda m, x: m.layer(x) + m.weight.mean(), layer=layer, weight=layer.weight)


@ZOO.entry("an alias of a weight that is no parameter")
def plain_weight_alias():
    model = Forward(lambda m, x: m.layer(x) + m.kept[0].mean(), layer=line())
    model.kept = (model.layer.weight,)
    return model


@ZOO.entry("the same model inside itself, one deep")
def nested_alias():
    model = nn.Sequential(line(), nn.Tanh(), line())
    return Forward(lambda m, x: m.outer[0](m.inner(x)), inner=model, outer=nn.ModuleList([model, model[0]]))


@ZOO.entry("weights of two layers tied")
def tied():
    first, second = line(), line()
    second.weight = first.weight
    return nn.Sequential(first, nn.Tanh(), second)


@ZOO.entry("weight and bias tied in one layer's names")
def tied_everything():
    first, second = line(), line()
    second.weight, second.bias = first.weight, first.bias
    return nn.Sequential(first, nn.Tanh(), second, nn.Tanh(), first)


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.decode = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)
        self.decode.weight = self.embed.weight

    def forward(self, x):
        return self.decode(self.embed(x).tanh())


@ZOO.entry("embedding and decoder tied")
def embedding_decoder():
    return Case(Words(), torch.arange(12).reshape(6, 2) % 7, None, square)


@ZOO.entry("tied by data")
def tied_by_data():
    first, second = line(), line()
    second.weight.data = first.weight.data
    return nn.Sequential(first, nn.Tanh(), second)


@ZOO.entry("parameters that are views of one buffer")
def flat():
    model = nn.Sequential(line(), nn.Tanh(), line(1))
    whole = torch.cat([p.detach().reshape(-1) for p in model.parameters()])
    start = 0
    for p in model.parameters():
        p.data = whole[start : start + p.numel()].view_as(p)
        start += p.numel()
    model.whole = whole
    return model


@ZOO.entry("a parameter that is another's transpose")
def transposed():
    first, second = line(bias=False), line(bias=False)
    second.weight.data = first.weight.data.t()
    return nn.Sequential(first, nn.Tanh(), second)


@ZOO.entry("an expanded parameter")
def expanded():
    layer = line(bias=False)
    layer.weight = nn.Parameter(torch.randn(4, 1).expand(4, 4))
    return nn.Sequential(layer, nn.Tanh(), line(1))


@ZOO.entry("a buffer that is a parameter's memory")
def buffer_of_parameter():
    layer = line()
    layer.register_buffer("view", layer.weight.data[0])
    return Forward(lambda m, x: m.layer(x) + m.layer.view.sum(), layer=layer)


@ZOO.entry("buffers shared by two BatchNorms")
def shared_buffers():
    first, second = nn.BatchNorm1d(4), nn.BatchNorm1d(4)
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        second._buffers[name] = first._buffers[name]
    return nn.Sequential(line(), first, nn.Tanh(), second)


@ZOO.entry("one BatchNorm twice")
def norm_twice():
    norm = nn.BatchNorm1d(4)
    return nn.Sequential(line(), norm, nn.Tanh(), line(), norm)


@ZOO.entry("weight norm on a shared layer")
def weight_norm():
    layer = parametrizations.weight_norm(line())
    return nn.Sequential(layer, nn.Tanh(), layer)


@ZOO.entry("old weight norm on a shared layer")
def old_weight_norm():
    layer = nn.utils.weight_norm(line())
    return nn.Sequential(layer, nn.Tanh(), layer)


@ZOO.entry("spectral norm on a shared layer")
def spectral_norm():
    layer = parametrizations.spectral_norm(line())
    return nn.Sequential(layer, nn.Tanh(), layer)


@ZOO.entry("old spectral norm on a shared layer")
def old_spectral_norm():
    layer = nn.utils.spectral_norm(line())
    return nn.Sequential(layer, nn.Tanh(), layer)


@ZOO.entry("an orthogonal shared layer")
def orthogonal():
    layer = parametrizations.orthogonal(line())
    return nn.Sequential(layer, nn.Tanh(), layer)


class Symmetric(nn.Module):
    def forward(self, weight):
        return (weight + weight.T) / 2


@ZOO.entry("one parametrization for two layers")
def one_parametrization():
    first, second, rule = line(), line(), Symmetric()
    for layer in (first, second):
        parametrize.register_parametrization(layer, "weight", rule)
    return nn.Sequential(first, nn.Tanh(), second)


@ZOO.entry("tied weights under a parametrization")
def tied_parametrization():
    first, second = parametrizations.weight_norm(line()), parametrizations.weight_norm(line())
    second.parametrizations.weight.original1 = first.parametrizations.weight.original1
    return nn.Sequential(first, nn.Tanh(), second)


@ZOO.entry("pruned, shared")
def pruned():
    import torch.nn.utils.prune as prune

    layer = prune.l1_unstructured(line(), "weight", 0.5)
    return nn.Sequential(layer, nn.Tanh(), layer)
