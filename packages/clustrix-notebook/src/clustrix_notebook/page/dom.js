// Elements without markup: every text is a text node, so that nothing of a name or a log is ever read as HTML.

export function h(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(Boolean));
  return element;
}

// Each widget has this module for itself, and all are in one page.
const stem = Math.random().toString(36).slice(2, 8);
let numbers = 0;

export function freshId(what) {
  numbers += 1;
  return `clx-${what}-${stem}-${numbers}`;
}

export function button(label, act, more = {}) {
  return h("button", { type: "button", class: "clx-button", onclick: act, ...more }, label);
}

// The plain picture beside a widget is for notebooks without a kernel: it is not shown as long as a view of the widget is.
const living = new Map();

export function hideStill(name) {
  const selector = `.clx-still[data-clx="${CSS.escape(name)}"]`;
  const entry = living.get(name) ?? { count: 0, style: h("style", {}, `${selector}{display:none}`) };
  if (entry.count === 0) document.head.append(entry.style);
  entry.count += 1;
  living.set(name, entry);
  return () => {
    entry.count -= 1;
    if (entry.count === 0) entry.style.remove();
  };
}
