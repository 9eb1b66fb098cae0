"""The doctor: what is tried is shown beside what is, what is applied is undone to the bit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from traitlets import TraitError

from gradwidgets import LayerFlowPanel
from gradwidgets.core.layers import FIXES, FixRanking, apply_fix, fixes_for, rank_fixes, try_fix
from gradwidgets.core.subject.held.held import Held
from gradwidgets.widgets.layers.fixes.doctor import TRIES
from tests.figures.pictures import texts_in
from tests.widgets.inside import buttons_in, cards_in, press_stop, settled, tell, words_of, work_of
from tests.widgets.layers.models import sick

SMALL = {"depth": 8, "width": 12, "batch": 8, "activation": "Sigmoid", "init": "default", "view": "doctor"}


@pytest.fixture
def make():
    made = []

    def panel(*model, **settings):
        made.append(LayerFlowPanel(*model, **settings))
        return made[-1]

    yield panel
    for one in made:
        one.close()


def test_every_fix_is_on_the_menu():
    assert {name for name, _ in TRIES.values()} == set(FIXES)
    for name, options in TRIES.values():
        FIXES[name].settled(options)


@pytest.mark.parametrize("fix", TRIES)
def test_what_is_shown_is_the_core_s_trial(make, fix):
    model, x, y, loss_fn = sick(last=(nn.Softplus(),) if "output" in fix else ())
    panel = make(model, x, y, loss_fn, view="doctor", fix=fix, lr=0.1)
    assert panel.error == ""
    name, options = TRIES[fix]
    trial = try_fix(model, x, y, loss_fn, name, lr=0.1, **options)
    figure = panel.views["doctor"].figure
    after = [one.weight_grad_rms for one in trial.after.layers if one.weights and "Norm" not in one.kind]
    np.testing.assert_allclose(10.0 ** figure.lines["pinned 0"].get_data()[1], after, rtol=1e-5)
    losses = figure.above.lines["cure"].get_data()[1], figure.above.lines["now"].get_data()[1]
    expected = trial.losses_after.numpy(), trial.losses_before.numpy()
    for drawn, known in zip(losses, expected, strict=True):
        drawn = drawn if panel_is_linear(figure) else 10.0**drawn
        np.testing.assert_allclose(drawn, known[np.isfinite(known)], rtol=1e-6)
    assert trial.sentence in panel.summary and "vanishing" in panel.summary


def panel_is_linear(figure) -> bool:
    return "1e" not in "".join(t.get_text() for t in figure.above.axes.get_yticklabels()) and (
        figure.above.axes.get_ylim()[0] > -0.5
    )


def test_the_cards_name_the_fixes_that_answer(make):
    panel = make(*sick(), view="doctor")
    finding = panel.findings[0]
    offered = [name for name, (fix, _) in TRIES.items() if fix in fixes_for(finding)]
    assert finding.name == "vanishing" and all(name in panel.summary for name in offered)


def test_apply_changes_the_model_as_the_copy_and_undo_brings_it_back(make):
    model, x, y, loss_fn = sick()
    state, expected = Held(model), apply_fix(model, "normalization", kind="layer")
    panel = make(model, x, y, loss_fn, view="doctor", fix="LayerNorm")
    assert state.put_back().put_back == ()  # trying changes nothing
    panel.apply_fix()
    pairs = zip(model.state_dict().items(), expected.state_dict().items(), strict=True)
    assert all(a == b and torch.equal(p, q) for (a, p), (b, q) in pairs)
    assert panel.fix == "none" and "applied: LayerNorm" in panel.summary and "make a new optimizer" in panel.summary
    assert any("Norm" in layer.kind for layer in panel.flow.layers)
    panel.fix = "He init"
    panel.apply_fix()  # one on another
    panel.undo_fix()
    panel.undo_fix()
    assert state.put_back().put_back == () and "applied" not in panel.summary
    assert not any("Norm" in layer.kind for layer in panel.flow.layers)
    with pytest.raises(ValueError, match="nothing was applied"):
        panel.undo_fix()


# Networks from sliders have no activation at their output.
ON_SLIDERS = [name for name, (fix, _) in TRIES.items() if FIXES[fix].changes_model and "output" not in fix]


@pytest.mark.parametrize("fix", ON_SLIDERS)
def test_of_a_network_from_sliders_the_sliders_are_set(make, fix):
    panel = make(**SMALL, fix=fix)
    before = panel.state()
    panel.apply_fix()
    after = panel.state()
    changed = {name for name in after if after[name] != before[name]}
    assert changed - {"fix"} and changed <= {
        "fix",
        "init",
        "gain",
        "activation",
        "normalization",
        "architecture",
        "depth",
    }
    assert panel.error == ""
    panel.undo_fix()
    assert panel.state() == {**before, "fix": "none"}


def test_clipping_and_nothing_are_nothing_to_apply(make):
    panel = make(*sick(), view="doctor")
    with pytest.raises(ValueError, match="choose a fix first"):
        panel.apply_fix()
    panel.fix = "clipping to norm 1"
    with pytest.raises(ValueError, match="copy its code"):
        panel.apply_fix()
    buttons = buttons_in(panel)
    assert buttons["Apply"].disabled and "copy its code" in buttons["Apply"].tooltip
    assert buttons["Undo"].disabled and not buttons["Copy fix"].disabled
    with pytest.raises(TraitError):
        panel.fix = "prayer"


def test_a_fix_that_finds_nothing_is_said_and_the_picture_stays(make):
    panel = make(nn.Linear(4, 2), torch.randn(3, 4), torch.randn(3, 2), nn.functional.mse_loss, view="doctor")
    panel.fix = "GELU"
    assert panel.summary.startswith("GELU cannot be tried here: no activation between layers") and not panel.error
    assert "cannot be tried here" in words_of(panel)
    assert not len(panel.views["doctor"].figure.lines["pinned 0"].get_xdata())
    apply, copy = (buttons_in(panel)[name] for name in ("Apply", "Copy fix"))
    assert apply.disabled and copy.disabled and "no activation between layers" in apply.tooltip
    with pytest.raises(ValueError, match="no activation between layers"):
        panel.apply_fix()
    panel.fix = "none"
    assert "cannot be tried" not in panel.summary


def test_only_fixes_that_fit_are_worth_a_try(make):
    model, x, y, loss_fn = sick()
    panel = make(model, x, y, loss_fn, view="doctor")
    assert "Worth a try: He init, Xavier init, orthogonal init, ReLU, GELU" in panel.summary
    functional = make(Functional(), torch.randn(16, 6), torch.randn(16, 6), nn.functional.mse_loss, view="doctor")
    assert functional.findings[0].name == "vanishing"
    assert "Worth a try: He init, Xavier init, orthogonal init, LayerNorm, BatchNorm, gain." in functional.summary


class Functional(nn.Module):
    """A deep network without activation modules and without Sequential."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(12))

    def forward(self, x):
        for layer in self.layers:
            x = torch.sigmoid(layer(x))
        return x


