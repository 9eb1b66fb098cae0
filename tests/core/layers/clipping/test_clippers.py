"""Clippers against torch's own, to the last bit, and against torch.quantile."""

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

from gradwidgets.core.layers.clipping.clippers import CLIPPERS, clip_gradients

DTYPES = [torch.float32, torch.float64]
numbers = st.one_of(
    st.floats(-1e3, 1e3, width=32),
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1e-45, 1e-23, 1e19, math.inf, -math.inf, math.nan]),
)
shapes = st.sampled_from([(), (0,), (1,), (3,), (2, 2), (4, 1, 2)])


@pytest.fixture(autouse=True)
def random_numbers_of_the_test(leaves_torch_as_it_was):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@st.composite
def gradient_lists(draw, finite=False, dtypes=DTYPES):
    dtype, found = draw(st.sampled_from(dtypes)), []
    element = st.floats(-1e3, 1e3, width=32) if finite else numbers
    for shape in draw(st.lists(st.one_of(st.none(), shapes), max_size=4)):
        if shape is None:
            found.append(None)
        else:
            count = math.prod(shape)
            values = draw(st.lists(element, min_size=count, max_size=count))
            found.append(torch.tensor(values, dtype=dtype).reshape(shape))
    return found


def by_torch(function, gradients, limit):
    parameters = []
    for gradient in gradients:
        parameters.append(nn.Parameter(torch.zeros_like(gradient) if gradient is not None else torch.zeros(1)))
        parameters[-1].grad = None if gradient is None else gradient.clone()
    function(parameters, limit)
    return [parameter.grad for parameter in parameters]


def bits(tensor):
    if tensor is None:
        return None
    # Every NaN is one number: how its bits come out is the processor's business.
    tensor = torch.where(tensor.isnan(), torch.full_like(tensor, math.nan), tensor)
    width = {2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.dtype.itemsize]
    return tensor.dtype, tensor.shape, tensor.contiguous().view(width).flatten().tolist()


def same_bits(ours, theirs):
    return [bits(one) for one in ours] == [bits(one) for one in theirs]


limits = st.one_of(st.sampled_from([0.0, 1e-30, 1.0, math.inf]), st.floats(0, 1e4))


@given(gradient_lists(), limits)
def test_norm_is_torchs_to_the_last_bit(gradients, limit):
    clipped = clip_gradients(gradients, "norm", max_norm=limit)
    assert same_bits(clipped.gradients, by_torch(nn.utils.clip_grad_norm_, gradients, limit))


@given(gradient_lists(), limits)
def test_value_is_torchs_to_the_last_bit(gradients, limit):
    assume(any(gradient is not None for gradient in gradients))  # torch's own raises without
    clipped = clip_gradients(gradients, "value", clip_value=limit)
    assert same_bits(clipped.gradients, by_torch(nn.utils.clip_grad_value_, gradients, limit))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    ("name", "function", "option"),
    [("norm", nn.utils.clip_grad_norm_, "max_norm"), ("value", nn.utils.clip_grad_value_, "clip_value")],
)
def test_half_precision_and_mixtures_too(dtype, name, function, option):
    gradients = [torch.randn(5, 3).to(dtype), torch.randn(4), torch.randn(7).to(dtype), torch.randn(2).double()]
    for limit in (0.1, 1.0, 100.0):
        clipped = clip_gradients(gradients, name, **{option: limit})
        assert same_bits(clipped.gradients, by_torch(function, gradients, limit))


def test_many_shapes_at_once():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.Flatten(), nn.LazyLinear(5))
    model(torch.randn(2, 3, 8, 8)).square().sum().backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    assert same_bits(
        clip_gradients(gradients, "norm", max_norm=0.3).gradients, by_torch(nn.utils.clip_grad_norm_, gradients, 0.3)
    )


@given(gradient_lists(finite=True, dtypes=[torch.float64]), st.floats(0, 100))
def test_percentile_is_torchs_quantile_of_this_steps_elements(gradients, percentile):
    clipped = clip_gradients(gradients, "percentile", percentile=percentile)
    elements = [gradient.abs().flatten() for gradient in gradients if gradient is not None and gradient.numel()]
    if not elements:
        assert math.isnan(clipped.threshold)
        assert same_bits(clipped.gradients, gradients)
        return
    limit = torch.quantile(torch.cat(elements), percentile / 100).item()
    assert clipped.threshold == pytest.approx(limit, rel=1e-12, abs=1e-300)
    assert same_bits(clipped.gradients, by_torch(nn.utils.clip_grad_value_, gradients, clipped.threshold))


