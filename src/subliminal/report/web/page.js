// The page of a report: draws what `#data` holds, with plotly.js of `#plotly` (both gzip, base64).
// Text goes in as text, never as HTML.
"use strict";
const minus = (text) => text.replace(/(^|[\s[])-(?=\.?\d)/g, "$1−"); // numbers of tables
const $ = (id) => document.getElementById(id);
let data, chosen, seeds; // set when the data is unpacked
const SYMBOLS = ["circle", "square", "diamond", "triangle-down", "triangle-up", "pentagon", "x", "star"];
const DASHES = ["solid", "dash", "dashdot", "dot", "longdash", "longdashdot", "5px,2px", "12px,4px"];
const MOST_LINES = 8, MOST_BOXES = 12, FIRST_ROWS = 100;
// Okabe & Ito, the first and last replaced where the ground is dark.
const COLOURS = {
  light: ["#1b1f24", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#B07800", "#3A9BD0", "#777777"],
  dark: ["#f2f4f7", "#5AB4F0", "#FF9450", "#3FCFA4", "#E7A3CB", "#F0BC42", "#9AD6FA", "#A0A8B2"],
};
let pressed = null;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const theme = () => document.documentElement.dataset.theme;
const colour = (place) => COLOURS[theme()][place % COLOURS.light.length];
const spread = (places, most) => places.length <= most ? places :
  Array.from({ length: most }, (_, at) => places[Math.round(at * (places.length - 1) / (most - 1))]);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const visible = () => data.conditions.map((_, place) => place).filter((place) =>
  Object.entries(data.conditions[place].swept).every(([key, value]) => chosen[key].has(value)));
const narrow = () => window.innerWidth < 720;
const faint = (hex, alpha) => `rgba(${[1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)).join()},${alpha})`;
// Plotly takes some HTML and %{…} in its texts: signs of either go in as entities.
const plain = (text) => text.replace(/[&<>{}%$]/g, (sign) => `&#${sign.charCodeAt(0)};`);
// Of a long name the start and the end are shown, of such lengths that most names stay apart.
const starts = {}, clip = (text, most, start) => text.length > most ? `${text.slice(0, start)}…${text.slice(start + 1 - most)}` : text;
function cut(name, most = narrow() ? 18 : 28) {
  const apart = (start) => new Set(data.conditions.map((condition) => clip(condition.name, most, start))).size;
  starts[most] ??= [2, 4, 0].map((thirds) => Math.floor(thirds * most / 6)).reduce((best, start) => apart(start) > apart(best) ? start : best);
  return plain(clip(name, most, starts[most]));
}

function plot(id, traces, layout, label) {
  const axis = { exponentformat: "power", gridcolor: css("--line"), zerolinecolor: css("--quiet"), linecolor: css("--line"), automargin: true };
  const base = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: css("--ink"), family: "system-ui, sans-serif", size: 13 },
    margin: { l: 8, r: layout.annotations?.some((one) => one.xanchor === "left") ? 58 : 12, t: 8, b: 40 }, showlegend: false, hovermode: "closest",
    hoverlabel: { bgcolor: css("--card"), font: { color: css("--ink") } }, ...layout,
    xaxis: { ...axis, ...layout.xaxis }, yaxis: { ...axis, ...layout.yaxis },
  };
  $(id).setAttribute("aria-label", label);
  Plotly.react(id, traces, base, { responsive: true, displayModeBar: false, scrollZoom: false });
}

const line = (axis, value, text) => ({
  shape: { type: "line", line: { color: css("--quiet"), width: 1, dash: "dot" },
    ...(axis === "y" ? { x0: 0, x1: 1, xref: "paper", y0: value, y1: value }
      : { y0: 0, y1: 1, yref: "paper", x0: value, x1: value }) },
  annotation: { text, showarrow: false, font: { size: 11, color: css("--quiet") },
    ...(axis === "y" ? { x: 1, xref: "paper", xanchor: "left", y: value, yanchor: "middle" }
      : { y: 1, yref: "paper", yanchor: "bottom", x: value, xanchor: "center" }) },
});
const lines = (axis, names) => {
  const made = names.map((name) => line(axis, data.levels[name], name));
  return { shapes: made.map((one) => one.shape), annotations: made.map((one) => one.annotation) };
};
const bars = (estimate) => estimate[1] === null ? {} :
  { type: "data", symmetric: false, array: [estimate[2] - estimate[0]], arrayminus: [estimate[0] - estimate[1]], thickness: 1.5 };

