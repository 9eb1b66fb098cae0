"""No false alarm among healthy networks, the right one among broken ones, and sizes that say nothing."""

import json
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.distributions import Normal

from gradwidgets.core.layers import CHECKS, gradient_trend, layer_flow, predicted_factor
from gradwidgets.core.layers.passes.profile import trend
from gradwidgets.core.monitor import diagnose
from tests.core.layers.gallery import BROKEN, HEALTHY, built, small, source_demo


def names(findings, least="warning"):
    wanted = {"info": ("info", "warning", "error"), "warning": ("warning", "error")}[least]
    return [finding.name for finding in findings if finding.severity in wanted]


@pytest.mark.parametrize("name", HEALTHY)
def test_no_alarm_for_a_healthy_network(name):
    findings = diagnose(layer_flow(*HEALTHY[name]()))
    assert names(findings) == [], [str(finding) for finding in findings]
    assert findings[-1].name == "healthy" or findings[0].name == "healthy"


@pytest.mark.parametrize("name", BROKEN)
def test_a_pass_without_a_graph_is_judged_by_its_layers(name):
    flow = replace(layer_flow(*BROKEN[name][1]()), graph=None)
    findings = diagnose(flow)
    assert findings and not any(finding.name == "cliff" for finding in findings)  # that needs the graph
    assert all(0 <= i < len(flow.layers) for finding in findings for i in finding.where or ())


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_network_is_found(name):
    wanted, make = BROKEN[name]
    flow = layer_flow(*make())
    findings = diagnose(flow)
    assert wanted in names(findings) and "healthy" not in [finding.name for finding in findings]
    found = next(finding for finding in findings if finding.name == wanted)
    assert found.evidence and found.message and found.action
    assert all(0 <= i < len(flow.layers) for i in found.where or ())
    json.dumps([finding.to_dict() for finding in findings])


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1e6])
def test_the_size_of_the_loss_says_nothing(scale):
    for make in (source_demo, HEALTHY["He, depth 10"]):
        model, inputs, targets, loss = make()
        plain = diagnose(layer_flow(model, inputs, targets, loss))
        scaled = diagnose(layer_flow(model, inputs, targets, lambda out, t, loss=loss: loss(out, t) * scale))
        assert names(plain) == names(scaled)


@pytest.mark.parametrize("width", [16, 100, 1000])
def test_the_size_of_the_layers_says_nothing(width):
    assert names(diagnose(layer_flow(*built(depth=4, width=width, inputs=100)))) == []
    assert names(diagnose(layer_flow(*built(depth=12, width=width, inputs=100, init="default")))) == ["vanishing"]


@pytest.mark.parametrize("activation", ["Sigmoid", "Tanh", "ReLU", "GELU"])
def test_the_factor_it_names_is_the_theorys(activation):
    flow = layer_flow(*built(depth=25, width=200, activation=activation, init="default"))
    slope = next(f for f in diagnose(flow) if f.name == "vanishing").evidence["slope"]
    assert 10**-slope == pytest.approx(predicted_factor(activation, "default"), rel=0.06)


@given(st.floats(-0.5, 0.5), st.floats(-30, 10), st.integers(3, 40))
def test_a_straight_line_is_recovered(slope, start, count):
    class Row:
        def __init__(self, i):
            self.name, self.value = str(i), 10 ** (start + slope * i)

    line = trend([Row(i) for i in range(count)], lambda row: row.value)
    assert line.slope == pytest.approx(slope, abs=1e-9) and line.error < 1e-6
    assert line.decades == pytest.approx(slope * (count - 1), abs=1e-7)
    assert abs(line.ends) <= abs(line.decades) + 1e-7


