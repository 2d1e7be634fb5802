// Charts as SVG, from the shapes of the static charts (crates/results/src/charts/drawing.rs says how they are written).

/**
 * @typedef {{
 *   title: string, line: string, width: number, height: number, head: number, legend: number | null,
 *   colours: string[], parts: [number, number, any[][]][], series: string[], columns: [string, string, string],
 *   panels: [string, string][],
 *   data: { at: number[], size: number[], series: number[], panel: number[], x: (number | string)[], value: number[],
 *           low: (number | null)[], high: (number | null)[], n: (number | null)[], note: string[] },
 * }} Drawing
 */

/** On a light page, and on a dark one. */
const ROLES = /** @type {Record<string, [string, string]>} */ ({
  text: ["#22262b", "#e4e7ea"],
  quiet: ["#575e66", "#a4acb4"],
  axis: ["#8a9199", "#7b838b"],
  grid: ["#e6e8eb", "#30353b"],
  empty: ["#f1f2f4", "#24282d"],
  paper: ["#ffffff", "#15181c"],
});
const FONT = "DejaVu Sans, Verdana, Arial, sans-serif";
const TWO_SCHEMES = typeof CSS !== "undefined" && CSS.supports("color", "light-dark(#000, #fff)");

/**
 * A colour that can be seen as a thin line on a dark page: mixed with white until its contrast is 4 to 1.
 * @param {string} colour
 */
function lighter(colour) {
  const parts = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  /** @param {number} share */
  const mixed = (share) => parts.map((part) => Math.round(part + (255 - part) * share));
  /** @param {number[]} rgb */
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let share = 0;
  while ((luminance(mixed(share)) + 0.05) / 0.0594 < 4 && share < 0.9) share += 0.05;
  return "#" + mixed(share).map((part) => part.toString(16).padStart(2, "0")).join("");
}

/**
 * Sets fill or stroke. Areas keep their colour on dark pages, marks are made lighter. `literal`: for a file, which is light.
 * @param {SVGElement} element
 * @param {"fill" | "stroke"} what
 * @param {string} written
 * @param {boolean} mark
 * @param {boolean} literal
 */
function ink(element, what, written, mark, literal) {
  const [name, opacity] = written.split("/");
  const [light, dark] = ROLES[name] || [name, mark ? lighter(name) : name];
  if (literal || !TWO_SCHEMES || light === dark) element.setAttribute(what, light);
  else element.style[what] = `light-dark(${light}, ${dark})`;
  if (opacity) element.setAttribute(what + "-opacity", opacity);
}

/** @param {number[]} points */
function path(points) {
  let text = "M";
  for (let at = 0; at < points.length; at += 2) text += (at ? "L" : "") + points[at] + " " + points[at + 1];
  return text;
}

/**
 * One shape.
 * @param {any[]} shape
 * @param {string[]} colours
 * @param {boolean} literal
 * @returns {SVGElement}
 */
function element(shape, colours, literal) {
  const [kind, colour, ...rest] = shape;
  let made;
  if (kind === 0) {
    const [width, ...lines] = rest;
    made = svg("path", { d: lines.map(path).join(""), fill: "none", "stroke-width": width });
    ink(made, "stroke", colours[colour], true, literal);
    return made;
  }
  if (kind === 1) {
    made = svg("path", { d: path(rest[0]) + "Z" });
  } else if (kind === 2) {
    const [x, y, width, height] = rest;
    made = svg("rect", { x, y, width: Math.max(width, 0), height: Math.max(height, 0) });
  } else if (kind === 3) {
    made = svg("circle", { cx: rest[0], cy: rest[1], r: rest[2] });
  } else {
    const [x, y, size, anchor, style, text] = rest;
    made = svg("text", { x, y, "font-size": size, dy: "0.36em", "text-anchor": ["start", "middle", "end"][anchor] }, text);
    if (style & 1) made.setAttribute("font-weight", "bold");
    if (style & 2) made.setAttribute("transform", `rotate(-90 ${x} ${y})`);
  }
  ink(made, "fill", colours[colour], kind !== 2 && kind !== 4, literal);
  return made;
}

/**
 * The chart as a file has it: light, with title and legend; series in `hidden` are left out.
 * @param {Drawing} drawing
 * @param {Set<number>} hidden
 */
function picture(drawing, hidden) {
  const { width, height } = drawing;
  const chart = svg("svg", { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}`, "font-family": FONT });
  chart.append(svg("title", {}, drawing.title), svg("rect", { width, height, fill: "#ffffff" }));
  for (const [series, key, shapes] of drawing.parts) {
    if (hidden.has(series) && !key) continue;
    const group = svg("g", hidden.has(series) ? { opacity: 0.25 } : {});
    for (const shape of shapes) group.append(element(shape, drawing.colours, true));
    chart.append(group);
  }
  return chart;
}

/**
 * The chart as the page has it: without title, line and legend, which are words and buttons there.
 * @param {Drawing} drawing
 * @returns {{ chart: SVGSVGElement, groups: Map<number, SVGGElement[]> }}
 */
function onPage(drawing) {
  const bottom = drawing.legend === null ? drawing.height : drawing.legend;
  const chart = svg("svg", { viewBox: `0 ${drawing.head} ${drawing.width} ${bottom - drawing.head}`, "font-family": FONT, role: "img" });
  const groups = /** @type {Map<number, SVGGElement[]>} */ (new Map());
  for (const [series, key, shapes] of drawing.parts) {
    if (key) continue;
    const group = svg("g");
    for (const shape of shapes) {
      if (shape[0] !== 4 || shape[3] > drawing.head) group.append(element(shape, drawing.colours, false));
    }
    chart.append(group);
    groups.set(series, [...(groups.get(series) || []), group]);
  }
  return { chart, groups };
}

/**
 * The sign before a name in the legend.
 * @param {Drawing} drawing
 * @param {any[][]} shapes
 */
function sign(drawing, shapes) {
  const drawn = shapes.filter((shape) => shape[0] !== 4);
  const [xs, ys] = [/** @type {number[]} */ ([]), /** @type {number[]} */ ([])];
  for (const [kind, , ...rest] of drawn) {
    const lines = kind === 0 ? rest.slice(1) : kind === 1 ? rest : [];
    for (const line of lines) line.forEach((/** @type {number} */ value, /** @type {number} */ at) => (at % 2 ? ys : xs).push(value));
    if (kind === 2) xs.push(rest[0], rest[0] + rest[2]), ys.push(rest[1], rest[1] + rest[3]);
    if (kind === 3) xs.push(rest[0] - rest[2], rest[0] + rest[2]), ys.push(rest[1] - rest[2], rest[1] + rest[2]);
  }
  const [left, width, middle] = [Math.min(...xs), Math.max(...xs) - Math.min(...xs), (Math.min(...ys) + Math.max(...ys)) / 2];
  const box = svg("svg", { width, height: 14, viewBox: `${left} ${middle - 7} ${width} 14`, "aria-hidden": "true" });
  for (const shape of drawn) box.append(element(shape, drawing.colours, false));
  return box;
}
