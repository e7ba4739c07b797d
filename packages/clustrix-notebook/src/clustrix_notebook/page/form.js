// The form for settings: a view of the one draft that the kernel has.  Showing, hiding and typing need no kernel.

import { Asking } from "./asking.js";
import { Connection } from "./connection.js";
import { button, fill, h, hideStill } from "./dom.js";
import { Importing } from "./importing.js";
import { Profiles } from "./profiles.js";
import { matters, Row, SecretRow } from "./rows.js";
import { Saving } from "./saving.js";
import { openTips } from "./tips.js";

// What these come to is told where they were asked for.
const OWN_WORDS = new Set(["plan", "new", "copy", "rename", "import", "test", "assist", "answer", "stop", "keep secret", "remove secret", "find secret"]);

const OTHER_PROFILE = new Set(["choose", "new", "copy", "discard"]);

class Form {
  constructor(model, element) {
    this.model = model;
    this.rows = new Map();
    this.groups = [];
    this.busy = h("span", { class: "clx-busy" });
    this.said = h("div", { class: "clx-said", role: "status" });
    this.trouble = h("div", { class: "clx-trouble", role: "alert", hidden: true });
    this.conflicts = h("div", { class: "clx-conflicts", hidden: true });
    this.asking = new Asking(model, (text) => fill(this.busy, text));
    this.act = (act, more) => this.perform(act, more);
    this.profiles = new Profiles(this.act);
    this.saving = new Saving(this.act, () => model.get("view"), () => this.saveButton.focus());
    this.importing = new Importing(this.act, () => this.importButton.focus());
    this.connection = new Connection(this.asking, this.act, () => this.testButton.focus());
    this.testButton = button("Test connection", () => this.connection.start("test", "Connection test"));
    this.assistants = model.get("assistants").map(({ name, title, places }) => {
      const element = button(`${title}…`, () => this.connection.start("assist", title, { name }), { hidden: true });
      return { places, element };
    });
    this.saveButton = button("Save…", () => this.saving.open());
    this.importButton = button("Import…", () => this.importing.open());
    this.build(element);
    this.listen();
    this.update();
  }

  build(element) {
    const body = h("div", { class: "clx-body" }, this.model.get("groups").map((group) => this.group(group)));
    this.closeTips = openTips(body);
    this.holds = h("span", { class: "clx-holds" });
    this.panel = h("section", { class: "clx clx-form", "aria-label": "clustrix settings" },
      h("header", { class: "clx-head" }, h("h2", {}, "clustrix"), this.holds, this.busy),
      this.profiles.element,
      h("div", { class: "clx-buttons clx-acts", role: "group", "aria-label": "These settings" },
        button("Apply", () => this.act("apply"), { class: "clx-button clx-main", title: "Have this hold in this notebook" }),
        this.saveButton, this.importButton, this.testButton, this.assistants.map(({ element: assistant }) => assistant)),
      this.said, this.trouble, this.conflicts, this.saving.element, this.importing.element, this.connection.element, body);
    this.panel.addEventListener("keydown", (event) => event.stopPropagation()); // keys of the notebook's command mode
    element.append(this.panel);
  }

  group(group) {
    const rows = group.fields.map((field) => {
      const row = field.control === "secret" ? new SecretRow(field, this.act) : new Row(field, (name, text) => this.typed(name, text));
      this.rows.set(field.name, row);
      return row;
    });
    const element = h("fieldset", { class: "clx-group", "data-group": group.name }, h("legend", {}, group.title),
      group.problems.map((problem) => h("p", { class: "clx-problem clx-broken" }, problem)),
      rows.map((row) => row.element));
    this.groups.push({ element, rows, broken: group.problems.length > 0 });
    return element;
  }

  listen() {
    this.heard = Object.entries({
      "change:edits": () => this.update(),
      "change:checked": () => { this.showFields(); this.showProblems(); this.saving.again(); },
      "change:view": () => this.update(),
      "comm_live_update": () => this.end(),
    });
    for (const [event, react] of this.heard) this.model.on(event, react);
  }

  end() {
    this.trouble.hidden = false;
    fill(this.trouble, "The kernel of this form has ended. Run the cell again: what was typed is kept.");
    for (const control of this.panel.querySelectorAll(".clx-acts button, .clx-profiles button, .clx-profiles select")) control.disabled = true;
  }

