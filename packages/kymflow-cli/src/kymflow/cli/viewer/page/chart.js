/** What all charts have in common: margins, axes, and panning and zooming in time. */

import uPlot from "./vendor/uPlot.esm.js";
import { colour } from "./dom.js";

/** @import {ScaledTimeView, TimeView} from "./time_view.js" */

const LEFT_MARGIN = 62;
const RIGHT_MARGIN = 12;
const WHEEL_STEP = 1.0015;

export class Chart {
  /**
   * @param {HTMLElement} place
   * @param {TimeView | ScaledTimeView} time
   * @param {object} about
   * @param {number} about.height in CSS pixels
   * @param {string} about.label of the axis upwards
   * @param {boolean} about.timeAxis whether time is written under it
   * @param {boolean} about.grid whether lines lead to its numbers
   * @param {uPlot.Series[]} about.series
   * @param {uPlot.Scale.Range} about.range of the axis upwards
   * @param {(chart: uPlot) => void} about.below draws under the axes
   * @param {(chart: uPlot) => void} about.above draws over the series
   */
  constructor(place, time, about) {
    this.place = place;
    this.time = time;
    this.secondsPerLine = 1;
    this.timeLabel = "";
    const ink = () => colour("ink");
    const grid = { stroke: () => colour("faint"), width: 1 };
    const font = "12px system-ui, sans-serif";
    /** @type {uPlot.Axis} */
    const common = { stroke: ink, ticks: grid, font, labelFont: font };
    this.plot = new uPlot(
      {
        width: 600,
        height: about.height,
        padding: [6, RIGHT_MARGIN, about.timeAxis ? 0 : 6, 0],
        legend: { show: false },
        cursor: { drag: { x: false, y: false, setScale: false }, y: false, points: { show: false } },
        scales: {
          x: { time: false, auto: false, range: () => [this.#x(time.first), this.#x(time.last)] },
          y: { range: about.range },
        },
        axes: [
          about.timeAxis
            ? { ...common, grid: { show: false }, size: 40, labelSize: 16, labelGap: 0, label: () => this.timeLabel }
            : { show: false },
          { ...common, grid: about.grid ? grid : { show: false }, size: LEFT_MARGIN - 18, labelSize: 18, label: about.label },
        ],
        series: [{}, ...about.series],
        hooks: { drawClear: [about.below], draw: [about.above] },
      },
      [[], ...about.series.map(() => [])],
      place,
    );
    time.listeners.push(() => this.redraw());
    new ResizeObserver(() => this.#resize()).observe(place);
    this.#listen();
  }

  /**
   * @param {number | null} secondsPerLine
   */
  calibrate(secondsPerLine) {
    this.secondsPerLine = secondsPerLine ?? 1;
    this.timeLabel = secondsPerLine === null ? "line" : "time (s)";
  }

  redraw() {
    this.plot.setScale("x", { min: this.#x(this.time.first), max: this.#x(this.time.last) });
  }

  /**
   * The line of the recording under a pointer.
   *
   * @param {MouseEvent} event
   */
  lineAt(event) {
    const left = event.clientX - this.plot.over.getBoundingClientRect().left;
    return this.plot.posToVal(left, "x") / this.secondsPerLine;
  }

  #resize() {
    const width = this.place.clientWidth;
    if (width > 0) this.plot.setSize({ width, height: this.plot.height });
  }

  /** @param {number} line */
  #x(line) {
    return line * this.secondsPerLine;
  }

  #listen() {
    const { over } = this.plot;
    over.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const span = this.time.last - this.time.first;
        if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.time.pan((event.deltaX / over.clientWidth) * span);
        else this.time.zoom(WHEEL_STEP ** event.deltaY, this.lineAt(event));
      },
      { passive: false },
    );
    over.addEventListener("dblclick", () => this.time.reset());
  }

  /** Dragging moves the recording under the pointer. */
  panOnDrag() {
    const { over } = this.plot;
    over.classList.add("grabbable");
    over.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      over.setPointerCapture(event.pointerId);
      let held = event.clientX;
      /** @param {PointerEvent} moved */
      const move = (moved) => {
        const lines = ((moved.clientX - held) / over.clientWidth) * (this.time.last - this.time.first);
        held = moved.clientX;
        this.time.pan(-lines);
      };
      over.addEventListener("pointermove", move);
      over.addEventListener("pointerup", () => over.removeEventListener("pointermove", move), { once: true });
    });
  }
}
