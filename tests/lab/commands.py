"""Random commands to a panel from two threads, beside a model of it all: python -m tests.lab.commands [50]."""

import asyncio
import math
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import torch
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from hlcore import experiments
from hlcore.lab import Cockpit
from hlcore.runs.run import Run

GOOD = {
    "eta": st.sampled_from([0.5, 1.0, 2.0]),
    "beta": st.sampled_from([0.01, 0.05]),
    "eta_z": st.sampled_from([1.0, 4.0]),
}
TURNS = st.one_of(*(st.tuples(st.just(f"set {name}"), st.tuples(st.just("field"), x)) for name, x in GOOD.items()))
PRESSES = st.tuples(st.just("step"), st.integers(1, 4))
VIEWS = st.sampled_from(
    [("window", 200), ("window", 5000), ("maps", True), ("maps", False), ("pin", True), ("pin", False)]
)
SPOILT = [("set eta", ("field", -1.0)), ("set beta", ("field", math.nan))]
WRONG = st.sampled_from([*SPOILT, ("load", "hl1:<img>"), ("load", ""), ("race", "nobody"), ("export", ".exe")])
MESSAGE = st.one_of(TURNS, PRESSES, VIEWS, WRONG)
MESSAGES, BURST = st.lists(MESSAGE, max_size=20), st.lists(MESSAGE, min_size=8, max_size=20)


class Kernel:
    """An event loop in a thread of its own, as a notebook's kernel has it."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def do(self, call):
        """What call() gives there, after all that was asked before; a coroutine is awaited."""

        async def there():
            found = call()
            return await found if asyncio.iscoroutine(found) else found

        return asyncio.run_coroutine_threadsafe(there(), self.loop).result(120)

    def end(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


class Commands(RuleBasedStateMachine):
    """The model: steps that must have been taken, settings that may be in force, whether there is a race."""

    ended = 0  # sequences so far

    def __init__(self):
        super().__init__()
        self.kernel, self.hands = Kernel(), ThreadPoolExecutor(2)
        self.panel = self.kernel.do(lambda: Cockpit(experiments.get("tracker-water-flow")))
        self.steps, self.may = 0, {name: {getattr(self.panel.settings, name)} for name in GOOD}
        self.sent = 0

    def send(self, *hands):
        """Each hand posts its messages, all hands at once; then the loop has obeyed them."""

        def post(messages):
            for message in messages:
                self.panel._loop.post(*message)

        list(self.hands.map(post, hands))
        self.sent += sum(map(len, hands))
        self.kernel.do(lambda: None)

    def settle(self):
        """What is in force is known again."""
        self.may = {name: {getattr(self.panel.settings, name)} for name in GOOD}

    @initialize(one=BURST, other=BURST)
    def begin(self, one, other):
        """No sequence is without them: hypothesis leaves rules out, sequence by sequence."""
        self.two_hands(one, other)

    @rule(one=MESSAGES, other=MESSAGES)
    def two_hands(self, one, other):
        """Every press counts; of a value the latest of either hand wins, and a wrong one changes nothing."""
        for name in GOOD:
            last = [[x[1] for key, x in hand if key == f"set {name}"][-1:] for hand in (one, other)]
            fine = {x for found in last for x in found if x >= 0}
            spoilt = any(not x >= 0 for found in last for x in found)
            turned = any(key == f"set {name}" for hand in (one, other) for key, _ in hand)
            earlier = {x[1] for hand in (one, other) for key, x in hand if key == f"set {name}" and x[1] >= 0}
            self.may[name] = (fine | (earlier | self.may[name] if spoilt else set())) if turned else self.may[name]
        self.steps += sum(n for hand in (one, other) for key, n in hand if key == "step")
        self.send(one, other)

    @rule()
    def reset(self):
        self.send([("reset", None)])
        self.steps = 0

    @rule(share=st.floats(0.1, 0.9))
    def back(self, share):
        if self.steps <= 2:  # no precondition: how far a run has played must not move what is drawn
            return
        self.steps = max(1, int(share * self.steps))
        t = float(self.panel.run.recorder.window("t")[self.steps - 1])
        self.send([("picked", t)])
        self.send([("back", None)])
        self.settle()

    @rule()
    def play_and_pause(self):
        before = self.steps
        self.send([("speed", math.inf), ("toggle", None)])
        while self.panel.run.learner.steps == before:
            self.kernel.do(lambda: None)
        self.kernel.do(self.panel.pause)
        self.kernel.do(self.panel.wait)
        self.steps = self.panel.run.learner.steps
        assert self.steps > before

    @rule(on=st.booleans())
    def race(self, on):
        self.send([("race", "sgd" if on else None)])
        assert (self.panel.run.rival is not None) <= on

    @invariant()
    def it_is_as_the_model_says(self):
        run, panel = self.panel.run, self.panel
        assert panel._loop.error is None and not panel.playing
        assert run.learner.steps == self.steps
        assert len(run.recorder) == min(self.steps, run.recorder.capacity)
        for name, may in self.may.items():
            assert getattr(panel.settings, name) in may, (name, getattr(panel.settings, name), may)
        assert all(bool(torch.isfinite(p).all()) for p in run.learner.network.parameters())
        self.settle()

    def teardown(self):
        """The run in a string is the run, to the bit."""
        if self.steps <= 3000:
            twin = Run.from_state(self.panel.state_string())
            pairs = zip(*(run.learner.network.parameters() for run in (self.panel.run, twin)), strict=True)
            assert all(torch.equal(a, b) for a, b in pairs)
        self.kernel.do(self.panel.close)
        self.kernel.end()
        self.hands.shutdown()
        Commands.ended += 1
        print(f"\r{Commands.ended} sequences ", end="", file=sys.stderr, flush=True)


def seeds(n, rules=50):
    """So many sequences, each of some 1,000 commands."""
    run_state_machine_as_test(
        Commands,
        settings=settings(max_examples=n, stateful_step_count=rules, deadline=None, derandomize=True, database=None,
                          phases=[Phase.generate], suppress_health_check=list(HealthCheck)),
    )  # fmt: skip


if __name__ == "__main__":
    count = int([*sys.argv, 50][1])
    seeds(count)
    print(f"{count} sequences of random commands from two threads: as the model says")
