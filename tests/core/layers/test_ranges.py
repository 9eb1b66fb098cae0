"""The range in which a gradient is healthy is the verdict's own: its thresholds, its numbers, its factor per layer."""

import math

import pytest
import torch
from torch import nn

from gradwidgets.core.layers import ACTIVATIONS, build_network, layer_flow
from gradwidgets.core.layers.networks.activations import fraction, steepest, why_it_fades, with_slope
from gradwidgets.core.layers.ranges import gradient_range, signal_range
from gradwidgets.core.layers.verdicts.way.depth import ERROR, SIGNAL
from gradwidgets.core.layers.verdicts.way.fade import FADE
from gradwidgets.core.monitor import diagnose
from gradwidgets.core.results.wording import power_of_ten


def measured(activation="Sigmoid", init="default", gain=1.0, depth=20):
    model = build_network("plain", depth=depth, width=40, activation=activation, init=init, gain=gain, seed=0)
    generator = torch.Generator().manual_seed(1)
    inputs, targets = torch.randn(32, 40, generator=generator), torch.randn(32, 1, generator=generator)
    flow = layer_flow(model, inputs, targets, nn.functional.mse_loss)
    return flow, diagnose(flow)


def named(findings, name):
    return next(one for one in findings if one.name == name)


def test_a_vanishing_gradient_is_read_where_the_verdict_followed_it_to():
    flow, findings = measured()
    healthy, found = gradient_range(flow, findings), named(findings, "vanishing")
    assert healthy.layers == (flow.layers[0].name,) and healthy.moved == -found.evidence["shown"] < -ERROR
    assert healthy.healthy == (-FADE, FADE) and healthy.gone == (-ERROR, ERROR)
    assert f"a factor of {healthy.factor:.3g} a layer" in found.message and healthy.of_weights


def test_an_exploding_one_has_moved_upwards():
    flow, findings = measured("ReLU", "normal", 4.0)
    healthy, found = gradient_range(flow, findings), named(findings, "exploding")
    assert healthy.moved == found.evidence["shown"] > 0 and healthy.factor > 1
    assert not healthy.of_weights  # whose gradients grow with the outputs too, the other way


def test_without_a_finding_it_starts_at_the_last_layers_and_there_is_no_factor():
    flow, findings = measured("ReLU", "He")
    healthy = gradient_range(flow, findings)
    assert healthy.moved == 0 and flow.layers[-1].name in healthy.layers and math.isnan(healthy.factor)
    outputs = signal_range(flow, findings)
    assert outputs.healthy == (-math.inf, SIGNAL) and flow.layers[0].name in outputs.layers


def test_one_layer_has_no_range():
    assert gradient_range(*measured(depth=1)) is None and signal_range(*measured(depth=1)) is None


@pytest.mark.parametrize(("name", "slope"), [("Sigmoid", 0.25), ("Tanh", 1.0), ("ReLU", 1.0), ("SELU", 1.7581)])
def test_the_largest_slope_is_known(name, slope):
    assert steepest(name) == pytest.approx(slope, abs=1e-4)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_no_slope_is_above_the_largest_by_more_than_the_distance_of_points(name):
    assert float(with_slope(name, -9.7, 9.7, 777)[2].max()) <= steepest(name) + 1e-3
    assert why_it_fades(name, 9).endswith(".")


def test_what_is_left_after_many_is_a_power_of_ten():
    assert power_of_ten(-11.4) == "10⁻¹¹" and power_of_ten(3) == "10³" and fraction(0.25) == "¼"
    assert "¼: 19 in a row pass on 10⁻¹¹ at most" in why_it_fades("Sigmoid", 19)
    assert why_it_fades("Sigmoid", 1000).count("10⁻⁶⁰²") == 1  # beyond any float