def test_an_activation_that_all_layers_share_is_swapped_applied_and_put_back(make):
    class Shared(Functional):
        def __init__(self):
            super().__init__()
            self.act = nn.Sigmoid()

        def forward(self, x):
            for layer in self.layers:
                x = self.act(layer(x))
            return x

    panel = make(Shared(), torch.randn(16, 6), torch.randn(16, 6), nn.functional.mse_loss, view="doctor", fix="ReLU")
    assert panel.summary.startswith("ReLU: loss in 20 steps")
    panel.apply_fix()
    assert panel.flow["act"].kind == "ReLU" and panel.error == ""
    panel.view = "flow"
    assert "act runs 12 times in a pass: its numbers are of all calls together" in panel.summary
    assert len(panel.views["flow"].figure.above.lines["share"].get_xdata()) == 12
    panel.undo_fix()
    assert panel.flow["act"].kind == "Sigmoid"


def test_two_panels_on_one_model(make):
    model, x, y, loss_fn = sick()
    one, other = (make(model, x, y, loss_fn, view="doctor") for _ in range(2))
    before, state = other.flow.layers[0].weight_norm, Held(model)
    one.fix = "He init"
    one.apply_fix()
    other.view = "flow"  # what was changed elsewhere is noticed
    assert other.flow.layers[0].weight_norm == one.flow.layers[0].weight_norm != before
    other.fix = "LayerNorm"
    other.apply_fix()
    with pytest.raises(ValueError, match="was applied after it"):
        one.undo_fix()
    other.undo_fix()
    one.undo_fix()
    assert state.put_back().put_back == ()


