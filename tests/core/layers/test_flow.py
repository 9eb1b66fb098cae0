"""What is measured, against plain autograd and closed forms."""

import copy
import json
import math
import queue
import random
import subprocess
import sys
import weakref

import pytest
import torch
from torch import nn

from gradwidgets.core.layers import FlowError, build_network, layer_flow

X = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))


def square(output, targets):
    return output.square().mean()


def mlp(*activations):
    activations = activations or (nn.Tanh(),)
    return nn.Sequential(*(m for a in activations for m in (nn.Linear(8, 8), a)), nn.Linear(8, 1))


def test_the_first_look_waits_for_no_library_that_it_does_not_need():
    code = (
        "import sys, torch; from gradwidgets.core import diagnose, layer_flow\n"
        "net, loss = torch.nn.Linear(4, 3), torch.nn.functional.cross_entropy\n"
        "diagnose(layer_flow(net, torch.ones(5, 4), torch.zeros(5, dtype=torch.long), loss))\n"
        "sys.exit('sympy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_number_is_autograds(dtype):
    model = mlp(nn.ReLU(), nn.Sigmoid()).to(dtype)
    x = X.to(dtype)
    flow = layer_flow(model, x, None, square)
    outputs, now = [], x
    for module in model:
        now = module(now)
        now.retain_grad()
        outputs.append(now)
    loss = square(now, None)
    loss.backward()
    gradients = [output.grad for output in outputs]
    outputs = [output.detach() for output in outputs]
    model.requires_grad_(False)
    assert flow.loss == loss.item()
    assert [layer.name for layer in flow.layers] == list("01234")
    near = {"rel": 1e-5 if dtype is torch.float32 else 1e-12, "abs": 1e-7}
    for layer, module, output, back in zip(flow.layers, model, outputs, gradients, strict=True):
        assert (layer.activation_mean, layer.activation_std) == pytest.approx(
            (float(output.mean()), float(output.std(correction=0))), **near
        )
        assert (layer.activation_min, layer.activation_max) == (float(output.min()), float(output.max()))
        assert layer.activation_grad_rms == pytest.approx(float(back.square().mean().sqrt()), **near)
        assert layer.activation_grad_norm == pytest.approx(float(back.norm()), **near)
        assert layer.activation_rms == pytest.approx(float(output.square().mean().sqrt()), **near)
        if isinstance(module, nn.Linear):
            assert layer.parameters == module.weight.numel() + module.bias.numel()
            assert layer.weight_norm == pytest.approx(float(module.weight.norm()), **near)
            assert layer.weight_grad_norm == pytest.approx(float(module.weight.grad.norm()), **near)
            assert layer.weight_grad_rms == pytest.approx(float(module.weight.grad.square().mean().sqrt()), **near)
            assert math.isnan(layer.dead_fraction)
        else:
            assert layer.gradient == "no weights" and math.isnan(layer.weight_norm)
    relu = outputs[1]
    assert flow["1"].dead_fraction == pytest.approx(float((relu == 0).all(0).double().mean()))
    assert flow["3"].saturated_fraction == float((outputs[3] * (1 - outputs[3]) < 0.0125).double().mean())


@pytest.mark.parametrize(("c", "length"), [(1.0, 10), (4.0, 10), (1.0, 500), (2.0, 50)])
def test_a_chain_of_sigmoids(c, length):
    """Weight c, bias −c/2, from ½: the gradient is (c/4)^L, far beyond float32's squares."""
    layers = []
    for _ in range(length):
        layer = nn.Linear(1, 1).double()
        nn.init.constant_(layer.weight, c)
        nn.init.constant_(layer.bias, -c / 2)
        layers += [layer, nn.Sigmoid()]
    flow = layer_flow(nn.Sequential(*layers), torch.full((1, 1), 0.5).double(), None, lambda out, t: out.sum())
    backs = [layer.activation_grad_rms for layer in flow.layers if layer.kind == "Linear"]
    for i, back in enumerate(backs):
        # By the argument of the i-th sigmoid: one factor ¼ for it, c/4 for each after it.
        assert back == pytest.approx(0.25 * (c / 4) ** (length - 1 - i), rel=1e-9)
    assert c * backs[0] == pytest.approx((c / 4) ** length, rel=1e-9)


@pytest.mark.parametrize("gain", [0.5, 1.0, 1.5])
def test_bias_free_relu_layers_share_one_product(gain):
    """⟨W, ∇W⟩ is the same for every layer and equals ⟨∂L/∂out, out⟩ (Du et al. 2018)."""
    model = build_network("plain", depth=6, width=20, activation="ReLU", init="He", gain=gain, bias=False).double()
    x = torch.randn(8, 20, generator=torch.Generator().manual_seed(3)).double()
    output = model(x)
    loss = (output - 1.0).square().mean()
    layers = [m for m in model if isinstance(m, nn.Linear)]
    wanted = torch.autograd.grad(loss, [output, *(m.weight for m in layers)])
    product = (wanted[0] * output).sum().item()
    flow = layer_flow(model, x, 1.0, lambda out, t: (out - t).square().mean())
    rows = [layer for layer in flow.layers if layer.weights]
    for layer, row, gradient in zip(layers, rows, wanted[1:], strict=True):
        assert (layer.weight * gradient).sum().item() == pytest.approx(product)
        assert row.weight_grad_norm == pytest.approx(float(gradient.norm()))
        assert row.weight_norm * row.weight_grad_norm >= abs(product) * (1 - 1e-12)


@pytest.mark.parametrize("scale", [1e-30, 1e-37, 1e25])
def test_numbers_whose_squares_do_not_fit_float32(scale):
    model = mlp(nn.ReLU())
    plain = layer_flow(model, X, None, square)
    scaled = layer_flow(model, X, None, lambda out, t: square(out, t) * scale)
    for a, b in zip(plain.layers, scaled.layers, strict=True):
        assert b.activation_grad_rms == pytest.approx(a.activation_grad_rms * scale, rel=1e-3)
        if a.weights:
            assert b.weight_grad_norm == pytest.approx(a.weight_grad_norm * scale, rel=1e-3)


def test_large_tensors_are_reduced_in_pieces():
    model = nn.Sequential(nn.PReLU())
    x = torch.randn(3, 800, 1000, generator=torch.Generator().manual_seed(0)) + 10
    output = model(x).detach().double()
    layer = layer_flow(model, x, None, square)["0"]
    assert layer.outputs == output.numel() > 2**21
    assert layer.activation_mean == pytest.approx(float(output.mean()), rel=1e-9)
    assert layer.activation_std == pytest.approx(float(output.std(correction=0)), rel=1e-9)
    assert (layer.activation_min, layer.activation_max) == (float(output.min()), float(output.max()))


def test_dead_units_are_channels():
    model = nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU())
    with torch.no_grad():
        model[0].weight.fill_(1.0)
        model[0].bias.copy_(torch.tensor([0.0, -1e3, 0.0, -1e3]))
    assert layer_flow(model, torch.randn(4, 1, 5, 5), None, square)["1"].dead_fraction == 0.5
    assert layer_flow(model, torch.randn(1, 5, 5), None, square)["1"].dead_fraction == 0.5
    model = nn.Sequential(nn.Linear(8, 4), nn.ReLU())  # features last, whatever comes before
    with torch.no_grad():
        model[0].weight.zero_()
        model[0].bias.copy_(torch.tensor([1.0, -1.0, -1.0, -1.0]))
    assert layer_flow(model, torch.randn(3, 5, 8), None, square)["1"].dead_fraction == 0.75
    few = layer_flow(model, torch.randn(2, 8), None, square)["1"]
    assert math.isnan(few.dead_fraction) and "too few" in few.note


