"""Random features against equation (12) written out, their time embedding against its formula, their draws against their law."""

import math

import numpy as np
import pytest
import torch

import diffnotes as dn
from diffnotes.theory.features import _ENTRIES_CUDA

F64 = torch.float64
T = 5.0


def features(m, d=1, seed=0, **kwargs):
    return dn.RandomFeatures.draw(m, d, T, np.random.default_rng(seed), **kwargs)


def test_embedding_is_its_formula():
    """Which bug this catches: a frequency of pi k / (size - 1) or k / pi, or t / T without the root."""
    times = [[0.0, 0.1], [1.7, 5.0]]
    e = dn.cosine_embedding(torch.tensor(times, dtype=F64), T, 4)
    exact = [[[math.cos(k * math.pi * math.sqrt(t / T)) for k in range(4)] for t in row] for row in times]
    torch.testing.assert_close(e, torch.tensor(exact, dtype=F64))
    assert dn.cosine_embedding(1e-4, 1e-3, 1).tolist() == [1.0]


def test_embedding_is_bounded_and_starts_with_one():
    e = dn.cosine_embedding(torch.linspace(0, T, 50, dtype=F64), T, 4)
    assert e.abs().max() <= 1 and torch.equal(e[:, 0], torch.ones(50, dtype=F64))


def test_features_follow_equation_12():
    phi, x, t = features(5, 2), dn.normal(np.random.default_rng(1), (3, 2)), torch.tensor([0.1, 1.0, 4.0], dtype=F64)
    A = dn.normal(np.random.default_rng(2), (2, 5))
    for i in range(3):
        e = dn.cosine_embedding(t[i], T, 3)
        expected = sum(A[:, k] * max(float(phi.W[k] @ x[i] + phi.U[k] @ e), 0.0) for k in range(5)) / 5
        assert torch.allclose(phi.score(A / 5**0.5)(x, t)[i], expected, rtol=1e-12)


@pytest.mark.parametrize("embedding", [1, 2, 4])
def test_the_bias_is_what_time_adds_to_the_inputs(embedding):
    phi, t = features(6, 2, embedding=embedding), torch.tensor([[0.1, 1.0, 4.0], [0.0, 2.0, T]], dtype=F64)
    exact = torch.stack([torch.stack([phi.U @ dn.cosine_embedding(one, T, embedding) for one in row]) for row in t])
    torch.testing.assert_close(phi.bias(t), exact)
    torch.testing.assert_close(phi(torch.zeros(2, 3, 2, dtype=F64), t), exact.relu() / 6**0.5)
    x = dn.normal(np.random.default_rng(3), (2, 3, 2))
    torch.testing.assert_close(phi(x, t), (x @ phi.W.mT + exact).relu() / 6**0.5)
    torch.testing.assert_close(phi(x, 1.0), (x @ phi.W.mT + phi.bias(1.0)).relu() / 6**0.5)


def test_inner_weights_are_uniform_on_the_l1_sphere():
    phi = features(20_000, 2)
    rows = torch.cat([phi.W, phi.U], 1).abs()
    assert phi.U.shape == (20_000, 3) and (phi.width, phi.d) == (20_000, 2)
    assert torch.allclose(rows.sum(1), torch.ones(20_000, dtype=F64))
    # Each |coordinate| of a uniform point on the l1 sphere in R^5 is Beta(1, 4).
    for k in range(5):
        for level in (0.05, 0.2, 0.6):
            share, exact = float((rows[:, k] > level).double().mean()), (1 - level) ** 4
            assert share == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 20_000) ** 0.5)
    signs = torch.cat([phi.W, phi.U], 1).sign()
    assert (signs.mean(0).abs() < 4 / 20_000**0.5).all()
    assert ((signs.mT @ signs / 20_000 - torch.eye(5, dtype=F64)).abs() < 4 / 20_000**0.5).all()


def test_score_in_blocks_is_the_product_with_the_features(monkeypatch):
    phi, rng = features(6, 2), np.random.default_rng(0)
    theta, x = dn.normal(rng, (3, 2, 6)), dn.normal(rng, (11, 2))
    for t in (0.5, torch.linspace(0.1, 2.0, 11, dtype=F64)):
        whole = phi(x, t) @ theta.mT
        monkeypatch.setattr("diffnotes.theory.features._ENTRIES", 2 * 6)
        torch.testing.assert_close(phi.score(theta)(x, t), whole)
        torch.testing.assert_close(phi.score(theta[0])(x, t), whole[0])
        batched = x.expand(3, 11, 2)
        torch.testing.assert_close(phi.score(theta)(batched, 0.5), phi(x, 0.5) @ theta.mT)


