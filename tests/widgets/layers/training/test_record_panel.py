"""A saved record is shown without its model, alone and beside another; what is none is refused in words."""

import json
import re
import zipfile
from dataclasses import replace

import ipywidgets
import numpy as np
import pytest
import torch
from traitlets import TraitError

from gradwidgets import LayerFlowPanel
from gradwidgets.core import GradientHistory, diagnose
from gradwidgets.widgets.panel.settings_panel import descendants
from tests.figures.pictures import texts_in
from tests.widgets.inside import subject_of, words_of
from tests.widgets.layers.models import sound


def trained(lr=0.05, steps=40, every=1, spoil=None):
    """What the live view shows of a training, and its record."""
    panel = LayerFlowPanel(*sound())
    model, x, y, loss_fn = subject_of(panel)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for step in panel.track(range(1, steps + 1), every=every):
        optimizer.zero_grad()
        loss = loss_fn(model(x), y) * (float("nan") if step == spoil else 1.0)
        loss.backward()
        panel.note_loss(loss)
        optimizer.step()
    return panel


@pytest.fixture
def path(tmp_path):
    """The file of a training whose samples are further apart than its losses."""
    panel = trained(every=3)
    panel.monitor.history.save(tmp_path / "first.npz")
    panel.close()
    return tmp_path / "first.npz"


@pytest.fixture
def shown():
    """Makes panels of records, and closes them."""
    made = []

    def make(*given, **settings):
        made.append(LayerFlowPanel.of_record(*given, **settings))
        return made[-1]

    yield make
    for panel in made:
        panel.close()


def drawn(panel):
    lines = panel.views["live"].figure.lines
    return {name: np.array(line.get_data()) for name, line in lines.items() if name != "near"}


def test_a_record_is_drawn_as_the_training_was(tmp_path, shown):
    live = trained(every=3)
    live.monitor.history.save(tmp_path / "run.npz")
    panel = shown(str(tmp_path / "run.npz"))
    there, here = drawn(live), drawn(panel)
    assert here.keys() == there.keys() and here["loss"].shape == (2, 40)
    for name, points in there.items():
        np.testing.assert_array_equal(here[name], points, err_msg=name)
    live.close()


@pytest.mark.parametrize("quantity", ["weight gradient", "activation", "update/weight"])
def test_every_quantity_of_the_record_can_be_seen(path, shown, quantity):
    panel = shown(path, quantity=quantity)
    history = panel.history
    field = {"activation": "activation_std", "update/weight": "update_ratio"}.get(quantity, "rms")
    linear = [k for k, kind in enumerate(history.kinds) if kind == "Linear"]
    np.testing.assert_allclose(10.0 ** drawn(panel)["now"][1], getattr(history, field)[-1, linear], rtol=1e-9)


def test_the_verdict_stands_below_as_cards(path, shown):
    panel = shown(GradientHistory.load(path))
    assert [one.name for one in panel.training_findings] == ["healthy"] == [one.name for one in panel.findings]
    assert '<div class="card ok">' in words_of(panel) and panel.summary.startswith("ok: healthy: nothing went wrong")
    assert "step 40, 14 samples kept; loss" in panel.summary and "watching costs" not in panel.summary
    broken = trained(spoil=21)
    found = shown(broken.monitor).training_findings
    assert found[0].name == "non_finite" and found[0].evidence["batch"] == 20
    broken.close()


def test_what_was_clipped_to_and_how_many_classes_there_were_can_be_told(path, shown):
    history = GradientHistory.load(path)
    clipped = replace(history, norm=history.norm * (2.0 / history.norm.square().nansum(1, keepdim=True).sqrt()))
    assert "always_clipped" in [one.name for one in shown(clipped, max_norm=2.0).training_findings]
    assert "always_clipped" not in [one.name for one in shown(clipped, max_norm=5.0).training_findings]
    for wrong, kind in (({"max_norm": "1"}, TypeError), ({"max_norm": 0.0}, ValueError), ({"classes": 1}, ValueError)):
        with pytest.raises(kind, match="must be a"):
            shown(path, **wrong)


