"""The public surface, walked by itself: whatever is given to whatever part of it, it is taken or told as an HLError.

Each callable is called with good values, then with each parameter in turn replaced by each hostile value.
"""

import inspect
import math
import random
import types

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

import hlcore
from hlcore import HLError, experiments, learners, networks, streams
from hlcore.lab import Cockpit, exercises
from hlcore.learners import BaseLearner
from hlcore.records import export, recorder
from hlcore.runs import alignment, prequential, rival, run
from hlcore.streams import tasks

ROOMS = [
    hlcore,
    streams,
    learners,
    experiments,
    networks,
    recorder,
    export,
    run,
    rival,
    prequential,
    alignment,
    exercises,
]
NAN, INF = math.nan, math.inf
HOSTILE = {
    "numbers": [None, True, -1, 0, 1.5, NAN, INF, -INF, 10**400, 1j, np.float32(NAN), np.int64(-3), np.bool_(True)],
    "texts": ["", "no such thing", "<img src=x onerror=alert(1)>", "../../etc/passwd\0", b"bytes"],
    "things": [object(), int, len, [], {}, (), [None], {"x": None}, {3: 4}, range(0), iter(())],
    "tensors": [torch.empty(0), torch.tensor(NAN), torch.zeros(2, 3, 4, 5), torch.zeros(3, dtype=torch.int64),
                np.array([]), np.array([[NAN]]), np.array(["a"])],
}  # fmt: skip


def linear():
    return hlcore.OutputNetwork(nn.Linear(4, 3))


def learner():
    return hlcore.Learner(linear(), mse_loss, hlcore.Settings(tau=0.1))


def sample(end=False):
    return hlcore.Sample(torch.ones(1, 4), torch.ones(1, 3), end=end)


def frame():
    return pd.DataFrame({"a": np.arange(8.0), "b": np.arange(8.0) ** 2})


def recorded():
    return experiments.get("iris-linear").run(3)


