// What there is to know of a field, beside it: by hover, by keyboard focus, by touch.

import { freshId, h } from "./dom.js";

const PLACES = {
  local: "This machine", ssh: "SSH", slurm: "Slurm", pbs: "PBS", sge: "SGE",
  kubernetes: "Kubernetes", eks: "EKS", aks: "AKS", gke: "GKE",
};

// The tip of a field, and the button that shows it where there is no pointer that hovers.
export function makeTip(field) {
  const id = freshId("tip");
  const tip = h("div", { id, class: "clx-tip", role: "tooltip" },
    h("p", { class: "clx-tip-help" }, coded(field.help)),
    facts(field),
    field.security && h("p", { class: "clx-tip-security" }, h("strong", {}, "Security: "), coded(field.security)),
    guidance(field));
  const show = h("button", {
    type: "button", class: "clx-tip-button", "aria-label": `About ${field.name}`, "aria-expanded": "false", "aria-controls": id,
  }, "?");
  return { id, tip, show };
}

// Text in which `this` is code.
export function coded(text) {
  return text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));
}

function facts(field) {
  const rows = [];
  if (field.example) rows.push(["Example", field.example]);
  rows.push(["Default", field.default || "none"]);
  if (field.option) rows.push(["In code", `@cluster(${field.option}=…)`]);
  if (field.owner) rows.push(["Comes with", field.owner]);
  return h("dl", { class: "clx-tip-facts" }, rows.map(([term, text]) => [h("dt", {}, term), h("dd", {}, text)]));
}

function guidance(field) {
  const places = Object.entries(field.providers);
  if (!places.length) return null;
  return h("dl", { class: "clx-tip-places" },
    places.map(([place, note]) => [h("dt", { "data-place": place }, PLACES[place] ?? place), h("dd", { "data-place": place }, coded(note))]));
}

// Guidance for other places than the chosen one is not shown, unless nothing is said of that one.
export function aim(tip, place) {
  const notes = [...tip.querySelectorAll(".clx-tip-places > [data-place]")];
  const any = notes.some((note) => note.dataset.place === place);
  for (const note of notes) note.hidden = any && note.dataset.place !== place;
}

// One tip is open at a time; Escape closes it, and it stays while the pointer is on it.
export function openTips(panel) {
  let current = null;
  let pinned = false;
  let dismissed = null; // where the pointer was when Escape closed a tip: what comes to lie below it then opens none

  function show(row, pin = false) {
    if (current && current !== row) hide();
    current = row;
    pinned = pin || pinned;
    row.classList.add("clx-open");
    row.querySelector(".clx-tip-button").setAttribute("aria-expanded", "true");
  }

  function hide() {
    if (!current) return;
    current.classList.remove("clx-open");
    current.querySelector(".clx-tip-button").setAttribute("aria-expanded", "false");
    current = null;
    pinned = false;
  }

  const rowOf = (event) => event.target.closest?.(".clx-row");
  panel.addEventListener("pointerover", (event) => {
    const row = rowOf(event);
    if (dismissed && event.clientX === dismissed.x && event.clientY === dismissed.y) return;
    dismissed = null;
    if (row && event.pointerType !== "touch" && !pinned) show(row);
  });
  let pointer = { x: -1, y: -1 };
  panel.addEventListener("pointermove", (event) => { pointer = { x: event.clientX, y: event.clientY }; });
  panel.addEventListener("pointerleave", () => { if (!pinned && !panel.contains(document.activeElement)) hide(); });
  panel.addEventListener("focusin", (event) => {
    const row = rowOf(event);
    if (row) show(row);
    else hide();
  });
  panel.addEventListener("focusout", (event) => { if (!panel.contains(event.relatedTarget) && !pinned) hide(); });
  panel.addEventListener("click", (event) => {
    if (!event.target.closest?.(".clx-tip-button")) return;
    const row = rowOf(event);
    if (current === row && pinned) hide();
    else show(row, true);
  });
  // Also where the focus is elsewhere and the tip is there by hover.
  const escape = (event) => {
    if (event.key !== "Escape" || !current) return;
    event.stopPropagation();
    dismissed = pointer;
    hide();
  };
  document.addEventListener("keydown", escape, true);
  return () => document.removeEventListener("keydown", escape, true);
}
