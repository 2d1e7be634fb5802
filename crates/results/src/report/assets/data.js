// Data blocks of the page: base64, gzip, JSON.

/**
 * Reads a block; `null` if this browser cannot.
 * @param {string} id
 * @returns {Promise<any>}
 */
async function unpacked(id) {
  const block = document.getElementById(id);
  if (!block || !("DecompressionStream" in window)) return null;
  const text = atob((block.textContent || "").trim());
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}
