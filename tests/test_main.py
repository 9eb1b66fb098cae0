"""`python -m gradwidgets`: the notebooks in a folder of one's own, and JupyterLab on the first of them."""

import importlib.util
import json
import subprocess
import sys
import urllib.request
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

import gradwidgets
from gradwidgets.__main__ import FIRST, main, shipped
from tests.browser.lab import free_port, wait_until
from tests.checkout import ROOT, clean_copy, clean_environment

NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
SPEAKS = "import json, sys; print(json.dumps(sys.argv[1:]))"


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The package as a wheel of it has it; nothing is asked of the network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    checkout = clean_copy(folder / "checkout")
    subprocess.run(command, check=True, cwd=checkout, env=clean_environment(folder), capture_output=True, timeout=60)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "site")
    return folder / "site"


@pytest.fixture
def no_lab(tmp_path) -> Path:
    """A folder with a JupyterLab that only says what it was told."""
    package = tmp_path / "stand-in/jupyterlab"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(SPEAKS)
    return package.parent


def call(*arguments: str, cwd: Path, places: list[Path]) -> subprocess.CompletedProcess:
    environment = clean_environment(cwd, PYTHONPATH=":".join(map(str, places)))
    command = [sys.executable, "-m", "gradwidgets", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=120)


def test_the_notebooks_travel_in_the_wheel(installed):
    assert sorted(path.name for path in (installed / "gradwidgets/notebooks").iterdir()) == NOTEBOOKS
    assert sorted(path.name for path in installed.iterdir() if "dist-info" not in path.name) == ["gradwidgets"]


def test_a_checkout_has_them_too():
    assert shipped() == ROOT / "notebooks"
    assert (shipped() / FIRST).exists()


def test_they_are_copied_and_jupyterlab_is_told_where(installed, no_lab, tmp_path):
    done = call("--no-browser", "--port", "1234", "--", "--debug", "--x=--y", cwd=tmp_path, places=[no_lab, installed])
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "gradwidgets-notebooks"
    assert sorted(path.name for path in folder.iterdir()) == NOTEBOOKS
    *said, told = done.stdout.splitlines()
    assert said == [f"The notebooks are in {folder}"]
    assert json.loads(told) == [
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.default_url=/lab/tree/{FIRST}",
        "--no-browser",
        "--ServerApp.port=1234",
        "--debug",
        "--x=--y",
    ]


def test_what_was_changed_by_hand_stays(no_lab, tmp_path):
    folder = tmp_path / "my lessons"
    folder.mkdir()
    (folder / FIRST).write_text("mine")
    done = call(str(folder), cwd=tmp_path, places=[no_lab, ROOT])
    assert done.returncode == 0, done.stderr
    assert (folder / FIRST).read_text() == "mine"
    assert f"{FIRST} differs" in done.stdout and "yours is kept" in done.stdout
    assert "--no-browser" not in done.stdout
    assert sorted(path.name for path in folder.iterdir()) == NOTEBOOKS


def test_a_folder_that_cannot_be_is_refused_in_words(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main([str(tmp_path / "file" / "below")]) == 1
    assert "could not be copied" in capsys.readouterr().err


def test_without_jupyterlab_a_sentence_says_how_to_get_it(monkeypatch, tmp_path, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "jupyterlab" else find(name))
    assert main([str(tmp_path / "notebooks")]) == 1
    assert "pip install 'gradwidgets[lab]'" in capsys.readouterr().err
    assert not (tmp_path / "notebooks").exists()


def test_the_version(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"gradwidgets {gradwidgets.__version__}\n"


def test_jupyterlab_itself_shows_the_notebooks(installed, tmp_path):
    port = free_port()
    quiet = ["--allow-root", "--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0", "--IdentityProvider.token="]
    command = [sys.executable, "-m", "gradwidgets", "mine", "--no-browser", "--port", str(port), "--", *quiet]
    environment = clean_environment(tmp_path, PYTHONPATH=str(installed))
    log = tmp_path / "log"

    def ask(path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.read()

    def up() -> bool:
        assert server.poll() is None, log.read_text()
        with suppress(OSError):
            return "version" in json.loads(ask("/api"))
        return False

    with log.open("w") as said:
        server = subprocess.Popen(command, stdout=said, stderr=said, cwd=tmp_path, env=environment)
        try:
            wait_until(up, "JupyterLab to start")
            names = [entry["name"] for entry in json.loads(ask("/api/contents"))["content"]]
            assert sorted(names) == NOTEBOOKS
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
                assert answer.url.endswith(f"/lab/tree/{FIRST}")
        finally:
            server.terminate()
            server.wait(20)
