"""An angle that leaps from π to −π is told from other jumps."""

import pytest
import torch

from gradwidgets import check_loss

VIEW = {"s": (-1.0, 1.0), "c": (-1.2, -0.3)}


@pytest.mark.parametrize(
    ("loss", "cut"),
    [
        (lambda s, c: (torch.atan2(s, c) - 2.5) ** 2, True),
        (lambda s, c: torch.atan2(s, c).abs() + 0.3 * (c > -0.7), False),
    ],
    ids=("cut", "comparison"),
)
def test_the_cut_of_an_angle_has_a_cure_of_its_own(loss, cut):
    found = next(one for one in check_loss(loss, VIEW).findings if one.name == "jump")
    assert (found.evidence["operation"] == "atan2") is cut and ("cos" in found.action) is cut


def test_the_cure_leaves_no_jump():
    cured = check_loss(lambda s, c: 1 - torch.cos(torch.atan2(s, c) - 2.5), VIEW)
    assert "jump" not in {one.name for one in cured.findings}
