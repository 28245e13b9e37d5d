"""Modules and names that have moved: found where they are now, with a warning that says where."""

import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from dgkit._interrupts import after_the_step

MOVED = {
    f"dgkit.{name}": f"dgkit.core.{name}" for name in ("config", "encode", "losses", "model", "networks", "trainer")
}
MOVED |= {"dgkit.privacy.dp": "dgkit.core.clipping", "dgkit.privacy.accounting": "dgkit.core.accounting"}
MOVED |= {f"dgkit.{name}": f"dgkit.readers.{name}" for name in ("tables", "csv_files")}
MOVED |= {"dgkit.check": "dgkit.course", "dgkit.experiments": "dgkit.course"}
NAMES = {  # of a package, and the module that has them now
    "dgkit.budget": "dgkit.course",
    "dgkit.course.sweep": "dgkit.sweeps",
    "dgkit.course.data_hash": "dgkit.datasets",
    "dgkit.course.EXERCISES": "dgkit.course.chapters",
    "dgkit.course.EXPERIMENTS": "dgkit.course.chapters",
    "dgkit.course._remember": "dgkit.course.answers",
}


def forwarding(package: str, attached: Callable[[str], Any]) -> Callable[[str], Any]:
    """A package's `__getattr__`: `attached`, and what the package had before.

    It imports, and an import that is interrupted half way (torch's takes seconds) cannot be made again in its process.
    """

    @after_the_step()
    def find(name: str) -> Any:
        old = f"{package}.{name}"
        if old in MOVED:
            return import_module(old)
        if old in NAMES:
            warnings.warn(f"{old} is now {NAMES[old]}.{name}", DeprecationWarning, stacklevel=2)
            return getattr(import_module(NAMES[old]), name)
        return attached(name)

    return find


class _Finder(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        warnings.warn(f"{spec.name} is now {MOVED[spec.name]}", DeprecationWarning, stacklevel=2)
        module = import_module(MOVED[spec.name])
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It has run where it is; its own spec, which the import has replaced, is put back."""
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


sys.meta_path.append(_Finder())
