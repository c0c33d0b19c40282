"""What the explorers share: the numbers that scripts read, and a page that holds all it needs."""

import base64
import json
import re

import numpy as np
import pytest

from diffnotes.page import explorer


def test_times_are_a_first_exponent_and_a_step():
    """Six decimals of each.  Which bug this catches: a step of one interval too many, an end that is not the last."""
    assert explorer.training_steps(10 ** np.linspace(-1.5, 3.0, 4)) == {"steps": 4, "tau": [-1.5, 1.5]}
    assert explorer.training_steps(10 ** np.array([2.12345678, 5.0, 4.1])) == {"steps": 3, "tau": [2.123457, 0.988272]}


def test_numbers_have_three_digits():
    assert explorer.three([0.123456, -98765.4, 0.0, 2]) == [0.123, -98800.0, 0.0, 2.0]


@pytest.mark.parametrize("kind", ["stop", "mixer"])
def test_the_page_holds_the_data_the_picture_and_both_files(kind, monkeypatch):
    painted = []
    monkeypatch.setattr(explorer.figures, "sheet", lambda rows: painted.append(rows) or b"PNG")
    shown = explorer.assemble(kind, "fig-a", {"n": [1, 2]}, "still", message="So <it> is.", caption="Read b_k so.", alt='A "curve" & more.')
    assert painted == [[["still"]]] and shown.png == b"PNG" and shown.text == "So <it> is."
    assert shown.html.startswith(f'<figure class="{kind}" id="fig-a"><style>') and shown.html.endswith("</script></figure>")
    assert f'<img class="still" src="data:image/png;base64,{base64.b64encode(b"PNG").decode()}" alt="A &quot;curve&quot; &amp; more.">' in shown.html
    assert "<figcaption><b>So &lt;it&gt; is.</b> Read b<sub>k</sub> so.</figcaption>" in shown.html
    assert json.loads(re.search(r'<script type="application/json">(.*?)</script>', shown.html)[1]) == {"n": [1, 2]} and '{"n":[1,2]}' in shown.html
    assert not re.search(r"__[A-Z]+__", shown.html) and "#fig-a" in shown.html
