"use strict";

const DEVICES = { phone: ["Phone", 360], tablet: ["Tablet", 768], desk: ["Desk", 1200] };
const LANGUAGES = { nl: "Nederlands", en: "English" };
const at = (id) => document.getElementById(id);
const form = at("choices");
const chosen = { device: "desk", view: "light", person: "0", locale: "", ...Object.fromEntries(new URLSearchParams(location.hash.slice(1))) };
let asked = 0;
let built = false;

/* An element with attributes and children; text is never read as markup. */
function make(tag, attributes = {}, ...children) {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children);
  return element;
}

function addGroup(name, choices) {
  const group = form.querySelector(`[data-name=${name}]`);
  for (const [value, label] of Object.entries(choices)) {
    const input = make("input", { type: "radio", name, value, checked: value === chosen[name] });
    group.append(make("label", {}, input, make("span", {}, label)));
  }
}

function addOptions(name, choices) {
  for (const [value, label] of choices) form.elements[name].append(make("option", { value, selected: value === chosen[name] }, label));
}

function build(state) {
  addGroup("device", Object.fromEntries(Object.entries(DEVICES).map(([key, [label]]) => [key, label])));
  addGroup("view", state.views);
  addOptions("person", state.people.map((label, index) => [String(index), label]));
  addOptions("locale", [["", "Own language"], ...state.locales.map((one) => [one, LANGUAGES[one] || one])]);
  built = true;
}

function query() {
  const { person, locale, view } = chosen;
  return new URLSearchParams({ person, locale, view }).toString();
}

async function get(path) {
  const response = await fetch(path, { cache: "no-store" });
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

/* Read everything again. The mail keeps its place, and replaces the former one once it is there. */
async function refresh() {
  const mine = ++asked;
  const state = await get(`state?${query()}`);
  if (mine !== asked) return;
  if (!built) build(state);
  show(state);
  if (!state.error) await showMail(mine); // the mail first: lint would take the time that it needs
  if (mine !== asked) return;
  const { findings } = await get(`findings?${query()}`);
  if (mine === asked) showFindings(findings, state.error);
}

function show(state) {
  at("name").textContent = state.name;
  document.title = `${state.subject || state.name} · preview`;
  const problem = at("problem");
  problem.hidden = !state.error;
  at("device").classList.toggle("stale", Boolean(state.error));
  if (state.error) {
    problem.replaceChildren(make("b", {}, state.error.message), state.error.hint ? make("p", {}, state.error.hint) : "");
    return;
  }
  at("avatar").textContent = [...state.sender][0]?.toUpperCase() || "";
  at("sender").textContent = state.sender;
  at("subject").textContent = state.subject;
  at("preheader").textContent = state.preheader;
  at("text-body").textContent = state.text;
  at("headers-list").replaceChildren(...state.headers.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  at("headers-title").replaceChildren("Headers", make("span", { className: "count" }, `${Math.ceil(state.html_bytes / 1024)} KB of HTML`));
}

function showFindings(findings, error) {
  const errors = findings.filter((one) => one.severity === "error").length;
  const count = make("span", { className: `count ${errors ? "errors" : findings.length ? "warnings" : ""}` }, String(findings.length));
  at("findings-title").replaceChildren("Checks", error ? "" : count);
  const rows = findings.map((one) => make("li", { className: one.severity },
    make("p", {}, one.message),
    one.remedy ? make("p", { className: "remedy" }, one.remedy) : "",
    make("p", { className: "where" }, `${one.where} · `, make("code", {}, one.code))));
  const none = make("li", { className: error ? "error" : "good" }, make("p", {}, error ? "There is no mail to check." : "Nothing to mend."));
  at("findings-list").replaceChildren(...(rows.length ? rows : [none]));
}

/* Show the mail; fulfilled once it is there. */
function showMail(mine) {
  const device = at("device");
  const former = device.querySelector("iframe.current");
  const frame = make("iframe", { title: "The mail", src: `mail?${query()}&n=${mine}` });
  frame.setAttribute("sandbox", "allow-same-origin");
  frame.style.visibility = "hidden";
  const loaded = new Promise((fulfil) => frame.addEventListener("load", fulfil, { once: true }));
  frame.addEventListener("load", () => {
    if (mine !== asked) return frame.remove();
    const place = former?.contentWindow?.scrollY || 0;
    frame.contentWindow.scrollTo(0, place);
    frame.style.visibility = "visible";
    frame.className = "current";
    for (const other of device.querySelectorAll("iframe")) if (other !== frame) other.remove();
  });
  device.classList.toggle("dark", chosen.view === "dark");
  device.append(frame);
  return loaded;
}

function fit() {
  const [, width] = DEVICES[chosen.device] || DEVICES.desk;
  const { clientWidth, clientHeight } = at("stage");
  const scale = Math.min(1, (clientWidth - 4) / width);
  const device = at("device");
  device.style.width = `${width}px`;
  device.style.height = `${(clientHeight - 4) / scale}px`;
  device.style.transform = `scale(${scale}) translateX(-50%)`;
  device.style.top = "2px";
}

function tell(text, state) {
  at("live").textContent = text;
  at("live").className = `live ${state}`;
}

function listen() {
  const events = new EventSource("events");
  events.onopen = () => tell("Live", "on");
  events.onerror = () => tell("Stopped", "off");
  events.addEventListener("change", async () => {
    await refresh();
    tell(`Saved ${new Date().toLocaleTimeString()}`, "on changed");
  });
}

function addTabs() {
  const sections = [...document.querySelectorAll("main > section")];
  const choose = (section) => {
    for (const one of sections) one.classList.toggle("shown", one === section);
    for (const button of at("tabs").children) button.toggleAttribute("aria-current", button.textContent === section.dataset.tab);
    fit();
  };
  at("tabs").append(...sections.map((section) => make("button", { type: "button", onclick: () => choose(section) }, section.dataset.tab)));
  choose(sections[0]);
}

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", (event) => {
  chosen[event.target.name] = event.target.value;
  history.replaceState(null, "", `#${new URLSearchParams(chosen)}`);
  fit();
  if (event.target.name !== "device") refresh();
});
new ResizeObserver(fit).observe(at("stage"));
addTabs();
refresh().catch((error) => tell(error.message || "Stopped", "off"));
listen();
