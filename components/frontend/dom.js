// Elements of the page. Text from outside becomes a text node, never markup.

export const SVG = "http://www.w3.org/2000/svg";

/**
 * A new element with a class and, as text, its content.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} className
 * @param {string | number} text
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== "") made.textContent = String(text);
  return made;
}

/**
 * A new SVG element; `text` becomes a text node.
 *
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number>} attributes
 * @param {string | number} text
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function shape(tag, attributes = {}, text = "") {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  if (text !== "") made.textContent = String(text);
  return made;
}

/**
 * The context that draws on a canvas.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {CanvasRenderingContext2DSettings} [settings]
 * @returns {CanvasRenderingContext2D}
 */
export function contextOf(canvas, settings) {
  const context = canvas.getContext("2d", settings);
  if (!context) throw new Error("this browser cannot draw on a canvas");
  return context;
}

/**
 * Calls `act` with the arguments of the latest call, once per frame: a pointer reports more positions than are drawn.
 *
 * @template {unknown[]} Arguments
 * @param {(...latest: Arguments) => void} act
 * @returns {(...latest: Arguments) => void}
 */
export function oncePerFrame(act) {
  /** @type {Arguments | null} */
  let latest = null;
  return (...current) => {
    if (!latest) {
      requestAnimationFrame(() => {
        const last = /** @type {Arguments} */ (latest);
        latest = null;
        act(...last);
      });
    }
    latest = current;
  };
}
