"""When to sample, so that the samples cost no more than a share of the training's time."""

import math
import time

from gradwidgets.core.monitor.training.parts.own_steps import InTurn

_STEP_WEIGHT = 0.1  # weight of the newest step in the running mean of a step's time
_COST_WEIGHT = 0.3  # the same for a sample's cost
_AIM = 0.7  # of the budget: a sample also empties caches, which makes the steps after it slower
_HASTE = 10.0  # times the budget, while the grace lasts
_SPARSE = 1.3  # times the steps so far is the next sample at the latest, while there is a grace
_DOZEN, _EACH = 12, 2  # samples that the grace pays for, and the most steps from one of them to the next
_SHORT, _GAP = 200, 9  # steps at first, of which some twenty are sampled, and the most from one of them to the next
_SELDOM, _DEAR = 4, 20.0  # times that gap where samples cost more than the grace; times the grace, up to which
_FIRST = 5  # samples, each of which may cost as much as the grace
_OUTLIER = 4.0  # times the running mean: more is a validation between two steps, and no step
_CYCLES = (2, 3, 4, 5, 6)  # steps after which a loop may repeat, as five steps of a critic and one of a generator
_CROWDED = 1.3  # times its share of the latest samples: a turn with more is not sampled, if another comes soon
_RECENT = 0.05  # weight of the newest sample in those shares


