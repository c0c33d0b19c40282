"""Processes: linear SDEs, the densities that they turn a mixture into, and nodes for averages over time and space."""

from .frames import Standardised
from .mixtures import DiffusedMixture, GaussianMixture
from .paths import forward_paths
from .quadrature import Grid, Nodes, kernel_draws, kernel_nodes, line_grid, sampled_nodes, time_nodes, weight_at
from .sde import OU, VE, VP, Karras, LinearSDE

__all__ = [
    "OU", "VE", "VP", "DiffusedMixture", "GaussianMixture", "Grid", "Karras", "LinearSDE", "Nodes",
    "Standardised", "forward_paths", "kernel_draws", "kernel_nodes", "line_grid", "sampled_nodes", "time_nodes", "weight_at",
]
