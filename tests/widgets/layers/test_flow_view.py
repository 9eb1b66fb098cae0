"""The layer panel: what it shows is what the core measures, for every setting, and models stay as they are."""

import gc
import json
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from ipywidgets.widgets import widget as registry
from torch import nn
from traitlets import TraitError

from gradwidgets import LayerFlowPanel
from gradwidgets.core import Finding
from gradwidgets.core.layers import ACTIVATIONS, NETWORKS, build_network, layer_flow
from gradwidgets.core.monitor import diagnose
from gradwidgets.widgets.kernel.outputs import Outputs
from gradwidgets.widgets.layers.presets import PRESETS
from gradwidgets.widgets.layers.seen.beside import shares_detail
from gradwidgets.widgets.panel.settings_panel import descendants
from tests.widgets.fake_page import FakePage, choose, send
from tests.widgets.inside import network_of, words_of, work_of
from tests.widgets.layers.models import sound


@pytest.fixture
def make(shown):
    return partial(shown, LayerFlowPanel)


def expected(panel: LayerFlowPanel):
    model = build_network(
        panel.architecture,
        depth=panel.depth,
        width=panel.width,
        activation=panel.activation,
        init=panel.init,
        gain=panel.gain,
        normalization=None if panel.normalization == "none" else panel.normalization,
        seed=panel.seed,
    )
    generator = torch.Generator().manual_seed(panel.seed + 1)
    inputs = torch.randn(panel.batch, panel.width, generator=generator)
    return layer_flow(model, inputs, torch.randn(panel.batch, 1, generator=generator), nn.functional.mse_loss)


SMALL = {"depth": 6, "width": 12, "batch": 8}


def without_chain(findings: list[Finding]) -> list[Finding]:
    """The findings without that note, and without a word of notes above where it was the only one."""
    chain = [one for one in findings if one.name == "linear chain"]
    first = "but for the notes above, " if chain else ""
    return [replace(one, message=one.message.removeprefix(first)) for one in findings if one not in chain]


@pytest.mark.parametrize("architecture", NETWORKS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_panel_shows_what_the_core_measures(make, architecture, activation):
    panel = make(architecture=architecture, activation=activation, **SMALL)
    flow = expected(panel)
    assert [one.name for one in panel.flow.layers] == [one.name for one in flow.layers]
    # That a linear network is one is no news of a network from sliders; of a model it is a note.
    assert panel.findings == without_chain(diagnose(flow))
    weighted = [one.weight_grad_rms for one in flow.layers if one.weights and "Norm" not in one.kind]
    y = panel.views["flow"].figure.lines["measured"].get_data()[1]
    np.testing.assert_allclose(10.0**y, [v for v in weighted if v > 0], rtol=1e-5)
    assert panel.error == "" and all(f.message in panel.summary for f in panel.findings)


@pytest.mark.parametrize("quantity", ["weight gradient", "activation gradient", "activation", "update/weight"])
@pytest.mark.parametrize("measure", ["rms", "norm"])
def test_every_quantity_is_the_layers_own(make, quantity, measure):
    panel = make(quantity=quantity, measure=measure, lr=0.5, init="He", **SMALL)
    layers = [one for one in panel.flow.layers if one.weights]
    field = {"weight gradient": "weight_grad", "activation gradient": "activation_grad", "activation": "activation"}
    if quantity == "update/weight":
        wanted = [0.5 * one.weight_grad_norm / one.weight_norm for one in layers]
    else:
        wanted = [getattr(one, f"{field[quantity]}_{measure}") for one in layers]
    np.testing.assert_allclose(10.0 ** panel.views["flow"].figure.lines["measured"].get_data()[1], wanted, rtol=1e-9)


@pytest.mark.parametrize("quantity", ["weight gradient", "activation gradient"])
def test_theory_lies_along_a_wide_network_s_profile(make, quantity):
    panel = make(quantity=quantity, activation="Tanh", init="Xavier", depth=12, width=400, batch=64)
    theory = panel.views["flow"].figure.lines["theory"].get_data()[1]
    measured = panel.views["flow"].figure.lines["measured"].get_data()[1][: len(theory)]
    assert len(theory) == 11 and np.abs(theory - measured).max() < np.log10(1.5)


def test_a_model_of_ones_own_is_measured_and_left_alone(make):
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    inputs, targets = torch.randn(16, 4), torch.randint(0, 3, (16,))
    state = torch.get_rng_state()
    panel = make(model, inputs, targets, nn.functional.cross_entropy)
    assert panel.architecture == "yours" and panel.flow.layers[0].kind == "Linear"
    panel.selected = 1
    panel.refresh()
    assert "4 (Linear, 27 parameters)" in panel.summary
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items()) and model.training
    assert all(p.grad is None for p in model.parameters()) and torch.equal(torch.get_rng_state(), state)
    assert "the model is as it was, bit for bit" in panel.summary
    depth, body = panel.controls["depth"], panel.views["flow"].body
    assert depth not in descendants(body) and panel.controls["quantity"] in descendants(body)
    assert panel.views["flow"].figure.profile.get_xticklabels()[1].get_text() == "4"
    panel.architecture = "plain"
    assert panel.flow.layers[0].name == "linear_1" and panel.error == "" and depth in descendants(body)
    panel.architecture = "yours"
    assert depth not in descendants(body)
    panel.close()
    assert depth.comm is None  # what is left out is freed too