function drawCurve(places) {
  const title = $("curve").value, traces = [];
  const drawn = places.filter((place) => data.conditions[place].curves[title]);
  const few = spread(drawn, MOST_LINES);
  few.forEach((place) => {
    const { name, curves } = data.conditions[place], [x, mean, low, high] = curves[title];
    traces.push({ x: [...x, ...x.slice().reverse()], y: [...high, ...low.slice().reverse()], fill: "toself", mode: "lines",
      fillcolor: faint(colour(place), 0.16), line: { width: 0 }, hoverinfo: "skip", showlegend: false });
    const markers = x.length <= 3, one = x.length === 1 && { error_y: bars([mean[0], low[0], high[0]]) };
    traces.push({ x, y: mean, name: cut(name), mode: markers ? "lines+markers" : "lines", ...one, marker: { symbol: SYMBOLS[place % 8], size: 8 }, line: { color: colour(place), width: 2, dash: DASHES[place % 8] },
      hovertemplate: `%{y:.4g}<extra>${cut(name)}</extra>` });
  });
  const levels = title === "trait accuracy" ? lines("y", ["chance", "teacher"]) : {};
  plot("curve-plot", traces, { ...levels, showlegend: true, hovermode: narrow() ? "closest" : "x unified",
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
    xaxis: { title: { text: "epoch" }, hoverformat: ".2f" }, yaxis: { title: { text: title }, zeroline: true, rangemode: "tozero" } },
  `${title} over epochs, one line for each of ${few.length} conditions`);
  const left = few.length < drawn.length ? ` ${few.length} of ${drawn.length} conditions, evenly spread: narrow the filters for others.` : "";
  $("curve-note").textContent = `Mean over seeds with its 95% band (bootstrap over seeds); ${data.noisy.includes(title) ? data.smoothing : "not smoothed"}.${left}`;
}

// Rows of seeds: dots with a mean and its interval. Rows are numbered so that names may repeat.
function drawRows(id, places, dots, estimate, xaxis, extra, label) {
  const traces = [], few = spread(places, 40);
  few.forEach((place, row) => {
    const values = dots(place), mean = estimate(place);
    traces.push({ x: values.map((one) => one[0]), y: values.map((_, at) => row + 0.5 * ((at * 0.618) % 1) - 0.25), mode: "markers",
      text: values.map((one) => `seed ${one[1]}`), hovertemplate: "%{text}: %{x:.4g}<extra></extra>",
      marker: { color: faint(colour(place), 0.45), size: 6 } });
    traces.push({ x: [mean[0]], y: [row], mode: "markers", error_x: bars(mean), hovertemplate: "mean %{x:.4g}<extra></extra>",
      marker: { color: colour(place), symbol: "diamond", size: 10, line: { color: css("--ink"), width: 1 } } });
  });
  $(id).style.height = `${Math.max(narrow() ? 260 : 300, 90 + 24 * few.length)}px`;
  plot(id, traces, { ...extra, margin: { l: 8, r: 12, t: extra.shapes ? 26 : 8, b: 40 }, xaxis,
    yaxis: { tickvals: few.map((_, row) => row), ticktext: few.map((place) => cut(data.conditions[place].name)),
      range: [few.length - 0.4, -0.6], zeroline: false } }, label);
}

function drawCharts() {
  const places = visible(), all = data.conditions, empty = !places.length;
  $("shown").textContent = `${places.length} of ${all.length} conditions shown${empty ? "; choose a value of each key above" : ""}.`;
  $("charts").hidden = empty;
  if (empty) return;
  drawCurve(places);
  drawRows("final-plot", places, (place) => seeds[place], (place) => all[place].accuracy,
    { title: { text: "trait accuracy" }, range: [0, 1] }, lines("x", ["chance", "teacher"]), `Final trait accuracy of ${places.length} conditions`);
  plot("frontier-plot", places.map((place) => ({
    x: [all[place].loss[0]], y: [all[place].accuracy[0]], error_x: bars(all[place].loss), error_y: bars(all[place].accuracy), name: cut(all[place].name),
    mode: "markers", marker: { color: colour(place), symbol: SYMBOLS[place % 8], size: 11 },
    hovertemplate: `loss %{x:.4g}, accuracy %{y:.3f}<extra>${cut(all[place].name)}</extra>` })),
  { ...lines("y", ["chance"]), showlegend: places.length <= MOST_LINES, legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
    xaxis: { title: { text: "distillation loss ×10⁴" } }, yaxis: { title: { text: "trait accuracy" }, rangemode: "tozero" } },
  `Trait accuracy against distillation loss of ${places.length} conditions`);
  const paired = places.filter((place) => all[place].difference);
  $("paired").hidden = !paired.length;
  if (paired.length) {
    drawRows("paired-plot", paired, (place) => all[place].differences.map((value, at) => [value, at]), (place) => all[place].difference,
      { title: { text: "difference of trait accuracy" }, zeroline: true }, {}, `Paired differences of ${paired.length} conditions`);
  }
  drawDose(places);
  drawHeat(places);
  drawLayers();
}

