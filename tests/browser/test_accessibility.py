"""The three panels with a screen reader and with a keyboard alone: names, states, the way through, the focus ring."""

from itertools import pairwise
from pathlib import Path

import axe_playwright_python
import pytest

from tests.browser.page import Page

pytestmark = pytest.mark.browser

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice")
KINDS = {"playground": "OptimizerPlayground", "explorer": "SurfaceExplorer", "flow": "LayerFlowPanel"}
VIEWS = ("doctor", "clipping", "curvature", "live", "flow")
PLACES = ":is(.gradwidgets-top, .gradwidgets-column, .gradwidgets-bar)"
BESIDE = ".gradwidgets > .gradwidgets-details, .gradwidgets-stage .jupyter-button.mod-primary"  # a table, a cure
ENABLED = f"{PLACES} :is(select, button, input, .noUi-handle, .widget-readout)"


@pytest.fixture(scope="module", params=KINDS)
def page(request, lab, browser, address):
    kind = KINDS[request.param]
    with Page(browser, address, lab.write([f"from gradwidgets import {kind}\nwidget = {kind}()\nwidget"])) as page:
        page.kind = request.param
        page.run_all()
        page.until_picture()
        page.until_painted("widget")
        page.until("document.querySelector('.gradwidgets .noUi-handle')?.ariaLabel")
        page.raw.evaluate(AXE.read_text(encoding="utf-8"))
        yield page
        page.end_kernel()


@pytest.fixture(autouse=True)
def _no_complaints(page):
    page.tell("widget.reset()")
    page.unfold()
    page.until_quiet()
    yield
    assert page.complaints() == [] and page.console == []


def violations(page: Page) -> list[str]:
    found = page.raw.evaluate(
        "async (tags) => (await axe.run('.gradwidgets', { runOnly: { type: 'tag', values: tags } })).violations",
        list(RULES),
    )
    return [f"{v['id']}: {node['html'][:200]}" for v in found for node in v["nodes"]]


def only(page: Page, *kinds: str) -> None:
    if page.kind not in kinds:
        pytest.skip(f"of {' and '.join(kinds)}")


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_axe_finds_nothing(page, theme):
    page.theme(theme)
    page.until(f"document.body.dataset.jpThemeLight === '{'true' if 'Light' in theme else 'false'}'")
    try:
        page.until_quiet()
        assert violations(page) == []
        if page.kind == "flow":
            for view in VIEWS:
                page.tell(f"widget.view = {view!r}")
                page.until_quiet()
                page.unfold()
                assert violations(page) == [], view
        page.tell("widget._errors.complain('a refusal <b>in words</b>')")
        page.until_text("a refusal <b>in words</b>", within=".gradwidgets [role=alert]")
        assert violations(page) == []
    finally:
        page.tell("widget._errors.complain('')")
        page.theme("JupyterLab Light")
        page.until("document.body.dataset.jpThemeLight === 'true'")


def focused(page: Page) -> dict:
    """What has the keyboard: where it is, how its focus looks, and what a screen reader calls it."""
    if not hasattr(page, "tree"):
        page.tree = page.raw.context.new_cdp_session(page.raw)
    handle = page.tree.send("Runtime.evaluate", {"expression": "document.activeElement"})["result"]["objectId"]
    nodes = page.tree.send("Accessibility.getPartialAXTree", {"objectId": handle, "fetchRelatives": False})["nodes"]
    seen = page.raw.evaluate("""() => {
        const element = document.activeElement, number = element.closest(".gradwidgets-number");
        const box = (number ?? element).getBoundingClientRect(); // a number's rail and its field are one place
        const zero = element.closest(".gradwidgets")?.getBoundingClientRect().top ?? 0; // as the page scrolls along
        const { outlineStyle, outlineWidth } = getComputedStyle(element);
        return {
            inside: element.closest(".gradwidgets") !== null, canvas: element.closest(".jupyter-matplotlib") !== null,
            column: element.closest(".gradwidgets-column") !== null,
            stage: element.closest(".gradwidgets-stage") !== null,
            top: Math.round(box.top - zero), bottom: Math.round(box.bottom - zero), left: box.left, right: box.right,
            ring: outlineStyle === "none" ? 0 : parseFloat(outlineWidth),
        };
    }""")
    return seen | {"name": nodes[0].get("name", {}).get("value", ""), "role": nodes[0].get("role", {}).get("value", "")}


