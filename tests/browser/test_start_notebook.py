"""The notebook that a person opens first."""

import pytest

from tests.browser.lab import ROOT
from tests.browser.page import Page

pytestmark = pytest.mark.browser


def test_it_runs_without_error_or_warning_and_shows_the_playground(lab, browser, address):
    with Page(browser, address, lab.add(ROOT / "notebooks/00_start.ipynb")) as page:
        page.run_all()
        page.until_picture()
        page.until_quiet()
        assert [one for one in page.outputs() if one["output_type"] == "error" or one.get("name") == "stderr"] == []
        assert page.complaints() == []
        assert page.console == []
        page.end_kernel()
