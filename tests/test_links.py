"""Every link inside the repository leads somewhere, its anchor too."""

import re
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")), *(ROOT / "docs").glob("*.md")]
PAGES += sorted((ROOT / "notebooks").glob("*.ipynb"))


def markdown(page: Path) -> str:
    if page.suffix == ".md":
        return page.read_text(encoding="utf-8")
    cells = nbformat.read(page, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", markdown(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


LINKS = [
    (page, target)
    for page in PAGES
    for target in re.findall(r"\]\(([^)\s]+)\)", markdown(page))
    if not re.match(r"\w+:", target)
]


@pytest.mark.parametrize(("page", "target"), LINKS, ids=lambda part: getattr(part, "name", part))
def test_a_link_leads_somewhere(page, target):
    path, _, anchor = unquote(target).partition("#")
    goal = (page.parent / path).resolve() if path else page
    assert goal.is_relative_to(ROOT) and goal.exists()
    if anchor:
        assert anchor in anchors(goal)


def test_pages_link_to_each_other():
    assert len(LINKS) > 20 and {page.suffix for page, _ in LINKS} == {".md", ".ipynb"}
