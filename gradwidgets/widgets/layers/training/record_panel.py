"""A saved record of a training, shown like a running one in the live view, without a model."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, TypeGuard

import ipywidgets as widgets
from traitlets import Bunch, TraitError, validate

from gradwidgets.core.layers import LayerFlow
from gradwidgets.core.monitor.history import History
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.slices import Slices
from gradwidgets.widgets.controls import Looks
from gradwidgets.widgets.layers.curvature import Part
from gradwidgets.widgets.layers.network_settings import NetworkChoices
from gradwidgets.widgets.layers.panel import LayerFlowPanel
from gradwidgets.widgets.layers.scene import VIEWS
from gradwidgets.widgets.layers.training.kept_run import KeptRun, names_of_two, record_of
from gradwidgets.widgets.layers.training.live import LiveView
from gradwidgets.widgets.layers.training.live_scene import DASHED
from gradwidgets.widgets.layers.training.live_verdict import TrainingFacts
from gradwidgets.widgets.layers.training.recorded import held_quantities, not_held
from gradwidgets.widgets.layers.view import Request, Stage, View, ViewResult
from gradwidgets.widgets.panel.traits import OneOf

_NO_MODEL = "a record is shown here, without a model: LayerFlowPanel(model, inputs, targets, loss_fn) shows one"


class RecordView(LiveView):
    """The view of a training that has ended."""

    about = "a training that was recorded"
    names = ("quantity", "measure")
    folded = (("measure",),)
    named = True

    panel: RecordPanel
    run: KeptRun

    def __init__(self, panel: RecordPanel, stage: Stage) -> None:
        super().__init__(panel, stage)
        self.run = panel.kept

    def extras(self, looks: Looks) -> list[widgets.Widget]:
        """Return a description of what is shown."""
        name, other = self.panel.record_names
        said = f"<b>{html.escape(name)}</b>, a record" if name else "A record"
        said += f"; in dashes <b>{html.escape(other)}</b>, {DASHED}" if other else ""
        return [self.hint(looks, f'<div class="note">{said}. A click on a layer follows it alone.</div>')]

    def code(self) -> list[str]:
        """Read the record, or both records, and judge."""
        panel, facts = self.panel, self.run.verdict.facts
        records = dict(
            zip(("history", "other") if facts.beside is not None else ("history",), panel.given, strict=False)
        )
        needed = ["compare_records"] * (len(records) > 1) + ["diagnose"]
        if any(map(_is_path, records.values())):
            needed.insert(0, "GradientHistory")
        known = {"max_norm": facts.max_norm, "classes": facts.classes}
        given = "".join(f", {name}={value!r}" for name, value in known.items() if value is not None)
        lines = [f"from gradwidgets.core import {', '.join(needed)}", ""]
        lines += [_loaded(name, record) for name, record in records.items()]
        if len(records) > 1:
            lines.append(f"print(compare_records(history, other, names={facts.names!r}).sentence)")
        return [*lines, f"for finding in diagnose(history{given}):", "    print(finding)", "print(history.to_frame())"]


class RecordPanel(LayerFlowPanel):
    """A record of a training, with the pictures and the verdict of the live view; see `LayerFlowPanel.of_record`.

    Args:
        record: A `GradientHistory`, a `GradientMonitor`, or the path of a file that `history.save` wrote.
        beside: Another record, drawn in dashes beside it; None for none.
        max_norm: The norm that the gradient was clipped to, for the verdict.
        classes: The number of classes, for the verdict.
        **settings: The settings of `LayerFlowPanel` that the live view uses.

    Attributes:
        kept: The record, in the form of a training that has ended.
        record_names: The names of the record and of the one beside it; "" for none.
        given: The arguments `record` and `beside`.
    """

    _view_types: ClassVar[Mapping[str, type[View]]] = {**VIEWS, "live": RecordView}
    _maker: ClassVar[str] = "LayerFlowPanel.of_record"
    _file_name = "gradwidgets-record"
    view = OneOf("live", lambda self: self._offered, help=LayerFlowPanel.view.help).tag(setting=True)

    def __init__(
        self,
        record: object,
        *,
        beside: object = None,
        max_norm: float | None = None,
        classes: int | None = None,
        **settings: Any,
    ) -> None:
        first = record_of(record)
        second = None if beside is None else record_of(beside, "beside")
        names = names_of_two(first.name, "" if second is None else second.name)
        self.record_names = (first.name, "") if second is None else names
        facts = TrainingFacts(max_norm=max_norm, classes=classes)
        if second is not None:
            facts = replace(facts, beside=second.history, names=names, grows=False)
        self.kept = KeptRun(first, facts)
        self.given = record, beside
        super().__init__(**settings)

    @property
    def _offered(self) -> tuple[str, ...]:
        """The names of the views: there is one."""
        return ("live",)

    @property
    def _quantities(self) -> tuple[str, ...]:
        """The quantities that the record holds."""
        return held_quantities(self.history)

    @validate("quantity")
    def _only_what_is_held(self, proposal: Bunch) -> str:
        if proposal.value not in self._quantities:
            held = ", ".join(map(repr, self._quantities))
            raise TraitError(f"quantity must be one of {held} for this record: {not_held(proposal.value)}")
        return proposal.value

    @validate("predict")
    def _nothing_is_guessed(self, proposal: Bunch) -> bool:
        if proposal.value:
            raise TraitError("predict must be False: there is nothing to guess in a record")
        return proposal.value

    @property
    def history(self) -> History:
        """The record."""
        return self.kept.monitor.history

    @property
    def monitor(self) -> None:
        """None: a record has no monitor, and `history` is what it recorded."""

    @property
    def findings(self) -> list[Finding]:
        """The verdict on the record; the same as `training_findings`."""
        return self.training_findings

    @property
    def flow(self) -> LayerFlow:
        """Raise a ValueError: a record holds no measurements of a model.

        Raises:
            ValueError: Always.
        """
        raise ValueError(_NO_MODEL)

    def train(self, *, wait: bool = False) -> None:
        """Raise a ValueError: there is nothing to train.

        Raises:
            ValueError: Always.
        """
        raise ValueError(_NO_MODEL)

    def measure_curvature(self, *parts: str) -> dict[str, Part]:
        """Raise a ValueError: there is nothing to measure.

        Raises:
            ValueError: Always.
        """
        raise ValueError(_NO_MODEL)

    def apply_fix(self) -> None:
        """Raise a ValueError: there is nothing to fix.

        Raises:
            ValueError: Always.
        """
        raise ValueError(_NO_MODEL)

    undo_fix = measure_again = apply_fix

    def code(self) -> str:
        """Return a script that reads the record and judges it."""
        return "\n".join(self.views["live"].code()) + "\n"

    def _compute(self, settings: Request) -> Slices[ViewResult]:
        return ViewResult(settings, None)
        yield

    def _selectable(self, result: ViewResult) -> int:
        return len(self.history.layers)

    def _make_settings(self, *given: Any) -> RecordChoices:
        record, beside = self.given
        more = {} if beside is None else {"": f"beside={_as_text(beside, 'other')}"}
        arguments = {"view": _as_text(record, "history"), **more}
        return RecordChoices(arguments, self._network, self._pins, lambda: self._guessing.covered, self, *given)


class RecordChoices(NetworkChoices):
    """The settings of a panel that shows a record.

    Args:
        arguments: The record and the one beside it, as text.
        *given: The arguments of `NetworkChoices`.
    """

    def __init__(self, arguments: Mapping[str, str], *given: Any) -> None:
        super().__init__(*given)
        self._arguments = arguments

    def arguments(self) -> dict[str, str]:
        """Return the record, and the one beside it, as text."""
        return dict(self._arguments)


def _as_text(record: object, name: str) -> str:
    """Return a path as Python code; for anything else, the name of a variable."""
    return repr(os.fspath(record)) if _is_path(record) else name


def _is_path(record: object) -> TypeGuard[str | os.PathLike[str]]:
    return isinstance(record, (str, os.PathLike))


def _loaded(name: str, record: object) -> str:
    """Return the line of a script that reads a record; for one that came from no file, a comment on the name."""
    if _is_path(record):
        return f"{name} = GradientHistory.load({os.fspath(record)!r})"
    return f"# {name} is a record of yours that came from no file: a GradientHistory, such as monitor.history."


LayerFlowPanel._for_records = RecordPanel  # panel.py cannot import its subclass