def test_the_standard_error_is_that_of_least_squares():
    values = torch.randn(12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    class Row:
        name = ""

        def __init__(self, y):
            self.value = 10 ** float(y)

    line = trend([Row(y) for y in values], lambda row: row.value)
    x = torch.stack([torch.ones(12), torch.arange(12.0)], 1).double()
    solution = torch.linalg.lstsq(x, values[:, None])
    residual = values - (x @ solution.solution)[:, 0]
    covariance = residual.square().sum() / 10 * torch.linalg.inv(x.T @ x)
    assert line.slope == pytest.approx(float(solution.solution[1]), rel=1e-9)
    assert line.error == pytest.approx(math.sqrt(covariance[1, 1]), rel=1e-9)


def test_the_first_layer_that_is_not_finite_is_named():
    flow = layer_flow(*BROKEN["NaN in a weight"][1]())
    finding = diagnose(flow)[0]
    assert (finding.name, finding.evidence["first layer"], finding.where) == ("non_finite", "2", (2,))
    flow = layer_flow(*BROKEN["infinite output"][1]())
    assert diagnose(flow)[0].evidence["first layer"] == "0"
    model, inputs, targets, _ = small(lambda m: None)
    finding = diagnose(layer_flow(model, inputs, targets, lambda out, t: out.mean() * float("nan")))[0]
    assert "comes from the loss" in finding.message and finding.evidence["what"] == "loss"
    # A finite loss whose gradient is not: a square root at 0.
    finding = diagnose(layer_flow(model, inputs, targets, lambda out, t: (out - out.detach()).square().sum().sqrt()))[0]
    assert finding.evidence["what"] == "activation gradient" and finding.evidence["first layer"] == "2"


def test_layers_without_a_gradient_are_told_apart():
    model, inputs, targets, loss = small(lambda m: None)
    assert names(diagnose(layer_flow(model, inputs, targets, lambda out, t: out.detach().mean()))) == ["no_gradient"]

    class Detached(nn.Sequential):
        def forward(self, x):
            return self[1](self[0](x).detach())

    cut = diagnose(layer_flow(Detached(nn.Linear(100, 50), nn.Linear(50, 1)), inputs, targets, loss))[0]
    assert (cut.name, cut.severity, cut.evidence["layers"]) == ("no_gradient", "error", ["0"])

    class Unused(nn.Sequential):
        def forward(self, x):
            return self[1](x)

    unused = diagnose(layer_flow(Unused(nn.Linear(100, 50), nn.Linear(100, 1)), inputs, targets, loss))[0]
    assert (unused.name, unused.severity, unused.evidence["layers"]) == ("no_gradient", "warning", ["0"])

    frozen, *_ = small(lambda m: m[0].requires_grad_(False))
    assert names(diagnose(layer_flow(frozen, inputs, targets, loss)), "info") == ["frozen"]


def test_a_layer_that_begins_at_zero_is_no_fault():
    findings = diagnose(layer_flow(*small(lambda m: m[2].weight.zero_())))
    assert [(f.name, f.severity) for f in findings] == [("no_gradient", "info"), ("healthy", "ok")]
    flow = layer_flow(*HEALTHY["residual, zero branches"]())
    assert names(diagnose(flow), "info") == ["no_gradient"]


def test_what_underflows_counts_as_vanished():
    flow = layer_flow(*BROKEN["sigmoid, depth 300"][1]())
    assert flow.layers[0].activation_grad_rms == 0
    findings = diagnose(flow)
    assert names(findings) == ["vanishing"] and findings[0].evidence["layers at 0"] > 100
    assert gradient_trend(flow).slope > 0


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_says_what_it_means(check):
    assert CHECKS[check].meaning and (CHECKS[check].action or check == "healthy")


class Made(nn.Module):
    """Three layers, with functions of one's own between them."""

    def __init__(self, between=lambda x: x, after=torch.relu):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 2)
        self.between, self.after = between, after

    def forward(self, x):
        return self.c(self.after(self.b(self.between(self.a(x)))))


def findings(model, x=None):
    x = torch.randn(16, 6) if x is None else x
    return diagnose(layer_flow(model, x, torch.zeros(16, 2), nn.functional.mse_loss))


