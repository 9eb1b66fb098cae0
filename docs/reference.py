"""Make what is said of the widgets' settings from their traits: the tables of reference.md, and the docstrings.

    python docs/reference.py

writes each table between its two markers, `<!-- settings of NAME -->` and `<!-- end of settings -->`, and the settings
among the attributes of the classes' docstrings; all else stays as it is. A test says when this is to be done.
"""

import inspect
import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import traitlets

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from gradwidgets import LayerFlowPanel, OptimizerPlayground, SurfaceExplorer
from gradwidgets.widgets.panel.panel import Panel
from gradwidgets.widgets.panel.traits import Flag, Setting, declared

PAGE = ROOT / "docs" / "reference.md"
# Which traits stand in the table of a class, and which among its attributes.
TABLES = {OptimizerPlayground: "setting", SurfaceExplorer: "setting", LayerFlowPanel: "setting", Panel: "lesson"}
ATTRIBUTES = dict.fromkeys(TABLES, ("setting",)) | {Panel: ("lesson", "setting")}
_HEAD = "| trait | default | allowed | meaning |\n|---|---|---|---|\n"

Owner = type[traitlets.HasTraits]


def written(value: object) -> str:
    """A value as Python, with the quotes and the short numbers of the page."""
    if isinstance(value, tuple):
        return f"({', '.join(map(written, value))})"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return re.sub(r"e([+-])0*", lambda m: "e" + m[1].strip("+"), f"{value:g}") if number else repr(value)


def code(value: object) -> str:
    """The same as code in Markdown."""
    return f"`{written(value)}`"


def default(trait: traitlets.TraitType[Any, Any], owner: Owner) -> str:
    """A trait's default; of one that depends on what the widget is given, what its `@default` says of it."""
    for kind in owner.__mro__:
        for made in vars(kind).values():
            if isinstance(made, traitlets.DefaultHandler) and made.trait_name == trait.name:
                said = inspect.getdoc(made.func).rstrip(".")
                return said[0].lower() + said[1:]
    elsewhere = [f"{case} {code(value)}" for case, value in trait.metadata.get("elsewhere", {}).items()]
    return ", ".join([code(trait.default_value), *elsewhere])


def allowed(trait: Setting[Any, Any], owner: Owner) -> str:
    """What a trait takes."""
    return re.sub(r"e\+0*", "e", trait.allowed(owner, code))


def meaning(trait: traitlets.TraitType[Any, Any]) -> str:
    """What a trait means, its values as code."""
    return re.sub(r'"[^"]+"', r"`\g<0>`", trait.help)


def row(name: str, trait: Setting[Any, Any], owner: Owner) -> str:
    """A setting's row."""
    cells = f"`{name}`", default(trait, owner), allowed(trait, owner), meaning(trait)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def table(owner: Owner, tag: str) -> str:
    """The table of the traits with a tag."""
    return _HEAD + "\n".join(row(name, trait, owner) for name, trait in declared(owner, tag).items())


def page(text: str) -> str:
    """The page with all tables as they should be."""
    for owner, tag in TABLES.items():
        before, begin, rest = text.partition(f"<!-- settings of {owner.__name__} -->\n\n")
        old, end, after = rest.partition("\n\n<!-- end of settings -->")
        if not end or "<!--" in old:
            raise ValueError(f"{PAGE.name} has no two markers for the settings of {owner.__name__}")
        text = before + begin + table(owner, tag) + end + after
    return text


def entry(name: str, trait: Setting[Any, Any], owner: Owner) -> str:
    """A setting among a docstring's attributes."""
    sentences = (meaning(trait),) if isinstance(trait, Flag) else (meaning(trait), allowed(trait, owner))
    said = " ".join(f"{one[:1].upper()}{one[1:]}." for one in sentences)
    lines = textwrap.wrap(f"{name}: {said}", 112, subsequent_indent="    ", break_on_hyphens=False)
    return textwrap.indent("\n".join(lines), " " * 8) + "\n"


def attributes(source: str, owner: Owner) -> tuple[str, dict[str, str]]:
    """The attributes in the docstring of a class, as they stand there, and each by the name before its colon."""
    (found,) = re.findall(rf'^class {owner.__name__}\b.*?^    Attributes:\n(.*?)(?=^\n|^    """)', source, re.S | re.M)
    entries = re.findall(r"^ {8}\S.*\n(?: {9,}.*\n)*", found, flags=re.MULTILINE)
    return found, {one.split(":")[0].strip(): one for one in entries}


def source_of(owner: Owner) -> Path:
    """The file that a class is in."""
    return Path(inspect.getsourcefile(owner))


def docstring(source: str, owner: Owner) -> str:
    """A source with the settings in the docstring of a class as they should be, and after them what else is there."""
    settings = {name: trait for tag in ATTRIBUTES[owner] for name, trait in declared(owner, tag).items()}
    found, entries = attributes(source, owner)
    made = [entry(name, trait, owner) for name, trait in settings.items()]
    return source.replace(found, "".join([*made, *(one for name, one in entries.items() if name not in settings)]))


def main() -> None:
    """Write all of it."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    for owner in ATTRIBUTES:
        path = source_of(owner)
        path.write_text(docstring(path.read_text(encoding="utf-8"), owner), encoding="utf-8")


if __name__ == "__main__":
    main()
