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
    assert 'autocomplete="off"' in html_
    assert slider._repr_mimebundle_()["text/plain"] == "3 pictures, mu = 1, 2.5, <4: a & b"
    two = [dn.plots.panels()[0] for _ in range(2)]
    said = dn.plots.slider(two, [1, 2], name="mu", alts=["a", "b"], caption="c", message="It moves <.")
    assert "<figcaption><b>It moves &lt;.</b> c</figcaption>" in said.html and said.text.endswith("1, 2: It moves <. c")
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


def test_panels_have_the_book_s_size_and_style():
    """Which bug this catches: stored pictures of another size, frames, or lines below the grid, in every chapter at once."""
    figure, ax = dn.plots.panels()
    assert figure.get_size_inches().tolist() == [7.6, 3.6] and figure.dpi == 110 and figure.get_layout_engine() is not None
    assert [ax.spines[side].get_visible() for side in ("left", "bottom", "top", "right")] == [True, True, False, False]
    line = ax.get_xgridlines()[0]
    assert line.get_visible() and line.get_linewidth() == 0.7 and ax.get_axisbelow() is True
    assert dn.plots.label(ax, "x", "y", "t") is ax and ax.title.get_fontsize() == 12 != ax._left_title.get_fontsize() == 11
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")
    dn.plots.band(ax, [1, 2], torch.ones(3, 2), color="red")
    assert ax.collections[0].get_linewidth() == [0]
    matplotlib.pyplot.close(figure)
    figure, axes = dn.plots.panels(3, rows=2, height=5, width=6, sharex=True)
    assert axes.shape == (2, 3) and figure.get_size_inches().tolist() == [6, 5] and axes[0, 0].get_shared_x_axes().joined(axes[0, 0], axes[1, 2])
    matplotlib.pyplot.close(figure)


def test_a_band_leaves_out_what_is_not_a_number_and_takes_its_quantiles():
    figure, ax = dn.plots.panels()
    y = np.array([[0.0, 1.0], [np.nan, 2.0], [4.0, 5.0], [8.0, 9.0]])
    assert dn.plots.band(ax, [1, 2], y, color="red", low=0.25, high=0.75, linestyle="--") is ax
    assert ax.lines[0].get_ydata().tolist() == [4, 3.5] and ax.lines[0].get_linestyle() == "--"
    edges = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert edges.min() == np.quantile([1, 2, 5, 9], 0.25) and edges.max() == np.quantile([1, 2, 5, 9], 0.75)
    matplotlib.pyplot.close(figure)


def test_a_slider_shows_its_first_picture_unless_told_otherwise():
    def slider(**change):
        figures = [dn.plots.panels()[0] for _ in range(2)]
        return dn.plots.slider(**dict(figures=figures, values=[1, 2], alts=["a", "b"], name="mu", caption="c") | change)

    for start, shown in (({}, "1"), ({"start": 0}, "1"), ({"start": 1}, "2")):
        page = slider(**start).html
        assert f'data-value="{shown}">' in page and f'value="{int(shown) - 1}" autocomplete="off" aria-valuetext="{shown}"' in page and page.count(" hidden>") == 1
    for start in (-1, 2, 0.5):
        with pytest.raises(ValueError, match=rf"^start: got {start}; allowed: "):
            slider(start=start)
    matplotlib.pyplot.close("all")
