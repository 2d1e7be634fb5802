// Tables that sort and filter. Small ones stand in the page; large ones are drawn a page of rows at a time.

const ROWS = 50;

/**
 * What a cell sorts by: the number that it begins with, or its text.
 * @param {string | number | null} cell
 * @returns {string | number}
 */
function sortKey(cell) {
  if (typeof cell === "number") return cell;
  const text = (cell || "").replaceAll(",", "").replace(/^[−]/, "-");
  const number = /^[+-]?\d+(\.\d+)?(?![\w:.-]*[a-z_])/i.exec(text);
  return number ? Number(number[0]) : text.toLowerCase();
}

/**
 * Numbers before texts.
 * @param {string | number} a
 * @param {string | number} b
 */
function compared(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === typeof b) return String(a).localeCompare(String(b), "en", { numeric: true });
  return typeof a === "number" ? -1 : 1;
}

/**
 * Makes headers into buttons; `sort` gets the column and 1 or −1.
 * @param {HTMLTableCellElement[]} headers
 * @param {(column: number, direction: number) => void} sort
 */
function sortButtons(headers, sort) {
  headers.forEach((header, column) => {
    const name = header.textContent || "";
    if (!name.trim()) return;
    const button = html("button", { type: "button" }, name);
    button.addEventListener("click", () => {
      const up = header.getAttribute("aria-sort") !== "ascending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", up ? "ascending" : "descending");
      sort(column, up ? 1 : -1);
    });
    header.replaceChildren(button);
  });
}

/**
 * Gives a table of the page sorting, and a filter and a file where it is long.
 * @param {HTMLTableElement} table
 */
function sortable(table) {
  const body = table.tBodies[0];
  const headers = Array.from(table.tHead?.rows[0]?.cells || []);
  if (!body || body.rows.length < 2) return;
  const rows = Array.from(body.rows);
  const names = headers.map((header) => (header.textContent || "").trim());
  /** @param {HTMLTableRowElement} row */
  const texts = (row) => Array.from(row.cells, (cell) => (cell.innerText || "").trim());
  sortButtons(headers, (column, direction) => {
    const keyed = rows.map((row) => /** @type {const} */ ([sortKey((row.cells[column]?.textContent || "").trim()), row]));
    keyed.sort((a, b) => direction * compared(a[0], b[0]));
    body.append(...keyed.map(([, row]) => row));
  });
  const name = table.dataset.name;
  if (!name) return;
  const tools = html("div", { class: "tools" });
  if (rows.length > 12) {
    const filter = html("input", { type: "search", placeholder: "rows with …" });
    const count = html("span", { class: "quiet", role: "status" });
    filter.addEventListener("input", () => {
      const wanted = filter.value.toLowerCase();
      rows.forEach((row) => (row.hidden = !(row.textContent || "").toLowerCase().includes(wanted)));
      count.textContent = wanted ? `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows` : "";
    });
    tools.append(labelled("Filter", filter), count);
  }
  const download = () => saveCsv(name, [names, ...Array.from(body.rows).filter((row) => !row.hidden).map(texts)]);
  tools.append(html("button", { type: "button", click: download }, "CSV", html("span", { class: "unseen" }, ` of ${name}`)));
  (table.closest(".wide") || table).before(tools);
}

/**
 * A table that draws a page of its rows.
 * @param {string} name
 * @param {string[]} header
 * @param {(string | number | null)[][]} rows
 */
function paged(name, header, rows) {
  let [shownRows, page] = [rows, 0];
  const headers = header.map((text) => html("th", { scope: "col" }, text));
  const body = html("tbody");
  const pages = pager("rows", ROWS, (to) => draw(to));
  /** @param {number} to */
  const draw = (to) => {
    page = to;
    const some = shownRows.slice(page * ROWS, (page + 1) * ROWS);
    body.replaceChildren(...some.map((row) => html("tr", {}, ...row.map((cell) => html("td", {}, typeof cell === "number" ? shown(cell) : cell)))));
    pages.show(page, shownRows.length);
  };
  sortButtons(headers, (column, direction) => {
    const keyed = shownRows.map((row) => /** @type {const} */ ([sortKey(row[column]), row]));
    keyed.sort((a, b) => direction * compared(a[0], b[0]));
    shownRows = keyed.map(([, row]) => row);
    draw(0);
  });
  const filter = html("input", { type: "search", placeholder: "rows with …" });
  filter.addEventListener("input", () => {
    const wanted = filter.value.toLowerCase();
    shownRows = rows.filter((row) => row.some((cell) => String(cell).toLowerCase().includes(wanted)));
    draw(0);
  });
  draw(0);
  return html("div", {},
    html("div", { class: "tools" },
      rows.length > ROWS ? labelled("Filter", filter) : null,
      html("button", { type: "button", click: () => saveCsv(name, [header, ...shownRows]) }, "CSV"),
      pages.box),
    html("div", { class: "wide tall", tabindex: 0, role: "region", "aria-label": name },
      html("table", {}, html("thead", {}, html("tr", {}, ...headers)), body)));
}

/**
 * Buttons that turn pages.
 * @param {string} what
 * @param {number} size
 * @param {(page: number) => void} turn
 */
function pager(what, size, turn) {
  let page = 0;
  const before = html("button", { type: "button", click: () => turn(page - 1) }, "‹ Previous");
  const after = html("button", { type: "button", click: () => turn(page + 1) }, "Next ›");
  const count = html("span", { class: "quiet", role: "status" });
  const box = html("span", { class: "tools" }, before, after, count);
  /**
   * @param {number} at
   * @param {number} all
   */
  const show = (at, all) => {
    page = at;
    before.disabled = at === 0;
    after.disabled = (at + 1) * size >= all;
    before.hidden = after.hidden = all <= size;
    const last = Math.min((at + 1) * size, all);
    count.textContent = all ? `${counted(at * size + 1)}–${counted(last)} of ${counted(all)} ${what}` : `no ${what}`;
  };
  return { box, show };
}
