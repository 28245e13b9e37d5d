"""Live widgets for dgkit's course: controls and pictures of a model that trains in this very kernel.

Every widget is a plain Python object first: what a button does is a method, and what the browser shows are traits.
"""

from dgkit_widgets.painter import DistributionPainter

__all__ = ["DistributionPainter"]
