"""Live widgets for dgkit's course: controls and pictures of a model that trains in this very kernel.

Every widget is a plain Python object first: what a button does is a method, and what the browser shows are traits.
"""

from dgkit.errors import MissingExtraError

try:
    from dgkit_widgets.browser import SeriesBrowser
    from dgkit_widgets.dial import PrivacyDial
    from dgkit_widgets.explorer import Explorer
    from dgkit_widgets.painter import DistributionPainter
    from dgkit_widgets.studio import TrainingStudio
    from dgkit_widgets.what_if import WhatIfExplorer
except ModuleNotFoundError as error:
    if error.name is None or error.name.partition(".")[0] not in ("anywidget", "ipywidgets", "IPython", "traitlets"):
        raise
    raise MissingExtraError(f"the widgets need {error.name}. Install it: pip install dgkit[lab]") from error

__all__ = ["DistributionPainter", "Explorer", "PrivacyDial", "SeriesBrowser", "TrainingStudio", "WhatIfExplorer"]
