"""The network that a layer panel shows, and its last measurement."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from torch import nn

from gradwidgets.core.results.slices import Slices, finish
from gradwidgets.widgets.layers.problem import YOURS, FlowProblem, FlowResult, FlowSettings

Version = tuple[int, int]  # of the user's model: differs once the model was changed
NetworkKey = tuple[FlowSettings, Version]


class Training(Protocol):
    """What a network needs to know about a training.

    Attributes:
        thread: The id of the thread on which it runs.
    """

    thread: int

    @property
    def ended(self) -> bool:
        """Whether it has ended."""

    def model(self) -> nn.Module | None:
        """Return the model that is trained; None once that is deleted."""


class Network:
    """The network that is shown, whether it was changed since it was measured, and its last measurement.

    Args:
        problem: The user's model, or networks that are built.
        settings: Returns the settings of the network that is shown.
        training: Returns the training that runs or ran last; None before the first.

    Attributes:
        problem: As given.
        known: The network that was measured last, and the result; None before the first time.
        took: The seconds that this took.
    """

    def __init__(
        self,
        problem: FlowProblem,
        *,
        settings: Callable[[], FlowSettings],
        training: Callable[[], Training | None],
    ) -> None:
        self.problem, self._settings, self._training = problem, settings, training
        self.known: tuple[NetworkKey, FlowResult] | None = None
        self.took = 0.0
        self._changes = 0  # of the model, made here or reported by the user

    @property
    def own(self) -> bool:
        """Whether it is the user's model."""
        return self._settings().own

    def now(self) -> NetworkKey:
        """Return the settings of the network, and a version that differs once it was changed, here or outside."""
        settings = self._settings()
        if self.elsewhere and self.known is not None and self.known[0][0] == settings:
            return self.known[0]  # as measured last, until the training has ended
        return settings, (self._changes, self.problem.version(settings))

    def changed(self) -> None:
        """Note that the model was changed."""
        self._changes += 1

    @property
    def elsewhere(self) -> bool:
        """Whether another thread is training the user's model, which must not be read while it is written."""
        run = self._training()
        if run is None or run.ended or run.thread == threading.get_ident() or not self.own:
            return False
        return run.model() is self.problem.own_model

    def refuse_elsewhere(self) -> None:
        """Raise a ValueError if another thread is training the model."""
        if self.elsewhere:
            raise ValueError("Another thread is training your model: it can be measured again after that")

    def measuring(self, key: NetworkKey, *, reads: bool) -> Slices[FlowResult]:
        """Measure the network, in slices, unless the result is known.

        Args:
            key: The network and its version, as `now` returned them.
            reads: Whether the model is read even if the result is known.
        """
        known = self.known if self.known is not None and self.known[0] == key else None
        if reads or known is None:
            self.refuse_elsewhere()
        if known is None:
            began = time.perf_counter()
            flow = yield from self.problem.work(key[0])
            self.known, self.took = (key, flow), time.perf_counter() - began
            return flow
        return known[1]

    def measured(self, settings: FlowSettings) -> FlowResult:
        """Measure a network with other settings."""
        return finish(self.problem.work(settings))

    def code(self) -> list[str]:
        """Return the lines of a script that define `model`, `inputs`, `targets` and `loss_fn`."""
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
