"""Functions that can run to their end or in slices, written once: one body, one docstring."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import ParamSpec, Protocol, TypeVar, cast, get_args

from gradwidgets.core.results.result import Result
from gradwidgets.core.results.slices import Slices, finish
from gradwidgets.core.subject.held.held import Held
from gradwidgets.core.subject.home import at_home
from gradwidgets.core.subject.untouched import Untouched

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R", bound=Result)
T_co = TypeVar("T_co", covariant=True)


class Sliced(Protocol[P, T_co]):
    """A function that runs to its end when called, with a sliced variant.

    Attributes:
        in_slices: The same in slices: it yields the fraction done, 0 to 1, about every 20 ms of work, or after a piece
            that cannot be split, and returns the result; errors are raised by `next`.
    """

    __name__: str

    def __call__(self, *arguments: P.args, **keywords: P.kwargs) -> T_co:
        """Run it to its end."""

    @property
    def in_slices(self) -> Callable[P, Slices[T_co]]:
        """The same in slices."""


def sliced(work: Callable[P, Slices[T]]) -> Sliced[P, T]:
    """Decorate a generator to make a function that runs it to its end; the generator itself is its `in_slices`."""
    return _whole(work, work, lambda *arguments, **keywords: finish(work(*arguments, **keywords)))


def measured(
    roots: Callable[[Mapping[str, object]], tuple[object, ...]],
) -> Callable[[Callable[P, Slices[R]]], Sliced[P, R]]:
    """Like `sliced`, for measurements of a model: the result includes the proof that the model is unchanged.

    When run to its end, all changes are undone. In slices, others may use the model in between: nothing is restored,
    and the proof lists what has changed since the start.

    Args:
        roots: Returns what must stay unchanged, from the arguments of a call by name.
    """

    def of_call(
        work: Callable[P, Slices[R]], *arguments: P.args, **keywords: P.kwargs
    ) -> tuple[Slices[R], tuple[object, ...]]:
        steps = work(*arguments, **keywords)  # first, for the usual error about missing arguments
        return steps, roots(inspect.signature(work).bind(*arguments, **keywords).arguments)

    def decorated(work: Callable[P, Slices[R]]) -> Sliced[P, R]:
        def at_once(*arguments: P.args, **keywords: P.kwargs) -> R:
            steps, held = of_call(work, *arguments, **keywords)
            with Untouched(*held) as block, block.again():
                result = finish(steps)
            return replace(result, certificate=block.certificate)

        def in_slices(*arguments: P.args, **keywords: P.kwargs) -> Slices[R]:
            steps, held = of_call(work, *arguments, **keywords)
            before = Held(*held)
            result = yield from steps
            return replace(result, certificate=before.compare())

        return _whole(work, functools.wraps(work)(in_slices), at_once)

    return decorated


def _whole(work: Callable[P, Slices[T]], in_slices: Callable[P, Slices[T]], at_once: Callable[P, T]) -> Sliced[P, T]:
    whole = at_home(functools.wraps(work)(at_once))
    signature = inspect.signature(work)
    result = get_args(signature.return_annotation)[-1]
    whole.__signature__ = signature.replace(return_annotation=result)  # type: ignore[attr-defined]  # of functions
    whole.__annotations__ = {**whole.__annotations__, "return": result}
    whole.in_slices = at_home(in_slices)  # type: ignore[attr-defined]  # the attribute that makes it `Sliced`
    return cast(Sliced[P, T], whole)
