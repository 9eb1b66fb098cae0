"""Make field.md: losses from the field, what is right to say of them, and what is said.

    python docs/field.py

runs `check_loss` on all of them, in the four views of `tests/core/losses/field/judge.py`.
"""

import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from gradwidgets.core.finding import Finding  # noqa: E402
from tests.core.losses.field.case import Case  # noqa: E402
from tests.core.losses.field.gone_wrong import GONE_WRONG  # noqa: E402
from tests.core.losses.field.judge import VIEWS, said, shortfall  # noqa: E402
from tests.core.losses.field.sound import SOUND  # noqa: E402

_HEAD = """# Losses from the field

Made by `python docs/field.py`; nothing here is written by hand. Each loss was met in somebody's project or is a
published one, rebuilt small as a function of one or two numbers ([the code](../tests/core/losses/field)). What is right
to say of it was written down before `check_loss` was asked; at that first try 94 of the 98 were named right and none of
the 96 blamed. Two names were accepted afterwards: a minimum beside the target may be called that or `off_target`.

Each is tried in four views: at 81 and at 41 grid points along each axis, as it stands and moved by an irrational share
of its width, 1.2 % and −2.2 %. A row shows what is said in the first, its last column in how many of the four that is
right.

"""


def cell(text: str) -> str:
    """Text that stays in its cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def told(findings: Iterable[Finding]) -> str:
    """What is said, in short."""
    return "<br>".join(f"**{one.name}**: {cell(one.message)}" for one in findings)


def rows(cases: Iterable[Case]) -> tuple[list[str], int, int]:
    """The rows of a table, how many views there were, and in how many what is said is right."""
    lines, right, tried = [], 0, 0
    for case in cases:
        found = [said(case, *view) for view in VIEWS]
        good = sum(not shortfall(case, one) for one in found)
        right, tried = right + good, tried + len(found)
        lines.append(f"| {cell(case.name)} | {cell(case.source)} | {cell(case.right)} | {told(found[0])} | {good}/4 |")
        print(f"{good}/4 {case.name}", flush=True)
    return lines, tried, right


def main() -> None:
    """Write field.md beside this file."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    head = "| loss | met in | right | said | right in |\n|---|---|---|---|---|\n"
    wrong, sound = rows(GONE_WRONG), rows(SOUND)
    text = _HEAD
    text += f"Named right: {wrong[2]} of {wrong[1]} views of {len(GONE_WRONG)} losses gone wrong. "
    text += f"Not blamed: {sound[2]} of {sound[1]} views of {len(SOUND)} sound ones.\n\n"
    text += f"## Gone wrong\n\n{head}" + "\n".join(wrong[0]) + f"\n\n## Sound\n\n{head}" + "\n".join(sound[0]) + "\n"
    (ROOT / "docs" / "field.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
