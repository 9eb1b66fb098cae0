"""The trainings that a panel follows: the user's loop, or the demonstration."""

from __future__ import annotations

import contextlib
import inspect
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sized
from typing import Any, TypeVar

import ipywidgets as widgets
import torch
from torch import Tensor, nn

from gradwidgets.core.monitor import GradientMonitor
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted
from gradwidgets.widgets.kernel.main_thread import Turns
from gradwidgets.widgets.kernel.mainloop import at_home, this_cell, when_cell_fails
from gradwidgets.widgets.kernel.subshells import deliver_during_cell
from gradwidgets.widgets.layers.training.demo import make_task, training
from gradwidgets.widgets.layers.training.demonstration import Demonstration
from gradwidgets.widgets.layers.training.kept_run import record_of
from gradwidgets.widgets.layers.training.live import LiveView
from gradwidgets.widgets.layers.training.live_run import LiveRun, Watching
from gradwidgets.widgets.layers.training.live_verdict import TrainingFacts
from gradwidgets.widgets.layers.view import Viewed
from gradwidgets.widgets.panel.frame import Frame

FACTS = ("max_norm", "classes", "beside")  # the options for the verdict
T = TypeVar("T")
_SHOWN = 0.25  # the share of the time that pictures of the demonstration may take


class Trainer:
    """Begins and ends trainings, one at a time.

    Args:
        panel: The panel, with the settings `view`, `lr` and `steps`.
        view: The view that shows them.
        turns: The turns of the threads that work on the panel.
        frame: The frame of the picture, which shows progress and knows whether the page accepts another picture.
        everything: Returns all widgets of the panel.
        read: Applies what the user moved while a cell runs.
        curvature: Returns the largest curvature of the network; None if it was not measured.

    Attributes:
        run: The last training; None before the first.
    """

    def __init__(
        self,
        panel: Viewed,
        view: LiveView,
        turns: Turns,
        frame: Frame,
        *,
        everything: Callable[[], list[widgets.Widget]],
        read: Callable[[], None],
        curvature: Callable[[], float | None],
    ) -> None:
        self._panel, self._view, self._turns, self._frame = panel, view, turns, frame
        self._everything, self._read, self._curvature = everything, read, curvature
        self._network, self._errors = view.stage.network, view.stage.errors
        self._demonstration = Demonstration(
            turns, self._errors, frame.busy, taken=lambda: self._steps_taken, ended=self._demonstrated
        )
        self._trained: nn.Module | None = (
            None  # the model of the demonstration, whose last gradient is shown afterwards
        )
        self._forget_cell: Callable[[], None] = lambda: None
        self._watching: LiveRun | None = None  # the training inside `watch`
        # A weak reference to the outermost `track` that was begun last.
        self._tracking: Callable[[], Generator[Any, None, None] | None] = lambda: None
        # The cell, the options and the training of the last `track`.
        self._in_cell: tuple[int | None, dict[str, object], LiveRun | None] = (None, {}, None)

    @property
    def run(self) -> LiveRun | None:
        """The training that runs or ran last; None if a record is shown."""
        run = self._view.run
        return run if isinstance(run, LiveRun) else None

    @property
    def findings(self) -> list[Finding]:
        """The verdict on it, worst first."""
        return self._view.findings

    @property
    def active(self) -> bool:
        """Whether a training is running."""
        return self.run is not None and self.run.active

    # -- a loop of the user's -----------------------------------------------------------------------------

    def watch(
        self, optimizer: torch.optim.Optimizer | None, options: Mapping[str, object]
    ) -> contextlib.AbstractContextManager[GradientMonitor]:
        """See `LayerFlowPanel.watch`."""
        self._check(options)
        return self._watched(optimizer, options)

    @contextlib.contextmanager
    def _watched(
        self, optimizer: torch.optim.Optimizer | None, options: Mapping[str, object]
    ) -> Iterator[GradientMonitor]:
        run = self._begin(optimizer, options)
        self._watching = run
        try:
            yield run.monitor
        except BaseException as failure:
            self._view.result = _ended_by(failure, counted(run.monitor.steps, "step"))
            raise
        finally:
            self._watching = None
            self._end(run)

    def track(self, iterable: Iterable[T], options: Mapping[str, object]) -> Iterator[T]:
        """See `LayerFlowPanel.track`."""
        self._check(options)
        total = len(iterable) if isinstance(iterable, Sized) else None
        items = iter(iterable)
        outer = self._around()
        run = outer or self._gone_on(options) or self._begin(None, options)
        if outer is None:
            if run.stopped:
                items = iter(())  # the epochs that would follow in this cell
            self._in_cell = this_cell(), dict(options), run
        else:
            run.stopped = False
        self._view.result = self._view.result if run.stopped else ""
        self._frame.busy.begin(known=bool(total))
        tracked = self._tracked(run, items, total, ends=outer is None)
        if outer is None:
            self._tracking = weakref.ref(tracked)
        held = weakref.ref(tracked)

        def failed(failure: BaseException) -> None:
            tracked = held()
            if tracked is not None:  # a traceback may keep it from ending
                tracked.close()
            if "✗" not in self._view.result:
                self._view.result = f"{self._view.result} ✗ The cell raised {_said(failure)}".strip()
                self._draw_last(run)

        self._forget_cell()
        self._forget_cell = when_cell_fails(failed)
        return tracked

    def _around(self) -> LiveRun | None:
        """Return the training that a new `track` belongs to: that of a `watch` or of another `track` around it."""
        run = self._watching
        if run is not None and run.active:
            return run
        tracked = self._tracking()
        if tracked is None or not self.active or self._demonstration.runs:
            return None
        within = inspect.getgeneratorstate(tracked) in (inspect.GEN_SUSPENDED, inspect.GEN_RUNNING)
        return self.run if within else None

    def _gone_on(self, options: Mapping[str, object]) -> LiveRun | None:
        """Reopen the training of the same cell, to whose record the next epoch is added; None if there is none."""
        cell, its_options, run = self._in_cell
        if run is None or run is not self.run or not run.ended or its_options != dict(options):
            return None
        if cell is None or cell != this_cell() or run.model() is None or not self._network.own:
            return None
        run.open(deliver_during_cell(self._everything()))
        return run

    def _tracked(self, run: LiveRun, items: Iterator[T], total: int | None, *, ends: bool) -> Generator[T, None, None]:
        done = 0
        try:
            for item in items:
                run.monitor.note_batch(done)
                self._expect(run, item)
                yield item
                done += 1
                run.step_seen()
                if total:
                    self._frame.busy.go_on(done / total)
                if run.stopped:
                    self._view.result = f"Stopped after {_batches(done, total)}."
                    break
        except GeneratorExit:  # the end of the cell may tell why
            self._view.result = f"The loop was left after {_batches(done, total)}."
            raise
        else:
            self._forget_cell()
        finally:
            self._frame.busy.hide()
            if ends:
                self._end(run)
            else:
                self._draw_last(run)

    def _expect(self, run: LiveRun, item: object) -> None:
        """Tell the monitor that an item with two parts may be inputs and targets."""
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            return
        inputs, targets = item
        if isinstance(targets, Tensor):
            run.monitor.note_targets(targets)
        if not run.monitor.steps:
            *_, loss_fn = self._network.problem.network(self._network.now()[0])
            run.monitor.expect(inputs, targets, loss_fn)

    def _take_facts(self, options: dict[str, Any]) -> TrainingFacts:
        """Remove the options for the verdict from others, and return them."""
        given = {name: options.pop(name) for name in FACTS if name in options}
        beside = given.pop("beside", None)
        if beside is not None:
            other = record_of(beside, "beside")
            given |= {"beside": other.history, "names": ("this training", other.name or "the record")}
        return TrainingFacts(largest_curvature=self._curvature(), **given)

    def _check(self, options: Mapping[str, object]) -> None:
        if not self._network.own:
            raise ValueError("only a model of yours can be watched: LayerFlowPanel(model, inputs, targets, loss_fn)")
        unknown = [name for name in options if name not in Watching.__annotations__]
        if unknown:
            raise TypeError(f"unknown option {unknown[0]!r}: there are {', '.join(Watching.__annotations__)}")

    def _begin(self, optimizer: torch.optim.Optimizer | None, options: Mapping[str, object]) -> LiveRun:
        model, inputs, targets, loss_fn = self._network.problem.network(self._network.now()[0])
        recording: dict[str, Any] = dict(options)
        facts = self._take_facts(recording)
        run = LiveRun(model, optimizer, self.draw, self._view.look, facts=facts, **recording)
        run.monitor.expect(inputs, targets, loss_fn)  # the panel's batch may be the only one
        self._turn_to_training()
        before = self.run
        if before is not None and before.active:
            self._end(before)
        self._take(run)
        run.open(deliver_during_cell(self._everything()))
        return run

    def _end(self, run: LiveRun) -> None:
        if not run.ended:
            run.close()
            self._draw_last(run)
            self._panel.measure_again()
            if not at_home():  # measured while this thread, which trains it, waits
                self._errors.attempt(lambda: self._panel.flow)

    # -- the demonstration --------------------------------------------------------------------------------

    def train(self) -> None:
        """See `LayerFlowPanel.train`."""
        panel = self._panel
        self._network.refuse_elsewhere()
        self._turn_to_training()
        settings = self._network.now()[0]
        task = make_task(self._network.problem, settings)
        # The curvature of a built network was measured for another loss than that of the digits.
        facts = TrainingFacts(self._curvature() if self._network.own else None)
        run = LiveRun(
            task.model, None, self.draw, self._view.look, lr=panel.lr, facts=facts, share=_SHOWN, budget=_SHOWN
        )
        self._trained = task.model
        self._take(run)
        run.open()
        work = training(task, run, lr=panel.lr, steps=panel.steps, seed=settings.seed)
        self._frame.busy.begin(known=True)
        self._demonstration.begin(work)

    def finish(self) -> None:
        """Run the rest of the demonstration now."""
        self._demonstration.finish()

    def _demonstrated(self, result: str) -> None:
        """End the training of the demonstration, with its result in words; "" if it failed."""
        self._view.result = result or self._view.result
        self._frame.busy.hide()
        run = self.run
        if run is not None:
            run.close()
            self._draw_last(run)

    @property
    def _steps_taken(self) -> str:
        """How many steps the training has taken, in words."""
        return counted(0 if self.run is None else self.run.monitor.steps, "step")

    # -- both ---------------------------------------------------------------------------------------------

    def _turn_to_training(self) -> None:
        """Show the view of trainings and stop the demonstration; if that is refused, no training has begun."""
        self._panel.view = self._view.name
        self.stop()

    def _take(self, run: LiveRun) -> None:
        self._view.begin(run)
        self._draw_last(run)

    def _draw_last(self, run: LiveRun) -> None:
        """Draw the last picture of a training; failures are shown."""
        if at_home():
            self._errors.attempt(lambda: self.draw(run, last=True))
        else:
            run.look()
            self._turns.owe("last picture", lambda: self._errors.attempt(lambda: self.draw(run, last=True)))

    def draw(self, run: LiveRun, *, last: bool = False) -> bool:
        """Update the picture to a training; return whether that was done."""
        if run is not self.run:
            return False
        if not last and not self._demonstration.runs:
            self._read()
        if self._panel.view != self._view.name or not (last or self._frame.canvas.free()):
            return False
        run.look()
        self._view.stage.paint(settled=last)
        return True

    def stop_loop(self) -> bool:
        """Make `track` end at the next batch, from any thread; return whether a loop is running."""
        run = self.run
        if run is None or not run.active or self._demonstration.runs:
            return False
        run.stopped = True
        return True

    def stop(self) -> bool:
        """Stop the demonstration; return whether it was running."""
        return self._demonstration.stop()

    def close(self) -> None:
        """Free everything; the user's loop continues without being watched."""
        self._forget_cell()
        self._trained = None
        self._demonstration.drop()
        if self.run is not None:
            self.run.close()


def _batches(done: int, total: int | None) -> str:
    return f"{done:,} of {counted(total, 'batch')}" if total else counted(done, "batch")


def _ended_by(failure: BaseException, when: str) -> str:
    if isinstance(failure, KeyboardInterrupt):
        return f"Interrupted after {when}."
    return f"✗ After {when} the loop raised {_said(failure)}"


def _said(failure: BaseException) -> str:
    words = " ".join(str(failure).split())
    return f"{type(failure).__name__}: {words:.200}" if words else type(failure).__name__
