// Arrays from the server: components/shared/packing.py writes their names, types and shapes before their bytes.

/**
 * @typedef {object} PackedArray
 * @property {number[]} shape
 * @property {Float32Array} values row by row; of another type where the server sends another
 */

const TYPES = { uint8: Uint8Array, int32: Int32Array, float32: Float32Array, float64: Float64Array };
const ALIGNMENT = 8;

/**
 * The arrays by name; their values are views of the buffer.
 *
 * @param {ArrayBuffer} buffer
 * @returns {Record<string, PackedArray>}
 */
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  /** @type {{ name: string, dtype: keyof TYPES, shape: number[] }[]} */
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let start = 4 + length;
  return Object.fromEntries(header.map(({ name, dtype, shape }) => {
    const size = shape.reduce((product, axis) => product * axis, 1);
    const values = /** @type {Float32Array} */ (new TYPES[dtype](buffer, start, size));
    start += Math.ceil(values.byteLength / ALIGNMENT) * ALIGNMENT;
    return [name, { shape, values }];
  }));
}
