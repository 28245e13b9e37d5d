"""Imported before torch: how long its idle threads spin before they sleep.

By default libgomp's threads spin for milliseconds at the end of each of the many small products of a training step. On
two cores of which a browser takes one, that slows two threads to a fraction of one thread's speed. A short spin costs
little on an idle machine and keeps half the speed on a busy one. A value set by the user is kept.
"""

import os

os.environ.setdefault("GOMP_SPINCOUNT", "1000")
