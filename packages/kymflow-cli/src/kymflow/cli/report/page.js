"use strict";
// Sorts, filters and groups the summary. Without it the page shows the same, in the order of files.
const table = document.querySelector("#summary table");
if (table) {
  const body = table.tBodies[0];
  const heads = Array.from(table.tHead.rows[0].cells);
  const rows = () => Array.from(body.rows).filter((row) => !row.classList.contains("group"));
  const inOrder = (a, b) => a.localeCompare(b, "en", { numeric: true });

  const filter = document.createElement("input");
  filter.type = "search";
  filter.placeholder = "filter";
  filter.setAttribute("aria-label", "Show only images with these words in their row");
  const grouping = document.createElement("select");
  grouping.setAttribute("aria-label", "Group the images");
  grouping.append(new Option("no groups", ""));
  heads.forEach((head, column) => {
    if (head.classList.contains("label")) grouping.append(new Option(`by ${head.textContent}`, column));
  });

  // Hides what the filter does not let through; puts the rest, in its order, under its groups.
  const arrange = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const groups = new Map();
    for (const row of rows()) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      const name = grouping.value ? row.cells[grouping.value].innerText.trim() : "";
      groups.set(name, [...(groups.get(name) ?? []), row]);
    }
    for (const old of body.querySelectorAll(".group")) old.remove();
    for (const name of Array.from(groups.keys()).sort(inOrder)) {
      const members = groups.get(name);
      const shown = members.filter((row) => !row.hidden).length;
      if (grouping.value && shown) {
        const head = body.insertRow();
        head.className = "group";
        const cell = head.insertCell();
        cell.colSpan = heads.length;
        cell.textContent = `${name} (${shown} ${shown === 1 ? "image" : "images"})`;
      }
      body.append(...members);
    }
  };
  filter.addEventListener("input", arrange);
  grouping.addEventListener("change", arrange);
  table.parentElement.before(filter);
  if (grouping.options.length > 1) filter.after(" ", grouping);

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
    return direction * inOrder(String(a.key), String(b.key));
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
      arrange();
    });
  });
}
