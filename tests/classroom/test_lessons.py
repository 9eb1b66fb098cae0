"""Each lesson opens, hides what it says, and every number in its words is computed here."""

import dataclasses
import html
import math

import pytest
import torch
from traitlets import TraitError

import gradwidgets
from gradwidgets import LESSONS, gallery, lesson, lessons
from gradwidgets.classroom.opening import WIDGETS
from gradwidgets.core import SGD, SurfaceGrid, step_parts
from tests.widgets.inside import buttons_in, guess_of, settled
from tests.widgets.taught import prediction_of, question_of


@pytest.fixture
def opened():
    made = []

    def open_one(name, **settings):
        made.append(lesson(name, **settings))
        return made[-1]

    yield open_one
    for panel in made:
        panel.close()


def said(name: str) -> str:
    one = LESSONS[name]
    return f"{one.notice} {one.question} {one.answer}".replace("−", "-")


def test_there_are_enough_over_all_three_widgets():
    assert len(LESSONS) >= 12
    assert {one.widget for one in LESSONS.values()} == set(WIDGETS)
    assert all(getattr(gradwidgets, name) is kind for name, kind in WIDGETS.items())


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_is_small_frozen_and_short(name):
    one = LESSONS[name]
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.title = "another"
    with pytest.raises(TypeError):
        one.settings["lr"] = 1
    assert one.question.endswith("?") and len(one.notice) < 240 and len(one.answer) < 400


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_opens(name, opened):
    panel, one = opened(name), LESSONS[name]
    assert type(panel) is WIDGETS[one.widget] and panel.error == ""
    for text in (one.title, one.notice.split("'")[0], one.question.split("'")[0], "<details>"):
        assert text.split("&")[0] in panel.lesson.heading.value.replace("&#x27;", "'").replace("&amp;", "&")
    assert panel.lesson.heading.layout.display == ""
    for hidden in panel.hide:
        assert "gradwidgets-hidden" in panel.controls[hidden]._dom_classes
    assert panel.predict == one.settings.get("predict", False)
    assert (guess_of(panel) is not None) == panel.predict
    assert not panel.predict or panel.summary == question_of(panel)
    assert panel._repr_mimebundle_()  # shows itself
    if panel.predict:
        panel.answer = {"fate": next(iter(prediction_of(panel).asked["fate"].control.menu.options))[1] or _fate(panel)}
        panel.reveal()
        assert 0 <= panel.score <= 1 and panel.reason


def _fate(panel) -> str:
    return prediction_of(panel).asked["fate"].control.menu.options[1][1]


def test_the_list_names_them_all():
    assert tuple(lessons()) == tuple(LESSONS)
    assert all(
        one.title in repr(lessons()) and html.escape(one.title) in lessons()._repr_html_() for one in LESSONS.values()
    )


def test_a_wrong_name_is_answered_with_the_right_ones():
    with pytest.raises(ValueError, match="there is no lesson 'nestrov'; there are journey, four-losses"):
        lesson("nestrov")
    with pytest.raises(TraitError, match="lr must be a number"):
        lesson("nesterov", lr=-1)
    with pytest.raises(TypeError, match="no setting speed"):
        lesson("nesterov", speed=1)


def test_a_setting_of_ones_own_wins(opened):
    panel = opened("nesterov", lr=0.2, style="projector", hide=[])
    assert (panel.lr, panel.step, panel.style, panel.hide) == (0.2, 2, "projector", ())


# -- the numbers in the words ---------------------------------------------------------------------------


def near(found: float, text: str) -> bool:
    """Whether a number rounds to how it is written."""
    digits = len(text.partition(".")[2])
    return math.isclose(found, float(text), abs_tol=0.5 * 10**-digits + 1e-12)


def test_journey(opened):
    weight, bias = opened("journey").trajectories["MSE"].end.tolist()
    assert "weight 0.9258, bias 2.484" in said("journey") and near(weight, "0.9258") and near(bias, "2.484")


def test_four_losses(opened):
    runs = opened("four-losses").trajectories
    weight, bias = runs["L1"].end.tolist()
    assert "weight 1.404, bias 2.244" in said("four-losses") and near(weight, "1.404") and near(bias, "2.244")
    torch.testing.assert_close(runs["Huber"].end, runs["SmoothL1"].end)


