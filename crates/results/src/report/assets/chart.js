// A chart that answers: the value under the pointer or the arrow keys, series on and off, files.

/**
 * Draws a chart into its figure.
 * @param {HTMLElement} figure
 * @param {Drawing} drawing
 */
function showChart(figure, drawing) {
  const name = figure.dataset.name || "chart";
  const hidden = /** @type {Set<number>} */ (new Set());
  const { chart, groups } = onPage(drawing);
  chart.setAttribute("aria-label", figure.dataset.alternative || drawing.title);
  const plot = html("div", { class: "plot", tabindex: 0, role: "group", "aria-label": `${drawing.title}. Arrow keys read the values.` }, chart);
  const redraw = () => groups.forEach((all, series) => all.forEach((group) => (group.style.display = hidden.has(series) ? "none" : "")));
  pointing(plot, chart, drawing, hidden);
  figure.append(plot);
  const entries = drawing.parts.filter(([, key]) => key);
  if (entries.length) figure.append(legend(drawing, entries, hidden, redraw));
  figure.append(
    html("div", { class: "tools" },
      html("button", { type: "button", click: () => saveSvg(name, picture(drawing, hidden)) }, "SVG"),
      html("button", { type: "button", click: () => savePng(name, picture(drawing, hidden)) }, "PNG"),
      html("button", { type: "button", click: () => saveCsv(name, rowsOf(drawing, hidden)) }, "CSV"),
      html("span", { class: "unseen" }, ` of ${drawing.title}`)),
    numbers(drawing, hidden),
  );
}

/**
 * @param {Drawing} drawing
 * @param {[number, number, any[][]][]} entries
 * @param {Set<number>} hidden
 * @param {() => void} redraw
 */
function legend(drawing, entries, hidden, redraw) {
  const box = html("div", { class: "legend", role: "group", "aria-label": "Show or hide" });
  for (const [series, , shapes] of entries) {
    const button = html("button", { type: "button", "aria-pressed": "true" }, sign(drawing, shapes), drawing.series[series]);
    button.addEventListener("click", () => {
      const off = !hidden.delete(series);
      if (off) hidden.add(series);
      button.setAttribute("aria-pressed", String(!off));
      redraw();
    });
    box.append(button);
  }
  return box;
}

/**
 * What the chart shows, as a table.
 * @param {Drawing} drawing
 * @param {Set<number>} hidden
 */
function rowsOf(drawing, hidden) {
  const { data, panels, columns } = drawing;
  const header = ["where", columns[0], columns[1], columns[2], "unit", "low", "high", "n", "remark"];
  const rows = data.value.map((value, at) => {
    const [panel, unit] = panels[data.panel[at]] || ["", ""];
    return [panel, drawing.series[data.series[at]] || "", data.x[at], value, unit, data.low[at], data.high[at], data.n[at], data.note[at] || ""];
  });
  return [header, ...rows.filter((_, at) => !hidden.has(data.series[at]))];
}

/**
 * @param {Drawing} drawing
 * @param {Set<number>} hidden
 */
function numbers(drawing, hidden) {
  const box = html("details", {}, html("summary", { class: "small" }, "The numbers as a table"));
  box.addEventListener("toggle", () => {
    while (box.children.length > 1) box.lastChild?.remove();
    if (!box.open) return;
    const [header, ...rows] = rowsOf(drawing, hidden);
    box.append(paged(drawing.title, header.map(String), rows));
  });
  return box;
}

/**
 * One value in words.
 * @param {Drawing} drawing
 * @param {number} at
 * @returns {[string, string]}
 */
function reading(drawing, at) {
  const { data, columns } = drawing;
  const [panel, unit] = drawing.panels[data.panel[at]] || ["", ""];
  const x = data.x[at];
  const [low, high, n] = [data.low[at], data.high[at], data.n[at]];
  const [x_name, x_unit] = columns[1].split(", ");
  const words = [
    `${x_name} ${typeof x === "number" ? shown(x) : x}${x_unit ? " " + x_unit : ""}: ${shown(data.value[at])} ${unit}`.trim(),
    low === null || high === null ? "" : `95 % interval ${shown(low)} to ${shown(high)}`,
    n === null ? "" : `n = ${shown(n)}`,
    data.note[at] || "",
  ];
  return [[drawing.series[data.series[at]], panel].filter(Boolean).join(" · "), words.filter(Boolean).join("; ")];
}

/**
 * Shows the value that a pointer or the arrow keys choose.
 * @param {HTMLElement} plot
 * @param {SVGSVGElement} chart
 * @param {Drawing} drawing
 * @param {Set<number>} hidden
 */
