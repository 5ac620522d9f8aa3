"""The notebook's kernel: a fault of ipykernel 7.0 to 7.3, mended in the kernel that runs."""

from __future__ import annotations

import sys
from typing import Any


def mend_kernel() -> bool:
    """Let the kernel reply through the stream by which it listens, as ipykernel 7.4 does; True if it needed that.

    Before 7.4 a reply goes out on the bare socket, behind the back of the stream that reads from the same socket. A
    request that comes in at that moment wakes nobody, and so do all that follow: in a notebook that plays, sooner or
    later every cell waits for ever (ipykernel #1554, mended by #1529). 7.4.0 has another fault, see the Doctor.
    """
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython else None
    kernel = getattr(shell, "kernel", None)
    manager: Any = getattr(getattr(kernel, "shell_channel_thread", None), "manager", None)
    stream = getattr(kernel, "shell_stream", None)
    if stream is None or not hasattr(manager, "_shell_socket"):  # no notebook, or a kernel without this fault
        return False
    loop, send = manager._shell_channel_io_loop, stream.send_multipart

    def rewire() -> None:
        manager._send_on_shell_channel = send  # for subshells to come
        with manager._lock_cache:
            there = [thread.subshell_to_shell_channel for thread in manager._cache.values()]
        for pair in (manager._main_to_shell_channel, *there):
            pair.on_recv(loop, send)

    loop.add_callback(rewire)  # streams belong to the thread of their loop
    return True
