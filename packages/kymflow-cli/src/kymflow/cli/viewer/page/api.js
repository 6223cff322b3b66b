/**
 * Talking with the server: the token, errors, and whether it is there at all.
 *
 * @import {ListChanges, Recording, Trace} from "./types.js"
 */

const TRACE_COLUMNS = 6;

/** An answer that says no; its message says why and what to do. */
export class Refused extends Error {}

/** The server cannot be reached. */
export class Unreachable extends Error {}

export class Api {
  /** @param {string} token */
  constructor(token) {
    this.token = token;
    /** @type {(reachable: boolean) => void} Called after every request. */
    this.onConnection = () => {};
  }

  /**
   * @param {number} since
   * @returns {Promise<ListChanges>}
   */
  async recordings(since) {
    return (await this.#ask(`recordings?since=${since}`)).json();
  }

  /**
   * @param {string} id
   * @returns {Promise<Recording>}
   */
  async recording(id) {
    return (await this.#ask(`recordings/${encodeURIComponent(id)}`)).json();
  }

  /**
   * @param {string} id
   * @param {number} channel
   * @param {number | null} roi
   * @returns {Promise<Trace>}
   */
  async trace(id, channel, roi) {
    const answer = await this.#ask(`recordings/${encodeURIComponent(id)}/trace?${regionQuery(channel, roi)}`);
    const values = new Float64Array(await answer.arrayBuffer());
    const windows = values.length / TRACE_COLUMNS;
    /** @param {number} at */
    const column = (at) => values.subarray(at * windows, (at + 1) * windows);
    return {
      line: column(0),
      velocity: column(1),
      smooth: column(2),
      pxPerLine: column(3),
      evidence: column(4),
      alias: column(5),
    };
  }

  /**
   * What is on the screen, as SVG.
   *
   * @param {string} id
   * @param {number} channel
   * @param {number | null} roi
   * @param {[number, number]} lines first, and the one after the last
   * @returns {Promise<Blob>}
   */
  async figure(id, channel, roi, [first, stop]) {
    const lines = `first=${first}&stop=${stop}`;
    return (await this.#ask(`recordings/${encodeURIComponent(id)}/figure?${regionQuery(channel, roi)}&${lines}`)).blob();
  }

  /**
   * A tile: means of shape `(columns, rows)`.
   *
   * @param {string} id
   * @param {{channel: number, z: number, level: number, index: number}} tile
   * @returns {Promise<Float32Array>}
   */
  async tile(id, { channel, z, level, index }) {
    const query = `channel=${channel}&z=${z}&level=${level}&index=${index}`;
    const answer = await this.#ask(`recordings/${encodeURIComponent(id)}/tile?${query}`);
    return new Float32Array(await answer.arrayBuffer());
  }

  /**
   * Change something of a recording.
   *
   * @param {string} id
   * @param {string} what
   * @param {object} body
   * @returns {Promise<Recording>} the recording after it
   */
  async change(id, what, body) {
    const answer = await this.#ask(`recordings/${encodeURIComponent(id)}/${what}`, body);
    return answer.json();
  }

  /**
   * @param {string} path
   * @param {object} [body]
   */
  async #ask(path, body) {
    /** @type {Record<string, string>} */
    const headers = { "X-Kymflow-Token": this.token };
    if (body) headers["Content-Type"] = "application/json";
    const options = body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers };
    let answer;
    try {
      answer = await fetch(`api/${path}`, options);
    } catch (error) {
      this.onConnection(false);
      throw new Unreachable("the server cannot be reached", { cause: error });
    }
    this.onConnection(true);
    if (answer.ok) return answer;
    const { error, hint } = await answer.json();
    throw new Refused(hint ? `${error}; ${hint}` : error);
  }
}

/**
 * @param {number} channel
 * @param {number | null} roi
 */
function regionQuery(channel, roi) {
  return roi === null ? `channel=${channel}` : `channel=${channel}&roi=${roi}`;
}
