/** Each condition's recordings as points at their velocities; a click opens one. */

import { part, shown } from "./dom.js";

/** @import {Row} from "./types.js" */

const WIDTH = 1000;
const HEIGHT = 520;
const LEFT = 60;
const BOTTOM = 40;
const TOP = 20;
const MOST_LINES = 8;
const NO_CONDITION = "no condition";

export class Groups {
  /** @param {(id: string) => void} onChoose */
  constructor(onChoose) {
    this.onChoose = onChoose;
    this.isOpen = false;
    this.place = part("groups", HTMLElement);
  }

  /** @param {Row[]} rows */
  toggle(rows) {
    this.isOpen = !this.isOpen;
    this.place.hidden = !this.isOpen;
    this.show(rows);
  }

  /** @param {Row[]} rows what the list shows */
  show(rows) {
    if (!this.isOpen) return;
    const current = rows.filter((row) => row.velocity !== null && row.state === "current");
    // Velocities of different units have no common axis.
    const unit = current[0]?.unit ?? "";
    const known = current.filter((row) => row.unit === unit);
    const groups = [...Map.groupBy(known, (row) => row.condition || NO_CONDITION)].sort(([one], [other]) => one.localeCompare(other));
    const velocities = known.map((row) => row.velocity ?? 0);
    const low = velocities.reduce((least, value) => Math.min(least, value), 0);
    const high = velocities.reduce((most, value) => Math.max(most, value), 0) || 1;
    /** @param {number} velocity */
    const y = (velocity) => TOP + ((high - velocity) / (high - low)) * (HEIGHT - TOP - BOTTOM);
    const step = (WIDTH - LEFT) / Math.max(groups.length, 1);
    const parts = [...this.#axis(low, high, unit, y)];
    const summaries = groups.map(([condition, members], at) => {
      const middle = LEFT + step * (at + 0.5);
      const median = medianOf(members.filter((row) => row.decision !== "rejected" && row.decision !== "excluded").map((row) => row.velocity ?? 0));
      parts.push(svg("text", { x: middle, y: HEIGHT - 14, "text-anchor": "middle" }, `${condition} (${members.length})`));
      if (median !== null) {
        parts.push(svg("line", { class: "median", x1: middle - step / 3, x2: middle + step / 3, y1: y(median), y2: y(median) }));
      }
      parts.push(...members.map((row, number) => this.#point(row, middle + (spread(number) * step) / 3, y(row.velocity ?? 0))));
      return `${condition}: ${members.length} recordings, median ${shown(median)} ${unit}`;
    });
    const label = `Velocity by condition. ${summaries.join("; ")}`;
    const left = rows.length - known.length;
    const said = `${known.length} recordings with a current velocity${left ? `, ${left} without one in ${unit || "any unit"}` : ""}. Lines: medians without what was rejected or excluded.`;
    const caption = document.createElement("p");
    caption.textContent = said;
    this.place.replaceChildren(svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": label }, ...parts), caption);
  }

  /**
   * @param {number} low
   * @param {number} high
   * @param {string} unit
   * @param {(velocity: number) => number} y
   */
  *#axis(low, high, unit, y) {
    const decade = 10 ** Math.floor(Math.log10((high - low) / 2));
    const step = [1, 2, 5].map((factor) => factor * decade).find((size) => (high - low) / size <= MOST_LINES) ?? 10 * decade;
    for (let number = Math.ceil(low / step); number * step <= high; number += 1) {
      const value = number * step;
      yield svg("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value) });
      yield svg("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, shown(value));
    }
    yield svg("text", { x: 8, y: 12 }, `velocity (${unit})`);
  }

  /**
   * @param {Row} row
   * @param {number} x
   * @param {number} y
   */
  #point(row, x, y) {
    const name = `${row.file}: ${shown(row.velocity)} ${row.unit}, ${row.decision}`;
    const point = svg("circle", { class: row.decision, cx: x, cy: y, r: 6, tabindex: 0, role: "button", "aria-label": name }, svg("title", {}, name));
    point.addEventListener("click", () => this.onChoose(row.id));
    point.addEventListener("keydown", (event) => {
      if (/** @type {KeyboardEvent} */ (event).key === "Enter") this.onChoose(row.id);
    });
    return point;
  }
}

/**
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 * @param {(Node | string)[]} children
 */
function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/**
 * Where the n-th point of a group lies, from -1 to 1, so that neighbours are apart: multiples of the golden ratio.
 *
 * @param {number} number
 */
function spread(number) {
  return ((0.5 + number * 0.618034) % 1) * 2 - 1;
}

/** @param {number[]} values */
function medianOf(values) {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}
