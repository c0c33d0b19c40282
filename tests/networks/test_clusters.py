"""Clusters and their pairs, against brute force and scikit-learn."""

import warnings

import numpy as np
import pytest
import torch

import diffnotes as dn

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def blobs():
    """Six clusters on a line, far apart, of sizes 10, 20, ..., 60."""
    rng = np.random.default_rng(0)
    position = np.array([0.0, 10.0, 25.0, 31.0, 70.0, 100.0])
    x = np.concatenate([rng.normal([place, 0.0, 0.0], 0.5, (10 * (k + 1), 3)) for k, place in enumerate(position)])
    return torch.from_numpy(x)


@pytest.fixture(scope="module")
def clusters(blobs):
    return dn.kmeans(blobs, 6, 0, restarts=10)


def test_kmeans_finds_the_blobs(blobs, clusters):
    assert sorted(clusters.size.tolist()) == [10, 20, 30, 40, 50, 60]
    for k in range(6):
        members = blobs[clusters.label == k]
        assert torch.allclose(clusters.centre[k], members.mean(0))
        assert torch.allclose(clusters.variance[k], members.var(0, correction=0).sum())


def test_same_seed_same_clusters(blobs):
    assert (dn.kmeans(blobs, 4, 7).label == dn.kmeans(blobs, 4, 7).label).all()


def test_kmeans_sees_the_points_it_is_given(blobs):
    clusters = dn.kmeans(blobs, 2, 0, points=blobs[:, :1] * 0 + (torch.arange(len(blobs)) < 5)[:, None])
    assert sorted(clusters.size.tolist()) == [5, len(blobs) - 5] and clusters.centre.shape == (2, 3)


def test_distance_and_pairs(clusters):
    expected = (clusters.centre[:, None] - clusters.centre).norm(dim=-1)
    assert torch.allclose(clusters.distance, expected, atol=1e-12)
    assert set(clusters.size[list(clusters.pair("far"))].tolist()) == {10, 60}  # at 0 and 100
    assert set(clusters.size[list(clusters.pair("near"))].tolist()) == {30, 40}  # at 25 and 31
    assert set(clusters.size[list(clusters.pair("far", at_least=20))].tolist()) == {20, 60}
    assert set(clusters.size[list(clusters.pair("near", at_least=40))].tolist()) == {50, 60}


def test_the_facts_of_a_pair(blobs, clusters):
    """Against the points themselves."""
    i, j = clusters.pair("far")
    a, b = blobs[clusters.label == i], blobs[clusters.label == j]
    along = torch.tensor([False, True, True])
    facts = clusters.facts((i, j), along)
    difference = a.mean(0) - b.mean(0)
    assert facts["distance"] == pytest.approx(difference.norm().item())
    assert facts["smaller cluster"] == min(len(a), len(b)) == 10
    assert facts["variance within"] == pytest.approx((a.var(0, correction=0).sum() + b.var(0, correction=0).sum()).item() / 2)
    assert facts["share of these pixels"] == pytest.approx((difference[1:].square().sum() / difference.square().sum()).item())
    assert set(clusters.facts((j, i))) == set(facts) - {"share of these pixels"}


@pytest.mark.parametrize(("name", "call"), [
    ("pair", lambda c: c.facts((0, 0))), ("pair", lambda c: c.facts((0, 6))), ("pair", lambda c: c.facts((0, 1, 2))),
    ("pixels", lambda c: c.facts((0, 1), torch.ones(3))), ("pixels", lambda c: c.facts((0, 1), torch.ones(2, dtype=torch.bool))),
    ("modes", lambda c: dn.shifted(torch.zeros(3, 2), 1.0, np.random.default_rng(0), modes=3))])
def test_bad_facts(clusters, name, call):
    with pytest.raises(ValueError, match=f"^{name}: got"):
        call(clusters)


def test_shifted_modes_are_m_apart_and_nothing_else_has_changed():
    x = dn.normal(np.random.default_rng(1), (10, 25))
    two, one = (dn.shifted(x, 3.0, np.random.default_rng(2), modes=modes) - x for modes in (2, 1))
    assert torch.allclose((two[0] - two[1]).norm(), torch.tensor(3.0, dtype=x.dtype)) and torch.allclose(two[0], two[8])
    assert torch.allclose(two.norm(dim=1), one.norm(dim=1)) and torch.allclose(one, one[:1].expand(10, 25))
    assert torch.allclose(two[::2], one[::2]) and (two[0].abs() - two[0].abs().mean()).abs().max() < 1e-12
    assert torch.equal(dn.shifted(x, 0.0, np.random.default_rng(2)), x)


def test_too_small_clusters(clusters):
    with pytest.raises(ValueError, match=r"^at_least: got 60; allowed: a size that two clusters have; the sizes are \[60, 50"):
        clusters.pair("far", at_least=60)
    small = clusters.size.argmin().item()
    with pytest.raises(ValueError, match=f"^n: got 11; allowed: at most 10, the size of cluster {small}"):
        clusters.draw([small], 11, np.random.default_rng(0))


def matchings(items):
    """All perfect matchings."""
    if not items:
        yield []
    for other in items[1:]:
        rest = [item for item in items[1:] if item != other]
        for tail in matchings(rest):
            yield [(items[0], other), *tail]


