// What goes step by step, a connection test or an assistant: each step with its result and its cure, questions in between.

import { button, fill, freshId, h } from "./dom.js";
import { coded } from "./tips.js";

const SILENT_MS = 8000;
const MARKS = { ok: "✓", warning: "!", failed: "✗" };

export class Connection {
  constructor(asking, act, closed) {
    this.act = act;
    this.steps = h("ol", { class: "clx-steps" });
    this.doing = h("p", { class: "clx-doing", role: "status" });
    this.question = h("form", { class: "clx-question", hidden: true });
    this.stopping = button("Stop", () => act("stop"));
    this.title = h("h3", {});
    this.log = h("div", { role: "log" }, this.steps);
    this.element = h("section", { class: "clx-panel", hidden: true }, this.title, this.log, this.question, this.doing,
      h("div", { class: "clx-buttons" }, this.stopping, button("Close", () => { act("stop"); this.element.hidden = true; closed(); })));
    this.name("Connection test");
    asking.on((message) => this.hear(message));
  }

  async start(act, title, more = {}) {
    this.name(title);
    this.element.hidden = false;
    fill(this.steps);
    this.run(true, "starting");
    const answer = await this.act(act, more);
    if (answer.error) this.run(false, answer.error);
  }

  name(title) {
    fill(this.title, title);
    this.element.setAttribute("aria-label", title);
    this.log.setAttribute("aria-label", `Steps: ${title}`);
  }

  run(running, text) {
    fill(this.doing, text + (running ? " …" : ""));
    this.doing.classList.toggle("clx-running", running);
    if (running) this.doing.classList.remove("clx-wrong");
    this.stopping.disabled = !running;
    clearTimeout(this.silence);
    if (running) {
      this.silence = setTimeout(() => {
        this.run(false, "The kernel says nothing any more: it is busy with a cell, or it has died or been restarted. Then run this cell again, and test once more.");
        this.question.hidden = true;
      }, SILENT_MS);
    }
  }

  hear(message) {
    if (!message.event) return;
    this.element.hidden = false;
    if (message.event === "alive") this.run(true, this.doing.textContent.replace(/ …$/, ""));
    else if (message.event === "doing") this.run(true, message.text);
    else if (message.event === "step") this.steps.append(step(message));
    else if (message.event === "ask") this.ask(message);
    else if (message.event === "answered") this.question.hidden = true;
    else if (message.event === "done") {
      this.question.hidden = true;
      this.run(false, message.text);
      this.doing.classList.toggle("clx-wrong", message.whole === false);
    }
  }

  ask({ number, kind, text, echo, host }) {
    const answer = (value) => {
      this.question.hidden = true;
      this.act("answer", { number, text: value });
    };
    this.question.hidden = false;
    this.question.onsubmit = (event) => event.preventDefault();
    const words = h("p", { class: "clx-asked" }, kind === "trust" ? text : `[${host}] ${text.trim()}`);
    if (kind === "trust") {
      fill(this.question, words,
        h("div", { class: "clx-buttons" }, button("These are the host's: trust them", () => answer("yes"), { class: "clx-button clx-main" }),
          button("Do not trust them", () => answer(null))));
    } else {
      const id = freshId("answer");
      const input = h("input", { id, type: echo ? "text" : "password", class: "clx-control", autocomplete: "off" });
      this.question.onsubmit = (event) => {
        event.preventDefault();
        answer(input.value);
        input.value = "";
      };
      fill(this.question, h("label", { for: id }, words), input,
        h("div", { class: "clx-buttons" }, h("button", { type: "submit", class: "clx-button clx-main" }, "Answer"),
          button("Do not answer", () => answer(null))));
    }
    this.question.querySelector("input, button").focus();
  }
}

function step({ what, state, found, advice }) {
  return h("li", { class: `clx-step clx-${state}`, "data-what": what },
    h("span", { class: "clx-mark", role: "img", "aria-label": state }, MARKS[state] ?? "·"),
    h("div", {}, h("strong", {}, what), ": ", found, advice && h("p", { class: "clx-advice" }, "→ ", coded(advice))));
}
