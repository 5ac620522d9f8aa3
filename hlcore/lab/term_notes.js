// The number of a term of the equations, in a note below it: while the pointer rests on it, or after a click, until the
// next click elsewhere or Esc. The equations are drawn anew now and then: the term is looked for by its name.

function render({ model, el }) {
  const note = document.createElement("div");
  note.className = "hl-note"; note.hidden = true; note.setAttribute("role", "note");
  let root = null, held = null, over = null, waits = 0;
  const show = () => {
    const name = over || held, text = name && model.get("numbers")[name.dataset.term];
    note.hidden = !text;
    if (!text) return;
    note.textContent = text;
    if (!name.isConnected) return; // it stays where it was
    const at = name.getBoundingClientRect(), box = root.getBoundingClientRect();
    note.style.left = `${Math.max(0, Math.min(at.left - box.left, box.width - note.offsetWidth - 4))}px`;
    note.style.top = `${at.bottom - box.top + 3}px`;
  };
  const term = (event) => event.target.closest?.(".hl-term");
  const hover = (event) => { over = term(event) || null; show(); };
  const click = (event) => { held = term(event) || null; show(); };
  const key = (event) => { if (event.key === "Escape") { held = over = null; show(); } };
  const listen = () => {
    if (!(root = el.closest(".hl-panel"))) { waits = setTimeout(listen, 100); return; }
    root.append(note);
    for (const [what, hear] of [["pointerover", hover], ["click", click], ["keydown", key]]) root.addEventListener(what, hear);
  };
  model.on("change:numbers", show);
  listen();
  return () => {
    clearTimeout(waits); note.remove(); model.off("change:numbers", show);
    for (const [what, hear] of [["pointerover", hover], ["click", click], ["keydown", key]]) root?.removeEventListener(what, hear);
  };
}

export default { render };
