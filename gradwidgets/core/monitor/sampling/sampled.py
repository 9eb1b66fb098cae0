"""The results of a sampler: its record, its notes, and facts about the model."""

from typing import Any

from gradwidgets.core.monitor.history import History
from gradwidgets.core.monitor.kept_rows import Columns, Record
from gradwidgets.core.monitor.owners import LayerTable
from gradwidgets.core.monitor.quantities import Sample
from gradwidgets.core.monitor.sampling.notes import Notes
from gradwidgets.core.monitor.sampling.observers import Observers
from gradwidgets.core.monitor.sampling.unmoved import Untrained
from gradwidgets.core.monitor.training.first_pass import FirstLook
from gradwidgets.core.monitor.training.given.last_batch import Given
from gradwidgets.core.monitor.training.noted_loss import Losses
from gradwidgets.core.monitor.training.parts.own_steps import InTurn


class Sampled:
    """The part of a `Sampler` that answers questions."""

    notes: Notes
    observers: Observers
    untrained: Untrained
    batch: float
    waiting: int
    noted: int
    late: int
    begun: int
    _table: LayerTable
    _columns: Columns
    _table_notes: dict[str, str]
    _outputs: int
    _record: Record
    _lrs: dict[int, float | None]

    def __len__(self) -> int:
        """How many samples are kept."""
        return len(self._record)

    @property
    def lr(self) -> float | None:
        """The learning rate of plain gradient descent; None for other optimizers, or where there are several rates."""
        rates = set(self._lrs.values())
        return rates.pop() if len(rates) == 1 else None

    @property
    def about(self) -> tuple[float, ...]:
        """The batch that the next step is of, and what guesses cost there, as in `Losses`."""
        return self.batch, *self.observers.targets.cost

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return len(self._columns.layers)

    @property
    def turns(self) -> InTurn | None:
        """The optimizers that step; None where only one is watched."""
        return self.observers.steppers.turns

    @property
    def sentences(self) -> tuple[str, ...]:
        """All notes."""
        return tuple({**self._table_notes, **self.notes, **self.untrained.sentences}.values())

    @property
    def opaque(self) -> str:
        """Why hooks do not run: "compiled" or "scripted"; "" where they do."""
        return self._table.opaque

    def history(self, losses: Losses, first: FirstLook | None, given: Given) -> History:
        """All samples, the losses that were noted, and what was seen of the first pass."""
        untrained = self.untrained
        more: dict[str, Any] = self.observers.fields | {
            "unheld": untrained.unheld,
            "missing": untrained.missing,
            "strays": untrained.unlisted,
            "cut": dict(untrained.cut.found),
            "outputs": self._outputs,
            "waiting": self.waiting,
            "bad_pass": given.bad_pass,
            "answers": given.answers.told,
        }
        more |= {"noted_steps": losses.steps, "noted_losses": losses.values, "noted_batches": losses.batches}
        more |= {f"noted_{name}": getattr(losses, name) for name in ("entropies", "rates", "variances")}
        more["optimizers"] = self.observers.optimizers | {
            "noted": self.noted,
            "late": self.late,
            "begun": self.begun,
            "renewed": bool({"replaced", "added"} & set(self._table_notes)),
            "replaced": "replaced by" in self.notes,
            "failed": self.notes.get("failed", ""),
        }
        if aside := given.answers.without_graph:
            more["parts"]["no_graph"] = aside
        if first is not None:
            more["size"] = max(more["size"], first.size)
            more |= {"preflight": first.told_of(more["chance"]), "looked_at": first.seen, "unseen": first.unseen}
            more |= {"of_loss": first.made, "span": first.span, "first_output": first.output}
        return self._record.history(self._columns, self.sentences, **more)

    @property
    def latest(self) -> Sample | None:
        """The newest sample; None before the first."""
        return self._record.latest(self._columns, self.sentences)
