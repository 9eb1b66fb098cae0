"""How alike a model's answers to different samples are, in the course of a training."""

import math

import torch
from torch import Tensor, nn

from gradwidgets.core.monitor.taps import Hook, first_tensor, take_away

_ROWS, _WIDE = 32, 256  # of an output, that are looked at
_FEWEST, _INPUTS = 8, 64  # rows; numbers of an input
_MOST = 24  # looks that are kept: when there are so many, every other one


class Answers:
    """Looks at a table of outputs of sampled steps, a row a sample, and reads nothing before it is asked.

    Attributes:
        handles: Of the hook that stands.
        passes: Passes with gradients since the last step.
        aside: Passes without, likewise.
    """

    def __init__(self) -> None:
        self.handles: list = []
        self.passes = self.aside = 0
        self._steps = self._with_aside = 0
        self._several = 0  # steps of two passes and more
        self._places: tuple[set, set] = set(), set()  # rows and memory of inputs, of either kind of pass
        self._graphless = 0  # steps of passes without a graph alone
        self._paired = 0  # steps with a pass without a graph of as many other rows as the one with it
        self._asked = self._stride = 0
        self._given: Tensor | None = None
        self._now: tuple[Tensor, Tensor] | None = None
        self._kept: list[tuple[int, Tensor, Tensor]] = []
        self._width = 0

    def begins(self, model: nn.Module, inputs: Tensor) -> None:
        """A pass with gradients is about to come, of the step that is sampled."""
        self._asked += 1
        if inputs.ndim and inputs.shape[0] >= _FEWEST and self._asked % max(1, self._stride) == 0:
            self._given = inputs.detach()[:_FEWEST].reshape(_FEWEST, -1)[:, :_INPUTS].clone()
            take_away(self.handles)  # of a pass that has failed
            # Before others: one that takes itself away behind a pass that fails is to be the last.
            self.handles.append(model.register_forward_hook(Hook(self._made), prepend=True))

    def _made(self, model: nn.Module, inputs: object, output: object) -> None:
        take_away(self.handles)
        table = first_tensor(output)
        if table is not None and table.ndim == 2 and table.shape[0] >= _FEWEST and table.shape[1] > 1:
            self._width = table.shape[1]
            self._now = self._given, table.detach()[:: -(-table.shape[0] // _ROWS), :_WIDE].clone()

    def passed(self, inputs: Tensor | None, graph: bool) -> None:
        """A pass is about to come, of a batch where that is known, with a graph or aside."""
        self.passes += graph
        self.aside += not graph
        if inputs is not None and inputs.ndim:
            self._places[graph].add((inputs.shape[0], inputs.data_ptr()))

    def step(self, step: int, *, sampled: bool) -> None:
        """A step is about to come."""
        aside, trained = self._places
        self._paired += any(one[0] == other[0] and one[1] != other[1] for one in aside for other in trained)
        self._places = set(), set()
        self._steps += 1
        self._several += self.passes > 1
        self._with_aside += self.aside > 0
        self._graphless += self.aside > 0 and not self.passes
        self.passes = self.aside = 0
        now, self._now = self._now, None
        if now is not None and sampled:
            self._kept.append((step, *now))
            if len(self._kept) >= _MOST:
                self._kept, self._stride = self._kept[::2], max(1, self._stride) * 2

    def forget(self) -> None:
        """Take the hook away."""
        take_away(self.handles)

    @property
    def without_graph(self) -> dict[str, int]:
        """At how many "steps" "of" all the model ran without a graph alone; empty where it never did."""
        return {"steps": self._graphless, "of": self._steps} if self._graphless else {}

    @property
    def told(self) -> dict[str, object]:
        """At which "steps" answers were looked at.

        Returns:
            With them, of each look how far the directions of rows are "apart" from their mean (root mean square), and
            of rows as logits: how "sure" the likeliest is on the average, in which share of the rows it is the
            commonest "one"; whether inputs "differ". The "width" of a row; at which share of the steps there were
            "several" passes with gradients, or passes without, "aside", and of as many rows, but other ones, "paired".
            Empty where nothing was looked at.
        """
        if not self._kept:
            return {}
        every = [(step, _measured(given, rows)) for step, given, rows in self._kept]
        every = [(step, row) for step, row in every if all(map(math.isfinite, row))]
        names = ("apart", "sure", "one", "differ")
        told = {name: [row[place] for _, row in every] for place, name in enumerate(names)}
        told |= {"steps": [step for step, _ in every], "width": self._width}
        counts = {"several": self._several, "aside": self._with_aside, "paired": self._paired}
        return told | {name: count / self._steps for name, count in counts.items()}


@torch.no_grad()
def _measured(given: Tensor, rows: Tensor) -> list[float]:
    rows = rows.cpu().double()
    directions = torch.nn.functional.normalize(rows, dim=1)
    apart = torch.linalg.vector_norm(directions - directions.mean(0)) / rows.shape[0] ** 0.5
    sure, which = rows.softmax(1).max(1)
    one = (which == which.mode().values).double().mean()
    return [float(apart), float(sure.mean()), float(one), float((given != given[:1]).any())]
