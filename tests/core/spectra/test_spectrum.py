"""The Hessian's eigenvalues against closed forms, torch.func.hessian and curvlinops."""

import json
import math
import warnings

import pytest
import scipy.sparse.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from gradwidgets.core.spectra import Spectrum, hessian_spectrum
from gradwidgets.core.subject.threads import one_thread

# Forward mode's decompositions, the judge's, are scripted when they are first used.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")


def torch_hessian(model, x, y, loss):
    """By torch.func straight, (P, P), float64."""
    named = {name: p.detach().double() for name, p in model.named_parameters()}
    sizes = [p.numel() for p in named.values()]

    def at(flat):
        parts = {n: part.reshape(p.shape) for (n, p), part in zip(named.items(), flat.split(sizes), strict=True)}
        return loss(functional_call(model, parts, (x.double(),)), y)

    return torch.func.hessian(at)(torch.cat([p.reshape(-1) for p in named.values()]))


def classifier(hidden=8):
    model = nn.Sequential(nn.Linear(6, hidden), nn.GELU(), nn.Linear(hidden, 3))
    return model, torch.randn(30, 6), torch.randint(0, 3, (30,))


def test_softmax_regression_at_zero():
    x = torch.linalg.qr(torch.randn(50, 3, dtype=torch.float64)).Q * math.sqrt(50) * torch.tensor([1.0, 2.0, 3.0])
    model = nn.Linear(3, 5, bias=False)
    nn.init.zeros_(model.weight)
    spectrum = hessian_spectrum(model, x, torch.randint(0, 5, (50,)), functional.cross_entropy)
    expected = torch.tensor([0.0] * 3 + [0.2] * 4 + [0.8] * 4 + [1.8] * 4, dtype=torch.float64)
    torch.testing.assert_close(spectrum.eigenvalues, expected, rtol=1e-12, atol=1e-12)
    assert (spectrum.null, spectrum.negative, spectrum.method, spectrum.parameters) == (3, 0, "exact", 15)
    assert spectrum.trace == pytest.approx(11.2, rel=1e-12) and spectrum.trace_error == 0
    assert spectrum.condition == pytest.approx(9.0) and spectrum.lr_limit == pytest.approx(2 / 1.8)
    assert spectrum.loss == pytest.approx(math.log(5))


@pytest.mark.parametrize("seed", range(3))
def test_the_source_s_classifier_has_rank_44_of_55(seed):
    torch.manual_seed(seed)
    model = nn.Linear(10, 5)
    spectrum = hessian_spectrum(model, torch.randn(50, 10), torch.randint(0, 5, (50,)), nn.CrossEntropyLoss())
    assert (spectrum.parameters, spectrum.null, spectrum.negative) == (55, 11, 0)
    assert spectrum.rounding < 1e-12 < spectrum.eigenvalues[11]
    assert "of 55 directions 11 are flat, none curves downwards" in spectrum.sentence


def test_linear_regression_has_its_own_matrix():
    x, y = torch.randn(40, 4, dtype=torch.float64), torch.randn(40, 1, dtype=torch.float64)
    spectrum = hessian_spectrum(nn.Linear(4, 1, bias=False).double(), x, y, functional.mse_loss)
    torch.testing.assert_close(spectrum.eigenvalues, torch.linalg.eigvalsh(2 * x.T @ x / 40))
    limit = spectrum.lr_limit
    assert limit == pytest.approx(2 / torch.linalg.eigvalsh(2 * x.T @ x / 40)[-1].item())


class Quadratic(nn.Module):
    def __init__(self, diagonal):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(len(diagonal), dtype=torch.float64))
        self.diagonal = diagonal

    def forward(self, _):
        return (0.5 * self.diagonal * self.w**2).sum()


def quadratic(*diagonal, **options):
    model = Quadratic(torch.tensor(diagonal, dtype=torch.float64))
    return hessian_spectrum(model, torch.zeros(1), None, lambda out, _: out, **options)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6).map(lambda v: 0.0 if abs(v) < 1e-3 else v), min_size=1, max_size=8))
