"""dgkit: learn and explore DoppelGANger, the GAN of "Using GANs for Sharing Networked Time Series Data" (IMC 2020).

>>> import dgkit as dg
>>> dg.open_dataset("web").sizes["time"]
168
"""

import lazy_loader

from dgkit import _moved, _threads  # isort: skip (before torch)

__version__ = "0.3.0"

# names load when they are first used: what they are stands in __init__.pyi, which type checkers and editors read too
_attached, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = _moved.forwarding(__name__, _attached)

del _moved, _threads
