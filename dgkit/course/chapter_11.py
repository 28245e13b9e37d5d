"""Chapter 11: its recorded runs (real data; in real.py), and the checks of its exercises."""

from dgkit.course import real

# --- recorded runs ---

EXPERIMENTS = real.EXPERIMENTS

# --- exercises ---
