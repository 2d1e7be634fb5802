// The browser of answers: what the unpruned model said, what a pruned one says.

/**
 * @typedef {{
 *   texts: string[], kinds: string[], flags: string[],
 *   cells: { model: string[], method: string[], removed: number[], task: string[], first: number[] },
 *   questions: { item: number[], prompt: number[], gold: number[], choices: number[], unanswerable: number[], said: number[],
 *                flags: number[], unsupported: number[] },
 *   rows: { question: number[], said: number[], flags: number[], unsupported: number[], changes: number[], right: number[] },
 * }} Items
 */

const CARDS = 10;
const LOSSES = 0x55555555;

/**
 * Builds the browser; returns what sets its filters from outside.
 * @param {HTMLElement} box
 * @param {Items} items
 */
function browser(box, items) {
  const { cells, rows } = items;
  const count = rows.said.length;
  const cellOf = new Uint32Array(count);
  cells.first.forEach((first, cell) => cellOf.fill(cell, first, cells.first[cell + 1] ?? count));
  let found = /** @type {Uint32Array} */ (new Uint32Array(0));
  const list = html("div", { class: "pairs" });
  const pages = pager("answers", CARDS, (page) => draw(page, true));
  /**
   * @param {number} page
   * @param {boolean} [turned]
   */
  const draw = (page, turned = false) => {
    const some = Array.from(found.subarray(page * CARDS, (page + 1) * CARDS));
    list.replaceChildren(...some.map((row) => card(items, cellOf[row], row)));
    pages.show(page, found.length);
    if (turned) box.scrollIntoView();
  };
  const controls = filters(items);
  const update = () => {
    found = selected(items, cellOf, controls.read());
    draw(0);
  };
  controls.form.addEventListener("input", update);
  controls.form.addEventListener("submit", (event) => event.preventDefault());
  const download = () => saveCsv("answers", table(items, cellOf, found));
  const tools = html("div", { class: "tools" }, pages.box, html("button", { type: "button", click: download }, "CSV", html("span", { class: "unseen" }, " of these answers")));
  box.replaceChildren(controls.form, tools, list);
  update();
  /** @param {Record<string, string>} wanted */
  return (wanted) => {
    controls.write(wanted);
    update();
  };
}

/**
 * The controls.
 * @param {Items} items
 */
function filters({ cells, rows, kinds }) {
  /** @param {(string | number)[]} values */
  const distinct = (values) => [...new Set(values)].sort((a, b) => compared(a, b)).map(String);
  /**
   * @param {string[]} values
   * @param {string} [unit]
   */
  const choice = (values, unit = "") => html("select", {}, html("option", { value: "" }, "all"), ...values.map((value) => html("option", { value }, value + unit)));
  const happened = rows.changes.reduce((all, changes) => all | changes, 0);
  const kind = html("select", {},
    html("option", { value: "" }, "all"),
    html("option", { value: "worse" }, "any change for the worse"),
    html("option", { value: "differs" }, "any other answer"),
    ...kinds.map((name, at) => (happened & (1 << at) ? html("option", { value: at }, name) : null)));
  const controls = /** @type {Record<string, HTMLSelectElement | HTMLInputElement>} */ ({
    model: choice(distinct(cells.model)),
    task: choice(distinct(cells.task)),
    method: choice(distinct(cells.method)),
    removed: choice(distinct(cells.removed), " %"),
    change: kind,
    words: html("input", { type: "search", placeholder: "in prompt, answer or gold" }),
    order: html("select", {},
      html("option", { value: "" }, "as evaluated"),
      html("option", { value: "removed" }, "by share removed"),
      html("option", { value: "item" }, "by item")),
  });
  const names = /** @type {Record<string, string>} */ ({ model: "Model", task: "Task", method: "Method", removed: "Removed", change: "Change", words: "Words", order: "Order" });
  const form = html("form", { class: "tools", role: "search", "aria-label": "Answers" },
    ...Object.entries(controls).map(([key, control]) => labelled(names[key], control, key === "words" || key === "task" ? "" : "short")));
  if (happened & 1) kind.value = "0";
  return {
    form,
    read: () => /** @type {Record<string, string>} */ (Object.fromEntries(Object.entries(controls).map(([key, control]) => [key, control.value]))),
    /** @param {Record<string, string>} wanted */
    write: (wanted) => {
      for (const [key, control] of Object.entries(controls)) {
        const value = key === "change" && wanted.change ? String(kinds.indexOf(wanted.change)) : wanted[key] || "";
        control.value = value;
        if (control.value !== value) control.value = "";
      }
    },
  };
}

/**
 * Rows that pass the filters, in the order asked for.
 * @param {Items} items
 * @param {Uint32Array} cellOf
 * @param {Record<string, string>} wanted
 */
