"""How fast the core is, beside the plain ways of doing the same; each group holds one task.

`pytest tests/benchmarks/test_core_speed.py --benchmark-enable --benchmark-group-by=group`
"""

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from gradwidgets.core import (
    DATASETS,
    LOSSES,
    SGD,
    descend_each,
    descend_runs,
    hessian_spectrum,
    outcome,
    regressions,
    sample_surface,
    sample_surfaces,
    stability,
    step_parts,
)

START = (6.0, -3.0)
SETTINGS = {"lr": 0.1, "momentum": 0.9}
TORCH_LOSSES = {n: getattr(functional, loss.torch_function) for n, loss in LOSSES.items() if loss.torch_function}


@pytest.fixture(scope="module")
def article():
    return DATASETS["article"]()


@pytest.fixture(scope="module")
def four(article):
    return regressions(*article)


@pytest.fixture(scope="module")
def million():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1_000_000, dtype=torch.float64, generator=generator)
    y = 0.75 * x**2 + x + 2 + 0.3 * torch.randn(1_000_000, dtype=torch.float64, generator=generator)
    return regressions(x, y)


@pytest.mark.benchmark(group="four losses, 200 steps on batches")
@pytest.mark.parametrize("size", [1, 8, 32])
def test_fifty_seeds(benchmark, four, size):
    assert benchmark(descend_runs, four, SGD(**SETTINGS), START, 200, batch_size=size)["MSE"].points.shape[1] == 50


@pytest.mark.benchmark(group="four losses, 200 steps on batches")
def test_one_seed(benchmark, four):
    assert benchmark(descend_each, four, SGD(**SETTINGS), START, 200, batch_size=8)["MSE"].steps == 200


@pytest.mark.benchmark(group="four losses, 200 steps on batches")
def test_peer_one_seed_of_torchs_loader(benchmark, article):
    def descents():
        for loss in TORCH_LOSSES.values():
            point = torch.tensor(START, dtype=torch.float64, requires_grad=True)
            optimizer = torch.optim.SGD([point], **SETTINGS)
            loader = DataLoader(TensorDataset(*article), 8, shuffle=True, generator=torch.Generator().manual_seed(0))
            for x, y in itertools.islice(itertools.chain.from_iterable(itertools.repeat(loader)), 200):
                optimizer.zero_grad()
                loss(point[0] * x + point[1], y).backward()
                optimizer.step()
        return point

    assert benchmark(descents).isfinite().all()


@pytest.mark.benchmark(group="four maps, 101 x 101, with gradients, 50 points")
def test_maps(benchmark, four):
    assert len(benchmark(sample_surfaces, four)) == 4


@pytest.mark.benchmark(group="four maps, 101 x 101, with gradients, 50 points")
@pytest.mark.parametrize("loss", ["MSE", "L1"])
def test_peer_one_numpy_pass_over_one_loss(benchmark, article, loss):
    x, y = (column.numpy() for column in article)
    weight = np.linspace(-5, 8, 101)[:, None, None]
    bias = np.linspace(-5, 8, 101)[None, :, None]
    of = {"MSE": np.square, "L1": np.abs}[loss]
    assert benchmark(lambda: of(weight * x + bias - y).mean(-1)).shape == (101, 101)


@pytest.mark.benchmark(group="four maps, 101 x 101, with gradients, 50 points")
def test_peer_one_row_of_101_point_by_point(benchmark, article, four):
    # One row in 101: a round of the whole would take seconds. Multiply by 101.
    x, y = article

    def row():
        last = {}
        for name, loss in TORCH_LOSSES.items():
            for bias in torch.linspace(-5, 8, 101).tolist():
                point = torch.tensor([1.0, bias], dtype=torch.float64, requires_grad=True)
                loss(point[0] * x + point[1], y).backward()
            last[name] = point.grad
        return last

    for name, gradient in benchmark(row).items():
        torch.testing.assert_close(gradient, four[name].value_and_gradient((1.0, 8.0))[1])


@pytest.mark.benchmark(group="four paths of 100 steps, 50 points")
def test_paths(benchmark, four):
    assert len(benchmark(descend_each, four, SGD(**SETTINGS), START, 100)) == 4


@pytest.mark.benchmark(group="four paths of 100 steps, 50 points")
def test_peer_torch_optim(benchmark, article, four):
    x, y = article

    def run():
        ends = {}
        for name, loss in TORCH_LOSSES.items():
            point = torch.tensor(START, dtype=torch.float64, requires_grad=True)
            optimizer = torch.optim.SGD([point], **SETTINGS)
            for _ in range(100):
                optimizer.zero_grad()
                loss(point[0] * x + point[1], y).backward()
                optimizer.step()
            ends[name] = point.detach()
        return ends

    ends = benchmark(run)
    for name, path in descend_each(four, SGD(**SETTINGS), START, 100).items():
        torch.testing.assert_close(ends[name], path.end)


@pytest.mark.benchmark(group="51 x 51 starts, four losses, 100 steps, 50 points")
def test_many_starts(benchmark, four):
    axis = torch.linspace(-5, 8, 51, dtype=torch.float64)
    starts = torch.cartesian_prod(axis, axis)
    paths = benchmark.pedantic(descend_each, (four, SGD(**SETTINGS), starts, 100), rounds=3)
    assert {path.points.shape for path in paths.values()} == {(101, 51 * 51, 2)}


