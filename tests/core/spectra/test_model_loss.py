"""Looking leaves no trace, whatever the model does; and what can go wrong is said in words."""

import random
from collections import namedtuple
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradwidgets.core.spectra import gradient_covariance, gradient_noise_scale, hessian_spectrum
from tests.core.spectra.zoo import ZOO, Named, batch_norm, dropout, fingerprint, make

LOOKS = {
    "spectrum": hessian_spectrum,
    "Lanczos": lambda *a: hessian_spectrum(*a, k=2),
    "noise": gradient_noise_scale,
    "covariance": lambda m, x, y, loss: gradient_covariance(m, [(x[:8], y[:8]), (x[8:16], y[8:16]), (x, y)], loss),
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", ZOO)
def test_looking_leaves_no_trace(name, look):
    model, x, y = make(name)
    before, data, plain = fingerprint(model), (x.clone(), y.clone()), random.getstate()
    one = LOOKS[look](model, x, y, functional.mse_loss)
    assert fingerprint(model) == before and random.getstate() == plain
    assert torch.equal(x, data[0]) and torch.equal(y, data[1])
    torch.rand(3)
    again = LOOKS[look](model, x, y, functional.mse_loss)  # nor does it depend on the random numbers
    for name in ("largest", "smallest", "trace", "value", "low", "high"):
        if hasattr(one, name):
            assert getattr(again, name) == pytest.approx(getattr(one, name), rel=1e-4, abs=1e-9, nan_ok=True)
    assert not one.reason or look == "noise"


def products_by_differences(model, x, y):
    """The Hessian by central differences of backward's gradients, float64, the model in eval mode or deterministic."""
    model = model.double()
    x = x.double() if x.is_floating_point() else x
    leaves = [p for p in model.parameters() if p.requires_grad]

    def gradient():
        torch.manual_seed(0)
        functional.mse_loss(model(x.clone()), y.double()).backward()
        found = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).to_dense().reshape(-1) for p in leaves])
        model.zero_grad()
        return found

    model.zero_grad()
    rows, step = [], 1e-5
    for leaf in leaves:
        for i in range(leaf.numel()):
            ends = []
            for side in (step, -2 * step):
                with torch.no_grad():
                    leaf.view(-1)[i] += side
                ends.append(gradient())
            with torch.no_grad():
                leaf.view(-1)[i] += step
            rows.append((ends[0] - ends[1]) / (2 * step))
    matrix = torch.stack(rows)
    return torch.linalg.eigvalsh((matrix + matrix.T) / 2)


@pytest.mark.parametrize("name", [n for n in ZOO if n not in ("spectral norm", "half precision", "encoder")])
def test_the_spectrum_is_that_of_differences_of_gradients(name):
    model, x, y = make(name)
    spectrum = hessian_spectrum(model, x, y, functional.mse_loss)
    torch.manual_seed(0)
    expected = products_by_differences(model, x, y)
    torch.testing.assert_close(spectrum.eigenvalues, expected, rtol=1e-5, atol=1e-5 * spectrum.largest)


def test_notes_say_what_the_numbers_rest_on():
    x, y = torch.randn(12, 4), torch.randn(12, 1)
    assert "one draw, the same throughout" in hessian_spectrum(dropout(), x, y, functional.mse_loss).note
    assert "BatchNorm uses this batch's own mean" in hessian_spectrum(batch_norm(), x, y, functional.mse_loss).note
    assert hessian_spectrum(dropout().eval(), x, y, functional.mse_loss).note == ""
    half = hessian_spectrum(nn.Linear(4, 1).half(), x.half(), y.half(), functional.mse_loss)
    assert half.note == "the model is in float16; computed in float64 on a copy"


def test_unused_parameters_are_flat():
    model = nn.ModuleDict({"used": nn.Linear(2, 1), "not": nn.Linear(3, 4)})
    model.forward = lambda x: model["used"](x)
    x, y = torch.randn(9, 2), torch.randn(9, 1)
    spectrum = hessian_spectrum(model, x, y, functional.mse_loss)
    assert (spectrum.parameters, spectrum.unused, spectrum.null) == (19, 16, 16)
    assert "does not depend on 16 parameters" in spectrum.note
    assert hessian_spectrum(model, x, y, functional.mse_loss, k=2).unused == 16


