"""In a room without a network everything is there: the page asks nobody but its own server."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Page as Tab

from tests.browser.page import Page

pytestmark = pytest.mark.browser

CELLS = (
    "from gradwidgets import LayerFlowPanel, OptimizerPlayground, SurfaceExplorer\nOptimizerPlayground()",
    "SurfaceExplorer()",
    "LayerFlowPanel()",
)


class Offline:
    """A browser whose pages reach loopback alone, and note who else they asked."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.refused: list[str] = []

    def new_page(self, **options) -> Tab:
        tab = self._browser.new_page(**options)
        tab.route(lambda address: urlsplit(address).hostname != "127.0.0.1", self._refuse)
        return tab

    def _refuse(self, route) -> None:
        self.refused.append(route.request.url)
        route.abort()


def test_no_widget_asks_the_network(lab, browser, address):
    offline = Offline(browser)
    with Page(offline, address, lab.write(CELLS), 1280, 3000) as page:
        for index in range(len(CELLS)):
            before = page.raw.evaluate("watched.pictures.length")
            page.run(index)
            page.until(f"watched.pictures.length > {before}")
        page.until_quiet()
        page.raw.evaluate("fetch('http://localhost:9/').catch(() => null)")  # it would be seen if one did
        assert offline.refused == ["http://localhost:9/"]
        assert page.complaints() == []
        page.end_kernel()