def walk(page: Page) -> list[dict]:
    """Press Tab from the first control until the panel is left."""
    page.raw.locator(ENABLED).first.focus()
    page.raw.keyboard.press("Shift+Tab")
    page.raw.keyboard.press("Tab")
    stops = []
    while (stop := focused(page))["inside"]:
        stops.append(stop)
        assert len(stops) < 100, "the keyboard is trapped"
        page.raw.keyboard.press("Tab")
    return stops


def expected_stops(page: Page) -> int:
    return page.raw.evaluate(
        """enabled => [...document.querySelectorAll(enabled)].filter((element) =>
            !element.disabled && !element.closest("[disabled]") && element.getClientRects().length).length""",
        f"{ENABLED}, {PLACES} .gradwidgets-off, {BESIDE}",  # what is off says why
    )


def check_walk(page: Page) -> list[str]:
    stops = walk(page)
    assert not any(stop["canvas"] for stop in stops)
    assert [stop for stop in stops if not stop["name"]] == []
    assert [stop["name"] for stop in stops if stop["ring"] < 2] == []
    in_column = [stop for stop in stops if stop["role"] not in ("region", "generic")]
    assert len(in_column) == expected_stops(page)
    for one, next_one in pairwise(stops):
        if (
            one["column"] and next_one["stage"]
        ):  # which is beside the column: the picture, and what is over and under it
            assert next_one["left"] > one["left"]
            continue
        if all(one[side] == next_one[side] for side in ("left", "top", "bottom")):
            continue  # two parts of a number
        same_row = one["top"] < next_one["bottom"] and next_one["top"] < one["bottom"]
        assert next_one["left"] > one["left"] if same_row else next_one["top"] > one["top"], (
            one["name"],
            next_one["name"],
        )
    return [stop["name"] for stop in stops]


def test_tab_visits_every_control_in_the_order_that_is_seen(page):
    names = check_walk(page)
    assert len(set(names)) == len(names), "two controls have one name"
    assert {"Reset", "Copy code", "PNG", "Share", "Save", "Load", "theme", "More"} <= set(names)
    if page.kind == "flow":
        for view in VIEWS:
            page.tell(f"widget.view = {view!r}")
            page.until_quiet()
            page.until(f"document.querySelector('.gradwidgets [aria-pressed=true]')?.textContent === {view!r}")
            page.unfold()
            check_walk(page)


def test_the_picture_is_an_image_that_the_words_describe_and_lets_the_keyboard_go(page):
    picture = page.raw.locator(".gradwidgets .jupyter-matplotlib-canvas-div")
    assert picture.get_attribute("role") == "img" and picture.get_attribute("aria-label")
    described = picture.get_attribute("aria-describedby")
    assert page.raw.locator(f"[id='{described}']").inner_text().strip()
    picture.click(position={"x": 5, "y": 5})
    assert focused(page)["canvas"], "a click no longer gives the canvas the keyboard: this test is void"
    page.raw.keyboard.press("Shift+Tab")
    last = focused(page)
    assert (last["column"] or last["stage"]) and not last["canvas"] and last["name"]


def test_a_slider_says_the_number_that_is_seen(page):
    only(page, "playground", "flow")
    label, setting = ("lr", "lr") if page.kind == "playground" else ("depth", "depth")
    handle = page.slider(label).locator(".noUi-handle")
    page.focus(label)
    said = page.raw.evaluate(
        """() => {
            const handle = document.activeElement;
            handle.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true, cancelable: true }));
            return handle.ariaValueText; // before the kernel can have answered
        }"""
    )
    page.until_kernel(f"str(float(widget.{setting})) == str(float({said!r}))")
    assert page.field(label).input_value() == said == handle.get_attribute("aria-valuetext")
    page.type(label, "3")
    page.until_kernel(f"widget.{setting} == 3")
    assert handle.get_attribute("aria-valuetext") == "3"
    typed = "0.1234" if page.kind == "playground" else "61"  # between two stops
    page.type(label, typed)
    page.until_kernel(f"widget.{setting} == {typed}")
    page.until(f"[...document.querySelectorAll('.noUi-handle')].some((handle) => handle.ariaValueText === '{typed}')")


