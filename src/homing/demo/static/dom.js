// The little there is between the page and the browser: making elements, and replacing them without losing the focus.

/** An element. `props`: class, text, on (listeners), data (data-*), anything else is an attribute; false and null leave it out. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "text") element.textContent = value;
    else if (name === "on") for (const [event, heard] of Object.entries(value)) element.addEventListener(event, heard);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const drawn = new WeakMap();

/** Draw into `place` when what it shows has changed. Focus, scroll position and opened details stay where they were. */
export function draw(place, shows, make) {
  const now = JSON.stringify(shows);
  if (drawn.get(place) === now) return false;
  drawn.set(place, now);
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const open = new Set([...place.querySelectorAll("details[open]")].map((details) => details.dataset.key));
  const scrolled = new Map([...place.querySelectorAll("[data-scroll]")].map((box) => [box.dataset.scroll, box.scrollTop]));
  place.replaceChildren(...[make()].flat(Infinity).filter(Boolean));
  for (const details of place.querySelectorAll("details")) if (open.has(details.dataset.key)) details.open = true;
  for (const box of place.querySelectorAll("[data-scroll]")) box.scrollTop = scrolled.get(box.dataset.scroll) ?? 0;
  if (focused) place.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  return true;
}

/** Draw everything anew next time: the language has changed. */
export const forget = (place) => drawn.delete(place);
