/** One recording that stays in view under the open one, on the same scales: before and after. */

import { part } from "./dom.js";
import { Kymograph } from "./kymograph.js";
import { Tiles } from "./tiles.js";
import { ScaledTimeView } from "./time_view.js";
import { TraceCharts } from "./trace.js";

/** @import {Api} from "./api.js" */
/** @import {TimeView} from "./time_view.js" */
/** @import {Recording, Region} from "./types.js" */

export class Comparison {
  /**
   * @param {Api} api
   * @param {TimeView} time of the open recording
   * @param {TraceCharts} traces of the open recording
   */
  constructor(api, time, traces) {
    this.api = api;
    this.time = new ScaledTimeView(time);
    this.after = traces;
    this.kymograph = new Kymograph(part("before-kymograph", HTMLElement), this.time);
    this.before = new TraceCharts(part("before-velocity", HTMLElement), part("before-evidence", HTMLElement), this.time, null);
    /** @type {Recording | null} */
    this.recording = null;
  }

  get isOpen() {
    return this.recording !== null;
  }

  /**
   * Keep a recording in view, or let go of the one that is.
   *
   * @param {string} file
   * @param {Recording} recording
   * @param {Region} region
   */
  async toggle(file, recording, region) {
    const kept = this.isOpen ? null : recording;
    this.recording = kept;
    part("before", HTMLElement).hidden = kept === null;
    if (!kept) return;
    part("before-title", HTMLElement).textContent = `Compared with ${file}`;
    this.begin(recording);
    this.kymograph.open(recording, new Tiles(this.api, recording, region.channel, region.z, () => this.kymograph.redraw()));
    const trace = region.values === null ? null : await this.api.trace(recording.id, region.channel, region.roi);
    this.kymograph.region = region;
    this.kymograph.trace = trace;
    this.before.show(recording, region, trace);
    this.shareRange();
  }

  /**
   * Another recording is opened above.
   *
   * @param {Recording} opened
   * @returns {number} how many of its lines the axis of time needs, for both
   */
  begin(opened) {
    if (!this.recording) return opened.lines;
    this.time.factor = (opened.seconds_per_line ?? 1) / (this.recording.seconds_per_line ?? 1);
    return Math.max(opened.lines, this.recording.lines / this.time.factor);
  }

  /** Give both velocities one axis. */
  shareRange() {
    if (!this.isOpen) return;
    const ranges = [this.before.range, this.after.range];
    const shared = /** @type {[number, number]} */ ([Math.min(...ranges.map(([low]) => low)), Math.max(...ranges.map(([, high]) => high))]);
    for (const charts of [this.before, this.after]) {
      charts.range = shared;
      charts.velocity.plot.setScale("y", { min: shared[0], max: shared[1] });
      charts.redraw();
    }
  }

  redraw() {
    this.kymograph.redraw();
    this.before.redraw();
  }
}
