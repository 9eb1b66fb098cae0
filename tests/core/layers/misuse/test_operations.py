"""What is told of single operations from shapes, graphs and code, and in which order causes are told."""

import pytest
import torch
from torch import nn
from torch.distributions import Normal
from torch.nn import functional

from gradwidgets.core.layers import layer_flow
from gradwidgets.core.layers.axes.along_samples import Along, are_samples
from gradwidgets.core.layers.axes.scrambled import exchanges, joins_heads, reorders, scrambles
from gradwidgets.core.layers.causes.drawn import Draws, may_draw
from gradwidgets.core.monitor import diagnose
from tests.core.layers.field.case import Runs, through


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ((8, 12, 5), (8, 5, 12), True),
        ((8, 7, 32), (8, 4, 7, 8), True),  # heads before steps
        ((8, 4, 7, 8), (8, 7, 32), True),  # and not turned back
        ((8, 16, 4, 10), (8, 10, 64), True),  # columns before channels
        ((8, 7, 32), (8, 7, 4, 8), False),
        ((8, 12, 16), (8, 6, 32), False),  # two frames become one
        ((8, 16, 4, 4), (8, 4, 64), False),  # groups of channels
        ((8, 3, 8, 8), (8, 3, 4, 2, 4, 2), False),
        ((8, 1, 28, 28), (8, 28, 28), False),
        ((8, 60), (8, 12, 5), False),
        ((6, 8, 4), (8, 6, 4), False),  # samples: that is asked of the model
    ],
)
def test_a_view_that_changes_axes_over_is_told_by_its_shapes(before, after, changes):
    assert scrambles(before, after) == changes


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        *[((8, d, side, side), (8, side * side, d), True) for d in (16, 24, 32) for side in (7, 8)],
        ((8, 64, 4, 4), (8, 16, 64), True),
        ((8, 64, 16), (8, 16, 8, 8), True),  # and back to a map
        ((8, 5, 16, 8, 8), (8, 5, 64, 16), True),  # frames before
        ((8, 32, 32, 4), (8, 4, 32, 32), True),
        ((8, 16, 4, 4), (8, 16, 16), False),  # as many channels as places: it may merge places
        ((8, 8, 8, 16), (8, 64, 16), False),  # channels last
        ((8, 16, 64), (8, 8, 128), False),  # frames stacked
        ((8, 16, 8), (8, 8, 16), False),  # the same, by as many as there are
        ((8, 8, 8, 32), (8, 32, 64), False),
        ((8, 16, 8, 8), (8, 4, 256), False),
        ((8, 16, 8, 8), (8, 4, 2, 2, 8, 8), False),
        ((8, 1, 8, 64), (8, 64, 8), False),
    ],
)
def test_a_map_whose_channels_stand_elsewhere_is_told_whatever_divides_what(before, after, changes):
    assert exchanges(before, after) == changes


@pytest.mark.parametrize(
    ("before", "after", "joins"),
    [
        ((8, 4, 16, 8), (8, 16, 32), True),
        ((8, 4, 4, 8), (8, 4, 32), False),
        ((8, 16, 4, 8), (8, 4, 128), False),  # may be groups
        ((8, 16, 4, 8), (8, 16, 32), False),
    ],
)
def test_heads_that_are_joined_across_steps_are_told_from_a_merge(before, after, joins):
    assert joins_heads(before, after) == joins


@pytest.mark.parametrize(
    ("given", "gave", "sure"),
    [
        ((16, 9), (16, 4), True),
        ((16, 9, 8), (16, 9, 5), False),  # steps and samples, either way round
        ((16, 16, 8), (16, 4), False),
        ((16,), (16, 4), False),  # the words of one sentence
    ],
)
def test_an_axis_is_that_of_samples_where_no_other_reading_is_left(given, gave, sure):
    assert are_samples(Along("rnn", "GRU", (16, 9, 8)), 16, [given], [gave]) == sure


def helper(mean, deviation):
    return Normal(mean, deviation).sample()


def test_code_that_draws_is_found_behind_functions_that_it_calls():
    model = Runs(lambda s, x: helper(s.net(x), 1.0), net=through(4, 8, 2))
    assert may_draw(model, functional.mse_loss)
    assert not may_draw(nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5)), functional.mse_loss)


def test_no_pass_is_made_for_draws_where_nothing_is_drawn_but_dropout(monkeypatch):
    from gradwidgets.core.layers import flow

    asked = []
    monkeypatch.setattr(flow, "drawn_in", lambda subject: asked.append(subject) or Draws())
    x, y = torch.randn(8, 4), torch.randint(0, 2, (8,))
    for model in (through(4, 8, 2), nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))):
        layer_flow(model, x, y, functional.cross_entropy)
    assert not asked
    layer_flow(Runs(lambda s, x: s.net(x + torch.randn_like(x)), net=through(4, 8, 2)), x, y, functional.cross_entropy)
    assert len(asked) == 1


def test_inputs_of_a_wrong_scale_come_before_what_they_saturate_and_are_as_grave():
    model = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 4))
    flow = layer_flow(model, torch.rand(32, 64) * 255, torch.randint(0, 4, (32,)), functional.cross_entropy)
    found = [one for one in diagnose(flow) if one.name in ("input_scale", "saturated")]
    assert [one.name for one in found] == ["input_scale", "saturated"]
    assert found[0].severity == found[1].severity and "the scale of the inputs" in found[1].message


