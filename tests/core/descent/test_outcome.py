import math

import pytest
import torch

from gradwidgets.core import DATASETS, OBJECTIVES, SGD, as_objective, descend, outcome, quadratic, regression


def judged(objective, sgd, start, steps):
    return outcome(descend(objective, sgd, start, steps), objective)


def test_converged(four):
    result = judged(four["MSE"], SGD(0.1), (6, -3), 100)
    path = descend(four["MSE"], SGD(0.1), (6, -3), 100)
    assert result.kind == "converged"
    assert result.distance == pytest.approx(0, abs=1e-5)
    assert result.loss == path.losses[-1].item()
    assert torch.equal(result.end, path.end)
    away = torch.linalg.vector_norm(path.points - path.end, dim=1)
    limit = 1e-3 * away.max()
    assert (away[result.step :] <= limit).all()
    assert away[result.step - 1] > limit


def test_still_moving(four):
    result = judged(four["MSE"], SGD(0.001), (6, -3), 100)
    assert result.kind == "still moving"
    assert result.step is None
    assert result.distance > 1


def test_a_slow_spiral_is_still_moving():
    assert judged(quadratic(), SGD(0.01, 0.99), (-5, -2), 100).kind == "still moving"


def test_a_spiral_that_dies_out_is_not_oscillating():
    assert judged(quadratic(1), SGD(0.5, 0.7), (-5, -2), 30).kind != "oscillating"


def test_l1s_last_hops_are_an_oscillation(four):
    result = judged(four["L1"], SGD(0.5), (6, -3), 200)
    assert result.kind == "oscillating"
    assert 0 < result.amplitude < 1


def test_bouncing_between_two_walls():
    # At the stability limit the steep direction jumps from side to side for ever.
    result = judged(quadratic(), SGD(0.5), (0, 1), 100)
    assert result.kind == "oscillating"
    assert result.amplitude == pytest.approx(1, rel=0.05)
    assert result.distance == 1


def test_undamped_momentum_oscillates():
    assert judged(quadratic(1), SGD(1.0, 1.0), (1, 0), 400).kind == "oscillating"


def test_diverged(four):
    path = descend(four["MSE"], SGD(2.0), (6, -3), 100)
    result = outcome(path, four["MSE"])
    assert result.kind == "diverged"
    assert result.step == path.diverged_at
    lost = judged(four["MSE"], SGD(1e6), (6, -3), 100)
    assert lost.kind == "diverged"
    assert math.isnan(lost.distance)
    assert lost.to_dict()["distance"] is None


@pytest.mark.parametrize("steps", [0, 1, 2, 100])
def test_a_start_at_the_minimum_has_converged_at_once(steps):
    result = judged(quadratic(), SGD(0.1, 0.9), (0, 0), steps)
    assert (result.kind, result.step, result.distance, result.amplitude) == ("converged", 0, 0, 0)


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_too_few_steps_to_tell_are_still_moving(four, steps):
    result = judged(four["MSE"], SGD(0.1), (6, -3), steps)
    assert result.kind == "still moving"


def test_no_learning_rate_is_not_arrival(four):
    result = judged(four["MSE"], SGD(0.0), (6, -3), 100)
    assert (result.kind, result.step, result.amplitude) == ("still moving", None, 0)


def test_the_nearest_of_several_minima():
    f = OBJECTIVES["himmelblau"]
    result = judged(f, SGD(0.01), (-3, -3), 300)
    assert result.kind == "converged"
    assert result.distance == pytest.approx(0, abs=1e-6)


def test_no_minimum_no_distance():
    assert judged(OBJECTIVES["saddle"], SGD(0.1), (1.5, 0.0), 10).distance is None


def test_on_a_flat_direction_the_way_across_counts():
    f = regression([2.0], [3.0])
    result = judged(f, SGD(0.05), (6, -3), 300)
    assert result.kind == "converged"
    assert result.distance == pytest.approx(0, abs=1e-9)
    assert math.dist(result.end.tolist(), f.minima[0]) > 1


def test_a_batch_is_refused(four):
    with pytest.raises(ValueError, match="outcome needs a single start"):
        judged(four["MSE"], SGD(0.1), torch.zeros(3, 2), 5)


def test_float32_and_own_objectives(four):
    assert judged(four["MSE"], SGD(0.1), torch.tensor([6.0, -3.0]), 100).kind == "converged"
    assert judged(as_objective(lambda a, b: a**2 + b**2), SGD(0.1), (1, 1), 100).kind == "converged"


def test_a_long_way_does_not_make_the_end_less_exact():
    x, y = DATASETS["article"]()
    objective = regression(x, y)
    run = descend(objective, SGD(0.1), (1e6, -3), 50)
    assert outcome(run, objective).kind == "still moving"
    assert outcome(descend(objective, SGD(0.1), (1e6, -3), 400), objective).distance < 1e-3


def test_a_crawl_along_a_valley_is_not_an_arrival():
    """A line fitted to years: one way is far flatter than the other, and hardly anything moves along it."""
    x = torch.arange(1990.0, 2021.0, dtype=torch.float64)
    objective = regression(x, 354 + 1.9 * (x - 1990) + torch.sin(x), "MSE")
    for steps in (100, 2000):
        result = outcome(descend(objective, SGD(1e-7), (0, 350), steps), objective)
        assert result.kind == "still moving" and result.distance > 1000
