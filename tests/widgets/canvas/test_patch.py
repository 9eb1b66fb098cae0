"""Patches: exactly the changed pixels, exactly where they go."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradwidgets.widgets.canvas.patch import encode_patch
from tests.widgets.canvas.test_canvas import Live
from tests.widgets.fake_page import FakePage, kernel_picture, unpacked


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1), st.integers(0, 99))
@settings(max_examples=60)
def test_the_changed_pixels_come_back_and_the_others_are_clear(height, width, share, seed):
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (height, width, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    changed = random.random((height, width)) < share
    picture = unpacked(encode_patch(pixels, changed))
    assert picture.shape == pixels.shape
    assert (picture[changed] == pixels[changed]).all() and not picture[~changed].any()


def test_it_is_what_its_description_says():
    pixels = np.arange(2 * 5 * 4, dtype=np.uint8).reshape(2, 5, 4)
    changed = np.zeros((2, 5), bool)
    changed[0, 1] = changed[1, 4] = True
    plain = zlib.decompress(encode_patch(pixels, changed))
    assert plain[:12] == bytes([5, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0])
    assert plain[12:20] == pixels[0, 1].tobytes() + pixels[1, 4].tobytes()
    assert plain[20:] == bytes([0b01000000, 0b01000000])


@pytest.mark.parametrize("answered", [1, 2, 3])
def test_a_page_that_takes_patches_shows_what_the_kernel_painted(answered):
    live = Live()
    page = FakePage(live.canvas)
    page.refresh()
    page.answer()
    live.canvas.patches = True
    for k in range(12):
        live.move(k / 11)
        if k % answered == 0:
            page.answer(1)
    page.answer()
    assert "patch" in page.kinds and page.kinds[0] == "binary"
    assert (page.shown() == kernel_picture(live.canvas)).all()
    live.canvas.resize(300, 200)
    live.canvas.paint()
    assert page.kinds[-1] == "binary"  # another size is another picture
    live.close()
