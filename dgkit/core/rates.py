"""Learning rates that fall along a training, which the original does not have (`Config.last_lr`)."""

from typing import Any


def fall(trainer: Any) -> None:
    """Give each optimiser its rate of the next step: evenly from the first one's to `last_lr` of it at the last."""
    config = trainer.config
    if config.last_lr is None:  # whatever they were set to by hand
        return
    gone = min(1.0, trainer.step / max(1, config.steps - 1))
    for name, optimiser in trainer.optimisers.items():
        optimiser.rate = getattr(config, f"{name}_lr") * (1 - (1 - config.last_lr) * gone)
