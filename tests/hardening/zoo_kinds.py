"""Networks of the usual kinds, and unusual numbers, inputs and losses."""

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from tests.hardening.cases import Case, Forward, Zoo, line, mlp, numbers, quiet, square

ZOO = Zoo()


ZOO.entry("mlp")(mlp)
ZOO.entry("mlp, evaluation")(lambda: mlp().eval())
ZOO.entry("dropout")(lambda: nn.Sequential(line(), nn.Dropout(0.5), nn.ReLU(), line()))
ZOO.entry("in place")(lambda: nn.Sequential(line(), nn.ReLU(inplace=True), line(), nn.ReLU(inplace=True)))
ZOO.entry("a thousand tiny layers", heavy=True)(lambda: nn.Sequential(*[nn.Linear(4, 4) for _ in range(1000)]))
ZOO.entry("forty tiny layers")(lambda: nn.Sequential(*[nn.Linear(4, 4) for _ in range(40)]))


@ZOO.entry("cnn")
def cnn():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 1))
    return Case(model, numbers(6, 1, 4, 4), None, square)


@ZOO.entry("residual block")
def resnet():
    parts = {"body": nn.Sequential(line(), nn.BatchNorm1d(4), nn.ReLU(inplace=True), line()), "head": line(1)}
    return Forward(lambda m, x: m.head(functional.relu(x + m.body(x))), **parts)


@ZOO.entry("transformer encoder")
def encoder():
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    return Case(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), numbers(4, 3, 4), None, square)


@ZOO.entry("transformer layer, evaluation")
def encoder_evaluation():
    return Case(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).eval(), numbers(4, 3, 4), None, square)


def recurrent(kind):
    parts = {"embed": nn.Embedding(9, 4), "cell": kind(4, 3, batch_first=True), "head": nn.Linear(3, 1)}
    model = Forward(lambda m, x: m.head(m.cell(m.embed(x))[0][:, -1]), **parts)
    return Case(model, torch.arange(18).reshape(6, 3) % 9, None, square)


ZOO.entry("lstm")(lambda: recurrent(nn.LSTM))
ZOO.entry("gru")(lambda: recurrent(nn.GRU))


@ZOO.entry("embedding with sparse gradient")
def sparse():
    model = Forward(lambda m, x: m.head(m.embed(x).mean(1)), embed=nn.Embedding(9, 4, sparse=True), head=line(1))
    return Case(model, torch.arange(18).reshape(6, 3) % 9, None, square)


@ZOO.entry("checkpointed")
def checkpointed():
    body = nn.Sequential(line(), nn.Dropout(0.3), nn.Tanh())
    return Forward(lambda m, x: m.head(checkpoint(m.body, x, use_reentrant=False)), body=body, head=line(1))


@ZOO.entry("checkpointed, reentrant")
def checkpointed_reentrant():
    def run(m, x):
        with quiet():
            return m.head(checkpoint(m.body, m.first(x), use_reentrant=True))

    return Forward(run, first=line(), body=nn.Sequential(line(), nn.Tanh()), head=line(1))


@ZOO.entry("compiled, never run")
def compiled():
    return torch.compile(mlp(), backend="eager")


def _scripted(make):
    with quiet():
        return make()


ZOO.entry("scripted")(lambda: _scripted(lambda: torch.jit.script(mlp())))
ZOO.entry("traced")(lambda: _scripted(lambda: torch.jit.trace(mlp(), numbers())))
ZOO.entry("scripted inside")(lambda: _scripted(lambda: nn.Sequential(line(), torch.jit.script(nn.Sequential(line())))))
ZOO.entry("lazy")(lambda: nn.Sequential(nn.LazyLinear(4), nn.LazyBatchNorm1d(), nn.ReLU(), nn.LazyLinear(1)))
ZOO.entry("data parallel")(lambda: nn.DataParallel(mlp()))
ZOO.entry("no parameters")(lambda: nn.Sequential(nn.ReLU(), nn.BatchNorm1d(4, affine=False)))
ZOO.entry("frozen")(lambda: mlp().requires_grad_(False))
ZOO.entry("a frozen layer")(lambda: nn.Sequential(line().requires_grad_(False), nn.Tanh(), line(1)))
ZOO.entry("instance norm")(
    lambda: Case(
        nn.Sequential(nn.Conv1d(4, 3, 1), nn.InstanceNorm1d(3, track_running_stats=True)),
        numbers(6, 4, 5),
        None,
        square,
    )
)

for _dtype in (torch.float64, torch.float16, torch.bfloat16):
    ZOO.entry(f"in {_dtype}".replace("torch.", ""))(
        lambda dtype=_dtype: Case(mlp().to(dtype), numbers().to(dtype), None, square)
    )


