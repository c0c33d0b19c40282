"""The drawing helpers draw what they are given, and leave matplotlib as it was."""

import matplotlib
import numpy as np
import pytest
import torch

import diffnotes as dn


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
