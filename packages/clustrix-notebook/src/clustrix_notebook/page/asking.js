// Requests to the kernel, each with an answer; what is slow or gone is told.

const SLOW_MS = 600;

export class Asking {
  constructor(model, tell) {
    this.model = model;
    this.tell = tell; // called with a text, empty: nothing is awaited any more
    this.open = new Map();
    this.listeners = new Set();
    this.number = 0;
    this.prefix = Math.random().toString(36).slice(2);
    this.received = (message) => this.take(message);
    model.on("msg:custom", this.received);
  }

  close() {
    this.model.off("msg:custom", this.received);
    for (const entry of this.open.values()) clearTimeout(entry.timer);
    this.open.clear();
  }

  // Answers with what the kernel said, {error: text} where it could not.
  ask(act, more = {}) {
    this.number += 1;
    const id = `${this.prefix}-${this.number}`;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.tell("The kernel is busy: this is done as soon as it can be."), SLOW_MS);
      this.open.set(id, { resolve, timer });
      this.model.send({ id, act, ...more });
    });
  }

  on(listener) {
    this.listeners.add(listener);
  }

  take(message) {
    const entry = this.open.get(message.re);
    if (entry) {
      this.open.delete(message.re);
      clearTimeout(entry.timer);
      if (this.open.size === 0) this.tell("");
      entry.resolve(message);
    }
    for (const listener of this.listeners) listener(message);
  }
}
