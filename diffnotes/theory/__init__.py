"""Theory: random features, their exact gradient flow, the paper's inequalities and our certificates."""

from . import bounds
from .certificates import Certificate, SampleBound, certificate, sample_bound
from .features import RandomFeatures, cosine_embedding
from .flow import GradientFlow, Statistics, gradient_descent, statistics
from .noise_average import denoising_statistics

__all__ = [
    "Certificate", "GradientFlow", "RandomFeatures", "SampleBound", "Statistics", "bounds", "certificate", "cosine_embedding",
    "denoising_statistics", "gradient_descent", "sample_bound", "statistics",
]
