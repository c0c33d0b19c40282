"""Tables are HTML for readers and aligned text for terminals, and say the same on every CPU."""

import re

import pytest
import torch

import diffnotes as dn
from diffnotes.page import tables


def test_a_table_is_html_and_aligned_text():
    one = {"x": 0.5, "y": 1e-15, "z": 1234}
    table = dn.table({"a": one, "b": {"x": torch.tensor(-12.0).double(), "w": "no <b>"}}, "Said.", below=1e-12, corner="case")
    assert str(table).splitlines() == ["case      x        y      z  w", "a     0.500  < 10⁻¹²  1,234", "b     −12.0                  no <b>", "Said."]
    html = table.html()
    assert "no &lt;b&gt;" in html and "<caption>Said.</caption>" in html and html.count("<tr>") == 3
    assert set(table._repr_mimebundle_()) == {"text/plain", "text/html"}
    assert html.count("text-align:right") == 9 and html.count("text-align:left") == 6  # names and words to the left


def test_rows_may_be_a_list_or_single_values():
    table = dn.table([{"n": 32, "KL": 0.0886}, {"n": 128, "KL": 0.0141}], digits=2)
    assert str(table).splitlines() == ["  n     KL", " 32  0.089", "128  0.014"]
    assert str(dn.table({"a": 1.0, "b": 2.0}, column="value")).splitlines() == ["   value", "a   1.00", "b   2.00"]


@pytest.mark.parametrize(("value", "text"), [
    (0.5, "0.500"), (-0.0123, "−0.0123"), (12.34, "12.3"), (123.4, "123"), (99999.0, "99999"), (123456.0, "1.23·10⁵"), (1e5, "10⁵"), (0.0, "0"),
    (1e-4, "10⁻⁴"), (-2.5e-7, "−2.5·10⁻⁷"), (7, "7"), (-12345, "−12,345"), (True, "yes"), (None, ""), ("as is", "as is"), (float("inf"), "∞"), (float("-inf"), "−∞"), (float("nan"), "nan"),
    (torch.tensor(3), "3"), ([1], "[1]")])
def test_how_a_value_is_shown(value, text):
    assert tables.shown(value) == text


def test_rounding_errors_are_shown_as_such():
    assert tables.shown(3e-14, below=1e-12) == tables.shown(0.0, below=1e-12) == "< 10⁻¹²"
    assert tables.shown(2e-12, below=1e-12) == "2·10⁻¹²"


def test_powers_and_spreads():
    assert [dn.power(v, 2) for v in (1e5, 1300.0, 2.5e-7, -4e-9)] == ["10⁵", "1.3·10³", "2.5·10⁻⁷", "−4·10⁻⁹"]
    assert dn.spread(torch.arange(11.0)) == "5.0 (1.0 to 9.0)" and tables.shown(torch.arange(11.0)) == "5.00 (1.00 to 9.00)"


@pytest.mark.parametrize(("wrong", "name"), [
    (lambda: dn.table({}), "rows"), (lambda: dn.table(3), "rows"), (lambda: dn.table([1, 2]), "rows"), (lambda: dn.table("ab"), "rows"),
    (lambda: dn.table({"a": 1}, digits=0), "digits"), (lambda: dn.table({"a": 1}, below=-1), "below")])
def test_errors_name_the_argument(wrong, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        wrong()


def test_a_screen_reader_hears_which_row_and_column_a_cell_is_in():
    html = dn.table({"a": {"x": 1}}).html()
    assert re.search(r'<th scope="col"[^>]*>x</th>', html) and re.search(r'<th scope="row"[^>]*>a</th>', html) and 'tabindex="0"' in html


def test_where_curves_turn():
    tau = torch.tensor([1.0, 10.0, 100.0])
    row = dn.turning(tau, torch.tensor([[3.0, 1.0, 2.0], [3.0, 1.0, 1.02], [3.0, 2.0, 1.0]]).double())
    assert row == {"least": "1.0 (1.0 to 1.0)", "at τ": "10¹", "in the end": "1.0 (1.0 to 1.8)", "rises in": "1 of 3"}
    assert dn.turning(tau, torch.ones(2, 3), rise=1.0)["rises in"] == "0 of 2"
    for wrong, name in ((lambda: dn.turning(tau, torch.ones(3)), "curves"), (lambda: dn.turning(tau, torch.ones(2, 3), rise=0.5), "rise")):
        with pytest.raises(ValueError, match=rf"^{name}: "):
            wrong()


def test_a_table_by_hand():
    """Which bug this catches: a cell for a heading, a gap for a heading, the wrong side; rows too long that lose cells."""
    left, right = 'style="text-align:left"', 'style="text-align:right"'
    assert dn.table({"a": {"x": 1, "y": None}, "b": {"x": 2, "y": "no"}}).html() == (
        f'<div class="dn-scroll" tabindex="0"><table class="dn"><thead><tr><td {left}></td><th scope="col" {right}>x</th><th scope="col" {left}>y</th></tr></thead>'
        f'<tbody><tr><th scope="row" {left}>a</th><td {right}>1</td><td {left}></td></tr><tr><th scope="row" {left}>b</th><td {right}>2</td><td {left}>no</td></tr></tbody></table></div>')
    for wrong in (tables.Table(("x",), (("1", "2"),), (True,)), tables.Table(("x",), (("1",),), (True, False))):
        with pytest.raises(ValueError):
            str(wrong)
    with pytest.raises(ValueError, match=r"^rows: got things that are no rows"):
        dn.table([{"a": 1}, 2])


@pytest.mark.parametrize(("value", "text"), [
    (34.56, "34.6"), (95.54, "95.5"), (99.97, "100"), (999.7, "1000"), (1234.5, "1234"), (1e-3, "0.00100"), (0.00099, "9.9·10⁻⁴"), (torch.tensor([1.0, 2.0]), "1.50 (1.10 to 1.90)")])
def test_how_a_value_is_shown_where_the_notation_changes(value, text):
    """Which bug this catches: a number that rounding takes to the next power of ten and so to 1.00e+03."""
    assert tables.shown(value) == text and dn.power(1300.0) == "10³"


def test_curves_of_another_number_of_seeds_than_times():
    """Two seeds, four times; the last value is 1.05 and 1.5 times the least.  Which bug this catches: a median over the wrong axis."""
    row = dn.turning([1.0, 10.0, 100.0, 1e3], torch.tensor([[9.0, 4.0, 5.0, 4.2], [9.0, 8.0, 4.0, 6.0]]).double())
    assert row == {"least": "4.0 (4.0 to 4.0)", "at τ": "10²", "in the end": "5.1 (4.4 to 5.8)", "rises in": "1 of 2"}
