// One job: where it is, why, for how long, what it prints, and what can be done about it.

import { button, fill, h } from "./dom.js";
import { clock, counted, lasted } from "./words.js";

const STAGES = ["CREATED", "STAGING", "QUEUED", "RUNNING"];
const COUNTS = ["succeeded", "failed", "running", "waiting", "cancelled"];
const LOG_CHARACTERS = 200000;
const CODES = /\x1b\[[0-9;?]*[A-Za-z]/g; // colours and movements of a terminal

export class Card {
  constructor(asking, job, closable) {
    this.asking = asking;
    this.id = job;
    this.state = h("span", { class: "clx-state" });
    this.name = h("strong", {});
    this.reason = h("p", { class: "clx-reason" });
    this.facts = h("p", { class: "clx-facts" });
    this.line = h("ol", { class: "clx-timeline", "aria-label": "Time line" });
    this.progress = h("div", { class: "clx-progress" });
    this.groups = h("div", { class: "clx-groups" });
    this.error = h("details", { class: "clx-error", hidden: true });
    this.said = h("span", { class: "clx-dim", role: "status" });
    this.log = h("pre", { class: "clx-log", tabindex: "0", "aria-label": `Output of ${job}` });
    this.cut = h("p", { class: "clx-dim", hidden: true }, `Only the end is shown; all of it: clustrix.attach("${job}").logs()`);
    this.logs = h("details", { class: "clx-logs", ontoggle: () => this.toggleLog() }, h("summary", {}, "Output"), this.cut, this.log);
    this.cancelling = button("Cancel", () => this.act("cancel"), { "aria-label": `Cancel, job ${job}` });
    this.retrying = button("Retry", () => this.act("retry"));
    this.element = h("article", { class: "clx-card", "aria-label": `Job ${job}`, "data-job": job },
      h("header", { class: "clx-head" }, this.state, this.name, h("code", { class: "clx-id" }, job),
        h("span", { class: "clx-buttons clx-right" }, this.said, this.cancelling, this.retrying,
          closable && button("Close", () => asking.ask("close", { job }), { "aria-label": `Close, job ${job}` }))),
      this.reason, this.facts, this.progress, this.line, this.groups, this.error, this.logs);
  }

  async act(act) {
    const pressed = act === "retry" ? this.retrying : this.cancelling;
    pressed.disabled = true; // once is enough
    const answer = await this.asking.ask(act, { job: this.id });
    fill(this.said, answer.error ?? answer.said ?? "");
    if (act === "retry" && answer.job) this.again = true; // what comes of it has a card, and a button, of its own
    pressed.disabled = false;
    this.update(this.job);
  }

  // There is no kernel any more that could do anything.
  end() {
    this.cancelling.disabled = true;
    this.retrying.disabled = true;
    fill(this.said, `clustrix.attach("${this.id}") shows it again`);
  }

  update(job) {
    this.job = job;
    fill(this.state, job.cancelling ? `${job.state}, being cancelled` : job.state);
    this.state.dataset.state = job.state;
    fill(this.name, job.name);
    fill(this.reason, job.reason);
    this.reason.hidden = !job.reason;
    fill(this.facts, [job.where, job.asked, job.attempt > 1 && `attempt ${job.attempt}`].filter(Boolean).join(" · "));
    this.cancelling.hidden = job.final;
    this.cancelling.disabled = job.cancelling;
    const failed = job.map ? job.map.counts.failed + (job.final ? job.map.counts.cancelled : 0) : 0;
    this.retrying.hidden = this.again || (job.map ? failed === 0 : !job.final || job.state === "SUCCEEDED");
    if (job.final && !this.again) fill(this.said);
    this.retrying.textContent = job.map ? "Retry failed" : "Retry";
    this.retrying.setAttribute("aria-label", `${this.retrying.textContent}, job ${job.id}`);
    this.showProgress();
    this.showTimeline();
    this.showGroups();
    this.showError();
  }

  // Time goes by also between two messages.
  tick() {
    if (!this.job.final) this.showTimeline();
  }

  showProgress() {
    const { map, progress, final } = this.job;
    if (map) {
      const parts = COUNTS.filter((state) => map.counts[state]);
      const bar = h("div", { class: "clx-bar", role: "img", "aria-label": parts.map((state) => `${map.counts[state]} ${state}`).join(", ") },
        parts.map((state) => {
          const part = h("span", { class: "clx-part", "data-state": state });
          part.style.width = `${(100 * map.counts[state]) / Math.max(1, map.items)}%`;
          return part;
        }));
      const pace = map.rate && `${map.rate < 100 ? map.rate.toFixed(1) : Math.round(map.rate).toLocaleString("en")} items/s`;
      const left = !final && map.left_s && `${lasted(map.left_s)} left`;
      fill(this.progress, bar, h("p", { class: "clx-counts" }, h("span", {}, counted(map.items, "item")),
        parts.map((state) => h("span", { "data-state": state }, `${map.counts[state].toLocaleString("en")} ${state}`)),
        pace && h("span", {}, pace), left && h("span", {}, left)));
    } else if (progress && !final) {
      const known = progress.total !== null && progress.total !== undefined;
      const told = `${progress.done.toLocaleString("en")}${known ? ` of ${progress.total.toLocaleString("en")}` : ""}`;
      fill(this.progress, h("progress", { "aria-label": "Progress", ...(known ? { max: progress.total, value: progress.done } : {}) }),
        h("p", {}, progress.message ? `${told}: ${progress.message}` : told));
    } else fill(this.progress);
  }

  showTimeline() {
    const rows = this.job.timeline;
    const now = Date.now() / 1000;
    fill(this.line, rows.map(([state, at, reason], index) => {
      const until = rows[index + 1]?.[1] ?? (this.job.final ? null : now);
      const live = index === rows.length - 1 && !this.job.final;
      return h("li", { "data-state": state, class: live && STAGES.includes(state) ? "clx-now" : null, title: reason },
        h("span", {}, state), ` ${clock(at)}`, until !== null && h("span", { class: "clx-dim" }, ` ${lasted(Math.max(0, until - at))}`));
    }));
  }

  showGroups() {
    const map = this.job.map;
    if (!map || !map.groups.length) {
      fill(this.groups);
      return;
    }
    const open = new Set([...this.groups.querySelectorAll("details[open]")].map((group) => group.dataset.key));
    const focused = document.activeElement?.closest?.(".clx-group-of-errors")?.dataset.key;
    const kept = new Map([...this.groups.querySelectorAll("details")].map((group) => [group.dataset.key, group]));
    fill(this.groups, h("p", {}, map.headline), map.groups.map((group) => {
      const key = `${group.type}|${group.place}|${group.message}`;
      const element = kept.get(key) ?? this.group(key, group);
      fill(element.querySelector("summary"), h("strong", {}, `${group.count.toLocaleString("en")} × ${group.type}`),
        group.place && ` at ${group.place}`, `: ${group.message.split("\n")[0]}`);
      fill(element.querySelector(".clx-items"), `Items: ${group.indices}`);
      element.open = open.has(key);
      return element;
    }), map.more_groups > 0 && h("p", {}, `… and ${counted(map.more_groups, "kind")} more`));
    if (focused) kept.get(focused)?.querySelector("summary")?.focus();
  }

  group(key, group) {
    const trace = h("pre", { class: "clx-trace", tabindex: "0", "aria-label": `Traceback of item ${group.example}` }, "…");
    return h("details", {
      class: "clx-group-of-errors", "data-key": key,
      ontoggle: async (event) => {
        if (!event.target.open || trace.dataset.asked) return;
        trace.dataset.asked = "yes";
        const answer = await this.asking.ask("traceback", { job: this.id, item: group.example });
        fill(trace, answer.text ?? answer.error);
      },
    }, h("summary", {}), h("p", { class: "clx-items" }),
    h("p", {}, `For example, item ${group.example}: `, h("code", {}, group.arguments)), trace);
  }

  showError() {
    const error = this.job.error;
    if (!error || this.error.dataset.shown) return;
    this.error.dataset.shown = "yes";
    fill(this.error, h("summary", {}, h("strong", {}, error.type), `: ${error.message.split("\n")[0]}`),
      h("pre", { class: "clx-trace", tabindex: "0", "aria-label": "Traceback" }, error.traceback));
    this.error.hidden = false;
    this.error.open = true;
  }

  toggleLog() {
    this.asking.ask("log", { job: this.id, on: this.logs.open });
  }

  hear({ anew, pieces }) {
    if (!this.logs.open) return;
    const follows = this.log.scrollTop + this.log.clientHeight >= this.log.scrollHeight - 20;
    if (anew) fill(this.log);
    for (const [stream, text] of pieces) this.write(stream, text.replace(CODES, ""));
    this.length = (anew ? 0 : this.length) + pieces.reduce((sum, [, text]) => sum + text.length, 0);
    if (this.length >= LOG_CHARACTERS) this.cut.hidden = false;
    while (this.log.textContent.length > LOG_CHARACTERS && this.log.childNodes.length > 1) this.log.firstChild.remove();
    if (anew && !this.log.textContent) fill(this.log, h("span", { class: "clx-dim" }, "nothing until now"));
    if (follows) this.log.scrollTop = this.log.scrollHeight;
  }

  // As a terminal would: behind a carriage return the line is written anew, as progress bars do.
  write(stream, text) {
    const parts = text.replaceAll("\r\n", "\n").split("\n");
    const lines = parts.map((line) => line.slice(line.lastIndexOf("\r") + 1));
    if (parts[0].includes("\r")) this.dropLine();
    if (this.returned) this.dropLine();
    this.returned = parts.at(-1).endsWith("\r");
    if (this.returned) lines[lines.length - 1] = parts.at(-1).replace(/\r+$/, "").split("\r").at(-1);
    this.log.append(h("span", { class: stream ? "clx-stderr" : null }, lines.join("\n")));
  }

  // Take away what stands behind the last end of a line.
  dropLine() {
    for (let last = this.log.lastChild; last; last = this.log.lastChild) {
      const end = last.textContent.lastIndexOf("\n");
      if (end >= 0) {
        last.textContent = last.textContent.slice(0, end + 1);
        return;
      }
      last.remove();
    }
  }
}