def good(tmp):
    """A good value of each parameter that has no default, by name, or by callable and name where the name is shared."""
    return {
        "network": linear,
        "loss": lambda: mse_loss,
        "module": lambda: nn.Linear(4, 3),
        "readout": lambda: nn.Linear(5, 3),
        "cell": lambda: nn.RNNCell(4, 5),
        "modules": lambda: [nn.Linear(4, 4), nn.Linear(4, 3)],
        "sample": sample,
        "layers": lambda: [nn.Linear(4, 4), nn.Linear(4, 3)],
        "stream": lambda: streams.Labelled(torch.ones(9, 4), torch.ones(9, 3), epochs=1),
        "learner": learner,
        "leader": learner,
        "other": learner,
        "recorder": hlcore.Recorder,
        "x": lambda: math.sin,
        "frequency": lambda: 1.0,
        "old": hlcore.Settings,
        "new": hlcore.Settings,
        "tokens": lambda: 4,
        "width": lambda: 4,
        "shape": lambda: (1, 3),
        "i": lambda: 1,
        "Rotations.inputs": lambda: 3,
        "Sparse.inputs": lambda: 3,
        "KeyedReadout.inputs": lambda: 3,
        "Antisymmetric.inputs": lambda: 3,
        "memories": lambda: 5,
        "back.steps": lambda: 0,
        "at.steps": lambda: 0,
        "Run.experiment": lambda: experiments.get("ring-q"),
        "action": lambda: 0,
        "entry": lambda: 0,
        "step": lambda: 0,
        "capacity": lambda: 3,
        "blocks": lambda: [nn.Identity()],
        "outputs": lambda: 3,
        "samples": lambda: [sample(), sample()],
        "tau": lambda: 0.1,
        "in_force.name": lambda: "eta",
        "of.other": hlcore.Settings,
        "lr": lambda: 0.1,
        "u": lambda: torch.ones(1, 4),
        "inputs": lambda: torch.ones(3, 2),
        "targets": lambda: torch.ones(3, 1),
        "steps": lambda: 3,
        "n": lambda: 2,
        "name": lambda: "iris-linear",
        "path": lambda: tmp / "a.hl",
        "snapshot": lambda: learner().snapshot(),
        "experiment": lambda: experiments.get("iris-linear"),
        "values": lambda: np.arange(9.0),
        "series": lambda: np.arange(9.0),
        "frame": frame,
        "k": lambda: 0,
        "output": lambda: torch.ones(1, 3),
        "y": lambda: torch.ones(1, 1),
        "window": lambda: 3,
        "period": lambda: 0.1,
        "signal": lambda: math.sin,
        "frequencies": lambda: [1.0],
        "amplitudes": lambda: [1.0],
        "report": lambda: learner().step(sample()),
        "trace": lambda: "loss",
        "keep": lambda: 0,
        "seed": lambda: 0,
        "record": recorded,
        "suffix": lambda: ".csv",
        "t": lambda: 0.0,
        "state": lambda: None,
        "settings": hlcore.Settings,
        "order": lambda: "euler",
        "sequences": lambda: [torch.ones(3, 2)],
        "classes": lambda: [0],
        "units": lambda: 4,
        "batch_size": lambda: 1,
        "h": lambda: torch.ones(1, 5),
        "seconds": lambda: 0.0,
        "delta": lambda: 0.01,
        "dt": lambda: 0.1,
        "device": lambda: "cpu",
        "title": lambda: "title",
        "build": lambda: None,
        "about": lambda: "about",
        "answer": lambda: 1.0,
        "expected": lambda: 1.0,
        "below": lambda: 1.0,
        "text": lambda: experiments_state(),
        "factor": lambda: 1.0,
        "Experiment.name": lambda: "mine",
        "learners.get.name": lambda: "sgd",
        "Rival.name": lambda: "sgd",
        "register.name": lambda: "a-name",
        "streams.real.name": lambda: "water-flow",
        "write.name": lambda: "a",
        "write.folder": lambda: tmp,
        "save.path": lambda: tmp / "a.csv",
        "checked.path": lambda: tmp / "a.csv",
        "from_csv.path": lambda: written(tmp),
        "alignment.learner": lambda: hlcore.Learner(
            experiments.get("tracker-water-flow", dtype="float64").network, mse_loss
        ),
        "drifts.signal": lambda: [0.1] * 9,
        "streams.Table.read.y": lambda: torch.ones(1, 2),
        "is_reversible.module": nn.Identity,
        "judge": lambda: lambda answer: None,
        "alignment.stream": lambda: experiments.get("tracker-water-flow", dtype="float64").stream,
        "load.path": lambda: saved(tmp),
        "BaseLearner.save.path": lambda: tmp / "b.hl",
        "actions": lambda: 2,
        "every": lambda: 3,
        "Crowd.w": lambda: torch.ones(2, 3),
        "edges": lambda: [[0, 1]],
        "nodes": lambda: 2,
        "Experts.classes": lambda: 2,
        "Experts.inputs": lambda: 4,
        "J": lambda: torch.zeros(3, 3),
        "Leapfrog.inputs": lambda: 3,
        "Shrink.inputs": lambda: 3,
        "from_dictionary.D": lambda: torch.eye(3),
        "lam": lambda: 0.1,
        "Stack.layers": lambda: [hlcore.Rotations(3, 4, 3)],
        "layered.sizes": lambda: [2, 3, 1],
        "Graph.inputs": lambda: 3,
        "TotalVariation.inputs": lambda: 3,
        "Springs.inputs": lambda: 3,
        "Copies.inputs": lambda: 3,
        "ReadChain.readout": lambda: nn.Linear(3, 2),
        "Recall.delay": lambda: 5,
        "Copied.delay": lambda: 5,
        "images": lambda: streams.Labelled(torch.ones(4, 6), torch.zeros(4, dtype=torch.int64)),
        "Strips.tokens": lambda: 3,
        "tasks": lambda: [tasks.Pairs(torch.ones(4, 2), torch.ones(4, 1))],
        "asked": lambda: [tasks.Pairs(torch.ones(4, 2), torch.ones(4, 1))],
        "shown": lambda: torch.ones(2, 4),
        "mu": lambda: [1.0, 2.0],
        "cov": lambda: 1.0,
        "right.w": lambda: np.ones((1, 784)),
        "tokens.start": lambda: 3,
        "patterns.start": lambda: 3,
        "sweep.settings": lambda: {"eta": [0.5]},
        "setting": lambda: "eta",
        "measure": lambda: None,
    }


