"""Times against closed forms, lines against least squares, the price of a weight against derivatives that nobody worked out by hand."""

import math

import pytest
import torch

import diffnotes as dn

F64 = torch.float64


def one_mode(b=0.1, c=0.2, S=1.0, start=None):
    statistics = dn.Statistics(torch.tensor([[b]], dtype=F64), torch.tensor([[c]], dtype=F64), torch.tensor(S, dtype=F64))
    return dn.GradientFlow(statistics, start)


def test_the_time_needed_by_one_mode_is_a_logarithm():
    """L = S - c^2/b (1 - e^{-4 b tau}), whose least value is 0.6 S.  Which bug this catches: shares of S - L*, a factor in the time."""
    shares = torch.tensor([[0.9, 0.7], [0.601, 0.6]], dtype=F64)
    needed = dn.time_needed(one_mode(), shares)
    exact = -torch.log(1 - (1 - shares) / 0.4) / 0.4
    torch.testing.assert_close(needed.flatten()[:3], exact.flatten()[:3], rtol=1e-8, atol=0)
    assert dn.time_needed(one_mode(), 0.59) == math.inf and dn.time_needed(one_mode(), 1.0) <= 1.001e-6


def test_the_time_needed_counts_from_where_the_flow_starts():
    """From theta = 4 the loss is 0.6 + 0.1 (4 - 2)^2 e^{-4 b tau} = 1, as from zero; from 6 it is 2.2."""
    for start, share in ((4.0, 0.8), (6.0, 0.8)):
        flow = one_mode(start=torch.tensor([[start]], dtype=F64))
        tau = dn.time_needed(flow, share)
        assert math.isclose(flow.loss(tau) / flow.loss(0.0), share, rel_tol=1e-9)


@pytest.mark.parametrize("b", [1e-3, 1e-11, 2e-13, 2.5e-14])
def test_times_are_found_up_to_1e12_and_no_further(b):
    """With c^2 = 0.4 b S the loss is 0.9 S at -log(0.75) / (4 b), which is 7e7, 7e9, 3.6e11, and 2.9e12 at last."""
    needed, exact = dn.time_needed(one_mode(b, (0.4 * b) ** 0.5), 0.9), -math.log(0.75) / (4 * b)
    assert needed.item() == (pytest.approx(exact, rel=1e-9) if exact < 1e12 else math.inf)


def test_what_is_there_at_the_start_takes_the_shortest_time():
    assert dn.time_needed(one_mode(), 1.0).item() == pytest.approx(1e-6, rel=1e-9)
    early = one_mode(b=1e5, c=(0.4 * 1e5) ** 0.5)  # 0.9 S at 7e-7, before the first time that is looked at
    assert dn.time_needed(early, torch.tensor([0.9], dtype=F64)).tolist() == [pytest.approx(1e-6, rel=1e-9)]


