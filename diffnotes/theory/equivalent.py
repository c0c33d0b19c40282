r"""The Gaussian equivalent of the features' second moment, in the limit of many dimensions (chapter "Two clocks").

For standard normal data and m = psi_m d features, n = psi_n d samples, d to infinity, the resolvent of
:math:`U = s_*^2 I + GG^\top/n + a^2 s^2\,WW^\top`, :math:`G = a r W X^\top + v_* \Omega`, has the traces

.. math:: q = \tfrac1m \mathrm{tr}\,(U - z)^{-1}, \qquad p = \tfrac1m \mathrm{tr}\,W^\top (U - z)^{-1} W,

which with :math:`D = 1 + (\psi_m/\psi_n)(a^2 r^2 p + v_*^2 q)` solve

.. math:: p\,\Big(a^2 s^2 \psi_m + \frac1q + \frac{\psi_m a^2 r^2}{D}\Big) = 1, \qquad
          \psi_m (s_*^2 - z) + \frac{\psi_m v_*^2}{D} + \frac{1 - \psi_m}{q} - \frac{p}{q^2} = 0.

Source: Bonnaire et al. (2025), Theorem 3.1, found by the replica method; here with covariance I.
"""

import torch
from torch import Tensor

from ..base import checks as check
from .bulks import FeatureParts


def equivalent_spectrum(b: Tensor, parts: FeatureParts, psi_m: float, psi_n: float, scale: float, std: float, *,
                        width: float = 1e-3) -> tuple[Tensor, Tensor]:
    """The density of eigenvalues at b > 0, and the density of the training loss's fall, two tensors [k] for b [k].

    They are Im q/pi and a^2 s^2 psi_m Im p/(pi b) at z = b (1 + i width), that is, smoothed over a relative ``width``.  The fall
    is a share of the loss at the start: in all its integral over b, and at training time tau that of its product with
    1 - exp(-4 s^2 b tau/m).  Newton's method, followed from a large imaginary part of z down to the one wanted.

    Args:
        parts: of the activation.
        psi_m: features for each dimension.
        psi_n: samples for each dimension.
        scale, std: r and s.
    """
    b = check.tensor("b", b, ("k",))
    check.holds("b", b > 0, "eigenvalues > 0", b)
    check.instance("parts", parts, FeatureParts)
    psi_m, psi_n, r, s = (check.number(name, value, 1e-9, 1e9) for name, value in (
        ("psi_m", psi_m), ("psi_n", psi_n), ("scale", scale), ("std", std)))
    width, real = check.number("width", width, 1e-6, 1.0), b.double()
    slope = parts.slope * max(1.0, r, s)  # the largest eigenvalue is below the brackets, far beyond which q is -1/z
    size = 100 * (real.amax() + parts.rest + (parts.sample + slope**2) * (1 + psi_m) * (1 + psi_m / psi_n))
    q = p = -1 / torch.complex(real, size.expand_as(real))
    for power in torch.linspace(1, 0, 121, device="cpu").tolist():  # the imaginary part falls in equal ratios
        z = torch.complex(real, width * real * (size / (width * real)) ** power)
        for _ in range(6):
            q, p = _newton(q, p, z, parts, psi_m, psi_n, (parts.slope * r) ** 2, (parts.slope * s) ** 2)
    check.holds("width", (q.imag >= 0) & (p.imag >= 0), "a width that is not too small for this solver")
    fall = (parts.slope * s) ** 2 * psi_m * p.imag / (torch.pi * real)
    return (q.imag / torch.pi).to(b), fall.to(b)


def _newton(q, p, z, parts, psi_m, psi_n, signal, noise):
    """One step on the two equations; ``signal`` is a^2 r^2, ``noise`` a^2 s^2."""
    v, ratio = parts.sample, psi_m / psi_n
    D = 1 + ratio * (signal * p + v * q)
    D_q, D_p = ratio * v, ratio * signal
    bracket = noise * psi_m + 1 / q + psi_m * signal / D
    one, two = p * bracket - 1, psi_m * (parts.rest - z) + psi_m * v / D + (1 - psi_m) / q - p / q**2
    one_q, one_p = -p * (1 / q**2 + psi_m * signal * D_q / D**2), bracket - p * psi_m * signal * D_p / D**2
    two_q, two_p = -psi_m * v * D_q / D**2 - (1 - psi_m) / q**2 + 2 * p / q**3, -psi_m * v * D_p / D**2 - 1 / q**2
    det = one_q * two_p - one_p * two_q
    return q - (two_p * one - one_p * two) / det, p - (one_q * two - two_q * one) / det
