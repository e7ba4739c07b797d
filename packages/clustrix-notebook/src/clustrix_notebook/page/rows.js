// A field's row: label, control, tip, and what is wrong with the value.

import { button, fill, freshId, h } from "./dom.js";
import { aim, makeTip } from "./tips.js";

export class Row {
  // changed(name, text): called as somebody types.
  constructor(field, changed) {
    this.field = field;
    const id = freshId("field");
    const problem = freshId("problem");
    const { id: tipId, tip, show } = makeTip(field);
    this.tip = tip;
    this.control = makeControl(field, id);
    this.control.setAttribute("aria-describedby", `${problem} ${tipId}`);
    this.control.addEventListener("input", () => changed(field.name, this.text()));
    this.problem = h("div", { id: problem, class: "clx-problem" });
    this.note = h("div", { class: "clx-note", role: "status", hidden: true });
    this.element = h("div", { class: "clx-row", "data-field": field.name },
      h("label", { for: id, class: "clx-label" }, field.name),
      h("div", { class: "clx-cell" }, this.control, this.note, this.problem), show, tip);
  }

  text() {
    return this.control.value;
  }

  // Not while somebody types in it what it has already.
  setText(text) {
    if (this.control.value !== text) {
      if (this.control.tagName === "SELECT" && text && ![...this.control.options].some((option) => option.value === text)) {
        this.control.append(h("option", { value: text }, text)); // as it is in a file, whether it can be or not
      }
      this.control.value = text;
    }
    this.element.classList.toggle("clx-set", text !== "");
    if (this.control.tagName === "TEXTAREA") this.control.rows = Math.min(8, Math.max(2, text.split("\n").length));
  }

  setBelow([text, origin]) {
    const words = `${(text || "none").replaceAll("\n", ", ")}  (${origin})`;
    if (this.control.tagName === "SELECT") this.control.options[0].textContent = words;
    else this.control.placeholder = words;
  }

  // What is known of the value, as what it costs.
  setNote(text) {
    if (this.note.textContent !== text) fill(this.note, text);
    this.note.hidden = !text;
  }

  setProblem(text) {
    if (this.problem.textContent === text) return;
    fill(this.problem, text);
    this.element.classList.toggle("clx-wrong", text !== "");
    if (text) this.control.setAttribute("aria-invalid", "true");
    else this.control.removeAttribute("aria-invalid");
  }

  show(visible, place) {
    this.element.hidden = !visible;
    aim(this.tip, place);
  }
}

function makeControl(field, id) {
  if (field.control === "choice" || field.control === "flag") {
    const choices = field.control === "flag" ? [["yes", "yes"], ["no", "no"]] : field.choices;
    return h("select", { id, class: "clx-control" }, h("option", { value: "" }, "not set"),
      choices.map(([value, title]) => h("option", { value }, title)));
  }
  const plain = { id, class: "clx-control", spellcheck: "false", autocomplete: "off" };
  if (field.control === "lines" || field.control === "pairs") return h("textarea", { ...plain, rows: 2 });
  return h("input", { ...plain, type: "text" });
}

// A secret is typed into the keyring, never into the draft: no trait, no file and no notebook has it.
export class SecretRow extends Row {
  constructor(field, act) {
    super(field, () => {});
    this.control.type = "password";
    this.control.autocomplete = "new-password";
    this.control.placeholder = "kept in the keyring, never in a file";
    this.said = h("div", { class: "clx-secret-said", role: "status" });
    const tell = (answer) => fill(this.said, answer.error ?? answer.said);
    const buttons = h("div", { class: "clx-buttons" },
      button("Keep", async () => {
        const text = this.control.value;
        this.control.value = "";
        tell(await act("keep secret", { name: field.name, text }));
      }, { "aria-label": `Keep ${field.name} in the keyring` }),
      button("Remove", async () => tell(await act("remove secret", { name: field.name })), { "aria-label": `Remove ${field.name} from the keyring` }),
      button("Where is it?", async () => tell(await act("find secret", { name: field.name })), { "aria-label": `Where ${field.name} would come from` }));
    this.problem.before(buttons, this.said);
  }

  setText() {}

  setBelow() {}
}

// Whether a field matters, with these values of the others.
export function matters(field, valueOf) {
  return Object.entries(field.shown).every(([name, values]) => values.includes(valueOf(name)));
}
