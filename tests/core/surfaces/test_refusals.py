"""What cannot be asked is refused in a sentence that names it, and a hint stands only where it helps."""

import pytest
import torch
from torch.nn import functional as F

from gradwidgets import check_loss
from gradwidgets.core.losses.loss_call import LossError

VIEW = {"a": (-1.0, 1.0), "b": (-1.0, 1.0)}
LABELS = torch.tensor([0])


def bowl(a, b):
    return a**2 + b**2


async def later(a, b):
    return a + b


REFUSED = {
    "a probe without a name": ({"probes": {None: (0, 0)}}, TypeError, "names in probes must be strings; got None"),
    "a probe beyond floats": ({"probes": {"far": (10**400, 0)}}, ValueError, "must be finite numbers"),
    "a probe that is NaN": ({"probes": {"now": (float("nan"), 0)}}, ValueError, "must be finite numbers"),
    "a target in a word": ({"target": "min"}, TypeError, "must be a point, a box or a function; got 'min'"),
    "a target of no names": ({"target": {}}, ValueError, "must name a, b; got none"),
    "a target that is NaN": ({"target": (float("nan"), 0)}, ValueError, "one is NaN"),
    "a target of other names": ({"target": lambda x, y: x > y}, TypeError, "takes a, b by name; this one does not"),
    "a target beyond floats": ({"target": (10**400, 0)}, ValueError, "lies nowhere in view"),
}


@pytest.mark.parametrize(("keywords", "kind", "words"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_refused_by_name(keywords, kind, words):
    with pytest.raises(kind, match=words):
        check_loss(bowl, VIEW, resolution=9, **keywords)


def test_axes_beyond_floats_or_without_names_are_refused():
    with pytest.raises(ValueError, match=r"axes\['a'\] is wider than a float can represent"):
        check_loss(bowl, {"a": (0, 10**400), "b": (0, 1)})
    with pytest.raises(TypeError, match="names in axes must be strings, the loss's parameters; got 1"):
        check_loss(bowl, {1: (0, 1), "b": (0, 1)})


def test_a_coroutine_function_is_refused_before_it_is_called():
    with pytest.raises(TypeError, match="coroutine function"):
        check_loss(later, VIEW)


@pytest.mark.parametrize(
    ("direction", "words"),
    [
        (torch.tensor([[1, 0]]), "is torch.int64"),
        (torch.tensor([[float("nan"), 0.0]]), "NaN"),
        (torch.zeros(1, 0), "no elements"),
    ],
)
def test_a_direction_is_refused_for_what_is_wrong_with_it(direction, words):
    along = {"a": direction, "b": torch.tensor([[0.0, 1.0]])}
    with pytest.raises(ValueError, match=words):
        check_loss(F.cross_entropy, VIEW, fixed={"target": LABELS}, directions=along)


@pytest.mark.parametrize("path", [None, 3])
def test_a_page_is_written_to_a_path_alone(path):
    with pytest.raises(TypeError, match="path must be a path, such as a string"):
        check_loss(bowl, VIEW, resolution=9).to_html(path)


def test_a_loss_that_ends_python_is_refused_and_an_interrupt_is_none():
    def leaves(a, b):
        raise SystemExit(3)

    def interrupted(a, b):
        raise KeyboardInterrupt

    with pytest.raises(LossError, match=r"leaves\(a, b\) raised SystemExit: 3"):
        check_loss(leaves, VIEW)
    with pytest.raises(KeyboardInterrupt):
        check_loss(interrupted, VIEW)


WRONG_INSIDE = {
    "a class that there is not": lambda a, b: F.cross_entropy(torch.stack([a, b])[None], torch.tensor([5])),
    "sizes that do not fit": lambda a, b: (a * torch.ones(3) + b * torch.ones(4)).sum(),
}


@pytest.mark.parametrize("loss", WRONG_INSIDE.values(), ids=WRONG_INSIDE)
def test_an_error_within_a_loss_of_numbers_gets_no_hint_at_directions(loss):
    with pytest.raises(ValueError) as refused:
        check_loss(loss, VIEW)
    assert "directions" not in str(refused.value)
