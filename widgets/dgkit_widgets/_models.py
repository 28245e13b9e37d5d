"""What the studio draws of a model that is not in training there: its parts, its losses, a series on its way.

Parts are boxes from left to right, with what is known of them: sizes as the network has them, and of flow matching the
series at each step between noise and t = 1. Each is told as the baseline's own module tells it. Left out: what goes on
inside a part, which those modules say.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn

from dgkit import DoppelGANger
from dgkit.baselines import Baseline
from dgkit_widgets._views import SHOWN, Look
from dgkit_widgets._widget import f4

ROWS = "drawn from the training data's rows, as they occur together"


def parts(model: Any, look: Look, fake: xr.Dataset) -> dict[str, Any]:
    """How a model makes a sample: {"parts", "back", "says", "losses", "way"}; of an unknown one that it makes some.

    Parameters
    ----------
    model : Baseline, DoppelGANger or any
    look : Look
    fake : Dataset
        What it made with seed 0.

    Returns
    -------
    dict
        "parts": of each {"name", "text", "role"} with role "given", "noise", "net" or "made", and perhaps "bars" or
        "line"; "back": what of its output a model takes in again; "says": how it learns; "losses": {"x", name: f4}.
    """
    made: dict[str, Any] = {"name": "series", "text": f"{look.time} steps", "role": "made"}
    if look.feature:
        made["line"] = f4(np.asarray(fake[look.feature][0]))
    found: dict[str, Any] = {"parts": [_part("model", type(model).__name__, "net")], "back": "", "says": ""}
    if isinstance(model, DoppelGANger):
        found = _doppelganger(model)
    elif isinstance(model, Baseline):
        found = KINDS[model.name](model.network)
        found["losses"] = _losses(model.history)
        if model.name == "flow_matching" and look.feature:
            found["way"] = _way(model, look)
    found["parts"].append(made)
    return found


def _part(name: str, text: str, role: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "text": text, "role": role} | more


def _layers(net: nn.Module) -> str:
    """Such as "4 hidden layers of 200"."""
    *hidden, _ = [one.out_features for one in net.modules() if isinstance(one, nn.Linear)]
    return f"{len(hidden)} hidden layer{'s' * (len(hidden) != 1)} of {hidden[0]}" if hidden else "a linear layer"


def _losses(history: xr.Dataset) -> dict[str, Any]:
    if history.sizes.get("step", 0) < 2:  # the surrogate's is no training
        return {}
    curves = {str(name).replace("_", " "): f4(values) for name, values in history.items() if values.dims == ("step",)}
    return {"x": f4(history.step)} | curves


def _way(model: Baseline, look: Look) -> dict[str, Any]:
    """The drawn series of flow matching at each step of the way, in the feature's unit, and the first one's x."""
    network: Any = model.network
    encoder, rng = model.encoder, torch.Generator().manual_seed(0)
    few, heads = slice(SHOWN), [head for head in encoder.feature_heads if not head.gates]
    column = sum(head.width for head in heads[: [head.name for head in heads].index(look.feature or "")])
    with torch.no_grad():
        drawn = network.draw(look.n, rng)  # as many as `sample` made, so that these are its first
        attributes, lengths, numbers, noise = (part[few] for part in drawn)
        last = lengths.numpy().astype(np.int64) if encoder.schema.variable_length else None
        series, points = [], []
        minmax = network.scales.minmax(numbers)
        for x in network.way(attributes, lengths, numbers, noise):
            there = encoder.decode(attributes, minmax, network.decode(x, numbers, lengths), last)
            series.append(np.asarray(there[look.feature]))
            points.append(x[0, column :: network.scales.width].numpy())
    return {"steps": len(series) - 1, "series": f4(np.stack(series)), "points": f4(np.stack(points))}


# --- each model: what goes in, what makes what, what goes back in ----------------------------------------------------


def _doppelganger(model: DoppelGANger) -> dict[str, Any]:
    encoder, config = model.encoder, model.config
    steps = f"{encoder.passes} passes of {encoder.sample_len} steps"
    hidden = f"{config.attribute_layers - 1} hidden layers of {config.attribute_units}"
    return {
        "parts": [
            _part("noise", "of attributes, range, and each pass", "noise"),
            _part("attribute generator", hidden, "net"),
            _part("min/max generator", "the range of each series, where it is normalised", "net"),
            _part("LSTM", steps, "net"),
        ],
        "back": "",
        "says": "A GAN: it learned from the slope of two discriminators' scores.",
    }


def _naive_gan(network: Any) -> dict[str, Any]:
    noise = next(one for one in network.generator.modules() if isinstance(one, nn.Linear)).in_features
    return {
        "parts": [
            _part("noise", f"{noise} normal numbers", "noise"),
            _part("MLP", f"{_layers(network.generator)}: attributes and all steps at once", "net"),
        ],
        "back": "",
        "says": "A GAN: it learned from the slope of a critic's score, an MLP too, which sees whole samples.",
    }


def _hmm(network: Any) -> dict[str, Any]:
    many = len(network.start)
    stays = float(network.transition.diagonal().mean())
    return {
        "parts": [
            _part("attributes", f"{ROWS}, whatever the series", "given"),
            _part("state", f"one of {many}; it stays the same with probability {stays:.2f} on average", "net"),
            _part(
                "value",
                "drawn from the state's normal distribution; below, each state's mean",
                "net",
                bars=network.mean[:, 0].tolist(),
            ),
        ],
        "back": "the state says how likely each next state is",
        "says": "Fitted by expectation maximisation: likelier step by step, without a gradient.",
    }


def _ar(network: Any) -> dict[str, Any]:
    return {
        "parts": [
            _part("attributes", ROWS, "given"),
            _part("history", f"the last {network.order} records; the first is drawn, those before it are 0", "given"),
            _part("MLP", f"{_layers(network.mlp)}: the next record", "net"),
        ],
        "back": "the new record joins the history",
        "says": "Learned by the error of the next record.",
    }


def _rnn(network: Any) -> dict[str, Any]:
    return {
        "parts": [
            _part("attributes", ROWS, "given"),
            _part("record before", "the first is drawn", "given"),
            _part("LSTM", f"{network.feature.lstm.hidden_size} units remember all before: the next record", "net"),
        ],
        "back": "the new record goes in next",
        "says": "Learned by the error of the next record, the real one before it given.",
    }


def _rcgan(network: Any) -> dict[str, Any]:
    return {
        "parts": [
            _part("attributes", ROWS, "given"),
            _part("noise", "fresh at each step", "noise"),
            _part("LSTM", f"{network.generator.lstm.hidden_size} units: a record at each step", "net"),
        ],
        "back": "",
        "says": "A GAN: another LSTM judged each step, and it learned from the slope of that verdict.",
    }


def _timegan(network: Any) -> dict[str, Any]:
    latent = network.supervisor.head.out_features
    return {
        "parts": [
            _part("attributes", f"{ROWS}, whatever the series", "given"),
            _part("noise", "uniform, at each step", "noise"),
            _part("generator", f"a GRU: {latent} latent numbers a step", "net"),
            _part("supervisor", "a GRU that learned how latent steps follow one another", "net"),
            _part("recovery", "a GRU: latent steps to records", "net"),
        ],
        "back": "",
        "says": "An autoencoder gave the latent steps; a GAN learned to make such steps.",
    }


def _market(network: Any) -> dict[str, Any]:
    latent = network.encode[-1].out_features // 2
    return {
        "parts": [
            _part("window before", "attributes, its log-signature, its last record", "given"),
            _part("noise", f"{latent} latent numbers", "noise"),
            _part("decoder", f"{_layers(network.decode)}: a log-signature of {len(network.log_noise)} numbers", "net"),
            _part("nearest", f"the training window nearest to it, {network.window} steps, is pasted on", "net"),
        ],
        "back": "it is the next one's window before",
        "says": "A variational autoencoder of windows' log-signatures.",
    }


def _surrogate(network: Any) -> dict[str, Any]:
    return {
        "parts": [
            _part("training series", "one, with its attributes and length", "given"),
            _part("phases", "its spectrum is kept, its phases are drawn by chance", "noise"),
            _part("ranks", "each step gets the value of its rank: the values stay, in another order", "net"),
        ],
        "back": "",
        "says": "Nothing is learned: it is the null model.",
    }


def _flow_matching(network: Any) -> dict[str, Any]:
    units = network.series.enter.out_features
    drawn = ["attributes"] * bool(network.attributes.categorical) + ["length"] * (network.lengths is not None)
    first = _part(", ".join(drawn), "one after another, each given those before", "net")
    numbers = _part("level, range", "a small flow of their own, given all before", "net")
    return {
        "parts": [
            *[first] * bool(drawn),
            *[numbers] * (network.numbers is not None),
            _part("noise", "a normal number for each step: x at t = 0", "noise"),
            _part("velocity", f"an MLP of {units} units: which way to go from x at t, given all before", "net"),
        ],
        "back": "x moves a little, t grows: 12 steps to t = 1",
        "says": "No second network judges, so the losses fall: how far the velocity is from the straight way from "
        "noise to a real series (loss), that of the small flow (numbers), and how unlikely what is real is said to be.",
    }


KINDS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "naive_gan": _naive_gan, "hmm": _hmm, "ar": _ar, "rnn": _rnn, "rcgan": _rcgan, "timegan": _timegan,
    "market": _market, "surrogate": _surrogate, "flow_matching": _flow_matching,
}  # fmt: skip
