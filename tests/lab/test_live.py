"""The loop: one task writes, handlers on any thread only post, errors come out, frames wait for the browser."""

import asyncio
import itertools
import json
import shutil
import subprocess
import threading
from types import SimpleNamespace

import pytest

from hlcore import HLError
from hlcore.lab import loop as live
from hlcore.lab.jupyter import ECHO, FrameGate
from hlcore.lab.loop import LiveLoop


class Script:
    """What a loop drives: writes down what it is told, and on which thread."""

    def __init__(self):
        self.heard, self.threads, self.drawn, self.advanced, self.notices = [], set(), 0, 0, []
        self.loop = None

    def command(self, name, value):
        self.threads.add(threading.get_ident())
        if name == "pause":
            self.loop.pause()
        if name == "bad input":
            raise HLError("no")
        if name == "broken":
            raise RuntimeError("broken")
        self.heard.append((name, value))

    def advance(self, seconds):
        self.threads.add(threading.get_ident())
        self.advanced += 1

    def draw(self):
        self.drawn += 1

    def refresh_status(self):
        pass

    def warn(self, text):
        self.notices.append(text)


def setup():
    script = Script()
    script.loop = LiveLoop(script, FrameGate())
    return script, script.loop


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 20))


def test_without_a_notebook_a_message_is_obeyed_at_once_and_play_is_told():
    script, loop = setup()
    loop.post("eta", 1)
    assert script.heard == [("eta", 1)]
    with pytest.raises(HLError):
        loop.play()


def test_of_a_value_the_latest_wins_and_every_step_counts():
    async def scene():
        script, loop = setup()
        for value in (1, 2, 3):
            loop.post("eta", value)
            loop.post("step", value)
        await asyncio.sleep(0.05)
        return script

    heard = run(scene()).heard
    assert [v for n, v in heard if n == "eta"] == [3]
    assert [v for n, v in heard if n == "step"] == [1, 2, 3]