def experiments_state():
    return run.Run(experiments.get("iris-linear")).state_string()


def written(tmp):
    frame().to_csv(tmp / "a.csv")
    return tmp / "a.csv"


def saved(tmp):
    learner().save(tmp / "c.hl")
    return tmp / "c.hl"


def public(room):
    names = room.__all__ if room is hlcore else [name for name in vars(room) if not name.startswith("_")]
    for name in names:
        thing = getattr(room, name)
        home = getattr(thing, "__module__", None) or ""
        here = home.startswith("hlcore") if hasattr(room, "__path__") else home == room.__name__
        if callable(thing) and not isinstance(thing, types.ModuleType) and here:
            yield f"{room.__name__.removeprefix('hlcore.')}.{name}", thing


NETWORKED = {"imdb"}  # asks the network
HANDED_OUT = {
    *NETWORKED,
    "register",
    "Experiment",
    "Real",
    "Rival",
    "choir",
    "HLError",
    "Diverged",
    "Report",
    "PhasePoint",
    "Snapshot",
    "Moment",
    "Setup",
    "Entry",
    "Step",
    "Quantity",
    "Regime",
}
FOR_THE_LAW = {  # what the law or a learner calls of a network, and an author writes: its input is checked there
    "activation",
    "potential",
    "force",
    "halfway",
    "power",
    "clip",
    "prior",
    "sign",
    "velocity",
    "output",
    "forward",
    "undo",
    "initial_state",
    "closed_form",
    "free",
    "driven",
    "run",
    "back",
    "held",
    "product",
    "to_start",
    "transport",
    "jacobian",
    "absorb",
    "stored",
    "walk_back",
    "trusted",
    "extra_repr",
    "propose",
    "state_for",
    "numbers",
    "beside",
    "settings_from",
    "regime",
    "require",
}


def calls():
    """{name: (how it is called with named values, its signature)}, every callable of the rooms and its methods."""
    found = {hlcore.Recorder.trajectory: None, run.Run.trajectory: None}  # of a recorder with records: test_record.py
    for room in ROOMS:
        for name, thing in public(room):
            short = name.rpartition(".")[2]
            if (
                short in HANDED_OUT
                or inspect.isabstract(thing)
                or getattr(thing, "_is_protocol", False)
                or thing is Cockpit
            ):
                continue
            found.setdefault(thing, (name, lambda _, thing=thing: thing))
            if not inspect.isclass(thing):
                continue
            for method, part in inspect.getmembers(thing):
                own = (getattr(part, "__module__", None) or "").startswith("hlcore")
                network = issubclass(thing, nn.Module) and method in FOR_THE_LAW
                author = issubclass(thing, BaseLearner) and method in FOR_THE_LAW - {"run"}
                if (
                    method in ("numbers", "shared", "sample", "rows", "draw", "inputs", "about")
                    or method.startswith("_")
                    or not callable(part)
                    or not own
                    or network
                    or author
                ):
                    continue
                found.setdefault(
                    getattr(part, "__func__", part),
                    (f"{name}.{method}", lambda tmp, t=thing, m=method: getattr(made(t, tmp, m), m)),
                )
    return dict(call for call in found.values() if call)


CALLS = calls()


def made(kind, tmp, method=""):
    """An instance of a class, by its constructor's own good values, ready for a method."""
    found = kind(**chosen(kind.__name__, kind, tmp))
    if method == "captured":  # which wants a learner that has begun
        found.step(sample())
    return found