def test_nan_is_traced_to_where_it_is_made():
    x = torch.randn(16, 6)
    x[3, 2] = math.nan
    finding = findings(Made(), x)[0]
    assert finding.message.startswith("the inputs hold NaN") and "Clean the data" in finding.action
    model = Made()
    with torch.no_grad():
        model.b.weight[0, 0] = math.inf
    finding = findings(model)[0]
    assert finding.message.startswith("b.weight holds NaN or infinity") and "Go back to weights" in finding.action
    finding = findings(Made(between=torch.log))[0]
    assert finding.message.startswith("what goes into b is not finite: it is made after a, outside of any module")
    assert "log" in finding.message and "Clamp its input" in finding.action and "(3 layers" not in finding.message
    finding = findings(nn.Sequential(nn.Linear(6, 2), nn.Softmax(0), nn.Threshold(2.0, math.inf)))[0]
    assert finding.message.startswith("2 (Threshold) is given finite numbers and puts out others")


def test_a_cut_is_placed_and_the_grammar_holds():
    finding = findings(Made(between=lambda x: x.detach()))[0]
    line = test_a_cut_is_placed_and_the_grammar_holds.__code__.co_firstlineno + 1
    words = "a gets no gradient: no gradient path leads to it from the loss; "
    words += f"detach (test_checks.py, line {line}) cuts it off"
    assert finding.message == words and "detach" in finding.action
    finding = findings(Made(after=lambda x: x.detach()))[0]
    words = "a, b get no gradient: no gradient path leads to them from the loss; detach (test_checks.py, line "
    assert finding.message == f"{words}{line + 5}) cuts it off"


class Parted(nn.Module):
    """Two layers and a head, with something done to what the first gives."""

    def __init__(self, way):
        super().__init__()
        self.a, self.b, self.way = nn.Linear(6, 6), nn.Linear(6, 2), way

    def forward(self, x):
        return self.way(self, x)


def _quiet(model, x):
    with torch.no_grad():
        h = model.a(x)
    return model.b(h)


@pytest.mark.parametrize(
    ("way", "severity", "words"),
    [
        (_quiet, "error", "it is computed under no_grad"),
        (lambda m, x: m.b(x * m.a(x).mean().item()), "error", "makes a plain number of it, which no gradient passes"),
        (lambda m, x: m.b(torch.as_tensor(m.a(x).tolist())), "error", "makes a plain number of it"),
        (lambda m, x: m.b(x) + m.a(x).argmax(-1, keepdim=True), "error", "argmax (test_checks.py"),
        (lambda m, x: m.b(m.a(x).data), "error", "data (test_checks.py"),
        (lambda m, x: m.b(x + m.a(x).sign().int()), "error", "int (test_checks.py"),
        (lambda m, x: (m.a(x), m.b(x))[1], "warning", "the loss does not use what it gives"),
    ],
)
def test_what_cuts_a_gradient_off_is_named(way, severity, words):
    finding = findings(Parted(way))[0]
    assert (finding.name, finding.severity, finding.evidence["layers"]) == ("no_gradient", severity, ["a"])
    assert words in finding.message and "between" not in finding.message


def test_dead_units_are_the_cause_and_the_zero_gradient_their_consequence():
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2))
    with torch.no_grad():
        model[0].bias.fill_(-9.0)
        model[2].bias.fill_(-9.0)
    dead, zero = findings(model)
    assert dead.name == "dead_units" and zero.severity == "warning"
    assert "nothing comes back through the dead units of 1, 3" in zero.message and "detach" not in zero.action
    functional = Made(between=torch.relu)
    with torch.no_grad():
        functional.a.bias.fill_(-9.0)
        functional.b.bias.fill_(-9.0)
    dead, zero = findings(functional)
    assert dead.message.startswith("relu after a: 100 % of its units gave 0 for the whole batch, since what a gives")
    assert zero.severity == "warning" and "through the dead units of relu after a, relu after b" in zero.message
    with torch.no_grad():
        for p in functional.parameters():
            p.zero_()
    zero = next(one for one in findings(functional) if one.name == "no_gradient")
    assert "their weights are all 0" in zero.message and "at random" in zero.action


class Reader(nn.Module):
    def __init__(self, gain=1.0):
        super().__init__()
        self.rnn, self.head = nn.RNN(4, 16, batch_first=True, nonlinearity="relu"), nn.Linear(16, 2)
        with torch.no_grad():
            nn.init.orthogonal_(self.rnn.weight_hh_l0).mul_(gain)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])


