/** What is said of a recording and of a region, in words and numbers. */

import { shown } from "./dom.js";

/** @import {Recording, Region} from "./types.js" */

/** @param {Recording} recording */
export function factsOf({ lines, pixels, seconds_per_line: seconds, um_per_pixel: um }) {
  const duration = seconds === null ? "line period unknown" : `${shown(lines * seconds)} s, ${shown(seconds * 1000, 4)} ms per line`;
  const width = um === null ? "pixel size unknown" : `${shown(pixels * um)} µm, ${shown(um, 4)} µm per pixel`;
  return `${lines.toLocaleString()} lines × ${pixels} pixels · ${duration} · ${width}`;
}

/**
 * @param {Region} region
 * @param {Recording} recording
 */
export function regionName({ channel, roi, name }, { channels }) {
  const where = roi === null ? "whole picture" : `ROI ${roi}${name ? ` ${name}` : ""}`;
  return channels > 1 ? `channel ${channel}, ${where}` : where;
}

/**
 * The result of a region in numbers.
 *
 * @param {Region} region
 * @param {number | null} um per pixel
 * @returns {[string, string][]} name and value
 */
export function numbersOf({ state, causes, values, pixels: [start, stop] }, um) {
  const found = values ?? {};
  const [unit, suffix] = typeof found.median_mm_s === "number" ? ["mm/s", "mm_s"] : ["px/line", "px_per_line"];
  return [
    ["state", causes.length > 0 ? `${state}: ${causes.join(", ")}` : state],
    [`median (${unit})`, shown(found[`median_${suffix}`])],
    [`5 % (${unit})`, shown(found[`p5_${suffix}`])],
    [`95 % (${unit})`, shown(found[`p95_${suffix}`])],
    ["unknown", percent(found.share_unknown)],
    ["stalled", percent(found.share_stalled)],
    ["evidence", shown(found.median_r2adj, 2)],
    ["borders", um === null ? `pixels ${start} to ${stop}` : `${shown(start * um)} to ${shown(stop * um)} µm`],
  ];
}

/** @param {unknown} share */
export function percent(share) {
  return typeof share === "number" ? `${shown(share * 100, 2)} %` : "–";
}
