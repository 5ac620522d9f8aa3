"""Data of one's own: a CSV file that is dropped on a panel, or chosen, becomes the stream of its run."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import traitlets

from ..errors import bad
from ..experiments import Experiment, get
from ..files import writable, write_whole
from .autosave import FOLDER
from .widgets import Scripted

LIMIT = 5_000_000  # bytes: what a browser can send in one message


class OwnData(Scripted):
    """A button that chooses a file; its panel takes files that are dropped. take((name, size, content)) is called."""

    _esm = Path(__file__).with_name("own_data.js")
    limit = traitlets.Int(LIMIT).tag(sync=True)

    def __init__(self, take: Callable[[tuple[str, int, bytes]], Any]) -> None:
        super().__init__()
        self.on_msg(lambda _, told, parts: take((str(told.get("name")), int(told.get("size", 0)), b"".join(parts))))


def experiment(name: str, size: int, content: bytes) -> Experiment:
    """A tracker of the file's columns of numbers; the file is kept beside the notebook, so that the run can be told.

    Raises HLError for what is too large or no table of numbers; nothing is kept then.
    """
    if size > LIMIT or len(content) > LIMIT:
        raise bad(
            f"file {name}", f"{size / 1e6:.1f} MB", f"at most {LIMIT / 1e6:g} MB", "streams.from_csv reads larger ones"
        )
    label = f"{Path(name).stem[:40] or 'data'}-{hashlib.sha256(content).hexdigest()[:8]}.csv"
    place = Path(FOLDER) / label.replace("/", "_").replace("\\", "_")
    there = place.exists()
    write_whole(writable(place, folder=True), content)
    try:
        return get("tracker-csv", path=str(place)).replace(title=f"Tracker · {name}")
    except Exception:
        if not there:
            place.unlink(missing_ok=True)
        raise
