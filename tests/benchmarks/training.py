"""Training side by side with gretel-synthetics' DGAN: steps a second at the paper's WWT sizes, fidelity after a minute.

The peer asks for NumPy and pandas of 2022, so it gets an environment of its own (build/peers/dgan, made on first use).
"""

import importlib.util
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from peers import interpreter

import dgkit as dg
from dgkit.core.losses import critic_loss
from dgkit.privacy import clipped_gradients

ROOT = Path(__file__).parents[2]
VARIABLES = ("domain", "access", "agent")


def peer_python() -> Path:
    """The peer's interpreter: this one if it has the peer; else that of the environment that `peers.py` makes."""
    if importlib.util.find_spec("gretel_synthetics"):
        return Path(sys.executable)
    return interpreter("dgan", ROOT / "build" / "peers")


def to_npz(ds: xr.Dataset, path: Path) -> None:
    schema = dg.schema.validate(ds)
    attributes = [np.unique(ds[item.name], return_inverse=True)[1] for item in schema.attributes]
    features = np.stack([ds[item.name] for item in schema.features], -1)
    np.savez(path, features=features.astype(np.float64), attributes=np.stack(attributes, 1))


def run_peer(
    mode: str, ds: xr.Dataset, seconds: float, sample_len: int, seed: int, threads: int, device: str = "cpu"
) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.npz"), Path(folder, "out.npz")
        to_npz(ds, source)
        worker = Path(__file__).with_name("peer.py")
        command = [peer_python(), worker, mode, source, target, seconds, sample_len, seed, threads, device]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        return dict(np.load(target))


def wwt_sizes(n: int = 1000) -> xr.Dataset:
    """Random data of the paper's WWT form: 550 days, attributes of 9, 3 and 2 categories."""
    rng = np.random.default_rng(0)
    data = {"views": (("sample", "time"), rng.random((n, 550)).astype(np.float32))}
    for name, width in zip(VARIABLES, (9, 3, 2), strict=True):
        data[name] = ("sample", np.array([f"{name}{k}" for k in range(width)])[rng.integers(0, width, n)])
    return xr.Dataset(data)


def our_speed(ds: xr.Dataset, seconds: float, sample_len: int) -> float:
    """Steps a second, the first five left out."""
    trainer = dg.Trainer(ds, dg.Config(steps=10**6, sample_len=sample_len))
    times, start = [], time.perf_counter()
    for record in trainer:
        times.append(record.seconds)
        if time.perf_counter() - start > seconds:
            return len(times[5:]) / sum(times[5:])
    raise AssertionError("the loop above ends by time")


def speed_rows(seconds: float = 12, rounds: int = 3, threads: int = 2) -> list[dict]:
    """Ours and the peer's in turn, `rounds` times; the median of the ratios."""
    torch.set_num_threads(threads)
    rows = []
    for ds, sample_len, label in (
        (wwt_sizes(), 10, "WWT sizes: T 550, S 10"),
        (dg.open_dataset("web"), 7, "web: T 168, S 7"),
    ):
        pairs = [
            (
                our_speed(ds, seconds, sample_len),
                float(run_peer("speed", ds, seconds, sample_len, 0, threads)["steps_per_second"]),
            )
            for _ in range(rounds)
        ]
        ours, theirs = np.median(np.array(pairs), 0)
        ratios = np.array([a / b for a, b in pairs])
        rows.append(
            {
                "what": f"training, {label}, batch 100, {threads} threads", "ours": f"{ours:.1f} steps/s",
                "other": f"gretel-synthetics {theirs:.1f} steps/s", "ratio": float(np.median(ratios)),
                "spread": f"{ratios.min():.2f} to {ratios.max():.2f}",
            }
        )  # fmt: skip
    return rows


def peer_dataset(generated: dict, like: xr.Dataset) -> xr.Dataset:
    data = {"views": (("sample", "time"), generated["features"].astype(np.float32), like.views.attrs)}
    for k, name in enumerate(VARIABLES):
        data[name] = ("sample", np.unique(like[name])[generated["attributes"][:, k].astype(int)], like[name].attrs)
    return xr.Dataset(data)


def fidelity_rows(seconds: float = 60, seeds=(0, 1, 2), threads: int = 2) -> list[dict]:
    """Both trained for the same time on the same data, measured by the same metrics on 2,000 samples."""
    torch.set_num_threads(threads)
    real, results = dg.open_dataset("web"), []
    for seed in seeds:
        model = dg.fit(real, dg.Config(steps=10**6, sample_len=7, seed=seed), seconds=seconds, progress=False)
        theirs = run_peer("fit", real, seconds, 7, seed, threads)
        for who, fake in (("ours", model.sample(2000, seed=1)), ("other", peer_dataset(theirs, real))):
            report = dg.metrics.evaluate(real, fake)
            results.append(
                {
                    "who": who,
                    "autocorrelation MSE": report.autocorrelation_mse.item(),
                    "mid-range Wasserstein, views/day": report.mid_range_wasserstein.item(),
                    "mid-range Wasserstein, decades": float(log_mid_range(real, fake)),
                    "largest attribute Jensen-Shannon divergence": float(report.attribute_jensen_shannon.max()),
                }
            )
    rows = []
    for metric in list(results[0])[1:]:
        ours, other = ([r[metric] for r in results if r["who"] == who] for who in ("ours", "other"))
        rows.append(
            {
                "what": f"{metric} after {seconds:g} s, {len(seeds)} seeds", "ours": f"{np.median(ours):.4g}",
                "other": f"gretel-synthetics {np.median(other):.4g}",
                "ratio": float(np.median(other) / np.median(ours)),
                "spread": f"ours {min(ours):.4g} to {max(ours):.4g}, other {min(other):.4g} to {max(other):.4g}",
            }
        )  # fmt: skip
    return rows


