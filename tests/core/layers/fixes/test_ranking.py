"""What helps: each fix's first steps are those of a trial, and their order is that of the losses."""

import math
from dataclasses import replace

import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional

from gradwidgets.core.layers import FIXES, TRIES, rank_fixes, ranking_fixes, try_fix
from gradwidgets.core.subject.held.held import Held


def deep(layers=6, width=12):
    torch.manual_seed(0)
    inner = [one for _ in range(layers) for one in (nn.Linear(width, width), nn.ReLU())]
    model = nn.Sequential(*inner, nn.Linear(width, 3))
    return model, torch.randn(24, width), torch.randint(0, 3, (24,)), functional.cross_entropy


def test_every_fix_is_among_what_is_tried():
    assert {name for name, _ in TRIES.values()} == set(FIXES)


def test_each_row_is_the_loss_of_a_trial_and_the_best_comes_first():
    model, *rest = deep()
    ranking = rank_fixes(model, *rest, steps=5, seeds=3, lr=0.05)
    for one in ranking.fixes:
        _, options = TRIES[one.name]
        seeded = [{**options, "seed": k} if one.fix in ("he", "xavier", "orthogonal") else options for k in range(3)]
        for row, chosen in zip(one.losses, seeded, strict=False):
            trial = try_fix(model, *rest, one.fix, lr=0.05, steps=5, **chosen)
            assert torch.equal(row, trial.losses_after) and one.changed in (trial.changed, 0.0)
            assert torch.equal(ranking.baseline.losses[0], trial.losses_before)
        assert len(one.losses) == (3 if "seed" in FIXES[one.fix].options else 1)
        assert one.low <= one.loss <= one.high and one.ratio == one.loss / float(ranking.baseline.losses[0, 0])
        assert one.helps == (one.high < 0.99 * ranking.baseline.low)
    losses = [one.loss for one in ranking.fixes]
    assert losses == sorted(losses) and {one.name for one in ranking.fixes} | {
        name for name, _ in ranking.refused
    } == set(TRIES)
    assert dict(ranking.refused)["ReLU"] == "every activation between layers is ReLU already"


def test_the_model_is_as_it_was_and_other_random_numbers_change_nothing():
    model, *rest = deep()
    model.append(nn.Dropout(0.5))
    before, numbers = Held(model), torch.get_rng_state()
    first = rank_fixes(model, *rest, ["He init", "gain"], steps=3, lr=0.1)
    assert first.certificate.unchanged and before.compare().unchanged and torch.equal(torch.get_rng_state(), numbers)
    torch.rand(5)
    second = rank_fixes(model, *rest, ["He init", "gain"], steps=3, lr=0.1)
    assert second == replace(first, certificate=second.certificate)
    assert all(len(one.losses) == 3 and one.low < one.high for one in (*first.fixes, first.baseline))


def test_without_a_rate_each_gets_the_one_that_leads_lowest():
    model, *rest = deep()
    ranking = rank_fixes(model, *rest, ["gain", "clip"], steps=4, seeds=1)
    for one in (*ranking.fixes, ranking.baseline):
        ends = {lr: rank_fixes(model, *rest, ["gain", "clip"], steps=4, seeds=1, lr=lr) for lr in (0.001, 0.01, 0.1)}
        rows = {
            lr: each for lr, found in ends.items() for each in (*found.fixes, found.baseline) if each.name == one.name
        }
        assert one.loss == min(each.loss for each in rows.values()) == rows[one.lr].loss


def test_words_and_table():
    ranking = rank_fixes(*deep(), steps=20)
    best = next(one for one in ranking.fixes if one.helps)
    assert ranking.sentence.startswith(best.sentence) and "Without a fix: loss 1.1" in ranking.sentence
    frame = ranking.to_frame()
    assert isinstance(frame, pd.DataFrame) and list(frame["loss"]) == sorted(frame["loss"])
    assert len(frame) == len(ranking.fixes) + 1 and "no fix" in set(frame["name"])
    he = next(one for one in ranking.fixes if one.fix == "he")
    assert "over 3 seeds)" in he.sentence and he.sentence.startswith("He init: loss ")
    healthy = nn.Linear(2, 1), torch.randn(9, 2), torch.zeros(9, 1), functional.mse_loss
    assert "nothing helps beyond the spread" in rank_fixes(*healthy, ["clip"], steps=2, lr=1e-6).sentence


