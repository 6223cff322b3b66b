/** Velocity over time, its evidence under it, and the stretches in which something is the case. */

import { Chart } from "./chart.js";
import { colour } from "./dom.js";

/** @import uPlot from "./vendor/uPlot.esm.js" */
/** @import {ScaledTimeView, TimeView} from "./time_view.js" */
/** @import {Recording, Region, Stretch, Trace} from "./types.js" */

const VELOCITY_HEIGHT = 230;
const EVIDENCE_HEIGHT = 130;
const STRIP_HEIGHT = 5;
const HIDDEN_SHARE = 0.005;
const SHORTEST_MARK_PX = 4;

export class TraceCharts {
  /**
   * @param {HTMLElement} velocityPlace
   * @param {HTMLElement} evidencePlace
   * @param {TimeView | ScaledTimeView} time
   * @param {((first: number, last: number) => void) | null} onMark called with the lines that a person dragged over; null
   *   if dragging pans
   */
  constructor(velocityPlace, evidencePlace, time, onMark) {
    /** @type {Stretch[]} */
    this.stretches = [];
    this.canMark = false;
    /** @type {[number, number]} */
    this.range = [-1, 1];
    /** @type {[number, number] | null} lines that are being marked */
    this.marking = null;
    this.time = time;
    /** @type {(name: string) => uPlot.Series} */
    const line = (name) => ({ stroke: () => colour(name), width: 1.6, points: { show: false } });
    this.velocity = new Chart(velocityPlace, time, {
      height: VELOCITY_HEIGHT,
      label: "velocity",
      timeAxis: false,
      grid: true,
      series: [
        { stroke: () => colour("velocity-faint"), width: 1, points: { size: 3, fill: () => colour("velocity-faint") } },
        line("velocity"),
        { stroke: () => colour("alias"), paths: () => null, points: { show: true, size: 4 } },
      ],
      range: () => this.range,
      below: (plot) => this.#drawBands(plot),
      above: (plot) => this.#drawZero(plot),
    });
    this.evidence = new Chart(evidencePlace, time, {
      height: EVIDENCE_HEIGHT,
      label: "evidence r²",
      timeAxis: true,
      grid: true,
      series: [line("evidence")],
      range: () => [0, 1.02],
      below: (plot) => this.#drawBands(plot),
      above: () => {},
    });
    this.evidence.panOnDrag();
    if (onMark) this.#markOnDrag(onMark);
    else this.velocity.panOnDrag();
  }

  /**
   * @param {Recording} recording
   * @param {Region} region
   * @param {Trace | null} trace
   */
  show(recording, region, trace) {
    const marks = recording.decisions.marks.filter((mark) => mark.channel === region.channel && mark.roi_id === region.roi);
    this.stretches = [...region.stretches, ...marks.map((mark) => ({ kind: "marked", start: mark.start_line, stop: mark.stop_line }))];
    this.canMark = recording.seconds_per_line !== null;
    const calibrated = recording.seconds_per_line !== null && recording.um_per_pixel !== null;
    this.velocity.plot.axes[1].label = calibrated ? "velocity (mm/s)" : "velocity (px/line)";
    for (const chart of [this.velocity, this.evidence]) chart.calibrate(recording.seconds_per_line);
    const seconds = recording.seconds_per_line ?? 1;
    const x = trace ? Array.from(trace.line, (line) => line * seconds) : [];
    const velocity = withGaps(trace?.velocity);
    const alias = trace ? velocity.map((value, at) => (trace.alias[at] ? value : null)) : [];
    this.range = limitsOf(velocity);
    this.velocity.plot.setData([x, velocity, withGaps(trace?.smooth), alias], true);
    this.evidence.plot.setData([x, withGaps(trace?.evidence)], true);
    this.redraw();
  }

  redraw() {
    for (const chart of [this.velocity, this.evidence]) {
      chart.redraw();
      chart.plot.redraw(false, true);
    }
  }

  /** @param {uPlot} plot */
  #drawBands(plot) {
    for (const { kind, start, stop } of this.stretches) this.#drawBand(plot, colour(kind), start, stop);
    if (this.marking) this.#drawBand(plot, colour("marked"), Math.min(...this.marking), Math.max(...this.marking));
  }

  /**
   * @param {uPlot} plot
   * @param {string} fill
   * @param {number} start
   * @param {number} stop
   */
  #drawBand(plot, fill, start, stop) {
    const { ctx, bbox } = plot;
    const seconds = this.velocity.secondsPerLine;
    const right = bbox.left + bbox.width;
    const from = Math.max(plot.valToPos(start * seconds, "x", true), bbox.left);
    const to = Math.min(Math.max(plot.valToPos(stop * seconds, "x", true), from + 1), right);
    if (from >= right || to <= bbox.left) return;
    ctx.save();
    ctx.fillStyle = fill;
    ctx.fillRect(from, bbox.top, to - from, STRIP_HEIGHT * devicePixelRatio);
    ctx.globalAlpha = 0.22;
    ctx.fillRect(from, bbox.top, to - from, bbox.height);
    ctx.restore();
  }

  /** @param {uPlot} plot */
  #drawZero(plot) {
    const { ctx, bbox } = plot;
    const y = plot.valToPos(0, "y", true);
    if (y < bbox.top || y > bbox.top + bbox.height) return;
    ctx.save();
    ctx.strokeStyle = colour("ink");
    ctx.lineWidth = 0.7 * devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.restore();
  }

  /** @param {(first: number, last: number) => void} onMark */
  #markOnDrag(onMark) {
    const { over } = this.velocity.plot;
    over.classList.add("markable");
    over.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !this.canMark) return;
      over.setPointerCapture(event.pointerId);
      const first = this.velocity.lineAt(event);
      /** @param {PointerEvent} moved */
      const move = (moved) => {
        this.marking = [first, this.velocity.lineAt(moved)];
        this.redraw();
      };
      over.addEventListener("pointermove", move);
      over.addEventListener(
        "pointerup",
        (released) => {
          over.removeEventListener("pointermove", move);
          const last = this.velocity.lineAt(released);
          this.marking = null;
          this.redraw();
          if (Math.abs(released.clientX - event.clientX) >= SHORTEST_MARK_PX) {
            onMark(Math.min(first, last), Math.max(first, last));
          }
        },
        { once: true },
      );
    });
  }
}

/**
 * @param {Float64Array | undefined} values
 * @returns {(number | null)[]} null for NaN, which leaves a gap
 */
function withGaps(values) {
  return values ? Array.from(values, (value) => (Number.isNaN(value) ? null : value)) : [];
}

/**
 * Limits of the velocity axis: zero is on it, and single outliers do not decide.
 *
 * @param {(number | null)[]} velocity
 * @returns {[number, number]}
 */
function limitsOf(velocity) {
  const known = Float64Array.from(velocity.filter((value) => value !== null)).sort();
  if (known.length === 0) return [-1, 1];
  const low = Math.min(0, known[Math.floor((known.length - 1) * HIDDEN_SHARE)]);
  const high = Math.max(0, known[Math.ceil((known.length - 1) * (1 - HIDDEN_SHARE))]);
  const room = 0.08 * (high - low) || 1;
  return [low - room, high + room];
}
