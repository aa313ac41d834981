// The console's own script: live fragments, keyboard, actions. No library, no network but the page's own server.
"use strict";

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const page = $("#page");
const words = JSON.parse(document.body.dataset.words);
const slug = document.body.dataset.slug;
let token = $("meta[name=token]").content;
let clockOffset = Number(document.body.dataset.now) - Date.now();
let freshAt = Date.now();
const now = () => Date.now() + clockOffset;
const isField = (element) => Boolean(element) && element.matches("input, textarea, select");
const visible = (element) => (element.checkVisibility ? element.checkVisibility() : element.offsetParent !== null);
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_all, name) => values[name]);

// -- merging a fragment into the page: focus, scroll, half-typed fields, open details and the selected row survive ------

const KEEP = new Set(["open", "aria-selected", "aria-busy"]);

function sameKind(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
}

function mergeAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !KEEP.has(name) && !(name === "class" && old.classList.contains("fresh"))) old.removeAttribute(name);
  }
  for (const { name, value } of [...fresh.attributes]) {
    if (old.getAttribute(name) !== value && !(KEEP.has(name) && old.id)) old.setAttribute(name, value);
  }
}

function mergeNode(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  if ("own" in old.dataset) return;
  const typing = old === document.activeElement && old.matches("input, textarea, select");
  mergeAttributes(old, fresh);
  if (old.nodeName === "TEXTAREA" || old.nodeName === "SELECT" ? typing || old.dataset.dirty : false) return;
  mergeChildren(old, fresh);
}

function mergeChildren(old, fresh) {
  const known = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  let place = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const match = wanted.id ? known.get(wanted.id) : nextLike(place, wanted);
    if (match && sameKind(match, wanted)) {
      place = take(old, match, place);
      mergeNode(match, wanted);
    } else {
      const added = document.importNode(wanted, true);
      if (sameAddress && added.dataset && "row" in added.dataset && old.childElementCount) markFresh(added);
      old.insertBefore(added, place);
    }
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function nextLike(place, wanted) {
  while (place && !(sameKind(place, wanted) && !place.id)) place = place.nextSibling;
  return place;
}

// Puts `match` before `place` and returns the place after it; what holds the focus is never moved, the others move around it.
function take(old, match, place) {
  if (match !== place && match.contains(document.activeElement)) {
    while (place !== match) {
      const next = place.nextSibling;
      old.append(place);
      place = next;
    }
  }
  if (match === place) return match.nextSibling;
  old.insertBefore(match, place);
  return place;
}

function markFresh(row) {
  row.classList.add("fresh");
  row.addEventListener("animationend", () => row.classList.remove("fresh"), { once: true });
}

// -- loading ----------------------------------------------------------------------------------------------------------

let restUntil = 0;
let wake = () => {};
const rest = () => new Promise((done) => { wake = done; setTimeout(done, restUntil - performance.now()); });
let loading = null;
let again = false;
let sameAddress = true;  // rows that come by themselves are marked as fresh, rows of another filter are not

async function refresh() {
  if (loading) {
    again = true;
    return loading;
  }
  loading = load().finally(() => { loading = null; });
  await loading;
  if (again) {
    again = false;
    await refresh();
  }
}

async function load() {
  await rest();
  const began = performance.now();
  try {
    return await loadNow(location.href);
  } finally {  // a page that is heavy to draw is drawn less often: at most a tenth of the time goes into it
    const took = performance.now() - began;
    restUntil = sameAddress && took > 100 ? performance.now() + 9 * took : 0;
  }
}

async function loadNow(address) {
  let answer;
  try {
    answer = await fetch(address, { headers: { "X-Fragment": "1" }, cache: "no-store" });
  } catch {
    return showLink(false);
  }
  if (!answer.headers.has("X-Token")) return;
  token = answer.headers.get("X-Token");
  clockOffset = Number(answer.headers.get("X-Now")) - Date.now();
  draw(await answer.text(), answer.headers.get("X-Version"));
}

function draw(html, version) {
  const anchor = firstVisibleRow();
  const before = anchor && anchor.getBoundingClientRect().top;
  const fresh = new DOMParser().parseFromString(`<!doctype html><main>${html}</main>`, "text/html").querySelector("main");
  mergeChildren(page, fresh);
  page.dataset.version = version;
  page.dispatchEvent(new Event("drawn"));
  freshAt = now();
  if (anchor && anchor.isConnected && scrollY > 0) scrollBy(0, anchor.getBoundingClientRect().top - before);
  restoreSelection();
  applyFilters();
  renewTimes();
}

function firstVisibleRow() {
  return $$("[data-row]", page).find((row) => row.getBoundingClientRect().bottom > 60) || null;
}

// What a person asked for does not wait until a heavy page has rested.
function hurry() {
  restUntil = 0;
  wake();
}

async function go(address) {
  history.pushState(null, "", address);
  await elsewhere();
}

async function elsewhere() {
  sameAddress = false;
  hurry();
  await refresh();
  sameAddress = true;
}

addEventListener("popstate", elsewhere);
page.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.button || link.target) return;
  const address = new URL(link.href, location.href);
  if (address.origin !== location.origin || address.pathname !== location.pathname || address.hash) return;
  event.preventDefault();
  go(address.href);
});