@ZOO.entry("two dtypes")
def two_dtypes():
    parts = {"first": line().double(), "last": line(1).bfloat16()}
    return Forward(lambda m, x: m.last(m.first(x.double()).bfloat16()), **parts)


@ZOO.entry("complex")
def complex_():
    return Case(
        nn.Linear(4, 4, dtype=torch.complex64), numbers().to(torch.complex64), None, lambda o, t: o.abs().mean()
    )


@ZOO.entry("a complex buffer")
def complex_buffer():
    model = Forward(lambda m, x: m.layer(x) * m.turn.real, layer=line())
    model.register_buffer("turn", torch.ones(4, dtype=torch.complex64))
    return model


@ZOO.entry("a sparse buffer")
def sparse_buffer():
    model = Forward(lambda m, x: m.layer(torch.sparse.mm(m.links, x)), layer=line())
    model.register_buffer("links", torch.eye(6).to_sparse())
    return model


@ZOO.entry("a sparse parameter")
def sparse_parameter():
    model = Forward(lambda m, x: m.layer(torch.sparse.mm(m.links, x)), layer=line())
    model.links = nn.Parameter(torch.eye(6).to_sparse())
    return model


@ZOO.entry("quantised")
def quantised():
    with quiet():
        weight = torch.quantize_per_tensor(torch.randn(4, 4), 0.1, 0, torch.qint8)
    model = Forward(lambda m, x: m.layer(x @ m.weight.dequantize()), layer=line())
    model.weight = weight
    return model


ZOO.entry("meta")(lambda: Case(mlp(device="meta"), numbers().to("meta"), None, square))
ZOO.entry("meta in part")(lambda: Forward(lambda m, x: m.layer(x), layer=line(), spare=nn.Linear(3, 3, device="meta")))


@ZOO.entry("inference-mode tensors")
def inference():
    with torch.inference_mode():
        return Case(mlp(), numbers(), None, square)


@ZOO.entry("an inference-mode buffer")
def inference_buffer():
    model = Forward(lambda m, x: m.layer(x) * m.scale, layer=line())
    with torch.inference_mode():
        model.scale = torch.ones(4)
    return model


@ZOO.entry("a parameter of no numbers")
def empty():
    model = Forward(lambda m, x: m.layer(x) + m.none.sum(), layer=line())
    model.none = nn.Parameter(torch.zeros(0, 4))
    return model


@ZOO.entry("a scalar parameter")
def scalar():
    model = Forward(lambda m, x: m.layer(x) * m.scale, layer=line())
    model.scale = nn.Parameter(torch.ones(()))
    return model


@ZOO.entry("a parameter of whole numbers")
def whole():
    model = Forward(lambda m, x: m.layer(x) * m.steps, layer=line())
    model.steps = nn.Parameter(torch.ones(4, dtype=torch.long), requires_grad=False)
    return model


@ZOO.entry("nan weights")
def nan():
    model = mlp()
    model[0].weight.data[0, 0] = float("nan")
    return model


@ZOO.entry("gradients are there")
def gradients():
    model = nn.Sequential(line(), nn.BatchNorm1d(4), line(1))
    model(numbers()).sum().backward()
    return model


@ZOO.entry("retained gradients")
def retained():
    model = mlp()
    x = numbers().requires_grad_()
    loss = model(x).sum()
    loss.backward(retain_graph=True)
    return Case(model, x, None, square, {"loss": loss})


@ZOO.entry("modes that differ")
def modes():
    model = nn.Sequential(line(), nn.BatchNorm1d(4), nn.Dropout(), nn.Sequential(nn.BatchNorm1d(4), line(1)))
    model[1].eval()
    model[3].eval()
    model[3][0].train()
    return model


@ZOO.entry("output that is a dict")
def dict_output():
    model = Forward(lambda m, x: {"out": m.layer(x), "none": None, "size": 3}, layer=line())
    return Case(model, numbers(), None, lambda o, t: o["out"].square().mean())


@ZOO.entry("a loss that is no number")
def no_number():
    return Case(mlp(), numbers(), None, lambda o, t: o)


@ZOO.entry("a loss that is cut off")
def cut_off():
    return Case(mlp(), numbers(), None, lambda o, t: o.detach().mean())


@ZOO.entry("inputs of the wrong width")
def wrong_width():
    return Case(nn.Sequential(line(), nn.BatchNorm1d(4)), numbers(6, 3), None, square)


@ZOO.entry("a batch of one")
def one_sample():
    return Case(nn.Sequential(line(), nn.BatchNorm1d(4)), numbers(1, 4), None, square)


@ZOO.entry("no samples")
def no_samples():
    return Case(mlp(), numbers(6, 4)[:0], None, square)


@ZOO.entry("classes")
def classes():
    return Case(nn.Sequential(line(), nn.ReLU(), line(3)), numbers(), torch.arange(6) % 3, functional.cross_entropy)