def test_a_click_follows_one_layer(path, shown):
    panel = shown(path)
    panel.selected = 1
    panel.refresh()
    assert len(drawn(panel)["own"][0]) == 14
    panel.quantity = "update/weight"
    assert panel.selected == 1 and panel.error == ""


def test_no_model_is_needed_and_what_needs_one_says_so(path, shown):
    panel = shown(path)
    assert panel.monitor is None
    assert panel.controls["view"] not in descendants(panel)
    doings = (panel.train, panel.apply_fix, panel.undo_fix, panel.measure_curvature, panel.measure_again)
    for doing in (*doings, lambda: panel.flow):
        with pytest.raises(ValueError, match="a record is shown here, without a model"):
            doing()
    for doing in (lambda: panel.track([]), panel.watch):
        with pytest.raises(ValueError, match="only a model of yours can be watched"):
            doing()
    for name, value in (("view", "flow"), ("predict", True)):
        with pytest.raises(TraitError, match=f"{name} must be"):
            setattr(panel, name, value)
    assert panel.error == "" and panel.summary.startswith("ok: healthy")


def test_it_says_how_it_is_made_again(path, shown):
    panel = shown(str(path), measure="norm")
    assert repr(panel) == f"LayerFlowPanel.of_record({str(path)!r}, measure='norm')"
    assert repr(shown(panel.history)) == "LayerFlowPanel.of_record(history)"
    assert repr(shown(str(path), beside=panel.history)) == f"LayerFlowPanel.of_record({str(path)!r}, beside=other)"
    compile(panel.code(), "code", "exec")
    state = panel.state()
    panel.measure = "rms"
    panel.restore(state)
    assert panel.measure == "norm"
    assert "image/png" in panel._repr_mimebundle_()


def test_two_records_are_drawn_beside_each_other(tmp_path, path, shown):
    other = trained(lr=0.5, steps=60)
    other.monitor.history.save(tmp_path / "second.npz")
    panel = shown(path, beside=tmp_path / "second.npz")
    history, lines = other.monitor.history, drawn(panel)
    np.testing.assert_allclose(10.0 ** lines["twin 0"][1], history.rms[:, 0], rtol=1e-9)
    np.testing.assert_array_equal(lines["twin 0"][0], history.steps)
    np.testing.assert_array_equal(lines["twin loss"][0], history.noted_steps)
    assert lines["part"][0].tolist() == [1, 1]
    np.testing.assert_allclose(10.0 ** lines["twin now"][1], history.rms[39, [0, 2, 4]], rtol=1e-9)
    assert re.search("from step 1 on the update of [024] is 1[0-4] × larger in second", panel.summary)
    assert "first has 40 steps and second has 60 steps: compared to step 40" in panel.summary
    assert "second by itself: same batch" in panel.summary and "ok: healthy: first: nothing went wrong" in panel.summary
    panel.selected = 2
    panel.refresh()
    assert len(drawn(panel)["own twin"][0]) == 60 and len(drawn(panel)["twin 0"][0]) == 0
    other.close()


def test_a_record_with_other_layers_is_drawn_as_far_as_they_are_the_same(path, shown):
    history = GradientHistory.load(path)
    other = replace(history, layers=("0", "1", "a<b", "3", "4"))
    panel = shown(history, beside=other)
    assert "only in A: '2'" in panel.summary and "only in B: a<b" in panel.summary
    assert "a&lt;b" in words_of(panel) and "a<b" not in words_of(panel)
    assert drawn(panel)["twin now"].shape == (2, 2)
    fewer = replace(history, activation_std=None, activation_mean=None, dead=None, update_ratio=None)
    panel = shown(history, beside=fewer, quantity="activation")
    assert drawn(panel)["twin now"].shape == (2, 0) and panel.error == ""
    assert "the same to step 40" in shown(history, beside=history).summary


