"""The network that a layer panel looks at, and what is known of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from torch import nn

from gradwidgets.core.results.slices import Slices, finish
from gradwidgets.widgets.layers.problem import YOURS, FlowProblem, FlowResult, FlowSettings

Version = tuple[int, int]  # of a model of the user's: another one once it was changed
Whom = tuple[FlowSettings, Version]


class Training(Protocol):
    """A training as far as a network must know it.

    Attributes:
        thread: On which it runs.
    """

    thread: int

    @property
    def ended(self) -> bool:
        """Whether it is over."""

    def model(self) -> nn.Module | None:
        """What is trained; None once it is gone."""


class Network:
    """Which network is looked at, whether it was changed since, and what was measured of it last.

    Args:
        problem: The user's model, or networks that are built.
        settings: Returns the settings of the one that is looked at.
        training: Returns the training that runs or ran last; None before the first.

    Attributes:
        problem: The same.
        known: Whom, and what was measured of it; None before the first time.
        took: Seconds that that took.
    """

    def __init__(
        self,
        problem: FlowProblem,
        *,
        settings: Callable[[], FlowSettings],
        training: Callable[[], Training | None],
    ) -> None:
        self.problem, self._settings, self._training = problem, settings, training
        self.known: tuple[Whom, FlowResult] | None = None
        self.took = 0.0
        self._changes = 0  # that we made, or were told of

    @property
    def own(self) -> bool:
        """Whether it is a model of the user's."""
        return self._settings().own

    def now(self) -> Whom:
        """Which one it is, and what tells whether it was changed since, from here or outside."""
        settings = self._settings()
        if self.elsewhere and self.known is not None and self.known[0][0] == settings:
            return self.known[0]  # what was measured last, until the training is over
        return settings, (self._changes, self.problem.version(settings))

    def changed(self) -> None:
        """Take it that the model is another one now."""
        self._changes += 1

    @property
    def elsewhere(self) -> bool:
        """Whether another thread trains the user's model now: here it would be read while it is written."""
        run = self._training()
        if run is None or run.ended or run.thread == threading.get_ident() or not self.own:
            return False
        return run.model() is self.problem.own_model

    def refuse_elsewhere(self) -> None:
        """Raise a ValueError while another thread trains the model: it cannot be read here meanwhile."""
        if self.elsewhere:
            raise ValueError("Another thread is training your model: it can be measured again when that has ended")

    def measuring(self, whom: Whom, *, reads: bool) -> Slices[FlowResult]:
        """Measure it, in slices, but for what is known.

        Args:
            whom: What `now` said.
            reads: Whether the model is read in any case.
        """
        known = self.known if self.known is not None and self.known[0] == whom else None
        if reads or known is None:
            self.refuse_elsewhere()
        if known is None:
            began = time.perf_counter()
            flow = yield from self.problem.work(whom[0])
            self.known, self.took = (whom, flow), time.perf_counter() - began
            return flow
        return known[1]

    def measured(self, settings: FlowSettings) -> FlowResult:
        """Measure another one."""
        return finish(self.problem.work(settings))

    def code(self) -> list[str]:
        """Return lines of a script that makes it, with `model`, `inputs`, `targets` and `loss_fn`."""
        s = self._settings()
        if s.own:
            return ["from gradwidgets.core import diagnose, layer_flow", "", _YOURS]
        normalization = None if s.normalization == "none" else s.normalization
        return [
            "import torch",
            "",
            "from gradwidgets.core import build_network, diagnose, layer_flow",
            "",
            f"model = build_network({s.architecture!r}, depth={s.depth}, width={s.width},",
            f"    activation={s.activation!r}, init={s.init!r}, gain={s.gain!r},",
            f"    normalization={normalization!r}, seed={s.seed})",
            f"generator = torch.Generator().manual_seed({s.seed + 1})",
            f"inputs = torch.randn({s.batch}, {s.width}, generator=generator)",
            f"targets = torch.randn({s.batch}, 1, generator=generator)",
            "loss_fn = torch.nn.functional.mse_loss",
        ]


_YOURS = f"# model, inputs, targets and loss_fn are {YOURS}."
