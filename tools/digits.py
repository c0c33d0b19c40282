"""The long run of the digits, made once and kept with its pictures: ``python -m tools.digits`` (under an hour on one core).

*Pictures*: models of the far and the near pair of clusters, with samples at three training times, in [0, 1] and with the
authors' standardised pixels.  *Memorising*: the controlled shift with few images and a long training, until the test loss
leaves the training loss.  Both go to ``diffnotes/page/records/runs/digits.json``, which is written anew after each
training: a run that was cut short goes on from there (delete the file to begin anew).  The chapter on digits shows them.
"""

import base64
import datetime
import io
import json
import os
import platform
import time

import numpy as np
import torch
from PIL import Image

import diffnotes as dn
from tools.build import ROOT
from tools.checkout import commit
from tools.files import write

TARGET = ROOT / "diffnotes" / "page" / "records" / "runs" / "digits.json"
SDE = dn.VE(sigma=25.0, T=1.0)
EACH, TRAIN, SHOWN = 125, 100, 16  # images of a cluster; those trained on; samples in a picture
CHANNELS, PATCH = (32, 64, 128), 2
SETTINGS = {"[0, 1]": dict(rate=3e-3, epochs=(10, 60, 300)), "standardised": dict(rate=8e-4, epochs=(10, 100, 500))}
FEW, TEST, SEEDS, LENGTHS = 32, 200, range(6), (50, 100, 200, 400, 800)
ARMS = ((0, 1, FEW), *((m, modes, FEW) for m in (5, 20) for modes in (2, 1)), (0, 1, FEW // 2))  # distance, modes, images


def pictures(name: str, kind: str, seed: int = 0):
    """(epoch, PNG in base64, facts) at three training times of one model."""
    levels = dn.mnist("sample").levels
    raw = levels.double() / 256
    standard = dn.Scaling.standardising(raw)
    clusters = dn.kmeans(standard(raw), 30, 42 + seed, points=dn.principal_components(standard(raw), 100))
    rng = np.random.default_rng([seed, 0])
    index = clusters.draw(clusters.pair(kind, EACH), EACH, rng).view(2, EACH)
    parts = index[:, :TRAIN].flatten(), index[:, TRAIN:].flatten()
    scaling = standard if name == "standardised" else dn.Scaling.none(raw.shape[1])
    train, test = (scaling(dn.dequantise(levels[part], rng)).float() for part in parts)
    plain, rule = name == "standardised", SETTINGS[name]
    net = dn.UNet.draw(28, SDE, [np.random.default_rng([seed, 2])], channels=CHANNELS, patch=PATCH,
                       data_std=None if plain else train.var(0).mean().sqrt().item())
    last = rule["epochs"][-1]
    rate = rule["rate"] if plain else lambda epoch: rule["rate"] * max(0.02, 1 - epoch / last)
    for point in dn.train(net, train[None], [np.random.default_rng([seed, 3])], dn.Adam(rate), epochs=last, decay=0.98,
                          progress=False):
        if point.epoch in rule["epochs"]:
            drawn = scaling.inverse(samples(point.average, seed)).clamp(0, 1)
            yield point.epoch, png(drawn), facts(point, train, test, drawn, raw, parts)


@torch.no_grad()
def samples(net, seed):
    """Samples of the probability flow in 40 steps, down to a standard deviation of 0.2, and a last denoising."""
    times = SDE.geometric_times(0.2, 40, dtype=torch.float32)
    x = dn.probability_flow(net.score, SDE, net.prior.sample(SHOWN, np.random.default_rng([seed, 5]))[None], times.flip(0))
    return dn.denoise(net.score, SDE, x, times[0])[0].double()


def facts(point, train, test, drawn, raw, parts):
    """Losses on the same noise, and how far the samples are from the training images, as a multiple of what held-out ones are."""
    nearest = [torch.cdist(x, raw[parts[0]]).amin(1).mean() for x in (drawn, raw[parts[1]])]
    halves = {"training loss": train, "test loss": test}
    values = {row: np.mean([dn.mean_denoising_loss(point.average.score, SDE, part, np.random.default_rng(4), draws=320).item()
                            for part in x.chunk(2)]) for row, x in halves.items()}
    t = (torch.arange(400, dtype=torch.float64) + 0.5) / 400 * SDE.T
    values["best Gaussian denoiser"] = dn.gaussian_denoising_loss(SDE, train.double(), t).mean().item()
    values["samples' distance"] = (nearest[0] / nearest[1]).item()
    return {row: round(float(value), 3) for row, value in values.items()}


def png(images) -> str:
    """Images [16, 784] in two rows of eight, 32 grey levels, as a PNG in base64."""
    sheet = images.view(2, SHOWN // 2, 28, 28).transpose(1, 2).reshape(56, -1)
    buffer = io.BytesIO()
    Image.fromarray((sheet * 31).round().mul(255 / 31).byte().numpy()).quantize(32).save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def memorising(m: float, modes: int, few: int, seed: int) -> dict[str, list[float]]:
    """Training and test losses at ``LENGTHS`` epochs for few images of 14 by 14 pixels that are moved apart.

    The last number of each list is that of the optimal denoiser of the training images.
    """
    levels, rng = dn.mnist("sample").levels, np.random.default_rng([seed, 7])

    def shrink(x):
        return torch.nn.functional.avg_pool2d(x.view(-1, 1, 28, 28), 2).view(len(x), 196)

    chosen = dn.permutation(rng, len(levels))[: FEW + TEST]
    x = dn.shifted(shrink(dn.dequantise(levels[chosen], rng)), m, rng, modes=modes).float()
    spread = shrink(levels.double() / 256).var(0).mean().sqrt().item()
    train = x[: FEW : FEW // few]  # half of them are those that two modes would have at one place
    net = dn.UNet.draw(14, SDE, [np.random.default_rng([seed, 2])], channels=(32, 64), patch=2, data_std=spread)
    optimiser = dn.Adam(lambda epoch: 4e-3 * max(0.02, 1 - epoch / LENGTHS[-1]))
    points = dn.train(net, train.repeat(FEW // few, 1)[None], [np.random.default_rng([seed, 3])], optimiser, epochs=LENGTHS[-1],
                      decay=0.95, progress=False)
    kept = [point.average.score for point in points if point.epoch in LENGTHS]
    optimal = dn.GaussianMixture.empirical(train).diffused(SDE).score

    def losses(part):
        found = (dn.mean_denoising_loss(score, SDE, part, np.random.default_rng(4), draws=800) for score in (*kept, optimal))
        return [round(value.item(), 3) for value in found]

    return {"training loss": losses(train), "test loss": losses(x[FEW:])}


def main() -> None:
    torch.set_num_threads(1)
    begin, before = time.perf_counter(), json.loads(TARGET.read_text(encoding="utf-8")) if TARGET.exists() else {}
    result = {"command": "python -m tools.digits", "commit": commit(), "date": datetime.date.today().isoformat(), "minutes": 0.0,
              "seeds": {"pictures": 1, "memorising": len(SEEDS)},
              "versions": f"torch {torch.__version__.split('+')[0]}, numpy {np.__version__}, Python {platform.python_version()}",
              "machine": f"{platform.machine()}, one of {os.cpu_count()} cores, cpu",
              "lengths": LENGTHS, "pictures": before.get("pictures", []), "memorising": before.get("memorising", [])}
    done = [[value for value in row.values() if not isinstance(value, list)] for row in result["memorising"]]

    def keep(part, **row):
        result[part].append(row)
        result["minutes"] = round(before.get("minutes", 0.0) + (time.perf_counter() - begin) / 60, 1)
        write(TARGET, json.dumps(result, indent=1) + "\n")
        print(part, {key: value for key, value in row.items() if key != "png"}, f"{result['minutes']} min", flush=True)

    def draw(name):
        last = name, SETTINGS[name]["epochs"][-1]
        drawn = {row["pair"] for row in result["pictures"] if (row["setting"], row["epoch"]) == last}
        for kind in (kind for kind in ("far", "near") if kind not in drawn):
            result["pictures"] = [row for row in result["pictures"] if (row["setting"], row["pair"]) != (name, kind)]
            for epoch, picture, found in pictures(name, kind):
                keep("pictures", setting=name, pair=kind, epoch=epoch, png=picture, **found)

    draw("[0, 1]")
    for seed in SEEDS:
        for m, modes, few in ARMS:
            if [seed, m, modes, few] in done:
                continue
            keep("memorising", seed=seed, m=m, modes=modes, images=few, **memorising(m, modes, few, seed))
    draw("standardised")


if __name__ == "__main__":
    main()
