"""Every fix on a copy, what it changes, and what its code does."""

import copy
import math

import pytest
import torch
from torch import nn

from gradwidgets.core.layers import (
    CHECKS,
    FIXES,
    NETWORKS,
    Residual,
    apply_fix,
    build_network,
    completed,
    fixes_for,
    layer_flow,
    refusal,
    try_fix,
)
from gradwidgets.core.monitor import diagnose
from gradwidgets.core.subject.held.held import Held
from tests.core.layers.gallery import HEALTHY, built, source_demo

ON_MODELS = [name for name, fix in FIXES.items() if fix.changes_model]
X = torch.linspace(-1, 1, 160).reshape(16, 10)


def mlp(activation=nn.Sigmoid, layers=5, width=10):
    parts = [m for _ in range(layers) for m in (nn.Linear(width, width), activation())]
    return nn.Sequential(*parts, nn.Linear(width, 1))


def ended(model, name):
    """With an activation at the output, where a fix is for that."""
    return nn.Sequential(*model, nn.Sigmoid()) if name == "drop_output_activation" else model


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.Tanh(),
        nn.Conv2d(4, 4, 3, padding=1),
        nn.Tanh(),
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(64, 2),
    )


def same(a, b):
    one, other = a.state_dict(), b.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("make", [mlp, cnn])
@pytest.mark.parametrize("name", ON_MODELS)
def test_the_copy_is_changed_and_the_model_is_not(name, make):
    model = ended(make(), name).eval()
    model[0].weight.register_hook(lambda g: None)
    before, numbers = copy.deepcopy(model), torch.get_rng_state()
    fixed = apply_fix(model, name)
    assert same(model, before) and repr(model) == repr(before)
    assert torch.equal(torch.get_rng_state(), numbers)
    assert not same(fixed, model) or repr(fixed) != repr(model)
    assert not any(m.training for m in fixed.modules())
    x = X if make is mlp else torch.ones(2, 1, 4, 4)
    assert fixed(x).shape == model(x).shape
    assert {id(p) for p in fixed.parameters()}.isdisjoint(id(p) for p in model.parameters())


SICK = {
    "demo": source_demo,
    "default": lambda: built(depth=30, init="default"),
    "sigmoid": lambda: built(depth=20, activation="Sigmoid", init="default"),
    "linear": lambda: built(depth=30, activation="Identity", init="normal", gain=1.5),
    "saturated": lambda: built(depth=8, activation="Tanh", init="normal", gain=10),
}
CURES = [
    ("default", "he", {}),
    ("default", "gain", {}),
    ("default", "normalization", {}),
    ("default", "residual", {}),
    ("sigmoid", "normalization", {"kind": "batch"}),
    ("linear", "xavier", {}),
    ("linear", "orthogonal", {}),
    ("linear", "gain", {}),
    ("linear", "normalization", {}),
    ("saturated", "xavier", {}),
    ("saturated", "orthogonal", {}),
    ("saturated", "normalization", {}),
]


@pytest.mark.parametrize(("sick", "fix", "options"), CURES)
def test_cures(sick, fix, options):
    model, inputs, targets, loss = SICK[sick]()
    finding = diagnose(layer_flow(model, inputs, targets, loss))[0]
    assert fix in fixes_for(finding)
    after = diagnose(layer_flow(apply_fix(model, fix, **options), inputs, targets, loss))
    assert [f for f in after if f.severity in ("warning", "error")] == [], [str(f) for f in after]


def test_the_sources_demo_needs_two_fixes():
    model, inputs, targets, loss = source_demo()
    cured = apply_fix(apply_fix(model, "activation", to="ReLU"), "he")
    assert diagnose(layer_flow(cured, inputs, targets, loss))[0].name == "healthy"