def test_a_recurrent_network_is_followed_along_time():
    torch.manual_seed(0)
    x = torch.randn(16, 60, 4)

    def of(gain):
        found = diagnose(layer_flow(Reader(gain), x, torch.zeros(16, 2), nn.functional.mse_loss))
        return {one.name: one for one in found}

    grown, faded = of(2.0), of(0.3)
    assert grown["exploding along time"].severity == "error" and "healthy" not in grown
    assert "a step" in grown["exploding along time"].message and "of rnn grows" in grown["exploding along time"].message
    assert faded["along time"].severity == "info" and "of 60 time steps" in faded["along time"].message
    assert "time steps" in faded["healthy"].message.rpartition("Looked at:")[2]


def test_units_that_are_the_same_and_will_stay_so_are_noted():
    model = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 2))
    x = torch.randn(16, 6)

    def notes():
        return " ".join(layer_flow(model, x, torch.zeros(16, 2), nn.functional.mse_loss).notes)

    def stay():
        """Whether a step of the optimizer leaves the first layer's units alike, as torch computes it."""
        model.zero_grad()
        nn.functional.mse_loss(model(x), torch.zeros(16, 2)).backward()
        moved = model[0].weight - 0.1 * model[0].weight.grad
        return bool((moved - moved[:1]).abs().max() < 1e-7)

    assert "the same weights" not in notes()
    with torch.no_grad():
        model[0].weight.fill_(0.05)
    assert "the same weights" not in notes() and not stay()  # what comes back differs from unit to unit
    with torch.no_grad():
        model[0].bias.fill_(0.1)
        model[2].weight.copy_(torch.randn(6, 1).expand(6, 6))
    assert "0: all units have the same weights, and will stay the same: draw them at random" in notes() and stay()


class Bounded(nn.Module):
    def __init__(self, function, bias):
        super().__init__()
        self.inner, self.outer, self.function = nn.Linear(20, 64), nn.Linear(64, 3), function
        nn.init.constant_(self.inner.bias, bias)

    def forward(self, x):
        return self.outer(self.function(self.inner(x)))


class Applied(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def judged(model, inputs=None):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(64, 20, generator=generator) if inputs is None else inputs
    targets = torch.randint(0, 3, (64,), generator=generator)
    return {one.name: one for one in diagnose(layer_flow(model, x, targets, nn.functional.cross_entropy))}


@pytest.mark.parametrize(
    ("function", "bias", "bound"),
    [
        (lambda x: x.clamp(0, 1), 12, "1"),
        (lambda x: x.clamp(max=1), 12, "1"),
        (nn.functional.hardtanh, 12, "1"),
        (nn.functional.hardtanh, -12, "−1"),
        (nn.functional.hardsigmoid, 12, "1"),
        (nn.functional.relu6, 12, "6"),
        (nn.Hardtanh(), 12, "1"),
        (nn.Hardtanh(), -12, "−1"),
        (nn.Hardtanh(0.0, 0.3), 12, "0.3"),
        (nn.Hardsigmoid(), 12, "1"),
        (nn.ReLU6(), 12, "6"),
    ],
)
def test_units_at_a_bound_that_is_not_0_are_saturated_and_not_dead(function, bias, bound):
    found = judged(Bounded(function, bias))
    assert "dead_units" not in found and found["saturated"].message.endswith(f"flat, at its bound {bound}")
    words = f"which gives {bound} throughout" if isinstance(function, nn.Module) else "where its slope is 0"
    assert "dead" not in found["no_gradient"].message and words in found["no_gradient"].message
    assert (found["saturated"].severity, found["no_gradient"].severity) == ("error", "warning")


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.clamp(0, 1),
        lambda x: x.clamp(min=0),
        nn.functional.hardsigmoid,
        nn.functional.relu6,
        nn.Hardsigmoid(),
        nn.ReLU6(),
        nn.Hardtanh(0.0, 1.0),
        nn.Hardswish(),
        nn.functional.hardswish,
    ],
)
def test_units_at_0_are_dead_and_not_saturated_besides(function):
    found = judged(Bounded(function, -12))
    assert "saturated" not in found and "100 % of its units gave 0" in found["dead_units"].message


