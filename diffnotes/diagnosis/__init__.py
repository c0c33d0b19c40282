"""A check-up of anyone's diffusion model: has it learned the distribution, or its training records?"""

from .checkup import checkup
from .denoisers import Denoiser
from .result import Checkup

__all__ = ["Checkup", "Denoiser", "checkup"]
