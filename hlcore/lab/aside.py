"""Work beside a panel, in a process of its own: the panel plays on, and what comes is posted to it."""

import multiprocessing
import threading
from collections.abc import Callable, Iterable
from typing import Any

import torch

from ..errors import MISTAKES, bad, first_line

Work = Callable[..., Iterable[Any]]


class Aside:
    """One work at a time: `begin(work, *given)` posts (message, part) for each part that `work(*given)` yields.

    At the end it posts (f"{message} done", None), after a mistake (f"{message} failed", its words): names of their own,
    since of a name a mailbox keeps the latest alone. A work that begins ends the
    one before as soon as that has its next part; `stop` ends it at once. Work and what is given are pickled.

    working  True from `begin` to the end
    """

    def __init__(self, message: str, post: Callable[[str, Any], None]) -> None:
        self._message, self._post = message, post
        self.working = False
        self._process: Any = None
        self._pipe: Any = None

    def begin(self, work: Work, *given: Any) -> None:
        """Begin this work, in the process that there is; the first one takes seconds to start."""
        if self._process is None or not self._process.is_alive():
            context = multiprocessing.get_context("spawn")  # a fork would take the kernel's threads' locks with it
            self._pipe, other = context.Pipe()
            self._process = context.Process(target=_serve, args=(other,), daemon=True)
            self._process.start()
            other.close()
            threading.Thread(target=self._listen, args=(self._pipe,), daemon=True).start()
        try:
            self._pipe.send((work, given))
        except Exception as error:  # what cannot be pickled says so in many ways
            raise bad(self._message, f"{type(error).__name__}: {first_line(error)}", "what can be pickled") from error
        self.working = True

    def stop(self) -> None:
        """End the work at once, and its process."""
        process, self._process = self._process, None
        if process is not None and process.is_alive():
            if self.working:
                process.terminate()
            else:
                self._pipe.send(None)
        self.working = False

    close = stop

    def _listen(self, pipe: Any) -> None:
        with pipe:
            try:
                while True:
                    told, part = pipe.recv()
                    if self._process is None or pipe is not self._pipe:
                        continue  # it was stopped
                    self.working = not told
                    self._post(self._message + told, part)
            except (EOFError, OSError):
                return


def _serve(pipe: Any) -> None:
    """The process: work as it is asked for, until nobody asks any more."""
    torch.set_num_threads(1)
    try:
        while (asked := pipe.recv()) is not None:
            work, given = asked
            try:
                for part in work(*given):
                    pipe.send(("", part))
                    if pipe.poll():
                        break
                else:
                    pipe.send((" done", None))
            except MISTAKES as error:
                pipe.send((" failed", first_line(error)))
    except (EOFError, OSError, KeyboardInterrupt):
        return
