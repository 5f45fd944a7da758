// The two cards beside the phones: the story, and the explanations.

import { h } from "./dom.js";
import { nameOf } from "./phone.js";
import { moment, pick, word } from "./words.js";

const MARKS = { waiting: "", playing: "▶", ok: "✓", failed: "✗" };

export function story(state, play) {
  const { playing, steps } = state.story;
  const done = steps.filter((step) => step.status === "ok" || step.status === "failed").length;
  // Between two scenes the one that just ended stays in sight.
  const at = steps.findIndex((step) => step.status === "playing");
  const shown = at >= 0 ? at : playing ? steps.findLastIndex((step) => step.status !== "waiting") : -1;
  const now = steps[shown];
  const button = playing
    ? h("button", { type: "button", class: "strong stop", data: { key: "play" }, on: { click: () => play("stop") } }, `■ ${word("stop")}`)
    : h("button", { type: "button", class: "strong", data: { key: "play" }, on: { click: () => play("play") } }, `▶ ${word("play")}`);
  return [
    h("div", { class: "card-top" }, h("div", {}, h("h2", { id: "story-title", text: word("story") }), h("p", { class: "lead", text: word("storyLead") })), button),
    h("progress", { max: steps.length, value: done, "aria-label": word("sceneOf", done, steps.length) }),
    !playing && done > 0 && h("p", { class: "now-told", text: word("verified", steps.filter((step) => step.status === "ok").length, done) }),
    now &&
      h(
        "div",
        { class: "now", "aria-live": "polite" },
        h("p", { class: "now-count", text: word("sceneOf", shown + 1, steps.length) }),
        h("p", { class: "now-title", text: pick(now.title) }),
        h("p", { text: pick(now.why) }),
        now.status !== "playing" && h("p", { class: `now-told ${now.status}`, text: `${MARKS[now.status]} ${pick(now.told)}` }),
      ),
    h(
      "details",
      { data: { key: "scenes" } },
      h("summary", { data: { key: "scenes-open" }, text: word("allScenes") }),
      h("ol", { class: "scenes", data: { scroll: "scenes" } }, steps.map((step) => scene(step, play))),
    ),
  ];
}

function scene(step, play) {
  return h(
    "li",
    { class: `scene ${step.status}` },
    h("span", { class: "mark", "aria-label": word(step.status), role: "img", text: MARKS[step.status] }),
    h("div", {}, h("b", { text: pick(step.title) }), h("p", { text: pick(step.told) || pick(step.why) })),
    h("button", { type: "button", class: "small", data: { key: `scene-${step.name}` }, title: word("playOne"), "aria-label": `${word("playOne")}: ${pick(step.title)}`, on: { click: () => play(step.name) } }, "▶"),
  );
}

// --- why ---

export function why(state) {
  const list = state.messages.map((message) => explained(state, message));
  return [
    h("h2", { id: "why-title", text: word("why") }),
    h("p", { class: "lead", text: word("whyLead") }),
    list.length ? h("ol", { class: "messages", data: { scroll: "messages" } }, list) : nothingYet(),
  ];
}

const nothingYet = () =>
  h("div", { class: "empty" }, h("p", { text: word("nothingYet") }), h("ol", {}, ["try1", "try2", "try3"].map((name) => h("li", { text: word(name) }))));

export function summary(message) {
  if (message.kind === "picture") return word("aPicture");
  if (message.kind === "custom") return `${word("customMessage")}: ${message.text}`;
  return `“${message.text}”`;
}

function explained(state, message) {
  const present = message.pushes.filter((push) => message.phones[push.device] || !push.device);
  const others = message.pushes.filter((push) => !message.phones[push.device] && push.device);
  const shown = present.length ? present : others;
  const former = present.length ? others : [];
  return h(
    "li",
    { class: "message", data: { n: message.n } },
    h(
      "div",
      { class: "message-top" },
      h("b", { text: `${nameOf(state, message.from)} → ${nameOf(state, message.to)}` }),
      h("time", { text: moment(message.at) }),
    ),
    h("p", { class: "said" }, summary(message), message.description ? ` — ${message.description}` : "", message.no_push ? ` (${word("noPush")})` : ""),
    h("p", { class: "way", text: word(message.way === "rest" ? "viaRest" : "viaDevice") }),
    message.pushes.length === 0 && h("p", { class: "verdict is-wait", text: word("deciding") }),
    shown.map((push) => decided(state, message, push)),
    former.length > 0 &&
      h(
        "details",
        { class: "former", data: { key: `former-${message.n}` } },
        h("summary", { data: { key: `former-open-${message.n}` }, text: word("others", former.length) }),
        h("ul", {}, former.map((push) => h("li", { text: `${where(push)}: ${pick(push.reason_text)} [${push.reason}]` }))),
      ),
  );
}

const where = (push) => word(push.device.startsWith("another-") ? "anotherPhone" : "formerPhone");

function verdict(push) {
  if (push.state === "accepted") return ["push", word("verdictPush")];
  if (push.state === "delivered_online") return ["socket", word("verdictSocket")];
  if (push.state === "suppressed" || push.state === "cancelled") return ["none", word("verdictNone")];
  if (push.state === "failed" || push.state === "expired") return ["failed", word("verdictFailed")];
  return ["wait", word("verdictWait")];
}

function decided(state, message, push) {
  const [colour, words] = verdict(push);
  const brand = state.brands.find(([name]) => name === message.phones[push.device]);
  const device = brand ? pick([brand[1], brand[2]]) : push.device ? where(push) : "";
  return h(
    "div",
    { class: "push" },
    h("p", { class: "push-head" }, h("span", { class: `verdict is-${colour}`, text: words }), device && h("span", { class: "device", text: device }), push.service && push.attempts.length > 0 && h("span", { class: "device", text: push.service })),
    h("p", { class: "reason" }, pick(push.reason_text), " ", h("code", { text: push.reason })),
    push.state === "pending" && push.hints.map((hint) => h("p", { class: "hint", text: pick(hint) })),
    pick(push.cure) && h("p", { class: "cure" }, h("b", { text: `${word("cure")}: ` }), pick(push.cure)),
    push.attempts.length > 0 && track(push),
    push.attempts.length > 0 && attempts(message, push),
    push.notes.filter((note) => pick(note.cure)).map((note) => h("p", { class: "cure" }, h("b", { text: `${pick(note.text)}: ` }), pick(note.cure))),
  );
}

/** Accepted, delivered and clicked are three words. */
function track(push) {
  return h(
    "ol",
    { class: "track" },
    ["accepted", "delivered", "clicked"].map((name) =>
      h("li", { class: push[name] ? "is-done" : "" }, h("b", { text: word(name) }), h("span", { text: push[name] ? moment(push[name]) : word("notKnown") })),
    ),
  );
}

function attempts(message, push) {
  return h(
    "details",
    { data: { key: `attempts-${push.push_id}` } },
    h("summary", { data: { key: `attempts-open-${push.push_id}` }, text: word("request") }),
    pick(push.device_state) && h("p", { class: "then" }, `${word("then")}: ${pick(push.device_state)}`),
    push.attempts.map((attempt, number) => [
      h("p", { class: "attempt", text: `${word("attempt", number + 1)} · ${moment(attempt.at)} · ${attempt.ms} ms · ${pick(attempt.text)} ${attempt.code}` }),
      attempt.request && h("pre", { tabindex: "0", text: attempt.request }),
    ]),
  );
}
