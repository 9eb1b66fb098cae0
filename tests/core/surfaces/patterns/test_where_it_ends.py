"""Where descents along autograd's gradient end is told beside where the value is lowest."""

from gradwidgets import check_loss
from tests.core.surfaces.patterns.test_told_beside import SPREAD, beta_nll


def test_what_is_weighed_by_a_held_factor_is_no_fault_but_does_not_end_where_the_value_is_lowest():
    report = check_loss(beta_nll, {"mu": (-3.0, 7.0), "log_var": (-3.0, 4.0)}, fixed={"y": SPREAD}, resolution=41)
    assert [one.name for one in report.findings] == ["gradient_mismatch"] and report.ok
    assert "descents along autograd's gradient end at" in report.findings[0].message
    assert "the lowest is at" in report.findings[0].message and "all the same" not in report.findings[0].message
