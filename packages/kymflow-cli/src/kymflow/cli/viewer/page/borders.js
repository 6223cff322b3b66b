/** The two borders of a vessel, dragged over the kymograph or moved by arrow keys. */

import { make, shown } from "./dom.js";

/** @import {Kymograph} from "./kymograph.js" */
/** @import {Region} from "./types.js" */

const KEY_PAUSE_MS = 350;

export class Borders {
  /**
   * @param {Kymograph} kymograph
   * @param {(pixels: [number, number]) => void} onMove called with first pixel and the one after the last
   */
  constructor(kymograph, onMove) {
    this.kymograph = kymograph;
    this.onMove = onMove;
    /** @type {[number, number]} as they are drawn now */
    this.pixels = [0, 1];
    /** @type {[number, number]} as they are stored */
    this.stored = [0, 1];
    this.timer = 0;
    /** A hand is on a border: what arrives meanwhile does not move it. */
    this.isMoving = false;
    this.handles = [this.#handle(0, "Lower border"), this.#handle(1, "Upper border")];
    kymograph.chart.plot.over.append(...this.handles);
  }

  /** @param {Region | null} region none while another recording is being read */
  show(region) {
    for (const handle of this.handles) handle.hidden = region === null;
    if (!region) {
      clearTimeout(this.timer);
      this.isMoving = false;
      return;
    }
    this.stored = [...region.pixels];
    if (!this.isMoving) this.pixels = [...region.pixels];
    this.#place();
  }

  /** @param {0 | 1} which */
  focus(which) {
    this.handles[which].focus();
  }

  /**
   * @param {0 | 1} which
   * @param {string} name
   */
  #handle(which, name) {
    const handle = make("div", { class: "border", role: "slider", tabIndex: 0, "aria-label": name, "aria-orientation": "vertical" });
    handle.addEventListener("pointerdown", (event) => this.#drag(handle, which, event));
    handle.addEventListener("dblclick", (event) => event.stopPropagation());
    handle.addEventListener("keydown", (event) => this.#press(which, event));
    return handle;
  }

  /**
   * @param {HTMLElement} handle
   * @param {0 | 1} which
   * @param {PointerEvent} event
   */
  #drag(handle, which, event) {
    event.stopPropagation();
    handle.setPointerCapture(event.pointerId);
    /** @param {PointerEvent} moved */
    const move = (moved) => {
      const { plot } = this.kymograph.chart;
      const top = moved.clientY - plot.over.getBoundingClientRect().top;
      this.#set(which, Math.round(plot.posToVal(top, "y") / this.kymograph.unit + 0.5));
    };
    handle.addEventListener("pointermove", move);
    handle.addEventListener(
      "pointerup",
      () => {
        handle.removeEventListener("pointermove", move);
        this.#done();
      },
      { once: true },
    );
  }

  /**
   * @param {0 | 1} which
   * @param {KeyboardEvent} event
   */
  #press(which, event) {
    const steps = { ArrowUp: 1, ArrowDown: -1, PageUp: 5, PageDown: -5 }[event.key];
    if (event.key === "Escape") this.pixels = [...this.stored];
    else if (steps) this.#set(which, this.pixels[which] + steps);
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.#place();
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.#done(), KEY_PAUSE_MS);
  }

  /**
   * @param {0 | 1} which
   * @param {number} edge pixels below the border
   */
  #set(which, edge) {
    const most = this.kymograph.recording?.pixels ?? 1;
    const [low, high] = this.pixels;
    this.isMoving = true;
    if (which === 0) this.pixels = [Math.min(Math.max(edge, 0), high - 1), high];
    else this.pixels = [low, Math.max(Math.min(edge, most), low + 1)];
    this.#place();
  }

  #done() {
    this.isMoving = false;
    if (this.pixels[0] !== this.stored[0] || this.pixels[1] !== this.stored[1]) this.onMove(this.pixels);
  }

  #place() {
    const pixels = this.kymograph.recording?.pixels ?? 1;
    const { unit } = this.kymograph;
    this.handles.forEach((handle, which) => {
      const edge = this.pixels[which];
      handle.style.top = `${(1 - edge / pixels) * 100}%`;
      handle.setAttribute("aria-valuemin", "0");
      handle.setAttribute("aria-valuemax", String(pixels));
      handle.setAttribute("aria-valuenow", String(edge));
      const text = this.kymograph.recording?.um_per_pixel ? `${shown(edge * unit)} µm` : `pixel ${edge}`;
      handle.setAttribute("aria-valuetext", text);
      handle.title = text;
    });
  }
}
