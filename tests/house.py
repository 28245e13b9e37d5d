"""The house: rooms, floors and imports as a picture; lines of the core; what each import takes, beside another version.

`python -m tests.house [COMMIT]` draws build/house.svg and prints a table, with a second column for the
COMMIT, read into a folder by git. A room is a file or folder of dgkit, or the widgets; it stands above all that it
imports, also lazily or for type checkers. Lines are those of code, without docstrings, comments and blank ones.
"""

import ast
import io
import subprocess
import sys
import tempfile
import tokenize
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
CORE = [
    "networks",
    "losses",
    "encode",
    "model",
    "trainer",
    "history",
    "checkpoint",
    "optimise",
]  # to be read in one sitting
IMPORTS = {
    "import dgkit": "import dgkit",
    "dg.open_dataset, dg.schema": "import dgkit as dg; dg.open_dataset; dg.schema",
    "dgkit.metrics": "import dgkit.metrics",
    "dg.Trainer": "import dgkit as dg; dg.Trainer",
}


class House:
    """The Python files of a checkout, and which imports which."""

    def __init__(self, root: Path = ROOT):
        self.root = root
        folders = {"dgkit": root, "dgkit_widgets": root / "widgets"}
        self.files = {
            self._name(path, base): path
            for name, base in folders.items()
            for path in sorted((base / name).rglob("*.py"))
        }
        self.imports = {name: self._imported(path) - {name} for name, path in self.files.items()}

    @staticmethod
    def _name(path: Path, base: Path) -> str:
        parts = path.relative_to(base).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def _imported(self, path: Path) -> set[str]:
        """The project's modules that a file imports anywhere: lazily or for type checkers alone counts too."""
        found = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= {name if name in self.files else node.module for name in inner}
        return {name for name in found if name in self.files}

    def circle(self) -> list[str]:
        """Files that import each other in a loop, if any do."""
        try:
            list(TopologicalSorter(self.imports).static_order())
        except CycleError as error:
            return list(error.args[1])
        return []

    def rooms(self) -> dict[str, set[str]]:
        """For each room the others that it imports; the package's face, which hands names on, is none."""
        rooms: dict[str, set[str]] = {}
        for module, others in self.imports.items():
            if module != "dgkit":
                rooms.setdefault(room(module), set()).update(room(other) for other in others if other != "dgkit")
        return {name: others - {name} for name, others in rooms.items()}

    def floors(self) -> dict[str, int]:
        """Of each room, 1 for the ground; rooms that import each other stand on one."""
        rooms = self.rooms()
        floors = dict.fromkeys(rooms, 1)
        for _ in rooms:
            for name, others in rooms.items():
                apart = [other for other in others if name not in rooms[other]]
                floors[name] = max([1, *(floors[other] + 1 for other in apart)])
        return floors

    def lines(self, module: str) -> int:
        """Of code, in a module."""
        text = self.files[module].read_text(encoding="utf-8")
        code = set()
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.string.strip() and token.type != tokenize.COMMENT:
                code |= set(range(token.start[0], token.end[0] + 1))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
                code -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
        return len(code)

    def core(self) -> int:
        """Lines of the core, wherever its modules stand."""
        places = {name: [m for m in self.files if m in (f"dgkit.core.{name}", f"dgkit.{name}")] for name in CORE}
        return sum(self.lines(modules[0]) for modules in places.values() if modules)


def room(module: str) -> str:
    """dgkit.core.model -> core."""
    first, *rest = module.split(".")
    return rest[0] if first == "dgkit" and rest else first


def taken(root: Path, code: str) -> tuple[float, float]:
    """CPU seconds and megabytes of a process that runs this, less an empty one's; the least of three."""
    asks = "import resource; {}; use = resource.getrusage(resource.RUSAGE_SELF); "
    asks += "print(use.ru_utime + use.ru_stime, [l for l in open('/proc/self/status') if 'VmHWM' in l][0].split()[1])"

    def least(code: str) -> list[float]:
        run = [sys.executable, "-c", asks.format(code)]
        said = [subprocess.run(run, cwd=root, capture_output=True, text=True, check=True).stdout for _ in range(3)]
        return [min(values) for values in zip(*(map(float, line.split()) for line in said), strict=True)]

    (seconds, kilobytes), (no_seconds, no_kilobytes) = least(code), least("pass")
    return seconds - no_seconds, (kilobytes - no_kilobytes) / 1024


def column(root: Path) -> dict[str, str]:
    """What is printed of one checkout."""
    house = House(root)
    rooms, floors = house.rooms(), house.floors()
    up = [(name, other) for name, others in rooms.items() for other in others if floors[other] >= floors[name]]
    rows = {
        "rooms, floors": f"{len(rooms)}, {max(floors.values())}",
        "arrows between rooms, and of these not downward": f"{sum(map(len, rooms.values()))}, {len(up)}",
        "files in a circle": ", ".join(house.circle()) or "none",
        f"lines of {', '.join(CORE)}": str(house.core()),
    }
    for name, code in IMPORTS.items():
        seconds, megabytes = taken(root, code)
        rows[name] = f"{seconds:.2f} s, {megabytes:.0f} MB"
    return rows


def draw(house: House, path: Path) -> None:
    """Floors from the ground up, rooms as wide as their lines, an arrow from each room to what it imports."""
    import matplotlib.pyplot as plt

    rooms, floors = house.rooms(), house.floors()
    size = {name: sum(house.lines(m) for m in house.files if m != "dgkit" and room(m) == name) for name in rooms}
    figure, ax = plt.subplots(figsize=(12, 1.1 * max(floors.values())))
    middle = {}
    for floor in sorted(set(floors.values())):
        here = sorted((name for name in rooms if floors[name] == floor), key=lambda name: -size[name])
        widths = [1.9 + size[name] / 500 for name in here]
        left = -(sum(widths) + len(here) - 1) / 2
        for name, width in zip(here, widths, strict=True):
            ax.add_patch(plt.Rectangle((left, floor), width, 0.45, facecolor="#dbe9f6", edgecolor="#08519c"))
            ax.text(left + width / 2, floor + 0.22, f"{name}\n{size[name]}", ha="center", va="center", fontsize=8)
            middle[name] = left + width / 2
            left += width + 1
    for name, others in rooms.items():
        for other in others:
            colour = "#9ecae1" if floors[other] < floors[name] else "#c2320a"
            start, end = (middle[name], floors[name]), (middle[other], floors[other] + 0.45)
            ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": colour, "linewidth": 0.8}, zorder=0)
    ax.set(xlim=(-12, 12), ylim=(0.8, max(floors.values()) + 0.7), title="Rooms with their lines; arrows: imports")
    ax.axis("off")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, bbox_inches="tight")
    plt.close(figure)


def main() -> None:
    draw(House(), ROOT / "build" / "house.svg")
    columns = {"now": column(ROOT)}
    if len(sys.argv) > 1:
        with tempfile.TemporaryDirectory() as folder:
            git = ["git", "-C", str(ROOT), "archive", sys.argv[1]]
            archive = subprocess.run(git, capture_output=True, check=True).stdout
            subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
            columns = {sys.argv[1]: column(Path(folder)), **columns}
    print(f"| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for name in columns["now"]:
        print(f"| {name} | {' | '.join(rows[name] for rows in columns.values())} |")


if __name__ == "__main__":
    main()