@pytest.mark.parametrize("name", ["he", "xavier", "orthogonal"])
def test_reinitialisation_is_torchs(name):
    model = mlp()
    model[2].requires_grad_(False)
    fixed = apply_fix(model, name, seed=3)
    assert torch.equal(fixed[2].weight, model[2].weight) and torch.equal(fixed[2].bias, model[2].bias)
    assert not fixed[0].bias.any()
    expected = copy.deepcopy(model)
    exec(FIXES[name].code(seed=3), {"model": expected})
    assert torch.allclose(expected[0].weight, fixed[0].weight)
    assert torch.equal(apply_fix(model, name, seed=3)[4].weight, fixed[4].weight)
    assert not torch.equal(apply_fix(model, name, seed=4)[4].weight, fixed[4].weight)


@pytest.mark.parametrize("to", ["ReLU", "GELU", "SELU"])
def test_activations_are_swapped_but_for_the_output(to):
    model = nn.Sequential(*mlp(), nn.Sigmoid())
    fixed = apply_fix(model, "activation", to=to)
    kinds = [type(m).__name__ for m in fixed if not isinstance(m, nn.Linear)]
    assert kinds == [to] * 5 + ["Sigmoid"]
    exec(FIXES["activation"].code(to=to), {"model": model})
    assert repr(model) == repr(fixed)


def test_a_shared_activation_stays_shared():
    relu = nn.ReLU()
    fixed = apply_fix(
        nn.Sequential(nn.Linear(2, 2), relu, nn.Linear(2, 2), relu, nn.Linear(2, 1)), "activation", to="SiLU"
    )
    assert fixed[1] is fixed[3] and isinstance(fixed[1], nn.SiLU)


@pytest.mark.parametrize("kind", ["layer", "batch"])
@pytest.mark.parametrize("make", [mlp, cnn])
def test_normalisation_comes_after_every_layer_but_the_last(make, kind):
    model = make()
    fixed = apply_fix(model, "normalization", kind=kind)
    layers = [m for m in model if hasattr(m, "weight")]
    norms = [m for m in fixed.modules() if isinstance(m, (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._BatchNorm))]
    assert len(norms) == len(layers) - 1
    exec(FIXES["normalization"].code(kind=kind), {"model": model})
    assert repr(model) == repr(fixed)
    with pytest.raises(ValueError, match="no linear or convolution layer but the last"):
        apply_fix(nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2), nn.Linear(2, 1)), "normalization")


@pytest.mark.parametrize("kind", NETWORKS)
def test_torchs_own_modules_are_not_wrapped(kind):
    encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    fixed = apply_fix(nn.Sequential(nn.Linear(8, 8), encoder, nn.Linear(8, 1)), "normalization")
    assert isinstance(fixed[1].linear1, nn.Linear) and isinstance(fixed[1].self_attn.out_proj, nn.Linear)
    built_one = build_network(kind, depth=4, width=8, activation="ReLU", init="He")
    assert apply_fix(built_one, "normalization")(torch.ones(3, 8)).shape == (3, 1)


def test_residual_connections_go_around_runs_of_one_width():
    model = mlp(nn.ReLU, layers=5)
    fixed = apply_fix(model, "residual", layers=2)
    blocks = [m for m in fixed if isinstance(m, Residual)]
    assert [type(m).__name__ for m in fixed] == ["Residual", "Residual", "Linear", "ReLU", "Linear"]
    assert blocks[0].scale == pytest.approx(1 / math.sqrt(2))
    x = X.clone()
    for i in (0, 4):
        x = x + model[i : i + 4](x) / math.sqrt(2)
    assert torch.allclose(fixed(X), model[8:](x))
    assert sum(p.numel() for p in fixed.parameters()) == sum(p.numel() for p in model.parameters())
    assert [type(m).__name__ for m in apply_fix(cnn(), "residual", layers=2, scale=1.0)][2] == "Residual"
    with pytest.raises(ValueError, match=r"no nn\.Sequential in this model holds 2 layers of one width"):
        apply_fix(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1)), "residual")


