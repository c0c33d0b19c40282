"""Generation: what a score generates, by sampling, by solving for its density, by likelihood; divergences and losses."""

from .density import bits_per_dim, integrated_score_density, kl_gaussian, kl_grid, kl_monte_carlo, kl_on_points
from .fokker_planck import cell_widths, reverse_sde_density, stretched_grid
from .generated import Generated, generate
from .likelihood import probability_flow_log_prob
from .losses import denoising_loss, gaussian_denoising_loss, mean_denoising_loss
from .membership import auc, per_example_loss, true_positive_rate
from .patches import local_score
from .readouts import flowed, generated_by_flow, integrated, printed_divergence, prior_divergence, read_outs
from .samplers import denoise, probability_flow, reverse_sde

__all__ = [
    "Generated", "auc", "bits_per_dim", "cell_widths", "denoise", "denoising_loss", "flowed", "gaussian_denoising_loss",
    "generate", "generated_by_flow", "integrated", "integrated_score_density", "kl_gaussian", "kl_grid", "kl_monte_carlo",
    "kl_on_points", "local_score", "mean_denoising_loss", "per_example_loss", "printed_divergence", "prior_divergence",
    "probability_flow", "probability_flow_log_prob", "read_outs", "reverse_sde", "reverse_sde_density", "stretched_grid",
    "true_positive_rate",
]
