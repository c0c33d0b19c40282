r"""The local score machine of Kamb and Ganguli (2025): the ideal score of a network that sees one patch at a time.

The ideal denoiser of a data set takes the mean of its images, each weighted by how well it explains the *whole* noisy image; that
is the score of the empirical p_t, and it leads back to the images.  Here each pixel i has a mean of its own, and the weights look
at the patch :math:`\Omega_i` around it only:

.. math:: s_i(x,t) = \frac{r\, E[y_i \mid x_{\Omega_i}] - x_i}{s^2}, \qquad
          P(y \mid x_{\Omega_i}) \propto \exp\Big(-\frac{\|x_{\Omega_i} - r\, y_{\Omega_i}\|^2}{2 s^2}\Big),

with r = scale(t), s = std(t), and y among the training patches: those at the same place, or with ``equivariant`` those around all
pixels whose patch the border cuts off in the same way.  Each s_i is an entry of the empirical score *of patches*; together they
are in general the gradient of no density.
"""

import torch
from torch import Tensor

from ..base import checks as check
from ..processes import LinearSDE

_CHUNK, _CHUNK_CUDA = 2**17, 2**25  # entries of the largest temporary; on a CPU more leave the cache


def local_score(images: Tensor, sde: LinearSDE, patch: int, *, equivariant: bool = False):
    """The ideal local score of square images [n, d]: a function (x [*b, d], t number or [*b]) -> [*b, d], for t > 0.

    Args:
        images: one a row, d = side^2 pixels, row by row.
        sde: the forward process.
        patch: pixels in a side of the patch, odd.  At the border a patch ends where the image does; from 2 side - 1 on every
            pixel sees the whole image, and the result is the score of the empirical marginals.
        equivariant: weigh patches from all places of the same kind, and not only those at the pixel's own.
    """
    images = check.tensor("images", images, ("n", "d"))
    check.instance("sde", sde, LinearSDE)
    check.instance("equivariant", equivariant, bool)
    side, patch = round(images.shape[1] ** 0.5), check.integer("patch", patch)
    if side**2 != images.shape[1]:
        check.fail("images", f"{images.shape[1]} pixels a row", "square images")
    if patch % 2 == 0:
        check.fail("patch", patch, "odd numbers, so that a pixel is in the middle")
    kinds = [_Kind(images.double(), pixels, windows, equivariant) for pixels, windows in _windows(side, patch // 2, equivariant)]

    def score(x, t):
        x = check.tensor("x", x, (..., images.shape[1]), like=images)
        t = sde.times_of(x, t).double()
        check.holds("t", t > 0, "t > 0: a data set has no density at t = 0", t)
        scale, std = (part.expand(x.shape[:-1]).reshape(-1, 1) for part in (sde.scale(t), sde.std(t)))
        flat = x.reshape(-1, x.shape[-1]).double()
        mean = torch.empty_like(flat)
        for kind in kinds:
            mean[:, kind.pixels] = kind.mean(flat, scale, std)
        return ((scale * mean - flat) / std**2).to(x.dtype).reshape(x.shape)

    return score


class _Kind:
    """Pixels [p] whose windows [p, q] are alike, and the training patches to compare them with: [p or 1, N, q]."""

    def __init__(self, images: Tensor, pixels: list, windows: list, equivariant: bool):
        self.pixels, self.windows = (torch.tensor(index, device=images.device) for index in (pixels, windows))
        patches, centres = images[:, self.windows].transpose(0, 1), images[:, self.pixels].mT
        if equivariant:
            patches, centres = patches.flatten(0, 1)[None], centres.reshape(1, -1)
        self.patches, self.centres, self.size = patches.mT.contiguous(), centres[..., None], patches.square().sum(-1)[:, None]

    def mean(self, x: Tensor, scale: Tensor, std: Tensor) -> Tensor:
        """E[y_i | the window of x], for x [b, d]: [b, p]."""
        rows = max(1, (_CHUNK_CUDA if x.is_cuda else _CHUNK) // (len(self.pixels) * self.size.shape[-1]))
        return torch.cat([self._mean(*part) for part in zip(*(a.split(rows) for a in (x, scale, std)), strict=True)])

    def _mean(self, x, scale, std):
        near = (x[:, self.windows].transpose(0, 1) * (scale / std**2)) @ self.patches  # [p, b, N]
        weight = near.sub_((scale / std) ** 2 / 2 * self.size).softmax(-1)
        return (weight @ self.centres)[..., 0].mT


def _windows(side: int, reach: int, equivariant: bool):
    """Pixels and their windows, which end at the border, by kind: of one size, and if ``equivariant`` around the same place."""
    kinds: dict[tuple, tuple[list, list]] = {}
    for row in range(side):
        for column in range(side):
            rows, columns = (range(max(k - reach, 0), min(k + reach + 1, side)) for k in (row, column))
            shape = len(rows), len(columns)
            place = (row - rows.start, column - columns.start) if equivariant else ()
            pixels, windows = kinds.setdefault((*shape, *place), ([], []))
            pixels.append(row * side + column)
            windows.append([side * r + c for r in rows for c in columns])
    return kinds.values()
