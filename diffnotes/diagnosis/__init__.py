"""A check-up of anyone's diffusion model: has it learned the distribution, or its training records?"""

from .denoisers import Denoiser
from .result import Checkup
from .whole import checkup

__all__ = ["Checkup", "Denoiser", "checkup"]
