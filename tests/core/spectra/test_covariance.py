"""Mean, variance and correlation of gradients against numpy and torch.corrcoef."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from gradwidgets.core import diagnose, layer_flow
from gradwidgets.core.spectra import gradient_covariance


def network():
    return nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 1))


def batches(count=10, size=8):
    return [(torch.randn(size, 6), torch.randn(size, 1)) for _ in range(count)]


def gradients(model, data, layer):
    """By backward, (n, P), float64."""
    rows = []
    for x, y in data:
        model.zero_grad()
        functional.mse_loss(model(x), y).backward()
        rows.append(torch.cat([p.grad.reshape(-1) for p in layer.parameters()]).double())
    model.zero_grad()
    return torch.stack(rows)


def test_it_is_what_numpy_makes_of_backward_s_gradients():
    model, data = network(), batches()
    found = gradient_covariance(model, data, functional.mse_loss)
    assert [layer.name for layer in found.layers] == ["0", "2"] and found.batches == 10 and found.rank == 9
    for layer, module in zip(found.layers, (model[0], model[2]), strict=True):
        rows = gradients(model, data, module)
        assert layer.parameters == rows.shape[1]
        assert layer.mean_magnitude == pytest.approx(rows.mean(0).abs().mean().item(), rel=1e-6)
        assert layer.variance == pytest.approx(np.var(rows.numpy(), axis=0, ddof=1).mean(), rel=1e-6)
        signal = (rows.mean(0).square().sum() / rows.var(0).sum()).sqrt().item()
        assert layer.signal_to_noise == pytest.approx(signal, rel=1e-6)
        expected = torch.corrcoef(rows[:, layer.chosen].T)
        torch.testing.assert_close(layer.correlation, expected, rtol=1e-6, atol=1e-6)
        pairs = expected[~torch.eye(len(expected), dtype=torch.bool)].abs()
        assert layer.strongest == pytest.approx(pairs.max().item())
        assert layer.beyond == pytest.approx((pairs > 2 / math.sqrt(10)).double().mean().item())


def test_at_most_40_parameters_are_chosen_always_the_same():
    model, data = network(), batches()
    one, two = (gradient_covariance(model, data, functional.mse_loss).layers for _ in range(2))
    assert [len(layer.chosen) for layer in one] == [40, 13]
    assert torch.equal(one[0].chosen, two[0].chosen) and one[0].chosen.unique().tolist() == one[0].chosen.tolist()
    assert one[1].chosen.tolist() == list(range(13))


SAYS = {
    1: "nothing about how it varies",
    2: "rank 1 at most; no correlation can be told",
    4: "no correlation",
    10: "rank 9 at most; correlations below 0.63 cannot be told from 0, .* noise of 0.32 is what no signal",
    25: "rank 24 at most; correlations below 0.4 ",
}


@pytest.mark.parametrize(("count", "words"), SAYS.items())
def test_what_the_number_of_batches_allows(count, words):
    found = gradient_covariance(network(), batches(count), functional.mse_loss)
    assert found.threshold == pytest.approx(2 / math.sqrt(count))
    layer = found.layers[0]
    assert math.isnan(layer.variance) == (count == 1) and math.isnan(layer.beyond) == (count <= 4)
    assert torch.linalg.matrix_rank(torch.nan_to_num(layer.correlation), rtol=1e-9) <= found.rank
    import re

    assert re.search(words, found.allows)


def test_pure_noise_gives_what_it_says():
    """A loss whose gradient is the batch's own noise: signal to noise 1/√n, 1 pair in 20 beyond the threshold."""
    model = nn.Linear(40, 1, bias=False)
    data = [(torch.randn(1, 40), None) for _ in range(100)]
    (layer,) = gradient_covariance(model, data, lambda out, _: out.mean()).layers
    assert layer.signal_to_noise == pytest.approx(0.1, rel=0.3) and 0.02 < layer.beyond < 0.08


def test_equal_batches_have_no_variance():
    model, (one,) = network(), batches(1)
    (layer, _) = gradient_covariance(model, [one] * 5, functional.mse_loss).layers
    assert layer.variance < 1e-20 and layer.correlation.isnan().all() and math.isnan(layer.strongest)
    assert layer.signal_to_noise > 1e6


def test_a_bad_batch_is_left_out_and_said():
    data = batches(6)
    data[2][1].fill_(math.nan)
    model = network()
    found = gradient_covariance(model, data, functional.mse_loss)
    assert found.batches == 5 and "1 of 6 batches" in found.note
    rest = gradient_covariance(model, data[:2] + data[3:], functional.mse_loss)
    assert rest.layers == found.layers


def test_dropout_is_a_part_of_the_noise():
    model, (one,) = nn.Sequential(nn.Linear(6, 12), nn.Dropout(0.5), nn.Linear(12, 1)), batches(1)
    assert gradient_covariance(model, [one] * 5, functional.mse_loss).layers[0].variance > 0
    assert gradient_covariance(model.eval(), [one] * 5, functional.mse_loss).layers[0].variance < 1e-20


def test_slices_of_a_list_and_of_a_generator():
    data = batches(4)
    assert list(gradient_covariance.in_slices(network(), data, functional.mse_loss)) == [0.25, 0.5, 0.75, 1.0]
    shares = list(gradient_covariance.in_slices(network(), iter(data), functional.mse_loss))
    assert shares == sorted(shares) and shares[-1] < 1


def test_it_prints_and_converts():
    found = gradient_covariance(network(), batches(), functional.mse_loss)
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["layers"][0]["name"] == "0" and "batches=10" in repr(found)
    frame = found.to_frame()
    assert list(frame["name"]) == ["0", "2"] and frame["parameters"].tolist() == [84, 13]


def test_wrong_batches():
    with pytest.raises(ValueError, match="at least one"):
        gradient_covariance(network(), [], functional.mse_loss)
    with pytest.raises(TypeError, match=r"pairs; number 1 is a tuple of 3"):
        gradient_covariance(network(), [*batches(1), (1, 2, 3)], functional.mse_loss)
    with pytest.raises(TypeError, match=r"pairs; number 0 is a Tensor"):
        gradient_covariance(network(), [torch.zeros(2, 6)], functional.mse_loss)


class _WithNothing(nn.Module):
    """Has a parameter that holds no numbers, as a placeholder does."""

    def __init__(self):
        super().__init__()
        self.layer, self.none = nn.Linear(4, 3), nn.Parameter(torch.zeros(0, 4))

    def forward(self, x):
        return self.layer(x) + self.none.sum()


def test_a_parameter_that_holds_no_numbers_is_no_layer():
    torch.manual_seed(0)
    model, x, y = _WithNothing(), torch.randn(16, 4), torch.arange(16) % 3
    found = gradient_covariance(model, [(x, y), (x.flip(0), y)], nn.functional.cross_entropy)
    assert [one.name for one in found.layers] == ["layer"]
    flow = layer_flow(model, x, y, nn.functional.cross_entropy)
    assert [one.name for one in flow.layers] == ["layer"] and [one.name for one in diagnose(flow)] == ["healthy"]
