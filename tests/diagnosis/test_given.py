"""What people hand over: data sets, lists, NumPy arrays, networks in another precision or layout, classes and pipelines."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from exact_models import TRUE, posterior, records

import diffnotes as dn

QUIET = dict(progress=False, draws=1)


@pytest.fixture(scope="module")
def sets():
    return records(64, 0), records(64, 1)


def never(y, sigma):
    raise AssertionError("the model was asked before all was checked")


class Given:
    """A data set of pairs (record, label), as torch and torchvision have them."""

    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, k):
        return self.x[k], 0


@pytest.mark.parametrize("of_records", [Given, list, lambda x: torch.utils.data.TensorDataset(x), lambda x: torch.utils.data.DataLoader(Given(x)),
                                        lambda x: {"x": x}, lambda x: x.tolist(), lambda x: None])
@pytest.mark.parametrize("name", ["train", "held_out"])
def test_data_sets_and_lists_are_refused_with_what_to_do(sets, name, of_records):
    """Which bug this catches: a data set that quietly becomes an array in double precision."""
    given = dict(zip(("train", "held_out"), sets, strict=True))
    given[name] = of_records(given[name])
    with pytest.raises(ValueError, match=rf"^{name}: got {type(given[name]).__name__}; allowed: a tensor or NumPy array .*torch\.stack"):
        dn.checkup(dn.Denoiser(never, 0.05, 10.0), **given, **QUIET)


@pytest.mark.parametrize("dtype", ["float32", ">f4", "float64"])
def test_arrays_keep_their_precision(sets, dtype):
    """NumPy's float32, with read-only and strided ones; nothing that was given is changed."""
    seen, wanted = set(), torch.float64 if dtype == "float64" else torch.float32
    model = dn.Denoiser(lambda y, s: (seen.add(y.dtype), posterior(y, s[0].item()))[1], 0.05, 10.0)
    arrays = [np.repeat(x.numpy(), 2, 1).astype(dtype)[:, ::2] for x in sets]
    arrays[0].flags.writeable = False
    found = dn.checkup(model, *arrays, levels=3, samples=arrays[0][:30] + 1, **QUIET)
    assert seen == {wanted} and found.pairs == 64 and len(found.copies.ratio[0]) == 30
    other = dn.checkup(TRUE, *(x.to(wanted) for x in sets), levels=3, samples=0, **QUIET)
    assert other.gap.mean == pytest.approx(found.gap.mean, rel=1e-6)


def test_a_network_in_another_precision_or_shape_is_named(sets):
    """With what it said, not in 22 frames of torch."""
    class Net(torch.nn.Conv1d):
        def forward(self, x, t):
            return super().forward(x)

    images = [x.float().view(-1, 2, 4) for x in sets]
    for dtype, given, what in ((torch.half, images, r"torch\.float32 records \(16, 2, 4\)"), (torch.bfloat16, images, r"torch\.float32 records"),
                               (torch.float, [x.double() for x in images], r"torch\.float64 records"),
                               (torch.float, [x.mT.contiguous() for x in images], r"torch\.float32 records \(16, 4, 2\)")):
        model = Net(2, 2, 1).eval().to(dtype)
        with pytest.raises(ValueError, match=rf"^model: got RuntimeError on {what}.*: .*; allowed: .*their shape and precision \(\.float\(\) for"):
            dn.checkup(dn.Denoiser(model, 0.05, 10.0), *given, **QUIET)


@pytest.mark.parametrize("samples", [np.zeros((9, 3)), np.zeros((9, 8), dtype=np.float32), np.full((9, 8), np.nan), [[0.0] * 8] * 9])
def test_samples_of_another_kind_are_named_in_few_words(sets, samples):
    """Which bug this catches: a message that holds the whole array."""
    with pytest.raises(ValueError, match=r"^samples: got .*; allowed: ") as caught:
        dn.checkup(dn.Denoiser(never, 0.05, 10.0), *sets, samples=samples, **QUIET)
    assert len(str(caught.value)) < 300


class Flow(torch.nn.Module):
    """Its instances are models; the class is not."""

    def __init__(self):
        super().__init__()
        self.unet = torch.nn.Identity()

    def forward(self, x, t):
        return self.unet(x)


SCHEDULER = SimpleNamespace(alphas_cumprod=torch.tensor([0.9, 0.5]), config=SimpleNamespace(prediction_type="sample"))


@pytest.mark.parametrize(("name", "make"), [
    ("model", lambda one: dn.Denoiser(one, 0.1, 1.0)), ("score", lambda one: dn.Denoiser.of_score(one, dn.OU())),
    ("model", lambda one: dn.Denoiser.of_discrete(one, [0.9, 0.5])), ("velocity", lambda one: dn.Denoiser.of_velocity(one, data_at=1)),
    ("model", lambda one: dn.Denoiser.of_diffusers(one, SCHEDULER))])
def test_a_class_is_refused_and_its_instance_is_taken(name, make):
    with pytest.raises(ValueError, match=rf"^{name}: got the class Flow; allowed: an instance of it"):
        make(Flow)
    make(Flow().eval())


@pytest.mark.parametrize("part", ["unet", "transformer"])
def test_a_pipeline_is_refused_and_a_network_with_a_part_of_that_name_is_taken(part):
    """Which bug this catches: a wrapper that calls its network unet, taken for a pipeline."""
    pipeline = type("SomePipeline", (), {part: Flow().eval(), "__call__": lambda self: None})()
    with pytest.raises(ValueError, match=r"^model: got SomePipeline; allowed: a network: pipeline\.unet or pipeline\.transformer"):
        dn.Denoiser.of_diffusers(pipeline, SCHEDULER)
    wrapper = torch.nn.Module()
    setattr(wrapper, part, torch.nn.Identity())
    wrapper.forward = lambda x, k: x
    assert dn.Denoiser.of_diffusers(wrapper.eval(), SCHEDULER)(torch.ones(2, 3), 1.0).shape == (2, 3)


def test_where_a_path_has_its_data_must_be_said():
    with pytest.raises(TypeError, match="data_at"):
        dn.Denoiser.of_velocity(posterior)
