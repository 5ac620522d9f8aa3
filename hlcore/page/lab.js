// The lab as a page: the tracker, the valley, the directions of time, and the way into the whole lab.

const { el } = parts;
const made = tracker();

document.body.append(
  el("header", {}, el("h1", { word: "title" }), el("p", { word: "subtitle" }), parts.languageSwitch()),
  el("main", {}, made.place,
    el("div", { class: "pair" }, valley(), directions()),
    el("section", {}, el("h2", { word: "whole lab" }), el("p", { word: "whole lab words" }),
      el("pre", {}, "make lab"),
      el("p", { word: "paper" }), el("p", { class: "soft", word: "keys" }))));
document.documentElement.lang = document.querySelector("[aria-pressed=true][lang]").lang;

export default made;
