/** The page: which recording is open, and what each part of the page does about it. */

import { Api, Unreachable } from "./api.js";
import { Borders } from "./borders.js";
import { Comparison } from "./comparison.js";
import { Decisions } from "./decisions.js";
import { make, part, shown } from "./dom.js";
import { factsOf, numbersOf, regionName } from "./facts.js";
import { Groups } from "./groups.js";
import { listenToKeys } from "./keys.js";
import { Kymograph } from "./kymograph.js";
import { RecordingList } from "./list.js";
import { save, saveTable } from "./save.js";
import { Tiles } from "./tiles.js";
import { TimeView } from "./time_view.js";
import { TraceCharts } from "./trace.js";

/** @import {Recording, Region, Row} from "./types.js" */

const PAUSE_MS = 3000;
/** So that a slow server spends at most a twentieth of its time on this page's list. */
const PAUSE_PER_ANSWER = 20;

class Page {
  constructor() {
    const [token, chosen] = location.hash.slice(1).split("/");
    this.token = token;
    this.wanted = chosen ?? "";
    this.api = new Api(token);
    this.api.onConnection = (reachable) => this.#connection(reachable);
    this.time = new TimeView();
    this.kymograph = new Kymograph(part("kymograph", HTMLElement), this.time);
    this.decisions = new Decisions(
      (what, body) => this.#decide(what, body),
      (start, stop) => this.time.show(start - (stop - start), stop + (stop - start)),
    );
    this.traces = new TraceCharts(part("velocity", HTMLElement), part("evidence", HTMLElement), this.time, (first, last) =>
      this.decisions.mark(first, last),
    );
    this.borders = new Borders(this.kymograph, (pixels) => this.#moveBorders(pixels));
    this.list = new RecordingList((row) => this.#open(row));
    this.comparison = new Comparison(this.api, this.time, this.traces);
    this.groups = new Groups((id) => this.list.choose(id));
    this.list.onFound = () => this.groups.show(this.list.found);
    /** @type {Recording | null} */
    this.recording = null;
    this.regionIndex = 0;
    /** @type {string} what the server knew of the open recording when it was shown */
    this.shownRow = "";
    this.version = 0;
    this.reachable = true;
    this.time.listeners.push(() => this.#showTime());
    this.#listen();
    this.#follow();
  }

  /** @returns {Region | null} */
  get region() {
    return this.recording?.regions[this.regionIndex] ?? null;
  }

  #listen() {
    part("region", HTMLSelectElement).addEventListener("input", (event) => {
      this.regionIndex = Number(/** @type {HTMLSelectElement} */ (event.target).value);
      this.#showRegion();
    });
    part("channel", HTMLSelectElement).addEventListener("input", () => this.#showPixels());
    for (const [id, which] of /** @type {const} */ ([["black", 0], ["white", 1]])) {
      part(id, HTMLInputElement).addEventListener("input", (event) => {
        this.kymograph.contrast[which] = Number(/** @type {HTMLInputElement} */ (event.target).value) / 100;
        this.kymograph.redraw();
      });
    }
    part("paths", HTMLInputElement).addEventListener("input", (event) => {
      this.kymograph.showPaths = /** @type {HTMLInputElement} */ (event.target).checked;
      this.kymograph.redraw();
    });
    part("compute", HTMLButtonElement).addEventListener("click", () => this.#decide("compute", {}));
    part("whole", HTMLButtonElement).addEventListener("click", () => this.time.reset());
    part("compare", HTMLButtonElement).addEventListener("click", () => this.#compare());
    part("figure", HTMLButtonElement).addEventListener("click", () => this.#saveFigure());
    part("table", HTMLButtonElement).addEventListener("click", () => saveTable(this.list.found));
    part("group", HTMLButtonElement).addEventListener("click", () => this.#toggleGroups());
    window.addEventListener("hashchange", () => location.reload()); // another address was pasted
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.kymograph.redraw();
      this.traces.redraw();
      this.comparison.redraw();
    });
    listenToKeys([
      { key: "n", does: "next recording", run: () => this.list.step(1) },
      { key: "p", does: "previous recording", run: () => this.list.step(-1) },
      { key: "a", does: "accept", run: () => this.decisions.judge("accepted") },
      { key: "r", does: "reject; write a reason, then Enter", run: () => this.decisions.judge("rejected") },
      { key: "x", does: "exclude from tables, with a reason as for reject; again to include", run: () => this.decisions.exclude() },
      { key: "s", does: "mark a stall; write from and to, then Enter", run: () => this.decisions.writeMark() },
      { key: "z", does: "undo the latest decision on this recording", run: () => this.decisions.undo() },
      { key: "1", does: "lower border", run: () => this.borders.focus(0) },
      { key: "2", does: "upper border", run: () => this.borders.focus(1) },
      { key: "c", does: "compute what is not current", run: () => this.#decide("compute", {}) },
      { key: "b", does: "keep this recording in view, to compare others with it; again to let it go", run: () => this.#compare() },
      { key: "g", does: "groups by condition, and back", run: () => this.#toggleGroups() },
      { key: "+", does: "zoom in", run: () => this.#zoom(0.5) },
      { key: "-", does: "zoom out", run: () => this.#zoom(2) },
      { key: "[", does: "earlier", run: () => this.#pan(-0.25) },
      { key: "]", does: "later", run: () => this.#pan(0.25) },
      { key: "0", does: "whole recording", run: () => this.time.reset() },
      { key: "?", does: "this help", run: () => part("help", HTMLDialogElement).showModal() },
    ]);
  }

  async #compare() {
    const row = this.list.rows.get(this.list.chosen);
    if (!row || !this.recording || !this.region) return;
    try {
      await this.comparison.toggle(row.file, this.recording, this.region);
    } catch (error) {
      this.#fail(error);
    }
    part("compare", HTMLButtonElement).setAttribute("aria-pressed", String(this.comparison.isOpen));
  }

  async #saveFigure() {
    const { recording, region } = this;
    if (!recording || !region) return;
    const first = Math.max(0, Math.ceil(this.time.first));
    const stop = Math.min(recording.lines, Math.floor(this.time.last) + 1);
    try {
      const figure = await this.api.figure(recording.id, region.channel, region.roi, [first, stop]);
      save(`${this.list.rows.get(recording.id)?.file ?? recording.id}.svg`, figure);
    } catch (error) {
      this.#fail(error);
    }
  }

  #toggleGroups() {
    this.groups.toggle(this.list.found);
    const { isOpen } = this.groups;
    part("group", HTMLButtonElement).setAttribute("aria-pressed", String(isOpen));
    part("recording", HTMLElement).hidden = isOpen || this.list.chosen === "";
  }

  #showTime() {
    const seconds = this.recording?.seconds_per_line ?? null;
    const [first, last] = [this.time.first + 0.5, this.time.last + 0.5].map((line) => shown(line * (seconds ?? 1), 4));
    part("shown", HTMLOutputElement).textContent = seconds === null ? `lines ${first} to ${last}` : `${first} to ${last} s`;
  }

  /** @param {number} factor */
  #zoom(factor) {
    this.time.zoom(factor, (this.time.first + this.time.last) / 2);
  }

  /** @param {number} share of what is shown */
  #pan(share) {
    this.time.pan((this.time.last - this.time.first) * share);
  }

  /** Ask for what has changed, for as long as the page is open. */
  async #follow() {
    for (;;) {
      const asked = performance.now();
      const pending = await this.#refresh();
      const pause = Math.max(PAUSE_MS, (performance.now() - asked) * PAUSE_PER_ANSWER);
      await new Promise((resolve) => setTimeout(resolve, pending ? 0 : pause));
    }
  }

  /** @returns {Promise<number>} how many recordings the server has not looked at yet */
  async #refresh() {
    try {
      const changes = await this.api.recordings(this.version);
      this.version = Math.max(this.version, changes.version);
      document.title = `${changes.dataset.split(/[\\/]/).filter(Boolean).pop() ?? ""} – kymflow`;
      this.list.apply(changes);
      this.#catchUp();
      return changes.pending;
    } catch (error) {
      this.#fail(error);
      return 0;
    }
  }

  /** Open what the address names, and read the open recording again if something else has changed it. */
  #catchUp() {
    part("nothing", HTMLElement).hidden = this.list.rows.size > 0;
    if (!this.list.chosen && this.list.rows.size > 0) {
      if (this.list.rows.has(this.wanted)) this.list.choose(this.wanted);
      else this.list.step(1);
    }
    const row = this.list.rows.get(this.list.chosen);
    const known = JSON.stringify(row);
    if (!row || row.state === null) return;
    if (this.shownRow && this.shownRow !== known) this.#load(row);
    else this.shownRow = known;
  }

  /** @param {Row} row */
  async #open(row) {
    history.replaceState(null, "", `#${this.token}/${row.id}`);
    if (this.groups.isOpen) this.#toggleGroups();
    part("recording", HTMLElement).hidden = false;
    part("file", HTMLElement).textContent = row.file;
    part("facts", HTMLElement).textContent = "";
    this.recording = null;
    this.regionIndex = 0;
    this.decisions.clear();
    this.borders.show(null);
    await this.#load(row);
  }

  /** @param {Row} row */
  async #load(row) {
    this.shownRow = row.state === null ? "" : JSON.stringify(row);
    try {
      const recording = await this.api.recording(row.id);
      if (this.list.chosen === row.id) await this.#show(recording);
    } catch (error) {
      if (this.list.chosen !== row.id) return;
      part("charts", HTMLElement).hidden = true;
      this.#problem(error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {Recording} recording */
  async #show(recording) {
    const isNew = this.recording?.id !== recording.id;
    this.recording = recording;
    this.regionIndex = Math.min(this.regionIndex, recording.regions.length - 1);
    part("charts", HTMLElement).hidden = false;
    const choices = recording.regions.map((region, at) =>
      make("option", { value: String(at) }, regionName(region, recording)),
    );
    part("region", HTMLSelectElement).replaceChildren(...choices);
    part("region", HTMLSelectElement).value = String(this.regionIndex);
    part("facts", HTMLElement).textContent = factsOf(recording);
    if (isNew) this.time.open(this.comparison.begin(recording));
    await this.#showRegion(isNew);
  }

  async #showRegion(isNew = true) {
    const { recording, region } = this;
    if (!recording || !region) return;
    if (isNew) {
      const channels = Array.from({ length: recording.channels }, (_, at) => String(at + 1));
      const select = part("channel", HTMLSelectElement);
      select.replaceChildren(...channels.map((channel) => make("option", { value: channel }, channel)));
      select.value = String(region.channel);
      part("channel-label", HTMLElement).hidden = channels.length < 2;
      this.#showPixels();
    }
    this.borders.show(region);
    this.decisions.show(recording, region);
    this.#problem(region.state === "failed" ? region.reason : "");
    this.#numbers(region);
    try {
      const trace = region.values === null ? null : await this.api.trace(recording.id, region.channel, region.roi);
      if (this.region !== region) return;
      this.kymograph.region = region;
      this.kymograph.trace = trace;
      this.traces.show(recording, region, trace);
      this.kymograph.redraw();
      this.comparison.shareRange();
    } catch (error) {
      this.#fail(error);
    }
  }

  #showPixels() {
    if (!this.recording || !this.region) return;
    const channel = Number(part("channel", HTMLSelectElement).value);
    const tiles = new Tiles(this.api, this.recording, channel, this.region.z, () => this.kymograph.redraw());
    this.kymograph.open(this.recording, tiles);
  }

