/** Where cells would be that move as estimated: in at one end of the vessel, out at the other. */

/** @import {Trace} from "./types.js" */

const MOST_PATHS = 8;
const POINTS_PER_LINE = 4;
const MOST_POINTS = 6000;

/**
 * @param {Trace} trace
 * @param {[number, number]} lines first and last that are seen
 * @param {[number, number]} pixels first of the region, and the one after the last
 * @returns {[number, number][][]} for each path its points: line and pixel; a path ends where there is no evidence
 */
export function pathsOf(trace, [first, last], [bottom, top]) {
  const step = Math.max(1 / POINTS_PER_LINE, (last - first) / MOST_POINTS);
  const count = Math.ceil((last - first) / step);
  const travelled = new Float64Array(count);
  const known = new Uint8Array(count);
  const velocityAt = interpolation(trace);
  let low = 0;
  let high = 0;
  for (let at = 1; at < count; at += 1) {
    const velocity = velocityAt(first + at * step);
    known[at] = velocity === null ? 0 : 1;
    travelled[at] = travelled[at - 1] + (velocity ?? 0) * step;
    low = Math.min(low, travelled[at]);
    high = Math.max(high, travelled[at]);
  }
  const apart = Math.max(top - bottom, (high - low) / MOST_PATHS);
  /** @type {[number, number][][]} */
  const paths = [];
  for (let start = bottom - high - apart / 2; start < top - low; start += apart) {
    /** @type {[number, number][]} */
    let path = [];
    for (let at = 1; at < count; at += 1) {
      const pixel = start + travelled[at];
      if (known[at] && pixel >= bottom - 0.5 && pixel <= top - 0.5) path.push([first + at * step, pixel]);
      else if (path.length > 0) {
        paths.push(path);
        path = [];
      }
    }
    if (path.length > 0) paths.push(path);
  }
  return paths.filter((path) => path.length > 1);
}

/**
 * Velocity in pixels per line at a line; null without evidence. Lines must be asked for in order.
 *
 * @param {Trace} trace
 * @returns {(line: number) => number | null}
 */
function interpolation({ line, pxPerLine }) {
  let at = 0;
  return (wanted) => {
    if (line.length < 2 || wanted < line[0] || wanted > line[line.length - 1]) return null;
    while (at < line.length - 2 && line[at + 1] < wanted) at += 1;
    const share = (wanted - line[at]) / (line[at + 1] - line[at]);
    const value = pxPerLine[at] * (1 - share) + pxPerLine[at + 1] * share;
    return Number.isNaN(value) ? null : value;
  };
}
