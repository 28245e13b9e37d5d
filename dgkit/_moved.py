"""Modules by the names they had before they moved: found where they are now, with a warning that says where."""

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    f"dgkit.{name}": f"dgkit.core.{name}" for name in ("config", "encode", "losses", "model", "networks", "trainer")
}
MOVED |= {"dgkit.privacy.dp": "dgkit.core.clipping", "dgkit.privacy.accounting": "dgkit.core.accounting"}
MOVED |= {f"dgkit.{name}": f"dgkit.readers.{name}" for name in ("tables", "csv_files")}


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
