"""diffnotes: the theory of generalisation in diffusion models, computed.

Data flows downward: an SDE (``sde``) diffuses a mixture (``mixtures``); a grid (``quadrature``) and random features
(``features``) give the quadratic loss whose gradient flow is exact (``flow``); its score drives the reverse SDE
(``fokker_planck``), compared with the target (``density``) and with the paper's inequalities (``bounds``) and ours
(``certificate``); ``sweep`` maps any of it over sizes and seeds.
Theory runs in float64; every function follows the dtype and device of its inputs; importing changes no global state.
"""

from . import bounds, plots
from .certificate import Certificate, SampleBound, certificate, sample_bound
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
from .sde import OU, VE, VP, Driftless, LinearSDE
from .sweep import sweep

__version__ = "0.1.0"

__all__ = [
    "OU",
    "VE",
    "VP",
    "Certificate",
    "DiffusedMixture",
    "Driftless",
    "GaussianMixture",
    "GradientFlow",
    "Grid",
    "LinearSDE",
    "Nodes",
    "RandomFeatures",
    "SampleBound",
    "Statistics",
    "bounds",
    "by_preset",
    "cell_widths",
    "certificate",
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
    "sample_bound",
    "sampled_nodes",
    "start",
    "statistics",
    "stretched_grid",
    "sweep",
    "time_nodes",
    "uniform",
]
