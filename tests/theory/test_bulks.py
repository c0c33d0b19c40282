"""The third bulk: its bounds by brute force, the mean of an inverse Wishart matrix, and the constants of an activation."""

import math

import numpy as np
import pytest
import torch

import diffnotes as dn

F64 = torch.float64
SDE = dn.OU(T=5.0)


def drawn(rng, *shape):
    return torch.from_numpy(rng.standard_normal(shape))


def test_the_bounds_hold_for_every_instance_and_are_attained():
    """Random shapes and scales, low ranks and full ones; a bound with k + 1 for k would fail."""
    rng, tight = np.random.default_rng(0), []
    for trial in range(600):
        n, d = rng.integers(1, 7, 2)
        m = n + d + rng.integers(0, 6)
        psi, v = 10 ** rng.uniform(-2, 2) * drawn(rng, m, n), 10 ** rng.uniform(-2, 2) * drawn(rng, m, d)
        if trial % 3 == 0:  # some directions of V lie in the span of Psi, or nearly
            v = v * (torch.arange(d) > 0) + psi @ drawn(rng, n, d) * 10 ** rng.uniform(-1, 1)
        if trial % 7 == 0:
            psi[:, 0] = psi[:, -1]
        low, high = dn.third_bulk_bounds(psi, v)
        seen = torch.linalg.eigvalsh(psi @ psi.mT + v @ v.mT).flip(0)[n : n + d].clamp(min=0)
        slack = 1e-9 * float(psi.square().sum() + v.square().sum())
        assert (low <= seen + slack).all() and (seen <= high + slack).all(), (n, d, m)
        keep = seen > 1e3 * slack
        tight.append(torch.stack([(seen / high)[keep], (low / seen)[keep]], 1))
    below, above = torch.cat(tight).amax(0)
    assert 0.99 < below <= 1 + 1e-6 and 0.99 < above <= 1 + 1e-6


def test_orthogonal_blocks_attain_the_upper_bound():
    psi, v = torch.eye(6, dtype=F64)[:, :2] * 3, torch.eye(6, dtype=F64)[:, 2:4] * torch.tensor([2.0, 1.0], dtype=F64)
    low, high = dn.third_bulk_bounds(psi, v)
    torch.testing.assert_close(high, torch.tensor([4.0, 1.0], dtype=F64))
    torch.testing.assert_close(low, torch.tensor([4 * 9 / 13, 9 / 10], dtype=F64))
    low, high = dn.third_bulk_bounds(psi, psi @ torch.tensor([[1.0, 2.0], [0.0, 3.0]], dtype=F64))  # both sides vanish
    assert low.tolist() == [0.0, 0.0] and high.max() < 1e-20
    low, high = dn.third_bulk_bounds(0 * psi, v)  # l = 0: the left side says nothing, and the right one is attained
    assert low.tolist() == [0.0, 0.0] and torch.equal(high, torch.tensor([4.0, 1.0], dtype=F64))
    with pytest.raises(ValueError, match=r"^psi: got 2 \+ 2 columns in R\^3; allowed: n \+ d <= m"):
        dn.third_bulk_bounds(psi[:3], v[:3])


def test_the_mean_inverse_is_that_of_a_wishart_matrix():
    """Over draws of W and G the mean of S^{-1} has the inverse of the predicted eigenvalues: m - n - d - 1, not m."""
    rng, n, d, m, r, s = np.random.default_rng(1), 5, 3, 24, 0.8, 0.6
    parts = dn.FeatureParts(0.0, 0.7, 0.3, 0.05)
    x, draws = drawn(rng, n, d), []
    for _ in range(4000):
        W = drawn(rng, m, d) / d**0.5
        psi = (parts.slope * r * W @ x.mT + parts.sample**0.5 * drawn(rng, m, n)) / n**0.5
        v = s * parts.slope * W
        off = v - psi @ torch.linalg.lstsq(psi, v).solution
        draws.append(torch.linalg.inv(v.mT @ off))
    mean, error = torch.stack(draws).mean(0), torch.stack(draws).std(0) / len(draws) ** 0.5
    basis = torch.linalg.eigh(x.mT @ x)[1]
    wanted = basis / (dn.third_bulk(x, m, parts, r, s) - parts.rest) @ basis.mT
    assert ((mean - wanted).abs() < 4.5 * error).all()
    assert (mean - wanted).abs().max() < 0.05 * wanted.abs().max()


