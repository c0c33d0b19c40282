"""Theory: random features, their exact gradient flow, the paper's inequalities and our certificates."""

from . import bounds
from .bulks import FeatureParts, feature_parts, third_bulk, third_bulk_bounds
from .certificates import Certificate, SampleBound, certificate, sample_bound
from .decomposition import FiniteWidth, drawn_statistics, estimator_constants, finite_width, lifted
from .equivalent import equivalent_spectrum
from .features import RandomFeatures, cosine_embedding
from .flow import GradientFlow, Statistics, gradient_descent, statistics
from .gradients import GradientGap, gradient_gap, sample_statistics
from .kernels import TangentFeatures, arc_cosine_kernel, dual_kernel, gaussian_features, norm_needed
from .least_squares import least_squares_flow
from .modes import last_off, nearest_line, time_needed, weight_price
from .monte_carlo import MonteCarlo, minus_x, minus_x_constants, sampled_weights, squared_error
from .noise_average import denoising_statistics, smooth_statistics
from .one_sample import four_atom_weights, four_atoms, jensen_shannon, two_point_chance
from .regimes import kappa_false, kappa_proved, least_bracket, variance_term
from .resolvent import ResolventBound, inflation, resolvent_bound, resolvent_samples
from .sphere import outer_weights, sphere_points
from .theorems import Theorem1, Theorem2, intercept_bound, theorem_1, theorem_2

__all__ = [
    "Certificate", "FeatureParts", "FiniteWidth", "GradientFlow", "GradientGap", "MonteCarlo", "RandomFeatures",
    "ResolventBound", "SampleBound", "Statistics", "TangentFeatures", "Theorem1", "Theorem2", "arc_cosine_kernel", "bounds",
    "certificate", "cosine_embedding", "denoising_statistics", "drawn_statistics", "dual_kernel", "equivalent_spectrum",
    "estimator_constants", "feature_parts", "finite_width", "four_atom_weights", "four_atoms", "gaussian_features",
    "gradient_descent", "gradient_gap", "inflation", "intercept_bound", "jensen_shannon", "kappa_false", "kappa_proved",
    "last_off", "least_bracket", "least_squares_flow", "lifted", "minus_x", "minus_x_constants", "nearest_line",
    "norm_needed", "outer_weights", "resolvent_bound", "resolvent_samples", "sample_bound", "sample_statistics",
    "sampled_weights", "smooth_statistics", "sphere_points", "squared_error", "statistics", "theorem_1", "theorem_2",
    "third_bulk", "third_bulk_bounds", "time_needed", "two_point_chance", "variance_term", "weight_price",
]
