// Settings by pasting, dropping or choosing a file.

import { button, fill, freshId, h } from "./dom.js";

export class Importing {
  constructor(act, closed) {
    this.act = act;
    this.closed = closed;
    const id = freshId("text");
    this.text = h("textarea", { id, class: "clx-control", rows: 8, spellcheck: "false", placeholder: "default_cores: 4" });
    this.result = h("div", { class: "clx-problem", role: "alert" });
    this.name = "";
    this.text.addEventListener("input", () => { this.name = ""; });
    const file = h("input", { type: "file", accept: ".yml,.yaml,.json,.toml", "aria-label": "A file of settings", onchange: async () => { await this.read(file.files[0]); file.value = ""; } });
    this.element = h("section", { class: "clx-panel", "aria-label": "Import", hidden: true },
      h("h3", {}, "Import"),
      h("label", { for: id }, "Paste YAML, JSON or TOML, or drop a file here"), this.text, this.result,
      h("div", { class: "clx-buttons" }, button("Take over", () => this.take(), { class: "clx-button clx-main" }), file,
        button("Cancel", () => this.close())));
    this.element.addEventListener("dragover", (event) => event.preventDefault());
    this.element.addEventListener("drop", (event) => {
      event.preventDefault();
      event.stopPropagation();
      const dropped = event.dataTransfer.files[0];
      if (dropped) this.read(dropped);
      else {
        this.text.value = event.dataTransfer.getData("text");
        this.name = "";
      }
    });
  }

  open() {
    this.element.hidden = false;
    fill(this.result);
    this.text.focus();
  }

  async read(file) {
    if (!file) return;
    this.text.value = await file.text();
    this.name = file.name;
  }

  async take() {
    const answer = await this.act("import", { text: this.text.value, name: this.name });
    if (answer.error) fill(this.result, answer.error);
    else {
      fill(this.result);
      this.text.value = "";
      this.close();
    }
  }

  close() {
    this.element.hidden = true;
    this.closed();
  }
}
