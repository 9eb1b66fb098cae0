"""Which weights the fixes reach, in disguise or not, and which they leave, against the published variances."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from gradwidgets.core.layers import FIXES, apply_fix, apply_in_place, completed, fixes_for, layer_flow, refusal, try_fix
from gradwidgets.core.layers.fixes.matrices import disguised
from gradwidgets.core.monitor import diagnose

# Variance of a weight by numbers of inputs and outputs: He et al. 2015, Glorot and Bengio 2010.
VARIANCES = {"he": lambda i, o: 2 / i, "xavier": lambda i, o: 2 / (i + o)}


class Conv1D(nn.Module):
    """As language models have it: stored (inputs, outputs)."""

    def __init__(self, outputs, inputs):
        super().__init__()
        self.outputs = outputs
        self.weight = nn.Parameter(torch.randn(inputs, outputs) * 0.02)
        self.bias = nn.Parameter(torch.ones(outputs))

    def forward(self, x):
        return torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight).view(*x.size()[:-1], self.outputs)


class Uncallable(Conv1D):
    """The same behind a forward that takes something else."""

    def forward(self, batch):
        return batch["x"] @ self.weight + self.bias


class Raw(nn.Module):
    """Matrices of its own, one stored each way, a table that is added, a vector that scales."""

    def __init__(self, inputs=200, hidden=300, outputs=150):
        super().__init__()
        self.first, self.shift = nn.Parameter(torch.randn(inputs, hidden)), nn.Parameter(torch.ones(hidden))
        self.second = nn.Parameter(torch.randn(outputs, hidden))
        self.table, self.scale = nn.Parameter(torch.randn(1, hidden)), nn.Parameter(torch.ones(hidden))

    def forward(self, x):
        return functional.linear(torch.relu(x @ self.first + self.shift) * self.scale + self.table, self.second)


class Table(nn.Module):
    """Somebody's own embedding."""

    def __init__(self, count, size):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(count, size))

    def forward(self, tokens):
        return functional.embedding(tokens, self.weight)


class Tied(nn.Module):
    def __init__(self, embed):
        super().__init__()
        self.embed, self.inner = embed, nn.Linear(16, 16)
        self.out = nn.Linear(16, 50, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, tokens):
        return self.out(torch.relu(self.inner(self.embed(tokens))))


def variance(weight):
    return float(weight.detach().double().square().mean())


@pytest.mark.parametrize("fix", VARIANCES)
@pytest.mark.parametrize("kind", [Conv1D, Uncallable])
@pytest.mark.parametrize(("inputs", "outputs"), [(200, 600), (600, 200), (300, 300)])
def test_a_matrix_stored_the_other_way_is_drawn_for_its_inputs(fix, kind, inputs, outputs):
    layer = apply_fix(nn.Sequential(kind(outputs, inputs)), fix)[0]
    assert variance(layer.weight) == pytest.approx(VARIANCES[fix](inputs, outputs), rel=0.03)
    assert not layer.bias.any()


def test_orthogonal_draws_and_gains_hold_for_the_product():
    layer = apply_fix(nn.Sequential(Conv1D(40, 60)), "orthogonal")[0].weight.detach()
    torch.testing.assert_close(layer.T @ layer, torch.eye(40), atol=1e-5, rtol=0)
    model = nn.Sequential(Conv1D(40, 60))
    fixed = apply_fix(model, "gain", gain=1.5)[0].weight.detach()
    assert variance(fixed) == pytest.approx(1.5**2 / 60, rel=1e-5)
    torch.testing.assert_close(fixed / fixed.norm(), model[0].weight.detach() / model[0].weight.detach().norm())


@pytest.mark.parametrize("fix", VARIANCES)
def test_a_module_s_own_matrices_are_told_by_what_it_does_with_them(fix):
    model = Raw()
    assert disguised(model) == {"first.T": "shift", "second": None}
    before, fixed = copy.deepcopy(model), apply_fix(model, fix)
    assert variance(fixed.first) == pytest.approx(VARIANCES[fix](200, 300), rel=0.03)
    assert variance(fixed.second) == pytest.approx(VARIANCES[fix](300, 150), rel=0.03)
    assert not fixed.shift.any()
    assert torch.equal(fixed.table, model.table) and torch.equal(fixed.scale, model.scale)
    assert all(map(torch.equal, model.parameters(), before.parameters()))