def test_calls_of_one_module_are_taken_together():
    layer = nn.Linear(8, 8)
    flow = layer_flow(nn.Sequential(layer, nn.Tanh(), layer), X, None, square)
    first = layer(X)
    both = torch.cat([first, layer(first.tanh())]).detach()
    assert flow["0"].calls == 2 and flow["0"].outputs == both.numel()
    assert flow["0"].activation_mean == pytest.approx(float(both.mean()), rel=1e-5)
    assert flow["0"].activation_std == pytest.approx(float(both.std(correction=0)), rel=1e-5)


def test_layers_stand_in_the_order_in_which_they_run():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.last, self.unused, self.first = nn.Linear(8, 1), nn.Linear(2, 2), nn.Linear(8, 8)
            self.scale = nn.Parameter(torch.ones(8))

        def forward(self, x):
            return self.last(self.first(x * self.scale))

    flow = layer_flow(Backwards(), X, None, square)
    assert [layer.name for layer in flow.layers] == ["(model)", "first", "last", "unused"]
    assert flow.layers[0].composite and not flow.layers[1].composite
    assert flow["unused"].gradient == "not called" and flow["unused"].calls == 0
    assert [name for name, _ in flow.unmeasured] == ["unused"]


def test_what_is_shared_says_so():
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    model[1].weight = model[0].weight
    flow = layer_flow(model, X, None, square)
    assert flow["1"].note == "weight is shared with 0, and so is its gradient"
    assert flow["1"].weight_grad_norm == flow["0"].weight_grad_norm


