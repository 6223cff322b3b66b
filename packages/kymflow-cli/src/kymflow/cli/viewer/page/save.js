/** Files to take along: what the list shows as a table, and what is drawn as a figure. */

/** @import {Row} from "./types.js" */

/** @type {(keyof Row)[]} */
const COLUMNS = ["folder", "file", "id", "condition", "state", "reason", "decision", "velocity", "unit", "unknown"];

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
 * A cell that no spreadsheet takes for a formula.
 *
 * @param {unknown} value
 */
function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = String(value);
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
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
