"""Changes of gradients after a step, when it is too late: a clip that comes after optimizer.step()."""

from collections.abc import Sequence

from torch import Tensor

from gradwidgets.core.monitor.owners import Owned
from gradwidgets.core.monitor.training.thrown import dense_gradient

_STEPS = 48  # steps that are looked at
_FEW, _SMALL = 8, 1 << 16  # numbers of a gradient that is held until the next step: a single one has no direction
_ALONG = 1e-4  # how far a cosine may be below 1


class AfterStep:
    """Holds one small gradient from a step until the next, and checks whether it was multiplied by a number meanwhile.

    `zero_grad` sets it to None, or fills it with zeros: one that is multiplied has been clipped, or scaled, after the
    step.

    Attributes:
        of: How many steps were looked at.
        times: After how many of them the gradient was multiplied by a number.
        shorter: After how many of them it became shorter.
    """

    def __init__(self) -> None:
        self.of = self.times = self.shorter = 0
        self.forget()

    def forget(self) -> None:
        """Let go of the gradient."""
        self._held: tuple[Tensor, int, Tensor] | None = None

    def ended(self, owned: Sequence[Owned]) -> None:
        """Hold a gradient, as a step is over."""
        if self.of >= _STEPS:
            return
        some = (dense_gradient(one.parameter) for one in reversed(owned) if one.plain and _FEW <= one.size <= _SMALL)
        gradient = next((one for one in some if one is not None), None)
        if gradient is not None:
            self._held = gradient, gradient._version, gradient.clone()

    def begins(self) -> None:
        """Compare the gradient with what it was, as the next step is about to come."""
        held, self._held = self._held, None
        if held is None:
            return
        gradient, version, before = held
        other = before.reshape(-1).double()
        was = float(other.norm())
        if not 0 < was < float("inf"):
            return  # a gradient of zeros stays the same, whatever it is multiplied by
        self.of += 1
        # A gradient that was filled with zeros and written to by the next pass does not show what came before.
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
        """At how many "steps" "of" those looked at it was multiplied, and how often "shorter"; empty for none."""
        return {"of": self.of, "steps": self.times, "shorter": self.shorter} if self.times else {}
