"""The numbers that the notebooks' words state are computed here again, from the core alone."""

import math
import re
from pathlib import Path

import nbformat
import pytest
import torch
from torch import nn

from gradwidgets.core import DATASETS, SGD, descend, outcome, predicted_factor, regression, stability, step_parts

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
START = (6.0, -3.0)
RUNS = {
    "plain": SGD(0.1),
    "momentum": SGD(0.1, momentum=0.9),
    "nesterov": SGD(0.1, momentum=0.9, nesterov=True),
    "decay": SGD(0.1, momentum=0.9, nesterov=True, weight_decay=2),
    "dampening": SGD(0.1, momentum=0.9, dampening=0.8),
}


def words(name: str) -> str:
    """A notebook's Markdown, each paragraph on one line."""
    cells = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return re.sub(r"\s+", " ", text)


def problem(loss="MSE", data="article"):
    return regression(*DATASETS[data](), loss=loss)


def path(run, loss="MSE", steps=100):
    optimizer = RUNS[run] if isinstance(run, str) else run
    return descend(problem(loss), optimizer, START, steps)


def end(run, loss, digits=3):
    weight, bias = path(run, loss).end.tolist()
    return f"({weight:.{digits}f}, {bias:.{digits}f})".replace("-", "−")


def limit(run, loss="MSE"):
    return stability(problem(loss), RUNS[run]).lr_limit


def arrival(optimizer, loss="MSE"):
    """The step at which a run has converged, as the words under the picture say it."""
    objective = problem(loss)
    return outcome(descend(objective, optimizer, START, 100), objective).step


def curvatures(data="article"):
    """The eigenvalues of MSE's Hessian, 2/n Σ (x, 1)(x, 1)ᵀ, in closed form."""
    x, _ = DATASETS[data]()
    x = x.double()
    a, b, d = 2 * (x**2).mean(), 2 * x.mean(), torch.tensor(2.0, dtype=torch.float64)
    return torch.linalg.eigvalsh(torch.stack([torch.stack([a, b]), torch.stack([b, d])])).tolist()


def test_plain_descent():
    text, losses = words("01_sgd_parameters"), path("plain").losses
    assert f"{losses[0]:.2f}" == "53.08" and "(MSE) is 53.08" in text
    assert f"from {losses[0]:.2f} to {losses[-1]:.4f}" in text
    weight, bias = path("plain").end.tolist()
    assert f"$w = {weight:.4f}$, $b = {bias:.4f}$" in text
    assert 0.30 < 1 - losses[1] / losses[0] < 0.37  # "the first step alone takes off a third"
    assert losses[11] > 1 > losses[12]  # "twelve steps bring it below 1"
    x, y = (one.double() for one in DATASETS["article"]())
    best = torch.linalg.lstsq(torch.stack([x, torch.ones_like(x)], 1), y[:, None]).solution.flatten().tolist()
    assert f"$w = {best[0]:.3f}$, $b = {best[1]:.3f}$" in text


def test_curvature_and_the_largest_lr():
    text, (low, high) = words("01_sgd_parameters"), curvatures()
    assert f"2 divided by the largest curvature, {high:.2f}" in text
    assert f"above {2 / high:.3f}" in text
    assert f"{high / low:.1f} times as strongly curved" in text
    for data, name in (("hubble 1929", "*hubble 1929*, "), ("anscombe I", "*anscombe I*, ")):
        low, high = curvatures(data)
        assert f"{name}{high / low:.0f} times" in text
    assert f"at 0.3 that is {1 - 0.3 * curvatures()[1]:.2f}" in text
    assert f"at 0.8 it is {1 - 0.8 * curvatures()[1]:.2f}".replace("-", "−") in text


@pytest.mark.parametrize(
    ("optimizer", "loss", "said"),
    [
        (SGD(0.3), "MSE", "it arrives at step {} instead of 45"),
        (SGD(0.1), "MSE", "instead of {}"),
        (SGD(0.1, momentum=0.5), "MSE", "MSE arrives by step {}"),
        (SGD(1.0), "Huber", "Huber and SmoothL1 arrive by step {}"),
        (RUNS["nesterov"], "MSE", "converges at step {}, while plain momentum still moves"),
    ],
)
def test_when_a_run_arrives(optimizer, loss, said):
    assert said.format(arrival(optimizer, loss)) in words("01_sgd_parameters")