@pytest.mark.parametrize("entries, blocks", [(1, [1] * 11), (4 * 6, [4, 4, 3]), (11 * 6, [11]), (2**19, [11])])
def test_a_block_has_as_many_points_as_its_limit_allows(entries, blocks, monkeypatch):
    """Which bug this catches: blocks of one point, which are slow, or of all points, which need the memory of all features."""
    phi, x, seen = features(6, 2), dn.normal(np.random.default_rng(0), (11, 2)), []
    monkeypatch.setattr("diffnotes.theory.features._ENTRIES", entries)
    values = phi._values
    monkeypatch.setattr(phi, "_values", lambda x, t: seen.append(len(x)) or values(x, t))
    for t in (0.5, torch.linspace(0.1, 2.0, 11, dtype=F64)):
        phi.score(torch.ones(2, 6, dtype=F64))(x, t)
        assert seen == blocks
        seen.clear()


def test_a_block_fits_a_cache_and_a_gpu_gets_more():
    """Which bug this catches: blocks of a few numbers, or of gigabytes."""
    phi, seen = features(1000), []
    values = phi._values
    phi._values = lambda x, t: seen.append(len(x)) or values(x, t)
    phi.score(torch.ones(1, 1000, dtype=F64))(torch.zeros(3000, 1, dtype=F64), 0.5)
    assert 1e6 < max(seen) * 1000 * 8 < 10e6  # bytes
    assert 50e6 < _ENTRIES_CUDA * 8 < 500e6


def test_defaults_and_limits_of_the_arguments():
    assert features(3).U.shape == (3, 3) and features(3).W.dtype == F64 and features(1).W.shape == (1, 1)
    assert dn.RandomFeatures(torch.ones(2, 1), torch.ones(2, 1), 1e-3).T == 1e-3
    phi = features(3, 2)
    assert phi(torch.zeros(4, 5, 2, dtype=F64), torch.ones(4, 5, dtype=F64)).shape == (4, 5, 3)
    for t in (torch.ones(4, dtype=F64), torch.ones(5, dtype=F64), torch.ones(5, 4, dtype=F64)):
        with pytest.raises(ValueError, match=r"^t: got shape .*; allowed: a number or shape \(4, 5\), one time for each x$"):
            phi(torch.zeros(4, 5, 2, dtype=F64), t)


POINTS = torch.zeros(2, 1, dtype=F64)


@pytest.mark.parametrize("call, name", [
    (lambda: features(0), "width"), (lambda: features(2, 0), "d"), (lambda: features(2, embedding=0), "embedding"),
    (lambda: features(3)(torch.zeros(2, 2, dtype=F64), 0.5), "x"), (lambda: features(3)(POINTS, 9.0), "t"), (lambda: features(3)(POINTS, -0.1), "t"),
    (lambda: features(3)(POINTS, [0.1, 0.2, 0.3]), "t"), (lambda: features(3).bias(5.1), "t"), (lambda: features(3).bias(-0.1), "t"),
    (lambda: features(3).score(torch.zeros(1, 4, dtype=F64)), "theta"), (lambda: features(3).score(torch.zeros(2, 3, dtype=F64)), "theta"),
    (lambda: dn.RandomFeatures(torch.ones(2, 1), torch.ones(3, 1), 1.0), "U"), (lambda: dn.RandomFeatures(torch.ones(2, 1), torch.ones(2, 1), 0.0), "T"),
    (lambda: dn.cosine_embedding(0.0, 0.0, 3), "T"), (lambda: dn.cosine_embedding(1.1, 1.0, 3), "t"), (lambda: dn.cosine_embedding(-0.1, 1.0, 3), "t"),
    (lambda: dn.cosine_embedding(0.5, 1.0, 0), "size"),
])
def test_bad_input_names_the_argument(call, name):
    with pytest.raises(ValueError, match=rf"^{name}: got .*; allowed: "):
        call()


def test_the_gradient_of_the_features_is_that_of_autograd():
    phi, t = features(5, 2), torch.tensor([0.1, 1.0, 4.0], dtype=F64)
    x = dn.normal(np.random.default_rng(1), (3, 2)).requires_grad_()
    for i in range(5):
        (expected,) = torch.autograd.grad(phi(x, t)[:, i].sum(), x)
        assert torch.allclose(phi.gradient(x.detach(), t)[:, i], expected, atol=1e-15)
    assert phi.gradient(torch.zeros(4, 3, 2, dtype=F64), 1.0).shape == (4, 3, 5, 2)
