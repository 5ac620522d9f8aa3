"""The live loop: one asyncio task is the only writer of model and figure."""

import asyncio
import itertools
import threading
import time
from typing import Any

from ..errors import HLError
from .jupyter import FrameGate

BUDGET = 0.012  # seconds of learning between two looks at the mailbox
FRAMES = 24.0  # at most, per second
CALM = 2.0  # frames per second where motion is unwanted
PATIENCE = 1.0  # seconds after which a frame that was not acknowledged no longer holds the next one back


class LiveLoop:
    """Play and pause; controls write to a mailbox, from any thread, and the loop empties it between steps.

    Widget handlers may run on other threads than the kernel's main loop, so they only `post`.

    driven  a panel, whose `command`, `advance`, `draw`, `refresh_status` and `warn` run in the loop's own thread alone
    """

    def __init__(self, driven: Any, gate: FrameGate) -> None:
        self.driven, self.gate = driven, gate
        self.playing = False
        self.error: Exception | None = None
        self.frames, self.frame_rate = 0, 0.0
        self._lock = threading.Lock()
        self._mailbox: dict[tuple[str, int], Any] = {}
        self._presses = itertools.count(1)
        self._task: asyncio.Task[None] | None = None
        try:
            self.loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:  # no notebook: everything is done at once, by the caller
            self.loop = None

    def post(self, name: str, value: Any = None) -> None:
        """Leave a message and see that it is read. Any thread.

        Of a value the latest wins; every press of Step counts.
        """
        key = (name, next(self._presses) if name == "step" else 0)
        with self._lock:
            self._mailbox.pop(key, None)
            self._mailbox[key] = value
        if self.loop is None or self.loop.is_closed():
            self.read()
        elif not self.playing:
            self.loop.call_soon_threadsafe(self._read_and_draw)

    def read(self) -> bool:
        """Obey what is in the mailbox; True if there was something. The loop's thread only."""
        with self._lock:
            messages, self._mailbox = self._mailbox, {}
        for (name, _), value in messages.items():
            try:
                self.driven.command(name, value)
            except HLError as error:  # bad input of a control: told, and the run goes on
                self.driven.warn(str(error))
            except Exception as error:
                self.fail(error)
        return bool(messages)

    def play(self) -> None:
        """Start the task, if it does not run already."""
        if self.loop is None:
            raise HLError("play: got no running event loop, expected a notebook; use step(n) or experiment.run(n).")
        self.error = None
        if not self.playing:
            self.playing = True
            asyncio.run_coroutine_threadsafe(self._begin(), self.loop)

    def pause(self) -> None:
        """Stop after the step at hand."""
        self.playing = False

    def fail(self, error: Exception) -> None:
        """Stop and keep the error, for the status line and for `wait`."""
        self.error, self.playing = error, False
        self.driven.refresh_status()

    async def wait(self) -> None:
        """Wait until the loop has come to rest; raises what stopped it."""
        while self.playing or (self._task is not None and not self._task.done()):
            await asyncio.sleep(0.01)
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """End the task."""
        self.playing = False
        task, self._task = self._task, None
        if task is not None and not task.done() and self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(task.cancel)

    async def _begin(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._run())

    def _read_and_draw(self) -> None:
        if not self.playing and self.read():
            self._draw()
            self.driven.refresh_status()

    def _draw(self) -> None:
        try:
            self.driven.draw()
            self.frames += 1
            self.gate.announce()
        except Exception as error:
            self.fail(error)

    async def _run(self) -> None:
        last, due, since, seen = 0.0, 0.0, time.perf_counter(), self.frames
        self.driven.refresh_status()
        try:
            while self.playing:
                self.read()
                if self.playing:
                    self.driven.advance(BUDGET)
                now = time.perf_counter()
                least = 1 / (CALM if self.gate.calm else FRAMES)  # seconds from one frame to the next
                if now >= due and (self.gate.drawn or now - last > PATIENCE):
                    last, due = now, max(due + least, now + least / 2)  # what this one came late, the next comes early
                    self._draw()
                if now - since > 0.5:
                    self.frame_rate = (self.frames - seen) / (now - since)
                    self.gate.pace(self.frame_rate)
                    since, seen = now, self.frames
                await asyncio.sleep(0.001)
        except Exception as error:
            self.fail(error)
        finally:
            self.playing = False
            self.driven.refresh_status()
            self._draw()