function drawDose(places) {
  if (!data.numeric.length) return;
  const key = $("dose-key").value, series = new Map();
  places.filter((place) => key in data.conditions[place].swept).forEach((place) => {
    const others = Object.entries(data.conditions[place].swept).filter(([other]) => other !== key).map(([other, value]) => other === "mitigation" ? value : `${data.short[other]}=${value}`).join(", ");
    if (!series.has(others)) series.set(others, []);
    series.get(others).push(place);
  });
  const doses = [...series.values()].flat().map((place) => Number(data.conditions[place].swept[key]));
  const logarithmic = Math.min(...doses) > 0 && Math.max(...doses) / Math.min(...doses) >= 30;
  const traces = [...series].slice(0, MOST_LINES).map(([name, members], at) => {
    members.sort((a, b) => data.conditions[a].swept[key] - data.conditions[b].swept[key]);
    const estimates = members.map((place) => data.conditions[place].accuracy);
    return { name: cut(name), x: members.map((place) => Number(data.conditions[place].swept[key])), y: estimates.map((one) => one[0]), mode: "lines+markers",
      line: { color: colour(at), dash: DASHES[at % 8] }, marker: { symbol: SYMBOLS[at % 8], size: 8 },
      error_y: { type: "data", symmetric: false, array: estimates.map((one) => (one[2] ?? one[0]) - one[0]), arrayminus: estimates.map((one) => one[0] - (one[1] ?? one[0])) } };
  });
  plot("dose-plot", traces, { ...lines("y", ["chance"]), showlegend: traces.length > 1, legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
    xaxis: { title: { text: plain(key) }, ...(logarithmic ? { type: "log", tickvals: [...new Set(doses)], ticktext: [...new Set(doses)].map(String) } : {}) }, yaxis: { title: { text: "trait accuracy" }, rangemode: "tozero" } }, `Trait accuracy over ${key}`);
}

// Two swept numbers: a cell for each pair of their values.
function drawHeat(places) {
  if (($("heat").hidden = !data.plane.length)) return;
  const of = (place) => data.plane.map((key) => data.conditions[place].swept[key]).join();
  const accuracy = Object.fromEntries(places.map((place) => [of(place), data.conditions[place].accuracy[0]]));
  const [x, y] = data.plane.map((key) => [...data.swept[key]].sort((a, b) => a - b)), [xaxis, yaxis] = data.plane.map((key) => ({ title: { text: plain(key) }, type: "category" }));
  plot("heat-plot", [{ type: "heatmap", x, y, z: y.map((row) => x.map((column) => accuracy[[column, row].join()] ?? null)), colorscale: "Cividis", xgap: 2, ygap: 2,
    hoverongaps: false, texttemplate: "%{z:.3f}", hovertemplate: "%{z:.4f}<extra></extra>", colorbar: { thickness: 10 } }], { xaxis, yaxis }, `Final trait accuracy over ${data.plane.join(" and ")}`);
}

function drawLayers() {
  const layered = visible().filter((place) => Object.keys(data.conditions[place].layers).length);
  $("layers").hidden = !layered.length;
  if (!layered.length) return;
  const select = $("layer-condition"), before = select.value;
  select.replaceChildren(...layered.map((place) => make("option", { value: place, text: data.conditions[place].name })));
  if (layered.includes(Number(before)) && before !== "") select.value = before;
  const bound = Math.max(...layered.flatMap((place) => Object.values(data.conditions[place].layers).flat().map(Math.abs))) * 1000;
  const grid = Object.entries(data.conditions[Number(select.value)].layers), z = grid.map(([, values]) => values.map((value) => Math.round(1e4 * value) / 10 || 0)); // never -0
  const middle = theme() === "dark" ? css("--card") : "#ffffff";
  plot("layers-plot", [{ type: "heatmap", z, y: grid.map(([name]) => plain(name)), x: z[0].map((_, at) => at + 1), zmin: -bound, zmax: bound,
    colorscale: [[0, "#2f6fb5"], [0.5, middle], [1, "#c8502d"]], texttemplate: "%{z:+.1f}", xgap: 2, ygap: 2, showscale: false, hovertemplate: "%{y}, epoch %{x}: %{z:.1f}<extra></extra>" }],
  { xaxis: { title: { text: "epoch" }, dtick: 1 }, yaxis: { autorange: "reversed" } }, `Alignment by layer of ${data.conditions[Number(select.value)].name}`);
}

