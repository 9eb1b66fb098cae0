"""The lessons as an app: no code, no JupyterLab around, the lesson that the address asks for, errors that are seen."""

import contextlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import psutil
import pytest
from jupyter_server.services.kernels.kernelmanager import MappingKernelManager
from playwright.sync_api import Browser
from playwright.sync_api import Page as RawPage

from gradwidgets import LESSONS
from tests.browser.lab import ROOT, SECONDS, free_port, wait_until

pytestmark = pytest.mark.browser

OURS = json.loads((ROOT / "voila.json").read_text())["MappingKernelManager"]
FOLDERS = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR", "HOME")


@contextlib.contextmanager
def served(notebook: Path, home: Path, *more: str) -> Iterator[str]:
    """Serve a notebook as an app, from this folder; gives its address."""
    port = free_port()
    options = ("--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1", "--show_tracebacks=True")
    own = {name: str(home / name.lower()) for name in FOLDERS}
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "voila", str(notebook), *options, *more],
            cwd=ROOT,
            env={**os.environ, **own, "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
        )
        try:

            def answers() -> bool:
                assert process.poll() is None, (home / "log").read_text()
                with contextlib.suppress(OSError), contextlib.suppress(urllib.error.HTTPError):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/voila/static/", timeout=5)
                return "is running at" in (home / "log").read_text()

            wait_until(answers, "the app to start")
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait(20)


def _page(browser: Browser, **options: object) -> RawPage:
    page = browser.new_page(**options)
    page.set_default_timeout(1000 * SECONDS)
    return page


def test_every_lesson_opens_from_the_gallery_and_follows_a_hand(browser, tmp_path):
    with served(ROOT / "notebooks" / "lessons.ipynb", tmp_path) as address:
        page = _page(browser, viewport={"width": 1280, "height": 800})
        uncaught: list[str] = []
        page.on("pageerror", lambda error: uncaught.append(str(error)))
        page.goto(f"{address}?lesson=nesterov")
        panel = page.locator(".gradwidgets")
        panel.get_by_text("Why Nesterov overshoots less").wait_for()
        panel.locator("canvas").first.wait_for()
        assert page.locator("text=from gradwidgets").count() == 0  # no code
        panel.locator(".gradwidgets-details").click()  # in a low window the words are folded
        words = panel.locator(".gradwidgets-words")
        words.get_by_text("at the look-ahead").wait_for()
        panel.locator(".noUi-handle").first.press("ArrowRight")  # lr
        page.wait_for_function("document.querySelector('.gradwidgets input[type=number]').value !== '0.1'")
        menu = page.locator("select").first
        for index, one in enumerate(LESSONS.values()):
            menu.select_option(index=index)
            panel.locator(".gradwidgets-lesson b").get_by_text(one.title, exact=True).wait_for()
            panel.locator("canvas").first.wait_for()
            page.wait_for_function("document.querySelectorAll('.gradwidgets').length === 1")
        assert page.locator(".gradwidgets-error").count() == 0
        # Nonsense in a field is answered in the app.
        menu.select_option(index=0)
        panel.locator(".gradwidgets-lesson b").get_by_text("The journey of plain SGD").wait_for()
        page.wait_for_function("document.querySelectorAll('.gradwidgets').length === 1")
        field = panel.locator("input[type=number]").first
        field.fill("-5")
        field.press("Enter")
        panel.get_by_role("alert").get_by_text("lr must be a number from 0 to 1e+06; got -5.0").wait_for()
        assert uncaught == []
        page.close()
        idle, every = OURS["cull_idle_timeout"], OURS["cull_interval"]
        assert f"idle durations > {idle} seconds at {every} second intervals" in (tmp_path / "log").read_text()


def test_what_fails_while_an_app_is_made_is_seen(browser, tmp_path):
    cells = ["from gradwidgets import OptimizerPlayground\nOptimizerPlayground(lr=-1)"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "wrong.ipynb")
    with served(tmp_path / "wrong.ipynb", tmp_path) as address:
        page = _page(browser)
        page.goto(address)
        page.get_by_text("lr must be a number from 0 to 1e+06; got -1").first.wait_for()
        page.close()


def lives(process: psutil.Process) -> bool:
    """Whether a process, which may end at any moment, has not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_page_that_is_closed_without_a_goodbye_ends_its_kernel_and_one_that_is_open_keeps_it(browser, tmp_path):
    assert OURS.keys() <= set(MappingKernelManager.class_trait_names(config=True))
    soon = ("--MappingKernelManager.cull_idle_timeout=8", "--MappingKernelManager.cull_interval=1")

    def kernels() -> set[int]:
        (app,) = [one for one in psutil.Process().children() if str(tmp_path) in " ".join(one.environ().values())]
        return {one.pid for one in app.children() if lives(one)}

    with served(ROOT / "notebooks" / "lessons.ipynb", tmp_path, *soon) as address:
        pages = []
        for _ in range(2):
            pages.append(_page(browser))
            pages[-1].goto(address)
            pages[-1].locator(".gradwidgets canvas").first.wait_for()
        assert len(kernels()) == 2
        pages[0].close(run_before_unload=False)
        wait_until(lambda: len(kernels()) == 1, "the closed page's kernel to end")
        slider = pages[1].locator(".noUi-handle").first  # longer idle than that by now, and alive
        slider.press("ArrowRight")
        pages[1].wait_for_function("document.querySelector('.gradwidgets input[type=number]').value !== '0.1'")
        pages[1].close()
        wait_until(lambda: not kernels(), "the other page's kernel to end")