// -- the stream of what changed -----------------------------------------------------------------------------------------

const streamScript = document.currentScript.dataset.stream;
let boot = null;

function listen() {
  if (!window.SharedWorker) return hearStream(hear);
  const { port } = new SharedWorker(streamScript);
  port.onmessage = ({ data }) => hear(data);
  addEventListener("pagehide", () => port.postMessage("leave"));
  addEventListener("pageshow", (event) => { if (event.persisted) port.postMessage("join"); });
}

function hear({ sight, at }) {
  if (sight) look(sight, at);
  else showLink(false);
}

function look(sight, at) {
  clockOffset = sight.now - at;
  showLink(true, sight.trouble);
  showAttention(sight.attention);
  const restarted = boot !== null && boot !== sight.boot;
  boot = sight.boot;
  const version = sight.versions[slug];
  for (const corner of $$("[data-corner]")) {  // before the page: what is in a corner is in a hurry
    if (restarted || sight.corners[corner.dataset.corner] !== corner.dataset.beat) renewCorner(corner);
  }
  if (restarted || (version !== undefined && version !== page.dataset.version)) refresh();
}

// -- corners: what rooms show on every page, drawn when their beat changed --------------------------------------------

const wanted = new Map();  // how often each corner was wanted since it was last asked for

async function renewCorner(corner) {
  const waiting = wanted.get(corner) || 0;
  wanted.set(corner, waiting + 1);
  if (waiting) return;
  while (wanted.get(corner)) {
    const seen = wanted.get(corner);
    const drawn = await drawCorner(corner).catch(() => false);
    wanted.set(corner, wanted.get(corner) - seen);
    if (!drawn) setTimeout(renewCorner, 1000, corner);
  }
}

async function drawCorner(corner) {
  const answer = await fetch(`/corner/${corner.dataset.corner}`, { cache: "no-store" });
  if (!answer.ok) return false;
  token = answer.headers.get("X-Token");
  const html = await answer.text();
  mergeChildren(corner, new DOMParser().parseFromString(`<!doctype html><aside>${html}</aside>`, "text/html").querySelector("aside"));
  corner.dataset.beat = answer.headers.get("X-Beat");
  renewTimes();
  makeWay();
  return true;
}

// A field in which a person types is never covered: the corners go to the left, or shrink to one line.
function makeWay() {
  const box = $("#corners");
  const field = document.activeElement;
  for (const place of ["", "left", "low"]) {
    for (const other of ["left", "low"]) box.classList.toggle(other, other === place);
    if (!isField(field) || box.contains(field) || !overlap(field.getBoundingClientRect(), box.getBoundingClientRect())) return;
  }
}

