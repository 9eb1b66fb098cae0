"""A report as Markdown and as a page: everything is there, nothing means more than itself, nothing else is needed."""

import base64
import html
import io
import re
import warnings
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from gradwidgets import check_loss
from gradwidgets.core import EXAMPLES, Finding, LossReport, ProbeRow, sample_surface
from gradwidgets.core.surfaces.report_text import marks, probe_lines
from gradwidgets.figures.base.style import DARK, LIGHT, contrast
from gradwidgets.figures.surface.report_picture import SIZE

SQUARE = {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}
SQUARE_XY = {"x": (-1.0, 1.0), "y": (-1.0, 1.0)}
NASTY = "<script>alert(\"x\")</script> a|b & &lt; *c* __init__ `d` [e](http://f) \\\n<img src=x onerror='y'> $g$ ~h~"
VOID = {"meta", "img", "source", "br", "link", "input", "hr"}


def bowl(a, b):
    return a**2 + 3 * b**2


def named(name, loss=bowl, axes=SQUARE, findings=None, rows=None, notes=()):
    """A report of a loss whose name may be anything, with findings and rows as given."""
    grid = sample_surface(loss, axes, 11)
    object.__setattr__(grid, "notes", tuple(notes))
    usual = Finding("well_shaped", "ok", "all is well", action="Nothing to change.")
    return LossReport(name, grid, rows or [], [usual] if findings is None else findings)


def row(parameter, gradient, flag="", name="start", loss=1.0, inputs=None):
    return ProbeRow("loss", parameter, name, inputs or {"a": 0.5, "b": -2.0}, loss, gradient, flag)


