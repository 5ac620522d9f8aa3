"""How often a lab opens and runs to its end in JupyterLab: python -m tests.browser.openings TIMES [LAB …].

Another ipykernel is tried by a folder of it: PYTHONPATH=FOLDER python -m tests.browser.openings 40 00_start_here
"""

import re
import shutil
import sys
import tempfile
import time
import urllib.request
from importlib.metadata import version
from json import loads
from pathlib import Path
from statistics import median

from . import site

PATIENCE = 180_000  # milliseconds without an answer that count as for ever


def opened(tab, address, name):
    """("ran", seconds), or what it waits for: the kernel that connects, or a cell."""
    began = time.monotonic()
    tab.goto(f"{address}/lab/tree/{name}?token={site.TOKEN}&reset", timeout=PATIENCE)
    try:
        tab.wait_for_selector("text=Python 3 (ipykernel) | Idle", timeout=PATIENCE)
    except Exception:
        return "connecting", time.monotonic() - began
    begun = tab.locator(".jp-InputPrompt", has_text=re.compile(r"\[[*\d]"))
    for _ in range(20):  # a command is lost while JupyterLab still makes up its mind which document is current
        tab.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        tab.wait_for_timeout(1000)
        if begun.count():
            break
    try:
        tab.wait_for_function(site.RUN, timeout=PATIENCE)
    except Exception:
        return "waiting", time.monotonic() - began
    return "ran", time.monotonic() - began


def end_kernels(address):
    """End what the page has started, so that the next opening is a first one."""
    with urllib.request.urlopen(f"{address}/api/sessions?token={site.TOKEN}") as told:
        sessions = loads(told.read())
    for session in sessions:
        where = f"{address}/api/sessions/{session['id']}?token={site.TOKEN}"
        urllib.request.urlopen(urllib.request.Request(where, method="DELETE")).close()


def main(times="40", *labs):
    """Print a row a lab."""
    names = [path.name for path in sorted((site.ROOT / "labs").glob("*.ipynb")) if not labs or path.stem in labs]
    print(f"ipykernel {version('ipykernel')}, each lab opened {times} times\n")
    print("| lab | ran to its end | stayed connecting | a cell waits | seconds, median |\n|---|--:|--:|--:|--:|")
    for name in names:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            shutil.copy(site.ROOT / "labs" / name, folder)
            found = []
            with site.jupyterlab(folder) as address:
                for _ in range(int(times)):
                    with site.page(1366, 768) as tab:
                        found.append(opened(tab, address, name))
                    end_kernels(address)
        count = [sum(how == what for how, _ in found) for what in ("ran", "connecting", "waiting")]
        print(f"| {name} | {' | '.join(map(str, count))} | {median(s for _, s in found):.0f} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
