// Colours: from JupyterLab's theme where there is one, and a colour-blind safe palette (Okabe and
// Ito) with a dash each, so that colour is never the only difference. "real" is always the text
// colour, solid.

const LIGHT = ["#0072b2", "#d55e00", "#007a5a", "#a8538a", "#8a6d00", "#3a87b5", "#5b5b5b"];
const DARK = ["#56b4e9", "#ff9d4d", "#2fd0a2", "#e59ac6", "#f0e442", "#9bd3f5", "#c8c8c8"];
const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3], [4, 2], [1, 2], [12, 4]];

/**
 * @typedef {object} Theme
 * @property {boolean} dark
 * @property {string} bg
 * @property {string} fg
 * @property {string} muted
 * @property {string} grid
 * @property {string[]} palette
 */

/**
 * The colours in force at `element`.
 * @param {Element} element
 */
export function theme(element) {
  const style = getComputedStyle(element);
  return themeOn(rgb(style.getPropertyValue("--dgkit-bg").trim() || "#fff"));
}

/**
 * The colours that can be read on a background.
 * @param {number[]} bg red, green, blue, 0 to 255
 * @returns {Theme}
 */
export function themeOn(bg) {
  const dark = bg[0] * 0.3 + bg[1] * 0.59 + bg[2] * 0.11 < 128;
  return {
    dark,
    bg: `rgb(${bg})`,
    fg: dark ? "#f2f2f2" : "#1a1a1a",
    muted: dark ? "#bdbdbd" : "#4f4f4f",
    grid: dark ? "#4a4a4a" : "#dedede",
    palette: dark ? DARK : LIGHT,
  };
}

/**
 * Stroke and dash of each line of a chart, in the order of the lines. Where colours come again,
 * with another dash.
 * @param {{ real?: boolean, colour?: number }[]} lines
 * @param {Theme} colours
 */
export function lineStyles(lines, { fg, palette }) {
  let next = 0;
  return lines.map(({ real, colour }) => {
    if (real) return { stroke: fg, dash: [] };
    const place = colour ?? next++;
    const round = Math.floor(place / palette.length);
    return {
      stroke: palette[place % palette.length],
      dash: DASHES[(place + round) % DASHES.length],
    };
  });
}

/**
 * Call back when the page's theme or the system's colour scheme changes; returns the function that
 * stops it.
 * @param {() => void} callback
 */
export function onTheme(callback) {
  const observer = new MutationObserver(callback);
  observer.observe(document.body, {
    attributes: true,
    attributeFilter: ["data-jp-theme-name", "data-jp-theme-light", "class"],
  });
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", callback);
  return () => {
    observer.disconnect();
    scheme.removeEventListener("change", callback);
  };
}

/**
 * Red, green and blue of any CSS colour.
 * @param {string} text
 */
function rgb(text) {
  const context = /** @type {CanvasRenderingContext2D} */ (
    document.createElement("canvas").getContext("2d")
  );
  context.fillStyle = text; // the canvas parses it
  const found = context.fillStyle;
  if (found.startsWith("#")) return [1, 3, 5].map((k) => parseInt(found.slice(k, k + 2), 16));
  return (found.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number);
}