def cells(markdown):
    """The table of a Markdown text: split at bars that nothing escapes."""
    lines = [line for line in markdown.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


class Page(HTMLParser):
    """What a page holds: elements with their attributes, text by the innermost element, and whether all are closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.texts = [], [], {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def text(self, tag):
        return "".join(self.texts.get(tag, []))

    def of(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def written(report, folder):
    path = report.to_html(folder / "report.html")
    return path.read_text(encoding="utf-8")


# -- the lines of the table -----------------------------------------------------------------------------------


def test_rows_of_one_input_are_one_line():
    rows = [
        row("a", 0.0, "zero gradient"),
        row("b", 3.0),
        *(row(parameter, 0.0, "zero gradient", "zero", 0.25, {"a": 0.0, "b": 0.0}) for parameter in "ab"),
        *(row(parameter, 1.0, "", "degenerate", 4.0, {"a": 1.0, "b": 1.0}) for parameter in "ab"),
        *(row(parameter, 1.0, "", "degenerate", 4.0, {"a": 1.0, "b": -1.0}) for parameter in "ab"),
    ]
    first, second, third, fourth = probe_lines(rows)
    assert first.gradients == {"a": 0.0, "b": 3.0} and first.flag == "zero gradient for a" and not first.expected
    assert second.flag == "zero gradient, the lowest here" and second.expected
    assert third.inputs != fourth.inputs and third.flag == ""
    assert probe_lines([]) == []


def test_several_flags_and_no_finite_loss():
    lines = probe_lines([row("a", 0.0, "zero gradient", loss=float("nan")), row("b", float("nan"), "no gradient path")])
    assert lines[0].flag == "zero gradient for a, no gradient path for b" and not lines[0].expected


def test_marks_are_the_findings_that_have_a_place():
    with_place = [Finding("saddle", "warning", "", where=(0.0, 1.0)), Finding("dead_zone", "warning", "", where=(0.5,))]
    assert marks([with_place[0], Finding("axis_imbalance", "warning", ""), with_place[1]]) == {
        "1": (0.0, 1.0),
        "2": (0.5,),
    }


# -- Markdown -------------------------------------------------------------------------------------------------


def test_markdown_has_the_verdict_the_findings_and_the_table():
    example = EXAMPLES["imbalanced 1000 : 1"]
    report = check_loss(example.loss, example.axes, fixed=example.fixed, probes={"init": (0.5, 0.25)}, resolution=21)
    text = report.to_markdown()
    assert text.startswith("## imbalanced: not ok\n\nOver a −1 to 1, b −1 to 1; 21 × 21 points, vectorized.\n\n- ▲ **")
    assert text.endswith(" |\n")
    for finding in report.findings:
        assert f"**{finding.name}** ({finding.severity}): {finding.message}. {finding.action}" in text
    head, rule, *body = cells(text)
    assert head == ["input", "a", "b", "loss", "∂/∂a", "∂/∂b", "flag"]
    assert rule == [":--", "--:", "--:", "--:", "--:", "--:", ":--"]
    assert ["init", "0.5", "0.25", "125", "500", "0.25", ""] in body
    assert ["zero", "0", "0", "0", "0", "0", "◂ zero gradient, the lowest here"] in body
    assert len(body) * 2 == len(report.rows)


def test_markdown_of_a_good_curve():
    example = EXAMPLES["barrier"]
    report = check_loss(example.loss, example.axes, fixed=example.fixed, resolution=21)
    assert report.to_markdown().startswith("## barrier: ok\n\nOver v −1 to 1; 21 points")
    assert "- ✓ **well_shaped** (ok): " in report.to_markdown() and "Nothing to change." in report.to_markdown()


def test_in_markdown_bars_lines_and_marks_mean_nothing():
    findings = [Finding("dead_zone", "warning", NASTY, action=NASTY)]
    text = named(NASTY, findings=findings, rows=[row("a", 1.0, NASTY, NASTY)], notes=[NASTY]).to_markdown()
    (line,) = cells(text)[2:]
    assert len(line) == len(cells(text)[0]) == len(cells(text)[1])
    assert len([line for line in text.splitlines() if line]) == 7  # heading, view, finding, note, and the table's three
    for special in ("<", ">", "|", "*", "`", "[", "]", "$", "~"):
        inside = text.replace("**dead_zone**", "").replace("| ", "").replace(" |", "")
        assert not re.search(rf"(?<!\\){re.escape(special)}", inside)
    assert r"\_\_init\_\_" in text and r"\&lt;" in text and r" \\ \<img" in text
    assert "**dead_zone**" in text  # within a word an underscore is itself


def test_a_report_without_rows_has_no_table():
    assert "|" not in named("bowl").to_markdown()


# -- the page -------------------------------------------------------------------------------------------------


def test_a_page_has_title_verdict_findings_actions_table_notes_and_pictures(tmp_path):
    findings = [
        Finding("non_finite", "error", "half is not finite", {"share": 0.5, "operation": "log"}, (0.5, 0.5), "Clamp."),
        Finding("saddle", "warning", "a saddle at a 0, b 0", {}, (0.0, 0.0), "Begin away from it."),
        Finding("axis_imbalance", "warning", "steeper one way", {}, None, "Rescale."),
    ]
    rows = [row("a", 1.5), row("b", 0.0, "zero gradient"), row("a", 1.0, "", "low", 0.5), row("b", 1.0, "", "low", 0.5)]
    report = named("my loss", findings=findings, rows=rows, notes=["it draws random numbers"])
    path = report.to_html(str(tmp_path / "a b.html"))
    assert isinstance(path, Path) and path == tmp_path / "a b.html"
    page = Page(path.read_text(encoding="utf-8"))
    assert page.open == []
    assert page.text("title") == "my loss: not ok" and page.text("h1") == "my loss"
    assert page.text("b") == "✗ not ok" and "1 error and 2 warnings" in page.text("p")
    assert [one["class"] for one in page.of("article")] == ["card error", "card warning", "card warning"]
    assert [page.texts["span"][k] for k in (0, 1, 2, 3, 4)] == ["✗", "1", "▲", "2", "▲"]
    told = page.text("p")
    for finding in findings:
        assert finding.name.replace("_", " ") in page.text("h3") and finding.message in told and finding.action in told
    assert told.index("Clamp.") < told.index("Begin away") < told.index("Rescale.")
    assert page.texts["dd"] == ["0.5", "log"] and page.texts["dt"] == ["share", "operation"]
    assert "it draws random numbers." in page.text("li")
    assert page.texts["th"] == ["input", "a", "b", "loss", "∂/∂a", "∂/∂b", "flag", "start", "low"]
    assert page.texts["td"][:6] == ["0.5", "−2", "1", "1.5", "0", "◂ zero gradient for b"]
    assert [one["class"] for one in page.of("tr")[1:]] == ["flagged", "usual"]
    assert "Numbers mark what was found." in page.text("figcaption")
    light, dark = picture_in(page.of("img")[0]["src"]), picture_in(page.of("source")[0]["srcset"])
    assert light.size == dark.size == (2 * SIZE[0], 2 * SIZE[1])
    assert light.getpixel((0, 0)) == (255, 255, 255) and dark.getpixel((0, 0)) == (20, 22, 29)


def picture_in(address):
    kind, _, data = address.partition(",")
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")


def test_a_page_says_that_all_is_well(tmp_path):
    page = Page(written(named("bowl"), tmp_path))
    assert page.text("b") == "✓ ok" and "nothing wrong" in page.text("p") and page.of("table") == []
    assert "number" not in page.text("figcaption").lower() and "Striped" not in page.text("figcaption")


def test_a_page_needs_and_does_nothing_else(tmp_path):
    text = written(check_loss(EXAMPLES["√ under where"].loss["safe"], SQUARE_XY, resolution=11), tmp_path)
    without = re.sub(r"data:image/png;base64,[\w+/=]+", "", text)
    assert not re.search(r"https?:|//|url\(|@import|<script|<link|<iframe", without)
    page = Page(text)
    (policy,) = [one["content"] for one in page.of("meta") if one.get("http-equiv")]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert page.of("html") == [{"lang": "en"}] and {"charset": "utf-8"} in page.of("meta")
    assert all(one["alt"] for one in page.of("img"))


def test_in_a_page_everything_is_escaped(tmp_path):
    findings = [Finding("dead_zone", "warning", NASTY, {NASTY: NASTY}, (0.0, 0.0), NASTY)]
    rows = [row("a", 1.0, NASTY, NASTY)]
    text = written(named(NASTY, findings=findings, rows=rows, notes=[NASTY]), tmp_path)
    page, plain = Page(text), Page(written(named("bowl", findings=findings[:0], rows=[row("a", 1.0)]), tmp_path))
    assert page.open == []
    tags = {tag for tag, _ in page.elements}
    assert tags <= {tag for tag, _ in plain.elements} | {"article", "h3", "span", "small", "details", "summary", "dl",
                                                         "div", "dt", "dd", "ul", "li"}  # fmt: skip
    assert len(page.of("img")) == 1 and not any(key.startswith("on") for _, attrs in page.elements for key in attrs)
    assert page.text("h1") == NASTY and page.text("title").startswith(NASTY) and NASTY in page.of("img")[0]["alt"]
    assert html.escape(NASTY) in text and page.texts["dt"] == [NASTY] and page.texts["dd"] == [NASTY]


def test_names_of_axes_may_be_anything_too(tmp_path):
    axes = {"日本\n$x_1$": (-1.0, 1.0), "<b>" * 30: (-1.0, 1.0)}

    def loss(**named):
        return sum(value**2 for value in named.values())

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of letters that the font has not
        report = check_loss(loss, axes, resolution=9)
        page = Page(written(report, tmp_path))
    assert "∂/∂日本\n$x_1$" in page.texts["th"] and "∂/∂" + "<b>" * 30 in page.texts["th"]


def test_half_of_a_surrogate_pair_is_written_too(tmp_path):
    page = Page(written(named("a \ud800 loss"), tmp_path))
    assert page.text("h1").startswith("a ") and page.text("h1").endswith(" loss")


def test_a_missing_folder_is_the_system_s_error_and_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        named("bowl").to_html(tmp_path / "nowhere" / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_a_page_replaces_the_one_before(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("x" * 10**6, encoding="utf-8")
    assert named("bowl").to_html(path).stat().st_size < 10**6


def test_the_loss_is_not_called_again(tmp_path):
    calls = []

    def counting(a, b):
        calls.append(1)
        return a**2 + b**2

    report = check_loss(counting, SQUARE, resolution=9)
    before = len(calls)
    report.to_markdown()
    report.to_html(tmp_path / "report.html")
    assert len(calls) == before


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_s_colours_stand_out(theme):
    css = Path(__file__).parents[3] / "gradwidgets" / "core" / "surfaces" / "report.css"
    style = css.read_text(encoding="utf-8")
    parts = re.findall(r":root \{(.*?)\}", style, flags=re.DOTALL)
    colors = dict(re.findall(r"--(\w+): (#\w{6})", parts[("light", "dark").index(theme)]))
    assert colors["face"] == {"light": LIGHT, "dark": DARK}[theme].face  # as behind the picture
    for name in ("ink", "muted", "error", "warning", "ok", "info"):
        assert contrast(colors[name], colors["face"]) >= 4.5 and contrast(colors[name], colors["panel"]) >= 4.5
