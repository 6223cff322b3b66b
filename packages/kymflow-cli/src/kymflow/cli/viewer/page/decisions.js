/** What people decide on a recording: a verdict, marks, notes and fields. Each is saved at once, and can be undone. */

import { make, part, shown } from "./dom.js";

/** @import {Mark, Recording, Region, Stretch} from "./types.js" */

const STALL = "stall";
const NO_STALL = "no stall";
const FIELDS = ["species", "region", "cell_type", "depth", "branch_order", "direction", "sex", "genotype", "condition", "treatment", "date", "note"];
const NUMBERS = new Set(["depth", "branch_order"]);

export class Decisions {
  /**
   * @param {(what: string, body: object) => void} onChange
   * @param {(start: number, stop: number) => void} onShow called with the lines of a stretch to look at
   */
  constructor(onChange, onShow) {
    this.onChange = onChange;
    this.onShow = onShow;
    /** @type {Recording | null} */
    this.recording = null;
    /** @type {Region | null} */
    this.region = null;
    /** Whether the metadata fields are unfolded; they stay so from recording to recording. */
    this.showsFields = false;
    /** What the reason that is being written is for. */
    this.waiting = () => this.judge("rejected");
    this.accept = this.#button("Accept", () => this.judge("accepted"));
    this.reject = this.#button("Reject", () => this.judge("rejected"));
    this.leftOut = this.#button("Exclude", () => this.exclude());
    this.reason = make("input", { type: "text", placeholder: "reason", "aria-label": "Reason", maxLength: 500 });
    this.reason.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && this.reason.value) this.waiting();
      if (event.key === "Escape") this.reason.blur();
    });
    part("actions", HTMLElement).append(this.accept, this.reject, this.reason, this.leftOut, this.#button("Undo", () => this.undo()));
  }

  /**
   * @param {Recording} recording
   * @param {Region} region
   */
  show(recording, region) {
    const isNew = this.recording?.id !== recording.id;
    this.recording = recording;
    this.region = region;
    const { verdict, exclusion } = recording.decisions;
    this.accept.setAttribute("aria-pressed", String(verdict?.verdict === "accepted"));
    this.reject.setAttribute("aria-pressed", String(verdict?.verdict === "rejected"));
    this.leftOut.setAttribute("aria-pressed", String(exclusion !== null));
    if (document.activeElement !== this.reason) this.reason.value = verdict?.reason ?? "";
    this.reason.title = verdict ? `${verdict.verdict} by ${verdict.author}, ${verdict.at}` : "";
    // Not under the hands of a person who is writing.
    const place = part("decisions", HTMLElement);
    if (isNew || !place.contains(document.activeElement)) place.replaceChildren(this.#stretches(), this.#notes(), this.#fields());
  }

  /** Forget the recording: another one is being read, and nothing written here may go to that one. */
  clear() {
    this.recording = null;
    this.region = null;
    this.reason.value = "";
    part("decisions", HTMLElement).replaceChildren();
  }

  /** @param {"accepted" | "rejected"} verdict */
  judge(verdict) {
    if (verdict === "rejected" && !this.#hasReason(() => this.judge("rejected"))) return;
    const isSame = this.recording?.decisions.verdict?.verdict === verdict;
    const reason = verdict === "rejected" || isSame ? this.reason.value.trim() : "";
    this.reason.blur();
    this.onChange("verdict", { verdict, reason });
  }

  /** Keep the recording out of tables, for a reason; include it again if it is excluded. */
  exclude() {
    if (this.recording?.decisions.exclusion) this.onChange("include", {});
    else if (this.#hasReason(() => this.exclude())) {
      this.reason.blur();
      this.onChange("exclude", { reason: this.reason.value.trim() });
    }
  }

  /**
   * Whether a reason is written; if not, the field waits for one.
   *
   * @param {() => void} then what Enter does once it is written
   */
  #hasReason(then) {
    if (this.reason.value.trim()) return true;
    this.waiting = then;
    this.reason.focus();
    return false;
  }

  undo() {
    this.onChange("undo", {});
  }

  /**
   * @param {number} start first line
   * @param {number} stop last line
   */
  mark(start, stop, kind = STALL) {
    const { recording, region } = this;
    if (!recording || !region) return;
    const seconds = recording.seconds_per_line ?? NaN;
    const [first, last] = region.lines;
    this.#free();
    this.onChange("mark", {
      channel: region.channel,
      roi: region.roi,
      start_s: Math.max(start, first) * seconds,
      stop_s: Math.min(stop, last) * seconds,
      kind,
    });
  }

  /** Write the beginning and end of a stall by hand. */
  writeMark() {
    document.getElementById("new-start")?.focus(); // there is none before the recording is read, or without line period
  }

  #stretches() {
    const { recording, region } = this;
    if (!recording || !region) return "";
    const seconds = recording.seconds_per_line;
    const marks = recording.decisions.marks.filter((mark) => mark.channel === region.channel && mark.roi_id === region.roi);
    const found = region.stretches.filter(({ kind }) => kind !== "unknown");
    const rows = [
      ...marks.map((mark) => ({ start: mark.start_line, row: this.#markRow(mark, seconds ?? 1) })),
      ...found.map((stretch) => ({ start: stretch.start, row: this.#foundRow(stretch, marks, seconds ?? 1) })),
    ].sort((one, other) => one.start - other.start);
    const section = make("section", {}, make("h2", {}, "Stalls"));
    if (seconds === null) section.append(make("p", { class: "soft" }, "Marks need a line period: kymflow calibrate gives it."));
    const head = make("tr", {}, ...["what", "from (s)", "to (s)", "by", ""].map((text) => make("th", {}, text)));
    section.append(make("table", {}, head, ...rows.map(({ row }) => row), ...(seconds === null ? [] : [this.#newRow(seconds)])));
    return section;
  }

  /**
   * @param {Mark} mark
   * @param {number} seconds
   */
  #markRow(mark, seconds) {
    const start = this.#number(mark.start_line * seconds, "From");
    const stop = this.#number(mark.stop_line * seconds, "To");
    const move = () => {
      const [from, to] = [start.valueAsNumber, stop.valueAsNumber];
      if (!(from < to)) return;
      this.#free();
      this.onChange("move-mark", { mark: mark.id, start_s: from, stop_s: to });
    };
    for (const input of [start, stop]) input.addEventListener("change", move);
    return make(
      "tr",
      {},
      make("td", {}, this.#swatch("marked"), mark.kind),
      make("td", {}, start),
      make("td", {}, stop),
      make("td", {}, mark.author),
      make(
        "td",
        {},
        this.#button("Show", () => this.onShow(mark.start_line, mark.stop_line)),
        this.#button("Remove", () => this.#send("remove-mark", { mark: mark.id })),
      ),
    );
  }

  /**
   * @param {Stretch} stretch
   * @param {Mark[]} marks
   * @param {number} seconds
   */
  #foundRow({ kind, start, stop }, marks, seconds) {
    const judged = marks.some((mark) => mark.start_line < stop && start < mark.stop_line);
    const buttons = [this.#button("Show", () => this.onShow(start, stop))];
    if (!judged && this.recording?.seconds_per_line) {
      buttons.push(this.#button("Confirm", () => this.mark(start, stop)));
      buttons.push(this.#button("No stall", () => this.mark(start, stop, NO_STALL)));
    }
    return make(
      "tr",
      {},
      make("td", {}, this.#swatch(kind), kind),
      make("td", {}, shown(start * seconds, 5)),
      make("td", {}, shown(stop * seconds, 5)),
      make("td", {}, "found"),
      make("td", {}, ...buttons),
    );
  }

  /** @param {number} seconds */
  #newRow(seconds) {
    const start = this.#number(NaN, "From", "new-start");
    const stop = this.#number(NaN, "To", "new-stop");
    const add = () => {
      if (start.valueAsNumber < stop.valueAsNumber) this.mark(start.valueAsNumber / seconds, stop.valueAsNumber / seconds);
    };
    for (const input of [start, stop]) input.addEventListener("keydown", (event) => event.key === "Enter" && add());
    return make(
      "tr",
      {},
      make("td", {}, "new stall"),
      make("td", {}, start),
      make("td", {}, stop),
      make("td", {}),
      make("td", {}, this.#button("Mark", add)),
    );
  }

  #notes() {
    const { notes, exclusion } = this.recording?.decisions ?? { notes: [], exclusion: null };
    const input = make("input", { type: "text", placeholder: "new note", "aria-label": "New note", maxLength: 2000 });
    const add = () => input.value.trim() && this.#send("note", { text: input.value.trim() });
    input.addEventListener("keydown", (event) => event.key === "Enter" && add());
    const items = notes.map(({ text, author, at }) => make("li", {}, text, make("span", { class: "soft" }, ` ${author}, ${at.slice(0, 10)}`)));
    const section = make("section", {}, make("h2", {}, "Notes"));
    if (exclusion) section.append(make("p", { class: "message" }, `excluded by ${exclusion.author}: ${exclusion.reason}`));
    section.append(make("ul", {}, ...items), make("div", { class: "controls" }, input, this.#button("Add", add)));
    return section;
  }

  #fields() {
    const values = this.recording?.fields ?? {};
    const names = [...FIELDS, ...Object.keys(values).filter((name) => !FIELDS.includes(name))];
    const inputs = names.map((name) => {
      const input = make("input", { type: "text", value: String(values[name] ?? ""), maxLength: 500 });
      input.addEventListener("change", () => {
        const text = input.value.trim();
        const value = NUMBERS.has(name) && text !== "" && Number.isFinite(Number(text)) ? Number(text) : text || null;
        this.onChange("field", { name, value });
      });
      return make("label", {}, name.replaceAll("_", " "), input);
    });
    const details = make("details", { open: this.showsFields }, make("summary", {}, "Fields"), make("div", { class: "fields" }, ...inputs));
    details.addEventListener("toggle", () => {
      this.showsFields = details.open;
    });
    return details;
  }

  /**
   * @param {string} what
   * @param {object} body
   */
  #send(what, body) {
    this.#free();
    this.onChange(what, body);
  }

  /** Redraw the panel even if one of its controls was just used. */
  #free() {
    const { activeElement } = document;
    if (activeElement instanceof HTMLElement && part("decisions", HTMLElement).contains(activeElement)) activeElement.blur();
  }

  /**
   * @param {string} text
   * @param {() => void} run
   */
  #button(text, run) {
    return make("button", { type: "button", onclick: run }, text);
  }

  /**
   * @param {number} value
   * @param {string} name
   */
  #number(value, name, id = "") {
    const input = make("input", { type: "number", step: "any", "aria-label": name, id });
    if (!Number.isNaN(value)) input.value = shown(value, 6);
    return input;
  }

  /** @param {string} kind */
  #swatch(kind) {
    return make("span", { class: `swatch ${kind}` });
  }
}
