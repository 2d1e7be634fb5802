// Brings the page to life once it has been read.

/** @param {string} words */
function say(words) {
  const box = document.getElementById("without");
  if (box) {
    box.textContent = words;
    box.hidden = false;
  }
}

async function start() {
  document.querySelectorAll("table").forEach(sortable);
  const data = await unpacked("charts-data");
  if (!data) {
    say("This browser cannot unpack compressed data (DecompressionStream, in browsers since 2023): charts and answers are missing here. The charts are in charts/ beside this page, all numbers in ../tables/.");
    return;
  }
  document.querySelectorAll("figure[data-chart]").forEach((figure) => {
    const drawing = data.charts[Number(/** @type {HTMLElement} */ (figure).dataset.chart)];
    // As high as the chart will be, so that links lead to where they say.
    const { width, height, head, legend } = drawing;
    const room = html("div", { class: "room", "aria-hidden": "true" }, svg("svg", { viewBox: `0 0 ${width} ${(legend ?? height) - head}` }));
    figure.append(room);
    whenNear(figure, () => {
      room.remove();
      showChart(/** @type {HTMLElement} */ (figure), drawing);
    });
  });
  const differences = document.getElementById("differences-table");
  if (differences) whenNear(differences, () => differences.replaceChildren(paged("differences", data.differences.header, data.differences.rows)));
  answers();
}

/** Unpacks the answers when the reader comes near them or asks for some. */
function answers() {
  const box = document.getElementById("browser");
  if (!box) return;
  let open = /** @type {Promise<(wanted: Record<string, string>) => void> | null} */ (null);
  const unpack = () => (open ??= unpacked("items-data").then((items) => browser(box, items)));
  whenNear(box, unpack);
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[data-change]") : null;
    if (!(link instanceof HTMLElement)) return;
    const { model = "", method = "", task = "", change = "" } = link.dataset;
    unpack().then((filter) => filter({ model, method, task, change }));
  });
}

start().catch((error) => say(`Part of this page could not be shown: ${error}`));
