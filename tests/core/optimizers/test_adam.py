import math

import pytest
import torch

from gradwidgets.core import Adam, descend, quadratic, stability


@pytest.mark.parametrize("betas", [0.9, (0.9,), (0.9, 0.99, 0.999), None, "ab", (math.nan, 0.9), (True, 0.9)])
def test_betas_are_two_numbers(betas):
    with pytest.raises(ValueError, match=r"^Invalid bet"):
        Adam(betas=betas)


def test_the_first_step_is_lr_long_whatever_the_gradient():
    for size in (1e-3, 1.0, 1e6):
        path = descend(quadratic(), Adam(0.1, eps=0.0), (size, -size), 1)
        moved = path.points[1] - path.points[0]
        torch.testing.assert_close(moved, torch.tensor([-0.1, 0.1], dtype=torch.float64), rtol=1e-6, atol=1e-9 * size)


def test_two_steps_by_hand():
    # g = 1, then 3, with β = (0.5, 0.75): m̂ = (½·½·1 + ½·3) / ¾, v̂ = (¾·¼·1 + ¼·9) / (1 − 0.75²)
    adam, point = Adam(0.1, (0.5, 0.75), eps=0.0), torch.zeros(2, dtype=torch.float64)
    point, state = adam.step(point, torch.ones_like(point))
    point, state = adam.step(point, 3 * torch.ones_like(point), state)
    mean, square = 1.75 / 0.75, (0.1875 + 2.25) / 0.4375
    assert point.tolist() == pytest.approx([-0.1 - 0.1 * mean / math.sqrt(square)] * 2, rel=1e-14)


def test_it_has_no_linear_step_and_says_why():
    found = stability(quadratic(), Adam(0.1))
    assert found.lr_limit is found.optimal_lr is None
    assert math.isnan(found.spectral_radius)
    assert found.note == "no fixed limit: Adam divides every step by the size of its gradients"


def test_a_run_that_rests_is_not_taken_for_settled():
    # At a minimum the point stays, while the corrections go on.
    path = descend(quadratic(), Adam(0.1), (0.0, 0.0), 300)
    assert not path.points.any()
    assert path.states[-1].steps == 288