def test_a_model_that_was_trained_outside_is_measured_anew(make):
    model, x, y, loss_fn = sick()
    panel = make(model, x, y, loss_fn)
    before = panel.flow.layers[0].weight_norm
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    loss_fn(model(x), y).backward()
    optimizer.step()
    panel.view = "doctor"
    now = float(model[-1].weight.detach().double().norm())
    assert panel.flow.layers[-1].weight_norm == pytest.approx(now, rel=1e-6)
    shown = work_of(panel).shown
    panel.quantity = "activation"  # nothing changed but the view
    assert work_of(panel).shown is shown and before


def test_the_script_tries_the_same(make):
    panel = make(**SMALL, fix="GELU")
    done = {}
    exec(panel.code(), done)
    assert done["trial"].sentence in panel.summary


@pytest.mark.parametrize("fix", ON_SLIDERS)
def test_of_a_network_from_sliders_that_is_tried_which_is_applied(make, fix):
    panel = make(depth=12, activation="Sigmoid", view="doctor", fix=fix)
    trial = settled(panel).part
    panel.apply_fix()
    told = [layer.weight_grad_norm for layer in panel.flow.layers]
    np.testing.assert_equal(told, [layer.weight_grad_norm for layer in trial.after.layers])
    assert panel.flow.loss == trial.after.loss and " → " in panel.summary.split("applied: ")[1]
    panel.fix = fix  # once more: there is nothing left to change
    assert "the network is like that already" in panel.summary
    with pytest.raises(ValueError, match="like that already"):
        panel.apply_fix()


def test_what_a_network_from_sliders_is_already_is_not_worth_a_try(make):
    panel = make(depth=100, activation="ReLU", init="He", width=10, seed=3, view="doctor")
    named = panel.views["doctor"].fitting(settled(panel).flow)
    assert "He init" not in named and "ReLU" not in named and "Xavier init" in named


def test_a_fix_that_makes_the_loss_rise_is_no_success(make):
    panel = make(*sick(), view="doctor", fix="residual connections", lr=300.0)
    assert "With it the loss rises at lr 300" in panel.summary and "card warning" in words_of(panel)


def test_undo_says_what_is_lost_and_that_the_optimizer_must_be_made_anew(make):
    panel = make(*sick(), view="doctor", fix="LayerNorm")
    panel.apply_fix()
    panel.undo_fix()
    said = "undone: LayerNorm; the model is as it was before, without what it has learned since; make a new optimizer"
    assert said in panel.summary


def test_all_fixes_are_tried_and_ranked(make):
    model, x, y, loss_fn = sick()
    state = Held(model)
    panel = make(model, x, y, loss_fn, view="doctor", fix="He init")
    buttons_in(panel)["Try all"].click()
    ranking = work_of(panel).shown.part
    assert panel.error == "" and panel.fix == "none" and state.compare().unchanged
    expected = rank_fixes(model, x, y, loss_fn)
    assert ranking == replace(expected, certificate=ranking.certificate)
    assert ranking.sentence in panel.summary and "not tried: no output activation" in panel.summary
    assert all(f"<td>{one.name}</td>" in words_of(panel) for one in (*ranking.fixes, ranking.baseline))
    assert "<td>yes</td>" in words_of(panel) and "rank_fixes(model" in panel.code()
    drawn = panel.views["doctor"].figure.above.lines["cure"].get_data()[1]
    best = ranking.fixes[0].losses[0].numpy()
    np.testing.assert_allclose(drawn if panel_is_linear(panel.views["doctor"].figure) else 10.0**drawn, best, rtol=1e-6)
    panel.fix = "gain"  # a trial of one, then the ranking again without a new one
    assert not isinstance(work_of(panel).shown.part, FixRanking)
    panel.fix = "none"
    assert work_of(panel).shown.part is ranking
    panel.fix = "gain"
    panel.apply_fix()  # another model: nothing is known of that
    assert work_of(panel).shown.part is None and "rank_fixes" not in panel.code()


def test_of_a_network_from_sliders_all_are_tried_too_with_other_weights_for_each_seed(make):
    panel = make(**SMALL)
    buttons_in(panel)["Try all"].click()
    he = next(one for one in work_of(panel).shown.part.fixes if one.name == "He init")
    assert len({float(row[0]) for row in he.losses}) == 3 and panel.error == ""
    panel.depth = 6
    assert work_of(panel).shown.part is None