@pytest.mark.parametrize("fix", VARIANCES)
@pytest.mark.parametrize("sizes", [{}, {"kdim": 120, "vdim": 80}])
def test_attention_s_projections_are_matrices_each(fix, sizes):
    fixed = apply_fix(nn.MultiheadAttention(240, 4, **sizes), fix)
    apart = [fixed.q_proj_weight, fixed.k_proj_weight, fixed.v_proj_weight]
    parts = apart if sizes else fixed.in_proj_weight.chunk(3)
    for part in (*parts, fixed.out_proj.weight):
        assert variance(part) == pytest.approx(VARIANCES[fix](part.shape[1], 240), rel=0.03)


def test_a_bilinear_form_keeps_the_variance_of_products():
    model = apply_fix(nn.Bilinear(30, 40, 100), "he")
    assert variance(model.weight) == pytest.approx(2 / (30 * 40), rel=0.02)


@given(inputs=st.integers(1, 9), outputs=st.integers(1, 9), bias=st.booleans(), turned=st.booleans())
@settings(max_examples=40)
def test_which_way_a_matrix_is_stored_is_seen_whatever_its_shape(inputs, outputs, bias, turned):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.randn(inputs, outputs) if turned else torch.randn(outputs, inputs))
            self.b = nn.Parameter(torch.randn(outputs)) if bias else None

        def forward(self, x):
            product = x @ (self.w if turned else self.w.T)
            return product + self.b if bias else product

    if 1 not in (inputs, outputs):
        assert disguised(Own()) == {"w.T" if turned else "w": "b" if bias else None}


@pytest.mark.parametrize("embed", [lambda: nn.Embedding(50, 16), lambda: Table(50, 16)], ids=["torch's", "own"])
@pytest.mark.parametrize("fix", ["he", "xavier", "orthogonal", "gain"])
def test_an_embedding_is_left_and_what_is_tied_to_it(fix, embed):
    model = Tied(embed())
    fixed = apply_fix(model, fix)
    assert torch.equal(fixed.embed.weight, model.embed.weight) and fixed.out.weight is fixed.embed.weight
    assert not torch.equal(fixed.inner.weight, model.inner.weight)


def test_frozen_matrices_and_their_biases_are_left():
    model = nn.Sequential(Conv1D(8, 8), nn.MultiheadAttention(8, 2), nn.Linear(8, 8))
    model[0].requires_grad_(False)
    model[1].in_proj_weight.requires_grad_(False)
    fixed = apply_fix(model, "he")
    assert torch.equal(fixed[0].weight, model[0].weight) and fixed[0].bias.all()
    assert torch.equal(fixed[1].in_proj_weight, model[1].in_proj_weight)
    assert not torch.equal(fixed[1].out_proj.weight, model[1].out_proj.weight)


@pytest.mark.parametrize("fix", ["he", "xavier", "orthogonal", "gain"])
def test_the_code_reaches_and_leaves_the_same(fix):
    class All(nn.Module):
        def __init__(self):
            super().__init__()
            self.tied, self.conv, self.raw = Tied(nn.Embedding(50, 16)), Conv1D(12, 8), Raw(4, 6, 5)
            self.attention, self.form = nn.MultiheadAttention(8, 2, kdim=4), nn.Bilinear(3, 4, 5)
            self.up, self.frozen = nn.ConvTranspose1d(2, 3, 3), nn.Linear(3, 3).requires_grad_(False)

    model = All()
    options = {"gain": 1.3} if fix == "gain" else {"seed": 5}
    flow = layer_flow(nn.Linear(1, 1), torch.ones(1, 1), torch.ones(1, 1), functional.mse_loss)
    settled = completed(fix, options, model, flow)
    assert settled["also"] == {"conv.weight.T": "conv.bias", "raw.first.T": "raw.shift", "raw.second": None}
    fixed, scripted = apply_fix(model, fix, **settled), copy.deepcopy(model)
    assert all(map(torch.equal, fixed.parameters(), apply_fix(model, fix, **options).parameters()))
    exec(FIXES[fix].code(**settled), {"model": scripted})
    for (name, one), other in zip(fixed.named_parameters(), scripted.parameters(), strict=True):
        torch.testing.assert_close(one, other, msg=name)


def test_what_is_meant_besides_is_checked():
    with pytest.raises(TypeError, match="also must map names of parameters"):
        apply_fix(Raw(), "he", also=["first"])
    with pytest.raises(ValueError, match="also must name matrices among the model's parameters; got 'third'"):
        apply_fix(Raw(), "he", also={"third": None})


