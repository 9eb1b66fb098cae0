"""Settings that check themselves, one by one."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from traitlets import HasTraits, TraitError

from gradwidgets.widgets.panel.traits import OneOf, Pair, Real, SomeOf, Whole


class Holder(HasTraits):
    lr = Real(0.5, low=0, high=10)
    delta = Real(1.0, low=0, high=10, above=True)
    free = Real(0.0)
    least = Real(1.0, low=1)
    steps = Whole(3, low=0, high=1000)
    step = Whole(None, low=0, high=1000, allow_none=True)
    start = Pair((1.0, 2.0))
    one = OneOf("a", lambda self: ("a", "b"))
    some = SomeOf(("p", "q"), lambda: ("p", "q", "r"))


REFUSED = [
    *(("lr", v) for v in (-1e-9, 10.1, math.nan, math.inf, -math.inf, "1", b"1", None, True, [1.0], 1j, 10**400)),
    *(("lr", v) for v in (np.array([1.0]), torch.ones(1), np.bool_(True), object(), Decimal("NaN"))),
    *(("delta", v) for v in (0, 0.0, -1, 11, math.nan)),
    *(("free", v) for v in (math.inf, -math.inf, math.nan, "x")),
    *(("least", v) for v in (0.99, -math.inf)),
    *(("steps", v) for v in (-1, 1001, 1.5, math.nan, math.inf, "3", True, None, 1e300, 10**400, [3])),
    *(("step", v) for v in (-1, 1001, 2.5, "last")),
    *(("start", v) for v in ((1,), (1, 2, 3), (math.nan, 0), (0, math.inf), "ab", "12", None, 3, (1, "2"), (True, 1))),
    *(("start", v) for v in ((1e300, 0), {1: 2, 3: 4}, np.zeros((2, 2)), np.array(1.0), torch.zeros(3), [[1], [2]])),
    *(("one", v) for v in ("c", "", None, 1, ["a"], "A")),
    *(("some", v) for v in ("c", (), None, 3, ["p", "x"], [["p"]], [None])),
]


@pytest.mark.parametrize(("name", "value"), REFUSED, ids=lambda v: repr(v)[:15] if type(v) is object else repr(v)[:30])
def test_a_refusal_names_setting_and_value_and_says_what_is_taken(name, value):
    holder = Holder()
    before = getattr(holder, name)
    with pytest.raises(TraitError) as refusal:
        setattr(holder, name, value)
    message = str(refusal.value)
    assert message.startswith(f"{name} must be ")
    assert repr(value)[:30] in message
    allowed = {
        "lr": ("0", "10"), "delta": ("above 0", "10"), "free": ("finite",), "least": ("1",), "steps": ("0", "1,000"),
        "step": ("0", "1,000"), "start": ("two",), "one": ("'a'", "'b'"), "some": ("'p'", "'q'", "'r'"),
    }  # fmt: skip
    assert all(word in message for word in allowed[name])
    assert getattr(holder, name) == before


def test_a_long_value_is_cut_in_the_message():
    with pytest.raises(TraitError) as refusal:
        Holder().one = "x" * 10_000
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    "value",
    [
        *(2, 2.0, np.float32(2), np.float64(2), np.int64(2), np.array(2.0), torch.tensor(2.0), torch.tensor(2)),
        *(torch.tensor(2.0, requires_grad=True), Fraction(2), torch.tensor(2.0, dtype=torch.float16)),
    ],
    ids=repr,
)
def test_numbers_of_any_make_become_floats(value):
    holder = Holder(lr=value, steps=value)
    assert holder.lr == 2.0 and type(holder.lr) is float
    assert holder.steps == 2 and type(holder.steps) is int


@pytest.mark.parametrize(
    "value",
    [(3, 4), [3, 4], np.array([3, 4]), torch.tensor([3.0, 4.0]), torch.tensor([3.0, 4.0], requires_grad=True)],
    ids=repr,
)
def test_pairs_of_any_make_become_tuples(value):
    holder = Holder(start=value)
    assert holder.start == (3.0, 4.0)
    assert type(holder.start) is tuple and {type(v) for v in holder.start} == {float}


def test_names_are_kept_in_their_own_order_once_each():
    assert Holder(some=["r", "p", "r"]).some == ("p", "r")
    assert Holder(some="q").some == ("q",)
    assert Holder(some={"q", "p"}).some == ("p", "q")


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_bounds_hold_for_every_float(value):
    holder = Holder()
    try:
        holder.lr = value
    except TraitError:
        assert not 0 <= value <= 10
        assert holder.lr == 0.5
    else:
        assert 0 <= value <= 10 and holder.lr == value


@given(st.floats(allow_nan=True, allow_infinity=True) | st.integers())
def test_whole_numbers_hold_for_every_number(value):
    holder = Holder()
    try:
        holder.steps = value
    except TraitError:
        assert not (0 <= value <= 1000 and value == int(value))
        assert holder.steps == 3
    else:
        assert 0 <= value <= 1000 and holder.steps == value


def test_none_is_a_step_where_that_is_allowed():
    holder = Holder(step=4)
    holder.step = None
    assert holder.step is None


def test_the_edges_of_a_range_belong_to_it():
    holder = Holder(lr=0, delta=10, steps=1000, least=1)
    assert (holder.lr, holder.delta, holder.steps, holder.least) == (0.0, 10.0, 1000, 1.0)
