"""The demonstration: the network that is built from the sliders learns to read scanned digits.

`digits.csv.gz` holds the 1,797 test images of "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak
(UCI Machine Learning Repository, 1998, doi:10.24432/C50P49, CC BY 4.0), in the file that scikit-learn distributes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gradwidgets.core.results.slices import Slices
from gradwidgets.core.results.wording import counted
from gradwidgets.core.subject.undisturbed import random_numbers
from gradwidgets.widgets.layers.problem import FlowProblem, FlowSettings, LossFn
from gradwidgets.widgets.layers.training.live_run import LiveRun

_HELD_OUT = 360


@dataclass(frozen=True, eq=False)
class Task:
    """A network and what it learns.

    Attributes:
        model: The network, which is trained in place: a new one, or a copy.
        batch: Returns the inputs and targets of a step, drawn with a generator.
        loss_fn: The loss, called as `loss_fn(output, targets)`.
        held_out: Inputs and classes to test on; None if there are none.
    """

    model: nn.Module
    batch: Callable[[torch.Generator], tuple[object, object]]
    loss_fn: LossFn
    held_out: tuple[Tensor, Tensor] | None


def make_task(problem: FlowProblem, settings: FlowSettings) -> Task:
    """Return the network that the demonstration trains, and its data.

    Raises:
        ValueError: The user's model cannot be copied.
    """
    if settings.own:
        model, inputs, targets, loss_fn = problem.network(settings)
        try:
            model = copy.deepcopy(model)
        except Exception as failure:
            raise ValueError(f"the model cannot be copied, and only copies are trained here: {failure}") from failure
        return Task(model, lambda generator: (inputs, targets), loss_fn, None)
    x, y = digits()
    train = x[:-_HELD_OUT], y[:-_HELD_OUT]
    model = settings.build(inputs=x.shape[1], outputs=10)

    def batch(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        some = torch.randint(len(train[0]), (settings.batch,), generator=generator)
        return train[0][some], train[1][some]

    return Task(model, batch, nn.functional.cross_entropy, (x[-_HELD_OUT:], y[-_HELD_OUT:]))


def digits() -> tuple[Tensor, Tensor]:
    """Return images (1797, 64) with mean 0 and standard deviation 1, and their classes (1797,)."""
    table = np.loadtxt(Path(__file__).with_name("digits.csv.gz"), delimiter=",")
    x = torch.tensor(table[:, :-1], dtype=torch.float32)
    return (x - x.mean()) / x.std(), torch.tensor(table[:, -1].astype(np.int64))


def training(task: Task, run: LiveRun, *, lr: float, steps: int, seed: int) -> Slices[str]:
    """Train by plain stochastic gradient descent, in slices.

    Args:
        task: The network and what it learns.
        run: The open run that watches it.
        lr: The learning rate.
        steps: The number of steps.
        seed: The random seed of the order of the data, and of dropout.

    Yields:
        The share of the steps that are done, after each step.

    Returns:
        The result, in words.
    """
    generator = torch.Generator().manual_seed(seed)
    parameters = [p for p in task.model.parameters() if p.requires_grad]
    for step in range(steps):
        inputs, targets = task.batch(generator)
        if step == 0:
            run.monitor.expect(inputs, targets, task.loss_fn)
        if step + 1 == steps:
            run.monitor.sample_next()  # the step that the words describe
        with random_numbers(seed + step), torch.inference_mode(False), torch.enable_grad():
            task.model.zero_grad()
            loss = task.loss_fn(_output(task.model, inputs), targets)
            loss.backward()
            run.monitor.note_loss(loss)
            run.monitor.sample(paced=True)
            with torch.no_grad():
                for p in parameters:
                    if p.grad is not None:
                        p.sub_(lr * p.grad)
            run.step_seen()
            if not bool(loss.isfinite()):
                return f"At step {step + 1} the loss is not finite: the training ends there."
        yield (step + 1) / steps
    return f"After {counted(steps, 'step')}" + _tested(task) + "."


def _output(model: nn.Module, inputs: object) -> object:
    if isinstance(inputs, dict):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple) else model(inputs)


def _tested(task: Task) -> str:
    if task.held_out is None:
        return " of a copy of your model; yours is as it was"
    x, y = task.held_out
    mode = task.model.training
    with torch.no_grad():
        right = float((task.model.eval()(x).argmax(1) == y).double().mean())
    task.model.train(mode)
    return f": accuracy {right:.0%} on {len(y)} digits that it never saw"
