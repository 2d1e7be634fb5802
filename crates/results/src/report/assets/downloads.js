// Files for the reader: made here, kept nowhere.

/**
 * Offers a file.
 * @param {string} name
 * @param {Blob} content
 */
function save(name, content) {
  const address = URL.createObjectURL(content);
  html("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}

/**
 * Rows as CSV. A text that a spreadsheet would take for a formula gets a `'` before it (OWASP ASVS 1.2.10), as in the tables
 * beside the page; numbers are numbers.
 * @param {(string | number | null)[][]} rows
 */
function csv(rows) {
  /** @param {string | number | null} cell */
  const written = (cell) => {
    if (cell === null) return "";
    if (typeof cell === "number") return String(cell);
    const text = /^[=+\-@\t\r]/.test(cell) ? "'" + cell : cell;
    return /[",\n\r]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  };
  return rows.map((row) => row.map(written).join(",") + "\r\n").join("");
}

/**
 * @param {string} name
 * @param {(string | number | null)[][]} rows
 */
function saveCsv(name, rows) {
  save(name + ".csv", new Blob([csv(rows)], { type: "text/csv" }));
}

/**
 * @param {string} name
 * @param {SVGSVGElement} chart
 */
function saveSvg(name, chart) {
  save(name + ".svg", new Blob([new XMLSerializer().serializeToString(chart)], { type: "image/svg+xml" }));
}

/**
 * Twice as many pixels as the chart has CSS pixels, as the files beside the page.
 * @param {string} name
 * @param {SVGSVGElement} chart
 */
async function savePng(name, chart) {
  const [width, height] = ["width", "height"].map((side) => Number(chart.getAttribute(side)) * 2);
  const picture = new Image(width, height);
  picture.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(new XMLSerializer().serializeToString(chart));
  await picture.decode();
  const canvas = html("canvas", { width, height });
  const context = canvas.getContext("2d");
  if (!context) return;
  context.drawImage(picture, 0, 0, width, height);
  canvas.toBlob((file) => file && save(name + ".png", file), "image/png");
}
