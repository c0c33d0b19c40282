"""The drawing helpers draw what they are given, and leave matplotlib as it was."""

import matplotlib
import numpy as np
import pytest
import torch

import diffnotes as dn


def test_slider_is_plain_html_that_says_what_it_shows():
    figures = [dn.plots.panels()[0] for _ in range(3)]
    slider = dn.plots.slider(figures, [1, 2.5, "<4"], name="mu", alts=["one", 'two "x"', "four"], caption="a & b", start=1)
    html_ = slider._repr_mimebundle_()["text/html"]
    assert html_.count("data:image/png;base64,") == 3 and html_.count(" hidden>") == 2
    assert 'alt="two &quot;x&quot;" data-value="2.5">' in html_ and 'data-value="&lt;4" hidden>' in html_
    assert "<figcaption>a &amp; b</figcaption>" in html_ and 'max="2" value="1"' in html_ and "<output>2.5</output>" in html_
    assert slider._repr_mimebundle_()["text/plain"] == "3 pictures, mu = 1, 2.5, <4: a & b"
    assert not matplotlib.pyplot.get_fignums()
    for bad, name in ((dict(values=[1]), "figures"), (dict(start=3), "start"), (dict(figures=[], values=[], alts=[]), "figures")):
        with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
            dn.plots.slider(**dict(figures=figures, values=[1, 2, 3], alts=["a", "b", "c"], name="mu", caption="c") | bad)


def test_ticks_are_the_given_values():
    figure, ax = dn.plots.panels()
    dn.plots.label(ax, log="x")
    dn.plots.ticks(ax, [16, 64, 256])
    assert [t.get_text() for t in ax.get_xticklabels()] == ["16", "64", "256"] and not len(ax.xaxis.get_minorticklocs())
    matplotlib.pyplot.close(figure)


def test_plots_draw_what_they_are_given():
    before = dict(matplotlib.rcParams)
    figure, ax = dn.plots.panels()
    assert dict(matplotlib.rcParams) == before and figure.get_facecolor() == (1, 1, 1, 1)
    y = torch.arange(30, dtype=torch.float64).reshape(10, 3)
    dn.plots.band(ax, [1, 2, 3], y, color="red", label="a")
    assert np.allclose(ax.lines[0].get_ydata(), y.median(0).values + 1.5)
    low = ax.collections[0].get_paths()[0].vertices[:, 1].min()
    assert low == pytest.approx(np.quantile(y[:, 0], 0.1))
    dn.plots.label(ax, "x", "y", "t", log="y")
    assert ax.get_yscale() == "log" and ax.get_xscale() == "linear" and ax.get_title(loc="left") == "t"
    matplotlib.pyplot.close(figure)
