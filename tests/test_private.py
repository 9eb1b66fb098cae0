"""What is private in the package is read by tests in one place, where each thing has a name and a reason."""

import ast
import re
from pathlib import Path

import gradwidgets
from tests.widgets.panel.test_parts import foreign

TESTS, PACKAGE = Path(__file__).parent, Path(gradwidgets.__file__).parent
PLACES = ("widgets/inside.py", "widgets/fake_page.py")
# Names of ours that torch, Python or a test's own model has too.
THEIRS = {"_BatchNorm", "_buffers", "_indices", "_modules", "_parameters", "_run", "_stance", "_values", "_version"}


def private_names() -> set[str]:
    """What the package names with one underscore before; after it too, it is a protocol of notebooks."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    return set(re.findall(r"(?:\bdef |\bclass |self\.|^)(_[A-Za-z]\w*(?<!_))\b", text, re.MULTILINE)) - THEIRS


def test_tests_read_what_is_private_in_one_place():
    ours, found = private_names(), set()
    for path in TESTS.rglob("*.py"):
        name, text = path.relative_to(TESTS).as_posix(), path.read_text(encoding="utf-8")
        if name not in PLACES and re.search(r"\._[A-Za-z]", text):
            found |= {f"{name} {read}" for _, read in foreign(ast.parse(text)) if read in ours}
    assert found == set()
