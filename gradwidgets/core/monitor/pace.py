"""When to sample, so that looking costs no more than a share of the training."""

import math
import time

from gradwidgets.core.monitor.training.parts.own_steps import InTurn

_STEP_WEIGHT = 0.1  # of the newest in the running mean of a step's time
_COST_WEIGHT = 0.3
_AIM = 0.7  # of the budget: what a sample drives out of the caches is paid for outside it
_HASTE = 10.0  # times the budget, while the grace lasts
_SPARSE = 1.3  # times the steps so far, to the next sample at most, while there is a grace
_DOZEN, _EACH = 12, 2  # samples that the grace is good for, and the steps from one to the next of them at most
_FIRST = 5  # samples, each of which may cost as much as the grace
_OUTLIER = 4.0  # times the running mean: a validation between two steps is no step
_CYCLES = (2, 3, 4, 5, 6)  # steps after which a loop may begin anew: a critic's five and the generator's one, say
_CROWDED = 1.3  # times its share of the latest samples: a turn that is waited past, if others can be had soon
_RECENT = 0.05  # of the newest sample in those shares


class Pace:
    """Chooses the steps that are sampled and adds up what the samples cost.

    The first step is always sampled. With "auto" a sample is due when the training has lasted long enough since the
    start for all samples' cost, the next one included, to lie within the budget; and samples are never closer than
    one sample's cost allows, so that time earned in a long validation is not spent at once. With a grace, the first
    sample, which pays for what is done once, is none of the budget's; a dozen are taken at the start, one every other
    step or so, if that many of the cheapest so far are within the grace, however slow a busy machine makes the others;
    and where a sample costs less than a step, some are spread over all of the training: the more seldom the longer it
    is. Steps may come in turns, as those of two optimizers do: so that no stride falls in with them, "auto" waits up to
    half as long again where the turn that is due has had more than its share of the latest samples. Where several
    optimizers are watched, a number of steps is counted among each one's own, and "auto" waits a few steps for one
    that has been sampled less than the others.

    Args:
        every: Steps from one sample to the next, or "auto".
        budget: The largest share of cost in training time, for "auto".
        grace: Seconds of cost that the budget does not count, spent at up to ten times its rate.

    Attributes:
        due: The number of the next step to be sampled, from 1; None while a first step has yet to be timed.
        spent: Seconds that looking has cost.
    """

    def __init__(self, every: int | str, budget: float, grace: float = 0.0) -> None:
        self.every, self.budget, self.grace = every, budget, grace
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
        self._first_cost = True
        self._once, self._least = 0.0, math.inf
        self._seen = {cycle: [1 / cycle] * cycle for cycle in _CYCLES}
        self._count = 0  # samples

    def start(self) -> None:
        """Begin to measure time."""
        self._since, self._last = time.perf_counter(), None

    def stop(self) -> None:
        """Measure no more time until the next start."""
        if self._since is not None:
            self._elapsed += time.perf_counter() - self._since
        self._since = None

    @property
    def share(self) -> float:
        """Cost so far in the time of training without it; NaN before any time has passed."""
        return self.share_with(0.0)

    def share_with(self, once: float) -> float:
        """The same with seconds that were spent once, which the budget does not count."""
        spent = self.spent + once
        training = self.elapsed - spent
        return spent / training if training > 0 else math.nan

    @property
    def elapsed(self) -> float:
        """Seconds under watch."""
        return self._elapsed + (time.perf_counter() - self._since if self._since is not None else 0.0)

    def ask(self, step: int) -> None:
        """Have a step sampled, whatever the pace."""
        self.due = self._asked = step

    def takes(self, step: int, turns: InTurn | None = None) -> bool:
        """Whether a step that is about to come is sampled.

        Args:
            step: Its number.
            turns: The optimizers that are watched; None for one alone, whose steps are all there are.
        """
        if turns is None or not turns.are_several or step == self._asked:
            return step == self.due
        if self.every != "auto":
            return turns.takes_every(self.every)
        if turns.is_new():
            return True
        if step == self.due and turns.waits(step):
            self.due = step + 1
        return step == self.due

    def passed(self, step: int, begin: float, took: float, sampled: bool, turns: InTurn | None = None) -> None:
        """Note a step.

        Args:
            step: Its number.
            begin: When its hook began, by `time.perf_counter`.
            took: What it cost in seconds, work elsewhere in the step included.
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
            # The very first sample pays for what is done once.
            fresh = self._cost is None or self._first_cost
            self._first_cost = self._cost is None
            self._cost = took if fresh else self._cost + _COST_WEIGHT * (took - self._cost)
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
            # Half-way there it is seen how long the steps, and whatever lies between them, have really taken.
            self._review = None if self.due is None or self.every != "auto" else (step + self.due) // 2
        if self.every != "auto" and turns is not None and turns.are_several:
            self.due = step + 1 if turns.comes(step, self.every) else None
        self._last = time.perf_counter()

    def _next(self, step: int) -> int | None:
        if self.every != "auto":
            return step + self.every
        if self._cost is None:  # no sample could be taken yet
            return step + 1
        if not self._step_time:
            return None
        if self.grace and self._first_cost:
            return step + 1  # what a sample costs the second one will tell
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
        # What the first few cost may be a busy machine's fault, one and all.
        if self._count < _DOZEN and self._least <= (self.grace if self._count < _FIRST else self.grace / _DOZEN):
            due = min(due, max(step + 1, self._sampled + _EACH))
            last = min(last, due + 1)
        steps = range(due, max(due, last) + 1)
        return next((one for one in steps if self._crowd(one) <= _CROWDED), min(steps, key=self._crowd))

    def _crowd(self, step: int) -> float:
        """The share of its turn in the latest samples as a multiple of an even one, in the cycle where it is most."""
        return max(cycle * shares[step % cycle] for cycle, shares in self._seen.items())
