r"""The density of the reverse SDE's output in one dimension, by the Fokker-Planck equation.

The generative process of the paper's (3) with a learned score s starts from a prior at t = T and runs

.. math:: dx = [f(t)x - g(t)^2 s(x,t)]\,dt + g(t)\,d\bar W

backwards in t.  With u = T - t its density obeys q_u = -(b q)_x + (g^2/2) q_xx, b = -f x + g^2 s.

The scheme is Scharfetter-Gummel (Chang-Cooper) in space and backward Euler in time: mass is conserved to rounding,
densities stay non-negative for every step size, errors are O(dt) + O(dx^2).  No linear scheme of higher order in time
keeps the sign for every step, so the second order comes from outside: log-densities of two runs, one with every step
halved, are extrapolated, log q = 2 log q_fine - log q_coarse.  That is positive by construction, and its mass, one up to
O(dt^2), is normalised.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..base import checks as check
from ..processes import LinearSDE
from .scores import Score


def stretched_grid(reach: float, n: int, core: float, *, dtype=torch.float64, device=None) -> Tensor:
    """n cell centres on [-reach, reach] with spacing growing like sqrt(1 + (x/core)^2): fine inside the core, [n].

    A half-trained score lets the reverse process spread far beyond the data; this grid follows it at little cost.
    """
    reach = check.number("reach", reach, 0.0, open_low=True)
    core = check.number("core", core, 0.0, reach, open_low=True)
    n = check.integer("n", n, 3)
    return core * torch.sinh(torch.linspace(-1, 1, n, **check.kind(dtype, device)) * math.asinh(reach / core))


def cell_widths(x: Tensor) -> Tensor:
    """Widths of the cells around increasing centres x [N], N >= 2, whose faces are the midpoints: [N]."""
    x = check.tensor("x", x, ("N",))
    if len(x) < 2:
        check.fail("x", f"{len(x)} point", "at least 2")
    check.holds("x", x.diff() > 0, "increasing cell centres", x[1:])
    faces = torch.cat([x[:1] - (x[1:2] - x[:1]) / 2, (x[1:] + x[:-1]) / 2, x[-1:] + (x[-1:] - x[-2:-1]) / 2])
    return faces.diff()


def reverse_sde_density(score, sde: LinearSDE, x: Tensor, t: Tensor, prior: Tensor, *,
                        order: int = 2, edge_mass: float = 0.05) -> Tensor:
    """Density at time t[-1] of the reverse SDE driven by ``score`` from the density ``prior`` at time t[0].

    Args:
        score: (x [N-1, 1], t number) -> [*b, N-1, 1]; *b is a batch of scores, solved together.
        x: increasing cell centres [N], wide enough for the prior and the result, such as ``stretched_grid``'s.
        t: decreasing times [K+1] in [0, T].
        prior: density at the cell centres, [N], with mass one.
        order: 1 for backward Euler, 2 for its extrapolation in the log-density (three times the work).
        edge_mass: the most that an edge cell may hold in the end.  A learned score can drive a little mass to infinity
            on any grid; it piles up in the edge cells, where the flux is zero.

    Returns:
        densities [*b, N] with mass one.

    Raises:
        ValueError: the grid does not hold the mass, or a step is too long.
    """
    check.instance("sde", sde, LinearSDE)
    score = Score(score, batch=True)
    x = check.tensor("x", x, ("N",))
    if len(x) < 3:
        check.fail("x", f"{len(x)} points", "at least 3")
    t = check.tensor("t", check.times("t", t, 0.0, sde.T, like=x), ("K+1",))
    if len(t) < 2:
        check.fail("t", f"{len(t)} time", "at least 2")
    prior = check.tensor("prior", prior, (len(x),), like=x).detach()
    check.holds("x", x.diff() > 0, "increasing cell centres", x.diff())
    check.holds("t", t.diff() < 0, "decreasing times", t[1:])
    check.holds("prior", prior >= 0, "a density >= 0", prior)
    width = cell_widths(x)
    mass = (prior * width).sum()
    check.holds("prior", (mass - 1).abs() <= 1e-3, "a density with mass one on the grid x", mass)

    if order not in (1, 2):
        check.fail("order", order, "1 or 2")

    edge_mass = check.number("edge_mass", edge_mass, 0.0, 1.0)
    coarse = _backward_euler(score, sde, x, width, t, prior, edge_mass)
    if order == 1:
        return coarse
    halved = torch.stack([t[:-1], (t[:-1] + t[1:]) / 2], 1).flatten()
    fine = _backward_euler(score, sde, x, width, torch.cat([halved, t[-1:]]), prior, edge_mass)
    density = torch.where(coarse > 0, fine * (fine / coarse), torch.zeros_like(fine))
    mass = (density * width).sum(-1, keepdim=True)
    check.holds("t", (mass - 1).abs() <= 0.05, "steps short enough that the extrapolated mass is within 0.05 of one", mass)
    return density / mass


def _backward_euler(score, sde, x, width, t, prior, edge_mass):
    faces, density = (x[1:] + x[:-1]) / 2, None
    for t_now, t_next in pairwise(t):
        middle = (t_now + t_next) / 2
        learned = score(faces[:, None], middle)
        batch, learned = learned.shape[:-2], learned.reshape(-1, len(faces))  # [B, N-1]
        if density is None:
            density = prior.expand(len(learned), -1).contiguous()
        drift = -sde.drift_rate(middle) * faces + sde.diffusion(middle) ** 2 * learned
        density = _implicit_step(density, drift, sde.diffusion(middle) ** 2 / 2, x, width, t_now - t_next)
    edge = (density * width)[:, [0, -1]].amax(1)
    check.holds("x", edge <= edge_mass, f"a grid wide enough that each edge cell holds at most {edge_mass:g} of the mass", edge)
    return density.reshape(*batch, len(x))


def _implicit_step(density, drift, diffusivity, x, width, dt):
    """One backward Euler step of the Scharfetter-Gummel scheme; density [B, N], drift at the faces [B, N-1]."""
    if not len(density):  # no scores
        return density
    gap = x.diff()
    rate, peclet = dt * diffusivity / gap, drift * gap / diffusivity
    least = _bernoulli(peclet.abs())
    from_left = rate * (least + peclet.clamp(min=0))  # B(-z) = B(z) + z, without a difference
    from_right = rate * (least - peclet.clamp(max=0))  # flux = from_left q_i - from_right q_{i+1}
    diagonal = width.expand_as(density).clone()
    diagonal[:, :-1] += from_left
    diagonal[:, 1:] += from_right
    return _solve_tridiagonal(-from_left, diagonal, -from_right, density * width)


def _bernoulli(z):
    """z / (exp(z) - 1) for z >= 0, with its limit 1 at zero."""
    return torch.where(z == 0, torch.ones_like(z), z / torch.expm1(z))


def _solve_tridiagonal(lower, diagonal, upper, right):
    """Row i is lower[i-1] z[i-1] + diagonal[i] z[i] + upper[i] z[i+1] = right[i], along the last dimension, for each of B.

    No pivoting is needed: the columns are dominant and off-diagonal entries are <= 0, so every reduced system is of the
    same kind, and a right-hand side >= 0 gives a solution >= 0 in floating point too.
    """
    solve = _lapack(right)
    if solve is not None:  # all systems as one long one, with zeros where they meet
        rows = [a.reshape(-1).numpy() for a in (pad(lower, (0, 1)), diagonal, pad(upper, (0, 1)), right)]
        return torch.from_numpy(solve(rows[0][:-1], rows[1], rows[2][:-1], rows[3])[3]).view(right.shape)
    return _cyclic_reduction(pad(lower, (1, 0)), diagonal, pad(upper, (0, 1)), right)


def _lapack(like):
    """LAPACK's tridiagonal solver on a CPU, where scipy is there."""
    if like.device.type != "cpu":
        return None
    try:
        from scipy.linalg import lapack
    except ModuleNotFoundError:
        return None
    return lapack.dgtsv if like.dtype == torch.float64 else lapack.sgtsv


def _cyclic_reduction(lower, diagonal, upper, right):
    """log2(N) vectorised levels, on any device."""
    n = right.shape[-1]
    if n == 1:
        return right / diagonal
    if n % 2 == 0:  # an extra row z = 0
        longer = (pad(row, (0, 1), value=end) for row, end in ((lower, 0), (diagonal, 1), (upper, 0), (right, 0)))
        return _cyclic_reduction(*longer)[:, :n]
    before, odd, after = slice(0, n - 1, 2), slice(1, n, 2), slice(2, n, 2)
    down, up = lower[:, odd] / diagonal[:, before], upper[:, odd] / diagonal[:, after]
    solution = torch.empty_like(right)
    solution[:, odd] = _cyclic_reduction(
        -down * lower[:, before],
        diagonal[:, odd] - down * upper[:, before] - up * lower[:, after],
        -up * upper[:, after],
        right[:, odd] - down * right[:, before] - up * right[:, after])
    padded = pad(solution[:, odd], (1, 1))
    even = slice(0, n, 2)
    solution[:, even] = (right[:, even] - lower[:, even] * padded[:, :-1] - upper[:, even] * padded[:, 1:]) / diagonal[:, even]
    return solution
