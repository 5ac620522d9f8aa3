"""The notebook around a panel: the cell in which it stands, the browser's word that a frame is drawn, and a fault of
ipykernel mended in the kernel that runs."""

import sys
from typing import Any

import traitlets

from .widgets import Scripted

ECHOES = 4.0  # a second
ECHO = """
function initialize({ model }) {
  let due = model.get("pong"); // the last echo that was sent or is on its way
  const echo = () => {
    const n = model.get("ping");
    if (n - due < model.get("stride")) return;
    due = n;
    requestAnimationFrame(() => setTimeout(() => {
      try { model.set("pong", n); model.save_changes(); } catch { } // the panel may be closed by now
    }, 0));
  };
  model.on("change:ping", echo);
  model.on("change:stride", echo);
}
"""


class FrameGate(Scripted):
    """Echoes `ping` as `pong` after the browser's next animation frame, once `stride` of them are new.

    Without this back-pressure a fast loop floods the browser until sliders go dead. Each echo makes the kernel busy and
    idle once, which JupyterLab shows in four places at the price of a frame: so not every frame is echoed.
    """

    _esm = ECHO + "export default { initialize };"
    calm = traitlets.Bool(False).tag(sync=True)  # the browser is told to avoid motion
    ping = traitlets.Int(0).tag(sync=True)
    pong = traitlets.Int(0).tag(sync=True, echo_update=False)  # the browser's own word needs not be said back to it
    stride = traitlets.Int(1).tag(sync=True)

    def pace(self, rate: float) -> None:
        """Ask for about ECHOES echoes a second, at so many frames a second."""
        self.stride = max(1, round(rate / ECHOES))

    def announce(self) -> None:
        """Announce a frame."""
        self.ping += 1

    @property
    def drawn(self) -> bool:
        """True if the browser has drawn all frames but the last `stride` that were announced."""
        return self.pong >= self.ping - self.stride


_OPEN: dict[Any, tuple[str | None, str | None]] = {}  # panel: the cell in which it stands, the run of the cell


def panels() -> list[Any]:
    """The panels that are open."""
    return list(_OPEN)


def settle(panel: Any) -> None:
    """Put a panel on the list of the open ones; those that an earlier run of the same cell has made are closed."""
    mend_kernel()
    here = _here()
    for other, (cell, execution) in list(_OPEN.items()):
        if cell is not None and cell == here[0] and execution != here[1]:
            other.close()
    _OPEN[panel] = here


def leave(panel: Any) -> None:
    """Take a panel off the list."""
    _OPEN.pop(panel, None)


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def _here() -> tuple[str | None, str | None]:
    """(id of the cell, id of this execution of it), or (None, None) outside a notebook."""
    shell = _shell()
    parent = shell.get_parent() if hasattr(shell, "get_parent") else None
    if not parent:
        return None, None
    return parent.get("metadata", {}).get("cellId"), parent.get("header", {}).get("msg_id")


def mend_kernel() -> bool:
    """Let the kernel reply through the stream by which it listens, as ipykernel 7.4 does; True if it needed that.

    Before 7.4 a reply goes out on the bare socket, behind the back of the stream that reads from the same socket. A
    request that comes in at that moment wakes nobody, and so do all that follow: in a notebook that plays, sooner or
    later every cell waits for ever (ipykernel #1554, mended by #1529). 7.4.0 has another fault, see the Doctor.
    """
    kernel = getattr(_shell(), "kernel", None)
    manager: Any = getattr(getattr(kernel, "shell_channel_thread", None), "manager", None)
    stream = getattr(kernel, "shell_stream", None)
    if stream is None or not hasattr(manager, "_shell_socket"):  # no notebook, or a kernel without this fault
        return False
    loop, send = manager._shell_channel_io_loop, stream.send_multipart
    if manager._send_on_shell_channel == send:  # mended by an earlier panel
        return True

    def rewire() -> None:
        manager._send_on_shell_channel = send  # for subshells to come
        with manager._lock_cache:
            there = [thread.subshell_to_shell_channel for thread in manager._cache.values()]
        for pair in (manager._main_to_shell_channel, *there):
            pair.on_recv(loop, send)

    loop.add_callback(rewire)  # streams belong to the thread of their loop
    return True