@pytest.mark.parametrize(
    ("run", "loss", "digits", "said"),
    [
        ("plain", "L1", 3, "still on its way, at {}"),
        ("plain", "Huber", 3, "the same place, {}"),
        ("momentum", "L1", 3, "L1 now ends at {}"),
        ("momentum", "MSE", 4, "still circles at {}"),
        ("nesterov", "MSE", 4, "ends at {}, the minimum to four digits"),
        ("nesterov", "Huber", 3, "Huber ends at {}"),
        ("nesterov", "L1", 3, "L1 at {}"),
        ("decay", "MSE", 3, "resists best: {}"),
        ("decay", "L1", 3, "L1 ends at {}"),
        ("decay", "Huber", 3, "nearby, at {}"),
        ("dampening", "MSE", 3, "MSE ends at {}"),
        ("dampening", "L1", 3, "L1 at {}"),
        ("dampening", "Huber", 3, "Huber and SmoothL1 at {}"),
    ],
)
def test_where_a_path_ends(run, loss, digits, said):
    assert said.format(end(run, loss, digits)) in words("01_sgd_parameters")


def test_overshooting():
    text = words("01_sgd_parameters")
    plain, ahead = (path(run).points[:, 1] for run in ("momentum", "nesterov"))
    assert f"until the bias is {plain.max():.2f}" in text
    assert f"turns back at step {int(ahead.argmax())}, at {ahead.max():.2f}" in text
    assert f"turned back at step {int(plain.argmax())}, at {plain.max():.2f}" in text
    parts = step_parts(path("nesterov"), problem(), RUNS["nesterov"], 2)
    here, there = parts.gradient[1].item(), parts.lookahead_gradient[1].item()
    assert f"{here:.2f}".replace("-", "−") + ": go on" in text
    assert f"+{there:.2f}: brake" in text


def test_largest_stable_learning_rates():
    text = words("01_sgd_parameters")
    assert f"largest stable `lr` was {limit('momentum'):.2f} in picture 6" in text
    assert f"{limit('nesterov'):.3f}. The brake" in text
    assert f"`lr` was {limit('momentum', 'Huber'):.2f} in picture 6" in text
    assert f"{limit('dampening', 'Huber'):.1f}, five times as large" in text
    assert limit("dampening", "Huber") / limit("momentum", "Huber") == pytest.approx(5, rel=0.01)


def test_the_start():
    text = words("00_start")
    assert f"Above {limit('plain'):.3f}" in text
    assert f"largest curvature: {curvatures()[1]:.2f}" in text
    assert f"until {limit('plain', 'Huber'):.2f}" in text


def test_the_table_of_a_product():
    distance, scale = (torch.tensor(value, requires_grad=True) for value in (0.1, 0.0))
    ((distance * scale - 1) ** 2).backward()
    assert f"`scale` gets one, {scale.grad:.1f}".replace("-", "−") in words("02_loss_surfaces")
    assert distance.grad == 0


def test_factors_of_theory():
    text = words("03_gradient_flow")
    low, high = (predicted_factor("Sigmoid", "default", gain) for gain in (1, 3))
    assert f"raise the factor from {low:.2f} to {high:.2f}" in text
    relu = math.sqrt(1 / 6)
    assert f"√(1/6) = {relu:.2f}" in text and f"a factor of {relu:.2f} per layer" in text
    layer = nn.Linear(400, 400)
    assert layer.weight.var().item() == pytest.approx(1 / (3 * 400), rel=0.02)
    assert f"0.14²⁰ is {0.14**20:.1e}".replace("e-", "e−") in text
    assert f"arccos 0.4534, {math.degrees(math.acos(0.4534)):.0f}°" in text
    assert f"2 / 0.4348 = {2 / 0.4348:.1f}" in text
    assert f"ln 10 = {math.log(10):.3f}" in words("04_your_own_model")


# Numbers that are settings to choose, what a formula is made of, or what a test above computes.
GIVEN = {
    "00_start": {"0.9", "0.2", "2.05"},
    "01_sgd_parameters": {
        "0.75",
        "0.1",
        "0.3",
        "0.8",
        "0.9",
        "0.5",
        "0.99",
        "0.02",
        "1.6",
        "0.39",
        "0.64",
        "2.05",
        "4.93",
        "6.65",
    },
    "02_loss_surfaces": {"0.002", "0.5", "0.1", "0.2", "0.18", "12.5"},
    "03_gradient_flow": {"1.5", "0.25", "0.37", "0.41", "8.4", "0.01"},
    "04_your_own_model": {"2.303"},
}


@pytest.mark.parametrize("name", GIVEN)
def test_every_other_number_is_in_what_the_notebook_computes(name):
    cells = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
    shown = "\n".join(
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for cell in cells
        for output in cell.get("outputs", ())
    )
    shown += "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    known = [float(number) for number in re.findall(r"\d+\.\d+", shown)]
    stated = set(re.findall(r"\d+\.\d+", words(name))) - GIVEN[name]

    def is_known(number: str) -> bool:
        half = 0.5000001 * 10 ** -len(number.partition(".")[2])
        return any(abs(float(number) - value) <= half for value in known)

    assert {number for number in stated if not is_known(number)} == set()