function pointing(plot, chart, drawing, hidden) {
  const { data } = drawing;
  const bubble = html("div", { class: "bubble", hidden: true });
  const spoken = html("p", { class: "unseen", "aria-live": "polite" });
  const mark = svg("rect", { class: "mark", visibility: "hidden" });
  chart.append(mark);
  plot.append(bubble, spoken);
  let current = -1;
  const leave = () => {
    current = -1;
    bubble.hidden = true;
    mark.setAttribute("visibility", "hidden");
  };
  /** @param {number} at */
  const show = (at) => {
    if (at === current) return;
    if (at < 0) return leave();
    current = at;
    const [head, words] = reading(drawing, at);
    bubble.replaceChildren(html("strong", {}, head), words);
    bubble.hidden = false;
    const [x, y, width, height] = box(data, at);
    for (const [side, value] of Object.entries({ x, y, width, height, rx: data.size.length ? 0 : 9 })) mark.setAttribute(side, String(value));
    mark.setAttribute("visibility", "visible");
    place(plot, chart, bubble, drawing, [x + width / 2, y + height]);
  };
  chart.addEventListener("pointermove", (event) => {
    const frame = chart.getScreenCTM();
    if (frame) show(nearest(drawing, hidden, new DOMPoint(event.clientX, event.clientY).matrixTransform(frame.inverse())));
  });
  chart.addEventListener("pointerleave", leave);
  plot.addEventListener("blur", leave);
  plot.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return leave();
    const next = step(drawing, hidden, current, event.key);
    if (next === null) return;
    event.preventDefault();
    show(next);
    spoken.textContent = reading(drawing, next).join(": ");
  });
}

/**
 * What shows a datum: left, top, width, height.
 * @param {Drawing["data"]} data
 * @param {number} at
 */
function box(data, at) {
  const [width, height] = data.size.length ? [data.size[2 * at], data.size[2 * at + 1]] : [18, 18];
  return [data.at[2 * at] - width / 2, data.at[2 * at + 1] - height / 2, width, height];
}

/**
 * Puts the bubble below a place, inside of the plot.
 * @param {HTMLElement} plot
 * @param {SVGSVGElement} chart
 * @param {HTMLElement} bubble
 * @param {Drawing} drawing
 * @param {[number, number]} at
 */
function place(plot, chart, bubble, drawing, [x, y]) {
  const scale = chart.clientWidth / drawing.width;
  const left = Math.min(x * scale + 8, plot.scrollLeft + plot.clientWidth - bubble.offsetWidth - 4);
  const below = (y - drawing.head) * scale + 6;
  const above = below - bubble.offsetHeight - 36;
  bubble.style.left = Math.max(plot.scrollLeft, left) + "px";
  bubble.style.top = (below + bubble.offsetHeight > chart.clientHeight && above > 0 ? above : below) + "px";
}

/**
 * The visible datum under or next to a point; −1 for none within 28 px.
 * @param {Drawing} drawing
 * @param {Set<number>} hidden
 * @param {{ x: number, y: number }} point
 */
function nearest({ data }, hidden, { x, y }) {
  let [found, least] = [-1, 28];
  for (let at = 0; at < data.value.length; at++) {
    if (hidden.has(data.series[at])) continue;
    const [left, top, width, height] = box(data, at);
    if (data.size.length) {
      if (x >= left && x <= left + width && y >= top && y <= top + height) return at;
      continue;
    }
    const distance = Math.hypot(x - data.at[2 * at], y - data.at[2 * at + 1]);
    if (distance < least) [found, least] = [at, distance];
  }
  return found;
}

/**
 * Where an arrow key leads: left and right along a series, up and down to the next one. `null` for other keys.
 * @param {Drawing} drawing
 * @param {Set<number>} hidden
 * @param {number} current
 * @param {string} key
 */
function step({ data }, hidden, current, key) {
  const moves = /** @type {Record<string, number>} */ ({ ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 });
  if (!(key in moves)) return null;
  const visible = data.value.map((_, at) => at).filter((at) => !hidden.has(data.series[at]));
  if (!visible.length) return null;
  if (current < 0) return visible[0];
  /** @param {number} at */
  const line = (at) => `${data.panel[at]} ${data.series[at]}`;
  const lines = [...new Set(visible.map(line))];
  const along = visible.filter((at) => line(at) === line(current));
  if (key === "ArrowRight" || key === "ArrowLeft") {
    return along[Math.min(Math.max(along.indexOf(current) + moves[key], 0), along.length - 1)];
  }
  const other = lines[(lines.indexOf(line(current)) + moves[key] + lines.length) % lines.length];
  const there = visible.filter((at) => line(at) === other);
  return there[Math.min(along.indexOf(current), there.length - 1)];
}
