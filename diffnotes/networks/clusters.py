"""K-means clusters, and pairs of them that are near or far: how the paper puts modes shift into real data (Section 4.2)."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ..base import checks as check
from ..base import rng

_KINDS = ("far", "near")


@dataclass(frozen=True)
class Clusters:
    """A partition of n points into k clusters.

    Attributes:
        label: the cluster of each point, int64 [n].
        centre: means of the clusters, [k, d].
        variance: mean squared distance of a cluster's points from its centre, [k].
    """

    label: Tensor
    centre: Tensor
    variance: Tensor

    @cached_property
    def size(self) -> Tensor:
        """Points in each cluster, int64 [k]."""
        return self.label.bincount(minlength=len(self.centre))

    @cached_property
    def distance(self) -> Tensor:
        """Distances of the centres, [k, k]."""
        return torch.cdist(self.centre, self.centre, compute_mode="donot_use_mm_for_euclid_dist")

    def pair(self, kind: str, at_least: int = 1) -> tuple[int, int]:
        """The "far"-thest or "near"-est two clusters among those with ``at_least`` points."""
        _kind(kind)
        allowed = self.large(at_least)
        if len(allowed) < 2:
            sizes = sorted(self.size.tolist(), reverse=True)
            check.fail("at_least", at_least, f"a size that two clusters have; the sizes are {sizes}")
        pairs = torch.combinations(allowed)
        distance = self.distance[pairs[:, 0], pairs[:, 1]]
        i, j = pairs[distance.argmax() if kind == "far" else distance.argmin()].tolist()
        return i, j

    def large(self, at_least: int) -> Tensor:
        """The clusters with ``at_least`` points."""
        return (self.size >= check.integer("at_least", at_least)).nonzero()[:, 0]

    def matching(self, kind: str, among) -> list[tuple[int, int]]:
        """All clusters in ``among`` (an even number of them) in pairs, each once, with the largest or smallest sum of distances.

        The "far" and the "near" matching of the same clusters hold the same points, so that every property of single clusters has
        the same mean in both.
        """
        import networkx  # which torch brings along

        _kind(kind)
        among = [check.integer("among", k, 0) for k in check.sequence("among", among)]
        if not among or len(among) % 2 or len(set(among)) < len(among) or max(among) >= len(self.centre):
            check.fail("among", among, f"an even number of different clusters below {len(self.centre)}")
        graph, distance = networkx.Graph(), self.distance.tolist()
        graph.add_weighted_edges_from((i, j, distance[i][j]) for i in among for j in among if i < j)
        match = networkx.max_weight_matching if kind == "far" else networkx.min_weight_matching
        pairs = match(graph, maxcardinality=True) if kind == "far" else match(graph)
        return sorted((min(pair), max(pair)) for pair in pairs)

    def facts(self, pair, pixels: Tensor | None = None) -> dict[str, float]:
        """What a pair of clusters (i, j) differs in, and what differs within it, by name.

        The "distance" of the centres; the size of the "smaller cluster"; the mean "variance within" the two.  With ``pixels``,
        bool [d], also the "share of these pixels" in the squared distance.
        """
        found = [check.integer("pair", k, 0) for k in check.sequence("pair", pair)]
        if len(found) != 2 or len(set(found)) < 2 or max(found) >= len(self.centre):
            check.fail("pair", found, f"two different clusters below {len(self.centre)}")
        i, j = found
        squared = (self.centre[i] - self.centre[j]).square()
        facts = {"distance": squared.sum().sqrt().item(), "smaller cluster": self.size[[i, j]].min().item(),
                 "variance within": self.variance[[i, j]].mean().item()}
        if pixels is not None:
            kind = getattr(pixels, "dtype", type(pixels).__name__)
            if kind != torch.bool or pixels.shape != squared.shape:
                given = f"{kind}, shape {tuple(getattr(pixels, 'shape', ()))}"
                check.fail("pixels", given, f"a bool tensor of shape {tuple(squared.shape)}")
            facts["share of these pixels"] = (squared[pixels].sum() / squared.sum()).item()
        return facts

    def draw(self, clusters, n: int, generator) -> Tensor:
        """Indices of n points each of the given clusters, at random without replacement: int64 [len(clusters) n]."""
        n, parts = check.integer("n", n), []
        clusters = [check.integer("clusters", k, 0) for k in check.sequence("clusters", clusters)]
        if not clusters or max(clusters) >= len(self.centre) or len(set(clusters)) < len(clusters):
            check.fail("clusters", clusters, f"at least one of 0, ..., {len(self.centre) - 1}, all different")
        for k in clusters:
            members = (self.label == k).nonzero()[:, 0]
            if len(members) < n:
                check.fail("n", n, f"at most {len(members)}, the size of cluster {k}")
            parts.append(members[rng.permutation(generator, len(members), device=members.device)[:n]])
        return torch.cat(parts)


def kmeans(x: Tensor, k: int, seed: int, *, points: Tensor | None = None, restarts: int = 1) -> Clusters:
    """scikit-learn's K-means (k-means++ starts) with n >= k points; the best of ``restarts`` runs is taken.

    Args:
        x: the data [n, d], whose centres and variances are those of the result.
        points: what K-means sees of them, [n, d'], such as their principal components; x itself without it.
    """
    try:
        from sklearn.cluster import KMeans
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("kmeans needs the package scikit-learn; pip install scikit-learn") from error
    x = check.with_values("x", check.tensor("x", x, ("n", "d")))
    points = x if points is None else check.with_values("points", check.tensor("points", points, (len(x), "d'")))
    k, restarts, seed = check.integer("k", k), check.integer("restarts", restarts), check.integer("seed", seed, 0)
    if seed >= 2**32:
        check.fail("seed", seed, "an integer below 2**32, as scikit-learn takes")
    if k > len(points):
        check.fail("k", k, f"at most {len(points)}, the number of points")
    fitted = KMeans(k, n_init=restarts, random_state=seed).fit(points.detach().cpu().numpy())
    label = torch.as_tensor(fitted.labels_, dtype=torch.int64, device=x.device)
    one_hot = torch.nn.functional.one_hot(label, k).to(x.dtype)
    size = one_hot.sum(0)
    check.holds("points", size > 0, f"at least {k} different points, one for each cluster", size)
    centre = one_hot.mT @ x / size[:, None]
    return Clusters(label, centre, one_hot.mT @ (x - centre[label]).square().sum(1) / size)


def shifted(x: Tensor, m: float, generator, *, modes: int = 2) -> Tensor:
    """Images x [n, d] moved by m/2 along one random pattern of +- 1/sqrt(d): every second one backwards, or with one mode none.

    With two modes their centres are m apart and nothing else of the images has changed; one mode is the control, in which each
    image has been moved as far.
    """
    x, m, modes = check.tensor("x", x, ("n", "d")), check.number("m", m, 0.0), check.integer("modes", modes)
    if modes > 2:
        check.fail("modes", modes, "1 or 2")
    d = x.shape[1]
    pattern = torch.where(rng.uniform(generator, (d,), device=x.device) < 0.5, -1.0, 1.0).to(x) / d**0.5
    sign = torch.ones(len(x), dtype=x.dtype, device=x.device)
    if modes == 2:
        sign[1::2] = -1
    return x + sign[:, None] * m / 2 * pattern


def principal_components(x: Tensor, components: int) -> Tensor:
    """Coordinates of x [n, d] along its first principal directions, [n, min(components, n, d)]."""
    x = check.tensor("x", x, ("n", "d"))
    x = x - x.mean(0)
    components = min(check.integer("components", components), *x.shape)
    return x @ torch.linalg.eigh(x.mT @ x)[1].flip(1)[:, :components]


def _kind(kind):
    if kind not in _KINDS:
        check.fail("kind", repr(kind), " or ".join(map(repr, _KINDS)))