def test_the_nearest_line_solves_the_normal_equations():
    x = torch.linspace(-1, 3, 21, dtype=F64)
    weight, y = torch.exp(-((x - 1) ** 2)), torch.stack([2 - 3 * x, x.exp(), x.abs()])
    found = dn.nearest_line(x, y, weight)
    design = torch.stack([x, torch.ones_like(x)], 1) * weight.sqrt()[:, None]
    exact = torch.linalg.lstsq(design, (y * weight.sqrt()).mT).solution.mT
    torch.testing.assert_close(found, exact, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(found[0], torch.tensor([-3.0, 2.0], dtype=F64))


def test_the_nearest_line_of_points_far_from_the_origin():
    """y = 2 x + 1 at x near 10^8, with weights that do not sum to one.  Which bug this catches: products of what is not centred."""
    x = 1e8 + torch.tensor([0.0, 1.0, 3.0], dtype=F64)
    slope, intercept = dn.nearest_line(x, 2 * x + 1, torch.tensor([0.1, 0.2, 0.1], dtype=F64)).tolist()
    assert slope == pytest.approx(2, rel=1e-12) and intercept == pytest.approx(1, abs=1e-3)


def test_a_loss_that_does_not_fall_has_its_whole_at_once():
    assert dn.time_needed(one_mode(c=0.0), 1.0).item() == pytest.approx(1e-6, rel=1e-9) and dn.time_needed(one_mode(c=0.0), 0.99).isinf()


def test_the_last_time_off_is_after_every_return():
    tau = torch.tensor([1.0, 2.0, 4.0, 8.0], dtype=F64)
    values = torch.tensor([[0.0, 1.0, 2.0, 1.0], [1.0, 1.0, 1.0, 1.05], [0.0, 0.0, 0.0, 0.0]], dtype=F64)
    assert dn.last_off(tau, values, 1.0, 0.1).tolist() == [4.0, 1.0, 8.0]
    assert dn.last_off(tau, -2 * values, -2.0, 0.1).tolist() == [4.0, 1.0, 8.0]


def test_a_value_that_misses_by_just_the_share_is_not_off():
    tau = torch.tensor([1.0, 2.0, 4.0], dtype=F64)
    assert dn.last_off(tau, torch.tensor([9.0, 4.5, 3.0]).double(), 3.0, 0.5).item() == 1.0
    assert dn.last_off(tau, torch.tensor([3.0, 1.0, 1.5]).double(), 3.0, 0.5).item() == 2.0
    assert dn.last_off(tau, torch.tensor([9.0, 3.5, 3.0]).double(), 3.0, 0.0).item() == 2.0


def price_by_differences(mu, n=40_001):
    """E (d rho)^2 / (E d^2 rho)^2 over the Fisher information, rho = s^2 + 2 s', all derivatives in q by differences."""
    x = torch.linspace(-mu - 9, mu + 9, n, dtype=F64)[:, None]

    def read(q):
        law = dn.GaussianMixture.two_modes(mu, q)
        s = law.score(x)[:, 0]
        return law.log_prob(x), s**2 + 2 * torch.gradient(s, spacing=(x[1] - x[0]).item())[0]

    h = 1e-3
    (log_a, rho_a), (log_p, rho), (log_b, rho_b) = read(0.5 - h), read(0.5), read(0.5 + h)

    def mean(values):
        return torch.trapezoid(values * log_p.exp(), x[:, 0])

    return mean(((rho_b - rho_a) / (2 * h)) ** 2) / mean((rho_b - 2 * rho + rho_a) / h**2) ** 2 * mean(((log_b - log_a) / (2 * h)) ** 2)


@pytest.mark.parametrize("mu", [0.7, 1.5, 3.0])
def test_the_price_of_a_weight_is_the_ratio_of_two_variances(mu):
    assert dn.weight_price(mu).item() == pytest.approx(price_by_differences(mu).item(), rel=2e-3)


def test_near_modes_cost_nothing_more_and_far_ones_exponentially():
    """For mu -> 0 the family is one of Gaussian means, for which both estimators are the sample mean."""
    price = dn.weight_price(torch.tensor([1e-3, 1.0, 2.0, 4.0, 6.0], dtype=F64))
    assert price[0] == pytest.approx(1, abs=1e-5) and (price.diff() > 0).all()
    assert (price[4] / price[3]).log() / 20 == pytest.approx(0.5, abs=0.05)


def test_prices_of_many_distances_and_the_ends_of_what_is_allowed():
    mu = torch.tensor([[0.7, 1.5], [3.0, 30.0]], dtype=F64)
    price = dn.weight_price(mu)
    assert price.shape == (2, 2) and price[1, 0] == dn.weight_price(3.0)
    torch.testing.assert_close(dn.weight_price(mu[:1].float()), price[:1].float())
    few = dn.weight_price(torch.tensor([15.0, 29.0, 30.0], dtype=F64)).log()  # E (d s)^2 falls like exp(-mu^2/2)
    assert (few[2] - few[1]).item() == pytest.approx(29.5, abs=0.2) and (few[2] - few[0]).item() == pytest.approx((900 - 225) / 2, abs=3)
    assert dn.weight_price(torch.tensor(13.0)).isfinite()  # in float32
    # the rule is trapezoidal: with three points only the middle counts, where rho does not move with q
    assert dn.weight_price(1.0, points=3).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("wrong", "said"), [
    *((lambda share=share: dn.time_needed(one_mode(), share), rf"share: got {share:g}; allowed: shares in \(0, 1\]") for share in (0.0, -0.5, 1.5)),
    *((lambda mu=mu: dn.weight_price(mu), rf"mu: got {mu:g}; allowed: distances above 0, up to 30") for mu in (0.0, -0.5, 30.5)),
    (lambda: dn.weight_price(1.0, points=2), "points: got 2; allowed: an integer of at least 3"),
    (lambda: dn.nearest_line([0.0, 1.0], [1.0, 1.0], [1.0, -0.5]), "weight: got -0.5; allowed: weights >= 0"),
    (lambda: dn.nearest_line([0.0, 1.0], [1.0, 1.0], [0.0, 0.0]), "weight: got 0; allowed: weights that do not all vanish"),
    (lambda: dn.nearest_line([0.0, 1.0], [1.0, 1.0], [0.0, 2.0]), "x: got 1; allowed: at least two different points with a weight"),
    (lambda: dn.last_off([1.0, 2.0], [1.0, 1.0], 0.0, 0.1), "goal: got 0.0; allowed: a number that is not zero"),
    (lambda: dn.last_off([1.0, 2.0], [1.0, 1.0], 1.0, -0.5), r"share: got -0.5; allowed: a finite number in \[0, inf\]")])
def test_errors_say_what_is_allowed(wrong, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        wrong()