@pytest.mark.parametrize("t", [0.003, 0.1, 1.0])
def test_parts_of_relu_have_closed_forms(t):
    r, s = SDE.scale(t).item(), SDE.std(t).item()
    total, rho = r**2 + s**2, r**2 / (r**2 + s**2)
    kernel = (math.sqrt(1 - rho**2) + rho * (math.pi - math.acos(rho))) / (2 * math.pi)
    parts = dn.feature_parts(torch.relu, r, s)
    assert math.isclose(parts.mean, math.sqrt(total / (2 * math.pi)), rel_tol=1e-6) and math.isclose(parts.slope, 0.5, rel_tol=1e-6)
    assert abs(parts.sample - total * (kernel - 1 / (2 * math.pi) - rho / 4)) < 1e-6
    assert abs(parts.rest - total * (0.5 - kernel - (1 - rho) / 4)) < 1e-6


def test_parts_of_tanh_follow_from_its_hermite_coefficients():
    r, s = SDE.scale(0.1).item(), SDE.std(0.1).item()
    z, w = np.polynomial.hermite_e.hermegauss(80)
    w, size, rho = w / w.sum(), math.hypot(r, s), r**2 / (r**2 + s**2)
    c = [float(w @ (np.tanh(size * z) * np.polynomial.hermite_e.HermiteE.basis(k)(z))) / math.sqrt(math.factorial(k)) for k in range(30)]
    parts = dn.feature_parts(torch.tanh, r, s)
    assert math.isclose(parts.slope, float(w @ np.cosh(size * z) ** -2.0), rel_tol=1e-6) and abs(parts.mean) < 1e-12
    assert math.isclose(parts.sample, sum(c[k] ** 2 * rho**k for k in range(2, 30)), rel_tol=1e-5)
    assert math.isclose(parts.rest, sum(c[k] ** 2 * (1 - rho**k) for k in range(2, 30)), rel_tol=1e-4)
    low, high = parts.edges(400, 100)
    assert math.isclose(low, parts.rest + parts.sample) and math.isclose(high, parts.rest + 9 * parts.sample)


def test_prediction_is_close_for_real_features():
    """tanh, d = 16: the median of the third bulk within a tenth, from the exact second moment."""
    rng, t, d, n, m = np.random.default_rng(2), 0.03, 16, 32, 384
    W, x = drawn(rng, m, d) / d**0.5, drawn(rng, n, d)
    r, s = SDE.scale(t).item(), SDE.std(t).item()
    value = dn.GradientFlow(dn.smooth_statistics(torch.tanh, W, x, SDE, t)).eigenvalues.flip(0) * m / s**2
    predicted = dn.third_bulk(x, m, dn.feature_parts(torch.tanh, r, s), r, s)
    assert (predicted.diff() <= 0).all() and abs(float(value[n : n + d].median() / predicted.median()) - 1) < 0.1


def test_too_few_features_and_linear_ones_are_refused():
    x, parts = torch.eye(3, dtype=F64), dn.FeatureParts(0.0, 1.0, 0.1, 0.1)
    with pytest.raises(ValueError, match=r"^m: got 7; allowed: more than n \+ d \+ 1 = 7"):
        dn.third_bulk(x, 7, parts, 1.0, 1.0)
    with pytest.raises(ValueError, match=r"^parts: .*slope and sample other than zero"):
        dn.third_bulk(x, 9, dn.feature_parts(lambda y: y, 1.0, 0.5), 1.0, 1.0)


@pytest.mark.parametrize(("r", "s"), [(0.9, 0.4), (3.0, 0.1), (0.2, 2.0), (1.0, 1e-3)])
def test_parts_of_polynomials_and_of_the_absolute_value(r, s):
    """y + y^2 has Hermite coefficients of degree 0, 1 and 2 only; |y| a kink that moves with u, out of the window for small s."""
    total, rho = r**2 + s**2, r**2 / (r**2 + s**2)
    for shift in (0.0, 1.0):
        parts = dn.feature_parts(lambda y, c=shift: c + y + y**2, r, s)
        wanted = (shift + total, 1.0, 2 * r**4, 4 * r**2 * s**2 + 2 * s**4)
        assert (parts.mean, parts.slope, parts.sample, parts.rest) == pytest.approx(wanted, rel=1e-9, abs=1e-9)
    bent = dn.feature_parts(torch.abs, r, s)
    kernel = 2 / math.pi * (math.sqrt(1 - rho**2) + rho * math.asin(rho))
    wanted = (math.sqrt(2 * total / math.pi), 0.0, total * (kernel - 2 / math.pi), total * (1 - kernel))
    assert (bent.mean, bent.slope, bent.sample, bent.rest) == pytest.approx(wanted, rel=2e-5, abs=2e-5)
    line = dn.feature_parts(lambda y: 3 * y, r, s)
    assert (line.slope, line.sample, line.rest) == pytest.approx((3.0, 0.0, 0.0), abs=1e-9) and line.sample >= 0 and line.rest >= 0