  /** @param {[number, number]} pixels */
  async #moveBorders(pixels) {
    if (!this.region) return;
    const { channel, roi } = this.region;
    const folder = part("folder", HTMLInputElement);
    await this.#decide("borders", { channel, roi, pixels, folder: folder.checked });
    folder.checked = false;
  }

  /**
   * @param {string} what
   * @param {object} body
   */
  async #decide(what, body) {
    const id = this.list.chosen;
    if (!id) return;
    document.body.classList.add("busy");
    try {
      const recording = await this.api.change(id, what, body);
      this.#say("");
      this.shownRow = ""; // what the list learns of this change is shown already
      if (this.recording?.id === id) await this.#show(recording);
      await this.#refresh();
    } catch (error) {
      this.#say(`not saved: ${error instanceof Error ? error.message : error}`);
      this.borders.show(this.region);
    } finally {
      document.body.classList.remove("busy");
    }
  }

  /** @param {Region} region */
  #numbers(region) {
    part("compute", HTMLButtonElement).hidden = region.state === "current" || region.state === "failed";
    const numbers = numbersOf(region, this.recording?.um_per_pixel ?? null);
    part("numbers", HTMLElement).replaceChildren(
      ...numbers.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))),
    );
  }

  /** @param {string} text */
  #problem(text) {
    const place = part("problem", HTMLElement);
    place.textContent = text;
    place.hidden = !text;
  }

  /** @param {unknown} error */
  #fail(error) {
    if (error instanceof Unreachable) return; // the connection's own line says so
    this.#say(error instanceof Error ? error.message : String(error));
    if (!(error instanceof Error)) throw error;
  }

  /** @param {string} text */
  #say(text) {
    part("said", HTMLElement).textContent = text;
  }

  /** @param {boolean} reachable */
  #connection(reachable) {
    if (reachable === this.reachable) return;
    this.reachable = reachable;
    const place = part("connection", HTMLElement);
    place.hidden = reachable;
    place.textContent = reachable ? "" : "The server cannot be reached. What was saved is safe; this page continues as soon as it is back.";
    if (reachable) this.kymograph.redraw();
  }
}

new Page();
