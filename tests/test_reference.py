"""The reference and the docstrings say of the settings what docs/reference.py makes of their traits, and it is true."""

import ast
import re

import pytest
from traitlets import TraitError

from docs import reference
from gradwidgets.core import OPTIMIZERS
from gradwidgets.widgets.controls import Tabs
from gradwidgets.widgets.layers.training.record_panel import RecordPanel
from gradwidgets.widgets.panel.panel import Panel
from gradwidgets.widgets.panel.traits import declared, meanings
from tests.widgets.taught import KINDS, maker

AGAIN = "python docs/reference.py"
CODE = re.compile("`[^`]+`")
PAGE = reference.PAGE.read_text(encoding="utf-8")
WIDGETS = [kind for kind in reference.TABLES if kind is not Panel]


def rows(kind: type[Panel]) -> dict[str, list[str]]:
    """Trait → default, allowed and meaning, as they stand on the page."""
    table = PAGE.partition(f"<!-- settings of {kind.__name__} -->")[2].partition("<!-- end of settings -->")[0]
    lines = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| `")]
    return {first.strip("`"): cells for first, *cells in lines}


CELLS = [(kind, name, *cells) for kind in reference.TABLES for name, cells in rows(kind).items()]
BOUNDS = [
    (kind, name, m[1] == "above", float(m[2]), float(m[3]))
    for kind, name, _, allowed, _ in CELLS
    if (m := re.match(r"a (?:whole )?number (from|above) (\S+) (?:up )?to (\w+)", allowed.replace(",", "")))
]


def test_the_page_is_what_the_script_writes():
    assert reference.page(PAGE) == PAGE, AGAIN


@pytest.mark.parametrize("kind", reference.TABLES)
def test_a_docstring_is_what_the_script_writes(kind):
    source = reference.source_of(kind).read_text(encoding="utf-8")
    assert reference.docstring(source, kind) == source, AGAIN


@pytest.mark.parametrize("kind", WIDGETS)
def test_a_docstring_s_attributes_are_the_settings_and_results_that_there_are(kind):
    source = reference.source_of(kind).read_text(encoding="utf-8")
    named = [name for names in reference.attributes(source, kind)[1] for name in names.split(", ")]
    tags = ("setting", "lesson", "result")
    assert sorted(named) == sorted(name for tag in tags for name in kind.class_trait_names(**{tag: True}))


@pytest.mark.parametrize("kind", [*WIDGETS, RecordPanel])
def test_every_setting_and_result_has_a_meaning(kind):
    for tag in ("setting", "lesson", "result"):
        assert [name for name, trait in declared(kind, tag).items() if not trait.help] == []


@pytest.mark.parametrize("kind", WIDGETS)
def test_a_table_has_every_setting_in_the_order_of_declaration(kind):
    assert set(rows(kind)) == set(kind.settings())
    assert list(rows(kind))[-1] == "theme"  # what all widgets have comes last


def test_a_setting_of_all_optimizers_and_one_of_a_single_one():
    found = rows(WIDGETS[0])
    assert found["nesterov"][2].endswith("(SGD)") and found["rho"][2].endswith("(Adadelta)")
    assert found["weight_decay"][2].endswith("(all but Rprop)")
    assert "(" not in found["lr"][2]


@pytest.mark.parametrize(("kind", "name", "default"), [cells[:3] for cells in CELLS if CODE.fullmatch(cells[2])])
def test_a_default_is_right(kind, name, default):
    assert ast.literal_eval(default.strip("`")) == kind.class_traits()[name].default_value


WITH = [(name, *one) for _, name, default, *_ in CELLS for one in re.findall(r"with (\w+) `([^`]+)`", default)]


@pytest.mark.parametrize(("name", "rule", "default"), WITH)
def test_a_default_that_another_optimizer_has_is_right(name, rule, default):
    assert getattr(OPTIMIZERS[rule](), name) == ast.literal_eval(default)


def test_a_default_that_depends_on_what_is_given_is_said_in_words():
    words = {name for _, name, default, *_ in CELLS if not CODE.fullmatch(default)}
    assert words - {name for name, *_ in WITH} == {"example", "component", "x_axis", "y_axis", "architecture"}
    assert {name for name, *_ in WITH} == {"weight_decay", "eps", "alpha"}


@pytest.mark.parametrize(("kind", "name", "above", "low", "high"), BOUNDS)
def test_bounds_are_right(kind, name, above, low, high):
    trait = kind.class_traits()[name]
    assert trait.validate(None, high) == high
    for outside in (2 * high, low - 1, *([low] if above else ())):
        with pytest.raises(TraitError, match=name):
            trait.validate(None, outside)


@pytest.mark.parametrize(("kind", "name", "allowed"), [(k, n, a) for k, n, _, a, _ in CELLS if a.startswith("one of")])
def test_names_are_right(kind, name, allowed):
    trait = kind.class_traits()[name]
    names = re.findall(r"\"(.*?)\"", allowed)
    assert len(names) > 1 and [trait.validate(kind, one) for one in names] == names
    with pytest.raises(TraitError, match=name):
        trait.validate(kind, "none of them")


@pytest.mark.parametrize("kind", KINDS)
def test_a_control_says_what_its_setting_means(kind):
    with maker() as make:
        panel = make(kind)
        said = meanings(panel)
        for name in said.keys() & {name for name, c in panel.controls.items() if not isinstance(c, Tabs)}:
            shown = [getattr(child, "plain_tooltip", None) or child.tooltip for child in panel.controls[name].children
                     if getattr(child, "tooltip", None)]  # fmt: skip
            assert any(tip.startswith(said[name]) for tip in shown), name


@pytest.mark.parametrize("missing", ["<!-- settings of LayerFlowPanel -->", "<!-- end of settings -->"])
def test_missing_markers_are_told(missing):
    for before, _, after in (PAGE.partition(missing), PAGE.rpartition(missing)):
        with pytest.raises(ValueError, match="no two markers for the settings of"):
            reference.page(before + after)
