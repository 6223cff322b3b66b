/** Which part of the time axis is shown, by all charts alike; in lines of the recording. */

const FEWEST_LINES = 20;

export class TimeView {
  constructor() {
    this.first = 0;
    this.last = 1;
    this.whole = [0, 1];
    /** @type {(() => void)[]} */
    this.listeners = [];
    this.scheduled = false;
  }

  /** @param {number} lines of a new recording, which is shown whole */
  open(lines) {
    // Line i reaches from i - 0.5 to i + 0.5.
    this.whole = [-0.5, lines - 0.5];
    this.reset();
  }

  reset() {
    this.show(this.whole[0], this.whole[1]);
  }

  /**
   * Show a stretch, as far as the recording reaches.
   *
   * @param {number} first
   * @param {number} last
   */
  show(first, last) {
    const length = this.whole[1] - this.whole[0];
    const span = Math.min(Math.max(last - first, Math.min(FEWEST_LINES, length)), length);
    this.first = Math.min(Math.max(first, this.whole[0]), this.whole[1] - span);
    this.last = this.first + span;
    this.#announce();
  }

  /**
   * @param {number} factor below 1 to see less
   * @param {number} line that stays where it is
   */
  zoom(factor, line) {
    this.show(line - (line - this.first) * factor, line + (this.last - line) * factor);
  }

  /** @param {number} lines to the right */
  pan(lines) {
    this.show(this.first + lines, this.last + lines);
  }

  #announce() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      for (const listener of this.listeners) listener();
    });
  }
}

/** The same stretch of time, in lines of another recording. */
export class ScaledTimeView {
  /** @param {TimeView} time */
  constructor(time) {
    this.time = time;
    /** Lines of the other recording in one of this one. */
    this.factor = 1;
    this.listeners = time.listeners;
  }

  get first() {
    return this.time.first * this.factor;
  }

  get last() {
    return this.time.last * this.factor;
  }

  reset() {
    this.time.reset();
  }

  /**
   * @param {number} first
   * @param {number} last
   */
  show(first, last) {
    this.time.show(first / this.factor, last / this.factor);
  }

  /**
   * @param {number} factor below 1 to see less
   * @param {number} line that stays where it is
   */
  zoom(factor, line) {
    this.time.zoom(factor, line / this.factor);
  }

  /** @param {number} lines to the right */
  pan(lines) {
    this.time.pan(lines / this.factor);
  }
}
