"""JupyterLab and Voilà, started for a test on a free port of 127.0.0.1, with settings of their own."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat


class Server:
    """A server process that was started here and is ended here."""

    def __init__(self, arguments: list[str], folder: Path, probe: str, environment: dict[str, str]) -> None:
        self.port, self.token = _free_port(), secrets.token_hex(8)
        fill = {"port": str(self.port), "token": self.token}
        self._log = (folder / "server.log").open("w+")
        isolated = {
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "IPYTHONDIR": str(folder / "ipython"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", *(a.format(**fill) for a in arguments)],
            cwd=folder, env={**os.environ, **isolated, **environment}, stdout=self._log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._await(f"{self.url}{probe}?token={self.token}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self._log.close()

    def _await(self, address: str, patience: float = 60.0) -> None:
        end = time.monotonic() + patience
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(address, timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        self._log.seek(0)
        text = self._log.read()[-2000:]
        self.close()
        raise RuntimeError(f"the server did not come up:\n{text}")


def jupyterlab(folder: Path, dark: bool = False, subshells: bool = True) -> Server:
    """JupyterLab on `folder`, without news and without anybody's settings."""
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    _put(settings / "notification", {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True})
    _put(settings / "themes", {"theme": "JupyterLab Dark" if dark else "JupyterLab Light"})
    if not subshells:
        _put(settings / "kernels-settings", {"commsOverSubshells": "disabled"})
    arguments = ["jupyterlab", "--no-browser", "--ip=127.0.0.1", "--port={port}", "--IdentityProvider.token={token}"]
    arguments += [f"--ServerApp.root_dir={folder}", "--expose-app-in-browser", "--ServerApp.port_retries=0"]
    arguments += ["--allow-root"] if os.geteuid() == 0 else []
    own = {"JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces")}
    return Server(arguments, folder, "/api/status", own)


def voila(notebook: Path, theme: str = "light") -> Server:
    """Voilà, serving one notebook."""
    arguments = ["voila", notebook.name, "--no-browser", "--Voila.ip=127.0.0.1", "--port={port}", f"--theme={theme}"]
    arguments += ["--Voila.tornado_settings={{'autoreload': False}}"]
    return Server(arguments, notebook.parent, "/voila/static/favicon.ico", {})


def notebook(path: Path, *cells: str) -> Path:
    """Write a notebook of code cells."""
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    book = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    book.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(book, path)
    return path


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _put(path: Path, settings: dict) -> None:
    path.with_suffix(".jupyterlab-settings").write_text(json.dumps(settings))