def test_a_slider_that_is_given_another_constant_says_that_one(page):
    only(page, "explorer")
    before = page.raw.locator(".noUi-handle[aria-label='strength']")
    assert before.get_attribute("aria-valuetext") == "50"
    page.tell("widget.example = widget._problems.names[3]")
    page.until_quiet()
    page.until("!document.querySelector(\".noUi-handle[aria-label='strength']\")")
    for slider in page.raw.locator(".widget-slider:visible").all():
        name = slider.locator(".widget-label").inner_text()
        handle = slider.locator(".noUi-handle")
        assert handle.get_attribute("aria-label") == name
        assert handle.get_attribute("aria-valuetext") == page.field(name).input_value()


def test_menus_checks_buttons_and_views_obey_the_keyboard(page):
    keyboard = page.raw.keyboard
    if page.kind == "playground":
        page.raw.get_by_label("dataset").focus()
        keyboard.type("rosen")
        page.until_kernel("widget.dataset == 'rosenbrock'")
        page.tell("widget.dataset = 'article'")
        page.raw.get_by_role("checkbox", name="arrows").focus()
        keyboard.press("Space")
        page.until_kernel("widget.arrows")
        toggle = page.raw.get_by_role("group", name="losses").get_by_role("button", name="Huber")
        assert toggle.get_attribute("aria-pressed") == "true"
        toggle.focus()
        keyboard.press("Enter")
        page.until_kernel("'Huber' not in widget.losses")
        page.until("document.querySelector('.gradwidgets [aria-pressed=false]')?.innerText === 'Huber'")
        keyboard.press("Space")
        page.until_kernel("'Huber' in widget.losses")
    elif page.kind == "flow":
        page.raw.get_by_role("group", name="view").get_by_role("button", name="clipping").focus()
        keyboard.press("Enter")
        page.until_kernel("widget.view == 'clipping'")
    else:
        page.raw.get_by_role("checkbox", name="descent").focus()
        keyboard.press("Space")
        page.until_kernel("widget.descent")


def test_a_question_mark_opens_under_a_key_and_widens_nothing(page):
    mark = page.raw.locator(".gradwidgets-column .gradwidgets-help:visible").first
    width = page.raw.locator(".gradwidgets-column").bounding_box()["width"]
    assert mark.get_attribute("aria-expanded") == "false" and mark.get_attribute("aria-label").startswith("about ")
    mark.focus()
    page.raw.keyboard.press("Enter")
    page.raw.locator(".gradwidgets-helped:visible").first.wait_for()
    page.until("document.querySelector('.gradwidgets-help[aria-expanded=true]')")
    assert page.raw.locator(".gradwidgets-column").bounding_box()["width"] == width
    assert violations(page) == []
    page.raw.keyboard.press("Enter")
    page.raw.locator(".gradwidgets-helped:visible").first.wait_for(state="hidden")


def test_plain_keys_do_not_reach_the_notebook(page):
    cells = "watched.notebook().content.widgets.map((cell) => cell.model.type).join()"
    assert page.raw.evaluate(cells) == "code"
    for place in ("Reset", "PNG", "More"):
        page.raw.get_by_role("button", name=place, exact=True).focus()
        for key in ("b", "a", "r", "d", "d"):
            page.raw.keyboard.press(key)
    assert page.raw.evaluate(cells) == "code"
    assert page.raw.evaluate("watched.notebook().content.mode") == "command"
    page.raw.keyboard.press("Control+b")  # of JupyterLab: hides the side bar
    page.until("jupyterapp.shell.leftCollapsed")
    page.raw.keyboard.press("Control+b")
    page.until("!jupyterapp.shell.leftCollapsed")


def test_a_drag_names_nothing_anew(page):
    label = {"playground": "lr", "explorer": "strength", "flow": "gain"}[page.kind]
    page.focus(label)
    page.raw.evaluate("""() => {
        window.looks = 0;
        const look = Element.prototype.querySelectorAll;
        Element.prototype.querySelectorAll = function (what) {
            looks += String(what).includes("widget-toggle-button");
            return look.call(this, what);
        };
    }""")
    page.press(label, times=12)
    page.until_quiet()
    assert page.raw.evaluate("looks") == 0
