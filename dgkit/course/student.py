"""The process in which a learner's code runs when it is graded: `python -m dgkit.course.student`, started by `grading`.

It is given code cells as JSON on its standard input, runs them one after another as a notebook would, and writes each
answer that they give to its standard output, as `values` packs it. It is not trusted: whoever reads what it writes
takes it for an answer and no more. Its limits are those of the system (memory, processor time); it is no sandbox.
"""

import json
import math
import os
import sys
import time
from contextlib import suppress
from typing import Any

from dgkit.course import answers
from dgkit.course.values import NotPlainError, pack


def limit(seconds: int, memory: int) -> None:
    """Processor time, memory of its own and size of files of this process; Windows has no such limits."""
    try:
        import resource
    except ImportError:
        return
    for what, bound in (
        (resource.RLIMIT_CPU, math.ceil(time.process_time()) + seconds),
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_FSIZE, 10**9),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        with suppress(ValueError, OSError):  # a system that does not let this one be set
            resource.setrlimit(what, (bound if hard == resource.RLIM_INFINITY else min(bound, hard),) * 2)


def run(cells: list[dict[str, Any]], out: Any) -> None:
    """Run cells and send what they answer, for each exercise until one passes as far as this process can tell."""
    passed: set[str] = set()
    check = answers.answer

    def send(kind: str, exercise: str, payload: bytes) -> None:
        head = json.dumps([kind, exercise, len(payload)]).encode()
        out.write(len(head).to_bytes(4, "big") + head + payload)
        out.flush()

    def answer(exercise: str, value: Any) -> answers.Result:
        result = check(exercise, value)
        if exercise not in passed and value is not None:
            if result.passed:
                passed.add(exercise)
            if callable(value) and not isinstance(value, type):
                send("function", exercise, json.dumps([result.passed, result.message]).encode())
            else:
                try:
                    send("value", exercise, pack(value))
                except NotPlainError as error:
                    send("refused", exercise, str(error).encode("utf-8", "replace"))
        return result

    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    from dgkit import course

    answers.answer = answer
    course.answer = answer

    class Shell(InteractiveShell):
        def enable_gui(self, gui: str | None = None) -> None:  # what %matplotlib asks for; there is nobody to look
            pass

    shell = Shell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    for cell in cells:
        result = shell.run_cell(cell["source"], store_history=False)  # type: ignore[no-untyped-call]
        if error := result.error_before_exec or result.error_in_exec:
            told = [type(error).__name__, str(error)[:300]]
            for exercise in cell["exercises"] or [""]:
                send("error", exercise, json.dumps(told).encode())
    send("end", "", b"")


if __name__ == "__main__":
    task = json.loads(sys.stdin.buffer.read())
    with os.fdopen(os.dup(1), "wb") as pipe:  # what cells print goes nowhere
        nowhere = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nowhere, standard)
        limit(task["seconds"], task["memory"])
        run(task["cells"], pipe)
        pipe.flush()
        os._exit(0)  # without waiting for threads that cells have started
