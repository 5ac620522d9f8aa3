"""A real kernel that is busy as a playing lab is, asked by the main shell and a subshell at once."""

import queue

import ipykernel
import pytest
from jupyter_client.manager import start_new_kernel

from hlcore.lab.jupyter import mend_kernel

BUSY = """
import asyncio, time
from hlcore.lab.panel import Panel

Panel()

async def play():
    while True:
        end = time.perf_counter() + .005
        while time.perf_counter() < end: pass
        await asyncio.sleep(.001)

task = asyncio.get_running_loop().create_task(play())
kernel = get_ipython().kernel
"""
WIRED = "kernel.shell_channel_thread.manager._main_to_shell_channel.to_stream._recv_callback"


@pytest.fixture(scope="module")
def client():
    manager, client = start_new_kernel(kernel_name="python3")
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def answer(client, request, seconds=20):
    """The reply to one request."""
    while True:
        reply = client.get_shell_msg(timeout=seconds)
        if reply["parent_header"]["msg_id"] == request:
            return reply["content"]


def test_a_playing_kernel_answers_every_request(client):
    """Without the mend, ipykernel 7.3 fell silent after 20 to 150 requests (five of five kernels)."""
    assert answer(client, client.execute(BUSY), 60)["status"] == "ok"
    client.control_channel.send(client.session.msg("create_subshell_request"))
    subshell = client.get_control_msg(timeout=20)["content"].get("subshell_id")
    for k in range(300):
        for _ in range(3 if subshell else 0):
            aside = client.session.msg("comm_info_request", {})
            aside["header"]["subshell_id"] = subshell
            client.shell_channel.send(aside)
        request = client.execute("1 + 1", silent=True)
        try:
            assert answer(client, request)["status"] == "ok"
        except queue.Empty:
            pytest.fail(f"request {k} stayed without an answer")


@pytest.mark.skipif(not (7,) <= ipykernel.version_info[:2] < (7, 4), reason="this ipykernel needs no mend")
def test_the_kernel_replies_through_the_stream_by_which_it_listens(client):
    code = f"assert {WIRED} == kernel.shell_stream.send_multipart"
    assert answer(client, client.execute(code))["status"] == "ok"
    assert answer(client, client.execute(code.replace("==", "!=")))["status"] == "error"


@pytest.mark.skipif(not (7,) <= ipykernel.version_info[:2] < (7, 4), reason="this ipykernel needs no mend")
def test_an_import_alone_leaves_the_kernel_as_it_is():
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        code = f"import hlcore.lab\nkernel = get_ipython().kernel\nassert {WIRED} != kernel.shell_stream.send_multipart"
        assert answer(client, client.execute(code), 60)["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_outside_a_notebook_nothing_is_mended():
    assert not mend_kernel()


LAB = """
import resource
from hlcore import experiments
from hlcore.lab import Cockpit

cockpit = Cockpit(experiments.get("tracker-water-flow"))
cockpit.step(2000)
held = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 1e6
"""


def test_a_kernel_with_a_lab_holds_400_MB_at_most(client):
    """RSS after 2,000 steps; servers of a class give a gigabyte to each."""
    told = answer(
        client, client.execute(LAB, user_expressions={"steps": "cockpit.run.learner.steps", "MB": "held"}), 120
    )
    steps, held = (float(told["user_expressions"][name]["data"]["text/plain"]) for name in ("steps", "MB"))
    print(f"{held:.0f} MB")
    assert steps == 2000 and 50 < held <= 400
