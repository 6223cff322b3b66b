/** Tiles of a kymograph: fetched when they are needed, and put together to the width of the screen. */

/** @import {Api} from "./api.js" */
/** @import {Recording} from "./types.js" */

const MOST_TILES = 96;

export class Tiles {
  /**
   * @param {Api} api
   * @param {Recording} recording
   * @param {number} channel
   * @param {number} z
   * @param {() => void} onArrival
   */
  constructor(api, recording, channel, z, onArrival) {
    this.api = api;
    this.recording = recording;
    this.channel = channel;
    this.z = z;
    this.onArrival = onArrival;
    this.rows = Math.ceil(recording.pixels / recording.pixels_per_row);
    /** @type {Map<string, Float32Array>} the last used one last */
    this.tiles = new Map();
    /** @type {Set<string>} */
    this.asked = new Set();
    /** @type {string} why a tile could not be had; "" if all could */
    this.problem = "";
  }

  /**
   * Means over the lines of each column of the screen. A line that two columns share counts in both by its parts.
   *
   * @param {number} first line at the left edge
   * @param {number} last line at the right edge
   * @param {number} columns
   * @returns {Float32Array} `(columns, rows)`; NaN where nothing is known yet
   */
  means(first, last, columns) {
    const wanted = Math.max(0, Math.floor(Math.log2((last - first) / columns)));
    const level = this.#bestLevel(wanted, first, last);
    const perColumn = 2 ** level;
    const { rows } = this;
    const out = new Float32Array(columns * rows);
    const weights = new Float64Array(rows);
    const step = (last - first) / columns / perColumn;
    // Column c of a level reaches from c to c + 1 when lines are counted from the edge of the first.
    const start = (first + 0.5) / perColumn;
    const count = Math.ceil(this.recording.lines / perColumn);
    for (let x = 0; x < columns; x += 1) {
      let from = start + x * step;
      let to = from + step;
      if (step < 1) {
        from = Math.floor((from + to) / 2);
        to = from + 1;
      }
      weights.fill(0);
      const stop = Math.min(Math.ceil(to), count);
      for (let column = Math.max(Math.floor(from), 0); column < stop; column += 1) {
        const share = Math.min(to, column + 1) - Math.max(from, column);
        if (share > 0) this.#add(out, x * rows, level, column, share, weights);
      }
      for (let row = 0; row < rows; row += 1) {
        out[x * rows + row] = weights[row] > 0 ? out[x * rows + row] / weights[row] : NaN;
      }
    }
    return out;
  }

  /**
   * @param {Float32Array} out
   * @param {number} at
   * @param {number} level
   * @param {number} column
   * @param {number} share
   * @param {Float64Array} weights
   */
  #add(out, at, level, column, share, weights) {
    const size = this.recording.tile_columns;
    const tile = this.tiles.get(`${level}/${Math.floor(column / size)}`);
    if (!tile) return;
    const from = (column % size) * this.rows;
    for (let row = 0; row < this.rows; row += 1) {
      const value = tile[from + row];
      if (Number.isNaN(value)) continue;
      out[at + row] += value * share;
      weights[row] += share;
    }
  }

  /**
   * The level to draw: the wanted one if it is here, else the nearest coarser one that is; what is wanted is asked for.
   *
   * @param {number} wanted
   * @param {number} first
   * @param {number} last
   */
  #bestLevel(wanted, first, last) {
    if (this.#have(wanted, first, last, true)) return wanted;
    for (let level = wanted + 1; 2 ** level < this.recording.lines; level += 1) {
      if (this.#have(level, first, last, false)) return level;
    }
    return wanted;
  }

  /**
   * @param {number} level
   * @param {number} first
   * @param {number} last
   * @param {boolean} fetch what is missing
   */
  #have(level, first, last, fetch) {
    const size = this.recording.tile_columns * 2 ** level;
    const stop = Math.min(last, this.recording.lines - 1);
    let complete = true;
    for (let index = Math.max(0, Math.floor(first / size)); index <= Math.floor(stop / size); index += 1) {
      const key = `${level}/${index}`;
      const tile = this.tiles.get(key);
      if (tile) {
        this.tiles.delete(key);
        this.tiles.set(key, tile);
        continue;
      }
      complete = false;
      if (fetch && !this.asked.has(key)) this.#fetch(key, level, index);
    }
    return complete;
  }

  /**
   * @param {string} key
   * @param {number} level
   * @param {number} index
   */
  async #fetch(key, level, index) {
    this.asked.add(key);
    try {
      const tile = await this.api.tile(this.recording.id, { channel: this.channel, z: this.z, level, index });
      this.tiles.set(key, tile);
      this.problem = "";
      for (const oldest of this.tiles.keys()) {
        if (this.tiles.size <= MOST_TILES) break;
        this.tiles.delete(oldest);
      }
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error);
    } finally {
      this.asked.delete(key);
    }
    if (!this.problem) this.onArrival();
  }
}
