"""Terms of a loss that a detach cuts off from the model, and that still train something else."""

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor
from torch.autograd.graph import Node
from torch.utils import _pytree as pytree

from gradwidgets.core.losses.graph import variable_of
from gradwidgets.core.operations.watching import plain_name
from gradwidgets.core.results.finding import Finding
from gradwidgets.core.results.wording import counted, number
from gradwidgets.core.subject.user_code import place_of_call

ELSEWHERE = "term_elsewhere"
_ALONG = ("mul", "div", "neg", "view", "squeeze", "mean", "sum")
_MOST = 20_000  # operations that are looked at
_ACTION = (
    "Nothing, if it is to train the other alone, as the loss of a critic or of a probe does: an optimizer then has to "
    "hold those parameters. Else leave the detach out."
)


class Elsewhere:
    """Follows what a loss computes of detached outputs.

    Args:
        names: The names of the model's parameters, by id.

    Attributes:
        begun: Whether an output was detached, so that calls have to be followed.
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        self._names, self.begun = names, False
        self._cut: dict[int, tuple[Tensor, str]] = {}  # what comes of a detached output, with the detach's place
        self._nodes: dict[Node, str] = {}
        self._others: list[Node] = []  # what else is detached

    def see(self, name: str, given: Sequence[Tensor], result: object, is_output: bool) -> None:
        """A call was made.

        Args:
            name: The function.
            given: The tensors among its arguments.
            result: Its result.
            is_output: Whether it was given what depends on the model's output.
        """
        if name == "detach" and given:
            node = given[0].grad_fn
            if not is_output:
                self._others += [] if node is None else [node]
            elif isinstance(result, Tensor) and node is not None:
                self._cut[id(result)], self.begun = (result, place_of_call()), True
            return
        cut = next((self._cut[id(one)] for one in given if id(one) in self._cut), None)
        for one in () if cut is None else pytree.tree_leaves(result):
            if cut is not None and isinstance(one, Tensor):
                self._cut[id(one)] = one, cut[1]
                if one.grad_fn is not None:
                    self._nodes[one.grad_fn] = cut[1]

    def findings(self, loss: Tensor) -> list[Finding]:
        """Report the first term with a detached output that trains only what is not the model's.

        None where another term leads through the same parameters to the model, or has them detached in turn: it is
        then on purpose that each term trains a side.
        """
        if not self._nodes or loss.grad_fn is None or not self._names:
            return []
        terms = [(node, *self._behind(node)) for node in _terms(loss.grad_fn)]
        ours = [leaves for _, leaves, _ in terms if set(leaves) & set(self._names)]
        detached = {key for one in self._others for key in self._behind(one)[0]}
        for _, leaves, place in terms:
            if not place or not leaves or set(leaves) & set(self._names) or not ours:
                continue
            if not set(leaves) & detached and not any(set(leaves) & set(other) for other in ours):
                return [_told(leaves, place, len(terms))]
        return []

    def _behind(self, root: Node) -> tuple[dict[int, int], str]:
        """Return the sizes of the tensors behind an operation, by their ids, and the place of a detach behind it."""
        seen, waiting, leaves, place = {root}, [root], dict[int, int](), ""
        while waiting and len(seen) < _MOST:
            node = waiting.pop()
            place = place or self._nodes.get(node, "")
            if (leaf := variable_of(node)) is not None:
                leaves[id(leaf)] = leaf.numel()
            new = {one for one, _ in node.next_functions if one is not None and one not in seen}
            seen |= new
            waiting += new
        return leaves, place


def _terms(node: Node) -> Iterator[Node]:
    """Yield the numbers that are added up to a loss."""
    before = [one for one, _ in node.next_functions if one is not None]
    alone = all(one._input_metadata and tuple(one._input_metadata[0].shape) == () for one in before)
    if plain_name(node.name()) in ("add", "sub") and len(before) > 1 and alone:
        for one in before:
            yield from _terms(one)
    elif len(before) == 1 and plain_name(node.name()) in _ALONG and alone:
        yield from _terms(before[0])
    else:
        yield node


def _told(leaves: Mapping[int, int], place: str, terms: int) -> Finding:
    many, size = len(leaves), sum(leaves.values())
    message = (
        f"one of the {terms} terms of the loss trains nothing of the model: what it takes of the output is detached"
        f"{f' ({place})' if place else ''}; its gradient comes to {counted(many, 'tensor')} of {number(size)} numbers "
        "that are not the model's"
    )
    evidence = {"tensors": many, "terms": terms, "threshold": 0}
    return Finding(ELSEWHERE, "info", message, evidence, action=_ACTION)
