/**
 * What the server answers, for the type checker: `recording_list.py` and `recording.py` say the same.
 *
 * @typedef {object} Row
 * @property {string} id
 * @property {string} file
 * @property {string} folder
 * @property {number[]} shape
 * @property {string | null} animal
 * @property {string | null} condition
 * @property {"current" | "outdated" | "missing" | "failed" | null} state
 * @property {string} reason
 * @property {number | null} velocity
 * @property {string} unit
 * @property {number | null} unknown
 * @property {"open" | "accepted" | "rejected" | "excluded"} decision
 *
 * @typedef {object} ListChanges
 * @property {string} dataset
 * @property {number} version
 * @property {Row[]} rows
 * @property {string[]} gone
 * @property {number} pending
 *
 * @typedef {object} Stretch A stretch of lines: a stall, a transient one, or one without evidence.
 * @property {string} kind
 * @property {number} start
 * @property {number} stop
 *
 * @typedef {object} Region
 * @property {number} channel
 * @property {number | null} roi
 * @property {string} name
 * @property {number} z
 * @property {[number, number]} lines
 * @property {[number, number]} pixels
 * @property {string} state
 * @property {string[]} causes
 * @property {string} reason
 * @property {Record<string, any> | null} values
 * @property {Stretch[]} stretches
 *
 * @typedef {object} Recording
 * @property {string} id
 * @property {number} channels
 * @property {number} lines
 * @property {number} pixels
 * @property {number | null} seconds_per_line
 * @property {number | null} um_per_pixel
 * @property {number} tile_columns
 * @property {number} pixels_per_row
 * @property {Region[]} regions
 * @property {Record<string, string | number | null>} fields
 * @property {Decisions} decisions
 *
 * @typedef {object} Decisions `kymflow.core.decisions.Decisions`
 * @property {{reason: string, author: string, at: string} | null} exclusion
 * @property {{verdict: "accepted" | "rejected", reason: string, author: string, at: string} | null} verdict
 * @property {{text: string, author: string, at: string}[]} notes
 * @property {Mark[]} marks
 *
 * @typedef {object} Mark
 * @property {string} id
 * @property {number} channel
 * @property {number | null} roi_id
 * @property {number} start_line
 * @property {number} stop_line
 * @property {string} kind
 * @property {string} author
 *
 * @typedef {object} Trace Velocity over time; all arrays are equally long.
 * @property {Float64Array} line
 * @property {Float64Array} velocity
 * @property {Float64Array} smooth
 * @property {Float64Array} pxPerLine
 * @property {Float64Array} evidence
 * @property {Float64Array} alias
 */

export {};
