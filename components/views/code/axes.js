// Controls above a tensor: an index into each axis that is not drawn, and a window along each long one that is.

import { element } from "../../frontend/dom.js";
import { withThousands } from "../../frontend/format.js";
import { WINDOW } from "./window.js";

/** @typedef {import("./window.js").TensorWindow} TensorWindow */

/**
 * @param {string[]} axes names
 * @param {TensorWindow} part
 * @param {(axis: number, to: number) => void} move along an axis: the window, or the index
 * @returns {HTMLElement[]}
 */
export function axisControls(axes, part, move) {
  const { shape, rows, columns } = part;
  return axes.flatMap((name, axis) => {
    if (part.isPart(axis)) return [windowControl(name, axis, part, move)];
    if (axis === rows || axis === columns) return [element("span", "llm-code-axis", `${arrow(part, axis)} ${name} ${shape[axis]}`)];
    return shape[axis] > 1 ? [indexControl(name, axis, part, move)] : [];
  });
}

const arrow = (/** @type {TensorWindow} */ { columns }, /** @type {number} */ axis) => (axis === columns ? "→" : "↓");

/**
 * @param {string} name
 * @param {number} axis
 * @param {TensorWindow} part
 * @param {(axis: number, to: number) => void} move
 */
function indexControl(name, axis, { shape, first }, move) {
  const label = element("label", "llm-code-axis", `${name} `);
  const choice = element("select");
  choice.setAttribute("aria-label", `Which ${name}`);
  choice.dataset.keep = `which ${axis}`;
  for (let index = 0; index < shape[axis]; index++) choice.append(new Option(String(index), String(index)));
  choice.value = String(first[axis]);
  choice.addEventListener("change", () => move(axis, Number(choice.value)));
  label.append(choice, ` of ${shape[axis]}`);
  return label;
}

/**
 * Moves the window by a half of it, or to a number.
 *
 * @param {string} name
 * @param {number} axis
 * @param {TensorWindow} part
 * @param {(axis: number, to: number) => void} move
 */
function windowControl(name, axis, part, move) {
  const size = part.shape[axis];
  const begin = part.first[axis];
  const control = element("span", "llm-code-axis llm-code-window", `${arrow(part, axis)} ${name} `);
  /** @type {(label: string, title: string, to: number) => HTMLButtonElement} */
  const button = (label, title, to) => {
    const made = element("button", "llm-code-button", label);
    made.type = "button";
    made.title = title;
    made.setAttribute("aria-label", title);
    made.dataset.keep = title;
    made.setAttribute("aria-disabled", String(to === begin)); // not `disabled`, which would lose the focus at the end
    made.addEventListener("click", () => move(axis, to));
    return made;
  };
  const [back, on] = axis === part.columns ? ["◀", "▶"] : ["▲", "▼"];
  const from = element("input");
  Object.assign(from, { type: "number", min: 0, max: size - WINDOW, step: WINDOW / 2, value: begin });
  from.setAttribute("aria-label", `First ${name} that is drawn`);
  from.dataset.keep = `from ${axis}`;
  from.addEventListener("change", () => move(axis, Number(from.value)));
  control.append(button(back, `Earlier ${name}`, part.inside(axis, begin - WINDOW / 2)), from,
    `–${begin + WINDOW - 1} of ${withThousands(size)} `, button(on, `Later ${name}`, part.inside(axis, begin + WINDOW / 2)));
  return control;
}
