// The runs of a session as a table: a click on a heading sorts, on a name loads; pin and delete where they mean something.

function render({ model, el }) {
  const say = (text) => model.get("words")[text] || text; // in the language asked for: hlcore/words.py
  const table = document.createElement("table"), head = table.createTHead().insertRow(), body = table.createTBody();
  table.className = "hl-runs"; table.setAttribute("aria-label", say("runs of this session"));
  el.style.minWidth = "0"; el.classList.add("hl-scroll"); el.append(table);
  let by = null, down = false;
  const press = (text, title, what, id) => {
    const made = document.createElement("button");
    made.textContent = text; made.title = title; made.addEventListener("click", () => model.send({ what: made.dataset.what, id }));
    made.className = "jupyter-button"; made.dataset.what = what;
    return made;
  };
  const titles = model.get("columns").map((column, k) => {
    const cell = document.createElement("th"), made = document.createElement("button");
    cell.scope = "col"; made.textContent = column; made.title = `${say("sort by")}: ${column}`;
    made.addEventListener("click", () => { down = by === k ? !down : false; by = k; draw(); });
    cell.append(made); head.append(cell);
    return cell;
  });
  const last = document.createElement("td"); head.append(last);
  const known = new Map(); // id: its row
  const made = (one) => {
    const row = document.createElement("tr"), name = document.createElement("td"), act = document.createElement("td");
    const ink = document.createElement("i"), load = press("", "", "load", one.id);
    name.append(ink, load); row.append(name);
    for (let k = 1; k < titles.length; k++) row.append(document.createElement("td"));
    act.append(press(say("Pin"), say("a pinned fork stays when there are too many"), "pin", one.id), press(say("Delete"), say("let this run go"), "delete", one.id));
    row.append(act);
    return row;
  };
  const put = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  const draw = () => {
    const rows = model.get("rows").map((one, place) => ({ ...one, place }));
    if (by !== null) rows.sort((a, b) => {
      const [x, y] = [a, b].map((one) => one.sort[by]), less = x === null ? 1 : y === null ? -1 : x < y ? -1 : x > y ? 1 : a.place - b.place;
      return down && x !== null && y !== null ? -less : less; // what has no number stays last
    });
    titles.forEach((cell, k) => cell.setAttribute("aria-sort", k !== by ? "none" : down ? "descending" : "ascending"));
    for (const [id, row] of known) if (!rows.some((one) => one.id === id)) { row.remove(); known.delete(id); }
    rows.forEach((one, k) => {
      if (!known.has(one.id)) known.set(one.id, made(one));
      const row = known.get(one.id), [ink, load] = row.cells[0].children, [pin, gone] = row.lastChild.children;
      if (body.children[k] !== row) body.insertBefore(row, body.children[k] || null);
      ink.style.borderTop = one.ink; put(load, one.text[0]);
      load.disabled = !one.loads; load.title = one.loads ? `${one.text[6]}: ${say("this run takes the place of the one that is shown")}` : one.why;
      for (let c = 1; c < titles.length; c++) { put(row.cells[c], one.text[c]); row.cells[c].title = one.text[c]; }
      pin.hidden = one.pinned === null; gone.hidden = !one.deletes; put(pin, one.pinned ? say("Unpin") : say("Pin")); pin.dataset.what = one.pinned ? "unpin" : "pin";
    });
  };
  model.on("change:rows", draw);
  draw();
  return () => model.off("change:rows", draw);
}

export default { render };
