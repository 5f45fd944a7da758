// One phone: its screen (lock screen, home screen, log-in, chats, chat) and the buttons under it.

import { h } from "./dom.js";
import { current, has, moment, pick, word } from "./words.js";

const seen = new Set(); // bubbles and notifications that were drawn before: only new ones move

export const nameOf = (state, userId) => {
  const person = state.people.find(([id]) => id === userId);
  return person ? pick([person[1], person[2]]) : userId;
};

const face = (state, userId, extra = "") =>
  h("span", { class: `face ${userId} ${extra}`, "aria-hidden": "true", text: [...nameOf(state, userId)][0] ?? "?" });

/** Where the phone stands, in one line and one colour. */
export function standing(phone) {
  if (!phone.installed) return ["gone", word("notInstalled")];
  if (!phone.account) return ["gone", word("loggedOut")];
  if (phone.offline) return ["away", word("airplaneOn")];
  if (!phone.connected) return ["away", word("away")];
  return phone.app === "open" ? ["front", word("foreground")] : ["back", word("background")];
}

// --- the screen ---

export function screen(state, phone, act) {
  const body = phone.locked ? lockScreen(state, phone, act) : inside(state, phone, act);
  return h("div", { class: `screen ${phone.locked ? "is-locked" : "is-on"}` }, statusBar(phone), body, h("span", { class: "bar", "aria-hidden": "true" }));
}

function inside(state, phone, act) {
  if (phone.app !== "open" || !phone.installed) return homeScreen(state, phone, act);
  if (!phone.account) return logIn(state, phone, act);
  return phone.chat_with ? chat(state, phone, act) : chats(state, phone, act);
}

function statusBar(phone) {
  const signs = [];
  if (!phone.notifications) signs.push("⊘");
  signs.push(phone.offline ? "✈" : "▂▄▆");
  return h("div", { class: "status", "aria-hidden": "true" }, h("span", { class: "clock-small", data: { clock: "short" } }), h("span", { class: "hole" }), h("span", { text: signs.join(" ") }));
}

function lockScreen(state, phone, act) {
  const shown = phone.tray.filter((item) => item.lock_screen);
  return h(
    "div",
    { class: "lock" },
    h("p", { class: "clock", data: { clock: "long" } }),
    h("p", { class: "date", data: { clock: "date" } }),
    tray(phone, shown, act, (item) => item.lock_screen),
  );
}

function homeScreen(state, phone, act) {
  return h(
    "div",
    { class: "homescreen" },
    tray(phone, phone.tray, act, (item) => item),
    h(
      "div",
      { class: "dock" },
      phone.installed &&
        h(
          "button",
          { type: "button", class: "icon", data: { key: "icon" }, "aria-label": `${word("open")}${phone.badge ? `, ${word("badge", phone.badge)}` : ""}`, on: { click: () => act("open") } },
          h("img", { src: "pigeon.svg", alt: "", width: 52, height: 52 }),
          phone.badge > 0 && h("span", { class: "badge", text: phone.badge > 99 ? "99+" : phone.badge }),
        ),
    ),
  );
}

function tray(phone, items, act, words) {
  if (!items.length) return h("p", { class: "quiet", text: word("noNotifications") });
  const newestFirst = [...items].reverse().slice(0, 6);
  return h("ul", { class: "tray", "aria-label": word("notifications"), data: { scroll: "tray" } }, newestFirst.map((item) => h("li", {}, notification(phone, item, act, words(item)))));
}

function notification(phone, item, act, { title, body }) {
  const key = `${phone.phone_id}/${item.id}`;
  const fresh = !seen.has(key);
  seen.add(key);
  const text = body || word("hidden");
  return h(
    "button",
    { type: "button", class: `note ${fresh ? "is-new" : ""}`, data: { key: `note-${item.id}` }, title: word("swipe"), "aria-label": word("notificationFrom", title, text), on: { click: () => act("tap", item.id) } },
    h("img", { src: "pigeon.svg", alt: "", width: 30, height: 30 }),
    h("span", { class: "note-words" }, h("span", { class: "note-head" }, h("b", { text: title || "Homing" }), h("time", { text: moment(item.received_at).slice(0, 5) })), h("span", { class: "note-body", text })),
  );
}

function logIn(state, phone, act) {
  const why = phone.notice && (has(phone.notice) ? word(phone.notice) : word("ended"));
  return h(
    "div",
    { class: "app login" },
    h("img", { src: "pigeon.svg", alt: "", width: 64, height: 64 }),
    why && h("p", { class: "notice", role: "alert", text: why }),
    h("p", { class: "lead", text: word("chooseAccount") }),
    state.people.map(([id]) =>
      h("button", { type: "button", class: "who", data: { key: `login-${id}` }, on: { click: () => act("log_in", id) } }, face(state, id), h("span", { text: word("logIn", nameOf(state, id)) })),
    ),
  );
}

function chats(state, phone, act) {
  const rows = phone.chats.map((talk) => {
    const last = talk.bubbles.at(-1);
    return h(
      "li",
      {},
      h(
        "button",
        { type: "button", class: "row", data: { key: `chat-${talk.peer}` }, on: { click: () => act("chat", talk.peer) } },
        face(state, talk.peer),
        h("span", { class: "row-words" }, h("b", { text: nameOf(state, talk.peer) }), h("span", { class: "row-last", text: last ? bubbleText(last) : "" })),
        talk.unread > 0 && h("span", { class: "badge", "aria-label": word("badge", talk.unread), text: talk.unread }),
      ),
    );
  });
  return h(
    "div",
    { class: "app" },
    h("div", { class: "app-bar" }, face(state, phone.account, "small"), h("b", { text: word("chats") })),
    rows.length ? h("ul", { class: "rows" }, rows) : h("p", { class: "quiet dark", text: word("noChats") }),
  );
}