  close() {
    for (const [event, react] of this.heard) this.model.off(event, react);
    this.closeTips();
    this.asking.close();
  }

  // The newest that is known.  The kernel echoes what it is sent: that may come after news, and be about another profile.
  get edits() {
    const given = this.model.get("edits");
    if (!this.newest || given.turn >= this.newest.turn) this.newest = given;
    return this.newest;
  }

  texts() {
    return this.edits.texts;
  }

  // What a field has, where it is not set too.
  valueOf(name) {
    return this.texts()[name] || this.model.get("view").below[name]?.[0] || "";
  }

  typed(name, text) {
    const texts = { ...this.texts(), [name]: wellFormed(text) };
    if (!text) delete texts[name];
    // Sent at once: what is set and not sent would be overwritten by the echo of what was sent before.  While the kernel has
    // something to do, the widget's model keeps the latest back by itself.
    this.model.set("edits", { ...this.edits, texts });
    this.model.save_changes();
  }

  async perform(act, more) {
    const switches = OTHER_PROFILE.has(act);
    // Nobody types into the fields of one profile what is meant for another.
    if (switches) for (const { element } of this.groups) element.disabled = true;
    // What was typed last goes along: it may be kept back yet.
    const answer = await this.asking.ask(act, { ...more, edits: this.edits });
    if (switches) for (const { element } of this.groups) element.disabled = false;
    if (!OWN_WORDS.has(act) || (act === "import" && !answer.error)) {
      fill(this.said, answer.error ?? (answer.said ?? []).map((text) => h("p", {}, text)));
      this.said.classList.toggle("clx-wrong", Boolean(answer.error));
    }
    return answer;
  }

  update() {
    const view = this.model.get("view");
    this.profiles.update(view);
    fill(this.holds, view.held ? `profile ${view.held} holds` : "no profile holds");
    if (this.said.classList.contains("clx-wrong") && this.trouble.textContent && !view.trouble) fill(this.said); // it was about that
    this.trouble.hidden = !view.trouble;
    fill(this.trouble, view.trouble);
    this.showConflicts(view.conflicts);
    const texts = this.texts();
    for (const [name, row] of this.rows) {
      row.setText(texts[name] ?? "");
      if (view.below[name]) row.setBelow(view.below[name]);
      row.setNote(view.notes[name] ?? "");
    }
    this.showFields();
    this.showProblems();
  }

  showFields() {
    const { problems } = this.model.get("checked");
    const valueOf = (name) => this.valueOf(name);
    const place = valueOf("cluster_type");
    for (const { element, places } of this.assistants) element.hidden = !places.includes(place);
    for (const { element, rows, broken } of this.groups) {
      let any = broken;
      for (const row of rows) {
        const visible = matters(row.field, valueOf) || Boolean(problems[row.field.name]); // what is wrong is never hidden
        row.show(visible, place);
        any = any || visible;
      }
      element.hidden = !any;
    }
  }

  showProblems() {
    const { problems } = this.model.get("checked");
    for (const [name, row] of this.rows) row.setProblem(problems[name] ?? "");
  }

  async settle(name, mine) {
    await this.act("settle", { name, mine });
    (this.conflicts.querySelector("button") ?? this.saveButton).focus();
  }

  showConflicts(conflicts) {
    const shown = JSON.stringify(conflicts);
    if (shown === this.shownConflicts) return; // a button that has the focus stays
    this.shownConflicts = shown;
    this.conflicts.hidden = conflicts.length === 0;
    fill(this.conflicts, conflicts.length > 0 && h("p", {}, "The file was changed by another program, also where you have changed something:"),
      conflicts.map(({ name, mine, theirs }) => h("p", { class: "clx-conflict" },
        h("strong", {}, name), ` here: ${mine || "not set"}; in the file: ${theirs || "not set"} `,
        button("Keep mine", () => this.settle(name, true), { "aria-label": `Keep mine, ${name}` }),
        button("Take the file's", () => this.settle(name, false), { "aria-label": `Take the file's, ${name}` }))));
  }
}

// Halves of characters can neither be sent nor stored.
function wellFormed(text) {
  return text.toWellFormed ? text.toWellFormed() : text;
}

export function renderForm({ model, el }) {
  const show = hideStill(model.get("still"));
  const form = new Form(model, el);
  return () => {
    form.close();
    show();
  };
}
