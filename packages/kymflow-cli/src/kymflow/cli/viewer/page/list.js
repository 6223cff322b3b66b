/** The recordings as a tree of folders or animals. Only the rows on screen are elements, so 100,000 of them scroll like ten. */

import { make, part, shown } from "./dom.js";
import { percent } from "./facts.js";

/** @import {ListChanges, Row} from "./types.js" */

/** @typedef {{group: string, count: number, row?: undefined} | {row: Row, group?: undefined}} Entry */

const ROW_HEIGHT = 30;
const SPARE_ROWS = 6;
const natural = new Intl.Collator(undefined, { numeric: true });

/** @type {Record<string, ((row: Row) => number | string | null) | undefined>} */
const SORT_KEYS = {
  velocity: (row) => row.velocity,
  unknown: (row) => row.unknown,
  condition: (row) => row.condition || null,
  animal: (row) => row.animal || null,
};

/**
 * What the tree is made of, by the choice in the list of orders; no tree with any other choice.
 *
 * @type {Record<string, ((row: Row) => string) | undefined>}
 */
const BRANCHES = {
  file: (row) => row.folder,
  animal: (row) => row.animal ?? "",
};

export class RecordingList {
  /** @param {(row: Row) => void} onChoose */
  constructor(onChoose) {
    this.onChoose = onChoose;
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    /** @type {Row[]} by folder and file */
    this.byFile = [];
    /** How much of the beginning all folders have in common. */
    this.root = 0;
    /** @type {Entry[]} the same as it is shown: with folders, without what is in closed ones */
    this.entries = [];
    /** @type {Row[]} what the filter leaves, in order */
    this.found = [];
    /** Called when that changes. */
    this.onFound = () => {};
    /** @type {Set<string>} */
    this.closed = new Set();
    this.chosen = "";
    this.pending = 0;
    this.place = part("list", HTMLElement);
    this.filter = part("filter", HTMLInputElement);
    this.show = part("show", HTMLSelectElement);
    this.sort = part("sort", HTMLSelectElement);
    this.space = make("div", { class: "space" });
    this.place.append(this.space);
    for (const control of [this.filter, this.show, this.sort]) control.addEventListener("input", () => this.#arrange());
    this.place.addEventListener("scroll", () => this.#draw());
    this.place.addEventListener("keydown", (event) => this.#press(event));
    new ResizeObserver(() => this.#draw()).observe(this.place);
  }

  /** @param {ListChanges} changes */
  apply({ rows, gone, pending }) {
    let isOther = gone.length > 0;
    for (const id of gone) this.rows.delete(id);
    for (const row of rows) {
      isOther ||= !this.rows.has(row.id);
      this.rows.set(row.id, row);
    }
    this.pending = pending;
    if (isOther) {
      this.byFile = [...this.rows.values()].sort(byFile);
      this.root = commonRoot(this.byFile[0]?.folder ?? "", this.byFile[this.byFile.length - 1]?.folder ?? "");
    } else this.byFile = this.byFile.map((row) => this.rows.get(row.id) ?? row);
    if (rows.length > 0 || isOther) this.#arrange();
    else this.#count();
  }

  /**
   * Choose the recording so many places further down.
   *
   * @param {number} steps
   */
  step(steps) {
    const rows = this.entries.flatMap((entry) => (entry.row ? [entry.row] : []));
    const at = rows.findIndex((row) => row.id === this.chosen);
    const next = at < 0 ? rows[0] : rows[Math.min(Math.max(at + steps, 0), rows.length - 1)];
    if (next && next.id !== this.chosen) this.choose(next.id);
  }

  /** @param {string} id */
  choose(id) {
    const row = this.rows.get(id);
    if (!row) return;
    this.chosen = id;
    if (this.closed.delete(BRANCHES[this.sort.value]?.(row) ?? "")) this.#arrange();
    const at = this.entries.findIndex((entry) => entry.row?.id === id);
    const top = at * ROW_HEIGHT;
    if (top < this.place.scrollTop + ROW_HEIGHT) this.place.scrollTop = top - ROW_HEIGHT;
    else if (top + ROW_HEIGHT > this.place.scrollTop + this.place.clientHeight) {
      this.place.scrollTop = top + ROW_HEIGHT - this.place.clientHeight;
    }
    this.#draw();
    this.onChoose(row);
  }

  #arrange() {
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = this.byFile.filter((row) => {
      if (this.show.value && statusOf(row) !== this.show.value) return false;
      const text = `${row.folder}/${row.file} ${row.animal ?? ""} ${row.condition ?? ""}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
    const branch = BRANCHES[this.sort.value];
    const key = SORT_KEYS[this.sort.value];
    this.found = key ? sorted(found, key) : found;
    this.entries = branch ? [...this.#tree(this.found, branch)] : this.found.map((row) => ({ row }));
    this.#count();
    this.#draw();
    this.onFound();
  }

  /**
   * @param {Row[]} rows in order of their branches
   * @param {(row: Row) => string} branch
   * @returns {Generator<Entry>}
   */
  *#tree(rows, branch) {
    for (let at = 0; at < rows.length; ) {
      const group = branch(rows[at]);
      let stop = at;
      while (stop < rows.length && branch(rows[stop]) === group) stop += 1;
      yield { group, count: stop - at };
      if (!this.closed.has(group)) for (const row of rows.slice(at, stop)) yield { row };
      at = stop;
    }
  }

  #count() {
    const all = this.rows.size;
    const found = this.found.length;
    const said = found === all ? `${all.toLocaleString()} recordings` : `${found.toLocaleString()} of ${all.toLocaleString()} recordings`;
    const text = all === 1 && found === 1 ? "1 recording" : said;
    part("count", HTMLElement).textContent = this.pending ? `${text}, reading ${this.pending.toLocaleString()} …` : text;
  }

  #draw() {
    this.space.style.height = `${this.entries.length * ROW_HEIGHT}px`;
    const first = Math.max(0, Math.floor(this.place.scrollTop / ROW_HEIGHT) - SPARE_ROWS);
    const stop = Math.min(this.entries.length, Math.ceil((this.place.scrollTop + this.place.clientHeight) / ROW_HEIGHT) + SPARE_ROWS);
    const elements = [];
    for (let at = first; at < stop; at += 1) {
      const entry = this.entries[at];
      const element = entry.row ? this.#row(entry.row) : this.#group(entry);
      element.style.top = `${at * ROW_HEIGHT}px`;
      elements.push(element);
    }
    this.space.replaceChildren(...elements);
    if (this.chosen) this.place.setAttribute("aria-activedescendant", `row-${this.chosen}`);
  }

  /** @param {{group: string, count: number}} entry */
  #group({ group, count }) {
    const isOpen = !this.closed.has(group);
    const said = this.sort.value === "animal" ? group || "no animal" : group.slice(this.root) || "no file";
    const name = make("span", { class: "name", title: group }, said);
    const element = make(
      "div",
      { class: "folder", role: "treeitem", "aria-level": "1", "aria-expanded": String(isOpen) },
      make("span", { class: "twist" }, isOpen ? "▾" : "▸"),
      name,
      make("span", { class: "value" }, count.toLocaleString()),
    );
    element.addEventListener("click", () => {
      if (isOpen) this.closed.add(group);
      else this.closed.delete(group);
      this.#arrange();
    });
    return element;
  }

  /** @param {Row} row */
  #row(row) {
    const status = statusOf(row);
    const isChosen = row.id === this.chosen;
    const value = row.velocity === null ? "" : `${shown(row.velocity)} ${row.unit}`;
    const element = make(
      "div",
      {
        id: `row-${row.id}`,
        class: "row",
        role: "treeitem",
        "aria-level": "2",
        "aria-selected": String(isChosen),
        title: [row.file, status, row.reason].filter(Boolean).join(": "),
      },
      make("span", { class: `dot ${row.state === null ? "unread" : status}`, role: "img", "aria-label": status }),
      make("span", { class: "name" }, row.file),
      make("span", { class: "value" }, this.sort.value === "unknown" ? percent(row.unknown) : value),
    );
    element.addEventListener("click", () => this.choose(row.id));
    return element;
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity }[event.key];
    if (!steps) return;
    event.preventDefault();
    this.step(steps);
  }
}

/** @param {Row} row */
export function statusOf(row) {
  if (row.state === "failed" || row.state === "outdated") return row.state;
  return row.decision;
}

/**
 * The length of the folder that two folders lie in, so that their own names are left.
 *
 * @param {string} one
 * @param {string} other
 */
function commonRoot(one, other) {
  let same = 0;
  while (same < Math.min(one.length, other.length) && one[same] === other[same]) same += 1;
  if (one === other) same -= 1; // the only folder keeps its name
  return Math.max(one.lastIndexOf("/", same - 1), one.lastIndexOf("\\", same - 1)) + 1;
}

/**
 * @param {Row} one
 * @param {Row} other
 */
function byFile(one, other) {
  const folders = one.folder === other.folder ? 0 : natural.compare(one.folder, other.folder);
  return folders || natural.compare(one.file, other.file) || (one.id < other.id ? -1 : 1);
}

/**
 * Rows without a value come last.
 *
 * @param {Row[]} rows
 * @param {(row: Row) => number | string | null} key
 */
function sorted(rows, key) {
  const keyed = rows.map((row) => ({ row, key: key(row) }));
  keyed.sort((one, other) => {
    if (one.key === null || other.key === null) return Number(one.key === null) - Number(other.key === null);
    if (typeof one.key === "string" || typeof other.key === "string") return natural.compare(String(one.key), String(other.key));
    return one.key - other.key;
  });
  return keyed.map(({ row }) => row);
}
