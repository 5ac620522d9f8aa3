"""The frame gate: the browser says when it has drawn a frame."""

from __future__ import annotations

import anywidget
import traitlets


class FrameGate(anywidget.AnyWidget):
    """Echoes `ping` as `pong` after the browser's next animation frame.

    Without this back-pressure a fast loop floods the browser until sliders go dead.
    """

    _esm = """
    export default {
      initialize({ model }) {
        model.on("change:ping", () => {
          const n = model.get("ping");
          requestAnimationFrame(() => setTimeout(() => {
            try { model.set("pong", n); model.save_changes(); } catch { } // the panel may be closed by now
          }, 0));
        });
      },
    };
    """
    ping = traitlets.Int(0).tag(sync=True)
    pong = traitlets.Int(0).tag(sync=True)

    def announce(self) -> None:
        """Announce a frame."""
        self.ping += 1

    @property
    def drawn(self) -> bool:
        """True if the browser has drawn every frame that was announced."""
        return self.pong >= self.ping

    def __repr__(self) -> str:
        return "FrameGate()"
