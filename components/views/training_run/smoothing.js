// A smoothed training curve that does not lag: means over blocks of steps, each drawn in the middle of its block. The
// definition is that of `training_curve` in llm/comparison/curves.py.

const SMOOTHED = 25; // a mean is over one step for each so many steps before

export class SmoothedCurve {
  /**
   * @param {number[]} steps a list that grows in place
   * @param {number[]} losses their losses, likewise
   */
  constructor(steps, losses) {
    this.allSteps = steps;
    this.allLosses = losses;
    /** @type {number[]} the middles of the blocks */
    this.steps = [];
    /** @type {number[]} their means */
    this.losses = [];
    this.start = 0; // index of the first step that is in no block yet
  }

  /** Call it after each step that was added to the lists. */
  grow() {
    if (this.allSteps.length - this.start < this.blockSize) return;
    const { step, loss } = this.meanFrom(this.start);
    this.steps.push(step);
    this.losses.push(loss);
    this.start = this.allSteps.length;
  }

  /** Of the block that is not complete. */
  get blockSize() {
    return Math.max(1, Math.floor((this.allSteps[this.start] ?? this.allSteps.at(-1) ?? 0) / SMOOTHED));
  }

  /** The mean of the latest losses, of as many steps as a block has there; `count` 0: there are none. */
  get latest() {
    return this.meanFrom(Math.max(0, this.allSteps.length - this.blockSize));
  }

  /** The curve: the blocks, and for those steps that are in none of them the latest mean. */
  get points() {
    if (this.start === this.allSteps.length) return { steps: this.steps, losses: this.losses };
    const { step, loss } = this.latest;
    return { steps: [...this.steps, step], losses: [...this.losses, loss] };
  }

  /** @param {number} start */
  meanFrom(start) {
    const count = this.allSteps.length - start;
    const mean = (/** @type {number[]} */ values) => values.slice(start).reduce((sum, value) => sum + value / count, 0);
    return { step: mean(this.allSteps), loss: mean(this.allLosses), count };
  }
}
