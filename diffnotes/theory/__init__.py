"""Theory: random features, their exact gradient flow, the paper's inequalities and our certificates."""

from . import bounds
from .certificates import Certificate, SampleBound, certificate, sample_bound
from .features import RandomFeatures, cosine_embedding
from .flow import GradientFlow, Statistics, gradient_descent, statistics
from .kernels import TangentFeatures, arc_cosine_kernel, gaussian_features, norm_needed
from .monte_carlo import MonteCarlo, minus_x, minus_x_constants, sampled_weights, squared_error
from .noise_average import denoising_statistics
from .one_sample import four_atom_weights, four_atoms, jensen_shannon, two_point_chance
from .theorems import Theorem1, Theorem2, intercept_bound, theorem_1, theorem_2

__all__ = [
    "Certificate", "GradientFlow", "MonteCarlo", "RandomFeatures", "SampleBound", "Statistics", "TangentFeatures",
    "Theorem1", "Theorem2", "arc_cosine_kernel", "bounds", "certificate", "cosine_embedding", "denoising_statistics",
    "four_atom_weights", "four_atoms", "gaussian_features", "gradient_descent", "intercept_bound", "jensen_shannon",
    "minus_x", "minus_x_constants", "norm_needed", "sample_bound", "sampled_weights", "squared_error", "statistics",
    "theorem_1", "theorem_2", "two_point_chance",
]
