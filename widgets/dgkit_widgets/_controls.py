"""The studio's settings as the browser builds them: name in `Config` or `DP`, label, kind, whether they act at once.

A control with "needs" is shown while the switch of that name is on.
"""

from typing import Any

from dgkit_widgets._session import LIVE

PRIVACY = ("noise_multiplier", "max_grad_norm", "delta")  # fields of `Config.dp`
DATASETS = ("web", "cluster", "broadband")
_RATES = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1]


def _control(name: str, label: str, kind: str, group: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "label": label, "kind": kind, "group": group, "live": name in LIVE, **more}


CONTROLS = [
    _control("dataset", "Dataset", "choice", "design", options=list(DATASETS)),
    _control("sample_len", "Steps a pass (sample_len)", "number", "design", least=1),
    _control("auto_normalise", "Auto-normalisation", "check", "design"),
    _control("auxiliary", "Auxiliary discriminator", "check", "design"),
    _control("discriminator_lr", "Discriminator learning rate", "choice", "training", options=_RATES),
    _control("generator_lr", "Generator learning rate", "choice", "training", options=_RATES),
    _control("discriminator_rounds", "Discriminator updates", "number", "training", least=1),
    _control("generator_rounds", "Generator updates", "number", "training", least=1),
    _control("batch_size", "Batch size (samples)", "number", "training", least=2),
    _control("steps", "Training steps", "number", "training", least=1),
    _control("seed", "Seed", "number", "training", least=0),
    _control("noise", "Noise width", "number", "network", least=1),
    _control("attribute_layers", "Attribute, min/max: layers", "number", "network", least=2),
    _control("attribute_units", "Attribute, min/max: units", "number", "network", least=1),
    _control("lstm_layers", "LSTM: layers", "number", "network", least=1),
    _control("lstm_units", "LSTM: units", "number", "network", least=1),
    _control("discriminator_layers", "Discriminators: layers", "number", "network", least=2),
    _control("discriminator_units", "Discriminators: units", "number", "network", least=1),
    _control("penalty", "Gradient penalty weight", "number", "network", least=0, any=True),
    _control("ema", "Averaging of weights (ema)", "number", "network", least=0, any=True),
    _control("dp", "Differential privacy", "check", "privacy"),
    _control("noise_multiplier", "Noise multiplier", "number", "privacy", least=0, any=True, needs="dp"),
    _control("max_grad_norm", "Clipping norm", "number", "privacy", least=0, any=True, needs="dp"),
    _control("delta", "Delta", "number", "privacy", least=0, any=True, needs="dp"),
]
PARTS = ("network", "privacy", "checkpoint", "slow_motion", "code", "state")  # what else can be hidden
