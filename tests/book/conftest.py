"""One headless Chromium for the tests of a file."""

import pytest

from tools.chromium import CHROMIUM, FLAGS


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def settled():
    """A function that waits until a drawing, which glides to where its slider is, stands still; returns what it then is."""
    def wait(page, selector):
        seen = []
        while len(seen) < 30 and not (len(seen) > 2 and seen[-1] == seen[-2] == seen[-3]):
            page.wait_for_timeout(150)
            seen.append(page.eval_on_selector_all(selector, "e => e.map(s => s.innerHTML)"))
        return seen[-1]
    return wait