def test_a_loss_that_reads_the_parameters_sees_them():
    model, x, y = nn.Linear(2, 1).double(), torch.randn(9, 2).double(), torch.randn(9, 1).double()

    def decayed(out, target):
        return functional.mse_loss(out, target) + 0.5 * sum(p.square().sum() for p in model.parameters())

    plain = hessian_spectrum(model, x, y, functional.mse_loss)
    torch.testing.assert_close(hessian_spectrum(model, x, y, decayed).eigenvalues, plain.eigenvalues + 1)


def test_inputs_by_name_and_outputs_by_name():
    inputs, y = {"left": torch.randn(9, 4), "right": torch.randn(9, 4)}, torch.randn(9, 1)

    def loss(out, target):
        return functional.mse_loss(out["out"], target)

    model = Named()
    assert hessian_spectrum(model, inputs, y, loss).parameters == 5
    assert gradient_noise_scale(model, inputs, y, loss).samples == 9
    assert gradient_covariance(model, [(inputs, y)] * 2, loss).batches == 2
    pair = nn.Bilinear(2, 3, 1)
    assert hessian_spectrum(pair, (torch.randn(9, 2), torch.randn(9, 3)), y, functional.mse_loss).parameters == 7


# The first optimizer or compiled model of a process imports what torch itself has deprecated.
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_wrapped_models_are_unwrapped():
    x, y = torch.randn(9, 4), torch.randn(9, 1)
    inner = nn.Linear(4, 1)
    expected = hessian_spectrum(inner, x, y, functional.mse_loss)
    for wrapped in (torch.compile(inner, backend="eager"), nn.DataParallel(inner)):
        found = hessian_spectrum(wrapped, x, y, functional.mse_loss)
        torch.testing.assert_close(found.eigenvalues, expected.eigenvalues)


Pair = namedtuple("Pair", "first second")


class Slotted:
    """Holds a tensor where no dictionary does."""

    __slots__ = ("weight",)

    def __init__(self, weight):
        self.weight = weight


def holding(weight):
    return lambda out, y: functional.mse_loss(out, y) + (weight**2).sum()


def holding_a_holder(held):
    def loss(out, y):
        weight = held.weight if hasattr(held, "weight") else held.rows[0][1]
        return functional.mse_loss(out, y) + (weight**2).sum()

    return loss


def holding_by_default(weight):
    def loss(out, y, one=weight, *, other=(weight, 2.0)):
        return functional.mse_loss(out, y) + (one * other[0]).sum()

    return loss


HOLDERS = {
    "a closure": holding,
    "a slot": lambda weight: holding_a_holder(Slotted(weight)),
    "defaults": holding_by_default,
    "a tuple in a list": lambda weight: holding_a_holder(SimpleNamespace(rows=[("weight", weight)])),
}


@pytest.mark.parametrize("where", HOLDERS)
def test_a_loss_that_holds_a_parameter_itself(where):
    """Its penalty is a part of the Hessian, whichever way it knows the weight."""
    model, x, y = nn.Linear(3, 1).double(), torch.randn(9, 3).double(), torch.randn(9, 1).double()
    expected = hessian_spectrum(model, x, y, lambda out, y: functional.mse_loss(out, y) + (model.weight**2).sum())
    found = hessian_spectrum(model, x, y, HOLDERS[where](model.weight))
    torch.testing.assert_close(found.eigenvalues, expected.eigenvalues)
    inputs = torch.cat([x, torch.ones(9, 1).double()], dim=1)
    by_hand = 2 * inputs.T @ inputs / 9 + torch.diag(torch.tensor([2.0, 2.0, 2.0, 0.0])).double()
    torch.testing.assert_close(found.eigenvalues, torch.linalg.eigvalsh(by_hand))


