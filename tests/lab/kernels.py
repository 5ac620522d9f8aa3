"""Kernels that play, asked by shell and subshell at once: python -m tests.lab.kernels [KERNELS [FOLDER ...]].

A FOLDER holds another ipykernel (pip install --no-deps --target FOLDER ipykernel==7.4.0); none: the one that is here.
Each is tried as it is and, where there is something to mend, with `hlcore.lab.jupyter.mend_kernel`. What is counted:
kernels that left a request without an answer, and kernels in which a widget's message has no idle status after a cell
that awaits.
"""

import os
import queue
import sys
import time
from pathlib import Path

from jupyter_client.manager import start_new_kernel

from .test_kernel import BUSY, answer

REQUESTS, PATIENCE = 300, 20  # requests of a kernel; seconds for one
PLAY = BUSY.replace("from hlcore.lab.panel import Panel\n\nPanel()", "{mend}")
MEND = "from hlcore.lab.jupyter import mend_kernel\nassert mend_kernel()"
WIDGET = "import ipywidgets\nslider = ipywidgets.FloatSlider()\nslider.model_id"


def started(folder, mend):
    """(manager, client, version) of a kernel that plays; None where there is nothing to mend."""
    paths = [*filter(None, [folder]), os.getcwd(), os.environ.get("PYTHONPATH", "")]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    manager, client = start_new_kernel(kernel_name="python3", env=env)
    told = answer(client, client.execute("import ipykernel", user_expressions={"v": "ipykernel.__version__"}), 60)
    version = told["user_expressions"]["v"]["data"]["text/plain"].strip("'")
    begun = answer(client, client.execute(PLAY.format(mend=MEND if mend else "")), 60)["status"] == "ok"
    return (manager, client, version) if begun else (ended(manager, client), None, version)


def ended(manager, client):
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def subshell_of(client):
    """The id of a new subshell, or None where a kernel has none."""
    if "kernel subshells" not in answer(client, client.kernel_info(), 60).get("supported_features", []):
        return None
    client.control_channel.send(client.session.msg("create_subshell_request"))
    return client.get_control_msg(timeout=PATIENCE)["content"]["subshell_id"]


def aside(client, subshell, kind, content):
    """Send a message to the subshell, as JupyterLab does with those of widgets; its id."""
    message = client.session.msg(kind, content)
    if subshell is not None:
        message["header"]["subshell_id"] = subshell
    client.shell_channel.send(message)
    return message["header"]["msg_id"]


def silent(client):
    """The request that stayed without an answer; None: all were answered."""
    subshell = subshell_of(client)
    for k in range(REQUESTS):
        for _ in range(3 if subshell else 0):
            aside(client, subshell, "comm_info_request", {})
        try:
            answer(client, client.execute("1 + 1", silent=True), PATIENCE)
        except queue.Empty:
            return k
    return None


def dead_widgets(client):
    """Whether a widget's message is without its idle status while a cell awaits, or after it."""
    subshell = subshell_of(client)
    told = answer(client, client.execute(WIDGET, user_expressions={"m": "slider.model_id"}), 60)
    comm = told["user_expressions"]["m"]["data"]["text/plain"].strip("'")
    awaits, waiting = client.execute("await asyncio.sleep(0.5)"), set()
    for k in range(8):
        state = {"method": "update", "state": {"value": float(k)}, "buffer_paths": []}
        waiting.add(aside(client, subshell, "comm_msg", {"comm_id": comm, "data": state}))
        time.sleep(0.1)
    answer(client, awaits, 60)
    try:
        while waiting:
            heard = client.get_iopub_msg(timeout=PATIENCE)
            if heard["content"].get("execution_state") == "idle":
                waiting.discard(heard["parent_header"].get("msg_id"))
    except queue.Empty:
        return True
    return False


def row(folder, mend, kernels):
    """A row of the table, or None where there is nothing to mend."""
    fell, dead = [], 0
    for _ in range(kernels):
        manager, client, version = started(folder, mend)
        if client is None:
            return None
        dead += dead_widgets(client)
        fell.append(silent(client))
        ended(manager, client)
    lost = [k for k in fell if k is not None]
    at = f", at request {min(lost)} to {max(lost)}" if lost else ""
    return f"| {version}{', mended' * mend} | {len(lost)} of {kernels}{at} | {dead} of {kernels} |"


if __name__ == "__main__":
    count, *folders = [*sys.argv[1:], "10"][:1] + sys.argv[2:]
    print("| ipykernel | fell silent | widgets without idle status |\n|---|---|---|")
    for where in [str(Path(folder).resolve()) for folder in folders] or [""]:
        for mended in (False, True):
            if (told := row(where, mended, int(count))) is not None:
                print(told, flush=True)
