"""diffnotes: the theory of generalisation in diffusion models, computed.

Data flows downward: an SDE (``sde``) diffuses a mixture (``mixtures``); a grid (``quadrature``) and random features
(``features``) give the quadratic loss whose gradient flow is exact (``flow``); its score drives the reverse SDE
(``fokker_planck``), compared with the target (``density``) and with the paper's inequalities (``bounds``) and ours
(``certificates``); ``sweeps`` maps any of it over sizes and seeds.  Networks with all layers trained (``nets``) learn as
batches of replicas (``training``) and give scores of the same kind; so do U-Nets (``unet``) on digits (``data``, ``clusters``).
Theory runs in float64; every function follows the dtype and device of its inputs; importing changes no global state.
"""

from . import bounds, plots
from .certificates import Certificate, SampleBound, certificate, sample_bound
from .chapter import by_preset, device, precision, preset, seeds, start
from .claims import claim, ledger, registry
from .clusters import Clusters, kmeans, principal_components
from .data import Digits, Scaling, dequantise, mnist
from .density import bits_per_dim, integrated_score_density, kl_gaussian, kl_grid, kl_monte_carlo, kl_on_points
from .features import RandomFeatures, cosine_embedding
from .flow import GradientFlow, Statistics, gradient_descent, statistics
from .fokker_planck import cell_widths, reverse_sde_density, stretched_grid
from .intervals import Interval, mean_interval
from .likelihood import probability_flow_log_prob
from .losses import denoising_loss, gaussian_denoising_loss
from .mixtures import DiffusedMixture, GaussianMixture
from .nets import Replicas, SwishNet
from .noise_average import denoising_statistics
from .quadrature import Grid, Nodes, line_grid, sampled_nodes, time_nodes
from .records import beside
from .rng import normal, permutation, uniform
from .samplers import denoise, probability_flow, reverse_sde
from .sde import OU, VE, VP, Driftless, LinearSDE
from .sweeps import sweep
from .training import SGD, Adam, Checkpoint, Grouped, Network, train
from .unet import UNet

__version__ = "0.1.0"

__all__ = [
    "OU",
    "SGD",
    "VE",
    "VP",
    "Adam",
    "Certificate",
    "Checkpoint",
    "Clusters",
    "DiffusedMixture",
    "Digits",
    "Driftless",
    "GaussianMixture",
    "GradientFlow",
    "Grid",
    "Grouped",
    "Interval",
    "LinearSDE",
    "Network",
    "Nodes",
    "RandomFeatures",
    "Replicas",
    "SampleBound",
    "Scaling",
    "Statistics",
    "SwishNet",
    "UNet",
    "beside",
    "bits_per_dim",
    "bounds",
    "by_preset",
    "cell_widths",
    "certificate",
    "claim",
    "cosine_embedding",
    "denoise",
    "denoising_loss",
    "denoising_statistics",
    "dequantise",
    "device",
    "gaussian_denoising_loss",
    "gradient_descent",
    "integrated_score_density",
    "kl_gaussian",
    "kl_grid",
    "kl_monte_carlo",
    "kl_on_points",
    "kmeans",
    "ledger",
    "line_grid",
    "mean_interval",
    "mnist",
    "normal",
    "permutation",
    "plots",
    "precision",
    "preset",
    "principal_components",
    "probability_flow",
    "probability_flow_log_prob",
    "registry",
    "reverse_sde",
    "reverse_sde_density",
    "sample_bound",
    "sampled_nodes",
    "seeds",
    "start",
    "statistics",
    "stretched_grid",
    "sweep",
    "time_nodes",
    "train",
    "uniform",
]
