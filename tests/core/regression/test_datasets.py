import numpy as np
import pytest
import torch

from gradwidgets.core import DATASETS, choose


def test_article_is_numpys_legacy_generator_bit_for_bit(article):
    generator = np.random.RandomState(20240215)
    x = generator.randn(50).astype(np.float32)
    y = (0.75 * x**2 + 1.0 * x + 2.0 + 0.3 * generator.randn(50)).astype(np.float32)
    assert np.array_equal(article[0].numpy(), x.astype(np.float64))
    assert np.array_equal(article[1].numpy(), y.astype(np.float64))


@pytest.mark.parametrize("name", DATASETS)
def test_every_set_is_two_float64_columns_made_afresh(name):
    x, y = DATASETS[name]()
    assert x.dtype == y.dtype == torch.float64
    assert x.shape == y.shape == (len(x),)
    x.zero_()
    assert DATASETS[name]()[0].any()


@pytest.mark.parametrize("number", ["I", "II", "III", "IV"])
def test_anscombes_sets_share_what_they_are_famous_for(number):
    x, y = (column.numpy() for column in DATASETS[f"anscombe {number}"]())
    assert len(x) == 11
    assert x.mean() == 9.0
    assert x.var(ddof=1) == pytest.approx(11.0)
    assert y.mean() == pytest.approx(7.50, abs=0.002)
    assert y.var(ddof=1) == pytest.approx(4.125, abs=0.005)
    assert np.corrcoef(x, y)[0, 1] == pytest.approx(0.816, abs=0.001)
    assert np.polyfit(x, y, 1) == pytest.approx([0.5, 3.0], abs=0.003)


def test_hubbles_table_gives_the_constants_he_is_quoted_for():
    x, y = (column.numpy() for column in DATASETS["hubble 1929"]())
    assert len(x) == 24
    assert 1000 * np.polyfit(x, y, 1) == pytest.approx([454.1584, -40.7836], abs=1e-3)
    assert 1000 * np.dot(x, y) / np.dot(x, x) == pytest.approx(423.9373, abs=1e-3)


def test_a_wrong_name_lists_the_right_ones():
    with pytest.raises(
        ValueError, match=r"unknown dataset 'articel': choose one of 'article', 'anscombe I', .*'hubble 1929'"
    ):
        choose("dataset", "articel", DATASETS)
    with pytest.raises(ValueError, match=r"unknown dataset \['article'\]"):
        choose("dataset", ["article"], DATASETS)
