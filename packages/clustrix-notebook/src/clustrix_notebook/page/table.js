// Many jobs: a table of which only the rows in sight are in the page.

import { button, fill, h } from "./dom.js";
import { counted, day, lasted, today } from "./words.js";

const ROW_PX = 26;
const MORE_ROWS = 8;
const SHOWN = [
  ["id", "id"], ["name", "name"], ["state", "state"], ["reason", "reason"], ["backend", "place"],
  ["items", "items"], ["created", "submitted"], ["seconds", "took"], ["tags", "tags"],
];

export class Table {
  constructor(asking, { columns, states }) {
    this.asking = asking;
    this.at = Object.fromEntries(columns.map((name, index) => [name, index]));
    this.states = states;
    this.rows = new Map();
    this.order = [];
    this.by = "created";
    this.down = true;
    this.wanted = new Set();
    this.filter = h("input", { type: "search", class: "clx-control", placeholder: "filter by text", "aria-label": "Filter jobs by text", oninput: () => this.sift() });
    this.chips = h("div", { class: "clx-buttons", role: "group", "aria-label": "Filter jobs by state" });
    this.count = h("span", { class: "clx-dim", role: "status" });
    this.heads = SHOWN.map(([name, title]) => h("th", { scope: "col" }, button(title, () => this.sortBy(name), { class: "clx-sort" })));
    this.body = h("tbody", {});
    this.grid = h("table", { class: "clx-table" }, h("thead", {}, h("tr", {}, this.heads)), this.body);
    this.view = h("div", { class: "clx-scroll", tabindex: "0", role: "region", "aria-label": "Jobs" }, this.grid);
    this.view.addEventListener("scroll", () => this.soon());
    this.element = h("div", {}, h("div", { class: "clx-buttons clx-sift" }, this.filter, this.chips, this.count), this.view);
    new ResizeObserver(() => this.soon()).observe(this.view);
  }

  async load() {
    const { count } = await this.asking.ask("rows");
    this.loaded = count;
  }

  hear(message) {
    this.more = message.more;
    this.trouble = message.trouble;
    if (message.event === "all rows") for (const row of message.rows) this.rows.set(row[0], row);
    else {
      for (const row of message.rows) this.take(row);
      for (const number of message.gone) this.rows.delete(number);
    }
    this.sift();
  }

  // One that has changed comes without what stays, and without empty ends.
  take(row) {
    const known = this.rows.get(row[0]);
    if (row.length > this.at.id || !known) this.rows.set(row[0], row);
    else this.rows.set(row[0], [0, 1, 2, 3, 4].map((index) => row[index] ?? (index === 2 ? "" : null)).concat(known.slice(5)));
  }

  value(row, name) {
    if (name === "state") return this.states[row[this.at.state]];
    if (name === "seconds") {
      const started = row[this.at.started];
      return started === null || started === undefined ? null : (row[this.at.ended] ?? Date.now() / 1000) - started;
    }
    return row[this.at[name]];
  }

  sortBy(name) {
    this.down = this.by === name ? !this.down : ["created", "seconds", "items"].includes(name);
    this.by = name;
    this.sift();
  }

  sift() {
    const text = this.filter.value.trim().toLowerCase();
    const counts = new Map();
    const found = [];
    for (const row of this.rows.values()) {
      if (text && !SHOWN.some(([name]) => name !== "seconds" && String(this.value(row, name) ?? "").toLowerCase().includes(text))) continue;
      const state = this.value(row, "state");
      counts.set(state, (counts.get(state) ?? 0) + 1);
      if (!this.wanted.size || this.wanted.has(state)) found.push(row);
    }
    const sign = this.down ? -1 : 1;
    const keyed = found.map((row) => [this.value(row, this.by), row]);
    keyed.sort(([a, one], [b, other]) => sign * ((a ?? -1) < (b ?? -1) ? -1 : (a ?? -1) > (b ?? -1) ? 1 : one[0] - other[0]));
    this.order = keyed.map(([, row]) => row);
    this.showChips(counts);
    const all = `${this.more ? "the newest " : ""}${counted(this.rows.size, "job")}`;
    const count = found.length === this.rows.size ? all : `${found.length.toLocaleString("en")} of ${all}`;
    fill(this.count, this.trouble ? `${count}, not up to date: ${this.trouble}` : count);
    this.count.title = this.more ? "clustrix.jobs(limit=None) has the older ones, too" : "";
    this.heads.forEach((head, index) => {
      const sorted = SHOWN[index][0] === this.by;
      if (sorted) head.setAttribute("aria-sort", this.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    this.soon();
  }

  showChips(counts) {
    const states = this.states.filter((state) => counts.has(state) || this.wanted.has(state));
    if (states.join() !== this.chipStates) {
      this.chipStates = states.join();
      this.chip = new Map(states.map((state) => [state, button("", () => this.toggle(state), { class: "clx-chip", "data-state": state })]));
      fill(this.chips, [...this.chip.values()]);
    }
    for (const [state, element] of this.chip) {
      element.textContent = `${state} ${(counts.get(state) ?? 0).toLocaleString("en")}`;
      element.setAttribute("aria-pressed", String(this.wanted.has(state)));
    }
  }

  toggle(state) {
    if (!this.wanted.delete(state)) this.wanted.add(state);
    this.sift();
  }

  soon() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  draw() {
    const height = this.view.clientHeight || 400;
    const first = Math.max(0, Math.floor(this.view.scrollTop / ROW_PX) - MORE_ROWS);
    const last = Math.min(this.order.length, first + Math.ceil(height / ROW_PX) + 2 * MORE_ROWS);
    const focused = this.body.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    fill(this.body, this.space(first), this.order.slice(first, last).map((row, index) => this.line(row, first + index)), this.space(this.order.length - last));
    this.grid.setAttribute("aria-rowcount", String(this.order.length + 1));
    if (focused) [...this.body.querySelectorAll("button")].find((element) => element.dataset.key === focused)?.focus({ preventScroll: true });
  }

  space(rows) {
    if (rows <= 0) return null;
    const cell = h("td", { colspan: SHOWN.length });
    cell.style.height = `${rows * ROW_PX}px`;
    return h("tr", { "aria-hidden": "true", class: "clx-space" }, cell);
  }

  line(row, index) {
    const id = row[this.at.id];
    return h("tr", { "aria-rowindex": index + 2, "data-job": id }, SHOWN.map(([name]) => {
      const value = this.value(row, name);
      if (name === "id") {
        return h("td", {}, button(id, () => this.asking.ask("open", { job: id }), { class: "clx-link", "data-key": `open ${id}`, "aria-label": `Show job ${id}` }));
      }
      if (name === "state") return h("td", { class: "clx-state", "data-state": value }, value);
      const text = value === null || value === undefined ? "" : name === "created" ? today(value) : name === "seconds" ? lasted(value) : String(value);
      return h("td", { title: name === "created" ? day(value) : text.length > 20 ? text : null }, text);
    }));
  }
}