function selected({ texts, cells, questions, rows }, cellOf, wanted) {
  const passing = cells.first.map((_, cell) =>
    (!wanted.model || cells.model[cell] === wanted.model) && (!wanted.task || cells.task[cell] === wanted.task) &&
    (!wanted.method || cells.method[cell] === wanted.method) && (!wanted.removed || String(cells.removed[cell]) === wanted.removed));
  const mask = wanted.change === "worse" ? LOSSES : wanted.change === "" || wanted.change === "differs" ? 0 : 1 << Number(wanted.change);
  const sought = wanted.words.toLowerCase();
  const has = sought ? texts.map((text) => text.toLowerCase().includes(sought)) : [];
  /** @param {number} row */
  const speaks = (row) => {
    const asked = rows.question[row];
    return has[rows.said[row]] || has[questions.said[asked]] || has[questions.prompt[asked]] || has[questions.gold[asked]] || has[questions.item[asked]];
  };
  const found = [];
  for (let row = 0; row < rows.said.length; row++) {
    if (!passing[cellOf[row]] || (mask && !(rows.changes[row] & mask))) continue;
    if (wanted.change === "differs" && rows.said[row] === questions.said[rows.question[row]]) continue;
    if (!sought || speaks(row)) found.push(row);
  }
  if (wanted.order === "removed") found.sort((a, b) => cells.removed[cellOf[a]] - cells.removed[cellOf[b]] || a - b);
  if (wanted.order === "item") found.sort((a, b) => rows.question[a] - rows.question[b] || a - b);
  return Uint32Array.from(found);
}

/**
 * Names of the bits that are set.
 * @param {number} bits
 * @param {string[]} names
 */
function named(bits, names) {
  return names.filter((_, at) => bits & (1 << at));
}

/**
 * One pair of answers.
 * @param {Items} items
 * @param {number} cell
 * @param {number} row
 */
function card(items, cell, row) {
  const { texts, cells, questions, rows, kinds } = items;
  const asked = rows.question[row];
  /** @param {number} place */
  const lines = (place) => (texts[place] ? texts[place].split("\n") : []);
  const [before, after] = [words(texts[questions.said[asked]]), words(texts[rows.said[row]])];
  const [inBefore, inAfter] = shared(before, after);
  const right = rows.right[row];
  const gold = lines(questions.gold[asked]);
  const method = `${cells.method[cell]}, ${shown(cells.removed[cell])} % removed`;
  const chips = kinds.map((name, at) => (rows.changes[row] & (1 << at) ? html("span", { class: at % 2 ? "chip won" : "chip lost" }, name) : null));
  const options = lines(questions.choices[asked]);
  return html("article", { class: "pair" },
    html("h3", {}, texts[questions.item[asked]] || "item"),
    html("p", { class: "where" }, `${cells.task[cell]} · ${cells.model[cell]} · ${method} `, ...chips),
    html("p", { class: "said prompt", tabindex: 0, role: "group", "aria-label": "Prompt" }, texts[questions.prompt[asked]] || "(no prompt)"),
    html("dl", {},
      ...(options.length ? [html("dt", {}, "Choices"), html("dd", {}, options.join(" · "))] : []),
      html("dt", {}, "Gold"),
      html("dd", {}, gold.length ? gold.join(" · ") : questions.unanswerable[asked] ? "No answer is right: to decline is." : "–")),
    html("div", { class: "sides" },
      side(items, "Unpruned", Math.floor(right / 3), marked(before, inBefore, lines(questions.unsupported[asked])), questions.flags[asked], lines(questions.unsupported[asked])),
      side(items, method, right % 3, marked(after, inAfter, lines(rows.unsupported[row])), rows.flags[row], lines(rows.unsupported[row]))));
}

/**
 * @param {Items} items
 * @param {string} who
 * @param {number} right
 * @param {Child[]} said
 * @param {number} flags
 * @param {string[]} unsupported
 */
function side({ flags: names }, who, right, said, flags, unsupported) {
  const state = ["", "wrong", "right"][right];
  const remarks = named(flags, names).map((name) => name.replaceAll("_", " "));
  const below = [remarks.join(", "), unsupported.length ? `unsupported: ${unsupported.join(", ")}` : ""].filter(Boolean).join(" · ");
  return html("section", { class: "side" },
    html("h4", {}, who + " ", state ? html("span", { class: right === 2 ? "chip won" : "chip lost" }, state) : null),
    html("p", { class: "said" }, ...(said.length ? said : [html("span", { class: "quiet" }, "(nothing)")])),
    below ? html("p", { class: "below" }, below) : null);
}

/**
 * Rows for a file.
 * @param {Items} items
 * @param {Uint32Array} cellOf
 * @param {Uint32Array} found
 * @returns {(string | number)[][]}
 */
function table({ texts, cells, questions, rows, kinds, flags }, cellOf, found) {
  const header = ["model", "method", "removed, %", "task", "item", "changes", "prompt", "gold", "unpruned", "pruned", "unsupported", "flags"];
  const lines = Array.from(found, (row) => {
    const [cell, asked] = [cellOf[row], rows.question[row]];
    return [
      cells.model[cell], cells.method[cell], cells.removed[cell], cells.task[cell], texts[questions.item[asked]], named(rows.changes[row], kinds).join("; "),
      texts[questions.prompt[asked]], texts[questions.gold[asked]], texts[questions.said[asked]], texts[rows.said[row]],
      texts[rows.unsupported[row]], named(rows.flags[row], flags).join("; "),
    ];
  });
  return [header, ...lines];
}