function chat(state, phone, act) {
  const talk = phone.chats.find((one) => one.peer === phone.chat_with);
  return h(
    "div",
    { class: "app" },
    h(
      "div",
      { class: "app-bar" },
      h("button", { type: "button", class: "back", data: { key: "back" }, "aria-label": word("back"), on: { click: () => act("chat", null) } }, "‹"),
      face(state, phone.chat_with, "small"),
      h("b", { text: nameOf(state, phone.chat_with) }),
    ),
    h("ol", { class: "bubbles", "aria-label": word("chatWith", nameOf(state, phone.chat_with)), data: { end: "yes" }, tabindex: "0" }, (talk?.bubbles ?? []).map((one) => bubble(phone, one))),
  );
}

function bubble(phone, one) {
  const key = `${phone.phone_id}/${one.id}`;
  const fresh = !seen.has(key);
  seen.add(key);
  const mine = one.sender === phone.account;
  const inner = one.kind === "picture" ? h("img", { src: "pigeon.svg", alt: word("aPicture"), class: "photo" }) : h("span", { text: bubbleText(one) });
  return h("li", { class: `bubble ${mine ? "mine" : "theirs"} ${one.kind} ${fresh ? "is-new" : ""}` }, inner, h("time", { text: moment(one.at).slice(0, 5) }));
}

const bubbleText = (one) => (one.kind === "picture" ? word("picture") : one.text);

// --- the buttons ---

export function controls(state, phone, act) {
  const key = (name) => ({ key: `${phone.slot}-${name}` });
  const button = (name, label, press, more = {}) => h("button", { type: "button", data: key(name), on: { click: press }, ...more }, label);
  const toggle = (name, label, on, press) => button(name, label, press, { class: "switch", role: "switch", "aria-checked": String(on) });
  const open = phone.app === "open" && !phone.locked;
  return [
    h(
      "div",
      { class: "buttons", role: "group", "aria-label": word("phoneAndApp") },
      button("lock", phone.locked ? word("unlock") : word("lock"), () => act("lock", !phone.locked), { class: phone.locked ? "strong" : "" }),
      open ? button("home", word("home"), () => act("background")) : button("home", word("open"), () => act("open"), { disabled: !phone.installed }),
      button("kill", word("kill"), () => act("kill"), { disabled: phone.app === "killed" || !phone.installed }),
    ),
    h(
      "div",
      { class: "buttons", role: "group", "aria-label": word("account") },
      h("label", { class: "choice" }, h("span", { text: word("account") }), accounts(state, phone, act)),
      button("logout", word("logOut"), () => act("log_out"), { disabled: !phone.account || !phone.installed }),
    ),
    h(
      "div",
      { class: "buttons halves", role: "group", "aria-label": word("settings") },
      toggle("notifications", word("notifications"), phone.notifications, () => act("notifications", !phone.notifications)),
      toggle("offline", word("airplane"), phone.offline, () => act("offline", !phone.offline)),
      toggle("installed", word("installed"), phone.installed, () => act("install", !phone.installed)),
      button("elsewhere", word("elsewhere"), () => act("elsewhere"), { title: word("elsewhereHelp"), disabled: !phone.account }),
    ),
    phone.opened.activity || phone.opened.error
      ? h("p", { class: "opened" }, h("code", { text: phone.opened.error ? word("openedNot", phone.opened.error) : word("opened", phone.opened.activity) }))
      : null,
  ];
}

function accounts(state, phone, act) {
  const select = h("select", { data: { key: `${phone.slot}-account` }, disabled: !phone.installed, on: { change: (event) => event.target.value && act("log_in", event.target.value) } });
  if (!phone.account) select.append(h("option", { value: "", text: word("nobody") }));
  for (const [id] of state.people) select.append(h("option", { value: id, text: nameOf(state, id) }));
  select.value = phone.account ?? "";
  return select;
}

export function heading(state, phone, act) {
  const [colour, words] = standing(phone);
  const brand = h("select", { data: { key: `${phone.slot}-brand` }, "aria-label": word("make"), on: { change: (event) => act("brand", event.target.value) } });
  for (const [name, en, zh, service] of state.brands) brand.append(h("option", { value: name, text: `${pick([en, zh])} · ${service}` }));
  brand.value = phone.brand;
  return [
    h("div", { class: "seat-top" }, face(state, phone.person), h("h2", { id: `${phone.slot}-name`, text: word("phoneOf", nameOf(state, phone.person)) }), brand),
    h("p", { class: `standing is-${colour}` }, h("span", { class: "dot", "aria-hidden": "true" }), words),
  ];
}

/** Clocks tick without anything being drawn anew. */
export function tick(root) {
  const now = new Date();
  const locale = current() === "zh" ? "zh-CN" : "en-GB";
  const time = now.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" });
  const date = now.toLocaleDateString(locale, { weekday: "long", month: "long", day: "numeric" });
  for (const place of root.querySelectorAll("[data-clock]")) place.textContent = place.dataset.clock === "date" ? date : time;
}
