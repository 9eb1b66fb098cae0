"""Reads all imports of the package and fails on one that the layers core ← figures ← widgets do not allow."""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "gradwidgets"
LAYERS = ("core", "figures", "widgets")
# The folders of the core, each of which imports those before it alone.
CORE = (
    "results", "subject", "objectives", "regression", "optimizers", "schedules", "descent",
    "losses", "operations", "surfaces", "layers", "monitor", "spectra",
)  # fmt: skip
MOST = 16  # modules in a folder
# Every widget's and every picture's folder has these.
SAME_NAMES = {
    "__init__", "controls", "figure", "guess", "panel", "picture", "presets", "problem", "scene", "view", "words",
}  # fmt: skip
WIDGET_LIBRARIES = ("ipywidgets", "ipympl", "anywidget", "traitlets", "IPython")


TYPES = "TYPE_CHECKING"


class Import(NamedTuple):
    """One import statement: the module that it stands in, the one that it names, and where."""

    importer: str
    imported: str
    line: int
    function: str  # the innermost function around it, "" at module level; `TYPES` where it is never run

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def layer_of(module: str) -> int:
    """0, 1, 2 from core to widgets; 3 for what stands above them, the package's own __init__ included."""
    name = module.removeprefix(PACKAGE + ".").partition(".")[0]
    return LAYERS.index(name) if name in LAYERS else len(LAYERS)


def module_names(root: Path) -> dict[str, Path]:
    def dotted(path: Path) -> str:
        return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")

    return {dotted(path): path for path in sorted((root / PACKAGE).rglob("*.py"))}


def named_in(node: ast.AST, package: str, modules: dict[str, Path]) -> Iterator[str]:
    """The modules that one statement names; `from a import b` names a.b if that is one, else a."""
    match node:
        case ast.Import():
            yield from (alias.name for alias in node.names)
        case ast.ImportFrom():
            parents = package.split(".")[: 1 - node.level or None] if node.level else []
            source = ".".join([*parents, *filter(None, [node.module])])
            for alias in node.names:
                whole = f"{source}.{alias.name}"
                yield whole if whole in modules or not is_in(source, PACKAGE) else source
        case ast.Call(func=ast.Name(id=function) | ast.Attribute(attr=function), args=[first, *_]):
            if function in ("import_module", "__import__") and isinstance(first, ast.Constant):
                yield str(first.value)


def imports_below(node: ast.AST, function: str = "") -> Iterator[tuple[ast.AST, str]]:
    for child in ast.iter_child_nodes(node):
        yield child, function
        match child:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                inner = child.name
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                inner = TYPES
            case _:
                inner = function
        yield from imports_below(child, inner)


def read_imports(root: Path) -> tuple[dict[str, Path], list[Import]]:
    modules = module_names(root)
    found = []
    for module, path in modules.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for node, function in imports_below(ast.parse(path.read_text(encoding="utf-8"))):
            names = dict.fromkeys(named_in(node, package, modules))
            found += [Import(module, name, node.lineno, function) for name in names]
    return modules, found


def outside_problem(one: Import) -> str | None:
    """What is wrong with importing something that is not ours."""
    layer = layer_of(one.importer)
    top = one.imported.partition(".")[0]
    if is_in(one.imported, "matplotlib.pyplot") or top == "pylab" or is_in(one.imported, "matplotlib.pylab"):
        return "pyplot keeps global state"
    if layer == 0 and (top, one.function) in (("pandas", "to_frame"), ("tqdm", "_bar")):  # where they are installed
        return None
    if layer == 0 and one.function == TYPES and top in ("numpy", "pandas", "_typeshed"):  # read by type checkers alone
        return None
    if layer == 0 and (is_in(one.imported, "torch.optim") or top not in {*sys.stdlib_module_names, "torch"}):
        return "core needs torch alone, without torch.optim"
    if layer == 1 and top in WIDGET_LIBRARIES:
        return "figures know no widgets"
    return None


def draws_a_page(one: Import) -> bool:
    """Whether core asks for pictures where alone it may: when a report is written as a page."""
    return layer_of(one.importer) == 0 and is_in(one.imported, f"{PACKAGE}.figures") and one.function == "to_html"


def problems(root: Path) -> list[str]:
    modules, imports = read_imports(root)
    found = []
    for one in imports:
        if is_in(one.imported, PACKAGE):
            if layer_of(one.imported) > layer_of(one.importer) and not draws_a_page(one):
                found.append(f"{one}: an arrow back")
        elif reason := outside_problem(one):
            found.append(f"{one}: {reason}")

    canvases = sorted({one.importer for one in imports if is_in(one.imported, "ipympl")})
    if len(canvases) > 1:
        found.append(f"{', '.join(canvases)} import ipympl: one file alone may")

    arrows = {module: set() for module in modules}
    for one in imports:
        if one.imported in modules and layer_of(one.imported) == layer_of(one.importer):
            arrows[one.importer].add(one.imported)
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        found.append(f"a cycle: {' ← '.join(error.args[1])}")
    return found


def core_folder(module: str) -> int | None:
    parts = module.split(".")
    return CORE.index(parts[2]) if parts[:2] == [PACKAGE, "core"] and len(parts) > 2 else None


def test_the_core_s_folders_look_one_way():
    modules, imports = read_imports(ROOT)
    assert {m.split(".")[2] for m in modules if m.startswith(f"{PACKAGE}.core.")} == set(CORE)
    back = [
        str(one)
        for one in imports
        if None not in (core_folder(one.importer), core_folder(one.imported))
        and core_folder(one.imported) > core_folder(one.importer)
    ]
    assert back == []


