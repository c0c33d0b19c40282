"""diffnotes: the theory of generalisation in diffusion models, computed.

Seven rooms, each of which knows only those before it in this line: ``base``, then ``processes``, then side by side ``theory``,
``generation`` and ``networks``; ``page`` is the book's own and knows ``base`` alone.  On top stand ``problem``: a target, a
process and a loss, and the networks trained on them, which is what most chapters talk to; and the room ``diagnosis``, which
takes models from elsewhere and uses ``generation`` and ``page``.
Theory runs in float64; every function follows the dtype and device of its inputs; importing changes no global state.
"""

from . import base, diagnosis, generation, networks, page, processes, theory
from .base import *
from .diagnosis import *
from .generation import *
from .networks import *
from .page import *
from .problem import Problem, Run, Runs, training_times
from .processes import *
from .theory import *

__version__ = "0.1.0"

__all__ = ["Problem", "Run", "Runs", "training_times", *base.__all__, *processes.__all__, *theory.__all__, *generation.__all__,
           *networks.__all__, *page.__all__, *diagnosis.__all__]