@pytest.mark.parametrize("options", [{}, {"layers": 1}, {"scale": 0.5}])
@pytest.mark.parametrize("make", [mlp, cnn, lambda: nn.Sequential(mlp(layers=3), nn.Tanh(), mlp(nn.ReLU, 6, 1))])
def test_the_code_for_residual_connections_does_what_the_fix_does(make, options):
    model = make()
    x = torch.randn(4, 1, 4, 4) if isinstance(model[0], nn.Conv2d) else X
    fixed = apply_fix(model, "residual", **options)
    exec(FIXES["residual"].code(**options), {"model": model})
    assert repr(model).count("Residual(") == repr(fixed).count("Residual(") > 0
    assert torch.equal(model(x), fixed(x))


@pytest.mark.parametrize("gain", [None, 0.5])
def test_rescaling_keeps_directions(gain):
    model = mlp(nn.Tanh)
    fixed = apply_fix(model, "gain", gain=gain)
    for i, wanted in ((0, 5 / 3), (10, 1.0)):
        before, after = model[i].weight.detach(), fixed[i].weight.detach()
        assert torch.allclose(before / before.norm(), after / after.norm())
        assert float(after.square().mean().sqrt()) == pytest.approx((gain or wanted) / math.sqrt(10), rel=1e-5)
    if gain:
        exec(FIXES["gain"].code(gain=gain), {"model": model})
        assert torch.allclose(model[4].weight, fixed[4].weight)


def test_clipping_acts_on_the_training():
    with pytest.raises(ValueError, match="acts on the training, between backward and step"):
        apply_fix(mlp(), "clip")
    with pytest.raises(ValueError, match="acts on the training, and not on the model"):
        FIXES["clip"].change(mlp(), max_norm=1.0)
    weight = nn.Parameter(torch.ones(4))
    model = nn.ParameterList([weight])
    optimizer = torch.optim.SGD([weight], lr=1.0)
    exec(FIXES["clip"].code(max_norm=0.5), {"model": model, "loss": (100 * weight).sum(), "optimizer": optimizer})
    assert torch.allclose(weight, torch.full((4,), 0.75))


@pytest.mark.parametrize("name", FIXES)
def test_every_fix_has_words_and_code_that_compiles(name):
    fix = FIXES[name]
    assert fix.title and fix.about and set(fix.answers) <= set(CHECKS)
    compile(fix.code(), name, "exec")
    assert all(name in fixes_for(answer) for answer in fix.answers)


def test_every_size_finding_has_a_fix():
    for check in ("vanishing", "exploding", "dead_units", "saturated"):
        assert fixes_for(check)
    assert fixes_for(diagnose(layer_flow(*HEALTHY["He, depth 2"]()))[0]) == []


WRONG = [
    (("hee", {}), ValueError, "unknown fix 'hee': choose one of 'he'"),
    (("he", {"speed": 1}), TypeError, "unknown option 'speed' for 'He re-initialisation': its options are 'seed'"),
    (("he", {"seed": -1}), ValueError, "seed must be from 0"),
    (("activation", {"to": "Swish"}), ValueError, "unknown activation 'Swish'"),
    (("normalization", {"kind": "group"}), ValueError, "unknown normalization 'group'"),
    (("residual", {"layers": 0}), ValueError, "layers must be from 1"),
    (("gain", {"gain": float("nan")}), ValueError, "gain must be finite"),
    (("clip", {"max_norm": 0}), ValueError, "max_norm must be finite and above 0"),
]


@pytest.mark.parametrize(("arguments", "kind", "words"), WRONG)
def test_what_is_refused_is_named(arguments, kind, words):
    name, options = arguments
    with pytest.raises(kind, match=words):
        apply_fix(mlp(), name, **options)


