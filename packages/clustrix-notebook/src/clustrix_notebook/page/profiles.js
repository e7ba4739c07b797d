// The profiles: which is edited, and what can be done with it.

import { button, fill, freshId, h } from "./dom.js";

const OUTSIDE = "(no profile)";

export class Profiles {
  // act(name, more): asks the kernel.
  constructor(act) {
    this.act = act;
    const id = freshId("profile");
    this.select = h("select", { id, class: "clx-control", onchange: () => this.choose() });
    this.naming = h("form", { class: "clx-naming", hidden: true });
    this.renaming = button("Rename…", () => this.ask("Rename it to", "rename", this.view.edited));
    this.deleting = button("Delete", () => act(this.deleted() ? "undelete" : "delete"));
    this.discarding = button("Discard changes", () => act("discard"));
    this.element = h("div", { class: "clx-profiles" },
      h("label", { for: id }, "Profile"), this.select,
      h("div", { class: "clx-buttons", role: "group", "aria-label": "Profiles" },
        button("New…", () => this.ask("Name of the new profile", "new", "")),
        button("Copy…", () => this.ask("Name of the copy", "copy", this.view.edited ? `${this.view.edited} copy` : "")),
        this.renaming, this.deleting, this.discarding),
      this.naming);
  }

  current() {
    return this.view.profiles.find((profile) => profile.name === this.view.edited);
  }

  deleted() {
    return this.current()?.deleted;
  }

  update(view) {
    this.view = view;
    const shown = JSON.stringify([view.profiles, view.edited]);
    if (shown === this.shown) return; // a list that is open stays open
    this.shown = shown;
    fill(this.select, view.profiles.map((profile) => {
      const marks = [profile.holds && "holds", profile.deleted ? "to be deleted" : profile.changed && "not saved"].filter(Boolean);
      const title = (profile.name || OUTSIDE) + (marks.length ? ` — ${marks.join(", ")}` : "");
      return h("option", { value: profile.name }, title);
    }));
    this.select.value = view.edited;
    const outside = view.edited === "";
    this.renaming.disabled = outside || this.deleted();
    this.deleting.disabled = outside;
    this.deleting.textContent = this.deleted() ? "Undo delete" : "Delete";
    this.discarding.disabled = !this.current()?.changed;
  }

  // The kernel may refuse the choice.
  async choose() {
    await this.act("choose", { name: this.select.value });
    this.select.value = this.view.edited;
  }

  ask(label, act, value) {
    const id = freshId("name");
    const problem = h("span", { class: "clx-problem", role: "alert" });
    const input = h("input", { id, type: "text", class: "clx-control", value });
    const close = () => {
      this.naming.hidden = true;
      this.select.focus();
    };
    fill(this.naming, h("label", { for: id }, label), input, h("button", { type: "submit", class: "clx-button clx-main" }, "OK"),
      button("Cancel", close), problem);
    this.naming.onsubmit = async (event) => {
      event.preventDefault();
      const answer = await this.act(act, { name: input.value.trim() });
      if (answer.error) fill(problem, answer.error);
      else close();
    };
    this.naming.onkeydown = (event) => {
      event.stopPropagation(); // the notebook has keys of its own
      if (event.key === "Escape") close();
    };
    this.naming.hidden = false;
    input.focus();
    input.select();
  }
}
