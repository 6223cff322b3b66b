/** Files to take along: what the list shows as a table, and what is drawn as a figure. */

/** @import {Row} from "./types.js" */

/** @type {(keyof Row)[]} */
const COLUMNS = ["folder", "file", "id", "animal", "condition", "state", "reason", "decision", "velocity", "unit", "unknown"];

const RISKY = /^['=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;
const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;

/**
 * Save rows as CSV.
 *
 * @param {Row[]} rows
 */
export function saveTable(rows) {
  const lines = [COLUMNS, ...rows.map((row) => COLUMNS.map((name) => row[name]))];
  const text = lines.map((cells) => cells.map(cell).join(",")).join("\r\n");
  save("recordings.csv", new Blob([text, "\r\n"], { type: "text/csv" }));
}

/**
 * A cell that no spreadsheet takes for a formula: the rule of `kymflow export`, full-width signs included.
 *
 * @param {unknown} value
 */
function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = String(value);
  const harmless = RISKY.test(text) && !NUMBER.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

/**
 * @param {string} name
 * @param {Blob} blob
 */
export function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
