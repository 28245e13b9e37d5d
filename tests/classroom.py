"""A class on one machine: copies of chapter 01, solved by a script, some wrong and some tampered with.

`python -m tests.classroom FOLDER [SIZE]` hands in for forty; then `python -m dgkit.course collect FOLDER`.
"""

import copy
import json
import sys
from pathlib import Path

from dgkit.course import handout

ROOT = Path(__file__).parents[1]
NUMBERS = ["01.1", "01.2", "01.3", "01.4", "01.5", "01.6"]
P, F, W, N, X = "passed", "function passed", "wrong", "open", "failed"
CLAIM = json.dumps({"passed": NUMBERS})
TEXT = (ROOT / "instructor" / "solutions.md").read_text("utf-8")
SOLVED = {number: handout.without_call(code) for number, code in handout.solutions(TEXT).items() if number in NUMBERS}
QUICK = {number: code for number, code in SOLVED.items() if number != "01.3"}  # which trains two models
PATCHED = """\
from dgkit import course
from dgkit.course import exercise
for number in list(exercise.EXERCISES):
    exercise.EXERCISES[number] = lambda value: "well done"
"""
FORGED = """\
import json, os
head = json.dumps(["function", "01.5", 11]).encode()
for pipe in range(3, 20):
    try:
        os.write(pipe, len(head).to_bytes(4, "big") + head + b'[true, "x"]')
    except OSError:
        pass
answer = 'abc'
"""
LIAR = """\
class Liar:
    def __eq__(self, other): return True
    def __call__(self, *given): return self
    def __getattr__(self, name): return self
answer = Liar()
"""


def kinds() -> dict[str, tuple[dict[str, str], dict[str, str], dict]]:
    """By kind of learner: code by exercise, the states that should come out, and what else was done."""
    stubs = handout.all_stubs()
    done = {number: F if handout.wants_function(stubs[number]) else P for number in NUMBERS}
    nothing = dict.fromkeys(NUMBERS, N)
    letters = {**nothing, "01.5": P}
    mistakes = {"01.2": "answer = dg.open_dataset('web')", "01.5": "answer = 'abc'"}
    wrong = {**nothing, "01.2": W, "01.5": W}
    endless = {**QUICK, "01.2": "while True:\n    pass"}
    ended = {**QUICK, "01.2": "import os\nos._exit(0)"}
    memory = {**QUICK, "01.2": "answer = bytearray(10**12)"}
    right = {**done, "01.3": N}
    started = {**nothing, "01.1": done["01.1"]}
    return {
        "right": (QUICK, right, {}),
        "claims what is right": (QUICK, right, {"progress": json.dumps({"passed": list(QUICK)})}),
        "mistakes": (mistakes, wrong, {}),
        "half": ({"01.5": QUICK["01.5"]}, letters, {}),
        "nothing": ({}, nothing, {}),
        "reads the config": ({"01.5": f"assert config.sample_len == 7\n{QUICK['01.5']}"}, letters, {}),
        "a helper": ({"01.5": "answer = letters()"}, letters, {"added": "def letters(): return 'bca'"}),
        "edited progress": ({}, nothing, {"progress": CLAIM}),
        "typed outputs": ({}, nothing, {"progress": CLAIM, "output": "✓ passed: exercise 01.1."}),
        "other checks": (mistakes, wrong, {"progress": CLAIM, "added": PATCHED}),
        "no check": ({}, nothing, {"progress": CLAIM, "added": "course.answer = lambda *given: True"}),
        "liar": (dict.fromkeys(("01.2", "01.5"), LIAR), wrong, {"progress": CLAIM}),
        "forger": ({"01.5": FORGED}, {**nothing, "01.5": W}, {"progress": CLAIM}),
        "endless": (endless, started, {"progress": CLAIM}),
        "ends the process": (ended, started, {}),
        "memory": (memory, {**right, "01.2": X}, {}),
        "damaged": ({}, {}, {"damaged": True, "progress": CLAIM}),
    }


def hand_in(folder: Path, names: dict[str, str]) -> None:
    """Write what each learner hands in, by name and kind."""
    chapter = handout.read(handout.chapters()["01"])
    for name, kind in names.items():
        code, _, other = kinds()[kind]
        notebook = copy.deepcopy(chapter)
        for cell in notebook["cells"]:
            for number in handout.answered(cell["source"]):
                if number in code:
                    cell["source"] = f'{code[number].rstrip()}\ncourse.answer("{number}", answer)'
                if "output" in other:
                    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": other["output"]}]
        if "added" in other:
            added = {"cell_type": "code", "id": "mine", "metadata": {}, "outputs": [], "execution_count": None}
            notebook["cells"].insert(0, {**added, "source": other["added"]})
        (folder / name).mkdir(parents=True)
        text = "{" if other.get("damaged") else json.dumps(notebook)
        (folder / name / "01_first_doppelganger.ipynb").write_text(text, encoding="utf-8")
        if "progress" in other:
            (folder / name / "dgkit-progress.json").write_text(other["progress"])


def forty(size: int = 40) -> dict[str, str]:
    """By name, a kind: each at least once, the rest right, half or with mistakes, as a class would be."""
    usual = ["right", "half", "mistakes", "claims what is right"]
    all_kinds = [*kinds(), *(usual[k % 4] for k in range(size))][:size]
    return {f"learner {k:02d}": kind for k, kind in enumerate(all_kinds, 1)}


if __name__ == "__main__":
    hand_in(Path(sys.argv[1]), forty(int((sys.argv[2:] or ["40"])[0])))