def test_handlers_of_other_threads_never_touch_the_model():
    async def scene():
        script, loop = setup()
        loop.play()
        await asyncio.sleep(0.05)
        threads = [threading.Thread(target=loop.post, args=(name, k)) for k in range(20) for name in ("eta", "step")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        while len([1 for n, _ in script.heard if n == "step"]) < 20:
            await asyncio.sleep(0.01)
        posted = threading.Thread(target=loop.post, args=("pause",))
        posted.start()
        await loop.wait()
        return script

    script = run(scene())
    assert script.threads == {threading.get_ident()}
    assert script.advanced > 0 and script.drawn > 0


def test_there_is_one_task_however_often_one_plays():
    async def scene():
        _, loop = setup()
        for _ in range(5):
            loop.play()
            await asyncio.sleep(0.01)
            loop.pause()
            loop.play()
        await asyncio.sleep(0.05)
        alive = [t for t in asyncio.all_tasks() if "_run" in repr(t.get_coro())]
        loop.close()
        await asyncio.sleep(0.05)
        rest = [t for t in asyncio.all_tasks() if "_run" in repr(t.get_coro())]
        return len(alive), len(rest)

    assert run(scene()) == (1, 0)


def test_what_breaks_stops_the_loop_and_comes_out_of_wait():
    async def scene():
        script, loop = setup()
        loop.play()
        await asyncio.sleep(0.02)
        loop.post("broken")
        with pytest.raises(RuntimeError, match="broken"):
            await loop.wait()
        assert not loop.playing
        loop.play()  # a new start forgets the error
        await asyncio.sleep(0.02)
        loop.pause()
        await loop.wait()
        return script

    assert run(scene()).drawn >= 2


def test_bad_input_of_a_control_is_told_and_the_run_goes_on():
    async def scene():
        script, loop = setup()
        loop.play()
        await asyncio.sleep(0.02)
        loop.post("bad input")
        await asyncio.sleep(0.05)
        playing = loop.playing
        loop.close()
        return script, playing

    script, playing = run(scene())
    assert playing and script.notices == ["no"]


@pytest.mark.parametrize("answers", [True, False])
def test_a_frame_waits_for_the_browser_but_not_for_ever(answers, monkeypatch):
    monkeypatch.setattr(live, "PATIENCE", 0.3)

    async def scene():
        script, loop = setup()
        if answers:
            loop.gate.observe(lambda change: loop.gate.set_state({"pong": change.new}), "ping")
        loop.play()
        await asyncio.sleep(1.0)
        drawn = script.drawn
        loop.close()
        return drawn

    drawn = run(scene())
    assert drawn >= 6 if answers else 1 <= drawn <= 5


@pytest.mark.parametrize(
    ("slice_of_learning", "calm", "frames"),
    [(0.013, False, 240), (0.031, False, 240), (0.08, False, 124), (0.013, True, 20)],
)
def test_frames_keep_their_rate_whatever_a_slice_of_learning_takes(slice_of_learning, calm, frames, monkeypatch):
    """Ten seconds of a clock that learning and drawing (1 ms) move: the asked rate, or what there is time for."""
    clock = SimpleNamespace(now=100.0, perf_counter=lambda: clock.now)
    monkeypatch.setattr(live, "time", clock)
    times = []

    async def scene():
        script, loop = setup()
        loop.gate.calm = calm
        loop.gate.observe(lambda change: loop.gate.set_state({"pong": change.new}), "ping")

        def spend(seconds):
            clock.now += seconds
            if clock.now > 110.0:
                loop.pause()

        def draw():
            times.append(clock.now)
            spend(0.001)

        script.advance, script.draw = lambda _: spend(slice_of_learning), draw
        loop.play()
        await loop.wait()

    run(scene())
    assert abs(len(times) - frames) <= 3
    assert min(b - a for a, b in itertools.pairwise(times[:-1])) >= 0.5 / live.FRAMES, "no two frames at once"


def test_echoes_are_few_and_no_change_of_pace_stops_the_frames():
    """The browser, as ECHO has it: what it has drawn is echoed once `stride` frames are new."""
    gate = FrameGate()

    def echo():
        if gate.ping - gate.pong >= gate.stride:
            gate.pong = gate.ping
            return 1
        return 0

    for rate in (2.0, 24.0, 8.0, 3.0, 24.0, 0.0, 12.0):
        gate.pace(rate)
        echo()  # of a change of stride, too
        echoes = 0
        for _ in range(60):
            assert gate.drawn, "with a browser that draws, the next frame may always be announced"
            gate.announce()
            echoes += echo()
        assert 60 // gate.stride - 1 <= echoes <= 60 // gate.stride + 1
        assert gate.stride == max(1, round(rate / 4))
    gate.pace(24.0)
    sent = 0
    while gate.drawn:  # the control: a browser that draws nothing
        gate.announce()
        sent += 1
    assert sent <= gate.stride + 1


BROWSER = """
const at = { ping: 0, pong: 0, stride: 3 }, heard = {}, frames = [], sent = [];
const model = {
  get: (name) => at[name], set: (name, value) => { at[name] = value; }, on: (name, call) => { heard[name] = call; },
  save_changes: () => sent.push(at.pong),
};
const tell = (name, value) => { at[name] = value; heard[`change:${name}`](); };
globalThis.requestAnimationFrame = (call) => frames.push(call);
globalThis.setTimeout = (call) => call();
const draw = () => frames.splice(0).forEach((call) => call());
initialize({ model });
for (let n = 1; n <= 7; n++) tell("ping", n); // seven frames before the browser draws: two echoes are due
const waiting = frames.length;
draw();
for (let n = 8; n <= 13; n++) { tell("ping", n); draw(); } // and each of these is drawn at once
tell("stride", 1); // 13 is not told yet: it is now
draw();
console.log(JSON.stringify({ waiting, sent }));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="NO NODE: the echo is seen in Chromium alone")
def test_the_browser_sends_each_echo_once():
    """A frame that was announced while an echo is on its way does not send a second one."""
    done = subprocess.run(["node", "-e", ECHO + BROWSER], capture_output=True, text=True, check=False)
    assert json.loads(done.stdout or "null") == {"waiting": 2, "sent": [3, 6, 9, 12, 13]}, done.stderr