function overlap(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

addEventListener("focusin", makeWay);
addEventListener("focusout", makeWay);
addEventListener("scroll", makeWay, { passive: true });

function showLink(live, trouble = false) {
  const state = $("#link-state");
  $(".dot", state).className = `dot ${live && !trouble ? "ok" : "bad"}`;
  $(".link-word", state).textContent = live ? words.live : words.lost;
  const banner = $("#banner");
  const time = new Date(freshAt).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const text = live ? (trouble ? words.trouble : "") : fill(words.banner, { time });
  banner.hidden = !text;
  if (text && banner.textContent !== text) banner.textContent = text;
}

function showAttention(attention) {
  for (const link of $$(".menu a[data-slug]")) {
    const n = attention[link.dataset.slug] || 0;
    const count = $(".count", link);
    count.hidden = !n;
    count.textContent = n || "";
  }
  document.title = document.title.replace(/^\(\d+\) /, "");
  if (attention[slug]) document.title = `(${attention[slug]}) ${document.title}`;
}

// -- times: the same words and rule as moments.py ------------------------------------------------------------------------

const word = (name, values) => fill(words[name], values).replaceAll(" ", "\u00a0");

function span(ms) {
  ms = Math.max(ms, 0);
  const minutes = Math.floor(ms / 60000);
  if (ms < 60000) return word("s", { n: Math.floor(ms / 1000) });
  if (minutes < 60) return word("m", { n: minutes });
  const hours = Math.floor(minutes / 60);
  if (hours < 6 && minutes % 60) return word("hm", { h: hours, m: minutes % 60 });
  return hours < 48 ? word("h", { n: hours }) : word("d", { n: Math.floor(hours / 24) });
}

const MODES = {
  ago: (ms) => (now() - ms < 5000 ? words.just : fill(words.ago, { t: span(now() - ms) })),
  until: (ms) => (ms - now() < 1000 ? words.now : fill(words.in, { t: span(ms - now()) })),
  span: (ms) => span(now() - ms),
};

function renewTimes() {
  for (const time of $$("time[data-mode]")) {
    const text = MODES[time.dataset.mode](Number(time.dataset.ms));
    if (time.textContent !== text) time.textContent = text;
    if (time.dataset.warn) colourWaiting(time);
  }
  for (const passing of $$("[data-until]")) {
    if (now() >= Number(passing.dataset.until) && !(isField(document.activeElement) && passing.contains(document.activeElement))) passing.remove();
  }
}

function colourWaiting(time) {
  const minutes = (now() - Number(time.dataset.ms)) / 60000;
  const colour = minutes >= Number(time.dataset.bad) ? "is-bad" : minutes >= Number(time.dataset.warn) ? "is-warn" : "is-ok";
  if (!time.classList.contains(colour)) {
    time.classList.remove("is-ok", "is-warn", "is-bad");
    time.classList.add(colour);
  }
}

setInterval(renewTimes, 1000);

// -- actions ------------------------------------------------------------------------------------------------------------

async function post(address, values) {
  const send = () => fetch(address, { method: "POST", headers: { "X-Token": token }, body: new URLSearchParams(values) });
  let answer = await send();
  if (answer.status === 403 && answer.headers.has("X-Token")) {  // the program was restarted: its token is new
    token = answer.headers.get("X-Token");
    answer = await send();
  }
  return answer;
}

async function act(element, values, question = element.dataset.confirm) {
  if (question && !(await ask(question))) return;
  const corner = element.closest("[data-corner]");
  element.setAttribute("aria-busy", "true");
  try {
    const answer = await post(element.dataset.post || element.action, values);
    const said = (answer.headers.get("Content-Type") || "").includes("json") ? await answer.json() : { notice: await answer.text(), kind: "bad" };
    notice(said.notice, said.kind, said.todo);
    if (answer.ok && element.nodeName === "FORM") { element.reset(); clean(element); closeAsking(); }
  } catch {
    notice(words.failed, "bad");
  } finally {
    element.removeAttribute("aria-busy");
  }
  if (corner) renewCorner(corner);
  hurry();
  await refresh();
}

// Values of the row it stands in, then its own.
function valuesOf(element) {
  const around = element.parentElement.closest("[data-values]");
  return { ...(around ? JSON.parse(around.dataset.values) : {}), ...JSON.parse(element.dataset.values || "{}") };
}

function clean(form) {
  for (const field of form.elements) delete field.dataset.dirty;
}

addEventListener("input", (event) => { event.target.dataset.dirty = "1"; });
addEventListener("click", (event) => {
  const button = event.target.closest("button[data-post]");
  if (button && button.getAttribute("aria-busy") !== "true") act(button, valuesOf(button));
  const copy = event.target.closest("[data-copy]");
  if (event.target.closest("[data-print]")) print();
  if (copy) navigator.clipboard.writeText(copy.dataset.copy).then(() => notice(words.copied, "ok"));
});
addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-post]");
  if (!form) return sendSoftly(event);
  event.preventDefault();
  clearTimeout(pauses.get(form));
  const fields = Object.fromEntries(new FormData(form, event.submitter));
  if (form.getAttribute("aria-busy") !== "true") act(form, { ...valuesOf(form), ...fields }, event.submitter?.dataset.confirm || form.dataset.confirm);
});
// What opens to be filled in has its first field focused; it closes when it is sent, or when a person turns elsewhere.
const closeAsking = (but = null) => $$("details[data-ask][open]").forEach((asking) => { if (asking !== but) asking.open = false; });
addEventListener("toggle", (event) => {
  if (event.target.open && "ask" in event.target.dataset) $("input, select, textarea", event.target).focus();
}, true);
addEventListener("pointerdown", (event) => closeAsking(event.target.closest("details[data-ask]")));
addEventListener("change", (event) => {
  const form = event.target.closest("form[data-auto]");
  if (form) form.requestSubmit();
});

