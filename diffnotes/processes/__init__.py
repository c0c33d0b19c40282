"""Processes: linear SDEs, the densities that they turn a mixture into, and nodes for averages over time and space."""

from .mixtures import DiffusedMixture, GaussianMixture
from .quadrature import Grid, Nodes, kernel_draws, kernel_nodes, line_grid, sampled_nodes, time_nodes, weight_at
from .sde import OU, VE, VP, Driftless, LinearSDE

__all__ = [
    "OU", "VE", "VP", "DiffusedMixture", "Driftless", "GaussianMixture", "Grid", "LinearSDE", "Nodes", "kernel_draws",
    "kernel_nodes", "line_grid", "sampled_nodes", "time_nodes", "weight_at",
]
