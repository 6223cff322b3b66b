"use strict";
// Sorts and filters the summary. Without it the page shows the same, in the order of files.
const table = document.querySelector("#summary table");
if (table) {
  const body = table.tBodies[0];
  const heads = Array.from(table.tHead.rows[0].cells);
  const rows = () => Array.from(body.rows);

  const filter = document.createElement("input");
  filter.type = "search";
  filter.placeholder = "filter";
  filter.setAttribute("aria-label", "Show only images with these words in their row");
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows()) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
  table.parentElement.before(filter);

  // Numbers come before texts, and what is missing comes last, whatever the direction.
  const value = (row, column) => {
    const text = row.cells[column].innerText.trim();
    const number = /^[<>]?\s*(\u2212?)([\d.,]+)\s*(?:[^\d\s:\u00d7-].*)?$/.exec(text.split("\n")[0]);
    if (text === "" || text === "\u2013") return { rank: 2, key: "" };
    if (!number) return { rank: 1, key: text };
    return { rank: 0, key: Number(number[2].replaceAll(",", "")) * (number[1] ? -1 : 1) };
  };
  const compare = (a, b, direction) => {
    if (a.rank !== b.rank) return a.rank - b.rank;
    if (a.rank === 0) return direction * (a.key - b.key);
    return direction * String(a.key).localeCompare(String(b.key), "en", { numeric: true });
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
      const keyed = rows().map((row) => ({ row, key: value(row, column) }));
      keyed.sort((a, b) => compare(a.key, b.key, direction));
      body.append(...keyed.map(({ row }) => row));
    });
  });
}
