"""Theory: random features, their exact gradient flow, the paper's inequalities and our certificates."""

from . import bounds
from .certificates import Certificate, SampleBound, certificate, sample_bound
from .features import RandomFeatures, cosine_embedding
from .flow import GradientFlow, Statistics, gradient_descent, statistics
from .kernels import TangentFeatures, arc_cosine_kernel, gaussian_features, norm_needed
from .modes import last_off, nearest_line, time_needed, weight_price
from .monte_carlo import MonteCarlo, minus_x, minus_x_constants, sampled_weights, squared_error
from .noise_average import denoising_statistics

__all__ = [
    "Certificate", "GradientFlow", "MonteCarlo", "RandomFeatures", "SampleBound", "Statistics", "TangentFeatures",
    "arc_cosine_kernel", "bounds", "certificate", "cosine_embedding", "denoising_statistics", "gaussian_features",
    "gradient_descent", "last_off", "minus_x", "minus_x_constants", "nearest_line", "norm_needed", "sample_bound",
    "sampled_weights", "squared_error", "statistics", "time_needed", "weight_price",
]
