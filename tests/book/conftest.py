"""One headless Chromium for the tests of a file."""

import pytest


@pytest.fixture(scope="module")
def browser():
    from test_pages import CHROMIUM, FLAGS
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
