// Long tables of the site: a click on a header sorts, a box and menus filter.
const LONG = 9; // rows from which on a table has a box
const FEW = 7; // different cells up to which a column has a menu
const SHORT = 26; // characters up to which a cell stays on one line

const text = (cell) => cell.textContent.replaceAll("−", "-").trim();
const number = (cell) => parseFloat(text(cell).match(/^[+-]?\d[\d.]*(e[+-]?\d+)?/)?.[0]);

function sort(body, rows, column, sign) {
  const numeric = rows.filter((row) => !isNaN(number(row.cells[column]))).length > rows.length / 2;
  const order = (a, b) => {
    const [x, y] = [a.cells[column], b.cells[column]];
    if (!numeric) return sign * text(x).localeCompare(text(y));
    const [p, q] = [number(x), number(y)];
    return isNaN(p) || isNaN(q) ? isNaN(p) - isNaN(q) : sign * (p - q); // empty cells last
  };
  body.append(...[...rows].sort(order));
}

function menu(rows, heading, column, filter) {
  const cells = [...new Set(rows.map((row) => text(row.cells[column])))].sort();
  if (cells.length < 2 || cells.length > FEW || cells.some((cell) => cell.length > 28)) return [];
  if (rows.filter((row) => !isNaN(number(row.cells[column]))).length > rows.length / 2) return [];
  const select = document.createElement("select");
  select.setAttribute("aria-label", heading.textContent);
  select.append(new Option(`${text(heading)}: all`, "\0"));
  select.append(...cells.map((cell) => new Option(cell || "(none)", cell)));
  select.addEventListener("change", filter);
  return [{ select, column }];
}

function enhance(table) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.tabIndex = 0;
    heading.classList.add("sortable");
    const act = () => {
      const sign = heading.ariaSort === "ascending" ? -1 : 1;
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      sort(body, rows, column, sign);
    };
    heading.addEventListener("click", act);
    heading.addEventListener("keydown", (event) => event.key === "Enter" && act());
  });
  const box = document.createElement("input");
  const shown = document.createElement("span");
  const filter = () => {
    const words = box.value.toLowerCase().split(/\s+/);
    for (const row of rows) {
      const found = words.every((word) => row.textContent.toLowerCase().includes(word));
      const chosen = menus.every(
        ({ select, column }) => select.value === "\0" || select.value === text(row.cells[column]),
      );
      row.hidden = !(found && chosen);
    }
    shown.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  };
  const menus = headings.flatMap((heading, column) => menu(rows, heading, column, filter));
  box.type = "search";
  box.placeholder = "filter rows";
  box.setAttribute("aria-label", "filter rows");
  box.addEventListener("input", filter);
  const bar = document.createElement("div");
  bar.className = "table-filter";
  bar.append(box, ...menus.map(({ select }) => select), shown);
  (table.closest(".md-typeset__scrollwrap") ?? table).before(bar);
  filter();
}

document.addEventListener("DOMContentLoaded", () =>
  document.querySelectorAll("article table:not([class])").forEach((table) => {
    if (table.tHead && table.tBodies[0]?.rows.length >= LONG) enhance(table);
    for (const cell of table.querySelectorAll("td")) {
      if (text(cell).length <= SHORT) cell.classList.add("short");
    }
  }),
);
