// The panel for everyone: its keys, the map of them on "?", words for those who listen, and whether motion is unwanted.
// `initialize`, which echoes frames, stands before this text: lab/jupyter.py.

const speaking = (model) => (text) => model.get("words")?.[text] || text; // in the language asked for: hlcore/words.py
const NAMES = { " ": "Space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };
const WALK = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];

// whether the element under focus wants this key for itself
function taken(target, key) {
  if (target.closest("input:not([type=checkbox]), textarea, select, [contenteditable=true]")) return true;
  if (key === " " && target.closest("button, input, [role=tab], a, summary")) return true;
  return WALK.includes(key) && target.closest("[role=slider], [role=tab], [role=listbox]") !== null;
}

function render({ model, el }) {
  const say = speaking(model);
  const said = document.createElement("div"), map = document.createElement("div");
  said.className = "hl-said"; said.setAttribute("aria-live", "polite");
  map.className = "hl-keymap"; map.hidden = true; map.tabIndex = -1;
  map.setAttribute("role", "dialog"); map.setAttribute("aria-label", say("Keys of this panel"));
  el.classList.add("hl-keyboard"); el.append(said);
  let root = null, waits = 0;

  const show = (open) => {
    const rows = [...Object.entries(model.get("keymap")), ...(root.querySelector(".hl-full") ? [["F", say("full screen")]] : []), ["?", say("this map, and away with it")]];
    map.replaceChildren(...rows.map(([key, words]) => {
      const line = document.createElement("div"), cap = document.createElement("kbd"), text = document.createElement("span");
      cap.textContent = say(NAMES[key] || key); text.textContent = words; line.append(cap, text);
      return line;
    }));
    map.hidden = !open;
    (open ? map : root).focus();
  };
  const press = (event) => {
    const key = event.key.length === 1 ? event.key.toUpperCase() : event.key;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || taken(event.target, key)) return;
    if (key === "?") show(map.hidden);
    else if (key === "Escape" && !map.hidden) show(false);
    else if (key === "F" && root.querySelector(".hl-full")) root.querySelector(".hl-full").click();
    else if (model.get("keymap")[key] !== undefined) model.send({ key });
    else return;
    event.preventDefault(); event.stopPropagation();
  };
  const listen = () => {
    if (!(root = el.closest(model.get("within")))) { waits = setTimeout(listen, 100); return; } // it is not there yet
    root.tabIndex = 0; root.lang = model.get("lang"); root.setAttribute("role", "group"); root.setAttribute("aria-label", model.get("about"));
    root.dataset.lmSuppressShortcuts = "true"; // JupyterLab's own keys rest while the focus is in here
    root.append(map);
    root.addEventListener("keydown", press);
    name(); added.observe(root, { childList: true, subtree: true });
  };
  const name = () => { // what a control is called where its label is another element: its tip
    for (const e of root.querySelectorAll("input, select, textarea, .noUi-handle")) {
      const whole = e.closest(".widget-inline-hbox, .widget-hslider, .jupyter-widgets") || e;
      const tip = [e, whole, ...whole.querySelectorAll("[title]"), ...whole.parentElement.querySelectorAll(".hl-label [title]")]
        .map((one) => one.title).find(Boolean) || e.placeholder;
      if (tip && !e.getAttribute("aria-label") && !e.labels?.[0]?.innerText) { e.setAttribute("aria-label", tip); e.removeAttribute("aria-labelledby"); }
    }
  };
  const added = new MutationObserver((changes) => { if (changes.some((c) => [...c.addedNodes].some((n) => n.querySelector))) name(); });
  const speak = () => { said.textContent = model.get("said"); };
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  const rest = () => { if (model.get("calm") !== still.matches) { model.set("calm", still.matches); model.save_changes(); } };
  model.on("change:said", speak);
  still.addEventListener("change", rest);
  rest();
  listen();
  return () => {
    clearTimeout(waits); map.remove(); added.disconnect(); model.off("change:said", speak);
    still.removeEventListener("change", rest); root?.removeEventListener("keydown", press);
  };
}

export default { initialize, render };
