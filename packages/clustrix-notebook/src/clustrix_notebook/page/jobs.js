// Jobs: cards, and above them a table where there is a list.

import { Asking } from "./asking.js";
import { Card } from "./card.js";
import { fill, h, hideStill } from "./dom.js";
import { Table } from "./table.js";

const TICK_MS = 1000;
const HERE_MS = 60000;

export function renderJobs({ model, el }) {
  const shown = hideStill(model.get("still"));
  const busy = h("p", { class: "clx-busy" });
  const asking = new Asking(model, (text) => fill(busy, text));
  const cards = new Map();
  const list = h("div", { class: "clx-cards" });
  const about = model.get("table");
  const table = about.columns ? new Table(asking, about) : null;
  const panel = h("section", { class: "clx clx-jobs", "aria-label": table ? "Jobs" : "Job" }, table?.element, list, busy);
  panel.addEventListener("keydown", (event) => event.stopPropagation());

  function update() {
    const found = model.get("cards");
    const ids = new Set(found.map((job) => job.id));
    for (const id of cards.keys()) if (!ids.has(id)) {
      cards.get(id).element.remove();
      cards.delete(id);
    }
    for (const job of found) {
      if (!cards.has(job.id)) {
        cards.set(job.id, new Card(asking, job.id, Boolean(table)));
        list.append(cards.get(job.id).element);
      }
      cards.get(job.id).update(job);
    }
  }

  asking.on((message) => {
    if (message.event === "log") cards.get(message.job)?.hear(message);
    else if (message.event?.endsWith("rows")) table?.hear(message);
  });
  model.on("change:cards", update);
  let here = 0;
  const gone = () => {
    fill(busy, "The kernel that showed this has ended: the jobs go on.");
    for (const card of cards.values()) card.end();
    clearInterval(timer);
    clearInterval(here);
  };
  model.on("comm_live_update", gone);
  const timer = setInterval(() => {
    for (const card of cards.values()) card.tick();
  }, TICK_MS);
  here = table && setInterval(() => model.send({ act: "here" }), HERE_MS);
  el.append(panel);
  update();
  table?.load();
  return () => {
    clearInterval(timer);
    clearInterval(here);
    model.off("change:cards", update);
    model.off("comm_live_update", gone);
    asking.close();
    shown();
  };
}