// A form with data-live is told to its action in a pause of typing and the page drawn again: fields stay as typed.
const pauses = new WeakMap();

page.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-live]");
  if (!form) return;
  clearTimeout(pauses.get(form));
  pauses.set(form, setTimeout(() => tell(form), 250));
});

async function tell(form) {
  await post(form.dataset.live, { ...valuesOf(form), ...Object.fromEntries(new FormData(form)) }).catch(() => {});
  hurry();
  await refresh();
}

// A file chosen in a field with data-upload goes to that action in pieces, since each must fit into a form.
const PIECE = 42_000;

page.addEventListener("change", async (event) => {
  const field = event.target.closest("input[type=file][data-upload]");
  if (!field || !field.files.length) return;
  field.setAttribute("aria-busy", "true");
  try {
    for (const file of field.files) await upload(field, file);
  } catch {
    notice(words.failed, "bad");
  } finally {
    field.removeAttribute("aria-busy");
    field.value = "";
  }
  hurry();
  await refresh();
});

async function upload(field, file) {
  for (let at = 0; at === 0 || at < file.size; at += PIECE) {
    const bytes = new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer());
    const piece = btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
    const answer = await post(field.dataset.upload, { ...valuesOf(field), name: file.name, size: file.size, at, piece });
    if (answer.ok) continue;
    const said = await answer.json();
    return notice(said.notice, said.kind, said.todo);
  }
}

function sendSoftly(event) {
  const form = event.target;
  if (form.method !== "get" || !page.contains(form)) return;
  event.preventDefault();
  const fields = [...new FormData(form)].filter(([, value]) => value !== "");
  go(`${location.pathname}?${new URLSearchParams(fields)}`);
}

function notice(text, kind = "ok", todo = "") {
  if (!text) return;
  const box = document.createElement("div");
  box.className = `notice ${kind === "bad" ? "bad" : ""}`;
  box.textContent = text;
  if (todo) {
    const more = document.createElement("div");
    more.className = "muted small";
    more.textContent = todo;
    box.append(more);
  }
  $("#notices").append(box);
  setTimeout(() => box.remove(), kind === "bad" ? 12000 : 4000);
}

// A browser tells that a dialog was closed a frame later: by then the next question may stand in it.
let answered = () => {};
$("#ask").addEventListener("close", (event) => { if (!event.target.open) answered(); });

function ask(text) {
  const dialog = $("#ask");
  answered();
  $(".ask-text", dialog).textContent = text;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => { answered = () => resolve(dialog.returnValue === "yes"); });
}

// -- language and theme ---------------------------------------------------------------------------------------------------

$("#language").addEventListener("click", async (event) => {
  await post("/look", { lang: event.currentTarget.dataset.value });
  const address = new URL(location.href);
  address.searchParams.delete("lang");
  location.replace(address);
});
$("#theme").addEventListener("click", () => {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const root = document.documentElement;
  const shown = root.dataset.theme === "auto" ? (dark ? "dark" : "light") : root.dataset.theme;
  root.dataset.theme = shown === "dark" ? "light" : "dark";
  $("#dark").media = root.dataset.theme === "dark" ? "all" : "not all";
  post("/look", { theme: root.dataset.theme }).catch(() => notice(words.failed, "bad"));
});

// -- filters in the browser -----------------------------------------------------------------------------------------------

