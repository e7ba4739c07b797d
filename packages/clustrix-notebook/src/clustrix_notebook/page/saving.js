// Saving: first the difference, then the file.

import { button, fill, freshId, h } from "./dom.js";

export class Saving {
  // view(): what the kernel says; ``files``: where one can save.
  constructor(act, view, closed) {
    this.act = act;
    this.closed = closed;
    this.view = view;
    this.target = "user";
    this.name = freshId("target");
    this.list = h("div", { class: "clx-diffs", "aria-live": "polite" });
    this.go = button("Save", () => this.save(), { class: "clx-button clx-main" });
    this.element = h("section", { class: "clx-panel", "aria-label": "Save", hidden: true });
  }

  async open() {
    const { files } = this.view();
    if (!(this.target in files)) this.target = "user";
    const radios = Object.entries(files).map(([target, path]) => h("label", { class: "clx-choice" },
      h("input", {
        type: "radio", name: this.name, value: target, checked: target === this.target,
        onchange: () => { this.target = target; this.look(); },
      }),
      ` ${target === "user" ? "Yours" : "The project's"}: ${this.short(path)}`));
    fill(this.element, h("h3", {}, "Save"),
      h("fieldset", { class: "clx-targets" }, h("legend", {}, "New values go to"), radios), this.list,
      h("div", { class: "clx-buttons" }, this.go, button("Cancel", () => this.close())));
    this.element.hidden = false;
    await this.look();
    this.element.querySelector("input:checked")?.focus();
  }

  // What is wrong with the values has changed.
  again() {
    if (!this.element.hidden) this.look();
  }

  short(path) {
    const { home } = this.view();
    return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
  }

  async look() {
    const answer = await this.act("plan", { target: this.target });
    this.files_ = answer.files ?? [];
    this.go.disabled = this.files_.length === 0;
    if (!answer.error && this.files_.length === 0) answer.error = "The files say that already.";
    if (answer.error) fill(this.list, h("p", { class: "clx-problem" }, answer.error));
    else fill(this.list, this.files_.map((file) => difference(file, this.short(file.path))));
  }

  async save() {
    const digests = Object.fromEntries(this.files_.map((file) => [file.path, file.digest]));
    const answer = await this.act("save", { target: this.target, digests });
    if (!answer.error) this.close();
    else {
      await this.look();
      this.list.prepend(h("p", { class: "clx-problem", role: "alert" }, answer.error));
    }
  }

  close() {
    this.element.hidden = true;
    this.closed();
  }
}

function difference(file, name) {
  const kinds = { "+": "clx-added", "-": "clx-removed", "@": "clx-at" };
  return h("figure", { class: "clx-diff" }, h("figcaption", {}, name),
    h("pre", { tabindex: "0", role: "group", "aria-label": `What changes in ${name}` },
      file.lines.map((line) => h("span", { class: kinds[line[0]] ?? "" }, `${line}\n`))));
}
