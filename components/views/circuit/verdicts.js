// What the causal test shows, in sentences: each follows from the numbers beside it.

import { element } from "../../frontend/dom.js";
import { percent, quoted, withSign } from "../../frontend/format.js";
import { headName } from "./grids.js";

/** @typedef {import("./view.js").Data} Data */
/** @typedef {[right: number, other: number]} Pair probabilities */

/**
 * What was expected, and what happened.
 *
 * @param {Data} data
 * @param {Record<string, Pair>} probabilities
 */
export function outcome(data, { unchanged, replaced }) {
  const [right, wrong] = [quoted(data.piece), quoted(data.other)];
  const measured = Math.max(...replaced) < 0.2 ? "Neither of the two" : replaced[1] > replaced[0]
    ? "The piece that it now reads there" : "The right piece, as before";
  const box = element("p", "llm-circuit-outcome");
  if (data.guess) box.append("You expected: ", element("strong", "", data.guess.toLowerCase()), ". ");
  box.append("Measured: ", element("strong", "", measured.toLowerCase()), `. With ${wrong} where ${right} was read, the probability of ${right} goes `
    + `from ${percent(unchanged[0])} to ${percent(replaced[0])}, and that of ${wrong} from ${percent(unchanged[1])} to ${percent(replaced[1])}.`);
  return box;
}

/**
 * What switching the heads off shows, beside the control. A fall counts if it is a tenth of the probability and twice the
 * control's.
 *
 * @param {string} right the piece, in quotation marks
 * @param {Record<string, Pair>} probabilities
 */
export function withoutHeads(right, { unchanged: [whole], previous: [previous], copying: [copying], both: [both], unlabelled: [control] }) {
  const least = Math.max(0.1 * whole, 2 * (whole - control));
  const falls = (/** @type {number} */ value) => whole - value > least;
  const measured = `Without the copying head, the probability of ${right} is ${percent(copying)}, without the previous-token head `
    + `${percent(previous)}; without a head of low scores ${percent(control)}. `;
  if (falls(copying) && falls(previous)) return `${measured}Here the model needs both heads, and not just any head.`;
  if (falls(copying)) return `${measured}Here the model needs the copying head. What the other one writes, it can also get elsewhere.`;
  if (falls(previous)) return `${measured}Here the model needs the previous-token head, but not this copying head: others read the note, too.`;
  if (falls(both)) return `${measured}It needs one of the two, and either will do: without both it is ${percent(both)}.`;
  return `${measured}Here it needs neither: whatever it does, other heads do it. Try another example, other heads, or another step.`;
}

/**
 * The head that copied pieces cost most, and whether it is the copying head.
 *
 * @param {Pick<Data, "copying">} data
 * @param {{ layers: number[], grown: Pair[][] }} content
 */
export function mostCostly({ copying }, { layers, grown }) {
  const heads = grown.flatMap((row, index) => row.map(([copied, rest], head) => ({ layer: layers[index], head, copied, rest })));
  const [first, second] = heads.sort((a, b) => b.copied - a.copied);
  const costs = (/** @type {{ copied: number, rest: number }} */ { copied, rest }) => `${withSign(copied, 2)} nats on copied pieces, ${withSign(rest, 2)} on other tokens`;
  const own = heads.find(({ layer, head }) => layer === copying[0] && head === copying[1]);
  if (first === own) return `It is the copying head: ${costs(own)}. The next one, ${headName([second.layer, second.head])}, costs ${withSign(second.copied, 2)} on copied pieces.`;
  return `It is ${headName([first.layer, first.head])}: ${costs(first)}. The copying head costs ${own ? costs(own) : "nothing that was measured"}: `
    + "copying does not depend on it alone.";
}
