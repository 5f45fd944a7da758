// The page: follows the live picture, draws what changed, and turns presses into orders.

import { draw, forget, h } from "./dom.js";
import { story, summary, why } from "./panels.js";
import { controls, heading, nameOf, screen, tick } from "./phone.js";
import { choose, current, has, pick, word } from "./words.js";

const SLOTS = ["left", "right"];
const byId = (id) => document.getElementById(id);
const newest = {}; // newest notification of each phone: what is newer makes it buzz
const spoken = new Set();
let state = null;

// --- asking ---

async function post(path, body) {
  byId("trouble").hidden = true;
  document.body.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body ?? {}) });
    const value = await answer.json();
    if (!answer.ok) trouble(has(value.code) ? word(value.code) : value.message);
    return answer.ok;
  } catch {
    trouble(word("lost"));
    return false;
  } finally {
    document.body.removeAttribute("aria-busy");
  }
}

function trouble(text) {
  byId("trouble").textContent = text;
  byId("trouble").hidden = false;
}

const act = (slot) => (what, value = null) => post(`phones/${slot}`, { do: what, value });
const play = (action) => post(`story/${action}`);

// --- drawing ---

function seat(slot) {
  const place = byId(slot);
  place.replaceChildren(
    h("div", { data: { part: "heading" } }),
    h("div", { class: "phone", data: { part: "phone" } }),
    h("div", { data: { part: "composer" } }),
    h("div", { class: "controls", data: { part: "controls" } }),
  );
}

const part = (slot, name) => byId(slot).querySelector(`[data-part="${name}"]`);

function show() {
  if (!state) return;
  for (const slot of SLOTS) {
    const phone = state.phones[slot];
        draw(part(slot, "heading"), [phone.brand, phone.person, phone.account, phone.app, phone.connected, phone.offline, phone.installed], () => heading(state, phone, act(slot)));
    const frame = part(slot, "phone");
    frame.className = `phone ${phone.brand} ${frame.classList.contains("buzz") ? "buzz" : ""}`;
    draw(frame, phone, () => screen(state, phone, act(slot)));
    for (const box of frame.querySelectorAll("[data-end]")) box.scrollTop = box.scrollHeight;
    draw(part(slot, "composer"), [phone.person, current()], () => composer(slot));
    draw(part(slot, "controls"), [phone.locked, phone.app, phone.installed, phone.account, phone.notifications, phone.offline, phone.opened], () => controls(state, phone, act(slot)));
    buzz(slot, phone);
  }
  draw(byId("story"), state.story, () => story(state, play));
  draw(byId("why"), state.messages, () => why(state));
  speak();
  tick(document);
}

function buzz(slot, phone) {
  const last = Math.max(0, ...phone.tray.map((item) => item.id));
  const before = newest[slot]?.phone === phone.phone_id ? newest[slot].last : null;
  newest[slot] = { phone: phone.phone_id, last: Math.max(last, before ?? 0) };
  if (before === null || last <= before) return;
  const item = phone.tray.find((one) => one.id === last);
  const frame = part(slot, "phone");
  frame.classList.remove("buzz");
  void frame.offsetWidth; // so that the animation begins anew
  frame.classList.add("buzz");
  say(word("heardNotification", nameOf(state, phone.person), `${item.title}: ${item.body}`));
}

/** What was decided is said aloud once, for those who do not see it. */
function speak() {
  const message = state.messages[0];
  const push = message?.pushes.find((one) => one.state !== "pending" && one.state !== "claimed" && one.state !== "waiting_ack");
  if (!push || spoken.has(message.n)) return;
  spoken.add(message.n);
  say(word("heardWhy", summary(message), `${pick(push.state_text)}, ${pick(push.reason_text)}`));
}

function say(text) {
  byId("heard").append(h("p", { text }));
  while (byId("heard").childElementCount > 4) byId("heard").firstElementChild.remove();
}

// --- writing ---

function composer(slot) {
  const phone = state.phones[slot];
  const other = state.phones[slot === "left" ? "right" : "left"];
  const sender = phone.person;
  const id = (name) => `${slot}-${name}`;
  const people = state.people.filter(([user]) => user !== sender);
  const to = h("select", { id: id("to"), data: { key: id("to") } }, people.map(([user]) => h("option", { value: user, text: nameOf(state, user) })));
  to.value = people.some(([user]) => user === other.person) ? other.person : people[0][0];
  const kind = h("select", { data: { key: id("kind") }, "aria-label": word("kind") }, ["text", "picture", "custom"].map((one) => h("option", { value: one, text: word(one) })));
  const text = h("input", { id: id("text"), data: { key: id("text") }, maxlength: 500, autocomplete: "off", "aria-label": word("message"), placeholder: word("placeholder") });
  const description = h("input", { data: { key: id("description") }, maxlength: 200, autocomplete: "off", "aria-label": word("description"), placeholder: word("description"), hidden: true });
  const noPush = h("input", { type: "checkbox", data: { key: id("nopush") } });
  const form = h(
    "form",
    { class: "composer", on: { submit: (event) => submit(event) } },
    h("div", { class: "composer-top" }, h("label", { for: id("to"), text: word("writeAs", nameOf(state, sender)) }), to, kind, h("label", { class: "check" }, noPush, word("noPush"))),
    h("div", { class: "composer-line" }, text, h("button", { type: "submit", class: "strong", data: { key: id("send") } }, word("send"))),
    description,
  );
  kind.addEventListener("change", () => {
    description.hidden = kind.value !== "custom";
    text.disabled = kind.value === "picture";
    text.placeholder = kind.value === "custom" ? word("orderPlaceholder") : kind.value === "picture" ? word("aPicture") : word("placeholder");
  });
  async function submit(event) {
    event.preventDefault();
    const written = { sender, receiver: to.value, kind: kind.value, text: kind.value === "picture" ? "" : text.value, no_push: noPush.checked };
    if (kind.value === "custom") {
      written.description = description.value;
      written.text ||= word("orderPlaceholder");
    }
    if (await post("messages", written)) text.value = "";
    text.focus();
  }
  return form;
}

// --- the language, and the live picture ---

function useLanguage(language) {
  choose(language);
  for (const place of document.querySelectorAll("[data-word]")) place.textContent = word(place.dataset.word);
  for (const button of document.querySelectorAll("[data-language]")) button.setAttribute("aria-pressed", String(button.dataset.language === language));
  for (const place of document.querySelectorAll("[data-part], #story, #why")) forget(place);
  link(state ? "live" : "connecting");
  show();
}

function link(name) {
  byId("link").textContent = word(name);
  byId("link").className = `link ${name}`;
}

function follow() {
  const events = new EventSource("events");
  events.onmessage = (event) => {
    state = JSON.parse(event.data);
    link("live");
    show();
  };
  events.onerror = () => link("lost");
}

for (const slot of SLOTS) seat(slot);
for (const button of document.querySelectorAll("[data-language]")) button.addEventListener("click", () => useLanguage(button.dataset.language));
for (const slot of SLOTS) byId(slot).addEventListener("animationend", (event) => event.animationName === "ring" && event.target.classList.remove("buzz"));
setInterval(() => tick(document), 5000);
useLanguage(current());
follow();
