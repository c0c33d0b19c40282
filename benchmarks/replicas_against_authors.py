"""64 trainings of the paper's Figure 3 at once, beside the authors' procedure: replicas x epochs per second, and one KL.

Run ``make benchmark`` or ``python benchmarks/replicas_against_authors.py``.  The other side is our own code for what the paper
describes: one network as ``torch.nn`` layers, a ``DataLoader``, automatic differentiation, ``torch.optim.SGD``; and a density
by adaptive quadrature of the score from -10 to each of 51 points, with one call of the network for every evaluation.
"""

import math
import platform
import time

import numpy as np
import torch
from scipy.integrate import quad

import diffnotes as dn

REPLICAS, EPOCHS, N, POINTS, T_READ = 64, 50, 1000, 51, 0.065
SDE, TARGET = dn.VE(), dn.GaussianMixture.two_modes(3.0)


class Network(torch.nn.Module):
    """The network of Section 4.1, layer by layer."""

    def __init__(self, width=16, features=4, frequency_std=30.0):
        super().__init__()
        self.register_buffer("omega", torch.randn(features // 2) * frequency_std)
        self.of_x, self.of_time, self.outer = (torch.nn.Linear(*size) for size in ((1, width), (features, width), (width, 1)))

    def forward(self, x, t):
        angle = 2 * math.pi * t[:, None] * self.omega
        hidden = self.of_x(x) + self.of_time(torch.cat([angle.sin(), angle.cos()], 1))
        return self.outer(hidden * torch.sigmoid(hidden)) / 16 / SDE.std(t)[:, None]


def one_at_a_time(x, epochs):
    """The authors' loop on one data set x [n, 1]; returns the network and the seconds for an epoch."""
    torch.manual_seed(0)
    net = Network()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.5)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x), batch_size=32, shuffle=True)
    for epoch in range(epochs + 1):
        if epoch == 1:  # the first is a warm-up
            begin = time.perf_counter()
        for (batch,) in loader:
            t = torch.rand(len(batch)) * (1 - 1e-5) + 1e-5
            z, std = torch.randn_like(batch), SDE.std(t)[:, None]
            loss = ((net(batch + std * z, t) * std + z) ** 2).sum(1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return net, (time.perf_counter() - begin) / epochs


def kl_by_quadrature(net):
    """The authors' read-out of one network."""
    def score(x):
        return net(torch.tensor([[x]], dtype=torch.float32), torch.tensor([T_READ])).item()

    points = np.linspace(-10, 10, POINTS)
    with torch.no_grad():
        log_q = np.array([quad(score, -10.0, x, limit=200)[0] for x in points])
    q = np.exp(log_q - log_q.max())
    p = TARGET.log_prob(torch.tensor(points)[:, None]).exp().numpy()
    p, q = p / p.sum(), q / q.sum()
    return float((p * np.log(p / q)).sum())


def as_replica(net):
    """The same network as a batch of one."""
    inner = torch.cat([net.of_x.weight, net.of_time.weight, net.of_x.bias[:, None], net.of_time.bias[:, None]], 1).mT
    theta = torch.cat([inner.flatten(), net.outer.weight.flatten(), net.outer.bias]).detach()
    return dn.SwishNet(theta[None], net.omega[None], SDE)


def kl_at_once(nets):
    """Our read-out: the same integral by the trapezoidal rule, all replicas together."""
    fine = torch.linspace(-10, 10, 20 * (POINTS - 1) + 1, dtype=torch.float64)
    return dn.kl_on_points(nets.to(torch.float64).score, TARGET.log_prob(fine[::20, None]), fine, T_READ, every=20)


def replicas(seeds, epochs):
    """Our loop; returns the networks and the seconds for an epoch of all of them."""
    data, initial, noise = ([np.random.default_rng([seed, k]) for seed in seeds] for k in range(3))
    x = torch.stack([TARGET.sample(N, g)[:, 0] for g in data]).float()
    for checkpoint in dn.train(dn.SwishNet.draw(16, SDE, initial), x, noise, dn.SGD(0.5), epochs=epochs + 5):
        if checkpoint.epoch == 5:
            begin = time.perf_counter()
    return checkpoint.net, (time.perf_counter() - begin) / epochs


def main():
    torch.set_num_threads(1)  # both sides; two small threads are slower than one
    x = TARGET.sample(N, np.random.default_rng(0)).float()
    net, theirs = one_at_a_time(x, EPOCHS)
    nets, ours = replicas(range(REPLICAS), EPOCHS)
    begin = time.perf_counter()
    slow = kl_by_quadrature(net)
    seconds_slow = time.perf_counter() - begin
    difference = abs(slow - kl_at_once(as_replica(net)).item())
    repeats = 20
    begin = time.perf_counter()
    for _ in range(repeats):
        kl_at_once(nets)
    seconds_fast = (time.perf_counter() - begin) / repeats / REPLICAS
    rows = {
        "one training at a time": f"{1 / theirs:.0f} replica-epochs a second",
        f"{REPLICAS} replicas": f"{REPLICAS / ours:.0f} replica-epochs a second",
        "faster by a factor": f"{REPLICAS / ours * theirs:.0f}",
        "one KL by quadrature": f"{seconds_slow:.2f} s",
        f"one KL of {REPLICAS}": f"{1e3 * seconds_fast:.3f} ms",
        "faster by a factor ": f"{seconds_slow / seconds_fast:.0f}",
        "difference of the two for the same network": f"{difference:.1e} of {slow:.3f}",
    }
    print(f"torch {torch.__version__}, one thread, {platform.machine()}")
    for name, value in rows.items():
        print(f"{name:44s} {value}")


if __name__ == "__main__":
    main()
