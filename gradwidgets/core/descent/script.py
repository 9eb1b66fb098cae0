"""A run as a plain torch script that anyone can read and run without this package."""

from collections.abc import Mapping

from torch import Tensor

from gradwidgets.core.descent.descent import check_steps
from gradwidgets.core.objectives.objective import Objective
from gradwidgets.core.objectives.points import as_start
from gradwidgets.core.optimizers.optimizer import Optimizer
from gradwidgets.core.regression.regression import Regression, one_sample
from gradwidgets.core.subject.home import at_home

# Up to this many data points are written into the script.
POINTS_WRITTEN = 200

WIDTH = 100


@at_home
def script(objectives: Mapping[str, Objective], optimizer: Optimizer, start: object, steps: int) -> str:
    """A self-contained script that repeats a run with `torch.optim` and prints where it ends.

    It prints one line per objective: its name, the two parameters and the loss, to nine significant
    digits. This function runs nothing.

    Args:
        objectives: The objectives, by name.
        optimizer: The optimizer, with its settings.
        start: A single start, as in `descend`.
        steps: As in `descend`.

    Returns:
        The script's source. Data of more than 200 points are not written out: the script then asks for them to be
        loaded. A function that is not self-contained (a lambda, or one that uses names from outside) is replaced by
        a comment and a line that stops the script.

    Raises:
        TypeError: As in `descend`.
        ValueError: As in `descend`; or `start` is a batch.
    """
    point, count = as_start(start), check_steps(steps)
    if point.ndim != 1:
        raise ValueError(f"a script repeats a single start; got shape {tuple(point.shape)}")
    dtype = str(point.dtype)
    lines = [objective for objective in objectives.values() if isinstance(objective, Regression)]
    shared = one_sample(objectives.values())
    blocks = ["import math\n\nimport torch\n" if _needs_math(objectives) else "import torch\n"]
    if shared:
        blocks.append(_data(lines[0], dtype))
    blocks.append(_run(optimizer, point, count, dtype))
    for name, objective in objectives.items():
        data = _data(objective, dtype) if isinstance(objective, Regression) and not shared else ""
        a, b = (parameter.replace('"', "'") for parameter in objective.parameters)
        blocks.append(f"{data}{objective.source()}\n\nrun({name!r}, objective, {a!r}, {b!r})\n")
    return "\n\n".join(block.rstrip("\n") + "\n" for block in blocks)


def _needs_math(objectives: Mapping[str, Objective]) -> bool:
    return any("math." in objective.source() for objective in objectives.values())


def _run(optimizer: Optimizer, start: Tensor, steps: int, dtype: str) -> str:
    rule, keywords = optimizer.torch()
    settings = ", ".join(f"{name}={value!r}" for name, value in keywords.items())
    return (
        "def run(name, objective, first, second):\n"
        f"    point = torch.tensor({start.tolist()!r}, dtype={dtype}, requires_grad=True)\n"
        f"    optimizer = torch.optim.{rule}([point], {settings})\n"
        f"    for _ in range({steps}):\n"
        "        optimizer.zero_grad()\n"
        "        objective(point).backward()\n"
        "        optimizer.step()\n"
        "    with torch.no_grad():\n"
        "        a, b, loss = *point.tolist(), objective(point).item()\n"
        '    print(f"{name}  {first} {a:.9g}  {second} {b:.9g}  loss {loss:.9g}")\n'
    )


def _data(line: Regression, dtype: str) -> str:
    n = line.sample.n
    if n > POINTS_WRITTEN:
        return (
            f"# The {n} data points are not written out here: load your own x and y, for instance with\n"
            "# x, y = torch.load('xy.pt').\n"
            f'raise SystemExit("load x and y, tensors of {n} numbers, in place of this line")\n'
        )
    return "".join(
        f"{name} = torch.tensor(\n    [\n{_numbers(values)}    ],\n    dtype={dtype},\n)\n"
        for name, values in (("x", line.sample.x), ("y", line.sample.y))
    )


def _numbers(values: Tensor) -> str:
    rows, row = [], ""
    for value in values.tolist():
        word = f"{value!r}, "
        if len(row) + len(word) > WIDTH - 8:
            rows.append(row)
            row = ""
        row += word
    return "".join(f"        {row.rstrip()}\n" for row in [*rows, row])
