"""Local scores against the sum over patches written out, and against the laws that they become at the two ends."""

import numpy as np
import pytest
import torch

import diffnotes as dn
from diffnotes.generation import patches

SDE = dn.OU(T=3.0)


def drawn(key, *shape):
    return dn.normal(np.random.default_rng(key), shape)


def written_out(images, x, t, patch, equivariant):
    """The definition, pixel by pixel and patch by patch."""
    side, reach, r, s = round(images.shape[1] ** 0.5), patch // 2, SDE.scale(t), SDE.std(t)
    images, x, result = images.reshape(-1, side, side), x.reshape(side, side), torch.empty(side, side, dtype=x.dtype)

    def window(row, column):
        return [(a, b) for a in range(-reach, reach + 1) for b in range(-reach, reach + 1)
                if 0 <= row + a < side and 0 <= column + b < side]

    pixels = [(i, j) for i in range(side) for j in range(side)]
    for i, j in pixels:
        places = [p for p in pixels if window(*p) == window(i, j)] if equivariant else [(i, j)]
        weights, values = [], []
        for y in images:
            for k, m in places:
                gap = sum((x[i + a, j + b] - r * y[k + a, m + b]) ** 2 for a, b in window(i, j))
                weights.append(-gap / (2 * s**2))
                values.append(y[k, m])
        mean = torch.stack(weights).softmax(0) @ torch.stack(values)
        result[i, j] = (r * mean - x[i, j]) / s**2
    return result.reshape(-1)


@pytest.mark.parametrize("equivariant", [False, True])
@pytest.mark.parametrize(("side", "patch"), [(4, 1), (4, 3), (4, 7), (5, 5)])
def test_it_is_the_mean_over_patches_written_out(side, patch, equivariant):
    images, x = drawn(0, 3, side**2), drawn(1, 2, side**2)
    for t in (torch.tensor(0.05).double(), torch.tensor(0.7).double()):
        found = dn.local_score(images, SDE, patch, equivariant=equivariant)(x, t)
        torch.testing.assert_close(found, torch.stack([written_out(images, row, t, patch, equivariant) for row in x]))


@pytest.mark.parametrize("equivariant", [False, True])
def test_a_patch_that_sees_all_gives_the_empirical_score(equivariant):
    images, x, t = drawn(0, 20, 16), drawn(1, 3, 2, 16), torch.tensor([[0.01, 0.5], [1.0, 2.9], [0.1, 0.2]]).double()
    for patch in (7, 99):
        torch.testing.assert_close(dn.local_score(images, SDE, patch, equivariant=equivariant)(x, t),
                                   dn.GaussianMixture.empirical(images).diffused(SDE).score(x, t), rtol=1e-9, atol=1e-9)


def test_a_patch_of_one_pixel_gives_independent_pixels():
    images, x = drawn(0, 9, 16), drawn(1, 5, 16)
    alone = [dn.GaussianMixture.empirical(images[:, k:k + 1]).diffused(SDE).score(x[:, k:k + 1], 0.2) for k in range(16)]
    torch.testing.assert_close(dn.local_score(images, SDE, 1)(x, 0.2), torch.cat(alone, 1))


@pytest.mark.parametrize("equivariant", [False, True])
def test_a_pixel_outside_the_patch_does_not_matter(equivariant):
    score = dn.local_score(drawn(0, 7, 36), SDE, 3, equivariant=equivariant)
    moves = torch.autograd.functional.jacobian(lambda x: score(x, 0.3), drawn(1, 36)).abs() > 0
    row, column = torch.arange(36) // 6, torch.arange(36) % 6
    near = ((row[:, None] - row).abs() <= 1) & ((column[:, None] - column).abs() <= 1)
    assert torch.equal(moves, near)


def test_with_equivariance_a_picture_that_moves_takes_its_score_along():
    score, x = dn.local_score(drawn(0, 7, 64), SDE, 3, equivariant=True), drawn(1, 8, 8)
    here, there = (score(picture.reshape(1, 64), 0.3).reshape(8, 8) for picture in (x, x.roll((1, 2), (0, 1))))
    torch.testing.assert_close(there[2:7, 3:7], here[1:6, 1:5])
    fixed = dn.local_score(drawn(0, 7, 64), SDE, 3)
    assert (fixed(x.roll((1, 2), (0, 1)).reshape(1, 64), 0.3).reshape(8, 8)[2:7, 3:7] - here[1:6, 1:5]).abs().max() > 0.1


def test_pieces_and_precisions_agree(monkeypatch):
    images, x = drawn(0, 7, 16), drawn(1, 6, 16)
    whole = dn.local_score(images, SDE, 3)(x, 0.3)
    single = dn.local_score(images.float(), SDE, 3)(x.float(), 0.3)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), whole, rtol=1e-5, atol=1e-5)
    monkeypatch.setattr("diffnotes.generation.patches._CHUNK", 1)
    torch.testing.assert_close(dn.local_score(images, SDE, 3)(x, 0.3), whole)


@pytest.mark.parametrize("equivariant", [False, True])
def test_the_largest_temporary_fits_the_cache(equivariant, monkeypatch):
    """On a CPU 2^17 numbers, and as many points at once as that leaves; one at least.  Which bug this catches: one row at a time."""
    seen, plain = [], patches._Kind._mean
    monkeypatch.setattr(patches._Kind, "_mean", lambda self, x, *rest: seen.append((self.pixels, len(x), (x[:, self.windows].transpose(0, 1) @ self.patches).numel()))
                        or plain(self, x, *rest))
    score, x = dn.local_score(drawn(0, 400, 16), SDE, 3, equivariant=equivariant), drawn(1, 400, 16)
    score(x, 0.3)
    for kind in {id(pixels) for pixels, *_ in seen}:
        rows = [(count, size) for pixels, count, size in seen if id(pixels) == kind]
        assert sum(count for count, _ in rows) == 400
        assert len(rows) > 1
        for count, size in rows[:-1]:
            assert size <= 2**17 < size // count * (count + 1)
    seen.clear()
    monkeypatch.setattr(patches, "_CHUNK", 1)
    score(x, 0.3)
    assert {count for _, count, _ in seen} == {1}


def test_what_is_no_image_or_no_patch_is_refused():
    with pytest.raises(ValueError, match=r"^images: got 15 pixels a row; allowed: square images"):
        dn.local_score(drawn(0, 2, 15), SDE, 3)
    with pytest.raises(ValueError, match=r"^patch: got 4; allowed: odd numbers"):
        dn.local_score(drawn(0, 2, 16), SDE, 4)
    with pytest.raises(ValueError, match=r"^t: got .*0.*; allowed: t > 0"):
        dn.local_score(drawn(0, 2, 16), SDE, 3)(drawn(1, 1, 16), 0.0)
