"""What Binder makes of `binder/`: the Dockerfile that it would build, and its steps in an environment of their own."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest
from jupyterlab.commands import get_app_dir
from jupyterlab_server.settings_utils import get_settings
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.checkout import ROOT, clean_copy, clean_environment

SCHEMAS = Path(get_app_dir()) / "schemas"
OVERRIDES = json.loads((ROOT / "binder/overrides.json").read_text())
INSTALL = 'pip install --no-cache-dir -r "binder/requirements.txt"'


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    return clean_copy(tmp_path_factory.mktemp("binder") / "gradwidgets")


# -- the Dockerfile ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dockerfile(checkout) -> str:
    """What repo2docker would build, rendered without Docker."""
    command = [sys.executable, "-m", "repo2docker", "--no-build", str(checkout)]
    environment = clean_environment(checkout.parent)
    done = subprocess.run(command, capture_output=True, text=True, cwd=checkout.parent, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_python_is_pinned_and_one_that_the_package_allows(dockerfile):
    chosen = re.fullmatch(r"python-(\d+\.\d+)\n", (ROOT / "binder/runtime.txt").read_text())[1]
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert chosen in SpecifierSet(package["requires-python"])
    escaped = chosen.replace(".", "-2e")  # as repo2docker writes it in a file's name
    assert f"environment-2epy-2d{escaped}-2dlinux" in dockerfile


def test_a_commit_does_not_install_torch_again(dockerfile):
    """Docker keeps a step as long as what was copied before it stays the same."""
    install, source = dockerfile.index(INSTALL), dockerfile.index(" src/ ")
    assert install < source
    before = re.findall(r"^COPY.* (src/\S*) ", dockerfile[:install], flags=re.MULTILINE)
    assert before == ["src/binder/requirements.txt"]


def test_post_build_runs_once_the_source_is_there(dockerfile):
    steps = [
        dockerfile.index(step) for step in (INSTALL, " src/ ", "chmod +x binder/postBuild", "\nRUN ./binder/postBuild")
    ]
    assert steps == sorted(steps)
    assert os.access(ROOT / "binder/postBuild", os.X_OK)


@pytest.mark.parametrize("broken", ["pip", "python"])
def test_a_step_that_fails_ends_the_build(checkout, tmp_path, broken):
    for name in ("pip", "python"):
        command = tmp_path / name
        command.write_text(f'#!/bin/sh\necho {name} >>"$CALLS"\n[ {name} != {broken} ]\n')
        command.chmod(0o755)
    calls = tmp_path / "calls"
    environment = clean_environment(tmp_path, PATH=f"{tmp_path}:{os.environ['PATH']}", CALLS=str(calls))
    done = subprocess.run([checkout / "binder/postBuild"], env=environment, capture_output=True, timeout=30)
    assert done.returncode != 0
    assert calls.read_text().split()[-1] == broken  # and nothing after it


def test_the_pins_are_exact_and_torch_comes_without_cuda():
    lines = (ROOT / "binder/requirements.txt").read_text().splitlines()
    options = [line for line in lines if line.startswith("-")]
    assert options == ["--extra-index-url https://download.pytorch.org/whl/cpu"]
    pins = [Requirement(line) for line in lines if not line.startswith(("#", "-"))]
    assert [str(pin) for pin in pins if not re.fullmatch(r"==[\w.]+", str(pin.specifier))] == []


# -- JupyterLab's settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize("plugin", OVERRIDES)
def test_jupyterlab_has_the_settings_and_takes_them(plugin, tmp_path):
    package, _, name = plugin.partition(":")
    schema = json.loads((SCHEMAS / package / f"{name}.json").read_text())
    assert set(OVERRIDES[plugin]) <= set(schema["properties"])
    jsonschema.validate(OVERRIDES[plugin], schema)

    seen, _ = get_settings(str(ROOT / "binder"), str(SCHEMAS), str(tmp_path), schema_name=plugin)
    assert not seen.get("warning")
    for setting, value in OVERRIDES[plugin].items():
        assert seen["schema"]["properties"][setting]["default"] == value


def test_the_settings_keep_news_away_and_a_training_heard():
    # Measured in a page: with messages off subshells the panel's Stop was not heard while a cell trained.
    assert "@jupyterlab/apputils-extension:kernels-settings" not in OVERRIDES
    assert OVERRIDES["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"


# -- the steps themselves ---------------------------------------------------------------------------------------


@pytest.mark.skipif(
    os.environ.get("CI") != "true",
    reason="installs everything anew from the network, for a minute: set the variable CI to true",
)
def test_the_steps_work_in_a_fresh_environment(checkout, tmp_path):
    fresh, home = tmp_path / "environment", tmp_path / "home"
    home.mkdir()
    subprocess.run([sys.executable, "-m", "venv", fresh], check=True, timeout=120)
    binaries = fresh / "bin"
    settled = {**clean_environment(Path.home()), "PIP_RETRIES": "1"}
    install = [binaries / "pip", "install", "--no-cache-dir", "-r", "binder/requirements.txt"]
    subprocess.run(install, check=True, cwd=checkout, env=settled, timeout=900)

    # Binder installs with dependencies: what the list lacks would come in any version.
    frozen = subprocess.run([binaries / "pip", "freeze"], check=True, capture_output=True, text=True, timeout=60).stdout
    lines = (ROOT / "binder/requirements.txt").read_text().splitlines()
    pinned = {canonicalize_name(Requirement(line).name) for line in lines if not line.startswith(("#", "-"))}
    assert {canonicalize_name(line.partition("==")[0]) for line in frozen.splitlines()} <= pinned

    environment = clean_environment(home, PATH=f"{binaries}:{os.environ['PATH']}")
    subprocess.run([checkout / "binder/postBuild"], check=True, cwd=checkout, env=environment, timeout=300)

    ask = (
        "import importlib.util as u, json, pathlib, gradwidgets, torch\n"
        "compiled = [pathlib.Path(u.cache_from_source(m.__file__)).exists() for m in (gradwidgets, torch)]\n"
        "print(json.dumps([gradwidgets.__file__, compiled, torch.version.cuda]))"
    )
    command = [binaries / "python", "-B", "-c", ask]
    answer = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120
    )
    place, compiled, cuda = json.loads(answer.stdout)
    assert Path(place).is_relative_to(fresh)
    assert compiled == [True, True]
    assert cuda is None
    assert json.loads((fresh / "share/jupyter/lab/settings/overrides.json").read_text()) == OVERRIDES
    assert list((home / ".cache/matplotlib").glob("fontlist-*.json"))