def test_the_third_bulk_of_one_coordinate_by_hand():
    """d = 1, x = (1, 2): 0.05 + s^2 v^2 (m - n - 2) / (5 r^2 + v^2 / a^2) = 0.05 + 0.25 * 0.2 * 3 / (20 + 0.05)."""
    found = dn.third_bulk([[1.0], [2.0]], 7, dn.FeatureParts(0.0, 2.0, 0.2, 0.05), 2.0, 0.5)
    assert found.tolist() == [pytest.approx(0.05 + 0.15 / 20.05)]
    smallest = dn.third_bulk([[1.0], [2.0]], 5, dn.FeatureParts(0.0, -2.0, 0.2, 0.05), 2.0, 0.5)
    assert smallest.tolist() == [pytest.approx(0.05 + 0.05 / 20.05)]


def test_the_bounds_count_a_direction_that_is_small_but_no_rounding():
    """V has a part 1e-3 beside Psi's first column.  Which bug this catches: a range cut off at a thousandth of the largest."""
    psi, v = torch.zeros(4, 2, dtype=F64), torch.zeros(4, 1, dtype=F64)
    psi[0, 0], psi[1, 1], v[1, 0], v[2, 0] = 1.0, 1e-9, 1.0, 0.5
    low, high = dn.third_bulk_bounds(psi, v)
    assert high.item() == pytest.approx(0.25) and low.item() == pytest.approx(0.25 * 2e-19 / 0.25, rel=1e-3)


@pytest.mark.parametrize(("wrong", "said"), [
    *((lambda v=v: dn.FeatureParts(0.0, 1.0, *v), rf"{n}: got -0.5; allowed: a finite number in \[0, inf\]") for n, v in (("sample", (-0.5, 0.0)), ("rest", (0.0, -0.5)))),
    *((lambda v=v: dn.FeatureParts(*v, 1.0, 1.0), rf"{n}: got nan") for n, v in (("mean", (math.nan, 0.0)), ("slope", (0.0, math.nan)))),
    (lambda: dn.feature_parts(torch.tanh, 0.0, 1.0), r"scale: got 0.0; allowed: a finite number in \[1e-09, 1e\+09\]"),
    (lambda: dn.feature_parts(torch.tanh, 1.0, 2e9), r"std: got 2000000000.0; allowed: a finite number in \[1e-09, 1e\+09\]"),
    (lambda: dn.feature_parts(torch.tanh, 1.0, 0.0), "std: got 0.0"), (lambda: dn.feature_parts(torch.tanh, 2e9, 1.0), "scale: got 2000000000.0"),
    (lambda: dn.feature_parts(torch.tanh, 1.0, 1.0, nodes=2), "nodes: got 2; allowed: an integer of at least 3"),
    (lambda: dn.third_bulk([[1.0]], 9, dn.FeatureParts(0.0, 0.0, 1.0, 0.1), 1.0, 1.0), "parts: .*slope and sample other than zero"),
    (lambda: dn.third_bulk([[1.0]], 9, dn.FeatureParts(0.0, 1.0, 0.0, 0.1), 1.0, 1.0), "parts: .*slope and sample other than zero"),
    (lambda: dn.FeatureParts(0.0, 1.0, 0.1, 0.1).edges(0, 1), "m: got 0"), (lambda: dn.FeatureParts(0.0, 1.0, 0.1, 0.1).edges(1, 0), "n: got 0")])
def test_errors_say_what_is_allowed(wrong, said):
    with pytest.raises(ValueError, match=f"^{said}"):
        wrong()
    assert dn.FeatureParts(0.0, 0.0, 0.0, 0.0).edges(1, 1) == (0, 0)
    assert dn.feature_parts(torch.tanh, 1e-9, 1.0, nodes=3) and dn.feature_parts(torch.tanh, 1.0, 1e-9, nodes=3)