def test_a_last_layer_of_a_chain_is_no_loose_end_where_the_rest_of_its_block_is_unused_too():
    def run(s, x):
        for layer in s.layers:
            before, x = x, torch.tanh(layer(x))
        return s.out(before)

    model = Runs(run, layers=nn.ModuleList(nn.Linear(8, 8) for _ in range(3)), out=nn.Linear(8, 4))
    flow = layer_flow(model, torch.randn(16, 8), torch.randint(0, 4, (16,)), functional.cross_entropy)
    (one,) = [one for one in diagnose(flow) if one.name == "no_gradient"]
    assert one.severity == "warning" and one.message.startswith("layers.2 gets no gradient")


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        (torch.ones(6, 6).triu(0).bool(), True),
        (torch.ones(6, 6).triu(1).bool(), False),
        (torch.arange(6).expand(6, 6) >= 4, False),  # padding as keys
        ((torch.arange(6) >= 4) | (torch.arange(6) >= 4)[:, None], False),  # and as queries
        (torch.ones(6, 6).tril(), True),  # added
        (torch.zeros(6, 6).masked_fill(torch.ones(6, 6).triu(1).bool(), -torch.inf), False),
    ],
)
def test_a_mask_is_blamed_where_it_hides_all_keys_of_a_query_that_is_seen_or_none(mask, told):
    def run(s, x):
        return s.out(s.attend(x, x, x, attn_mask=mask, need_weights=False)[0].mean(1))

    model = Runs(run, attend=nn.MultiheadAttention(8, 2, batch_first=True), out=nn.Linear(8, 3))
    flow = layer_flow(model, torch.randn(12, 6, 8), torch.randint(0, 3, (12,)), functional.cross_entropy)
    assert ("mask" in {one.name for one in diagnose(flow)}) == told


@pytest.mark.parametrize(
    ("before", "after", "other"),
    [
        ((8, 16, 4, 8), (8, 4, 16, 8), True),
        ((8, 32, 64), (8, 64, 32), True),
        ((8, 16, 4, 8), (8, 16, 32), False),
        ((8, 4, 4, 8), (8, 4, 4, 8), False),
        ((4, 8, 2), (8, 4, 2), False),  # samples: that is asked of the model
    ],
)
def test_the_same_sizes_in_another_order_are_told(before, after, other):
    assert reorders(before, after) == other


def test_one_more_pass_is_made_for_masks_only_where_something_is_added_before_a_softmax(monkeypatch):
    from gradwidgets.core.layers import flow

    asked = []
    monkeypatch.setattr(flow, "added_masks", lambda subject: asked.append(subject) or [])

    def run(s, x):
        scores = s.a(x) @ x.mT
        return s.out(((scores + s.bias if s.adds else scores).softmax(-1) @ x).mean(1))

    for adds in (False, True):
        model = Runs(run, a=nn.Linear(8, 8), out=nn.Linear(8, 3))
        model.adds, model.bias = adds, -torch.arange(6.0)
        layer_flow(model, torch.randn(12, 6, 8), torch.randint(0, 3, (12,)), functional.cross_entropy)
        assert bool(asked) == adds


def test_a_model_is_asked_for_fewer_samples_only_where_a_code_may_be_added(monkeypatch):
    from gradwidgets.core.layers.misuse import place_codes

    asked, way = [], place_codes.output_of
    monkeypatch.setattr(place_codes, "output_of", lambda *given, **more: asked.append(1) or way(*given, **more))
    for code in (torch.zeros(1, 6, 8), nn.Parameter(torch.randn(1, 6, 8)), nn.Parameter(torch.randn(8))):
        model = Runs(lambda s, x, code=code: s.out((s.a(x) + code).mean(1)), a=nn.Linear(8, 8), out=nn.Linear(8, 3))
        layer_flow(model, torch.randn(12, 6, 8), torch.randint(0, 3, (12,)), functional.cross_entropy)
        assert len(asked) == (not code.requires_grad)  # a code without a gradient leaves no shape behind
        asked.clear()


def test_a_loss_that_asks_for_nothing_more_is_a_note_and_does_not_hide_weights_of_0():
    net = through(8, 16, 1)
    nn.init.constant_(net[-1].bias, -9.0)
    x, met = torch.randn(16, 8), lambda o, _: functional.relu(1 + o).mean()
    said = {one.name: one for one in diagnose(layer_flow(net, x, None, met))}
    assert said["loss_met"].severity == "info" and set(said) == {"loss_met", "healthy"}
    assert said["healthy"].message.startswith("no gradient goes to every layer since the loss is as low as it gets")
    nn.init.zeros_(net[0].weight)
    nn.init.zeros_(net[0].bias)
    said = {one.name: one.severity for one in diagnose(layer_flow(net, x, None, met))}
    assert said["no_gradient"] == "error" and "healthy" not in said


def test_a_last_sigmoid_that_is_saturated_is_to_be_left_to_a_loss_of_logits():
    net = nn.Sequential(*through(8, 16, 1), nn.Sigmoid())
    nn.init.constant_(net[2].bias, -40.0)
    flow = layer_flow(net, torch.randn(16, 8), None, lambda o, _: torch.log(1 - o).mean())
    said = next(one for one in diagnose(flow) if one.name == "saturated")
    assert "logits" in said.action and "−logsigmoid" in said.action