def chosen(name, call, tmp):
    """Good values of the parameters that have no default."""
    table, found = good(tmp), {}
    if inspect.isclass(call) and issubclass(call, BaseLearner):
        wanted = {learners.RHEL: hlcore.Leapfrog, learners.Coupled: lambda *_: networks.Graph(2, 3, [[0, 1]])}
        network = wanted.get(call, hlcore.Rotations)(3, 4, 3) if call.stateful or call in wanted else linear()
        return {"network": network, "loss": mse_loss}
    for parameter in inspect.signature(call).parameters.values():
        if parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            keys = [f"{of}.{parameter.name}" for of in (name.rpartition(".")[2], name)] + [parameter.name]
            key = next((key for key in keys if key in table), None)
            assert key, f"tell a good value of {name}({parameter.name}=...)"
            found[parameter.name] = table[key]()
    return found


def traces(things):
    """What a refused call may not have moved: weights, states, records, generators, modes."""
    kept = [
        torch.get_rng_state(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        random.getstate(),
    ]
    for x in things:
        x = getattr(x, "learner", x)
        if isinstance(x, BaseLearner):
            kept += [x.steps, x.t, x.settings, *x.point.omega.values()]
        network = x if isinstance(x, nn.Module) else getattr(x, "network", None)
        kept += [x.detach().clone() for x in network.state_dict().values()] if isinstance(network, nn.Module) else []
        kept += [x.count] if isinstance(x, hlcore.Recorder) else []
    return [x.clone() if isinstance(x, torch.Tensor) else x for x in kept]


def same(a, b):
    return len(a) == len(b) and all(
        torch.equal(x, y) if isinstance(x, torch.Tensor) else x == y for x, y in zip(a, b, strict=True)
    )


def call_of(name, bind, tmp):
    call = bind(tmp)
    values = chosen(name, call, tmp)
    ordered = [
        p for p in inspect.signature(call).parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    return call, values, ordered


def send(call, values, ordered):
    first = [p.name for p in ordered if p.kind is p.POSITIONAL_ONLY]
    return call(*(values[name] for name in first), **{k: x for k, x in values.items() if k not in first})


def wrong(name, bind, tmp):
    """What this callable does wrong, in words."""
    found = []
    call, values, ordered = call_of(name, bind, tmp)
    try:
        send(call, values, ordered)
    except HLError as error:
        if not str(error).split(": ")[0].endswith(("velocity", "output", "undo")):
            found.append(f"{name}: refuses good values: {error}")
    for parameter in [p.name for p in ordered]:
        for hostile in HOSTILE.values():
            for value in hostile:
                call, values, ordered = call_of(name, bind, tmp)
                things = [getattr(call, "__self__", None), *values.values()]
                values[parameter], before = value, traces(things)
                told = f"{name}({parameter}={str(value)[:30]!r} of {type(value).__name__})"
                try:
                    send(call, values, ordered)
                except HLError:
                    if not same(before, traces(things)):
                        found.append(f"{told}: refused, but something has moved")
                except Exception as error:
                    found.append(f"{told}: {type(error).__name__}: {str(error)[:90]}")
                except BaseException as error:
                    found.append(f"{told}: {type(error).__name__}")
    return found


@pytest.mark.parametrize("name", CALLS)
def test_whatever_is_given_is_taken_or_told(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert wrong(name, CALLS[name], tmp_path) == []


def test_the_walk_can_fail(tmp_path):
    def careless(n, learner):
        learner.settings = learner.settings.replace(eta=0.5)
        return [1, 2, 3][n] if n is not None else hlcore.errors.whole("n", n)

    found = wrong("careless", lambda _: careless, tmp_path)
    assert any("IndexError" in told or "TypeError" in told for told in found)
    assert any("something has moved" in told for told in found)
    assert len(CALLS) >= 100