def test_what_diverges_comes_last_and_is_said():
    model, x, _, _ = deep(layers=1)
    ranking = rank_fixes(model, x, torch.zeros(24, 3), functional.mse_loss, ["he", "clip"], steps=200, lr=1e4)
    he = next(one for one in ranking.fixes if one.fix == "he")
    assert ranking.fixes[-1] is he and he.diverged == 3 and math.isinf(he.loss) and not he.helps
    assert "3 of 3 seeds diverged" in he.sentence and ranking.to_dict()["fixes"][-1]["loss"] is None


def test_own_names_and_what_is_refused():
    model, *rest = deep()
    own = {"strong": ("gain", {"gain": 3.0}), "weak": ("gain", {"gain": 0.1})}
    ranking = rank_fixes(model, *rest, own, steps=2, lr=0.01)
    assert {one.name: one.options["gain"] for one in ranking.fixes} == {"strong": 3.0, "weak": 0.1}
    for wrong, kind, words in (
        ({"steps": 0}, ValueError, "steps must be from 1"),
        ({"seeds": 0}, ValueError, "seeds must be from 1"),
        ({"lr": -1}, ValueError, "lr must be finite"),
        ({"names": ["prayer"]}, ValueError, "unknown fix 'prayer'"),
        ({"names": "he"}, TypeError, "names must be names of fixes"),
        ({"names": {"a": ("he", {"speed": 1})}}, TypeError, "unknown option 'speed'"),
    ):
        with pytest.raises(kind, match=words):
            rank_fixes(model, *rest, **wrong)


def test_in_slices_the_share_grows_and_it_can_be_given_up():
    model, *rest = deep()
    before = Held(model)
    work = ranking_fixes(model, *rest, steps=3)
    shares = [next(work) for _ in range(40)]
    assert shares == sorted(shares) and 0 <= shares[0] < shares[-1] < 1
    work.close()
    assert before.compare().unchanged


def test_it_prints_as_a_sentence_and_a_table():
    ranking = rank_fixes(*deep(), steps=5)
    first, gap, head, *lines = str(ranking).splitlines()
    assert (
        first == ranking.sentence and gap == "" and head.split() == ["fix", "helps", "loss", "after", "lr", "changed"]
    )
    names = [one.name for one in sorted((*ranking.fixes, ranking.baseline), key=lambda one: one.loss)]
    rows = lines[: len(names)]
    assert all(line.startswith(f"{name} ") for line, name in zip(rows, names, strict=True))
    at = head.index("loss after")
    shown = {line[:at].rsplit(maxsplit=1)[0].strip(): line[at:] for line in rows if not line.startswith("no fix")}
    assert all(shown[one.name].startswith(f"{one.loss:.3g}") for one in ranking.fixes)
    assert any(line == "not tried: ReLU: every activation between layers is ReLU already" for line in lines)
    assert "RankedFix(" not in str(ranking) and max(map(len, rows)) < 90


def test_no_fix_helps_where_nothing_is_trained():
    model, x, y, _ = deep()

    def loss(o, t):
        return (o.argmax(-1) - t).square().mean() + o.detach().square().mean()

    cut = rank_fixes(model, x, y.float(), loss)
    assert not any(one.helps or one.trained for one in (*cut.fixes, cut.baseline))
    assert cut.sentence.startswith("Nothing is trained") and "diagnose" in cut.sentence
    frozen = rank_fixes(model.requires_grad_(False), x, y, functional.cross_entropy, ["BatchNorm", "He init"])
    assert not any(one.helps for one in frozen.fixes)  # the norms that are added would be all that is trained
    assert "nothing is trained" in try_fix(model.requires_grad_(True), x, y.float(), loss, "he").sentence


def test_a_norm_helps_where_units_are_dead():
    model, *rest = deep()
    nn.init.constant_(model[2].bias, -30.0)
    (one,) = rank_fixes(model, *rest, ["BatchNorm"], steps=10).fixes
    assert one.helps and one.trained