function applyFilters() {
  for (const field of $$("input[data-filter]", page)) {
    const parts = field.value.toLowerCase().replaceAll("ё", "е").split(/\s+/).filter(Boolean);
    for (const row of $$(`${field.dataset.filter} [data-row]`, page)) {
      const text = `${row.dataset.text || ""} ${row.textContent}`.toLowerCase().replaceAll("ё", "е");
      const plain = text.replace(/[\s()\u2010-\u2015-]/g, "");
      row.hidden = !parts.every((part) => text.includes(part) || plain.includes(part.replace(/[()-]/g, "")));
    }
  }
}

page.addEventListener("input", (event) => { if (event.target.dataset.filter) applyFilters(); });

// -- rows and keys ----------------------------------------------------------------------------------------------------------

let selected = null;

const rows = () => $$("[data-row]", page).filter((row) => visible(row));

function select(row, scroll = true) {
  for (const other of $$("[data-row][aria-selected=true]", page)) if (other !== row) other.removeAttribute("aria-selected");
  selected = row ? row.id : null;
  if (!row) return;
  row.setAttribute("aria-selected", "true");
  if (scroll) row.scrollIntoView({ block: "nearest" });
}

function restoreSelection() {
  const row = selected && document.getElementById(selected);
  if (row) select(row, false);
  else if (!$("[data-row][aria-selected=true]", page)) selected = null;
}

function current() {
  return $("[data-row][aria-selected=true]", page);
}

function step(by) {
  const all = rows();
  const at = all.indexOf(current());
  if (!all.length) return;
  select(all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)]);
  if (!current().contains(document.activeElement)) document.activeElement.blur();  // Enter now means the row, not a link left behind
}

page.addEventListener("click", (event) => {
  const row = event.target.closest("[data-row]");
  if (!row) return;
  select(row, false);
  if (!event.target.closest("a, button, input, select, textarea, summary, label")) open(row, true);
});

function open(row, quiet = false) {
  const link = row.matches("[data-open]") ? row : $("[data-open]", row);
  if (link && (!quiet || row.dataset.row === "open")) link.click();
}

function pressed(event) {
  if (/^Key[A-Z]$/.test(event.code)) return event.code[3].toLowerCase();
  if (/^(Digit|Numpad)\d$/.test(event.code)) return event.code.at(-1);
  return event.key;
}

function press(key) {
  const places = [current(), $("[data-detail]", page), page, document];
  for (const place of places.filter(Boolean)) {
    const target = $$(`[data-key="${CSS.escape(key)}"]`, place).find((element) => !element.disabled && visible(element)
      && (place === current() || !element.closest("[data-row]")));
    if (!target) continue;
    if (target.matches("input:not([type=checkbox]), select, textarea")) target.focus();
    else target.click();
    return true;
  }
  return false;
}

const MOVES = { j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1) };

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]")) return;
  if (event.key === "Escape") return leave();
  if (event.target.matches("input, textarea, select")) return;
  if (event.key === "?" || event.key === "F1") { showKeys(); return event.preventDefault(); }
  const key = pressed(event);
  if ((key === "Enter" || key === " ") && event.target.matches("a, button, summary")) return;
  if (key === "Enter" && current()) open(current());
  else if (MOVES[key] && rows().length) MOVES[key]();
  else if (event.shiftKey || !press(key)) return;
  event.preventDefault();
});

function leave() {
  const field = document.activeElement;
  if (field && field.matches("input, textarea, select")) {
    if (field.dataset.filter) { field.value = ""; applyFilters(); }
    closeAsking();
    return field.blur();
  }
  const close = $("[data-corner] [data-close]") || $("[data-close]", page);
  if (close) close.click();
  else select(null);
}

function showKeys() {
  const list = $("#keys .keys-list");
  const known = new Map(rows().length ? [["j", words.next], ["k", words.previous], ["Enter", words.open], ["Esc", words.close]] : []);
  for (const element of $$("[data-key]")) {
    if (visible(element) && !known.has(element.dataset.key)) known.set(element.dataset.key, element.dataset.keyLabel || element.textContent.trim());
  }
  known.set("?", words.keys);
  list.replaceChildren(...[...known].map(([key, text]) => {
    const line = document.createElement("div");
    const cap = document.createElement("kbd");
    line.textContent = text;
    cap.textContent = key.length === 1 ? key.toUpperCase() : key;
    line.append(cap);
    return line;
  }));
  $("#keys").showModal();
}

$("#show-keys").addEventListener("click", showKeys);
restoreSelection();
for (const corner of $$("[data-corner]")) if (!corner.dataset.beat) renewCorner(corner);
listen();