@given(gradient_lists(finite=True), st.lists(st.floats(0, 1e3), max_size=8), st.floats(0, 100))
def test_autoclip_is_torchs_norm_clipping_at_a_quantile_of_the_history(gradients, history, percentile):
    clipped = clip_gradients(gradients, "autoclip", percentile=percentile, history=history)
    present = [gradient for gradient in gradients if gradient is not None]
    now = float(nn.utils.get_total_norm(present)) if present else 0.0
    norms = torch.tensor([*history, now], dtype=torch.float64)
    assert clipped.threshold == pytest.approx(torch.quantile(norms, percentile / 100).item(), rel=1e-12, abs=1e-300)
    theirs = by_torch(nn.utils.clip_grad_norm_, gradients, clipped.threshold)
    assert same_bits(clipped.gradients, theirs)


def test_autoclip_leaves_out_norms_that_are_not_finite():
    gradients = [torch.tensor([3.0, 4.0])]
    clipped = clip_gradients(gradients, "autoclip", percentile=0, history=[1.0, math.inf, math.nan, 2.0])
    assert clipped.threshold == 1.0


def test_autoclip_rarely_touches_healthy_training_where_percentile_always_does():
    steps = [[torch.randn(1000)] for _ in range(30)]
    history = []
    for step in steps:
        clipped = clip_gradients(step, "autoclip", percentile=100, history=history)
        history.append(clipped.norm_before)
        assert clipped.norm_after == pytest.approx(clipped.norm_before, rel=1e-6)
        assert clip_gradients(step, "percentile", percentile=90).share_changed == pytest.approx(0.1, abs=0.002)


@pytest.mark.parametrize("name", CLIPPERS)
@given(gradients=gradient_lists())
def test_what_is_given_stays_and_what_comes_is_new(name, gradients):
    before = [bits(gradient) for gradient in gradients]
    clipped = clip_gradients(gradients, name)
    assert [bits(gradient) for gradient in gradients] == before
    for old, new in zip(gradients, clipped.gradients, strict=True):
        assert (old is None) == (new is None)
        assert old is None or (new is not old and (not new.numel() or new.data_ptr() != old.data_ptr()))


@pytest.mark.parametrize("name", CLIPPERS)
@given(gradients=gradient_lists(finite=True, dtypes=[torch.float64]))
def test_cosine_share_and_norms(name, gradients):
    clipped = clip_gradients(gradients, name)
    before, after = (
        torch.cat([torch.empty(0, dtype=torch.float64), *(one.flatten() for one in some if one is not None)])
        for some in (gradients, clipped.gradients)
    )
    assert clipped.norm_before == pytest.approx(before.norm().item(), rel=1e-9, abs=1e-150)
    assert clipped.norm_after == pytest.approx(after.norm().item(), rel=1e-9, abs=1e-150)
    changed = before != after
    assert clipped.share_changed == (changed.double().mean().item() if len(before) else 0.0)
    if not changed.any():
        assert clipped.cosine == 1.0
    elif before.norm() > 1e-100 and after.norm() > 1e-100:
        angle = nn.functional.cosine_similarity(before / before.norm(), after / after.norm(), dim=0, eps=0)
        assert clipped.cosine == pytest.approx(angle.item(), abs=1e-9)


def test_norm_keeps_the_direction_and_value_does_not():
    gradients = [torch.tensor([3.0, 0.0], dtype=torch.float64), torch.tensor([4.0], dtype=torch.float64)]
    norm = clip_gradients(gradients, "norm", max_norm=1.0)
    assert norm.coefficient == pytest.approx(1 / (5 + 1e-6))
    assert norm.cosine == pytest.approx(1.0, abs=1e-15)
    value = clip_gradients(gradients, "value", clip_value=1.0)
    assert value.coefficient is None
    assert value.cosine == pytest.approx(7 / (5 * math.sqrt(2)))
    assert value.share_changed == pytest.approx(2 / 3)


def test_nothing_is_left_of_a_gradient_clipped_to_zero():
    clipped = clip_gradients([torch.ones(3)], "norm", max_norm=0)
    assert math.isnan(clipped.cosine)
    assert clipped.norm_after == 0.0