def test_a_diagonal_comes_back(diagonal):
    spectrum = quadratic(*diagonal)
    expected = torch.tensor(sorted(diagonal), dtype=torch.float64)
    torch.testing.assert_close(spectrum.eigenvalues, expected, rtol=1e-12, atol=1e-12)
    assert spectrum.null == diagonal.count(0.0) and spectrum.negative == sum(v < 0 for v in diagonal)
    assert spectrum.largest == max(diagonal) and spectrum.smallest == min(diagonal)
    assert spectrum.lr_limit == (2 / max(diagonal) if max(diagonal) > 0 else math.inf)


def test_the_largest_is_not_the_largest_in_magnitude():
    spectrum = quadratic(-100.0, -3.0, 2.0)
    assert (spectrum.largest, spectrum.smallest, spectrum.lr_limit) == (2.0, -100.0, 1.0)
    assert spectrum.condition == 50.0
    by_lanczos = quadratic(-100.0, -3.0, 2.0, k=2)
    assert by_lanczos.method == "lanczos" and by_lanczos.largest == pytest.approx(2.0)
    assert by_lanczos.eigenvalues.tolist() == pytest.approx([-100.0, 2.0]) and by_lanczos.negative == 1


@pytest.mark.parametrize("k", [None, 2])
def test_a_flat_loss(k):
    model = nn.Linear(3, 2)
    spectrum = hessian_spectrum(model, torch.randn(5, 3), None, lambda out, _: out.sum(), k=k)
    assert not spectrum.eigenvalues.any() and spectrum.largest == spectrum.trace == 0
    assert math.isinf(spectrum.lr_limit) and math.isnan(spectrum.condition)
    assert spectrum.null == (8 if k is None else None)


@pytest.mark.parametrize("loss", [functional.cross_entropy, nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0]))])
def test_a_network_against_torch_func(loss):
    model, x, y = classifier()
    spectrum = hessian_spectrum(model, x, y, loss)
    judge = loss.double() if isinstance(loss, nn.Module) else loss
    expected = torch_hessian(model, x, y, judge)
    if isinstance(loss, nn.Module):
        loss.float()
    torch.testing.assert_close(spectrum.eigenvalues, torch.linalg.eigvalsh(expected), rtol=1e-10, atol=1e-12)
    assert spectrum.trace == pytest.approx(expected.trace().item(), rel=1e-10)


@pytest.fixture(scope="module")
def curvlinops():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it needs is deprecated in torch
        import curvlinops
    return curvlinops


def test_a_network_against_curvlinops(curvlinops):
    model, x, y = classifier()
    spectrum = hessian_spectrum(model, x, y, functional.cross_entropy)
    model, batch = model.double(), [(x.double(), y)]
    operator = curvlinops.HessianLinearOperator(model, nn.CrossEntropyLoss(), list(model.parameters()), batch)
    matrix = operator @ torch.eye(operator.shape[1], dtype=torch.float64)
    torch.testing.assert_close(spectrum.eigenvalues, torch.linalg.eigvalsh(matrix), rtol=1e-10, atol=1e-12)


def test_the_largest_of_a_hundred_thousand_against_curvlinops(curvlinops):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(64, 250), nn.Tanh(), nn.Linear(250, 250), nn.Tanh(), nn.Linear(250, 84))
    x, y = torch.randn(16, 64), torch.randint(0, 10, (16,))
    assert sum(p.numel() for p in model.parameters()) > 100_000
    with one_thread():  # on a busy machine, waiting for the second takes most of the time
        spectrum = hessian_spectrum(model, x, y, functional.cross_entropy, k=1)
        model, batch = model.double(), [(x.double(), y)]
        operator = curvlinops.HessianLinearOperator(model, nn.CrossEntropyLoss(), list(model.parameters()), batch)
        settings = {"k": 1, "which": "LA", "tol": 1e-4, "ncv": 12, "return_eigenvectors": False}
        judge = scipy.sparse.linalg.eigsh(operator.to_scipy(), **settings)
    assert spectrum.method == "lanczos"
    assert spectrum.largest == pytest.approx(float(judge[0]), rel=1e-3)