@pytest.mark.benchmark(group="words about a run")
@pytest.mark.parametrize("loss", TORCH_LOSSES)
def test_outcome(benchmark, four, loss):
    path = descend_each(four, SGD(**SETTINGS), START, 100)[loss]
    assert benchmark(outcome, path, four[loss]).end.tolist() == path.end.tolist()


@pytest.mark.benchmark(group="words about a run")
def test_stability(benchmark, four):
    assert benchmark(stability, four["MSE"], SGD(0.1, 0.9, nesterov=True)).lr_limit > 0.1


@pytest.mark.benchmark(group="words about a run")
def test_step_parts(benchmark, four):
    sgd = SGD(0.1, 0.9, nesterov=True)
    path = descend_each(four, sgd, START, 100)["MSE"]
    assert torch.equal(benchmark(step_parts, path, four["MSE"], sgd, 99).next_point, path.points[100])


@pytest.mark.benchmark(group="minima of a new delta")
def test_minima(benchmark, article):
    def fresh():
        return [f.minima for f in regressions(*article, delta=0.7, beta=0.3).values()]

    assert all(len(minima) for minima in benchmark(fresh))


@pytest.mark.benchmark(group="1 000 000 points")
@pytest.mark.parametrize("resolution", [26, 101])
def test_maps_of_a_million(benchmark, million, resolution):
    # Disabled, one small map shows that it works.
    count = resolution if benchmark.enabled else 5
    maps = benchmark.pedantic(sample_surfaces, (million, None, count), rounds=1)
    assert {grid.loss.shape for grid in maps.values()} == {(count, count)}


@pytest.mark.benchmark(group="1 000 000 points")
def test_paths_of_a_million(benchmark, million):
    steps = 100 if benchmark.enabled else 3
    paths = benchmark.pedantic(descend_each, (million, SGD(**SETTINGS), START, steps), rounds=1)
    assert {len(path.points) for path in paths.values()} == {steps + 1}


def ten_operations(a, b):
    return ((a**2 + b - 11) ** 2 + (a + b**2 - 7).abs().sqrt() + torch.sin(3 * a) * torch.exp(-(b**2))).log1p()


GROUND = {"a": (-4.0, 4.0), "b": (-4.0, 4.0)}


@pytest.mark.benchmark(group="a loss of ten operations, 81 x 81, with gradients")
def test_any_loss(benchmark):
    assert benchmark(sample_surface, ten_operations, GROUND).loss.shape == (81, 81)


@pytest.mark.benchmark(group="a loss of ten operations, 81 x 81, with gradients")
def test_peer_a_backward_for_each_cell(benchmark):
    sides = [torch.linspace(*GROUND[name], 81, dtype=torch.float64) for name in "ab"]

    def cell_by_cell():
        loss, gradient = torch.empty(81, 81, dtype=torch.float64), torch.empty(81, 81, 2, dtype=torch.float64)
        for i, b in enumerate(sides[1]):
            for j, a in enumerate(sides[0]):
                leaves = [a.clone().requires_grad_(), b.clone().requires_grad_()]
                value = ten_operations(*leaves)
                gradient[i, j] = torch.stack(torch.autograd.grad(value, leaves))
                loss[i, j] = value.detach()
        return loss, gradient

    loss, gradient = benchmark.pedantic(cell_by_cell, rounds=3)
    ours = sample_surface(ten_operations, GROUND)
    torch.testing.assert_close(loss, ours.loss)
    torch.testing.assert_close(gradient, ours.gradient, equal_nan=True)  # at √|…|’s kinks


@pytest.fixture(scope="module")
def small_net():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(30, 48), torch.nn.Tanh(), torch.nn.Linear(48, 10))  # 1,978 parameters
    return model, torch.randn(50, 30), torch.randint(0, 10, (50,)), torch.nn.functional.cross_entropy


@pytest.mark.benchmark(group="Hessian of 1,978 parameters, 50 samples")
def test_hessian_spectrum(benchmark, small_net):
    spectrum = benchmark.pedantic(lambda: hessian_spectrum(*small_net), rounds=5, warmup_rounds=1)
    assert spectrum.method == "exact"


@pytest.mark.benchmark(group="Hessian of 1,978 parameters, 50 samples")
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_peer_torch_func_hessian(benchmark, small_net):
    model, x, y, loss_fn = small_net
    names = {name: p.detach() for name, p in model.named_parameters()}
    shapes = {name: p.shape for name, p in names.items()}
    flat = torch.cat([p.flatten() for p in names.values()]).double()

    def loss(flat):
        parts = flat.split([shape.numel() for shape in shapes.values()])
        given = {name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
        return loss_fn(torch.func.functional_call(model, given, (x.double(),)), y)

    found = benchmark.pedantic(lambda: torch.linalg.eigvalsh(torch.func.hessian(loss)(flat)), rounds=5, warmup_rounds=1)
    torch.testing.assert_close(hessian_spectrum(*small_net).eigenvalues.sort().values, found, rtol=1e-6, atol=1e-9)