@pytest.mark.parametrize("among", [range(6), [5, 0, 3, 2]])
def test_matching_is_the_best_of_all(clusters, among):
    cost = [sum(clusters.distance[pair].item() for pair in match) for match in matchings(sorted(among))]
    for kind, best in (("far", max(cost)), ("near", min(cost))):
        match = clusters.matching(kind, among)
        assert sorted(k for pair in match for k in pair) == sorted(among)
        assert sum(clusters.distance[pair].item() for pair in match) == pytest.approx(best)


@pytest.mark.parametrize("among", [[], [0], [0, 1, 2], [0, 0], [0, 6]])
def test_matching_needs_an_even_number_of_different_clusters(clusters, among):
    with pytest.raises(ValueError, match=r"^among"):
        clusters.matching("far", among)


def test_draw_takes_members_once(clusters):
    index = clusters.draw([2, 4], 10, np.random.default_rng(1))
    assert clusters.label[index].tolist() == [2] * 10 + [4] * 10 and len(set(index.tolist())) == 20
    other = clusters.draw([2, 4], 10, np.random.default_rng(2))
    assert (index != other).any()


@pytest.mark.parametrize(("name", "call"), [
    ("kind", lambda c, x: c.pair("nearest")), ("kind", lambda c, x: c.matching("both", [0, 1])), ("k", lambda c, x: dn.kmeans(x, 211, 0)),
    ("k", lambda c, x: dn.kmeans(x, 0, 0)), ("seed", lambda c, x: dn.kmeans(x, 2, -1)), ("seed", lambda c, x: dn.kmeans(x, 2, 2**32)),
    ("x", lambda c, x: dn.kmeans(x[:, 0], 2, 0)),
    ("points", lambda c, x: dn.kmeans(x, 2, 0, points=x[1:])), ("restarts", lambda c, x: dn.kmeans(x, 2, 0, restarts=0)),
    ("components", lambda c, x: dn.principal_components(x, 0)), ("x", lambda c, x: dn.principal_components(x * torch.nan, 2))])
def test_bad_input(clusters, blobs, name, call):
    with pytest.raises(ValueError, match=f"^{name}: got"):
        call(clusters, blobs)


def test_principal_components_are_scikit_learns():
    from sklearn.decomposition import PCA

    x = torch.from_numpy(np.random.default_rng(4).normal(size=(40, 6)) * [5, 4, 3, 2, 1, 0.5])
    ours, theirs = dn.principal_components(x, 3).numpy(), PCA(3, svd_solver="full").fit_transform(x.numpy())
    assert np.allclose(np.abs(ours), np.abs(theirs), atol=1e-9)
    assert dn.principal_components(x, 100).shape == (40, 6)


def test_clusters_are_named_by_tensors_too():
    """``large`` gives a tensor, which ``matching`` and ``draw`` take."""
    found = dn.kmeans(dn.normal(np.random.default_rng(0), (40, 2)), 4, 0)
    large = found.large(1)
    assert found.matching("near", large) == found.matching("near", large.tolist())
    assert len(found.draw(large, 2, np.random.default_rng(0))) == 2 * len(large)


def test_the_limits_of_arguments_belong_to_them(blobs, clusters):
    """As many clusters as points, all points of a cluster, two clusters that are left, the largest seed, pairs of single points."""
    points = blobs[:3]
    assert dn.kmeans(points, 3, 2**32 - 1).size.tolist() == [1, 1, 1]
    by_size = clusters.size.argsort()
    index = clusters.draw(by_size[:1], 10, np.random.default_rng(0))
    assert sorted(index.tolist()) == (clusters.label == by_size[0]).nonzero()[:, 0].tolist()
    assert set(clusters.pair("near", at_least=50)) == set(by_size[-2:].tolist())
    assert clusters.matching("far", by_size[-2:]) == [tuple(sorted(by_size[-2:].tolist()))]
    singles = dn.Clusters(torch.arange(3), torch.tensor([[0.0], [1.0], [5.0]]), torch.zeros(3))
    assert singles.pair("far") == (0, 2) and singles.pair("near") == (0, 1)  # clusters of one point count, if no size is asked for
    assert clusters.large(60).tolist() == [clusters.size.argmax()] and clusters.large(61).tolist() == []


def test_one_start_if_nothing_else_is_asked_for():
    x = dn.normal(np.random.default_rng(1), (60, 2))
    spread = lambda found: (found.variance * found.size).sum().item()  # noqa: E731
    once, default, twice = (spread(dn.kmeans(x, 8, 1, **more)) for more in ({"restarts": 1}, {}, {"restarts": 2}))
    assert default == once > twice


@pytest.mark.parametrize("clusters_asked", [[], [6], [0, 6], [0, 0], [-1], [7, 7]])
def test_draw_needs_different_clusters_that_are_there(clusters, clusters_asked):
    with pytest.raises(ValueError, match=r"^clusters: got .*; allowed: (at least one of 0, ..., 5, all different|an integer of at least 0)"):
        clusters.draw(clusters_asked, 2, np.random.default_rng(0))
    if -1 in clusters_asked:
        with pytest.raises(ValueError, match=r"^among: got -1"):
            clusters.matching("near", [-1, 2])


def test_fewer_different_points_than_clusters_are_refused():
    with warnings.catch_warnings(), pytest.raises(ValueError, match=r"^points: got 0; allowed: at least 2 different points"):
        warnings.simplefilter("ignore")  # scikit-learn's own, and no error
        dn.kmeans(torch.zeros(5, 2), 2, 0)
