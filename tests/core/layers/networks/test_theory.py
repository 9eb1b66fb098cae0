"""√χ against the literature, closed forms, and what wide networks do."""

import math
from itertools import pairwise

import pytest
import torch
from torch.nn import functional

from gradwidgets.core.layers import ACTIVATIONS, INITS, build_network, layer_flow, predicted_factor, predicted_factors

KNOWN = {
    ("ReLU", "default"): 0.408,
    ("ReLU", "Xavier"): 0.707,
    ("ReLU", "He"): 1.0,
    ("Tanh", "default"): 0.577,
    ("Tanh", "Xavier"): 0.999,
    ("Tanh", "He"): 1.051,
}


@pytest.mark.parametrize("pair", KNOWN)
def test_the_known_numbers(pair):
    # tanh with Xavier's init nears 1 without end: 0.999 is where 500 layers lead.
    assert predicted_factor(*pair) == pytest.approx(KNOWN[pair], abs=1.1e-3)


def test_closed_forms():
    for gain in (0.3, 1.0, 2.0):
        assert predicted_factor("Identity", "normal", gain) == pytest.approx(gain)
        assert predicted_factor("ReLU", "normal", gain) == pytest.approx(gain / math.sqrt(2))
        assert predicted_factor("LeakyReLU", "normal", gain) == pytest.approx(gain * math.sqrt((1 + 1e-4) / 2))
    assert predicted_factor("GELU", "normal", 1.0) == pytest.approx(0.5)  # the signal dies away: slope at zero
    assert predicted_factor("Tanh", "normal", 0.5) == pytest.approx(0.5)
    assert predicted_factor("Identity", "small normal", width=100) == pytest.approx(0.1)
    assert math.isnan(predicted_factor("ReLU", "small normal"))
    assert predicted_factor("ReLU", "zero branch") == 1.0


def test_selu_keeps_mean_zero_and_variance_one():
    # Klambauer et al. 2017: fixed point at variance 1; the slope's mean square there by sampling.
    z = torch.randn(2_000_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    (slope,) = torch.autograd.grad(functional.selu(z).sum(), z)
    assert predicted_factor("SELU", "normal") == pytest.approx(float(slope.square().mean().sqrt()), rel=2e-3)


@pytest.mark.parametrize("init", ["default", "Xavier", "He", "normal"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_on_the_way_it_comes_to_the_same_as_at_the_end(activation, init):
    factors = predicted_factors(activation, init, depth=300)
    assert len(factors) == 299
    assert factors[-1] == pytest.approx(predicted_factor(activation, init), rel=0.02)


@pytest.mark.parametrize("init", ["default", "Xavier", "He"])
@pytest.mark.parametrize("activation", ["Sigmoid", "Tanh", "ReLU", "GELU", "SELU", "ELU"])
def test_wide_networks_do_as_predicted(activation, init):
    width, depth = 300, 12
    model = build_network("plain", depth=depth, width=width, activation=activation, init=init, outputs=width)
    inputs = torch.randn(64, width, generator=torch.Generator().manual_seed(1))
    # The theory has the gradient at the output independent of the weights: not so for a loss that looks at the output.
    direction = torch.randn(64, width, generator=torch.Generator().manual_seed(2))
    flow = layer_flow(model, inputs, direction, lambda output, targets: (output * targets).mean())
    back = [layer.activation_grad_rms for layer in flow.layers if layer.kind == "Linear"]
    measured = [a / b for a, b in pairwise(back)]
    predicted = predicted_factors(activation, init, depth=depth, width=width)
    assert len(predicted) == len(measured)
    assert math.prod(measured) ** (1 / len(measured)) == pytest.approx(
        math.prod(predicted) ** (1 / len(predicted)), rel=0.05
    )
    assert all(m == pytest.approx(p, rel=0.15) for m, p in zip(measured, predicted, strict=True))


def test_what_is_refused_is_named():
    with pytest.raises(ValueError, match="unknown activation 'Swish'"):
        predicted_factor("Swish", "He")
    with pytest.raises(ValueError, match="unknown init"):
        predicted_factor("ReLU", "he")
    with pytest.raises(ValueError, match="gain must be finite"):
        predicted_factor("ReLU", "He", math.inf)
    with pytest.raises(ValueError, match="width must be from 1"):
        predicted_factor("ReLU", "He", width=0)
    with pytest.raises(ValueError, match="depth must be from 1"):
        predicted_factors("ReLU", "He", depth=0)
    with pytest.raises(ValueError, match="variance must be finite"):
        predicted_factors("ReLU", "He", depth=3, variance=-1.0)


@pytest.mark.parametrize("init", INITS)
def test_depth_one_has_no_factor(init):
    assert predicted_factors("Tanh", init, depth=1) == ()