def test_a_ranking_that_is_stopped_is_not_asked_for_any_more(make, monkeypatch):
    panel = make(*sick(), view="doctor")
    doctor = panel.views["doctor"]
    with monkeypatch.context() as pressed:
        pressed.setattr(panel, "refresh", lambda: None)  # as after a press: it is asked for, and not begun yet
        doctor.ask()
    assert "Trying all" in words_of(panel) and doctor.more() == ("none", panel.lr, True)
    press_stop(panel)
    assert work_of(panel).shown.part is None and doctor.more() == ("none", panel.lr, False)
    assert "Trying all" not in words_of(panel)


def test_zeros_are_offered_a_draw_and_a_dead_output_its_removal(make):
    zeros = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    for parameter in zeros.parameters():
        nn.init.zeros_(parameter)
    x, y = torch.randn(24, 8), torch.randn(24, 4)
    panel = make(zeros, x, y, nn.functional.mse_loss, view="doctor")
    assert "weights are all 0. Worth a try: He init, Xavier init, orthogonal init." in panel.summary
    panel.fix = "gain"
    assert "it changed nothing" in words_of(panel)
    panel.apply_fix()
    assert "applied: gain: it changed nothing" in panel.summary
    dead = nn.Sequential(nn.Linear(8, 4), nn.ReLU())
    nn.init.constant_(dead[0].bias, -99.0)
    panel = make(dead, x, y, nn.functional.mse_loss, view="doctor")
    assert "no output activation" in panel.summary.split("Worth a try: ")[1]
    panel.fix = "no output activation"
    panel.apply_fix()
    assert isinstance(dead[1], nn.Identity) and panel.error == ""
    panel.undo_fix()
    assert isinstance(dead[1], nn.ReLU)


def test_findings_stay_while_all_fixes_are_tried(make, monkeypatch):
    panel = make(*sick(), view="doctor")
    said, doctor = [], panel.views["doctor"]
    monkeypatch.setattr(doctor, "stage", replace(doctor.stage, say=said.append))
    doctor.ask()
    assert len(said) == 1 and "Trying all fixes" in said[0] and "card error" in said[0]
    assert panel.findings[0].message.split("<")[0] in said[0]


def test_the_best_fix_s_loss_is_named_where_it_is_drawn(make):
    panel = make(*sick(), view="doctor")
    panel.views["doctor"].ask()
    above = panel.views["doctor"].figure.above
    best = work_of(panel).shown.part.fixes[0].name
    assert texts_in(above.axes) == ["loss, 20 steps", "now", best] and len(above.lines["cure"].get_xdata()) > 1
    panel.fix = "gain"
    above = panel.views["doctor"].figure.above
    assert texts_in(above.axes) == ["loss, 20 steps", "now", "cure"]


def test_layers_keep_their_names_where_a_fix_is_tried(make):
    panel = make(*sick(), view="doctor")
    figure = panel.views["doctor"].figure
    before = [one.get_text() for one in figure.profile.get_xticklabels()]
    panel.fix = "He init"
    after = [one.get_text() for one in figure.profile.get_xticklabels()]
    assert after == before and before[0] == panel.flow.layers[0].name


def press(button):
    tell(button, {"event": "click"})


def test_a_cure_is_found_from_the_first_view_and_each_can_be_seen_at_a_press(make):
    panel = make(**{**SMALL, "view": "flow"})
    assert panel.page.counts == {"doctor": len([f for f in panel.findings if f.severity in ("warning", "error")])}
    press(buttons_in(panel)["Find a cure"])
    ranking = settled(panel).part
    assert panel.view == "doctor" and isinstance(ranking, FixRanking)
    cards = cards_in(panel)
    assert list(cards) == [one.name for one in ranking.fixes[:4]]
    name = list(cards)[1]
    press(cards[name])
    assert panel.fix == name and settled(panel).part.sentence
    assert cards_in(panel)[name].description == "tried"
    assert [one.description for other, one in cards_in(panel).items() if other != name] == ["Try"] * 3


def test_cards_are_of_the_network_that_is_shown(make):
    panel = make(**SMALL)
    press(buttons_in(panel)["Try all"])
    assert cards_in(panel)
    panel.gain = 2.0
    assert not cards_in(panel)


def test_a_healthy_network_is_offered_no_cure(make):
    panel = make(depth=4, width=16, batch=16, activation="ReLU", init="He", view="flow")
    assert not [f for f in panel.findings if f.severity in ("warning", "error")]
    assert panel.page.counts == {}
    assert buttons_in(panel)["Find a cure"].layout.display == "none"