def test_paths_that_lead_to_no_record_are_refused_in_words(tmp_path, path, shown):
    with pytest.raises(FileNotFoundError, match=r"record: there is no file .*none\.npz"):
        shown(tmp_path / "none.npz")
    with pytest.raises(FileNotFoundError, match="beside: there is no file"):
        shown(path, beside="none.npz")
    for given, name in (({"record": ""}, "record"), ({"record": path, "beside": ""}, "beside")):
        with pytest.raises(ValueError, match=rf"^{name} must be the path of a file .* got an empty one$"):
            shown(**given)
    with pytest.raises(ValueError, match="is a folder, not a file that"):
        shown(tmp_path)
    for wrong in (5, None, {"a": 1}, torch.nn.Linear(2, 2)):
        with pytest.raises(TypeError, match="record must be a GradientHistory, a GradientMonitor or the path"):
            shown(wrong)
    other = tmp_path / "other"
    for content in (b"", b"text", path.read_bytes()[:-30]):
        other.write_bytes(content)
        with pytest.raises(ValueError, match="is no whole record of a training"):
            shown(other)
    np.savez(tmp_path / "numbers.npz", a=np.ones(3))
    with pytest.raises(ValueError, match="it was not written by save"):
        shown(tmp_path / "numbers.npz")
    with pytest.raises(TypeError, match="no setting colour"):
        shown(path, colour=1)


def rewritten(path, target, change):
    """A copy of a file whose description, or an array's bytes, are changed."""
    with zipfile.ZipFile(path) as held, zipfile.ZipFile(target, "w") as out:
        for name in held.namelist():
            content = held.read(name)
            if name == "about.json":
                content = json.dumps(change(json.loads(content))).encode()
            out.writestr(name, content)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "take a newer one"),
        ({"version": "x"}, "take a newer one"),
        ({"layers": ["a"]}, "parts of it are missing"),
        ({"preflight": [{"name": 3}]}, "parts of it are missing"),
        ({"preflight": [5]}, "parts of it are missing"),
        ({"preflight": 7}, "parts of it are missing"),
        ({"outputs": "many"}, "parts of it are missing"),
        ({"format": "another"}, "was not written by save"),
    ],
)
def test_files_of_another_version_or_with_nonsense_are_refused(tmp_path, path, shown, change, said):
    rewritten(path, tmp_path / "changed.npz", lambda about: about | change)
    with pytest.raises(ValueError, match=said):
        shown(tmp_path / "changed.npz")


def test_a_record_without_a_step_is_refused(path, shown):
    history = GradientHistory.load(path)
    empty = replace(
        history, steps=history.steps[:0], **{name: values[:0] for name, values in history.quantities.items()}
    )
    with pytest.raises(ValueError, match="record holds no step"):
        shown(empty)


def test_files_of_an_earlier_version_are_shown_with_the_losses_of_their_samples(tmp_path, path, shown):
    def older(about):
        return {name: value for name, value in about.items() if name not in ("preflight", "looked_at", "unseen")}

    rewritten(path, tmp_path / "old.npz", older)
    with zipfile.ZipFile(tmp_path / "old.npz") as held, zipfile.ZipFile(tmp_path / "older.npz", "w") as out:
        for name in held.namelist():
            if not name.startswith("noted"):
                out.writestr(name, held.read(name))
    panel = shown(tmp_path / "older.npz")
    assert drawn(panel)["loss"].shape == (2, 14) and panel.history.preflight == ()
    assert [one.name for one in diagnose(panel.history)] == [one.name for one in panel.training_findings]


def test_it_lets_go_of_everything(path):
    import gc
    import weakref

    panel = LayerFlowPanel.of_record(path, beside=path)
    held = weakref.ref(panel.kept)
    panel.close()
    del panel
    gc.collect()
    assert held() is None


