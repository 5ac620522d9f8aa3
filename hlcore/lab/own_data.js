// A button that chooses a CSV file; files dropped anywhere on the panel are taken, too.

function render({ model, el }) {
  const say = (text) => model.get("words")[text] || text; // in the language asked for: hlcore/words.py
  const field = document.createElement("input"), button = document.createElement("button");
  field.type = "file"; field.accept = ".csv,.tsv,.txt,text/csv"; field.hidden = true;
  button.className = "jupyter-button widget-button lm-Widget"; button.style.width = "auto";
  button.textContent = say("Own data (CSV) …");
  button.title = say("Choose a CSV file, or drop it anywhere on the panel: the network learns to foresee its next row");
  el.append(button, field);
  const take = async (file) => {
    if (!file) return;
    const small = file.size <= model.get("limit");
    model.send({ name: file.name, size: file.size }, undefined, small ? [await file.arrayBuffer()] : []);
  };
  let root = null, waits = 0;
  const over = (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault(); event.stopPropagation();
    root.style.outline = event.type === "dragover" ? "3px dashed var(--jp-brand-color1, Highlight)" : "";
    if (event.type === "drop") take(event.dataTransfer.files[0]);
  };
  const listen = () => {
    if (!(root = el.closest(".hl-panel"))) { waits = setTimeout(listen, 100); return; } // it is not there yet
    for (const what of ["dragover", "dragleave", "drop"]) root.addEventListener(what, over);
  };
  button.addEventListener("click", () => field.click());
  field.addEventListener("change", () => { take(field.files[0]); field.value = ""; });
  listen();
  return () => { clearTimeout(waits); for (const what of ["dragover", "dragleave", "drop"]) root?.removeEventListener(what, over); };
}

export default { render };
