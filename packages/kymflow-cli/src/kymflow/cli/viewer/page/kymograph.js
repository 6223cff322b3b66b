/** The kymograph: time to the right, position up, and over it the paths that the velocity implies. */

import { Chart } from "./chart.js";
import { colour } from "./dom.js";
import { pathsOf } from "./paths.js";

/** @import uPlot from "./vendor/uPlot.esm.js" */
/** @import {Tiles} from "./tiles.js" */
/** @import {ScaledTimeView, TimeView} from "./time_view.js" */
/** @import {Recording, Region, Trace} from "./types.js" */

const HEIGHT = 290;
const MOST_LINES_WITH_PATHS = 1500;
const BLACK_PERCENTILE = 0.01;
const WHITE_PERCENTILE = 0.995;

export class Kymograph {
  /**
   * @param {HTMLElement} place
   * @param {TimeView | ScaledTimeView} time
   */
  constructor(place, time) {
    this.time = time;
    /** @type {Recording | null} */
    this.recording = null;
    /** @type {Tiles | null} */
    this.tiles = null;
    /** @type {Region | null} */
    this.region = null;
    /** @type {Trace | null} */
    this.trace = null;
    this.showPaths = true;
    /** @type {[number, number] | null} values that are black and white by default; found out from what is seen first */
    this.limits = null;
    /** Shares of these that a person chose instead. */
    this.contrast = [0, 1];
    this.picture = document.createElement("canvas");
    this.chart = new Chart(place, time, {
      height: HEIGHT,
      label: "position (µm)",
      timeAxis: false,
      grid: false,
      series: [],
      range: () => this.#span(),
      below: (plot) => this.#drawPixels(plot),
      above: (plot) => this.#drawPaths(plot),
    });
    this.chart.panOnDrag();
  }

  /**
   * @param {Recording} recording
   * @param {Tiles} tiles
   */
  open(recording, tiles) {
    this.recording = recording;
    this.tiles = tiles;
    this.limits = null;
    this.chart.calibrate(recording.seconds_per_line);
    this.chart.plot.axes[1].label = recording.um_per_pixel === null ? "pixel" : "position (µm)";
    this.chart.plot.setData([[]], false);
    this.redraw();
  }

  redraw() {
    this.chart.plot.setScale("y", { min: this.#span()[0], max: this.#span()[1] });
    this.chart.redraw();
    this.chart.plot.redraw(false, true);
  }

  /** Units of the axis in a pixel. */
  get unit() {
    return this.recording?.um_per_pixel ?? 1;
  }

  /** @returns {[number, number]} */
  #span() {
    return [-0.5 * this.unit, ((this.recording?.pixels ?? 1) - 0.5) * this.unit];
  }

  /** @param {uPlot} plot */
  #drawPixels(plot) {
    if (!this.tiles) return;
    const { ctx, bbox } = plot;
    const columns = Math.max(1, Math.round(bbox.width));
    const { rows } = this.tiles;
    const means = this.tiles.means(this.time.first, this.time.last, columns);
    this.limits ??= percentiles(means);
    if (!this.limits) return;
    this.picture.width = columns;
    this.picture.height = rows;
    const picture = this.picture.getContext("2d");
    if (!picture) return;
    picture.putImageData(greys(means, columns, rows, this.#blackAndWhite(this.limits)), 0, 0);
    ctx.save();
    ctx.imageSmoothingEnabled = false;
    // The last row may stand for fewer pixels: what it has too much lies above the axis.
    const share = (rows * (this.recording?.pixels_per_row ?? 1)) / (this.recording?.pixels ?? 1);
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.drawImage(this.picture, bbox.left, bbox.top + bbox.height * (1 - share), columns, bbox.height * share);
    ctx.restore();
  }

  /** @param {[number, number]} limits */
  #blackAndWhite([low, high]) {
    const span = high - low;
    return [low + this.contrast[0] * span, low + Math.max(this.contrast[1], this.contrast[0] + 0.01) * span];
  }

  /** @param {uPlot} plot */
  #drawPaths(plot) {
    const { region, trace, time } = this;
    if (!this.showPaths || !region || !trace || time.last - time.first > MOST_LINES_WITH_PATHS) return;
    const { ctx, bbox } = plot;
    const seconds = this.chart.secondsPerLine;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.strokeStyle = colour("path");
    ctx.lineWidth = 1.5 * devicePixelRatio;
    ctx.beginPath();
    for (const path of pathsOf(trace, [time.first, time.last], region.pixels)) {
      path.forEach(([line, pixel], at) => {
        const x = plot.valToPos(line * seconds, "x", true);
        const y = plot.valToPos(pixel * this.unit, "y", true);
        if (at === 0) ctx.moveTo(x, y);
        else ctx.lineTo(x, y);
      });
    }
    ctx.stroke();
    ctx.restore();
  }
}

/**
 * Values between which most lie; null if there are none yet.
 *
 * @param {Float32Array} values
 * @returns {[number, number] | null}
 */
function percentiles(values) {
  const known = values.filter((value) => !Number.isNaN(value)).sort();
  if (known.length === 0) return null;
  const low = known[Math.floor((known.length - 1) * BLACK_PERCENTILE)];
  const high = known[Math.ceil((known.length - 1) * WHITE_PERCENTILE)];
  return [low, high > low ? high : low + 1];
}

/**
 * @param {Float32Array} means `(columns, rows)`, row 0 at the bottom
 * @param {number} columns
 * @param {number} rows
 * @param {number[]} limits black and white
 */
function greys(means, columns, rows, [black, white]) {
  const image = new ImageData(columns, rows);
  const scale = 255 / (white - black);
  for (let x = 0; x < columns; x += 1) {
    for (let row = 0; row < rows; row += 1) {
      const value = means[x * rows + row];
      if (Number.isNaN(value)) continue; // transparent
      const at = ((rows - 1 - row) * columns + x) * 4;
      const grey = (value - black) * scale; // clamped by the array
      image.data[at] = grey;
      image.data[at + 1] = grey;
      image.data[at + 2] = grey;
      image.data[at + 3] = 255;
    }
  }
  return image;
}
