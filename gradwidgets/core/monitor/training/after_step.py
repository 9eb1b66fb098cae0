"""What is done to gradients after a step, when it is too late: a clip that comes behind optimizer.step()."""

from collections.abc import Sequence

from torch import Tensor

from gradwidgets.core.monitor.owners import Owned
from gradwidgets.core.monitor.training.thrown import is_dense

_STEPS = 48  # that are looked at
_FEW, _SMALL = 8, 1 << 16  # numbers of a gradient that is held until the next step: one by itself has no direction
_ALONG = 1e-4  # below a cosine of 1


class AfterStep:
    """Holds one small gradient from a step until the next, and sees whether it is multiplied by a number meanwhile.

    `zero_grad` lets it go, or fills it with zeros: what is left multiplied has been clipped, or scaled, after the step.
    """

    def __init__(self) -> None:
        self.of = self.times = self.shorter = 0
        self.forget()

    def forget(self) -> None:
        """Let go of the gradient."""
        self._held: tuple[Tensor, int, Tensor] | None = None

    def ended(self, owned: Sequence[Owned]) -> None:
        """A step is over."""
        if self.of >= _STEPS:
            return
        some = (one.parameter for one in reversed(owned) if one.plain and _FEW <= one.size <= _SMALL)
        parameter = next(filter(is_dense, some), None)
        if parameter is not None:
            gradient = parameter.grad
            self._held = gradient, gradient._version, gradient.clone()

    def begins(self) -> None:
        """The next one is about to come."""
        held, self._held = self._held, None
        if held is None:
            return
        gradient, version, before = held
        other = before.reshape(-1).double()
        was = float(other.norm())
        if not 0 < was < float("inf"):
            return  # one of zeros stays what it is, whatever it is multiplied with
        self.of += 1
        # Filled with zeros and written to by the next pass, it says nothing of what came before.
        if gradient._version != version + 1:
            return
        one = gradient.reshape(-1).double()
        size = float(one.norm())
        if not 0 < size < float("inf") or not size <= was * (1 + _ALONG):
            return
        self.times += float(one @ other) >= (1 - _ALONG) * size * was
        self.shorter += size < (1 - 1e-3) * was

    @property
    def told(self) -> dict[str, int]:
        """At how many "steps" "of" those looked at it was so, and how often it was "shorter" then; or nothing."""
        return {"of": self.of, "steps": self.times, "shorter": self.shorter} if self.times else {}