class Functions(nn.Module):
    """Activations that are called as functions, the second of them dead."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.out = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 1)
        nn.init.constant_(self.two.bias, -50.0)

    def forward(self, x):
        return self.out(torch.relu(self.two(torch.tanh(self.one(x)))))


def test_units_of_activations_called_as_functions_are_drawn_at_the_layer_before_them():
    torch.manual_seed(0)
    flow = layer_flow(Functions(), 9 * torch.randn(64, 4), torch.zeros(64, 1), nn.functional.mse_loss)
    shown = shares_detail(flow, ("one", "two", "out"))
    dead, saturated = shown.curves
    assert shown.names == (("share", "dead units"), ("other share", "saturated"))
    assert list(shown.x_ticks.values()) == ["one", "out"]
    assert list(dead.x) == [1, 2] and list(dead.y) == [0.0, 1.0]
    of_tanh = flow.functions[0].saturated_fraction
    assert saturated.x == pytest.approx([0.7, 1.3]) and list(saturated.y) == pytest.approx([of_tanh] * 2)
    plain = layer_flow(nn.Linear(4, 1), torch.randn(64, 4), torch.zeros(64, 1), nn.functional.mse_loss)
    assert shares_detail(plain) is None  # no units that can be dead


def test_one_layer_from_near_is_its_gradient_s_histogram(make):
    panel = make(init="He", **SMALL)
    panel.selected = 2
    panel.refresh()
    name = [one.name for one in panel.flow.layers if one.weights][2]
    gradient = panel.problem.gradient_of(network_of(panel).now()[0], name)
    stats = panel.flow[name]
    assert float(gradient.square().mean().sqrt()) == pytest.approx(stats.weight_grad_rms, rel=1e-6)
    titles = [text.get_text() for text in panel.views["flow"].figure.below.axes.texts]
    assert f"{name}: gradient" in titles and name in panel.summary


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_shows_and_pins(make, preset):
    panel = make()
    page = FakePage(panel.canvas)
    page.refresh()
    page.answer()
    choose(panel.controls["preset"].menu, preset)
    page.answer()
    settings, beside = PRESETS[preset]
    assert panel.error == "" and {name: getattr(panel, name) for name in settings} == settings
    assert set(beside) <= {text.get_text() for text in panel.figure.texts}
    assert panel.compare and panel.controls["preset"].menu.value == preset
    panel.gain = 0.9
    assert panel.controls["preset"].menu.value == ""
    panel.reset()
    assert not panel.compare and not panel.pinned and len(panel.views["flow"].figure.lines["pinned 0"].get_xdata()) == 0


def test_settings_of_built_networks_are_refused_for_a_model_of_ones_own(make):
    with pytest.raises(TypeError, match="depth is for networks that are built; a model of yours is measured as it is"):
        LayerFlowPanel(*sound(), depth=3)
    panel = make(*sound(), architecture="plain", depth=3)  # to go there and back
    assert len([one for one in panel.flow.layers if one.weights]) == 3
    panel.architecture = "yours"
    assert repr(panel) == "LayerFlowPanel(model, inputs, targets, loss_fn)"
    names = [text.get_text() for text in panel.views["flow"].figure.profile.get_xticklabels()]
    assert names[0] == "0" and "marked as sick" not in panel.summary


def test_an_init_of_residual_networks_is_refused_elsewhere_in_words(make):
    panel = make(**SMALL)
    page = FakePage(panel.canvas)
    page.refresh()
    page.answer()
    before = panel.init
    choose(panel.controls["init"].menu, "zero branch")
    page.answer()
    assert "init 'zero branch' is for residual networks, not for plain" in panel.error
    assert panel.init == before == panel.controls["init"].menu.value
    panel.change(architecture="residual", init="zero branch")
    with pytest.raises(TraitError, match="is for residual networks, not for plain: choose another with it"):
        panel.architecture = "plain"
    assert panel.architecture == "residual" and panel.flow.layers
    choose(panel.controls["architecture"].menu, "plain")  # a person gets one that fits
    page.answer()
    assert (panel.architecture, panel.init, panel.error) == ("plain", "He", "")
    with pytest.raises(TraitError, match="not for dense"):
        panel.change(architecture="dense", init="zero branch")
    assert (panel.architecture, panel.init) == ("plain", "He")


def test_a_model_that_a_cell_has_changed_is_measured_again_when_the_cell_ends(make, monkeypatch):
    shell = InteractiveShell.instance()
    try:
        model, x, y, loss_fn = sound()
        panel = make(model, x, y, loss_fn)
        shell.user_ns.update(model=model, x=x, y=y, loss_fn=loss_fn, torch=torch)
        shell.run_cell("1 + 1")
        known = work_of(panel).shown
        shell.run_cell("loss_fn(model(x), y).backward(); torch.optim.SGD(model.parameters(), lr=1.0).step()")
        assert work_of(panel).shown is not known and f"{work_of(panel).shown.flow.flow.loss:.4g}" in panel.summary
        assert work_of(panel).shown.flow.flow.loss == pytest.approx(float(loss_fn(model(x), y).detach()), rel=1e-5)
        network_of(panel).took = 60.0  # as if it were large
        shell.run_cell("torch.optim.SGD(model.parameters(), lr=1.0).step()")
        assert "has changed since it was measured" in panel.error
        panel.measure_again()
        assert panel.error == ""
        panel.close()
        left = shell.events.callbacks["post_run_cell"]  # what watches for all panels of the kernel may stay
        assert all(isinstance(getattr(one, "__self__", None), Outputs) for one in left)
    finally:
        shell.reset()
        InteractiveShell.clear_instance()


def test_a_pinned_profile_stays_while_settings_move(make):
    panel = make(init="default", depth=10, width=20)
    before = panel.views["flow"].figure.lines["measured"].get_data()[1]
    panel.compare = True
    panel.init = "He"
    np.testing.assert_allclose(panel.views["flow"].figure.lines["pinned 0"].get_data()[1], before, rtol=1e-9)
    assert not np.allclose(panel.views["flow"].figure.lines["measured"].get_data()[1], before)
    panel.compare = False
    assert len(panel.views["flow"].figure.lines["pinned 0"].get_data()[1]) == 0


def test_controls_set_the_traits_and_nonsense_is_refused(make):
    panel = make(**SMALL)
    page = FakePage(panel.canvas)
    page.refresh()
    page.answer()
    send(panel.controls["depth"].field, value=9)
    page.answer()
    assert panel.depth == 9 and len(panel.views["flow"].figure.lines["measured"].get_data()[0]) == 9
    send(panel.controls["depth"].field, value=1e6)
    page.answer()
    assert panel.depth == 9 and "depth must be a whole number from 1 to 1,000" in panel.error
    send(panel.controls["gain"].field, value=2.0)
    page.answer()
    assert panel.gain == 2.0 and panel.error == ""


WRONG = {
    "no such name": ({"activation": "Sigmoyd"}, TraitError, "Sigmoyd"),
    "depth": ({"depth": 10**6}, TraitError, "from 1 to 1,000"),
    "width": ({"width": 0}, TraitError, "from 1 to 1,024"),
    "gain": ({"gain": float("nan")}, TraitError, "gain must be"),
    "unknown": ({"deepness": 3}, TypeError, "no setting deepness"),
    "no model": ({"inputs": torch.zeros(1)}, TypeError, "belongs to a model"),
    "no module": ({"model": 3}, TypeError, "must be a torch.nn.Module"),
    "no loss": ({"model": nn.Linear(1, 1), "inputs": torch.zeros(1, 1)}, TypeError, "needs inputs, targets"),
    "a loss of many numbers": (
        {"model": nn.Linear(1, 2), "inputs": torch.zeros(3, 1), "loss_fn": lambda output, targets: output},
        ValueError,
        "must return one number",
    ),
    "a wrong shape": (
        {"model": nn.Linear(4, 2), "inputs": torch.zeros(3, 1), "loss_fn": lambda output, targets: output.sum()},
        ValueError,
        "the model raised RuntimeError: mat1 and mat2",
    ),
}


@pytest.mark.parametrize(("settings", "kind", "words"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_refused_and_leaves_nothing(settings, kind, words):
    before = len(registry._instances)
    with pytest.raises(kind, match=words):
        LayerFlowPanel(**settings)
    gc.collect()
    assert len(registry._instances) == before


def test_names_are_escaped(make):
    model = nn.Sequential()
    model.add_module("<img onerror=x>", nn.Linear(2, 1))
    panel = make(model, torch.randn(4, 2), torch.randn(4, 1), nn.functional.mse_loss)
    panel.selected = 0
    panel.refresh()
    assert "<img" not in words_of(panel) and "&lt;img" in words_of(panel)


def test_state_restore_reset_and_code(make):
    panel = make(**SMALL)
    start = panel.state()
    panel.restore(json.loads(json.dumps({"activation": "GELU", "quantity": "activation", "depth": 8})))
    assert (panel.activation, panel.depth) == ("GELU", 8)
    done = subprocess.run([sys.executable, "-c", panel.code()], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"linear_8 {panel.flow['linear_8'].weight_grad_rms}" in done.stdout
    panel.reset()
    assert panel.state() == start and panel.png()[:4] == b"\x89PNG"


def test_closing_frees_everything():
    before = len(registry._instances)
    panel = LayerFlowPanel(**SMALL)
    panel.close()
    panel.close()
    gc.collect()
    assert len(registry._instances) == before


def test_theory_is_left_out_where_nothing_reaches_the_last_layer(make):
    panel = make(activation="ReLU", init="orthogonal", depth=11, width=2, batch=4, seed=16)
    assert panel.flow.layers[-2].activation_rms == 0 and panel.error == ""
    assert not len(panel.views["flow"].figure.lines["theory"].get_xdata())