function drawGrid(all = false) {
  const places = visible(), rows = all ? places : places.slice(0, FIRST_ROWS);
  const numbers = [...new Set(data.runs.map((run) => run[1]))].sort((a, b) => a - b), table = new Map();
  data.runs.forEach((run, at) => table.set(`${run[0]}/${run[1]}`, at));
  const head = make("tr", {}, make("th", { text: "condition", scope: "col" }), ...numbers.map((seed) => make("th", { text: seed, scope: "col" })));
  const body = rows.map((place) => make("tr", {}, make("th", { text: data.conditions[place].name, title: data.conditions[place].name, scope: "row" }),
    ...numbers.map((seed) => make("td", {}, ...cell(table.get(`${place}/${seed}`))))));
  $("grid").replaceChildren(make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
  $("more").hidden = rows.length === places.length;
}

function cell(at) {
  if (at === undefined) return [];
  const run = data.runs[at], [place, seed, state, accuracy] = run;
  const button = make("button", { type: "button", class: state, "aria-pressed": pressed === at, "data-run": at,
    text: state === "finished" ? accuracy.toFixed(3) : state,
    "aria-label": `${data.conditions[place].name}, seed ${seed}: ${state === "finished" ? accuracy.toFixed(3) : state}` });
  if (state === "finished") button.style.setProperty("--level", (0.08 + 0.5 * accuracy).toFixed(2));
  return [button];
}

function openRun(at) {
  pressed = at;
  document.querySelectorAll("#grid button").forEach((button) => button.setAttribute("aria-pressed", Number(button.dataset.run) === at));
  const [place, seed, state, accuracy, loss, folder, curves] = data.runs[at], condition = data.conditions[place];
  const facts = (pairs, swept = {}) => make("dl", {}, ...pairs.flatMap(([key, value]) => [make("dt", { text: key, class: key in swept ? "swept" : "" }), make("dd", { text: String(value) })]));
  const link = (name) => make("a", { text: name, href: [...folder.split("/"), name].map(encodeURIComponent).join("/") });
  const files = state === "finished" ? data.files : state === "failed" ? ["failure.txt", "config.yaml"] : [];
  const parts = [make("h3", { text: `${condition.name}, seed ${seed}` }),
    make("p", { text: state === "finished" ? `Trait accuracy ${accuracy.toFixed(4)}, distillation loss ${loss}×10⁻⁴.` : `This run is ${state}.` }),
    make("p", { class: "links" }, ...files.map(link))];
  if (curves) parts.push(make("div", { class: "plots" }, ...curves.map((_, index) => make("div", { id: `run-plot-${index}`, class: "plot", role: "img", tabindex: "0" }))));
  parts.push(facts(Object.entries(condition.swept), condition.swept));
  parts.push(make("details", {}, make("summary", { text: "Whole config" }), facts(Object.entries(condition.config), condition.swept)));
  $("run").replaceChildren(...parts);
  $("run").hidden = false;
  drawRun();
  $("run").focus({ preventScroll: true });
  $("run").scrollIntoView({ block: "nearest" });
}

function drawRun() {
  if (pressed === null) return;
  const [place, , , , , , curves] = data.runs[pressed];
  (curves ?? []).forEach((values, index) => {
    const title = ["trait accuracy", "alignment"][index], epochs = data.conditions[place].curves["trait accuracy"][0];
    const last = epochs[epochs.length - 1], start = index === 1 && values.length === last ? 1 : 0;
    const x = values.length === epochs.length && index === 0 ? epochs : values.map((_, at) => start + at * (last - start) / Math.max(1, values.length - 1));
    plot(`run-plot-${index}`, [{ x, y: values, mode: "lines", line: { color: colour(place), width: 1.6 } }],
      { xaxis: { title: { text: "epoch" } }, yaxis: { title: { text: title }, rangemode: "tozero" } }, `${title} of this run`);
  });
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  drawCharts();
  drawRun();
}

function head() {
  $("name").textContent = data.name;
  $("question").textContent = data.question;
  $("caption").textContent = data.caption;
  $("made").textContent = data.made;
  data.problems.forEach((text) => $("problems").append(make("p", { class: "notice", text: `Damaged and left out: ${text}` })));
  data.incomplete.forEach((text) => $("problems").append(make("p", { class: "notice partial", text })));
  const claims = new Map();
  data.verdicts.forEach((row) => claims.set(row.claim, [...(claims.get(row.claim) ?? []), row]));
  for (const [claim, rows] of claims) {
    const kinds = new Set(rows.map((row) => row.verdict.split(" ")[0]));
    const all = kinds.size === 1 ? [...kinds][0] : kinds.has("refuted") ? "refuted" : "undecided";
    const held = rows.filter((row) => row.verdict === "holds").length;
    $("verdicts").append(make("details", { class: "claim" },
      make("summary", {}, make("span", { class: "text", text: claim }), make("span", { class: "number wide-only", text: rows.length === 1 ? minus(rows[0]["mean [95% CI]"]) : "" }), make("span", { class: `pill ${all}`, text: rows.length > 1 && kinds.size > 1 ? `${held} of ${rows.length} hold` : all })),
      make("div", { class: "rows" }, ...rows.map((row) => make("div", { class: "row" }, make("span", { class: "text", text: minus(row.statistic) }),
        make("span", { class: "number", text: `${minus(row["mean [95% CI]"])}, n = ${row.n}` }), make("span", { class: `pill ${row.verdict.split(" ")[0]}`, text: row.verdict }))))));
  }
  $("verdict-section").hidden = !data.verdicts.length;
  $("paired-title").textContent = `Trait accuracy less that of ${data.conditions[0].name}`;
  const { columns, rows } = data.results;
  $("results").append(make("table", {}, make("thead", {}, make("tr", {}, ...columns.map((text) => make("th", { text, scope: "col" })))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((text) => make("td", { text: minus(text) })))))));
}

