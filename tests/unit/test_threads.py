"""torch's threads spin briefly whatever is imported first, and what is computed does not depend on it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TRAIN = """
import warnings
import {first}
import dgkit as dg
from dgkit import _threads
import threading, torch
_threads.PAUSE = 0
_threads.SLOW = {slow}
torch.set_num_threads(2)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    config = dg.Config(steps=3, sample_len=84, batch_size=100, lstm_units=50, discriminator_units=100, seed=0)
    trainer = dg.Trainer(dg.simulate.web(100, seed=0), config)
    losses = [record.generator_loss for record in trainer]
print(sum("set_num_threads(1)" in str(one.message) for one in said))
print(sum(thread.name == "dgkit: short spin" for thread in threading.enumerate()))
print(losses, sum(p.double().sum().item() for p in trainer.generator.parameters()))
"""


def trained(first, slow, **settings):
    """How many warnings name the mend, how many threads hold a pair asleep, and what came out."""
    code = TRAIN.format(first=first, slow=slow)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**kept, **settings}
    )
    warned, held, result = done.stdout.splitlines()
    return int(warned), int(held), result


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="libgomp is Linux's")
def test_threads_that_wait_for_each_other_are_eased_once_and_with_the_same_results():
    never, always = "float('inf')", "-1"

    eased = trained("torch", always)

    assert eased[:2] == (1, 1)
    assert trained("torch", never) == (0, 0, eased[2])
    assert trained("dgkit", always) == (0, 0, eased[2])  # the settings were made in time
    assert trained("torch", always, GOMP_SPINCOUNT="5000") == (0, 0, eased[2])  # the user's are kept
