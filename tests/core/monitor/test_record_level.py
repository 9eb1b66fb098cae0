"""What is said of the level of a loss, of its rate and of clipped gradients, in records that are made by hand."""

import math

import pytest
import torch

from gradwidgets.core.monitor import GradientHistory, diagnose

STEPS = 200
RULE = {"name": "Adam", "scaled": True, "plain": False, "momentum": 0.9, "decoupled": False, "climbs": False}
NOISE = 0.02 * torch.randn(STEPS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
DOWN = torch.linspace(1, 0, STEPS, dtype=torch.float64)


def recorded(loss, norm=None, **more):
    """A record of two layers, sampled at every step."""
    ones = torch.ones(STEPS, 2, dtype=torch.float64)
    norm = ones * (2 + NOISE[:, None]) if norm is None else norm
    return GradientHistory(
        ("a", "b"), ("Linear", "Linear"), (100, 100), (), norm, norm / 10, norm / 5, 10 * ones, 0 * ones,
        None, None, None, None, torch.arange(1, STEPS + 1), ones[:, 0], loss + NOISE, **{"outputs": 1} | more,
    )  # fmt: skip


def said(loss, **more):
    (found,) = diagnose(recorded(loss, **more))
    return found


def test_a_level_is_a_fact_beside_a_healthy_record():
    found = said(0.5 + torch.exp(-torch.arange(STEPS) / 8.0).double())
    assert (found.name, found.severity) == ("healthy", "ok")
    assert "level at about 0.5" in found.message and "since about step 41" in found.message


@pytest.mark.parametrize("loss", [DOWN, 0.1 + 2 * DOWN**2, torch.exp(-torch.arange(STEPS) / 8.0).double()])
def test_of_a_loss_that_falls_or_is_next_to_nothing_no_level_is_said(loss):
    assert "level" not in said(loss).message


def test_a_loss_that_ends_above_where_it_began_is_not_called_level():
    found = said(-0.5 * torch.exp(-torch.arange(STEPS) / 20.0).double())
    assert found.severity == "ok" and "has risen from −0.3" in found.message and "level" not in found.message


def above(first, level, **more):
    loss = torch.full((STEPS,), level, dtype=torch.float64)
    loss[0] = first
    return [one.name for one in diagnose(recorded(loss, **{"outputs": 5, "of_loss": ("classes",)} | more))]


def test_a_cross_entropy_that_stays_above_a_guess_is_told():
    assert above(math.log(5), 2.1) == ["guessing"]


@pytest.mark.parametrize(
    ("first", "more"),
    [(3.4, {}), (math.log(5), {"of_loss": ("classes", "penalty")}), (math.log(5), {"of_loss": ()})],
)
def test_a_loss_that_may_be_more_than_one_cross_entropy_is_not_said_to_be_above_a_guess(first, more):
    assert above(first, 2.1, **more) == ["healthy"]


@pytest.mark.parametrize(("rate", "told"), [(0.1, True), (0.01, False)])
def test_guessing_names_a_rate_that_is_far_above_the_usual_first(rate, told):
    rates = torch.full((STEPS,), rate, dtype=torch.float64)
    found = said(math.log(5) + 0 * DOWN, outputs=5, rates=rates, decays=0 * rates, rule=RULE)
    assert found.name == "guessing" and found.action.startswith("Lower the learning rate from 0.1") == told


def clipped(limit, scale=1.0, **known):
    """Layers whose norms change, under a whole norm that does not."""
    angle = 0.8 + 0.1 * torch.sin(torch.arange(STEPS, dtype=torch.float64))
    norm = torch.stack([angle.cos(), angle.sin()], 1) * limit / torch.as_tensor(scale).reshape(-1, 1)
    (found,) = [one for one in diagnose(recorded(DOWN, norm), **known) if one.name == "always_clipped"]
    return found


@pytest.mark.parametrize("limit", [1.0, 5.0, 0.1])
def test_a_norm_that_is_a_usual_limit_divided_by_a_scale_was_clipped_before_it_was_unscaled(limit):
    found = clipped(limit, 2.0**16)
    assert "unscale_" in found.action and found.evidence["max_norm"] == limit


def test_the_scale_may_double_on_the_way_or_be_any_where_the_limit_is_told():
    doubled = torch.where(torch.arange(STEPS) < 80, 2.0**14, 2.0**15).double()
    assert "unscale_" in clipped(1.0, doubled).action
    assert clipped(0.7, 1000.0, max_norm=0.7).evidence["scale"] == pytest.approx(1000)


@pytest.mark.parametrize("limit", [1e-3, 0.05, 1.0])
def test_a_small_limit_is_not_taken_for_a_scaled_one(limit):
    assert "max_norm" in clipped(limit).action
