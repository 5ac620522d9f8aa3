"""A prediction asks before anything plays, keeps the answer, and sets it beside what came."""

import asyncio

import numpy as np
import pytest

from hlcore import HLError, experiments
from hlcore.lab import Cockpit, Predict, Sketch, Waves


def ask(panel=None, came="falls", **more):
    return Predict("Which way will the loss go?", ["falls", "rises"], came, "It learns.", panel, **more)


def press(widget, label):
    (button,) = [b for b in every(widget) if getattr(b, "description", "") == label]
    button.click()
    return button


def every(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from every(child)


@pytest.mark.parametrize("make", [lambda: Cockpit(experiments.get("iris-linear")), Waves])
def test_the_panel_waits_for_the_answer_and_says_why(make):
    panel = make()
    question = ask(panel)
    assert panel._play.disabled and panel._play.description == "Predict first"
    assert "Which way will the loss go?" in panel._play.tooltip
    with pytest.raises(HLError, match="Play waits"):
        panel.play()
    press(panel, "Step")
    assert "Play waits" in panel._alarm.value
    panel.step(3)  # the twin does not wait
    question.answer("rises")
    assert not panel._play.disabled and panel._play.description == "Play" and panel.waiting == ""
    press(panel, "Step")
    assert "Play waits" not in panel._alarm.value


def test_a_panel_shows_its_first_moment_alone_before_the_answer():
    waves = Waves()
    assert waves.at == waves.length
    ask(waves)
    assert waves.at == 1


def test_two_questions_are_two_answers():
    panel = Cockpit(experiments.get("iris-linear"))
    first, second = ask(panel), Predict("And θ?", ["moves", "stays"], "moves", panel=panel)
    first.answer("falls")
    assert "And θ?" in panel.waiting
    second.answer("moves")
    assert panel.waiting == ""


def test_the_answer_is_kept_and_compared():
    question = ask()
    assert question.said is question.came is question.right is None and question._reveal.disabled
    press(question, "rises")
    assert question.said == "rises" and not question._reveal.disabled and question.right is None
    press(question, "falls")  # it may change until the reveal
    press(question, "Reveal")
    assert question.right and "as you foresaw" in question._verdict.value and "It learns." in question._verdict.value
    with pytest.raises(HLError, match="before the reveal"):
        question.answer("rises")
    assert not ask().answer("rises").reveal().right


def test_what_came_is_found_out_when_it_is_asked_for():
    panel = Cockpit(experiments.get("tracker-sinusoid"))

    def came():
        loss = panel.run.recorder.window("loss")
        return None if len(loss) < 400 else "falls" if loss[-100:].mean() < 0.5 * loss[:100].mean() else "rises"

    question = ask(panel, came).answer("falls")
    with pytest.raises(HLError, match="play first"):
        question.reveal()
    press(question, "Reveal")
    assert "play first" in question._alarm.value and question.came is None
    panel.step(600)
    assert question.reveal().came == "falls" and question.right
    later = ask(came=lambda: not_yet_there).answer("falls")  # noqa: F821
    with pytest.raises(HLError, match="no not_yet_there yet, expected the cells below"):
        later.reveal()


def test_a_bad_question_and_a_bad_answer_are_told():
    with pytest.raises(HLError, match="two texts or more"):
        Predict("?", ["a", "a"], "a")
    with pytest.raises(HLError, match="two texts or more"):
        Predict("?", "ab", "a")
    with pytest.raises(HLError, match="what came"):
        Predict("?", ["a", "b"], "c")
    with pytest.raises(HLError, match="a panel that plays"):
        Predict("?", ["a", "b"], "a", panel="cockpit")
    question = ask()
    with pytest.raises(HLError, match="'falls'"):
        question.answer("fall")
    with pytest.raises(HLError, match="one first"):
        question.reveal()
    with pytest.raises(HLError, match="came"):
        ask(came=lambda: "else").answer("falls").reveal()
    with pytest.raises(HLError, match="least, largest"):
        Sketch("x", "y", (1, 0), (0, 1))


def sketched(came=lambda: ([0, 100], [1.0, 0.0])):
    return Predict("Draw the loss.", Sketch("step", "loss", (0, 100), (0, 1)), came)


def test_a_curve_is_drawn_and_compared():
    question = sketched()
    with pytest.raises(HLError, match="two or more"):
        question.answer([None, 1.0])
    question._answers.set_state({"drawn": [None, None, 1.0, *[None] * 37, 0.0]})
    press(question, "This is my curve")
    assert question.said.shape == (41,) and question.said[0] == 1 and question.said[-1] == 0
    assert (np.diff(question.said) <= 0).all()
    question.reveal()
    assert 0 < question.distance < 0.06 and question.right and len(question._answers.found) == 41
    other = sketched().answer([0.0, 1.0]).reveal()
    assert other.distance == pytest.approx(0.5, abs=0.02) and not other.right
    assert sketched(lambda: ([0, 100], [np.inf, 1e9])).answer([1, 1]).reveal().right, "what leaves the axes is cut"
    with pytest.raises(HLError, match="one length"):
        sketched(lambda: ([0, 1], [0])).answer([0, 1]).reveal()


def test_play_begins_after_the_answer_in_an_event_loop():
    async def scene():
        panel = Cockpit(experiments.get("iris-linear"))
        question = ask(panel)
        press(panel, "Predict first")
        await asyncio.sleep(0.1)
        before = panel.run.learner.steps
        press(question, "falls")
        await asyncio.sleep(0.1)
        press(panel, "Play")
        await asyncio.sleep(0.3)
        panel.pause()
        await panel.wait()
        return before, panel.run.learner.steps

    before, after = asyncio.run(asyncio.wait_for(scene(), 60))
    assert before == 0 and after > 10


def test_its_repr_is_constant():
    assert repr(ask()) == "Predict()"
