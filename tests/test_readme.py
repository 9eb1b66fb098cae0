"""What the README and the reference promise: their Python runs, numbers are right, commands and files exist."""

import re
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
SECTIONS = {text.split("\n", 1)[0]: text for page in (README, REFERENCE) for text in page.split("\n## ")[1:]}


def python_blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)


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
