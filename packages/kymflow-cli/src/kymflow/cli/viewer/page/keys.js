/** Keys for everything, and the page of help that lists them. */

import { make, part } from "./dom.js";

/** @typedef {{key: string, does: string, run: () => void}} Key */

/** @param {Key[]} keys */
export function listenToKeys(keys) {
  const help = part("help", HTMLDialogElement);
  const rows = keys.map(({ key, does }) => make("tr", {}, make("th", {}, make("kbd", {}, key)), make("td", {}, does)));
  help.append(
    make("h2", { id: "help-title" }, "Keys"),
    make("table", {}, ...rows),
    make(
      "p",
      {},
      "Wheel: zoom. Drag the kymograph: pan. Double click: whole recording. Drag a border, or move it with ↑ and ↓. Drag over the velocity: mark a stall.",
    ),
    make("button", { type: "button", onclick: () => help.close() }, "Close"),
  );
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || help.open) return;
    const found = keys.find(({ key }) => key === event.key);
    if (!found) return;
    event.preventDefault();
    found.run();
  });
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return (
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement ||
    (target instanceof HTMLInputElement && !["range", "checkbox"].includes(target.type))
  );
}
