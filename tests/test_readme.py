"""What the README and the reference promise: their Python runs, numbers are right, commands and files exist."""

import ast
import re
from pathlib import Path

import pytest
import torch
from traitlets import TraitError

from gradwidgets import OptimizerPlayground
from gradwidgets.core.regression.losses import AT_FIRST

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
SECTIONS = {text.split("\n", 1)[0]: text for page in (README, REFERENCE) for text in page.split("\n## ")[1:]}
SETTINGS = "The playground: what can be changed"


def python_blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)


def rows(section: str) -> dict[str, list[str]]:
    """The first cell of each row of a section's table → the other cells."""
    lines = [line.strip("|").split("|") for line in SECTIONS[section].splitlines() if line.startswith("| `")]
    return {first.strip().strip("`"): [cell.strip() for cell in others] for first, *others in lines}


def ranges() -> list[tuple[str, bool, float, float]]:
    """(trait, whether the lower bound itself is refused, lower bound, upper bound) of every "… to …" in its table."""
    matches = {
        name: re.match(r"(above )?(\d+) to (\w+)", cells[1].replace(",", "")) for name, cells in rows(SETTINGS).items()
    }
    return [(name, bool(m[1]), float(m[2]), float(m[3])) for name, m in matches.items() if m]


@pytest.fixture(scope="module")
def session():
    """The Python of both, block after block in one session, as a reader runs it."""
    names: dict[str, object] = {}
    for name, page in {"README.md": README, "reference.md": REFERENCE}.items():
        for number, block in enumerate(python_blocks(page), 1):
            exec(compile(block, f"{name}, Python block {number}", "exec"), names)
    yield names
    names["playground"].close()


def test_the_first_code_is_three_lines():
    assert len(python_blocks(README)[0].strip().splitlines()) == 3


def test_numbers_read_from_the_playground(session):
    playground = session["playground"]
    torch.testing.assert_close(
        playground.trajectories["MSE"].end.float(), torch.tensor([0.9281, 2.5177]), atol=5e-5, rtol=0
    )
    assert f"{playground.stability['MSE'].lr_limit:.4f}" == "1.8537"
    assert playground.surfaces["Huber"].loss.shape == (101, 101)
    assert len(playground.summary.splitlines()) == 2


def test_numbers_of_a_guess(session):
    quiz = session["quiz"]
    assert f"{quiz.score:.3f}" == "0.998" and quiz.reason.startswith("Right: still moving")


def test_the_number_of_lessons(session):
    words = {19: "nineteen", 20: "twenty", 21: "twenty-one"}
    assert f"a table of {words[len(session['lessons']())]}" in README


def test_numbers_without_a_widget(session):
    assert repr(session["trajectory"].end) == "tensor([0.8541, 2.4128], dtype=torch.float64)"
    limit = session["stability"](session["objective"], session["optimizer"]).lr_limit
    assert f"{limit:.10f}".startswith("4.350")


@pytest.mark.parametrize("target", re.findall(r"^make (\w+)", SECTIONS["Start"], flags=re.MULTILINE))
def test_the_commands_are_in_the_makefile(target):
    assert re.search(rf"^{target}:", MAKEFILE, flags=re.MULTILINE)


def test_there_are_two_commands():
    assert re.findall(r"^make (\w+)", SECTIONS["Start"], flags=re.MULTILINE) == ["lab", "test"]


@pytest.mark.parametrize("path", sorted({
    *re.findall(r"\]\((?!https?:)([^)#]+)\)", README),
    *re.findall(r"(?:binder|notebooks)/[\w.]+\w", README),
    *(f"notebooks/{name}" for name in re.findall(r"`(\w+\.ipynb)`", README)),
}))  # fmt: skip
def test_the_files_exist(path):
    assert (ROOT / path).exists()


def test_the_table_of_traits_is_complete():
    assert set(rows(SETTINGS)) == set(OptimizerPlayground.settings())


@pytest.mark.parametrize("name", rows(SETTINGS))
def test_the_defaults_are_right(name):
    shown = rows(SETTINGS)[name][0].strip("`").replace("−", "-")
    default = OptimizerPlayground.class_traits()[name].default_value
    assert default == (AT_FIRST if shown == "torch's four" else ast.literal_eval(shown))


@pytest.mark.parametrize(("name", "above", "low", "high"), ranges())
def test_the_bounds_are_right(name, above, low, high):
    trait = OptimizerPlayground.class_traits()[name]
    assert trait.validate(None, high) == high
    for outside in (2 * high, low - 1, *([low] if above else ())):
        with pytest.raises(TraitError, match=name):
            trait.validate(None, outside)