// Many numbers are filtered by a range.
function range(key, numbers) {
  const bounds = [Math.min(...numbers), Math.max(...numbers)];
  const inputs = ["from", "to"].map((text, at) => make("input", { type: "number", step: "any", value: bounds[at], "data-key": key, "aria-label": `${key} ${text}` }));
  inputs.forEach((input) => input.addEventListener("change", () => {
    const [low, high] = inputs.map((one) => Number(one.value));
    chosen[key] = new Set(data.swept[key].filter((value) => low <= Number(value) && Number(value) <= high));
    drawCharts();
    drawGrid();
  }));
  return make("fieldset", {}, make("legend", { text: key }), ...inputs.flatMap((input, at) => [["from ", " to "][at], input]));
}

function controls() {
  $("filters").hidden = $("shown").hidden = data.conditions.length < 2;
  for (const [key, values] of Object.entries(data.swept)) {
    if (data.numeric.includes(key) && values.length > MOST_BOXES) { $("filters").append(range(key, values.map(Number))); continue; }
    $("filters").append(make("fieldset", {}, make("legend", { text: key }), ...values.map((value) => {
      const box = make("input", { type: "checkbox", checked: "", "data-key": key, value });
      box.addEventListener("change", () => { chosen[key][box.checked ? "add" : "delete"](value); drawCharts(); drawGrid(); });
      return make("label", {}, box, value);
    })));
  }
  $("curve").append(...data.curves.map((text) => make("option", { text })));
  if (data.curves.includes("alignment")) $("curve").value = "alignment";
  $("curve").addEventListener("change", () => drawCurve(visible()));
  $("dose").hidden = !data.numeric.length;
  $("dose-key").append(...data.numeric.map((text) => make("option", { text })));
  $("dose-key").addEventListener("change", () => drawDose(visible()));
  $("layer-condition").addEventListener("change", drawLayers);
  $("grid").addEventListener("click", (event) => { const button = event.target.closest("button"); if (button) openRun(Number(button.dataset.run)); });
  $("more").addEventListener("click", () => drawGrid(true));
  $("theme").addEventListener("click", () => setTheme(theme() === "dark" ? "light" : "dark"));
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => setTheme(dark.matches ? "dark" : "light"));
  setTheme(dark.matches ? "dark" : "light");
  drawGrid();
}

function unpack(id) {
  const packed = Uint8Array.from(atob($(id).textContent), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")));
}

async function start() {
  document.head.append(make("script", { text: await unpack("plotly").text() }));
  data = await unpack("data").json();
  chosen = Object.fromEntries(Object.entries(data.swept).map(([key, values]) => [key, new Set(values)]));
  seeds = data.conditions.map(() => []);
  data.runs.forEach((run) => { if (run[2] === "finished") seeds[run[0]].push([run[3], run[1]]); });
  head();
  controls();
}

start();
