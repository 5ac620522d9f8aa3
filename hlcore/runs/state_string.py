"""A run in words that make it again: a line to send to somebody, and a program."""

import json
from collections.abc import Mapping
from typing import Any

from ..errors import bad, whole

STATE = "hl1:"
PARTS = {"experiment", "options", "seed", "settings", "changes", "steps"}
BESIDE = {"moves", "placed", "forks"}  # parts of a run in which a person has made moves, put a point, or forked


def written(run: Any, forks: list[Any] | None = None) -> str:
    """Experiment, options, seed, settings at the start, changes and steps, as JSON; its forks where there are some."""
    parts = {
        "experiment": run.experiment.name, "options": _options(run), "seed": run.seed, "settings": _told(run),
        "changes": changes(run), "steps": run.learner.steps,
    }  # fmt: skip
    beside = {"moves": [*run.moves.items()], "placed": [(at, *told) for at, told in run.placed.items()], "forks": forks}
    parts |= {name: told for name, told in beside.items() if told}
    return STATE + json.dumps(parts, separators=(",", ":"))


def changes(run: Any, since: int = 0) -> list[Any]:
    """[step, {setting: value}] of every change, from a step on."""
    return [[at, {k: plain(k, v) for k, v in change.items()}] for at, change in run.changes if at >= since]


def replayed(run: Any, changes: Any, steps: Any) -> None:
    """Let a run take these changes, each at its step, and come to `steps`."""
    for at, change in changes:
        run.step(whole("steps", at, 0) - run.learner.steps)
        run.set(**change)
    run.step(whole("steps", steps, 0) - run.learner.steps)


def code(run: Any) -> str:
    """A program: the experiment by name, its settings, and the steps between two changes."""
    start = ", ".join(f"{k}={v!r}" for k, v in _told(run).items())
    options = "".join(f", {k}={v!r}" for k, v in _options(run).items())
    lines = [
        "import torch",
        "",
        "import hlcore",
        *(["from hlcore.runs.hand import put"] if run.placed else []),
        "",
        f"experiment = hlcore.experiments.get({run.experiment.name!r}{options})",
        f"learner, stream = experiment.learner(seed={run.seed})",
        f"recorder = hlcore.Recorder(capacity={run.recorder.capacity}, width={run.recorder.width})",
        f"learner.settings = learner.settings.replace({start})",
        f"torch.manual_seed({run.seed})",
    ]
    if run.moves:
        lines.append(f"stream.by_hand = {run.moves}")
    told = [(at, f"learner.settings = learner.settings.replace({_named(change)})") for at, change in run.changes]
    told += [(at, f"learner.point = put(learner.point, {entry}, {x})") for at, (entry, x) in run.placed.items()]
    done = 0
    for at, line in [*sorted(told), (run.learner.steps, "")]:
        if at > done:
            walk = "stream" if run.stream.answers else f"stream.since({done})"
            lines.append(f"learner.run({walk}, {at - done}, recorder)")
        lines += [line] if line else []
        done = at
    return "\n".join([*lines, "print(recorder.trajectory())"])


def parsed(text: Any) -> dict[str, Any]:
    """The parts of a state string, or an HLError."""
    try:
        if not isinstance(text, str) or not text.strip().startswith(STATE):
            raise ValueError(f"it does not begin with {STATE}")
        found = json.loads(text.strip().removeprefix(STATE))
        if not isinstance(found, dict) or set(found) - BESIDE != PARTS:
            raise ValueError(f"its parts are not {sorted(PARTS)}")
        shapes = [type(found[part]) for part in ("options", "settings", "changes")]
        if shapes != [dict, dict, list] or not all(map(_is_change, found["changes"])):
            raise ValueError("options, settings or changes are damaged")
        if not isinstance(forks := found.get("forks", []), list) or not all(map(_is_fork, forks)):
            raise ValueError("forks are damaged")
        for part, kinds in (("moves", [int, int]), ("placed", [int, int, dict])):
            told = found.get(part, [])
            if not isinstance(told, list) or not all(isinstance(x, list) and [*map(type, x)] == kinds for x in told):
                raise ValueError(f"{part} are damaged")
    except ValueError as error:
        raise bad("state string", f"{str(text)[:40]!r} ({error})", "what 'Copy state' gave", "copy all of it") from None
    return found


def plain(name: str, value: Any) -> Any:
    """A setting that can be told: a number, a text, None, or numbers by name."""
    if isinstance(value, (int, float, str)) or value is None:
        return value
    if isinstance(value, Mapping) and all(isinstance(v, float) for v in value.values()):
        return dict(value)
    raise bad(name, type(value).__name__, "a number", "schedules and tensors do not fit into a state string")


def _named(change: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={plain(k, v)!r}" for k, v in change.items())


def _told(run: Any) -> dict[str, Any]:
    return {k: plain(k, getattr(run.start, k)) for k in run.start.about()}


def _options(run: Any) -> dict[str, Any]:
    options = run.experiment.recipe()
    for name, value in options.items():
        if not isinstance(value, (int, float, str, tuple, list)) and value is not None:
            mend = "nothing else can be told in a line"
            raise bad(f"option {name}", type(value).__name__, "a number or a text", mend)
    return options


def _is_change(change: Any) -> bool:
    return isinstance(change, list) and [type(x) for x in change] == [int, dict]


def _is_fork(told: Any) -> bool:
    kinds = isinstance(told, list) and [type(x) for x in told] == [str, str, int, bool, int, list]
    return kinds and all(map(_is_change, told[-1]))
