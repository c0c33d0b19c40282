"""diffnotes: the theory of generalisation in diffusion models, computed.

Data flows downward: an SDE (``sde``) diffuses a mixture (``mixtures``); a grid (``quadrature``) and random features
(``features``) give the quadratic loss whose gradient flow is exact (``flow``); its score drives the reverse SDE
(``fokker_planck``), compared with the target (``density``) and with the paper's inequalities (``bounds``).
Theory runs in float64; every function follows the dtype and device of its inputs; importing changes no global state.
"""

from . import bounds, plots
from .chapter import by_preset, device, preset, start
from .claims import claim, ledger, registry
from .density import integrated_score_density, kl_gaussian, kl_grid, kl_monte_carlo
from .features import RandomFeatures, cosine_embedding
from .flow import GradientFlow, Statistics, gradient_descent, statistics
from .fokker_planck import cell_widths, reverse_sde_density, stretched_grid
from .mixtures import DiffusedMixture, GaussianMixture
from .quadrature import Grid, Nodes, line_grid, sampled_nodes, time_nodes
from .rng import normal, uniform
from .samplers import probability_flow, probability_flow_log_prob, reverse_sde
from .sde import OU, VE, VP, LinearSDE

__version__ = "0.1.0"

__all__ = [
    "OU",
    "VE",
    "VP",
    "DiffusedMixture",
    "GaussianMixture",
    "GradientFlow",
    "Grid",
    "LinearSDE",
    "Nodes",
    "RandomFeatures",
    "Statistics",
    "bounds",
    "by_preset",
    "cell_widths",
    "claim",
    "cosine_embedding",
    "device",
    "gradient_descent",
    "integrated_score_density",
    "kl_gaussian",
    "kl_grid",
    "kl_monte_carlo",
    "ledger",
    "line_grid",
    "normal",
    "plots",
    "preset",
    "probability_flow",
    "probability_flow_log_prob",
    "registry",
    "reverse_sde",
    "reverse_sde_density",
    "sampled_nodes",
    "start",
    "statistics",
    "stretched_grid",
    "time_nodes",
    "uniform",
]
