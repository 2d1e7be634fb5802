// Elements. Text from data becomes text nodes and attributes, never markup.

/** @typedef {Node | string | number | null} Child */

/**
 * Gives an element attributes and children. `on` before a name adds a listener; `false` leaves an attribute out.
 * @template {Element} T
 * @param {T} element
 * @param {Record<string, any>} attributes
 * @param {Child[]} children
 * @returns {T}
 */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false && value !== null) element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) {
    if (child !== null) element.append(typeof child === "number" ? String(child) : child);
  }
  return element;
}

/**
 * An HTML element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [attributes]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
function html(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/**
 * An SVG element.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [attributes]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[K]}
 */
function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/**
 * A labelled control.
 * @param {string} name
 * @param {HTMLElement} control
 * @param {string} [kind]
 */
function labelled(name, control, kind = "") {
  return html("label", { class: kind }, name, control);
}

/** What waits for the browser to be idle, in the order of the page. */
const waiting = /** @type {(() => void)[]} */ ([]);

/**
 * Runs once: when an element comes near the window, or before printing, or else when there is nothing else to do, one after another.
 * @param {Element} element
 * @param {() => void} run
 */
function whenNear(element, run) {
  let done = false;
  const once = () => {
    if (done) return;
    done = true;
    watch.disconnect();
    run();
  };
  const watch = new IntersectionObserver((seen) => seen.some((entry) => entry.isIntersecting) && once(), { rootMargin: "800px" });
  watch.observe(element);
  addEventListener("beforeprint", once);
  if (waiting.push(once) === 1) whenIdle();
}

function whenIdle() {
  const next = () => {
    waiting.shift()?.();
    if (waiting.length) whenIdle();
  };
  if ("requestIdleCallback" in window) requestIdleCallback(next);
  else setTimeout(next, 50);
}

/** @param {number} count */
function counted(count) {
  return count.toLocaleString("en");
}

/**
 * A number as a reader wants it: four significant digits.
 * @param {number} value
 */
function shown(value) {
  return String(Number(value.toPrecision(4)));
}
