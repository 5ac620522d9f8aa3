"""A real server and a real browser: JupyterLab or Voilà on 127.0.0.1, Debian's Chromium through playwright."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
TOKEN = "for-tests-only"
ROOT = Path(__file__).parents[2]


def chromium() -> str | None:
    """Path of an installed Chromium or Chrome."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def page(width: int = 1400, height: int = 1300, dark: bool = False) -> Iterator[Any]:
    """A page of the given size."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium(), headless=True, args=FLAGS)
        scheme = "dark" if dark else "light"
        tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        try:
            yield tab
        finally:
            browser.close()


@contextmanager
def canvas_tools(*names: str) -> Iterator[Any]:
    """An empty page on which `tools` has these functions of the panel's canvas."""
    from hlcore.page.document import CANVAS_JS, END

    with page() as tab:
        body = CANVAS_JS.read_text(encoding="utf-8").rpartition(END)[0]
        tab.add_script_tag(content=f"const tools = (() => {{\n{body}return {{{', '.join(names)}}}\n}})();")
        yield tab


@contextmanager
def jupyterlab(
    folder: Path, dark: bool = False, subshells: bool = True, options: list[str] | None = None
) -> Iterator[str]:
    """The address of a JupyterLab that serves `folder`; other options take the place of the tests' own settings."""
    theme = "JupyterLab Dark" if dark else "JupyterLab Light"
    overrides: dict[str, dict[str, Any]] = {
        "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
        "@jupyterlab/apputils-extension:themes": {"theme": theme},
    }
    if not subshells:
        overrides["@jupyterlab/apputils-extension:kernels-settings"] = {"commsOverSubshells": "disabled"}
    settings = folder / ".settings"
    settings.mkdir()
    (settings / "overrides.json").write_text(json.dumps(overrides))
    own = [f"--LabApp.app_settings_dir={settings}", f"--LabApp.workspaces_dir={folder / '.workspaces'}"]
    command = [
        "jupyterlab", "--no-browser", "--ip=127.0.0.1", "--expose-app-in-browser", f"--ServerApp.root_dir={folder}",
        f"--IdentityProvider.token={TOKEN}", "--allow-root", *(own if options is None else options),
        f"--LabApp.user_settings_dir={folder / '.user'}",  # a person's own stay as they are
    ]  # fmt: skip
    with _server(folder, command, "/api") as address:
        yield address


@contextmanager
def voila(notebook: Path) -> Iterator[str]:
    """The address of a Voilà that serves one notebook."""
    with _server(notebook.parent, ["voila", "--no-browser", "--Voila.ip=127.0.0.1", str(notebook)], "/none") as address:
        yield address


@contextmanager
def _server(folder: Path, options: list[str], ready: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", *options, f"--port={port}"]
    environment = os.environ | {"JUPYTER_PLATFORM_DIRS": "1", "JUPYTER_RUNTIME_DIR": str(folder / ".runtime")}
    log = folder / "server.log"
    with log.open("w") as out:
        server = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out, env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        while True:  # until it answers or has ended, however slow the machine
            try:
                urllib.request.urlopen(f"{address}{ready}?token={TOKEN}", timeout=30).close()
                break
            except urllib.error.HTTPError:  # it answers
                break
            except (urllib.error.URLError, ConnectionError):
                if server.poll() is not None:
                    raise RuntimeError(log.read_text()[-3000:]) from None
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()


def open_notebook(tab: Any, address: str, name: str, reset: bool = True) -> None:
    """Open a notebook in JupyterLab with an idle kernel; again if ipykernel lost the first request (lab/jupyter.py)."""
    for last in (False, True):
        tab.goto(f"{address}/lab/tree/{name}?token={TOKEN}{'&reset' * reset}", timeout=90_000)
        tab.wait_for_selector(".jp-Notebook", timeout=90_000)
        try:
            tab.wait_for_selector("text=Python 3 (ipykernel) | Idle", timeout=60_000)
            return
        except Exception:
            if last:
                raise


# whether every code cell of the notebook has been run, seen or not
RUN = """() => { const cells = window.jupyterapp.shell.currentWidget.content.model.cells;
    for (let i = 0; i < cells.length; i++)
        if (cells.get(i).type === 'code' && cells.get(i).executionCount === null) return false;
    return true; }"""


def run_all(tab: Any) -> None:
    """Run all cells, and see that they were: once more where the command, or a request to the kernel, was lost."""
    for _ in range(5):  # a command is lost while JupyterLab still makes up its mind which document is current
        tab.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        try:
            tab.locator(".jp-InputPrompt", has_text=re.compile(r"\[[*\d]")).first.wait_for(timeout=3000)
            tab.wait_for_function(RUN, timeout=180_000)  # a request: lab/jupyter.py tells how an early one can get lost
            return
        except Exception as error:
            last = error
    raise last
