// The button "Full screen", and the height of the window in which the panel lies, as --hl-room: JupyterLab scrolls its
// notebook in a box, a page of Voilà scrolls itself.

const LEAST = 460, MOST = 1200, MARGIN = 14;

function scroller(panel) {
  let found = null;
  for (let e = panel.parentElement; e && e !== document.body; e = e.parentElement) {
    if (/auto|scroll/.test(getComputedStyle(e).overflowY)) found = e; // the outermost: an output does not scroll
  }
  return found;
}

function render({ model, el }) {
  const say = (text) => model.get("words")[text] || text; // in the language asked for: hlcore/words.py
  const button = document.createElement("button");
  button.className = "jupyter-button widget-button lm-Widget hl-full";
  el.appendChild(button);
  const panel = () => el.closest(".hl-panel");
  let watched;
  const measure = () => {
    const mine = panel();
    if (!mine) return;
    const full = document.fullscreenElement === mine, box = scroller(mine);
    button.textContent = full ? say("Leave full screen") : say("Full screen");
    button.title = full ? say("Back into the notebook; so does Esc") : say("The panel alone, with larger letters; Esc leaves it");
    const height = full || !box ? window.innerHeight : box.clientHeight;
    mine.style.setProperty("--hl-room", `${full ? height : Math.min(MOST, Math.max(LEAST, height - MARGIN))}px`);
    mine.style.setProperty("--hl-zoom", full ? Math.min(2.2, Math.max(1.25, height / 576)) : 1);
    if (box && box !== watched) { look.observe(box); watched = box; }
  };
  const look = new ResizeObserver(() => requestAnimationFrame(measure));
  button.addEventListener("click", () => {
    (document.fullscreenElement ? document.exitFullscreen() : panel().requestFullscreen()).catch((error) => {
      button.title = String(error); // a page that forbids it
    });
  });
  document.addEventListener("fullscreenchange", measure);
  window.addEventListener("resize", measure);
  look.observe(el);
  measure();
  return () => {
    look.disconnect();
    document.removeEventListener("fullscreenchange", measure);
    window.removeEventListener("resize", measure);
  };
}

export default { render };
