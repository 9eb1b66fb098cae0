"""The fast encoder against Pillow's decoder."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from gradwidgets.widgets.canvas.png import encode_rgba
from tests.widgets.fake_page import decoded

SHAPES = st.tuples(st.integers(1, 24), st.integers(1, 24), st.just(4))


@given(arrays(np.uint8, SHAPES))
def test_a_decoder_gives_back_every_pixel(pixels):
    assert np.array_equal(decoded(encode_rgba(pixels)), pixels)


@given(arrays(np.uint8, SHAPES), st.integers(1, 3), st.booleans())
def test_views_are_encoded_as_they_look(pixels, stride, flipped):
    view = pixels[:: -stride if flipped else stride, ::stride]
    assert np.array_equal(decoded(encode_rgba(view)), view)


@pytest.mark.parametrize("shape", [(1, 1, 4), (1, 4000, 4), (3000, 1, 4), (470, 600, 4)])
def test_any_shape_is_a_valid_file(shape):
    pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    png = encode_rgba(pixels)
    Image.open(io.BytesIO(png)).verify()
    assert np.array_equal(decoded(png), pixels)


def test_an_empty_difference_costs_next_to_nothing():
    assert len(encode_rgba(np.zeros((800, 1200, 4), np.uint8))) < 20_000
