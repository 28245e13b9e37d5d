"""Write plan.md, the minutes of each chapter's sections, from the chapters as they stand: `python instructor/plan.py`.

Reading, running and solving are estimated as in widgets/list_chapters.py, whose sum the course panel shows. Left out:
discussion.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from widgets.list_chapters import (  # noqa: E402
    INSTALL,
    MINUTES_A_CELL,
    MINUTES_AN_EXERCISE,
    WORDS_A_MINUTE,
    chapters,
)

HEAD = """\
# The minutes of each section

Written by `python instructor/plan.py` from the chapters: {words} words of text a minute, {cell} minutes to run a code
cell and look at it, {exercise} minutes an exercise. Discussion comes on top; allow a third more. A chapter's sum is
rounded up to five minutes, as the course panel shows it, or is what its author has timed.
"""


def sections(cells: list[dict]) -> list[tuple[str, float]]:
    """Each heading of the second level with the minutes up to the next; before the first is the opening."""
    found = [("Opening, prediction", 0.0)]
    for cell in cells:
        text, minutes = "".join(cell["source"]), 0.0
        if cell["cell_type"] == "code":
            minutes = MINUTES_A_CELL + MINUTES_AN_EXERCISE * len(
                set(re.findall(r"course\.answer\(\s*[\"']([\d.]+)", text))
            )
            found[-1] = (found[-1][0], found[-1][1] + minutes)
            continue
        for k, part in enumerate(re.split(r"^## ", text, flags=re.MULTILINE)):
            if k:
                found.append((part.partition("\n")[0].strip(), 0.0))
            found[-1] = (found[-1][0], found[-1][1] + len(part.split()) / WORDS_A_MINUTE)
    return found


def plan() -> str:
    parts = [HEAD.format(words=WORDS_A_MINUTE, cell=MINUTES_A_CELL, exercise=MINUTES_AN_EXERCISE)]
    for about in chapters():
        cells = json.loads((ROOT / "notebooks" / about["file"]).read_text("utf-8"))["cells"]
        cells = [cell for cell in cells if not cell["id"].startswith(INSTALL)]
        rows = [f"| {heading} | {max(1, round(minutes))} |" for heading, minutes in sections(cells)]
        head = f"## {about['number']} {about['title']} ({about['minutes']} min)\n\n| section | min |\n|---|---:|"
        parts.append("\n".join([head, *rows]) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    (ROOT / "instructor" / "plan.md").write_text(plan(), encoding="utf-8")
