"""The gradient noise scale as a result."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gradwidgets.core.results.result import Result
from gradwidgets.core.results.wording import number
from gradwidgets.core.subject.held.certificate import Certificate

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False, repr=False)
class NoiseScale(Result):
    """B = tr Σ / |G|² (McCandlish et al. 2018): Σ the covariance of single samples' gradients, G their mean.

    Attributes:
        value: B, in samples: a batch of B has as much noise as gradient. NaN if it could not be measured, see `reason`.
        low: The lower end of its 95 % interval; the only information if |G|² cannot be distinguished from 0.
        high: The upper end; infinite in that case.
        trace: tr Σ, unbiased.
        squared_norm: |G|², unbiased; can be negative by chance.
        samples: The number of samples used.
        small: The number of samples in a group whose gradient was computed.
        large: The number of samples in a batch of groups.
        method: How it was measured, and the kind of interval.
        note: Remarks on the numbers.
        reason: Why there is no value; "" if there is one.
        certificate: The proof that the model is unchanged. In slices, where others may use the model in between,
            nothing is restored at the end.
    """

    value: float
    low: float
    high: float
    trace: float
    squared_norm: float
    samples: int
    small: int
    large: int
    method: str
    note: str = ""
    reason: str = ""
    certificate: Certificate | None = field(default=None, compare=False, repr=False)

    @property
    def sentence(self) -> str:
        """The noise scale in words."""
        if self.reason:
            least = f" It is at least about {_samples(self.low)}." if self.low >= 1 else ""
            return f"No noise scale: {self.reason}.{least}"
        between = f"({_samples(self.low)} to {_samples(self.high)})"
        if self.high < 1.5:
            return f"Single samples agree on the gradient, B = {number(self.value, 2)}: larger batches help little."
        return (
            f"A batch of about {_samples(self.value)} {between} has as much noise as gradient; larger batches help "
            "little beyond it."
        )

    def to_dict(self) -> dict[str, Any]:
        """All fields and the sentence, ready for `json.dumps`."""
        return {**super().to_dict(), "sentence": self.sentence}

    def to_frame(self) -> "pandas.DataFrame":
        """A pandas DataFrame with the fields in one row."""
        import pandas

        return pandas.DataFrame([self.to_dict()])


def _samples(count: float) -> str:
    return number(count, 2) if count < 10 else number(float(round(count)), 6 if count < 1000 else 3)