@pytest.mark.parametrize("k", [1, 2, 5, 10])
def test_lanczos_finds_the_extremes_of_the_exact_spectrum(k):
    model, x, y = classifier(20)
    exact = hessian_spectrum(model, x, y, functional.cross_entropy)
    found = hessian_spectrum(model, x, y, functional.cross_entropy, k=k)
    assert found.method == "lanczos" and len(found.eigenvalues) == k and found.null is None
    expected = torch.cat([exact.eigenvalues[: k // 2], exact.eigenvalues[-((k + 1) // 2) :]])
    torch.testing.assert_close(found.eigenvalues, expected, rtol=0, atol=1e-3 * exact.largest)
    assert abs(found.largest - exact.largest) <= max(found.largest_error, 1e-12) <= 1e-3 * exact.largest
    assert abs(found.trace - exact.trace) <= 4 * found.trace_error
    assert found.negative == int((expected < -1e-3 * exact.largest).sum())
    # The same distribution: means agree, as the curves have integral 1.
    for one in (exact, found):
        grid, values = one.density
        assert torch.trapezoid(values, grid).item() == pytest.approx(1)
    means = [torch.trapezoid(one.density[0] * one.density[1], one.density[0]).item() for one in (exact, found)]
    assert means[1] == pytest.approx(means[0], abs=5 * found.trace_error / found.parameters)


def test_beyond_the_limit_it_is_lanczos():
    model, x, y = classifier(260)
    assert sum(p.numel() for p in model.parameters()) > 2000
    spectrum = hessian_spectrum(model, x, y, functional.cross_entropy)
    assert spectrum.method == "lanczos" and len(spectrum.eigenvalues) == 10
    top = torch.linalg.eigvalsh(torch_hessian(model, x, y, functional.cross_entropy))[-1].item()
    assert spectrum.largest == pytest.approx(top, rel=1e-3)
    assert spectrum.lr_limit == pytest.approx(2 / top, rel=1e-3)


def test_work_comes_in_slices_with_progress():
    model, x, y = classifier(60)
    work = hessian_spectrum.in_slices(model, x, y, functional.cross_entropy)
    shares = []
    try:
        while True:
            shares.append(next(work))
    except StopIteration as end:
        spectrum = end.value
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] <= 1 and len(shares) > 4
    plain = hessian_spectrum(model, x, y, functional.cross_entropy)
    torch.testing.assert_close(spectrum.eigenvalues, plain.eigenvalues)
    stopped = hessian_spectrum.in_slices(model, x, y, functional.cross_entropy)
    next(stopped)
    stopped.close()


def test_a_spectrum_prints_and_converts():
    spectrum = quadratic(1.0, -2.0)
    assert isinstance(spectrum, Spectrum) and "largest=1.0" in repr(spectrum)
    plain = json.loads(json.dumps(spectrum.to_dict()))
    assert plain["eigenvalues"] == [-2.0, 1.0] and len(plain["density"][0]) == 401
    assert spectrum.to_frame()["eigenvalue"].tolist() == [-2.0, 1.0]
    assert spectrum.sentence.startswith("The largest curvature is 1, so that gradient descent needs lr < 2; of 2")


@pytest.mark.parametrize("k", [0, -1])
def test_a_wrong_k(k):
    with pytest.raises(ValueError, match=f"k must be a whole number of at least 1, or None; got {k}"):
        quadratic(1.0, k=k)
    for wrong in (2.5, True, "all"):
        with pytest.raises(TypeError, match="k must be a whole number"):
            quadratic(1.0, k=wrong)
