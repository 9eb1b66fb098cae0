"""What is asked for wrongly is refused in a sentence; a trial prints as a table; to stand still is no help."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gradwidgets.core.layers.fixes.fixes import fixes_for
from gradwidgets.core.layers.fixes.ranking import rank_fixes
from gradwidgets.core.layers.fixes.trial import try_fix
from gradwidgets.core.monitor import RECORD_CHECKS


@pytest.mark.parametrize(
    ("wrong", "kind", "words"),
    [
        ("magic", ValueError, "no finding is called 'magic'"),
        ([], TypeError, "one at a time"),
        (None, TypeError, "got NoneType"),
        (5, TypeError, "got int"),
    ],
)
def test_what_is_no_finding_is_refused(wrong, kind, words):
    with pytest.raises(kind, match=words):
        fixes_for(wrong)


def test_names_of_findings_without_a_fix_and_of_trainings_have_none():
    assert fixes_for("healthy") == [] and all(isinstance(fixes_for(name), list) for name in RECORD_CHECKS)


def flat(scale: float = 1.0):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.Sigmoid(), nn.Linear(16, 3))
    return model, scale * torch.randn(32, 6), torch.randint(0, 3, (32,)), F.cross_entropy


def test_a_trial_prints_as_a_table():
    told = str(try_fix(*flat(), "activation", steps=5)).splitlines()
    assert told[0].startswith("Other activations") or "ReLU" in told[0]
    assert [line.split("  ")[0] for line in told[3:5]] == ["without it", "with it"]
    assert "verdict" in told[2] and "healthy" in told[4]


def test_not_to_diverge_is_no_help_where_the_loss_stands_still():
    model = nn.Linear(4, 1)
    ranking = rank_fixes(model, 1e10 * torch.randn(16, 4), torch.randn(16, 1), F.mse_loss, steps=40, names=["clip"])
    (one,) = ranking.fixes
    assert ranking.baseline.diverged and torch.isfinite(one.losses).all()
    assert not one.helps and "nothing helps" in str(ranking)
