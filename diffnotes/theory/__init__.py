"""Theory: random features, their exact gradient flow, the paper's inequalities and our certificates."""

from . import bounds
from .certificates import Certificate, SampleBound, certificate, sample_bound
from .decomposition import FiniteWidth, drawn_statistics, estimator_constants, finite_width, lifted
from .features import RandomFeatures, cosine_embedding
from .flow import GradientFlow, Statistics, gradient_descent, statistics
from .gradients import GradientGap, gradient_gap, sample_statistics
from .kernels import TangentFeatures, arc_cosine_kernel, gaussian_features, norm_needed
from .monte_carlo import MonteCarlo, minus_x, minus_x_constants, sampled_weights, squared_error
from .noise_average import denoising_statistics

__all__ = [
    "Certificate", "FiniteWidth", "GradientFlow", "GradientGap", "MonteCarlo", "RandomFeatures", "SampleBound",
    "Statistics", "TangentFeatures", "arc_cosine_kernel", "bounds", "certificate", "cosine_embedding",
    "denoising_statistics", "drawn_statistics", "estimator_constants", "finite_width", "gaussian_features",
    "gradient_descent", "gradient_gap", "lifted", "minus_x", "minus_x_constants", "norm_needed", "sample_bound",
    "sample_statistics", "sampled_weights", "squared_error", "statistics",
]