def test_frozen_weights_are_named_and_the_gradient_still_seen_behind_them():
    model = mlp(nn.Tanh(), nn.Tanh())
    model[2].requires_grad_(False)
    flow = layer_flow(model, X, None, square)
    frozen = flow["2"]
    assert frozen.gradient == "frozen" and "frozen" in frozen.note and math.isnan(frozen.weight_grad_rms)
    assert frozen.activation_grad_rms > 0 and frozen.weight_norm > 0
    assert ("2", frozen.note) in flow.unmeasured


def test_hooks_on_gradients_are_not_run_and_not_lost():
    model, ran = mlp(), []
    hooks = [
        model[0].weight.register_hook(lambda g: ran.append("tensor")),
        model[2].register_full_backward_hook(lambda *_: ran.append("module")),
        model[2].weight.register_post_accumulate_grad_hook(lambda p: ran.append("after")),
    ]
    model[1].register_forward_hook(lambda *_: ran.append("forward"))
    flow = layer_flow(model, X, None, square)
    assert ran == [] and flow.certificate.unchanged
    assert any("2 hooks on gradients were not run" in note for note in flow.notes)
    assert any("forward hooks ran once, on the copy" in note for note in flow.notes)
    model(X).sum().backward()
    assert sorted(ran) == ["after", "forward", "module", "tensor"]
    for hook in hooks:
        hook.remove()
    model(X).sum().backward()
    assert len(ran) == 5


def test_nothing_is_kept_alive():
    kept = queue.SimpleQueue()  # of a library, which is neither copied nor put back

    class Keeps(nn.Module):
        def forward(self, x):
            y = x * 2
            kept.put(weakref.ref(y))
            return y

    flow = layer_flow(nn.Sequential(nn.Linear(8, 8), Keeps(), nn.ReLU()), X, None, square)
    assert kept.get_nowait()() is None and flow.layers
    assert "queue.SimpleQueue" in " ".join(flow.certificate.not_compared)


def test_inputs_and_targets_are_not_touched():
    x, t = X.clone(), torch.zeros(16, 8)

    def loss(output, targets):
        targets.add_(1)
        return (output - targets).square().mean()

    layer_flow(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(8, 8)), x, t, loss)
    assert torch.equal(x, X) and not t.any()


def test_it_works_where_gradients_are_off():
    with torch.no_grad():
        assert layer_flow(mlp(), X, None, square)["0"].weight_grad_rms > 0
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        x = torch.ones(4, 8)
    assert layer_flow(mlp(), x, None, square)["0"].weight_grad_rms > 0


def test_dropout_is_the_same_each_time():
    model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(), nn.Linear(8, 1))
    one, two = (layer_flow(model, X, None, square) for _ in range(2))
    assert one.layers == two.layers and one.loss == two.loss
    assert one.certificate.put_back == ("the random numbers of torch",)


def test_compiled_models_are_seen_through():
    model = torch.compile(mlp(), backend="eager")
    model(X)
    flow = layer_flow(model, X, None, square)
    assert [layer.calls for layer in flow.layers] == [1, 1, 1]
    assert "compiled" in flow.notes[0]
    inside = nn.Sequential(torch.compile(mlp(), backend="eager"), nn.Linear(1, 1))
    inside(X)
    assert [layer.calls for layer in layer_flow(inside, X, None, square).layers] == [1, 1, 1, 1]