def test_edge_of_stability(opened):
    panel = opened("edge-of-stability", predict=False)
    assert "limit is 0.976" in said("edge-of-stability") and near(panel.stability["MSE"].lr_limit, "0.976")
    assert "diverged" in panel.summary
    panel.lr = 0.97
    assert "oscillating" in panel.summary and "At lr 0.97 it only oscillates" in said("edge-of-stability")


def test_momentum(opened):
    panel = opened("momentum")
    mse, l1 = panel.summary.splitlines()
    assert "0.0146 from the minimum" in l1 and "within 0.015" in said("momentum")
    assert "still moving" in mse
    panel.momentum = 0.5
    assert "MSE: converged at step 19" in panel.summary


def test_nesterov(opened):
    panel = opened("nesterov")
    run = panel.trajectories["MSE"]
    parts = step_parts(run, settled(panel).objectives["MSE"], SGD(0.1, 0.9, nesterov=True), 2)
    assert "1.26 there, against -2.17 here" in said("nesterov")
    assert near(float(parts.lookahead_gradient[1]), "1.26") and near(float(parts.gradient[1]), "-2.17")
    assert "bias of 4.93, plain momentum to 6.65" in said("nesterov")
    assert near(float(run.points[:, 1].max()), "4.93")
    panel.nesterov = False
    assert near(float(panel.trajectories["MSE"].points[:, 1].max()), "6.65")


def test_weight_decay(opened):
    runs = opened("weight-decay").trajectories
    assert "(0.300, 1.213)" in said("weight-decay")
    assert [f"{v:.3f}" for v in runs["MSE"].end.tolist()] == ["0.300", "1.213"]
    assert near(float(runs["L1"].end[1]), "0.500")


def test_dampening(opened):
    panel = opened("dampening")
    damped = panel.trajectories["MSE"].end
    panel.restore({"lr": 0.02, "dampening": 0.0})
    assert "0.02" in said("dampening")
    assert float((panel.trajectories["MSE"].end - damped).norm()) < 0.05


def test_outliers(opened):
    panel = opened("outliers")
    weights = {name: float(objective.minima[0][0]) for name, objective in settled(panel).objectives.items()}
    assert "weight of 1.79" in said("outliers") and near(weights["MSE"], "1.79")
    assert "its size: 1.00." in said("outliers") and near(weights["L1"], "1.00")
    assert "nearer to L1: 1.20." in said("outliers") and near(weights["Huber"], "1.20")


def test_dead_zone(opened):
    panel = opened("dead-zone", predict=False)
    (finding, *_) = panel.findings["pair"]
    assert finding.name == "dead_zone" and "A quarter of the view" in said("dead-zone")
    assert math.isclose(finding.evidence["share"], 0.25, abs_tol=0.02)
    assert "does not move, the gradient is zero" in panel.summary and "loss 1," in panel.summary


def test_product(opened):
    panel = opened("product")
    assert "at (1, 0.1) it is 0.1, in log-space 1" in said("product")
    product, log_space = [line for line in panel.summary.splitlines() if ": at A 1, B 0.1" in line]
    assert "∂/∂A 0.1" in product and "∂/∂A 1," in log_space
    assert panel.findings["log-space"][0].name == "non_finite"


def test_saturated(opened):
    panel = opened("saturated")
    names = [finding.name for finding in panel.findings["saturated BCE"]]
    assert names == ["dead_zone", "vanishes_in_float32"] and "35.5 % of the view is dead" in panel.summary
    logit = torch.tensor(40.0, requires_grad=True)
    torch.nn.functional.binary_cross_entropy_with_logits(logit, torch.tensor(0.0)).backward()
    assert logit.grad == 1 and "keeps a gradient of 1" in said("saturated")


def test_imbalanced(opened):
    panel = opened("imbalanced")
    assert "b 0.501" in panel.summary and "from 0.6 to 0.501" in said("imbalanced")
    panel.lr = 0.0021
    assert "diverged" in panel.summary


def test_where(opened):
    panel = opened("where")
    assert panel.findings["√ under where"][0].name == "non_finite" and panel.findings["safe"][-1].severity == "ok"
    grid: SurfaceGrid = panel.grids["√ under where"]
    assert bool(grid.loss.isfinite().all()) and 0.45 < float((~grid.grad_x.isfinite()).double().mean()) < 0.55