def log_mid_range(real: xr.Dataset, fake: xr.Dataset) -> float:
    """Wasserstein distance of the samples' mid-ranges in decades; values below one view count as one."""
    mids = [np.log10(np.maximum(dg.metrics.mid_range(ds.views).values, 1)) for ds in (real, fake)]
    return float(dg.metrics.wasserstein(*mids))


def _critic_batch(samples: int = 100) -> tuple:
    """A discriminator of the WWT sizes, and real, fake and alpha for one batch of 100."""
    torch.set_num_threads(2)
    trainer = dg.Trainer(wwt_sizes(200), dg.Config(sample_len=10))
    real = trainer.real[:samples]
    return trainer.discriminator, real, real.roll(1, 0), torch.rand(samples, 1)


def _in_turns(calls: dict, rounds: int) -> dict:
    """Seconds of each call, each round timing every one of them once; the first fifth is left out."""
    times: dict = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: np.array(spent[rounds // 5 :]) for name, spent in times.items()}


def privacy_rows() -> list[dict]:
    """The private step of the discriminator against the ordinary one, vmap of grad, and a loop over samples."""
    critic, real, fake, alpha = _critic_batch()
    parameters = dict(critic.named_parameters())

    def loss(weights, x, y, a):  # of one sample, differentiable twice
        def score(point):
            return torch.func.functional_call(critic, weights, (point[None],)).squeeze()

        slope = torch.func.grad(score)(x + a * (y - x))
        return score(y) - score(x) + 10 * ((slope.square().sum() + 1e-8).sqrt() - 1).square()

    def summed(gradients):  # what clipping needs of per-sample gradients
        norms = sum(g.flatten(1).square().sum(1) for g in gradients.values()).sqrt()
        share = (1 / norms).clamp(max=1)
        return [torch.einsum("n,n...->...", share, g) for g in gradients.values()]

    def vectorised():
        per_sample = torch.func.vmap(torch.func.grad(loss), (None, 0, 0, 0), chunk_size=25)
        return summed(per_sample(parameters, real, fake, alpha))

    def loop():
        each = [torch.func.grad(loss)(parameters, *one) for one in zip(real, fake, alpha, strict=True)]
        return summed({name: torch.stack([g[name] for g in each]) for name in parameters})

    calls = {
        "ordinary step": lambda: torch.autograd.grad(
            critic_loss(critic, real, fake, alpha, 10.0).loss, list(parameters.values())
        ),
        "private": lambda: clipped_gradients(critic, real, fake, alpha, 10.0, 1.0),
        "vmap of grad": vectorised,
        "loop over samples": loop,
    }
    times = _in_turns(calls, 15)
    ours = times.pop("private")
    return [
        {
            "what": "private gradients, batch 100, WWT sizes", "ours": f"{np.median(ours) * 1e3:.1f} ms",
            "other": f"{name} {np.median(other) * 1e3:.1f} ms", "ratio": float(np.median(other / ours)),
            "spread": f"{np.quantile(other / ours, 0.1):.2f} to {np.quantile(other / ours, 0.9):.2f}",
        }
        for name, other in times.items()
    ]  # fmt: skip


def penalty_rows() -> list[dict]:
    """The written-out penalty against automatic differentiation through a gradient (double backward)."""
    critic, real, fake, alpha = _critic_batch()

    def ours():
        torch.autograd.grad(critic_loss(critic, real, fake, alpha, 10.0).loss, list(critic.parameters()))

    def double_backward():
        between = (real + alpha * (fake - real)).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        penalty = ((slope.square().sum(1) + 1e-8).sqrt() - 1).square().mean()
        loss = critic(fake).mean() - critic(real).mean() + 10 * penalty
        torch.autograd.grad(loss, list(critic.parameters()), allow_unused=True)

    a, b = _in_turns({"ours": ours, "double backward": double_backward}, 40).values()
    return [
        {
            "what": "discriminator loss and gradients, WWT sizes", "ours": f"{np.median(a) * 1e3:.1f} ms",
            "other": f"double backward {np.median(b) * 1e3:.1f} ms", "ratio": float(np.median(b / a)),
            "spread": f"{np.quantile(b / a, 0.1):.2f} to {np.quantile(b / a, 0.9):.2f}",
        }
    ]  # fmt: skip
