"""Every link and every picture inside the repository leads somewhere, to the section that it names too."""

import re
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/reference.md")]
PAGES = [*TEXTS, *sorted((ROOT / "notebooks").glob("*.ipynb"))]
TARGET = re.compile(r"""!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|(?:src|srcset|href)=["']([^"']+)["']""")


def markdown(page: Path) -> str:
    """A page's Markdown, without what is code."""
    if page.suffix == ".ipynb":
        cells = nbformat.read(page, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    else:
        text = page.read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", lambda code: code[0] if code[0].count("](") else code[0].strip("`"), text)


def links(page: Path) -> list[str]:
    """What a page links to inside the repository."""
    found = (one or other for one, other in TARGET.findall(markdown(page)))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def anchors(page: Path) -> set[str]:
    """The sections of a page: as GitHub names them in Markdown, as JupyterLab does in a notebook."""
    headings = re.findall(r"^#+ +(.+?)\s*$", markdown(page), flags=re.MULTILINE)
    if page.suffix == ".ipynb":
        return {heading.replace(" ", "-") for heading in headings}
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path, target: str) -> str:
    """What is wrong with a link; "" for nothing."""
    path, _, section = unquote(target).partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.is_relative_to(ROOT) or not file.exists():
        return f"there is no {path}"
    return f"{file.name} has no section {section}" if section and section not in anchors(file) else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    assert {target: wrong for target in links(page) if (wrong := broken(page, target))} == {}


def test_there_are_links():
    found = {page.name: len(links(page)) for page in PAGES}
    assert found["README.md"] >= 4
    assert found["index.ipynb"] >= 5
    assert found["00_start.ipynb"] >= 5


@pytest.mark.parametrize(
    ("target", "wrong"),
    [
        ("LICENSE", ""),
        ("#start", ""),
        ("notebooks/00_start.ipynb#Your-own-data", ""),
        ("docs/nowhere.png", "there is no docs/nowhere.png"),
        ("../outside.md", "there is no ../outside.md"),
        ("#nowhere", "README.md has no section nowhere"),
        ("notebooks/00_start.ipynb#nowhere", "00_start.ipynb has no section nowhere"),
    ],
)
def test_a_broken_link_is_found(target, wrong):
    assert broken(ROOT / "README.md", target) == wrong