def test_a_fix_says_how_much_it_changed():
    model = Tied(nn.Embedding(50, 16))
    done = apply_in_place(model, "he")
    assert done.changed == pytest.approx(256 / (256 + 800)) and "it changed 24.2 % of the weights only" in done.reach
    tokens = torch.randint(0, 50, (32,))
    trial = try_fix(model, tokens, tokens, functional.cross_entropy, "he", seed=1)
    assert trial.changed == pytest.approx(256 / (256 + 800)) and "24.2 % of the weights only" in trial.note
    zeros = nn.Linear(3, 3)
    nn.init.zeros_(zeros.weight)
    nothing = apply_in_place(zeros, "gain")
    assert nothing.changed == 0 and nothing.reach == "it changed nothing: no weight has another number than before"
    all_of_it = apply_in_place(zeros, "xavier")
    assert all_of_it.changed == 1 and all_of_it.reach == ""
    layers = apply_in_place(nn.Sequential(*(nn.Linear(2, 2) for _ in range(3))), "residual")
    assert (layers.changed, layers.reach) == (0, "")


def test_only_what_is_tied_is_nothing_to_change_and_is_said():
    model = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 5, bias=False))
    model[1].weight = model[0].weight
    assert refusal(model, "he") == ""
    done = apply_in_place(model, "he")
    assert done.changed == 0 and "changed nothing" in done.reach


def test_zeros_are_offered_a_draw_and_other_missing_gradients_are_not():
    zeros, cut = nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    zeros = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
    for parameter in zeros.parameters():
        nn.init.zeros_(parameter)
    x, y = torch.randn(8, 4), torch.randn(8, 4)
    flow = layer_flow(zeros, x, y, functional.mse_loss)
    (found,) = [one for one in diagnose(flow) if one.name == "no_gradient"]
    assert fixes_for(found, flow) == fixes_for(found) == ["he", "xavier", "orthogonal"]
    flow = layer_flow(cut, x, y, lambda o, t: functional.mse_loss(cut[1](x.detach()), t) + 0 * o.detach().sum())
    assert all(not fixes_for(one, flow) for one in diagnose(flow) if one.name == "no_gradient")


class Ends(nn.Module):
    """An activation at the output that stands between layers as well."""

    def __init__(self):
        super().__init__()
        self.first, self.last, self.act = nn.Linear(4, 4), nn.Linear(4, 4), nn.ReLU()

    def forward(self, x):
        return self.act(self.last(self.act(self.first(x))))


def test_a_dead_output_activation_is_dropped():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU())
    nn.init.constant_(model[2].bias, -99.0)
    x, y = torch.randn(8, 4), torch.randn(8, 4)
    flow = layer_flow(model, x, y, functional.mse_loss)
    offered = {one.name: fixes_for(one, flow) for one in diagnose(flow)}
    assert all("drop_output_activation" in offered[name] for name in ("dead_units", "no_gradient"))
    fixed = apply_fix(model, "drop_output_activation")
    assert isinstance(fixed[3], nn.Identity) and isinstance(fixed[1], nn.ReLU)
    assert not any(one.name == "no_gradient" for one in diagnose(layer_flow(fixed, x, y, functional.mse_loss)))
    for which in (None, ("3",)):
        scripted = copy.deepcopy(model)
        exec(FIXES["drop_output_activation"].code(which=which), {"model": scripted})
        assert repr(scripted) == repr(fixed)


def test_where_no_activation_gives_the_output_none_is_dropped():
    for model in (nn.Linear(2, 2), nn.Sequential(nn.ReLU(), nn.Linear(2, 2)), nn.ReLU()):
        assert "no activation module gives the output" in refusal(model, "drop_output_activation")
    model, x = Ends(), torch.randn(8, 4)
    flow = layer_flow(model, x, x, functional.mse_loss)
    options = completed("drop_output_activation", {}, model, flow)
    assert "no activation module gives" in refusal(model, "drop_output_activation", **options)
    alive = layer_flow(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), x, x, functional.mse_loss)
    assert all("drop_output_activation" not in fixes_for(one, alive) for one in diagnose(alive))
    with pytest.raises(ValueError, match="which must name an activation of the model; got 'first'"):
        apply_fix(Ends(), "drop_output_activation", which=["first"])


def test_two_stacked_layers_of_one_weight_are_drawn_once():
    model = nn.Sequential(nn.Linear(40, 40), nn.Linear(40, 40))
    model[1].weight = model[0].weight
    fixed = apply_fix(model, "he", seed=2)
    expected = torch.empty(40, 40)
    nn.init.kaiming_normal_(expected, nonlinearity="relu", generator=torch.Generator().manual_seed(2))
    assert torch.equal(fixed[0].weight, expected) and math.isclose(variance(expected), 2 / 40, rel_tol=0.1)