class Pace:
    """Chooses the steps that are sampled and adds up what the samples cost.

    The first step is always sampled. With "auto" a sample is due when the training has lasted long enough since the
    start for the cost of all samples, the next one included, to be within the budget; and samples are never closer than
    the cost of one sample allows, so that time that a long validation adds is not used up at once. With a grace, the
    first sample, which includes work that is done only once, does not count for the budget; a dozen are taken at the
    start, about every second step, if twelve times the cost of the cheapest so far is within the grace, however slow a
    busy machine makes the others; of the first two hundred steps about every ninth at least, as long as the cheapest
    sample costs no more than the grace, so that what is seen of a short training hardly depends on the machine; and
    where a sample costs less than a step, some are spread over the whole training, fewer the longer it is. Steps may
    come in turns, as those of two optimizers do. So that the samples do not always fall on the same turn, "auto" waits
    up to half as long again where the turn that is due has had more than its share of the latest samples. Where several
    optimizers are watched, `every` counts each one's own steps, and "auto" waits a few steps for one that has been
    sampled less than the others.

    Args:
        every: Steps from one sample to the next, or "auto".
        budget: The largest share of cost in training time, for "auto".
        grace: Seconds of cost that the budget does not count, spent at up to ten times its rate.

    Attributes:
        every: Steps from one sample to the next; None for "auto".
        due: The number of the next step to be sampled, from 1; None before the first step was timed.
        spent: Seconds that the samples have cost.
    """

    def __init__(self, every: int | str, budget: float, grace: float = 0.0) -> None:
        self.every = every if isinstance(every, int) else None
        self.budget, self.grace = budget, grace
        self.due: int | None = 1
        self.spent = 0.0
        self._asked: int | None = None
        self._elapsed = 0.0  # in blocks that are over
        self._since: float | None = None
        self._last: float | None = None  # when the last step's hook was over
        self._step_time: float | None = None
        self._cost: float | None = None
        self._sampled = 0
        self._review: int | None = None
        self._first_cost = True  # whether the newest cost is that of the first sample
        self._once, self._least = 0.0, math.inf
        self._seen = {cycle: [1 / cycle] * cycle for cycle in _CYCLES}
        self._count = 0  # samples

    def start(self) -> None:
        """Start to measure time."""
        self._since, self._last = time.perf_counter(), None

    def stop(self) -> None:
        """Measure no more time until the next start."""
        if self._since is not None:
            self._elapsed += time.perf_counter() - self._since
        self._since = None

    @property
    def share(self) -> float:
        """The cost so far as a share of the training's time without it; NaN before any time has passed."""
        return self.share_with(0.0)

    def share_with(self, once: float) -> float:
        """The same share, with more seconds of work that is done only once and that the budget does not count."""
        spent = self.spent + once
        training = self.elapsed - spent
        return spent / training if training > 0 else math.nan

    @property
    def elapsed(self) -> float:
        """Seconds for which the training was watched."""
        return self._elapsed + (time.perf_counter() - self._since if self._since is not None else 0.0)

    def ask(self, step: int) -> None:
        """Ask for a sample of a step, whatever the pace."""
        self.due = self._asked = step

    def takes(self, step: int, turns: InTurn | None = None) -> bool:
        """Whether a step that is about to come is sampled.

        Args:
            step: Its number.
            turns: The optimizers that are watched; None where there is only one.
        """
        if turns is None or not turns.are_several or step == self._asked:
            return step == self.due
        if self.every is not None:
            return turns.takes_every(self.every)
        if turns.is_new():
            return True
        if step == self.due and turns.waits(step):
            self.due = step + 1
        return step == self.due

    def passed(self, step: int, begin: float, took: float, sampled: bool, turns: InTurn | None = None) -> None:
        """Count a step and its cost, and choose the next one to sample.

        Args:
            step: Its number.
            begin: When its hook began, by `time.perf_counter`.
            took: Seconds that it cost, in the hook and elsewhere in the step.
            sampled: Whether it was sampled.
            turns: As in `takes`.
        """
        if sampled and turns is not None:
            turns.is_sampled()
        self.spent += took
        if self._last is not None:
            gap = begin - self._last
            if self._step_time is None:
                self._step_time = gap
            else:
                self._step_time += _STEP_WEIGHT * (min(gap, _OUTLIER * self._step_time) - self._step_time)
        if sampled:
            # The very first sample includes work that is done only once.
            cost, fresh = self._cost, self._first_cost
            self._first_cost = cost is None
            self._cost = took if cost is None or fresh else cost + _COST_WEIGHT * (took - cost)
            self._sampled = step
            for cycle, shares in self._seen.items():
                shares[:] = [
                    share * (1 - _RECENT) + _RECENT * (step % cycle == turn) for turn, share in enumerate(shares)
                ]
            self._count += 1
            self._least = math.inf if self._first_cost else min(self._least, took)
            if self._first_cost and self.grace:
                self._once = took
        if sampled or self.due is None or self.due <= step or step == self._review:
            self.due = self._next(step)
            # Half-way there it is known how long the steps, and what lies between them, have really taken.
            self._review = None if self.due is None or self.every is not None else (step + self.due) // 2
        if self.every is not None and turns is not None and turns.are_several:
            self.due = step + 1 if turns.comes(step, self.every) else None
        self._last = time.perf_counter()

    def _next(self, step: int) -> int | None:
        if self.every is not None:
            return step + self.every
        if self._cost is None:  # no sample could be taken yet
            return step + 1
        if not self._step_time:
            return None
        if self.grace and self._first_cost:
            return step + 1  # the second sample shows what a sample costs
        aim = _AIM * self.budget
        earned = aim * self._step_time  # a step
        owed = self.spent - self._once + self._cost - self.grace
        if owed <= 0:
            due = self._sampled + math.ceil(self._cost / min(_HASTE * earned, self._step_time))
        else:
            debt = owed - aim * (self.elapsed - self.spent)
            due = max(self._sampled + math.ceil(self._cost / earned), step + math.ceil(debt / earned))
        due = max(step + 1, due)
        last = due + min(max(_CYCLES) - 1, (due - self._sampled) // 2)
        if self.grace and self._least < self._step_time:
            last = min(last, max(step, math.ceil(_SPARSE * self._sampled)) + 1)
            due = min(due, last)
        # A busy machine may have made all of the first few samples expensive.
        if self._count < _DOZEN and self._least <= (self.grace if self._count < _FIRST else self.grace / _DOZEN):
            due = min(due, max(step + 1, self._sampled + _EACH))
            last = min(last, due + 1)
        if self.grace and step < _SHORT and self._least <= _DEAR * self.grace:
            # A single cost above the grace may be the machine's, and another sample shows it.
            gap = _GAP if self._least <= self.grace else _SELDOM * _GAP
            due = min(due, max(step + 1, self._sampled + gap))
            last = min(last, due + 1)
        steps = range(due, max(due, last) + 1)
        return next((one for one in steps if self._crowd(one) <= _CROWDED), min(steps, key=self._crowd))

    def _crowd(self, step: int) -> float:
        """How many times its even share of the latest samples a step's turn has had: the most of all cycles."""
        return max(cycle * shares[step % cycle] for cycle, shares in self._seen.items())
