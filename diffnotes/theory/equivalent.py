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


def equivalent_resolvent(z: Tensor, parts: FeatureParts, psi_m: float, psi_n: float, scale: float, std: float) -> tuple[Tensor, Tensor]:
    """q and p at complex z [k] with Im z > 0: two complex tensors [k].

    At z = b + i eps the imaginary part of q over pi is the density of eigenvalues at b, smoothed over eps; that of p weights
    each eigenvector by its overlap with the inner weights, which is what the training loss falls by, up to std^2 a^2 psi_m / b.
    Newton's method, followed from a large imaginary part down to the given one.
    """
    check.instance("parts", parts, FeatureParts)
    if not isinstance(z, Tensor) or not z.is_complex() or z.ndim != 1:
        check.fail("z", type(z).__name__, "a complex tensor [k]")
    check.tensor("z", torch.view_as_real(z))
    check.holds("z", z.imag > 0, "imaginary parts > 0", z.imag)
    psi_m, psi_n, r, s = (check.number(name, value, 0.0, open_low=True) for name, value in (
        ("psi_m", psi_m), ("psi_n", psi_n), ("scale", scale), ("std", std)))
    size = z.abs().amax() + parts.rest + (parts.sample + parts.slope**2) * (1 + psi_m) * (1 + psi_m / psi_n)
    q = p = -1 / (z.real + 100j * size)
    for power in torch.linspace(1, 0, 121).tolist():  # the imaginary part falls in equal ratios
        now = torch.complex(z.real, z.imag * (100 * size / z.imag) ** power)
        for _ in range(6):
            q, p = _newton(q, p, now, parts, psi_m, psi_n, (parts.slope * r) ** 2, (parts.slope * s) ** 2)
    check.holds("z", (q.imag > 0) & (p.imag > 0), "imaginary parts that are not too small for this solver", z.imag)
    return q, p


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