class Tupled(nn.Module):
    """Reads its weight from tuples."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 1).double())
        self.parts = {"pair": Pair(self.weight, (self.weight, "again"))}

    def forward(self, x):
        pair = self.parts["pair"]
        return x @ (pair.first + pair.second[0]) / 2


def test_a_model_that_reads_its_parameters_from_tuples():
    model, x, y = Tupled(), torch.randn(9, 3).double(), torch.randn(9, 1).double()
    pair = model.parts["pair"]
    for k in (None, 2):
        found = hessian_spectrum(model, x, y, functional.mse_loss, k=k)
        assert found.largest == pytest.approx(float(torch.linalg.eigvalsh(2 * x.T @ x / 9)[-1]), rel=1e-6)
        assert found.note == "" and found.certificate.unchanged
    assert model.parts["pair"] is pair and pair.first is model.weight


class Drops(torch.autograd.Function):
    """A cube whose backward has no graph, and says nothing."""

    @staticmethod
    def forward(ctx, a):
        ctx.kept = a.detach()
        return a**3

    @staticmethod
    def backward(ctx, gradient):
        return 3 * ctx.kept**2 * gradient


class Once(torch.autograd.Function):
    """A cube whose backward says that it has none; autograd.grad with named inputs never gets to that."""

    @staticmethod
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return a**3

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        return 3 * ctx.saved_tensors[0] ** 2 * gradient


class Item(torch.autograd.Function):
    """A square that no batched backward passes."""

    @staticmethod
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return a**2

    @staticmethod
    def backward(ctx, gradient):
        (a,) = ctx.saved_tensors
        return Double.apply(a, gradient)


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, gradient):
        ctx.save_for_backward(a, gradient)
        return 2 * a * gradient

    @staticmethod
    def backward(ctx, along):
        a, gradient = ctx.saved_tensors
        if along.sum().item() == float("inf"):
            raise AssertionError
        return 2 * gradient * along, 2 * a * along


class Custom(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.layer, self.function = nn.Linear(3, 1), function

    def forward(self, x):
        return self.function.apply(self.layer(x))


@pytest.mark.parametrize("k", [None, 2])
@pytest.mark.parametrize(("function", "words"), [(Drops, "size 0 for"), (Once, "size 0 for")])
def test_no_second_derivative_is_found_out_and_differences_take_its_place(function, words, k):
    model, x = Custom(function).double(), torch.randn(9, 3).double()
    spectrum = hessian_spectrum(model, x, None, lambda out, _: out.sum(), k=k)
    assert words in spectrum.note and "differences of gradients were used" in spectrum.note
    out = model.layer(x).detach()
    rows = torch.cat([x, torch.ones(9, 1, dtype=torch.float64)], 1)
    expected = torch.linalg.eigvalsh(rows.T @ (6 * out * rows))
    expected = expected if k is None else expected[[0, -1]]
    torch.testing.assert_close(spectrum.eigenvalues, expected, rtol=1e-6, atol=1e-6)
    assert spectrum.rounding < 1e-6


def test_ctc_has_a_curvature():
    model = nn.Sequential(nn.Linear(4, 5), nn.LogSoftmax(-1))
    lengths = torch.full((6,), 10), torch.full((6,), 3)
    words = torch.randint(1, 5, (6, 3))
    spectrum = hessian_spectrum(model, torch.randn(10, 6, 4), words, lambda o, y: functional.ctc_loss(o, y, *lengths))
    assert "_ctc_loss_backward" in spectrum.note and spectrum.largest > 0


def test_a_backward_that_takes_one_direction_at_a_time():
    model, x = Custom(Item).double(), torch.randn(9, 3).double()
    spectrum = hessian_spectrum(model, x, None, lambda out, _: out.sum())
    rows = torch.cat([x, torch.ones(9, 1, dtype=torch.float64)], 1)
    torch.testing.assert_close(spectrum.eigenvalues, torch.linalg.eigvalsh(2 * rows.T @ rows))
    assert "one direction at a time" in spectrum.note


def test_at_a_kink_autograd_is_believed():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)).double()
    nn.init.zeros_(model[0].weight)
    nn.init.zeros_(model[0].bias)
    assert not hessian_spectrum(model, torch.randn(9, 3).double(), torch.randn(9, 1).double(), nn.MSELoss()).reason


def test_a_part_that_is_cut_off_is_noted():
    model, x = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1)).double(), torch.randn(9, 3).double()
    spectrum = hessian_spectrum(model, x, None, lambda out, _: (out * out.detach()).sum())
    assert "cut off from the gradient" in spectrum.note and "differences of gradients" in spectrum.note
    # Its gradient is that of ½ out².
    whole = hessian_spectrum(model, x, None, lambda out, _: 0.5 * out.square().sum())
    torch.testing.assert_close(spectrum.eigenvalues, whole.eigenvalues, rtol=1e-6, atol=1e-6)


def complex_layer():
    model = linear()
    model.weight = nn.Parameter(model.weight.detach().to(torch.complex64))
    return model


def linear():
    return nn.Linear(3, 1)


def raises(_out, _target):
    raise KeyError("half-way")


WRONG = {
    "no model": (lambda: "net", functional.mse_loss, TypeError, "model must be a torch.nn.Module; got str 'net'"),
    "no parameters": (nn.Tanh, functional.mse_loss, ValueError, "Tanh has no parameters"),
    "all frozen": (
        lambda: linear().requires_grad_(False),
        functional.mse_loss,
        ValueError,
        "all 2 parameters .* frozen",
    ),
    "lazy": (lambda: nn.LazyLinear(1), functional.mse_loss, ValueError, "'weight' has no shape yet"),
    "meta": (lambda: nn.Linear(3, 1, device="meta"), functional.mse_loss, ValueError, "'weight' has no values"),
    "complex": (complex_layer, functional.mse_loss, ValueError, "'weight' is complex"),
    "loss_fn": (linear, 3, TypeError, "loss_fn must be callable; got int 3"),
    "not scalar": (linear, lambda out, y: (out - y) ** 2, ValueError, r"one number; it returned shape \(\d, 1\)"),
    "no tensor": (linear, lambda out, y: 1.5, ValueError, "a tensor with one number; it returned float 1.5"),
    "whole number": (linear, lambda out, y: out.argmax(), ValueError, "a real number; it returned dtype int64"),
    "detached": (linear, lambda out, y: out.detach().mean(), ValueError, "the loss has no gradient"),
    "raises": (linear, raises, ValueError, "the loss raised KeyError: 'half-way'"),
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(("build", "loss", "kind", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named(build, loss, kind, words, look):
    model = build()
    with pytest.raises(kind, match=words):
        LOOKS[look](model, torch.randn(9, 3), torch.randn(9, 1), loss)


@pytest.mark.parametrize("look", LOOKS)
def test_numbers_that_are_not_finite_have_a_reason(look):
    x, y = torch.randn(9, 3), torch.randn(9, 1)
    assert LOOKS[look](linear(), x, y, lambda out, y: out.mean() * float("nan")).reason
    assert LOOKS[look](linear(), x, y, lambda out, y: (0 * out.mean()).sqrt()).reason


def test_second_derivatives_that_are_not_finite():
    model = nn.Linear(3, 1, bias=False)
    spectrum = hessian_spectrum(model, torch.randn(9, 3), None, lambda out, _: (out * 0).abs().pow(1.5).sum())
    assert spectrum.reason == "the second derivatives are not finite" and len(spectrum.eigenvalues) == 0
    assert spectrum.sentence == "The curvature could not be measured: the second derivatives are not finite."


def test_a_gradient_that_is_of_no_function():
    """A factor is cut off: the spectrum is of the symmetric part of what the gradient does."""
    model = nn.Bilinear(1, 1, 1, bias=False).double()
    model.extra = nn.Parameter(torch.tensor(0.7, dtype=torch.float64))

    def loss(out, _):
        return (model.extra.detach() ** 2 * out).sum() + 0.5 * model.extra**2

    one = torch.ones(1, 1, dtype=torch.float64)
    spectrum = hessian_spectrum(model, (one, one), None, loss)
    # The gradient is (extra², extra), its derivative [[0, 2 extra], [0, 1]].
    expected = torch.linalg.eigvalsh(torch.tensor([[0.0, 0.7], [0.7, 1.0]], dtype=torch.float64))
    torch.testing.assert_close(spectrum.eigenvalues, expected, rtol=1e-6, atol=1e-6)
    assert "asymmetric: this is the symmetric part" in spectrum.note