class SharesOne(nn.Module):
    """An activation that stands last in the model's list, and runs between all layers."""

    def __init__(self, output: nn.Module | None = None):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 1)
        self.act, self.output = nn.Tanh(), output

    def forward(self, x):
        x = self.last(self.act(self.second(self.act(self.first(x)))))
        return x if self.output is None else self.output(x)


@pytest.mark.parametrize("output", [None, nn.Sigmoid()])
def test_what_runs_between_layers_is_swapped_wherever_the_model_lists_it(output):
    model, x, y = SharesOne(output), torch.randn(8, 6), torch.rand(8, 1)
    assert "named" not in refusal(model, "activation") and "which=('act'" in refusal(model, "activation")
    options = completed("activation", {"to": "GELU"}, model, layer_flow(model, x, y, nn.functional.mse_loss))
    assert options == {"to": "GELU", "which": ("act",)} and refusal(model, "activation", **options) == ""
    trial = try_fix(model, x, y, nn.functional.mse_loss, "activation", to="GELU")
    assert trial.options == options and trial.after["act"].kind == "GELU"
    assert output is None or trial.after["output"].kind == "Sigmoid"
    fixed = apply_fix(model, "activation", **options)
    exec(FIXES["activation"].code(**options), {"model": model})
    assert repr(model) == repr(fixed) and isinstance(fixed.act, nn.GELU)


def test_an_activation_that_never_runs_between_layers_stays():
    class Plain(SharesOne):
        def forward(self, x):
            return self.act(self.last(self.second(self.first(x))))

    flow = layer_flow(model := Plain(), torch.randn(8, 6), torch.rand(8, 1), nn.functional.mse_loss)
    options = completed("activation", {"to": "GELU"}, model, flow)
    assert options["which"] == () and "no activation between layers" in refusal(model, "activation", **options)
    with pytest.raises(ValueError, match="which must name activations of the model, act; got 'first'"):
        apply_fix(model, "activation", which=["first"])
    # A generator would be empty after the check of its names.
    for which in ("act", 5, (name for name in ["act"])):
        with pytest.raises(TypeError, match="which must be names"):
            apply_fix(model, "activation", which=which)


def test_a_refusal_says_what_applying_would_and_only_looks():
    for model in (mlp(), mlp(nn.ReLU), nn.LSTM(2, 2), nn.Linear(2, 2), SharesOne()):
        before = Held(model)
        for name in FIXES:
            why = refusal(model, name)
            if name == "clip":
                assert why == ""
                continue
            try:
                apply_fix(model, name)
            except ValueError as failure:
                assert why == str(failure)
            else:
                assert why == ""
        assert before.put_back().unchanged


def test_complex_weights_are_rescaled_too():
    model = nn.Sequential(nn.Linear(4, 4, dtype=torch.complex64))
    weight = apply_fix(model, "gain", gain=1.0)[0].weight.detach()
    assert float(weight.abs().square().mean().sqrt()) == pytest.approx(0.5)


def test_nothing_to_change_is_said():
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module"):
        apply_fix("model", "he")
    with pytest.raises(ValueError, match="no linear or convolution layer whose weight is trained"):
        apply_fix(nn.LSTM(2, 2), "he")
    with pytest.raises(ValueError, match="no activation between layers"):
        apply_fix(nn.Linear(2, 2), "activation")
    with pytest.raises(ValueError, match="every activation between layers is ReLU already"):
        apply_fix(mlp(nn.ReLU), "activation")


def test_a_flat_activation_at_the_output_is_not_answered_within_the_network():
    net = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1), nn.Sigmoid())
    nn.init.constant_(net[2].bias, -60.0)
    flow = layer_flow(net, torch.randn(16, 8), None, lambda o, _: torch.log(1 - o).mean())
    found = next(one for one in diagnose(flow) if one.name == "saturated")
    assert "logsigmoid" in found.action and "ReLU" not in found.action
    assert fixes_for(found) and not {"activation", "normalization"} & set(fixes_for(found))
