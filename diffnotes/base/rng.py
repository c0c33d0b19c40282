"""Random numbers with an explicit generator.

A ``numpy.random.Generator`` gives the same stream on every CPU and is what the stored figures
use; ``torch.randn`` does not (its vectorised paths differ between instruction sets).  A
``torch.Generator`` draws on its own device.  Either way the numbers are drawn in float64 and
then cast, so that float32 and float64 runs see the same noise.  A list of generators gives a row for each, the numbers
that it would give alone.
"""

import numpy as np
import torch
from torch import Tensor

from . import checks as check


def normal(generator, shape: tuple, *, dtype=torch.float64, device=None) -> Tensor:
    """Standard normal numbers of the given shape; of a list of R generators [R, *shape]."""
    return _draw("standard_normal", torch.randn, generator, shape, dtype, device)


def uniform(generator, shape: tuple, *, dtype=torch.float64, device=None) -> Tensor:
    """Uniform numbers on [0, 1) of the given shape; of a list of R generators [R, *shape]."""
    u = _draw("random", torch.rand, generator, shape, dtype, device)
    return u.clamp(max=1 - torch.finfo(u.dtype).eps / 2)  # float32 would round the largest of them to one


def permutation(generator, n: int, *, device=None) -> Tensor:
    """A random order of 0, ..., n - 1, int64 [n]; of a list of R generators [R, n]."""
    n = check.integer("n", n)
    if isinstance(generator, list):
        generators = check.generators("generator", generator)
        if all(isinstance(one, np.random.Generator) for one in generators):  # as one tensor, which takes less time than many
            order = torch.from_numpy(np.stack([one.permutation(n) for one in generators]))
        else:
            order = torch.stack([permutation(one, n) for one in generators])
    elif isinstance(check.generator("generator", generator), np.random.Generator):
        order = torch.from_numpy(generator.permutation(n))
    else:
        order = torch.randperm(n, generator=generator, device=generator.device)
    return order.to(device=order.device if device is None else device)


def _draw(numpy_name, torch_function, generator, shape, dtype, device) -> Tensor:
    shape = tuple(check.integer("shape", size, 0) for size in check.sequence("shape", shape))
    if isinstance(generator, list):
        noise = _rows(numpy_name, torch_function, check.generators("generator", generator), shape)
    elif isinstance(check.generator("generator", generator), np.random.Generator):
        noise = torch.from_numpy(np.asarray(getattr(generator, numpy_name)(shape)))
    else:
        noise = torch_function(shape, generator=generator, dtype=torch.float64, device=generator.device)
    return noise.to(dtype=dtype, device=noise.device if device is None else device)


def _rows(numpy_name, torch_function, generators, shape) -> Tensor:
    if not all(isinstance(one, np.random.Generator) for one in generators):
        return torch.stack([_draw(numpy_name, torch_function, one, shape, torch.float64, None) for one in generators])
    rows = np.empty((len(generators), *shape))
    for row, one in zip(rows, generators, strict=True):
        getattr(one, numpy_name)(out=row)
    return torch.from_numpy(rows)
