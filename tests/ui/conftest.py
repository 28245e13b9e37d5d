"""A real JupyterLab in a real Chromium, for tests that look at widgets as their users do.

`lab` gives a fresh page on a running server: write a notebook, run it, press keys, look at both sides: `lab.page` is
Playwright's page, `lab.python("expression")` asks the notebook's kernel, `lab.errors` are the browser's console errors.
Chromium is found on the PATH or named by DGKIT_CHROMIUM; without one these tests are skipped, saying so.
"""

import ast
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from jupyter_client import BlockingKernelClient

CHROMIUM = os.environ.get("DGKIT_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SHOTS = os.environ.get("DGKIT_SHOTS")  # a folder: tests leave their screenshots there, to be looked at
HARMLESS = ("favicon.ico", "ERR_CONNECTION_REFUSED", "api/me")  # a closed network, a server that is stopping


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium on the PATH (Debian: apt install chromium; or name one in DGKIT_CHROMIUM)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Server:
    """JupyterLab, Notebook 7 or Voila on loopback, with settings and files of its own."""

    def __init__(self, folder: Path, application: str = "jupyterlab", python: str = sys.executable, *options: str):
        self.root = folder / "work"
        self.root.mkdir(parents=True, exist_ok=True)
        settings = folder / "config" / "labconfig" / "default_setting_overrides.json"
        settings.parent.mkdir(parents=True, exist_ok=True)
        quiet = {"fetchNews": "false", "checkForUpdates": False}
        settings.write_text(json.dumps({"@jupyterlab/apputils-extension:notification": quiet}))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.runtime = folder / "runtime"
        environment = {
            **os.environ,
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_RUNTIME_DIR": str(self.runtime),
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "OMP_NUM_THREADS": "1",
            "NUMBA_NUM_THREADS": "1",
        }
        if application == "voila":
            own = ["--Voila.ip=127.0.0.1", f"--port={port}", str(self.root)]
        else:
            own = ["--ip=127.0.0.1", f"--port={port}", "--IdentityProvider.token=", f"--ServerApp.root_dir={self.root}"]
            own += ["--allow-root", "--expose-app-in-browser", "--ServerApp.disable_check_xsrf=True"]
        self.log = open(folder / "server.log", "w")  # noqa: SIM115 (closed in stop)
        self.process = subprocess.Popen(
            [python, "-m", application, "--no-browser", *own, *options],
            cwd=folder, env=environment, stdout=self.log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._wait(f"{self.url}/{'' if application == 'voila' else 'api/status'}")

    def _wait(self, address: str, seconds: float = 90) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
                return
            time.sleep(0.2)
        self.stop()
        raise RuntimeError(f"the server did not answer:\n{Path(self.log.name).read_text()[-2000:]}")

    def api(self, path: str, method: str = "GET"):
        with urllib.request.urlopen(
            urllib.request.Request(f"{self.url}/api/{path}", method=method), timeout=20
        ) as reply:
            return json.loads(reply.read() or "null")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(4)  # it may wait for kernels that nobody needs any more; they end when it does
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


@pytest.fixture(scope="session")
def server(browser, tmp_path_factory) -> Iterator[Server]:
    """One JupyterLab for all tests of the session; each test has notebooks and a kernel of its own."""
    server = Server(tmp_path_factory.mktemp("lab"))
    yield server
    server.stop()


class Lab:
    """A page on a server. `application` is "lab" (JupyterLab) or "notebooks" (Notebook 7)."""

    def __init__(self, server: Server, page, application: str = "lab"):
        self.server, self.page, self.application = server, page, application
        self.errors: list[str] = []
        page.set_default_timeout(30_000)
        page.on("console", lambda message: message.type == "error" and self._note(message.text))
        page.on("pageerror", lambda error: self._note(str(error)))

    def _note(self, text: str) -> None:
        if not any(part in text for part in HARMLESS):
            self.errors.append(text)

    def notebook(self, *cells: str, name: str | None = None) -> str:
        """Write a notebook of code cells into the server's folder; returns its name."""
        name = name or f"test-{time.monotonic_ns()}.ipynb"
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
        nbformat.write(notebook, self.server.root / name)
        return name

    def run(self, *cells: str, seconds: float = 120) -> None:
        """Open a notebook of these cells and run it whole."""
        self.open(self.notebook(*cells))
        self.run_all(seconds)

    def open(self, name: str) -> None:
        tree = "lab/tree" if self.application == "lab" else "notebooks"
        self.page.goto(f"{self.server.url}/{tree}/{name}" + ("?reset" if self.application == "lab" else ""))
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        # the kernel is there when the session says so; the indicator of Notebook 7 looks different
        self.path = name
        end = time.monotonic() + 60
        while time.monotonic() < end:
            session = self._session()
            if session and session["kernel"]["execution_state"] in ("idle", "starting"):
                break
            self.page.wait_for_timeout(100)
        self.command("notebook:enter-command-mode")

    def run_all(self, seconds: float = 120) -> None:
        """Run all cells and wait until the last has run; "Run all" may be lost while a page still loads."""
        self.command("notebook:run-all-cells", wait=False)
        prompts = "[...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(e => e.textContent.trim())"
        end, started = time.monotonic() + seconds, False
        retry = time.monotonic() + 15
        while time.monotonic() < end:
            shown = self.page.evaluate(prompts)
            started = started or any(text not in ("[ ]:", "[]:") for text in shown)
            if shown and all(text.strip("[]:").isdigit() for text in shown):
                return
            if not started and time.monotonic() > retry:
                self.command("notebook:run-all-cells", wait=False)
                retry = time.monotonic() + 15
            self.page.wait_for_timeout(100)
        raise AssertionError(f"the notebook did not finish: {shown}\n{self.outputs()}")

    def command(self, name: str, arguments: dict | None = None, wait: bool = True) -> None:
        """Run a command of the application, by its id."""
        self.page.wait_for_function("() => window.jupyterapp !== undefined", timeout=60_000)
        call = "([name, given]) => { const done = window.jupyterapp.commands.execute(name, given); return %s; }"
        self.page.evaluate(call % ("done.then(() => null)" if wait else "null"), [name, arguments or {}])

    def theme(self, name: str) -> None:
        """ "JupyterLab Light" or "JupyterLab Dark"."""
        self.command("apputils:change-theme", {"theme": name})
        self.page.wait_for_timeout(500)

    def outputs(self) -> str:
        return "\n".join(self.page.locator(".jp-OutputArea-output").all_inner_texts())[-3000:]

    def _session(self) -> dict | None:
        return next((s for s in self.server.api("sessions") if s["path"] == self.path), None)

    @contextlib.contextmanager
    def kernel(self) -> Iterator[BlockingKernelClient]:
        """A second client of the notebook's kernel."""
        session = self._session()
        assert session is not None, f"no kernel for {self.path}"
        client = BlockingKernelClient()
        client.load_connection_file(str(self.server.runtime / f"kernel-{session['kernel']['id']}.json"))
        client.start_channels(stdin=False, hb=False)
        try:
            yield client
        finally:
            client.stop_channels()
            client.context.destroy(linger=0)  # its sockets stay open otherwise, and polling uses up all files

    def python(self, expression: str, setup: str = ""):
        """The value of a Python expression (plain literals) in the notebook's kernel, after running `setup`."""
        with self.kernel() as client:
            reply = client.execute_interactive(
                setup,
                silent=True,
                user_expressions={"value": expression},
                allow_stdin=False,
                timeout=60,
                output_hook=lambda _: None,
            )["content"]
        assert reply["status"] == "ok", reply
        value = reply["user_expressions"]["value"]
        assert value["status"] == "ok", value
        return ast.literal_eval(value["data"]["text/plain"])

    def wait_python(self, expression: str, seconds: float = 20):
        """Wait until an expression in the kernel is true; returns its value."""
        end = time.monotonic() + seconds
        while not (value := self.python(expression)):
            assert time.monotonic() < end, f"{expression} stayed {value!r}"
            self.page.wait_for_timeout(50)
        return value

    def shot(self, name: str, selector: str | None = None) -> None:
        """A screenshot into the folder named by DGKIT_SHOTS, if it is set."""
        if SHOTS:
            target = self.page.locator(selector).first if selector else self.page
            target.screenshot(path=str(Path(SHOTS) / f"{name}.png"))

    def violations(self, selector: str) -> list[str]:
        """What axe-core finds serious or critical inside `selector`."""
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(AXE_SCRIPT)
        found = self.page.evaluate("selector => axe.run(selector).then(r => r.violations)", selector)
        return [
            f"{rule['id']}: {rule['help']}: {node['target']} {node['failureSummary']}"
            for rule in found
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        ]

    def close(self) -> None:
        self.page.close()
        for session in self.server.api("sessions"):
            with contextlib.suppress(OSError):
                self.server.api(f"sessions/{session['id']}", "DELETE")


@pytest.fixture
def lab(browser, server) -> Iterator[Lab]:
    """JupyterLab at 1280 x 800; the test fails if the browser's console had an error."""
    lab = Lab(server, browser.new_page(viewport={"width": 1280, "height": 800}))
    yield lab
    lab.close()
    assert lab.errors == []
