// Merges applied to the pieces of a text, as llm/tokenizers/replay.py applies them.

/**
 * Two neighbouring tokens: how often they occur here, the number of their merge, and their count in training.
 *
 * @typedef {[left: number, right: number, count: number, merge: number | null, trained: number | null]} Pair
 */

/**
 * The text before a merge; the merge joins the first pair into the token `made`, which is null after the last one.
 *
 * @typedef {{ pairs: Pair[], others: number, made: number | null }} Step
 */

/** @typedef {{ token: number, state: "" | "next" | "made" }} Piece */

/**
 * Where a pair occurs in a chunk, from left to right, each token in one occurrence only: the indexes of its first token.
 *
 * @param {number[]} chunk
 * @param {number} left
 * @param {number} right
 */
export function occurrences(chunk, left, right) {
  const found = [];
  for (let index = 0; index + 1 < chunk.length; index++) {
    if (chunk[index] !== left || chunk[index + 1] !== right) continue;
    found.push(index);
    index++;
  }
  return found;
}

/**
 * The pieces of each chunk after `done` merges; those that the next merge joins, and those that the last one made.
 *
 * @param {number[][]} chunks before the first merge
 * @param {Step[]} steps
 * @param {number} done
 * @returns {Piece[][]}
 */
export function piecesAfter(chunks, steps, done) {
  /** @type {Piece[][]} */
  let pieces = chunks.map((chunk) => chunk.map((token) => ({ token, state: "" })));
  for (const { pairs: [[left, right]], made } of steps.slice(0, done)) {
    pieces = pieces.map((chunk) => {
      const first = new Set(occurrences(chunk.map((piece) => piece.token), left, right));
      return chunk.flatMap(({ token }, index) => {
        if (first.has(index - 1)) return [];
        return [first.has(index) ? { token: Number(made), state: "made" } : { token, state: "" }];
      });
    });
  }
  const next = steps[done];
  if (next.made === null) return pieces;
  const [left, right] = next.pairs[0];
  for (const chunk of pieces) {
    for (const index of occurrences(chunk.map((piece) => piece.token), left, right)) {
      chunk[index].state = chunk[index + 1].state = "next";
    }
  }
  return pieces;
}