def test_a_folder_is_a_subject_and_a_name_is_used_once():
    folders, names = Counter(), Counter()
    for path in module_names(ROOT).values():
        folders[path.parent] += path.stem != "__init__"
        names[path.stem] += 1
    assert {str(folder): count for folder, count in folders.items() if count > MOST} == {}
    assert {name for name, count in names.items() if count > 1} <= SAME_NAMES


def test_the_package_keeps_its_layers():
    assert problems(ROOT) == []


RIGHT = {
    "__init__.py": "from gradwidgets.core import SGD\nfrom .widgets.playground import Playground",
    "core/__init__.py": "from .sgd import SGD\nfrom gradwidgets.core import descent",
    "core/sgd.py": "import math\nimport torch.func\nfrom torch import Tensor",
    "core/check.py": "def to_html(self, path):\n    from gradwidgets.figures.paths import draw",
    "core/descent.py": "from . import sgd\nfrom .sgd import SGD\ndef to_frame(self):\n    import pandas",
    "figures/__init__.py": "",
    "figures/paths.py": "import numpy\nfrom matplotlib.figure import Figure\nfrom ..core.sgd import SGD",
    "widgets/__init__.py": "",
    "widgets/canvas.py": "import matplotlib\nfrom ipympl.backend_nbagg import Canvas",
    "widgets/playground.py": "import ipywidgets\nfrom ..figures import paths\nfrom .canvas import show",
}

WRONG = {
    "core to figures": ("core/sgd.py", "from gradwidgets.figures import paths", "an arrow back"),
    "core to widgets, relative": ("core/sgd.py", "from ..widgets.canvas import show", "an arrow back"),
    "figures to widgets": ("figures/paths.py", "import gradwidgets.widgets.canvas", "an arrow back"),
    "figures to the top": ("figures/paths.py", "from gradwidgets import SGD", "an arrow back"),
    "up two levels to the top": ("figures/paths.py", "from .. import SGD", "an arrow back"),
    "pictures beside a page": ("core/check.py", "from gradwidgets.figures import paths", "an arrow back"),
    "widgets for a page": ("core/check.py", "def to_html(p):\n    from ..widgets import canvas", "an arrow back"),
    "hidden in a function": ("core/sgd.py", "def f():\n    from .. import widgets", "an arrow back"),
    "hidden in a string": (
        "core/sgd.py",
        "import importlib as i\ni.import_module('numpy')",
        "torch alone",
    ),
    "matplotlib in core": ("core/sgd.py", "import matplotlib.colors", "torch alone"),
    "ipywidgets in core": ("core/sgd.py", "from ipywidgets import VBox", "torch alone"),
    "numpy in core": ("core/sgd.py", "import numpy as np", "torch alone"),
    "pandas at core's top": ("core/sgd.py", "import pandas", "torch alone"),
    "torch.optim in core": ("core/sgd.py", "from torch.optim import SGD", "torch alone"),
    "torch.optim as a name": ("core/sgd.py", "from torch import optim", "torch alone"),
    "widgets in figures": ("figures/paths.py", "from ipywidgets import VBox", "know no widgets"),
    "a second canvas": ("widgets/playground.py", "import ipympl", "one file alone"),
    "pyplot": ("widgets/playground.py", "import matplotlib.pyplot as plt", "pyplot"),
    "pyplot from matplotlib": ("figures/paths.py", "from matplotlib import pyplot", "pyplot"),
    "a cycle in core": ("core/sgd.py", "from .descent import descend", "a cycle"),
    "a cycle through the layer": ("core/sgd.py", "from gradwidgets.core import descend", "a cycle"),
}


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    return root


def test_the_right_arrows_pass(tmp_path):
    assert problems(write(tmp_path, RIGHT)) == []


@pytest.mark.parametrize(("name", "text", "reason"), WRONG.values(), ids=WRONG)
def test_a_wrong_arrow_is_named(tmp_path, name, text, reason):
    (problem,) = problems(write(tmp_path, {**RIGHT, name: text}))
    assert reason in problem
    assert f"{PACKAGE}.{name.removesuffix('.py').replace('/', '.')}" in problem


# What torch is called for above the core: to hold a setting of its, or to draw; never to compute what is shown.
NOT_ARITHMETIC = {"Generator", "device", "enable_grad", "inference_mode", "is_inference_mode_enabled", "no_grad"}
# A training of its own, as a user's would be; and a look at the user's settings.
TRAINS, LOOKS = "widgets/layers/training/demo.py", "widgets/kernel/as_usual.py"


def calls_of_torch(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The functions of torch that are called by their dotted names, and where."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            parts, function = [], node.func
            while isinstance(function, ast.Attribute):
                parts.append(function.attr)
                function = function.value
            if isinstance(function, ast.Name) and function.id == "torch":
                yield node.lineno, ".".join(reversed(parts))


def torch_problems(root: Path) -> list[str]:
    found = []
    for path in module_names(root).values():
        name = path.relative_to(root / PACKAGE).as_posix()
        if name.startswith(("widgets/", "figures/")) and name not in (TRAINS, LOOKS):
            calls = calls_of_torch(ast.parse(path.read_text(encoding="utf-8")))
            found += [f"{name}:{line} torch.{what}" for line, what in calls if what not in NOT_ARITHMETIC]
    return found


def test_nothing_is_computed_where_it_is_shown(tmp_path):
    assert torch_problems(ROOT) == []
    folder = tmp_path / PACKAGE / "figures"
    folder.mkdir(parents=True)
    (folder / "wrong.py").write_text("import torch\n\ndef f(x):\n    return torch.linalg.eigvalsh(x)\n")
    assert torch_problems(tmp_path) == ["figures/wrong.py:4 torch.linalg.eigvalsh"]