def test_only_what_the_record_holds_can_be_chosen(path, shown):
    panel = shown(path)
    assert panel.controls["quantity"].menu.options == ("weight gradient", "activation", "update/weight")
    with pytest.raises(TraitError, match="a training's record never holds the activation gradient"):
        panel.quantity = "activation gradient"
    fewer = replace(panel.history, activation_std=None, activation_mean=None, dead=None, update_ratio=None)
    poor = shown(fewer)
    for quantity, argument in (("update/weight", "updates=True"), ("activation", "activations=True")):
        with pytest.raises(TraitError, match=f"quantity must be one of 'weight gradient' .*{argument}"):
            poor.quantity = quantity
        with pytest.raises(TraitError, match=argument):
            shown(fewer, quantity=quantity)
    assert poor.quantity == "weight gradient" and panel.quantity == "weight gradient"


def two_in_fact(tmp_path, path, shown, **settings):
    """A panel of two records that part, of which the first has something of its own to be warned of."""
    other = trained(lr=0.5, steps=60, spoil=30)
    other.monitor.history.save(tmp_path / "second.npz")
    other.close()
    return shown(str(tmp_path / "second.npz"), beside=str(path), **settings)


def test_where_two_records_part_is_said_before_all_else(tmp_path, path, shown):
    panel = two_in_fact(tmp_path, path, shown)
    first, second, *_ = panel.summary.splitlines()
    assert first.startswith("info: parted: from step 1 on") and second.startswith(("info: loss_parted", "error: "))
    assert panel.training_findings[0].severity == "error"  # grave as it is, it comes after
    assert words_of(panel).index("<b>parted</b>") < words_of(panel).index("card error")


def test_layers_go_by_their_names_and_the_one_that_is_followed_is_said(path, shown):
    panel = shown(path)
    figure = panel.views["live"].figure
    assert [one.get_text() for one in figure.health.get_xticklabels()] == ["0", "2", "4"]
    assert "alone" not in panel.summary
    panel.selected = 1
    panel.refresh()
    assert panel.views["live"].training(settled=True).named
    assert "2 (Linear) alone, until it is clicked again: weight gradient" in panel.summary
    assert "2 (Linear) alone" in words_of(panel)
    assert "2: gradient, rms" in texts_in(figure.norms)
    panel.selected = None
    panel.refresh()
    assert "alone" not in panel.summary
    assert {"weight gradient, rms", "weight gradient"} & set(texts_in(figure.norms))  # the unit, where there is room


def test_copied_code_runs_and_says_what_the_panel_says(tmp_path, path, shown, capsys):
    panel = two_in_fact(tmp_path, path, shown, max_norm=2.0, classes=3)
    exec(compile(panel.code(), "code", "exec"), {})
    said = capsys.readouterr().out
    assert panel.views["live"].comparison.sentence in said and "max_norm=2.0, classes=3" in panel.code()
    assert all(one.message in said for one in panel.training_findings)
    mixed = shown(panel.history, beside=path)
    assert "# history is a record of yours that came from no file" in mixed.code()
    exec(compile(mixed.code(), "code", "exec"), {"history": panel.history})
    alone = shown(panel.history).code()
    assert "load" not in alone and "compare_records" not in alone and "import diagnose" in alone
    exec(compile(alone, "code", "exec"), {"history": panel.history})


def hint_of(panel) -> str:
    """The small print in its column."""
    return " ".join(one.value for one in descendants(panel.views["live"].body) if isinstance(one, ipywidgets.HTML))


def test_it_is_said_which_layers_are_dashed(tmp_path, path, shown):
    panel = two_in_fact(tmp_path, path, shown)
    hint = hint_of(panel)
    assert "in dashes <b>first</b>, over the steps its first, middle and last layer" in hint
    assert "in dashes" not in hint_of(shown(path))
