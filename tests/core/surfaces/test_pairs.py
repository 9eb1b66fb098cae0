"""Losses of three scalars and more, by pairs."""

import pytest
import torch

from gradwidgets import SurfaceExplorer, check_loss

AXES = {"a": (-1.0, 1.0), "b": (-2.0, 2.0), "c": (-2.0, 2.0), "d": (-1.0, 1.0)}


def loss(a, b, c, d, weight=1.0):
    return (a - 0.3) ** 2 + weight * (b * c - 1) ** 2 + torch.relu(d + 0.2) ** 2


def test_every_pair_is_looked_at_and_the_worst_come_first():
    report = check_loss(loss, AXES, pairs=True, fixed={"weight": 2.0})
    assert len({frozenset(pair.axes) for pair in report.pairs}) == len(report.pairs) == 6
    assert not report.ok and len(report.worst) == 3
    assert list(report.worst[0].axes) == ["b", "c"] and report.worst[0].findings[0].name == "saddle"
    assert all(set(pair.axes) | set(pair.fixed) == {*AXES, "weight"} for pair in report.pairs)
    text = str(report)
    assert "b and c, with weight 2, a 0.18, d 0.18" in text and "saddle at b 0, c 0" in text
    assert "SurfaceExplorer(loss, pair.axes, fixed=pair.fixed)" in text
    # A factor that is held is not 0, where what it multiplies would look unused.
    assert not any(one.name == "no_gradient_path" for pair in report.pairs for one in pair.findings)


def test_a_pair_opens_in_the_explorer_with_the_same_verdict():
    pair = check_loss(loss, AXES, pairs=True).pairs[0]
    explorer = SurfaceExplorer(loss, pair.axes, fixed=pair.fixed)
    assert [one.name for one in explorer.findings["loss"]] == [one.name for one in pair.findings]
    explorer.close()


def test_three_axes_elsewhere_are_refused_with_the_way_to_look_at_them():
    three = {name: AXES[name] for name in "abc"}
    for make in (SurfaceExplorer, check_loss):
        with pytest.raises(ValueError, match=r"pairs=True\) looks at every pair"):
            make(loss, three, fixed={"d": 0.0})


@pytest.mark.parametrize(
    ("axes", "more", "kind", "words"),
    [
        ({"a": (-1, 1), "b": (-1, 1)}, {}, ValueError, "pairs=True is for three axes and more; got 2"),
        (AXES, {"target": (0, 0)}, ValueError, "target does not go with pairs=True"),
        (AXES, {"resolution": 9}, ValueError, "resolution does not go with pairs=True"),
        ({**AXES, "d": (1, -1)}, {}, ValueError, r"axes\['d'\] must be finite with low < high"),
        (["a", "b", "c"], {}, TypeError, "axes must map parameter names"),
    ],
)
def test_what_does_not_go_with_pairs_is_refused(axes, more, kind, words):
    with pytest.raises(kind, match=words):
        check_loss(loss, axes, pairs=True, **more)
