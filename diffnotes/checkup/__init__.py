"""A check-up of anyone's diffusion model, whatever its network predicts, in one currency: its denoiser."""

from .denoisers import Denoiser

__all__ = ["Denoiser"]