BAD = [
    (lambda out, t: out, "one number; it returned shape \\(16, 1\\)"),
    (lambda out, t: out.mean().item(), "must return a tensor; it returned float"),
    (lambda out, t: None, "must return a tensor; it returned NoneType"),
    (lambda out, t: out.argmax(), "floating point; it returned dtype torch.int64"),
    (lambda out, t: out.mean() * 1j, "it returned dtype torch.complex64"),
    (lambda out, t: 1 / 0, "the loss raised ZeroDivisionError"),
    (lambda: None, "the loss raised TypeError"),
]


@pytest.mark.parametrize(("loss", "words"), BAD)
def test_a_loss_that_is_none_is_refused_in_words(loss, words):
    with pytest.raises(FlowError, match=words):
        layer_flow(mlp(), X, None, loss)


def test_wrong_arguments_are_named():
    with pytest.raises(TypeError, match=r"model must be a torch\.nn\.Module"):
        layer_flow(lambda x: x, X, None, square)
    with pytest.raises(TypeError, match="loss_fn must be callable"):
        layer_flow(mlp(), X, None, "mse")
    with pytest.raises(ValueError, match="the model raised RuntimeError: mat1 and mat2"):
        layer_flow(mlp(), torch.ones(3, 5), None, square)
    with pytest.raises(FlowError, match="the model is on meta, its inputs on cpu"):
        layer_flow(mlp().to("meta"), X, None, square)
    with pytest.raises(FlowError, match="meta device"):
        layer_flow(mlp().to("meta"), X.to("meta"), None, square)


def test_a_loss_that_is_cut_off_or_not_a_number_is_a_result():
    cut = layer_flow(mlp(), X, None, lambda out, t: out.detach().mean())
    assert "cut off" in cut.unmeasured[0][1] and {s.gradient for s in cut.layers} == {"cut off", "no weights"}
    bad = layer_flow(mlp(), X, None, lambda out, t: out.mean() * float("nan"))
    assert math.isnan(bad.loss) and bad["0"].non_finite == ("activation gradient", "weight gradient")


def test_the_result_prints_compares_and_converts():
    pandas = pytest.importorskip("pandas")
    flow = layer_flow(mlp(), X, None, square)
    assert "tanh" not in repr(flow) and "Tanh" in repr(flow)
    model = mlp()
    assert layer_flow(model, X, None, square) == layer_flow(copy.deepcopy(model), X, None, square)
    assert layer_flow(mlp(), X, None, square) != layer_flow(model, X, None, square)
    json.dumps(flow.to_dict())
    frame = flow.to_frame()
    assert isinstance(frame, pandas.DataFrame) and list(frame["kind"]) == ["Linear", "Tanh", "Linear"]
    with pytest.raises(KeyError, match="no layer 'x': there are '0', '1', '2'"):
        flow["x"]


def test_random_numbers_of_python_and_numpy_are_put_back():
    numpy = pytest.importorskip("numpy")

    class Draws(nn.Module):
        def forward(self, x):
            return x * random.random() * numpy.random.rand() * sys.maxsize

    before = random.getstate(), numpy.random.get_state()[1].copy()
    flow = layer_flow(nn.Sequential(nn.Linear(8, 8), Draws()), X, None, square)
    assert random.getstate() == before[0] and (numpy.random.get_state()[1] == before[1]).all()
    assert set(flow.certificate.put_back) == {"the random numbers of python", "the random numbers of numpy"}


def test_a_pass_prints_as_a_table():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3).requires_grad_(False))
    flow = layer_flow(model, torch.randn(16, 4), torch.randn(16, 3), nn.functional.mse_loss)
    head, first, relu, last, loss, *notes = str(flow).splitlines()
    assert head.split()[:3] == ["layer", "kind", "depth"] and first.split()[:3] == ["0", "Linear", "2"]
    assert head.index("its gradient") == first.index(f"{flow['0'].activation_grad_rms:.3g}"[:4])
    assert relu.split()[1] == "ReLU" and "%" in relu and "frozen" in last
    assert loss.startswith("loss ") and notes == list(flow.notes)