def test_units_at_either_bound_are_where_the_slope_is_0_and_no_bound_is_named():
    model = Bounded(lambda x: x.clamp(0, 1), 12)
    with torch.no_grad():
        model.inner.bias[::2] = -12
    found = judged(model)
    assert "dead_units" not in found and found["saturated"].message.endswith("are where it is flat")


@pytest.mark.parametrize("scale", [1.0, 4.0])
@pytest.mark.parametrize("function", [nn.Hardtanh(), nn.functional.hardtanh, lambda x: x.clamp(-1, 1)])
def test_a_clamp_is_saturated_where_most_is_at_its_bounds_and_not_behind_a_plain_norm(function, scale):
    model = Bounded(nn.Sequential(nn.BatchNorm1d(64), Applied(function)), 0)
    nn.init.constant_(model.function[0].weight, scale)
    found = judged(model)
    assert ("saturated" in found) == (scale > 1)
    if isinstance(function, nn.Module) and scale > 1:
        assert found["saturated"].message.endswith("are where it is flat, at its bounds −1 and 1")
        beyond = 2 * (1 - float(Normal(0, 1).cdf(torch.tensor(1 / scale))))
        assert found["saturated"].evidence["share"] == pytest.approx(beyond, abs=0.03)


def test_what_lies_between_a_layer_and_a_dead_relu_is_not_said_of_the_layer():
    found = judged(Bounded(lambda x: torch.relu(x - 30), 12))
    assert "since" not in found["dead_units"].message


@pytest.mark.parametrize("function", [lambda x: x.clamp(min=0), nn.functional.relu6, lambda x: x.clamp(0, 6)])
def test_a_rectifier_that_is_written_as_a_clamp_is_no_more_saturated_than_a_relu(function):
    assert "saturated" not in judged(Bounded(function, -0.3))


@pytest.mark.parametrize("module", [nn.Hardtanh(), nn.ReLU6(), nn.Hardsigmoid()])
def test_a_module_that_gives_one_number_throughout_is_named_with_it(module):
    bound = 6 if isinstance(module, nn.ReLU6) else 1
    message = judged(Bounded(module, 12))["no_gradient"].message
    assert (
        message
        == f"inner gets a gradient of exactly 0: nothing comes back through function, which gives {bound} throughout"
    )


def relus(*, change=lambda model: None):
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))
    with torch.no_grad():
        change(model)
    return model


def test_weights_that_get_nothing_of_inputs_of_zeros_are_told_from_those_to_which_nothing_comes_back():
    found = judged(relus(), torch.zeros(64, 20))["no_gradient"]
    assert found.message == (
        "0: its weight gets a gradient of exactly 0 (its bias does not), since all of the model's input is 0"
    )
    assert "ReLU" not in found.action and found.evidence["layers"] == ["0"]


def test_the_layer_behind_dead_units_is_said_to_get_zeros_and_not_to_be_cut_off_by_them():
    found = judged(relus(change=lambda model: model[2].bias.fill_(-100)))["no_gradient"]
    assert found.message == (
        "0, 2 get a gradient of exactly 0: nothing comes back through the dead units of 3; 4: its weight gets a "
        "gradient of exactly 0 (its bias does not), since all that comes into it is 0"
    )
    assert found.evidence["layers"] == ["0", "2", "4"]


def test_a_frozen_layer_before_is_not_taken_for_the_models_input():
    model = relus(change=lambda model: model[0].bias.fill_(-100))
    model[0].requires_grad_(False)
    assert "since all that comes into it is 0" in judged(model)["no_gradient"].message


def test_of_weights_that_are_all_0_the_bias_that_gets_a_gradient_is_left_out():
    found = judged(relus(change=lambda model: [one.zero_() for one in model.parameters()]))["no_gradient"]
    assert found.message == (
        "0, 2, 4 get a gradient of exactly 0 by their weights (not so the bias of 4), and their weights are all 0"
    )