def test_the_norm_written_out_is_the_same_clipper():
    gradients = [torch.randn(7), torch.randn(2, 3)]
    norm = sum(float(gradient.square().sum()) for gradient in gradients) ** 0.5
    clipped = clip_gradients(gradients, "norm", max_norm=0.5)
    assert clipped.coefficient == pytest.approx(0.5 / (norm + 1e-6), rel=1e-6)
    assert "1e-6" in CLIPPERS["norm"].clip.__doc__


@pytest.mark.parametrize("name", CLIPPERS)
def test_sparse_gradients_are_coalesced_and_stay_sparse(name):
    indices = torch.tensor([[0, 2, 2]])
    sparse = torch.sparse_coo_tensor(indices, torch.tensor([[3.0], [1.0], [3.0]]), (5, 1), check_invariants=False)
    clipped = clip_gradients([sparse, None], name)
    (new, nothing) = clipped.gradients
    dense = clip_gradients([torch.tensor([[3.0], [4.0]])], name)
    assert nothing is None
    assert new.is_sparse
    assert new.is_coalesced()
    assert not sparse.is_coalesced()
    assert torch.equal(new.values(), dense.gradients[0])
    assert torch.equal(new.to_dense().nonzero()[:, 0], torch.tensor([0, 2]))
    assert clipped.norm_before == 5.0


@pytest.mark.parametrize("name", CLIPPERS)
def test_no_gradients_at_all(name):
    for gradients in ([], [None, None]):
        clipped = clip_gradients(gradients, name)
        assert clipped.gradients == gradients
        assert (clipped.cosine, clipped.share_changed, clipped.norm_before) == (1.0, 0.0, 0.0)
        clipped.to_frame()


def test_norms_beyond_float32_are_told_in_float64():
    tiny, huge = torch.full((100,), 1e-23), torch.full((100,), 1e19)
    assert clip_gradients([tiny], "norm").norm_before == pytest.approx(1e-22, rel=1e-6)
    assert clip_gradients([huge], "norm").norm_before == pytest.approx(1e20, rel=1e-6)


def test_complex_gradients_have_a_norm_and_no_order():
    gradients = [torch.tensor([3 + 4j])]
    clipped = clip_gradients(gradients, "norm")
    assert torch.equal(clipped.gradients[0], by_torch(nn.utils.clip_grad_norm_, gradients, 1.0)[0])
    assert clipped.cosine == pytest.approx(1.0)
    with pytest.raises(TypeError, match="complex"):
        clip_gradients(gradients, "value")


@pytest.mark.parametrize(
    ("error", "words", "name", "options"),
    [
        (ValueError, "unknown clipper 'nrm'", "nrm", {}),
        (ValueError, "max_norm must be a number ≥ 0; got -1", "norm", {"max_norm": -1}),
        (ValueError, "max_norm", "norm", {"max_norm": math.nan}),
        (TypeError, "max_norm", "norm", {"max_norm": "1"}),
        (TypeError, "clip_value", "value", {"clip_value": True}),
        (ValueError, "in 0 … 100; got 101", "percentile", {"percentile": 101}),
        (TypeError, "takes max_norm; got limit=3", "norm", {"limit": 3}),
        (TypeError, "history", "norm", {"history": [1.0]}),
        (TypeError, "history must be", "autoclip", {"history": 3.0}),
        (TypeError, "history must be", "autoclip", {"history": ["a"]}),
        (ValueError, "history must be", "autoclip", {"history": [-1.0]}),
    ],
)
def test_bad_options_are_named(error, words, name, options):
    with pytest.raises(error, match=words):
        clip_gradients([torch.ones(1)], name, **options)


@pytest.mark.parametrize("wrong", [1.0, torch.tensor([1, 2]), [torch.ones(1)]])
def test_bad_gradients_are_named(wrong):
    with pytest.raises(TypeError, match=r"gradients\[1\]"):
        clip_gradients([torch.ones(1), wrong], "norm")


@pytest.mark.parametrize("name", CLIPPERS)
def test_results_compare_and_convert(name):
    gradients = [torch.tensor([3.0, 4.0]), None]
    clipped = clip_gradients(gradients, name)
    assert clipped == clip_gradients(gradients, name)
    assert clipped.to_dict()["name"] == name
    assert clipped.to_frame()["norm before"].tolist()[0] == 5.0
    assert CLIPPERS[name].about
