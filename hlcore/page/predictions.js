// Three predictions, asked before anything moves: a question, its answers, the scene that answers it, and what came.

// before: steps under the experiment's own settings; change: then; watch: steps to see, at `speed` a second
const SCENES = [
  { id: "soon", answers: ["day", "weeks", "year"], before: 24, watch: 460, speed: 110 },
  { id: "friction", answers: ["calm", "slow", "breaks"], before: 600, change: "diverges", watch: 900, speed: 220 },
  { id: "sign", answers: ["same", "slow", "climbs"], before: 600, change: { s: 1 }, watch: 120, speed: 40 },
];
const HOURS = [24, 336, 8760]; // of a day, two weeks, a year

// what came: which answer, and the numbers of its sentence; null as long as nothing can be seen
const CAME = {
  soon(run, seen) { // the first step from which the mean of 100 is below what "as an hour ago" costs
    const means = rows.smooth(run.last("L", run.steps), run.steps), x = run.told.series;
    const naive = x.slice(1).reduce((sum, v, k) => sum + (v - x[k]) ** 2, 0) / (x.length - 1);
    const first = means.findIndex((mean, k) => k >= 99 && mean < naive) + 1;
    if (!first) return null;
    const far = HOURS.map((hours) => Math.abs(Math.log(first / hours)));
    return { answer: SCENES[0].answers[far.indexOf(Math.min(...far))], named: { steps: first } };
  },
  friction(run, seen) {
    const before = run.mean(100);
    if (run.stopped || before > 10) return { answer: "breaks", named: { loss: parts.short(rows3(before)) } };
    return seen < SCENES[1].watch ? null : { answer: before < 0.01 ? "calm" : "slow", named: { loss: parts.short(rows3(before)) } };
  },
  sign(run, seen) {
    const mean = run.mean(Math.min(seen, 100));
    if (run.stopped || mean > 10) return { answer: "climbs", named: { loss: parts.short(rows3(mean)) } };
    return seen < SCENES[2].watch ? null : { answer: mean < 0.01 ? "same" : "slow", named: { loss: parts.short(rows3(mean)) } };
  },
};
const rows3 = (v) => Number(v.toPrecision(2));

// the card: `stage(scene)` sets the run up and plays it; `open()` is called when the last one is done or they are skipped
function predictions(run, stage, open) {
  const { el, say } = parts, place = el("section", { class: "card ask" });
  let at = 0, said = null, from = 0, came = null;
  const show = () => {
    if (at >= SCENES.length) { place.remove(); return; }
    const scene = SCENES[at], head = el("div", { class: "ask-head" }, el("b", { class: "count" }, `${at + 1}/3`), el("span", {}, say(`ask ${scene.id}`)));
    const buttons = scene.answers.map((answer) => {
      const state = came && answer === came.answer ? " right" : came && answer === said ? " wrong" : answer === said ? " said" : "";
      return el("button", { class: `answer${state}`, disabled: said !== null, onclick: () => choose(answer) }, say(`answer ${scene.id} ${answer}`));
    });
    const rest = came
      ? [el("p", { class: "verdict", role: "status" }, el("b", {}, say(came.answer === said ? "ask right" : "ask other")), " ", say(`told ${scene.id}`, came.named)),
         el("button", { class: "go", onclick: next }, say(at < SCENES.length - 1 ? "ask next" : "ask done"))]
      : [el("p", { class: "verdict soft", role: "status" }, said === null ? "" : say("ask watch")),
         el("button", { class: "quiet", onclick: skip }, say("ask skip"))];
    place.replaceChildren(head, el("div", { class: "answers" }, ...buttons), el("div", { class: "ask-foot" }, ...rest));
  };
  const choose = (answer) => { said = answer; stage(SCENES[at], () => { from = run().steps; }); show(); };
  const next = () => { at += 1; said = came = null; if (at >= SCENES.length) open(); show(); };
  const skip = () => { at = SCENES.length; open(); show(); };
  const look = () => { // after every burst of steps; true while there is more to see
    if (said === null || came !== null || at >= SCENES.length) return true;
    came = CAME[SCENES[at].id](run(), run().steps - from);
    if (came) show();
    return !came;
  };
  parts.onLanguage(show); show();
  return { place, look, skip: () => { if (at < SCENES.length) skip(); } };
}

export default { predictions, SCENES, CAME };
