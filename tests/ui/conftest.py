"""A real JupyterLab in a real Chromium, for tests that look at widgets as their users do.

What takes such a test its time is a page that loads and a kernel that imports torch. So there is one server, one
browser, one page and one kernel for all tests of a process, and each test finds them with nothing open and the kernel
empty. `lab` is that page: write a notebook, run it, press keys, look at both sides: `lab.page` is Playwright's page,
`lab.python("expression")` asks the notebook's kernel, `lab.errors` are the browser's console errors. `host` is a page
of Notebook 7, then of Voila. Chromium is found as `dev.py` says; without one these tests are skipped.
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
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from jupyter_client import BlockingKernelClient

from dev import GET_CHROMIUM, chromium

ROOT = Path(__file__).parents[2]
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
# what hosts log of themselves, without any widget on the page: Notebook 7.6 reads a setting that it has not yet loaded;
# Voila asks a CDN for an icon font, and for parts of JupyterLab that its page has not
OWN_ERRORS = {
    "lab": (),
    "notebook": ("(reading 'schema')", "(reading 'updateRenderOption')"),
    "voila": ("fontawesome", "ERR_", "Failed to load resource", "No provider for", "plugin", "Plugin", "shared module"),
}
# makes a kernel as good as new, but for what it has imported
EMPTY = """
import os, ipywidgets, dgkit_widgets._session
dgkit_widgets._session._stop_all()
ipywidgets.Widget.close_all()
os.chdir({folder!r})
get_ipython().run_line_magic("reset", "-sf")
"""

# the page is connected with the kernel of the notebook at a path, which waits for something to do
CONNECTED = """path => {
    const open = [...window.jupyterapp?.shell.widgets("main") ?? []].find((widget) => widget.context?.path === path);
    const kernel = open?.sessionContext.session?.kernel;
    return kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""


@pytest.fixture(scope="session")
def browser():
    if (found := chromium()) is None:
        pytest.skip(f"no Chromium. {GET_CHROMIUM}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def installed(tmp_path_factory) -> Path:
    """The course's extension as a wheel of this tree would install it; what the environment holds may be older."""
    prefix = tmp_path_factory.mktemp("installed")
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    for source, target in build["shared-data"].items():
        (prefix / target).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
        copy(ROOT / source, prefix / target)
    return prefix / "share" / "jupyter"


class Server:
    """JupyterLab, which serves Notebook 7 too, or Voila: on loopback, with settings and files of its own."""

    def __init__(self, folder: Path, application: str = "jupyterlab", **variables: str):
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
        self.warm = ""  # the session of the kernel that goes from test to test
        environment = {
            **os.environ,
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_RUNTIME_DIR": str(self.runtime),
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "OMP_NUM_THREADS": "1",
            "NUMBA_NUM_THREADS": "1",
            **variables,
        }
        if application == "voila":
            own = ["--Voila.ip=127.0.0.1", f"--port={port}", str(self.root)]
        else:
            own = ["--ip=127.0.0.1", f"--port={port}", "--IdentityProvider.token=", f"--ServerApp.root_dir={self.root}"]
            own += ["--allow-root", "--expose-app-in-browser", "--JupyterNotebookApp.expose_app_in_browser=True"]
            own += ["--ServerApp.disable_check_xsrf=True"]
        self.log = open(folder / "server.log", "w")  # noqa: SIM115 (closed in stop)
        self.process = subprocess.Popen(
            [sys.executable, "-m", application, "--no-browser", *own],
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

    def api(self, path: str, method: str = "GET", body: dict | None = None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=20) as reply:
            return json.loads(reply.read() or "null")

    def give_kernel(self, path: str) -> None:
        """The notebook at `path` will find a kernel that is empty and has imported what takes long."""
        self.end_kernels()
        folder = str((self.root / path).parent)
        if self.warm:
            session = self.api(f"sessions/{self.warm}", "PATCH", {"path": path})
            with contextlib.suppress(TimeoutError), self.client(session["kernel"]["id"]) as client:
                empty = {"silent": True, "allow_stdin": False, "timeout": 30, "reply": True}
                if client.execute(EMPTY.format(folder=folder), **empty)["content"]["status"] == "ok":
                    return
            self.api(f"sessions/{self.warm}", "DELETE")
        kernel = {"name": "python3"}
        self.warm = self.api("sessions", "POST", {"path": path, "name": "", "type": "notebook", "kernel": kernel})["id"]

    def end_kernels(self) -> None:
        """All but the warm one, and that as well if it has died."""
        sessions = {session["id"]: session for session in self.api("sessions")}
        for which in sessions.keys() - {self.warm}:
            with contextlib.suppress(OSError):
                self.api(f"sessions/{which}", "DELETE")
        if self.warm not in sessions:
            self.warm = ""

    @contextlib.contextmanager
    def client(self, kernel: str) -> Iterator[BlockingKernelClient]:
        client = BlockingKernelClient()
        client.load_connection_file(str(self.runtime / f"kernel-{kernel}.json"))
        client.start_channels(stdin=False, hb=False)
        try:
            yield client
        finally:
            client.stop_channels()
            client.context.destroy(linger=0)  # its sockets stay open otherwise, and polling uses up all files

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(4)  # it may wait for kernels that nobody needs any more; they end when it does
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


@pytest.fixture(scope="session")
def server(browser, installed, tmp_path_factory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("lab"), JUPYTER_PATH=str(installed))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def voila(browser, tmp_path_factory) -> Iterator[Server]:
    """Voila, with the apps in its folder."""
    server = Server(tmp_path_factory.mktemp("voila"), "voila")
    for path in (ROOT / "apps").glob("*.ipynb"):
        shutil.copy(path, server.root)
    yield server
    server.stop()


class Lab:
    """A page on a server. `application` is "lab" (JupyterLab), "notebook" (Notebook 7) or "voila"."""

    def __init__(self, server: Server, page, application: str = "lab"):
        self.server, self.page, self.application = server, page, application
        self.errors: list[str] = []
        self.changed_theme = False
        page.set_default_timeout(30_000)
        page.on("console", lambda message: message.type == "error" and self._note(message.text))
        page.on("pageerror", lambda error: self._note(str(error)))
        if application == "voila":
            page.route("**/cdn.jsdelivr.net/**", lambda route: route.abort())  # there may be no network

    def _note(self, text: str) -> None:
        if not any(part in text for part in (*HARMLESS, *OWN_ERRORS[self.application])):
            self.errors.append(text)

    def load(self, address: str = "lab/workspaces/tests?reset") -> None:
        """Load an address of the server; by default JupyterLab with nothing open."""
        self.page.goto(f"{self.server.url}/{address}")
        self.page.wait_for_function("() => window.jupyterapp?.commands.hasCommand('dgkit:open-studio')", timeout=60_000)
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")  # it does not bear a change of theme

    def clear(self) -> None:
        """Close what a test opened, and undo what it set."""
        self.page.evaluate("""() => {
            [...window.jupyterapp.shell.widgets("main")].forEach((widget) => widget.dispose());
            window.jupyterapp.shell.expandLeft();
        }""")
        self.page.set_viewport_size({"width": 1280, "height": 800})
        self.page.emulate_media(reduced_motion="no-preference")
        self.page.mouse.move(0, 0)
        if self.changed_theme:
            self.theme("JupyterLab Light")
            self.changed_theme = False
        self.errors.clear()

    def notebook(self, *cells: str, name: str | None = None) -> str:
        """Write a notebook of code cells into the server's folder; returns its name."""
        name = name or f"test-{time.monotonic_ns()}.ipynb"
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
        nbformat.write(notebook, self.server.root / name)
        return name

    def run(self, *cells: str, seconds: float = 120) -> None:
        """Open a notebook of these cells and run it whole."""
        name = self.notebook(*cells)
        if self.application == "voila":  # it runs the notebook before it answers
            self.page.goto(f"{self.server.url}/voila/render/{name}", wait_until="commit", timeout=1000 * seconds)
        else:
            self.open(name)
            self.run_all(seconds)

    def open(self, name: str) -> None:
        """Show a notebook, with a kernel."""
        self.path = name
        self.server.give_kernel(name)
        if self.application == "notebook":
            self.page.goto(f"{self.server.url}/notebooks/{name}")
        else:
            if not self.page.url.startswith(self.server.url):
                self.load()
            self.command("docmanager:open", {"path": name})
        self.page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell", timeout=60_000)
        self.wait_kernel()  # what is run before that may be lost
        self.command("notebook:enter-command-mode")

    def wait_kernel(self) -> None:
        self.page.wait_for_function(CONNECTED, arg=self.path, timeout=60_000)

    def run_all(self, seconds: float = 120) -> None:
        """Run all cells and wait until the last has run; "Run all" is said again if nothing begins."""
        self.command("notebook:run-all-cells", wait=False)
        unfolded = ".jp-CodeCell:not(:has(.jp-InputPlaceholder)) .jp-InputPrompt"  # a folded cell draws no number
        prompts = f"[...document.querySelectorAll('{unfolded}')].map(e => e.textContent.trim())"
        end, started = time.monotonic() + seconds, False
        retry = time.monotonic() + 10
        while time.monotonic() < end:
            shown = self.page.evaluate(prompts)
            started = started or any(text not in ("[ ]:", "[]:") for text in shown)
            if shown and all(text.strip("[]:").isdigit() for text in shown):
                return
            if not started and time.monotonic() > retry:
                self.command("notebook:run-all-cells", wait=False)
                retry = time.monotonic() + 10
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
        self.changed_theme = True
        self.page.wait_for_timeout(500)

    def outputs(self) -> str:
        return "\n".join(self.page.locator(".jp-OutputArea-output").all_inner_texts())[-3000:]

    def _session(self) -> dict | None:
        return next((s for s in self.server.api("sessions") if s["path"] == self.path), None)

    def python(self, expression: str, setup: str = ""):
        """The value of a Python expression (plain literals) in the notebook's kernel, after running `setup`."""
        session = self._session()
        assert session is not None, f"no kernel for {self.path}"
        with self.server.client(session["kernel"]["id"]) as client:
            # the reply alone: of what is broadcast a client just made can miss the end
            reply = client.execute(
                setup,
                silent=True,
                user_expressions={"value": expression},
                allow_stdin=False,
                reply=True,
                timeout=60,
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

    def violations(self, selector: str, *without: str) -> list[str]:
        """What axe-core finds serious or critical inside `selector`, and not inside one of `without`."""
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(AXE_SCRIPT)
        run = "([include, exclude]) => axe.run({ include, exclude }).then(r => r.violations)"
        found = self.page.evaluate(run, [[selector], list(without)])
        return [
            f"{rule['id']}: {rule['help']}: {node['target']} {node['failureSummary']}"
            for rule in found
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        ]

    def close(self) -> None:
        self.page.close()
        if self.application != "voila":
            self.server.end_kernels()


@pytest.fixture(scope="session")
def desk(browser, server) -> Lab:
    """The page that goes from test to test."""
    desk = Lab(server, browser.new_page(viewport={"width": 1280, "height": 800}))
    desk.load()
    return desk


@pytest.fixture
def lab(desk, request) -> Iterator[Lab]:
    """JupyterLab at 1280 x 800; the test fails if the browser's console had an error."""
    failed = request.session.testsfailed
    yield desk
    errors = list(desk.errors)
    if request.session.testsfailed > failed:  # it may have left anything on the page
        desk.load()
    desk.clear()
    assert errors == []


@pytest.fixture(params=["notebook", "voila"])
def host(request, browser, server) -> Iterator[Lab]:
    """A page at 1280 x 1000 in another application: Notebook 7, and Voila; no error of ours in the console either."""
    served = request.getfixturevalue("voila") if request.param == "voila" else server
    host = Lab(served, browser.new_page(viewport={"width": 1280, "height": 1000}), request.param)
    yield host
    host.close()
    assert host.errors == []