def test_two_valleys(opened):
    panel = opened("two-valleys")
    by_name = {finding.name: finding for finding in panel.findings["unexpected minimum"]}
    assert near(by_name["saddle"].where[0], "0.075") and "a = 0.075" in said("two-valleys")
    assert "0.5996 above" in by_name["unexpected_minimum"].message and "0.6 higher" in said("two-valleys")


def test_sigmoid(opened):
    panel = opened("sigmoid", predict=False)
    assert "loses 16.2 decades" in panel.summary and "16 decades are gone" in said("sigmoid")
    assert "a factor of 0.14 a layer" in panel.summary and "leaves 0.14" in said("sigmoid")
    assert 0.5e-12 < 0.25**20 < 2e-12
    panel.change(activation="ReLU", init="He")
    assert panel.findings[0].name == "healthy"


def test_default_init(opened):
    panel = opened("default-init")
    assert "loses 11.8 decades" in panel.summary and "a factor of 0.393" in panel.summary
    assert "12 decades are gone" in said("default-init") and "About 0.39" in said("default-init")
    panel.init = "He"
    assert "loses a factor of 2 (0.29 decades" in panel.summary


def test_residual(opened):
    panel = opened("residual")
    assert panel.findings[0].name == "healthy"
    panel.change(architecture="plain", depth=100)
    assert "loses 38.7 decades" in panel.summary and "38.7 decades" in said("residual")


def test_explodes(opened):
    panel = opened("explodes", predict=False)
    assert "gains 3.4 decades" in panel.summary and "3.4 decades" in said("explodes")
    panel.gain = 1.0
    assert panel.findings[0].name == "healthy"


def test_clipping(opened):
    lines = {line.partition(":")[0]: line for line in opened("clipping").summary.splitlines()}
    assert "cosine 1," in lines["norm"] and "cosine 1," in lines["autoclip"]
    assert "cosine 0.4534" in lines["value"] and "cosine 0.7116" in lines["percentile"]
    assert "0.45 and 0.71" in said("clipping")


# -- the gallery ----------------------------------------------------------------------------------------


def menu_of(shown):
    """The menu of a gallery's lessons."""
    return shown.children[0].children[0]


def alert_of(shown):
    """The line that says why a lesson could not be opened, as HTML."""
    return shown.children[1].value


def test_the_gallery_walks_through_all_of_them():
    shown = gallery("journey", theme="dark")
    assert shown.panel.theme == "dark"
    first = shown.panel
    buttons_in(shown)["Next ▶"].click()
    assert first.comm is None and menu_of(shown).value == "four-losses" and shown.error == ""
    for name in ("journey", list(LESSONS)[-1]):
        buttons_in(shown)["◀ Previous"].click()
        assert menu_of(shown).value == name and shown.error == ""
    assert "image/png" in shown._repr_mimebundle_()
    shown.close()
    shown.close()


def test_the_gallery_says_what_cannot_be_opened_and_goes_on():
    shown = gallery("journey", momentum=0.5)
    assert shown.panel.momentum == 0.5 and shown.error == ""
    menu_of(shown).value = "sigmoid"
    assert shown.panel is None and "momentum" in shown.error and 'role="alert"' in alert_of(shown)
    menu_of(shown).value = "nesterov"
    assert shown.error == "" == alert_of(shown) and (shown.panel.step, shown.panel.momentum) == (2, 0.5)
    shown.close()


@pytest.mark.parametrize(("asked", "opens", "error"), [
    ("lesson=nesterov", "nesterov", ""),
    ("lesson=<script>", "journey", "there is no lesson '<script>'; this is the first one"),
    ("", "journey", ""),
])  # fmt: skip
def test_an_apps_address_chooses(asked, opens, error, monkeypatch):
    monkeypatch.setenv("QUERY_STRING", asked)
    shown = gallery()
    assert (menu_of(shown).value, shown.error) == (opens, error)
    assert "<script>" not in alert_of(shown)
    shown.close()


def test_a_gallery_cannot_begin_with_what_is_not_there():
    with pytest.raises(ValueError, match="there is no lesson 'nothing'"):
        gallery("nothing")
