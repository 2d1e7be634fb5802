// Which words of two answers differ, and where unsupported names and numbers stand.

/** Products of word counts beyond which texts are not compared. */
const MOST_WORDS = 1000000;

/**
 * Words and the white space between them, in turn.
 * @param {string} text
 */
function words(text) {
  return text.split(/(\s+)/).filter((part) => part !== "");
}

/**
 * Of each part of both texts, whether the other has it too, in order (longest common subsequence).
 * @param {string[]} a
 * @param {string[]} b
 * @returns {[boolean[], boolean[]]}
 */
function shared(a, b) {
  /** @type {[boolean[], boolean[]]} */
  const found = [a.map(() => false), b.map(() => false)];
  const [width, all] = [b.length + 1, (a.length + 1) * (b.length + 1)];
  if (all > MOST_WORDS) return found;
  const longest = new Uint32Array(all);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      longest[i * width + j] =
        a[i] === b[j] ? longest[(i + 1) * width + j + 1] + 1 : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
    }
  }
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) {
      found[0][i++] = found[1][j++] = true;
    } else if (longest[(i + 1) * width + j] >= longest[i * width + j + 1]) {
      i++;
    } else {
      j++;
    }
  }
  return found;
}

/**
 * A text with marks: words that the other answer lacks, and unsupported parts.
 * @param {string[]} parts
 * @param {boolean[]} kept
 * @param {string[]} unsupported
 */
function marked(parts, kept, unsupported) {
  const text = parts.join("");
  const marks = new Uint8Array(text.length);
  let start = 0;
  parts.forEach((part, at) => {
    // White space between two words that differ is marked with them.
    const between = !part.trim() && at > 0 && at + 1 < parts.length && !kept[at - 1] && !kept[at + 1];
    if (part.trim() ? !kept[at] : between) marks.fill(1, start, start + part.length);
    start += part.length;
  });
  for (const name of unsupported) {
    for (let at = name ? text.indexOf(name) : -1; at >= 0; at = text.indexOf(name, at + name.length)) {
      for (let i = at; i < at + name.length; i++) marks[i] |= 2;
    }
  }
  const runs = /** @type {Child[]} */ ([]);
  for (let at = 0; at < text.length; ) {
    let end = at + 1;
    while (end < text.length && marks[end] === marks[at]) end++;
    const run = text.slice(at, end);
    const names = [marks[at] & 1 ? "differs" : "", marks[at] & 2 ? "unsupported" : ""].filter(Boolean).join(" ");
    runs.push(names ? html("mark", { class: names }, run) : run);
    at = end;
  }
  return runs;
}
