"""Models as public reports have them, sick and sound, each with what is right to say of it."""

import math
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradwidgets.core.layers import apply_fix, fixes_for, layer_flow, try_fix
from gradwidgets.core.monitor import diagnose


def numbers(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def classes(count, most=4):
    return torch.randint(0, most, (count,), generator=torch.Generator().manual_seed(2))


def net(*middle, last=(), outputs=4):
    return nn.Sequential(nn.Linear(16, 32), *middle, nn.Linear(32, outputs), *last)


class Calling(nn.Module):
    """A forward given as a function of the module and its inputs."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.way = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs):
        return self.way(self, *inputs)


def with_(change, model):
    with torch.no_grad():
        change(model)
    return model


def spoilt(tensor, place, value):
    tensor[place] = value
    return tensor


def scaled(after):
    layers = nn.ModuleList(nn.Linear(16, 16, bias=False) for _ in range(9))
    for layer in layers:
        nn.init.orthogonal_(layer.weight)

    def forward(self, x):
        for number, layer in enumerate(self.layers):
            x = layer(x) * (1e-8 if number == after else 1)
        return self.head(x)

    return Calling(forward, layers=layers, head=nn.Linear(16, 4))


def attends():
    attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x, mask):
        z = self.embed(x)
        return self.head(self.attention(z, z, z, key_padding_mask=mask)[0])

    return Calling(forward, embed=nn.Linear(8, 8), attention=attention, head=nn.Linear(8, 1))


def masked():
    mask = torch.zeros(2, 4, dtype=torch.bool)
    mask[1] = True
    return attends(), (numbers(2, 4, 8), mask), torch.zeros(2, 4, 1), functional.mse_loss


def remembers(gain):
    rnn = nn.RNN(8, 32, batch_first=True, nonlinearity="relu")
    with_(lambda one: one.weight_hh_l0.mul_(gain), rnn)
    model = Calling(lambda self, x: self.head(self.rnn(x)[0][:, -1]), rnn=rnn, head=nn.Linear(32, 4))
    return model, numbers(8, 200, 8), classes(8), functional.cross_entropy


def tied():
    embed = nn.Embedding(50, 16)
    out = nn.Linear(16, 50, bias=False)
    out.weight = embed.weight
    return Calling(lambda self, t: self.out(self.embed(t)), embed=embed, out=out)


def frozen():
    model = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))
    model[:4].requires_grad_(False)
    return model


def padded():
    tokens = torch.randint(0, 20, (64, 3), generator=torch.Generator().manual_seed(3))
    model = nn.Sequential(nn.Embedding(20, 8, padding_idx=0), nn.Flatten(), nn.Linear(24, 20))
    return model, tokens, tokens[:, 0], functional.cross_entropy


def listed():
    model = Calling(lambda self, x: self.out(torch.relu(self.hidden[0](x))), out=nn.Linear(16, 4))
    model.hidden = [nn.Linear(16, 16)]
    return model


def side_branch():
    def three():
        return nn.Sequential(*(nn.Linear(16, 16) for _ in range(3)))

    return Calling(lambda self, x: self.head(self.a(x) + 1e-9 * self.b(x)), a=three(), b=three(), head=nn.Linear(16, 4))


def adapted():
    base = nn.Linear(16, 16).requires_grad_(False)
    parts = {"A": nn.Linear(16, 2, bias=False), "B": nn.Linear(2, 16, bias=False), "head": nn.Linear(16, 4)}
    nn.init.zeros_(parts["B"].weight)
    return Calling(lambda self, x: self.head(torch.relu(self.base(x) + self.B(self.A(x)))), base=base, **parts)


def gained():
    gate = {"f": nn.Linear(16, 16), "gain": nn.Parameter(torch.zeros(16)), "scale": nn.Parameter(torch.ones(16))}
    block = Calling(lambda self, x: x + self.gain * self.scale * torch.relu(self.f(x)), **gate)
    return nn.Sequential(nn.Linear(16, 16), block, nn.Linear(16, 4))


def plain(model, inputs=None, targets=None, loss=functional.cross_entropy):
    return model, numbers(32, 16) if inputs is None else inputs, classes(32) if targets is None else targets, loss


mse = functional.mse_loss
# Name → what is measured, the findings that are warnings or errors, words that stand in what is said, and words that
# would be false.
REPORTS = {
    "a layer in a Python list": (lambda: plain(listed()), ["unlisted"], ["hidden[0].weight", "parameters()"], []),
    "softmax before cross-entropy": (
        lambda: plain(net(nn.ReLU(), last=(nn.Softmax(1),))),
        ["not_logits"],
        ["softmax", "logits"],
        [],
    ),
    "outputs (32, 1), targets (32,)": (
        lambda: plain(net(nn.ReLU(), outputs=1), None, numbers(32), mse),
        ["broadcast"],
        ["(32, 32)"],
        [],
    ),
    "all keys of a sample masked": (masked, ["non_finite"], ["attention", "mask"], ["outside of any module"]),
    "infinity in the inputs": (
        lambda: plain(net(nn.ReLU()), spoilt(numbers(32, 16), (0, 0), math.inf)),
        ["non_finite"],
        ["inputs"],
        ["functions called there"],
    ),
    "NaN in the targets": (
        lambda: plain(net(nn.ReLU()), None, spoilt(numbers(32, 4), (0, 0), math.nan), mse),
        ["non_finite"],
        ["targets"],
        [],
    ),
    "a factor before the head": (lambda: plain(scaled(8)), ["cliff"], ["layers.8", "head", "mul"], []),
    "a factor half way": (lambda: plain(scaled(4)), ["cliff"], ["layers.4", "layers.5"], ["a layer. "]),
    "a branch that is hardly there": (lambda: plain(side_branch()), ["cliff"], ["b.2"], ["exploding"]),
    "one class": (lambda: plain(nn.Linear(16, 1), None, classes(32, 1)), ["constant_loss"], ["one class"], []),
    "bytes as numbers": (
        lambda: plain(net(nn.ReLU()), (numbers(32, 16).abs() * 80).clamp(0, 255).round()),
        ["input_scale"],
        ["inputs", "scale"],
        [],
    ),
    "a memory that explodes": (lambda: remembers(2.6), ["exploding along time"], ["time steps"], []),
    "a real token as padding": (padded, ["padding"], ["padding_idx=0", "token 0"], []),
    "all but the head frozen": (
        lambda: plain(frozen()),
        [],
        ["2 of 3 layers with weights are frozen"],
        ["every layer"],
    ),
    "a head of zeros": (lambda: plain(with_(lambda m: m[2].weight.zero_(), net(nn.ReLU()))), [], [], ["stay the same"]),
    "a low-rank adapter": (lambda: plain(adapted()), [], ["B begins at 0"], ["stay the same"]),
    "a gain that begins at 0": (lambda: plain(gained()), [], ["1.gain"], []),
    "an embedding tied to the head": (lambda: plain(tied(), classes(32, 50), classes(32, 50)), [], [], []),
    "a small net": (lambda: plain(net(nn.ReLU())), [], ["reaches every layer"], []),
    "a small net with LayerNorm": (lambda: plain(net(nn.LayerNorm(32), nn.GELU())), [], ["reaches every layer"], []),
}


@pytest.mark.parametrize("name", REPORTS)
def test_what_is_said_is_right(name):
    make, wanted, words, false = REPORTS[name]
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flow = layer_flow(*make())
    findings = diagnose(flow)
    said = " ".join([*map(str, findings), *flow.notes])
    assert [one.name for one in findings if one.severity in ("warning", "error")] == wanted, said
    assert [word for word in words if word not in said] == [] and [word for word in false if word in said] == [], said
    assert flow.certificate.unchanged


def test_the_norm_of_a_large_gradient_is_that_of_float64():
    model, x, y = nn.Linear(2048, 2048, bias=False), numbers(4, 2048), numbers(4, 2048, seed=3)
    (gradient,) = torch.autograd.grad(mse(model(x), y), [model.weight])
    measured = layer_flow(model, x, y, mse).layers[0].weight_grad_norm
    assert measured == pytest.approx(float(gradient.double().norm()), rel=1e-7)


def test_a_draw_leaves_what_is_tied_to_an_embedding():
    model = tied()
    assert torch.equal(apply_fix(nn.Sequential(model, nn.Linear(50, 4)), "he")[0].embed.weight, model.embed.weight)


def test_what_is_offered_against_softmax_before_the_loss_takes_it_away():
    torch.manual_seed(0)
    batch = plain(net(nn.ReLU(), last=(nn.Softmax(1),)))
    flow = layer_flow(*batch)
    assert fixes_for(diagnose(flow)[0], flow) == ["drop_output_activation"]
    trial = try_fix(*batch, "drop_output_activation")
    assert [one.name for one in trial.findings_before if one.severity == "error"] == ["not_logits"]
    assert [one for one in trial.findings_after if one.severity == "error"] == []


@pytest.mark.parametrize(
    ("way", "named"),
    [
        (lambda z: torch.from_numpy(z.detach().numpy()), "detach"),
        (lambda z: torch.from_numpy(z.detach().cpu().numpy().copy()), "detach"),
        (lambda z: torch.tensor(z.data.numpy()), "data"),
        (lambda z: torch.tensor(z.detach().tolist()), "detach"),
        (lambda z: torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(z.detach())), "detach"),
    ],
)
def test_what_leaves_torch_as_a_detached_copy_is_used_and_the_line_that_detaches_it_is_named(way, named):
    model = Calling(lambda self, x: self.d(way(self.e(x))), e=nn.Linear(16, 8), d=nn.Linear(8, 4))
    found = diagnose(layer_flow(model, numbers(8, 16), classes(8), functional.cross_entropy))
    cut = next(one for one in found if one.name == "no_gradient")
    assert cut.severity == "error" and "does not use" not in cut.message and cut.evidence["layers"] == ["e"]
    line = way.__code__.co_firstlineno
    assert f"{named} (test_reports.py, line {line}) cuts it off" in cut.message


def test_what_is_not_used_at_all_is_still_said_to_be_unused():
    model = Calling(lambda self, x: (self.e(x), self.d(x))[1], e=nn.Linear(16, 8), d=nn.Linear(16, 4))
    found = diagnose(layer_flow(model, numbers(8, 16), classes(8), functional.cross_entropy))
    assert "the loss does not use what it gives" in next(one for one in found if one.name == "no_gradient").message
