"""How alike a model's answers to different samples are in the course of a training."""

import math

import torch
from torch import Tensor, nn
from torch.utils.weak import TensorWeakRef

from gradwidgets.core.monitor.facts import AnswerFacts
from gradwidgets.core.monitor.taps import Hook, Removable, first_tensor, take_away

_ROWS, _WIDE = 32, 256  # rows and columns of an output that are kept
_FEWEST, _INPUTS = 8, 64  # least rows of an output; numbers of an input that are kept
_PASSES = 8  # of a step, whose inputs are compared
_MOST = 24  # outputs that are kept: when there are that many, every other one is dropped

_Batch = tuple[int, TensorWeakRef]  # rows, and what they are in


class Answers:
    """Keeps parts of the outputs of sampled steps, one row per sample, and reads no number before `told` is called.

    Attributes:
        handles: The handle of the hook.
        passes: How many passes with gradients there were since the last step.
        aside: The same of passes without gradients.
    """

    def __init__(self) -> None:
        self.handles: list[Removable] = []
        self.passes = self.aside = 0
        self._steps = self._with_aside = 0
        self._several = 0  # steps of two passes and more
        self._graphless = 0  # steps of passes without gradients only
        self._batches: tuple[list[_Batch], list[_Batch]] = [], []  # of passes without gradients and with them
        self._paired = 0  # steps with a pass without gradients of as many rows as one with them, but of other ones
        self._asked = self._stride = 0
        self._given: Tensor | None = None
        self._now: tuple[Tensor, Tensor] | None = None
        self._kept: list[tuple[int, Tensor, Tensor]] = []
        self._width = 0

    def begins(self, model: nn.Module, inputs: Tensor) -> None:
        """Wait for the output of a pass with gradients, whose step is sampled."""
        self._asked += 1
        if inputs.ndim and inputs.shape[0] >= _FEWEST and self._asked % max(1, self._stride) == 0:
            self._given = inputs.detach()[:_FEWEST].reshape(_FEWEST, -1)[:, :_INPUTS].clone()
            take_away(self.handles)  # the hook of a pass that has failed
            # Before the other hooks: one that removes itself, and is also called when a pass fails, must be the last.
            self.handles.append(model.register_forward_hook(Hook(self._made), prepend=True))

    def _made(self, model: nn.Module, inputs: object, output: object) -> None:
        take_away(self.handles)
        table = first_tensor(output)
        wide = table is not None and table.ndim == 2 and table.shape[0] >= _FEWEST and table.shape[1] > 1
        if table is not None and wide and self._given is not None:
            self._width = table.shape[1]
            self._now = self._given, table.detach()[:: -(-table.shape[0] // _ROWS), :_WIDE].clone()

    def passed(self, inputs: Tensor | None, graph: bool) -> None:
        """Count a pass with gradients or without, of these inputs where they are known."""
        self.passes += graph
        self.aside += not graph
        if inputs is not None and inputs.ndim and len(self._batches[graph]) < _PASSES:
            self._batches[graph].append((inputs.shape[0], TensorWeakRef(inputs)))

    def step(self, step: int, *, sampled: bool) -> None:
        """Keep the newest output, if its step is sampled."""
        aside, trained = self._batches
        self._paired += any(_are_others(one, other) for one in aside for other in trained)
        self._batches = [], []
        self._graphless += self.aside > 0 and not self.passes
        self._steps += 1
        self._several += self.passes > 1
        self._with_aside += self.aside > 0
        self.passes = self.aside = 0
        now, self._now = self._now, None
        if now is not None and sampled:
            self._kept.append((step, *now))
            if len(self._kept) >= _MOST:
                self._kept, self._stride = self._kept[::2], max(1, self._stride) * 2

    def forget(self) -> None:
        """Remove the hook."""
        take_away(self.handles)

    @property
    def without_graph(self) -> dict[str, int]:
        """At how many "steps" "of" all the model ran without gradients only; empty where it never did."""
        return {"steps": self._graphless, "of": self._steps} if self._graphless else {}

    @property
    def told(self) -> AnswerFacts:
        """How alike the answers are, step by step.

        Returns:
            The "steps"; at each of them how far the directions of rows are "apart" from their mean (root mean square),
            and taking rows as logits, how "sure" the likeliest answer is on average and in which share of the rows it
            is the most frequent "one"; whether inputs "differ". The "width" of a row; at which share of the steps there
            were "several" passes with gradients, or passes without gradients "aside", or such of as many rows, but of
            other ones ("paired"). Empty where no output was kept.
        """
        if not self._kept:
            return {}
        every = [(step, _measured(given, rows)) for step, given, rows in self._kept]
        every = [(step, row) for step, row in every if all(map(math.isfinite, row))]
        apart, sure, one, differ = ([row[place] for _, row in every] for place in range(4))
        return {
            "apart": apart,
            "sure": sure,
            "one": one,
            "differ": differ,
            "steps": [step for step, _ in every],
            "width": self._width,
            "several": self._several / self._steps,
            "aside": self._with_aside / self._steps,
            "paired": self._paired / self._steps,
        }


def _are_others(one: _Batch, other: _Batch) -> bool:
    """Whether these are as many rows, of another tensor: one that is gone has been another than the next."""
    tensor = one[1]()
    return one[0] == other[0] and (tensor is None or tensor is not other[1]())


@torch.no_grad()
def _measured(given: Tensor, rows: Tensor) -> list[float]:
    rows = rows.cpu().double()
    directions = torch.nn.functional.normalize(rows, dim=1)
    apart = torch.linalg.vector_norm(directions - directions.mean(0)) / rows.shape[0] ** 0.5
    sure, which = rows.softmax(1).max(1)
    one = (which == which.mode().values).double().mean()
    return [float(apart), float(sure.mean()), float(one), float((given != given[:1]).any())]
