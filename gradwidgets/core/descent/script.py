"""A run as a plain torch script that anyone can read and run without this package."""

from collections.abc import Mapping

from torch import Tensor

from gradwidgets.core.descent.descending import Draw
from gradwidgets.core.descent.descent import check_draw, check_schedule, check_steps
from gradwidgets.core.objectives.objective import Objective
from gradwidgets.core.objectives.points import as_start
from gradwidgets.core.optimizers.optimizer import Optimizer
from gradwidgets.core.regression.regression import Regression, one_sample
from gradwidgets.core.schedules import Schedule
from gradwidgets.core.subject.home import at_home

# Up to this many data points are written into the script.
POINTS_WRITTEN = 200

WIDTH = 100


@at_home
def script(
    objectives: Mapping[str, Objective],
    optimizer: Optimizer,
    start: object,
    steps: int,
    *,
    schedule: Schedule | None = None,
    batch_size: int | None = None,
    seed: int = 0,
) -> str:
    """A self-contained script that repeats a run with `torch.optim` and prints where it ends.

    It prints one line per objective: its name, the two parameters and the loss, to nine significant
    digits. This function runs nothing.

    Args:
        objectives: The objectives, by name.
        optimizer: The optimizer, with its settings.
        start: A single start, as in `descend`.
        steps: As in `descend`.
        schedule: As in `descend`; the script has torch's scheduler.
        batch_size: As in `descend`; the script has torch's DataLoader.
        seed: As in `descend`.

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
    if schedule is not None:
        check_schedule(schedule)
    draw = check_draw(objectives, batch_size, seed)
    dtype = str(point.dtype)
    lines = [objective for objective in objectives.values() if isinstance(objective, Regression)]
    shared = one_sample(objectives.values())
    sources = {name: _source(objective, draw) for name, objective in objectives.items()}
    blocks = [_imports(any("math." in source for source in sources.values()), draw)]
    if shared:
        blocks.append(_data(lines[0], dtype))
    blocks.append(_run(optimizer, point, count, dtype, schedule, draw))
    for name, objective in objectives.items():
        data = _data(objective, dtype) if isinstance(objective, Regression) and not shared else ""
        a, b = (parameter.replace('"', "'") for parameter in objective.parameters)
        blocks.append(f"{data}{sources[name]}\n\nrun({name!r}, objective, {a!r}, {b!r})\n")
    return "\n\n".join(block.rstrip("\n") + "\n" for block in blocks)


def _source(objective: Objective, draw: Draw) -> str:
    if draw.size is not None and isinstance(objective, Regression):
        return objective.source_on_batches()
    return objective.source()


def _imports(math: bool, draw: Draw) -> str:
    first = [*(["import itertools"] if draw.size else []), *(["import math"] if math else [])]
    more = ["from torch.utils.data import DataLoader, TensorDataset"] if draw.size else []
    return "\n".join([*first, *([""] if first else []), "import torch", *more, ""])


def _run(optimizer: Optimizer, start: Tensor, steps: int, dtype: str, schedule: Schedule | None, draw: Draw) -> str:
    rule, keywords = optimizer.torch()
    settings = ", ".join(f"{name}={value!r}" for name, value in keywords.items())
    after = schedule.after_step() if schedule else []
    body = [
        f"point = torch.tensor({start.tolist()!r}, dtype={dtype}, requires_grad=True)",
        f"optimizer = torch.optim.{rule}([point], {settings})",
        *(schedule.setup() if schedule else []),
        *_loop_head(steps, draw, counted=any("step <" in line for line in after)),
        "    optimizer.zero_grad()",
        *_backward("objective(point, x_batch, y_batch)" if draw.size else "objective(point)", after),
        "    optimizer.step()",
        *(f"    {line}" for line in after),
        "with torch.no_grad():",
        "    a, b, loss = *point.tolist(), objective(point).item()",
        'print(f"{name}  {first} {a:.9g}  {second} {b:.9g}  loss {loss:.9g}")',
    ]
    return "def run(name, objective, first, second):\n" + "".join(f"    {line}\n" for line in body)


def _loop_head(steps: int, draw: Draw, counted: bool) -> list[str]:
    if draw.size is None:
        return [f"for {'step' if counted else '_'} in range({steps}):"]
    batches = f"itertools.islice(batches, {steps})"
    loop = (
        f"for step, (x_batch, y_batch) in enumerate({batches}):" if counted else f"for x_batch, y_batch in {batches}:"
    )
    return [
        f"generator = torch.Generator().manual_seed({draw.seed})",
        f"loader = DataLoader(TensorDataset(x, y), batch_size={draw.size}, shuffle=True, generator=generator)",
        "batches = itertools.chain.from_iterable(itertools.repeat(loader))  # epoch after epoch",
        loop,
    ]


def _backward(call: str, after: list[str]) -> list[str]:
    if any("loss" in line for line in after):
        return [f"    loss = {call}", "    loss.backward()"]
    return [f"    {call}.backward()"]


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
