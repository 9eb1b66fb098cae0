"""Where a gradient is lost on its way down: graphs whose answer is known, and networks that are built to have one."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from gradwidgets.core.layers import fixes_for, layer_flow
from gradwidgets.core.layers.passes.module_graph import ModuleGraph
from gradwidgets.core.layers.verdicts.way.walk import FADE, STEP, Walk
from gradwidgets.core.monitor import diagnose


def chain(decades):
    """Layers in a row behind a loss, the gradient losing so many decades at each."""
    names = ("loss", *(f"layer {k}" for k in range(len(decades) + 1)))
    logs = [0.0]
    for one in decades:
        logs.append(logs[-1] - one)
    count = len(names)
    return ModuleGraph(
        names,
        (None, *names[1:]),
        (False, *[True] * (count - 1)),
        (False, *[True] * (count - 1)),
        tuple(() for _ in names),
        ((), *((k - 1,) for k in range(1, count))),
        tuple((k + 1,) if k + 1 < count else () for k in range(count)),
        tuple(range(count)),
        (1.0, *(10.0**one for one in logs)),
        (1, *[16] * (count - 1)),
    )


@given(st.lists(st.floats(-0.9, 0.9), min_size=4, max_size=30), st.integers(0, 29), st.floats(STEP + 0.2, 12))
def test_one_leap_is_found_where_it_is_whatever_is_around_it(small, place, leap):
    place = place % len(small)
    walk = Walk(chain([*small[:place], leap, *small[place:]]))
    assert [(one.above, one.below) for one in walk.leaps] == [(place + 1, place + 2)]
    assert walk.leaps[0].decades == pytest.approx(leap)
    fade = walk.fading
    assert fade is None or fade.decades <= sum(max(0, one) for one in small) + 1e-9


@given(st.floats(0.05, 2.5), st.integers(3, 40))
def test_a_steady_fade_is_what_all_steps_lose(step, count):
    walk = Walk(chain([step] * count))
    whole = step * count
    assert walk.leaps == [] and walk.growing is None
    assert walk.fading.steps == count and whole - step - 1e-9 <= walk.fading.decades <= whole + 1e-9
    assert walk.fading.below == count + 1


def test_growth_is_a_fade_turned_round():
    down, up = Walk(chain([0.5] * 12)), Walk(chain([-0.5] * 12))
    assert up.fading is None and up.growing.decades == pytest.approx(down.fading.decades)


def without_the_last(decades):
    graph = chain(decades)
    return replace(graph, norms=(*graph.norms[:-1], 0.0))


def test_exactly_nothing_ends_the_way_unless_it_had_faded_before():
    (end,) = Walk(without_the_last([0.1, 0.1, 0.1])).ends
    assert (end.above, end.below, end.decades) == (3, 4, math.inf)
    faded = Walk(without_the_last([2.0, 2.0, 2.0, 2.0]))
    assert faded.ends == [] and faded.fading.decades >= FADE


class Branches(nn.Module):
    """A trunk of additions, and on each a branch of two layers."""

    def __init__(self, blocks, sick=None, factor=1e-9):
        super().__init__()
        self.first = nn.Linear(16, 16)
        self.blocks = nn.ModuleList(nn.ModuleList([nn.Linear(16, 16), nn.Linear(16, 16)]) for _ in range(blocks))
        self.head, self.sick, self.factor = nn.Linear(16, 4), sick, factor

    def forward(self, x):
        x = self.first(x)
        for k, (a, b) in enumerate(self.blocks):
            branch = b(torch.tanh(a(x)))
            x = x + (branch * self.factor if k == self.sick else branch)
        return self.head(x)


def findings(model, seed=0):
    x = torch.randn(32, 16, generator=torch.Generator().manual_seed(seed))
    y = torch.randint(0, 4, (32,), generator=torch.Generator().manual_seed(seed + 1))
    return layer_flow(model, x, y, functional.cross_entropy)


@pytest.mark.parametrize("sick", [0, 3, 7])
def test_of_many_branches_the_sick_one_is_named(sick):
    torch.manual_seed(0)
    flow = findings(Branches(8, sick))
    found = [one for one in diagnose(flow) if one.severity in ("warning", "error")]
    assert [one.name for one in found] == ["cliff"]
    assert f"blocks.{sick}.1" in found[0].message and "at mul" in found[0].message
    assert found[0].evidence["decades"] == pytest.approx(9, abs=0.5)


def test_a_layers_place_is_its_place_in_the_graph():
    torch.manual_seed(0)
    flow = findings(Branches(3))
    assert flow["head"].depth == 1 and flow["head"].after == () and "blocks.2.1" in flow["head"].before
    assert flow["blocks.2.1"].depth == 2 and flow["blocks.2.1"].before == ("blocks.2.0",)
    assert flow["blocks.2.0"].depth == 3 and flow["first"].depth == 8
    assert flow["first"].before == () and "blocks.0.0" in flow["first"].after


def test_the_gradient_at_each_vertex_is_autograds():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4), nn.Linear(4, 2)).double()
    x, kept = torch.randn(7, 6, dtype=torch.float64), {}
    handles = [
        one.register_forward_hook(lambda m, a, out, name=name: (out.retain_grad(), kept.setdefault(name, out))[0])
        for name, one in model.named_children()
    ]
    functional.mse_loss(model(x), torch.zeros(7, 2, dtype=torch.float64)).backward()
    for handle in handles:
        handle.remove()
    graph = layer_flow(model, x, torch.zeros(7, 2, dtype=torch.float64), functional.mse_loss).graph
    for name, (vertex,) in graph.by_layer().items():
        assert graph.norms[vertex] == pytest.approx(float(kept[name].grad.norm()), rel=1e-12)
        assert graph.elements[vertex] == kept[name].numel() and math.isfinite(graph.rms(vertex))


def drawn():
    return torch.randn(16, 8, requires_grad=True)


class Hidden(nn.Module):
    def __init__(self, keep):
        super().__init__()
        self.out = nn.Linear(8, 4)
        keep(self)

    def forward(self, x):
        return self.out(torch.relu(x @ self.weight()))


@pytest.mark.parametrize(
    ("keep", "name"),
    [
        (lambda m: vars(m).update(held=[nn.Linear(16, 8)], weight=lambda: m.held[0].weight.T), "held[0].weight"),
        (
            lambda m: vars(m).update(held={"w": torch.randn(16, 8, requires_grad=True)}, weight=lambda: m.held["w"]),
            "held['w']",
        ),
        (lambda m: vars(m).update(weight=drawn), "made in the forward"),
    ],
)
def test_what_takes_part_and_is_no_parameter_is_found(keep, name):
    finding = next(one for one in diagnose(findings(Hidden(keep))) if one.name == "unlisted")
    assert name in finding.message and "model.parameters() does not list it" in finding.message
    assert finding.evidence["shapes"] in ([(16, 8)], [(8, 16)])


def sigmoids(count):
    return nn.Sequential(*[part for _ in range(count) for part in (nn.Linear(16, 16), nn.Sigmoid())])


class Stem(nn.Module):
    """Something before blocks with a way around each, and something behind them."""

    def __init__(self, before=0, inside=1, behind=0):
        super().__init__()
        self.first = nn.Linear(16, 16)
        self.before, self.behind = sigmoids(before), sigmoids(behind)
        self.blocks = nn.ModuleList(sigmoids(inside) for _ in range(3))
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        x = self.before(self.first(x))
        for block in self.blocks:
            x = x + block(x)
        return self.head(self.behind(x))


@pytest.mark.parametrize(
    ("parts", "where"),
    [
        ({"before": 8}, "to input"),
        ({"behind": 8}, "to add of"),
        ({"inside": 7}, "on a branch"),
        ({"inside": 3, "behind": 3}, "on a branch"),
        ({"inside": 2}, ""),
        ({"inside": 3}, ""),
        ({"inside": 2, "behind": 2}, ""),
        ({"before": 3, "inside": 3}, ""),
    ],
)
def test_a_fade_is_told_for_the_trunk_and_for_a_branch(parts, where):
    torch.manual_seed(0)
    found = [one for one in diagnose(findings(Stem(**parts))) if one.name == "vanishing"]
    assert bool(found) == bool(where) and where in "".join(one.message for one in found)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_blocks_in_a_row_do_not_hide_what_fades_in_the_first_of_them(count):
    class Row(nn.Module):
        """The input needs no gradient: nothing goes around the first block."""

        def __init__(self):
            super().__init__()
            self.blocks, self.head = nn.ModuleList(sigmoids(4) for _ in range(count)), nn.Linear(16, 4)

        def forward(self, x):
            for block in self.blocks:
                x = x + block(x)
            return self.head(x)

    torch.manual_seed(0)
    (found,) = [one for one in diagnose(findings(Row())) if one.name == "vanishing"]
    assert found.severity == "warning" and 3.2 < found.evidence["decades"] < 3.8


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("join", [sum, lambda parts: torch.stack(list(parts)).mean(0)])
def test_branches_side_by_side_that_all_fade_are_no_excuse_for_each_other(count, join):
    class Beside(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.head = nn.Linear(16, 16), nn.Linear(16, 4)
            self.branches = nn.ModuleList(sigmoids(6) for _ in range(count))

        def forward(self, x):
            x = self.first(x)
            return self.head(join(branch(x) for branch in self.branches))

    torch.manual_seed(0)
    assert "vanishing" in {one.name for one in diagnose(findings(Beside())) if one.severity == "error"}


def test_two_small_factors_one_behind_the_other_are_one_place():
    class Scaled(Branches):
        def forward(self, x):
            return self.head(torch.tanh(self.first(x)) * 1e-2 * 1e-2)

    torch.manual_seed(0)
    (found,) = [one for one in diagnose(findings(Scaled(0))) if one.name == "cliff"]
    assert "between first and head, at mul" in found.message


class Product(nn.Module):
    """What a layer gives, times what another gives, which is small; or times what is shut."""

    def __init__(self, gate):
        super().__init__()
        self.value, self.other, self.head = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 4)
        self.gate = gate
        nn.init.normal_(self.other.weight, 0, 2e-5)
        nn.init.zeros_(self.other.bias)

    def forward(self, x):
        return self.head(x + torch.tanh(self.value(x)) * self.gate(self.other(x)))


def test_a_product_with_a_layer_that_begins_small_is_no_fault_and_with_a_gate_that_is_shut_it_is():
    torch.manual_seed(0)
    (found,) = [one for one in diagnose(findings(Product(functional.gelu))) if one.name == "cliff"]
    assert found.severity == "info" and "what other gives is the other factor" in found.message
    found = [one for one in diagnose(findings(Product(lambda y: torch.sigmoid(y - 9)))) if one.name == "cliff"]
    assert {one.severity for one in found if "and value" in one.message or "value and" in one.message} == {"warning"}


def constant(value, *layers):
    model = nn.Sequential(*layers)
    for parameter in model.parameters():
        nn.init.constant_(parameter, value)
    return model


def of_classes(model, shape=(64, 20)):
    inputs = torch.randn(*shape, generator=torch.Generator().manual_seed(1))
    targets = torch.randint(0, 3, (shape[0],), generator=torch.Generator().manual_seed(2))
    return layer_flow(model, inputs, targets, functional.cross_entropy)


DEEP = nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3)


@pytest.mark.parametrize(
    ("model", "layers"),
    [
        (lambda: constant(0.05, *DEEP), ["0", "2"]),
        (lambda: constant(0.1, nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 3)), ["0"]),
        (lambda: constant(1.0, nn.Linear(20, 64), nn.Sigmoid(), nn.Linear(64, 3)), ["0"]),
    ],
)
def test_units_that_begin_as_copies_are_named_and_no_cliff_is_made_of_what_cancels_out(model, layers):
    flow = of_classes(model())
    found = {one.name: one for one in diagnose(flow)}
    assert found["units alike"].severity == "error" and found["units alike"].evidence["layers"] == layers
    assert "healthy" not in found and "cliff" not in found
    assert {"he", "xavier", "orthogonal"} <= set(fixes_for(found["units alike"], flow))


class Copies(nn.Module):
    """Something, and layers behind it whose units are copies of one another."""

    def __init__(self, before):
        super().__init__()
        self.first, self.before = nn.Linear(20, 16), before
        self.copied = constant(0.05, nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))

    def forward(self, x):
        return self.copied(self.before(torch.tanh(self.first(x))))


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.layer, self.factor = nn.Linear(16, 16), factor

    def forward(self, x):
        return torch.tanh(self.layer(x * self.factor))


@pytest.mark.parametrize(
    ("before", "told"),
    [
        (lambda: Times(1e-7), {"cliff": "between first and before.layer, at mul"}),
        (lambda: sigmoids(10), {"vanishing": "to input"}),
        (lambda: Times(1.0), {}),
    ],
)
def test_copies_among_units_do_not_hide_what_else_is_wrong(before, told):
    torch.manual_seed(0)
    found = {one.name: one for one in diagnose(of_classes(Copies(before()))) if one.severity == "error"}
    assert set(found) == {"units alike", *told}
    assert all(words in found[name].message for name, words in told.items())


def test_nothing_that_comes_back_through_copies_is_laid_to_them_and_not_to_dead_units():
    model = nn.Sequential(nn.Linear(20, 32), nn.Tanh(), nn.Linear(32, 3))
    nn.init.constant_(model[2].weight, 0.0625)
    nn.init.zeros_(model[2].bias)
    inputs, loss = torch.randn(64, 20), lambda output, _: (output * output.new_tensor([1.0, 1.0, -2.0])).sum()
    found = {one.name: one for one in diagnose(layer_flow(model, inputs, None, loss))}
    assert "0 gets a gradient of exactly 0: all units of 2 have the same weights" in found["no_gradient"].message
    assert found["no_gradient"].severity == "info" and "healthy" in found


def test_copies_in_a_recurrent_layer_are_named_too():
    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = nn.GRU(5, 8, batch_first=True), nn.Linear(8, 3)

        def forward(self, x):
            return self.head(self.rnn(x)[1][0])

    model = Reader()
    assert "units alike" not in [one.name for one in diagnose(of_classes(model, (64, 4, 5)))]
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.1)
    found = next(one for one in diagnose(of_classes(model, (64, 4, 5))) if one.name == "units alike")
    assert found.evidence["layers"] == ["rnn"]


def test_a_head_of_equal_weights_is_told_apart_by_the_first_step_and_is_not_said_to_be_small():
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 3))
    nn.init.constant_(model[2].weight, 0.05)
    nn.init.zeros_(model[2].bias)
    cliff, healthy = diagnose(of_classes(model))
    assert (cliff.name, cliff.severity, healthy.name) == ("cliff", "info", "healthy")
    assert "all units of 2 have the same weights" in cliff.message and "small" not in cliff.message
    assert "would be too many" not in healthy.message


def test_what_is_no_weight_of_units_or_is_not_trained_is_no_copy():
    average = nn.Linear(20, 64)
    nn.init.constant_(average.weight, 0.05)
    nn.init.constant_(average.bias, 0.0)
    average.requires_grad_(False)
    parts = nn.LayerNorm(64), nn.Linear(64, 1), nn.BatchNorm1d(1), nn.Linear(1, 3)
    flow = of_classes(nn.Sequential(average, *parts))
    assert [layer.name for layer in flow.layers if layer.alike] == []
