"use strict";
// The live page of a class. All that seats have sent is set as text, never as HTML.
const SILENCE = 15000;  // milliseconds without an event, after which the connection counts as lost
const AGAIN = 3000;  // milliseconds until the next attempt, where the browser makes none itself
const SMALLEST = 11, LARGEST = 44;  // pixels of a card's text
const LINE = 1.15, GAP = 10;  // a line's height in the text's size; pixels around a card's text
const HEIGHT = 5.4;  // of a card, in the text's size
const WIDTH = 9.5, LETTER = 0.8, LONGEST_NAME = 12, DIGITS = 3;  // of a card, in the same unit
const LOW = 0.1;  // the part of a budget below which a card says what is left

const SPENT = "budget spent";

const at = id => document.getElementById(id);
const number = value => value.toLocaleString("en");
const many = (count, one, more) => `${number(count)} ${count === 1 ? one : more}`;
let source, watch, lastEvent = null, cards = new Map(), order = "";

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function make(parent, tag, name) {
  const element = document.createElement(tag);
  element.className = name;
  parent.append(element);
  return element;
}

function makeCard(name) {
  const item = make(at("seats"), "li", "idle");
  const head = make(item, "div", "head");
  const card = { item, head };
  put(make(head, "h2", "name"), name);
  const count = make(head, "span", "count");
  card.count = make(count, "span", "");
  put(make(count, "span", "spoken"), " requests");
  const facts = make(item, "p", "facts");
  card.facts = facts;
  card.notes = ["waiting", "errors", "refused", "left"].map(() => make(facts, "b", "note"));
  card.tokens = make(facts, "span", "tokens");
  card.asked = make(item, "p", "asked");
  return card;
}

function budget(seat) {
  const kinds = [["requests_left", "requests", "request"], ["tokens_left", "tokens", "token"]];
  for (const [field, more, one] of kinds) {
    const left = seat[field];
    if (left === null) continue;
    if (left <= 0) return SPENT;
    if (left < LOW * (left + seat[more])) return `${many(left, one, more)} left`;
  }
  return "";
}

function show(card, seat) {
  const left = budget(seat);
  const notes = [
    seat.waiting ? "waiting" : "",
    seat.errors ? many(seat.errors, "error", "errors") : "",
    seat.refused && left !== SPENT ? `${number(seat.refused)} refused` : "",
    left,
  ];
  const isIdle = !seat.requests && !notes.some(Boolean);
  card.item.classList.toggle("idle", isIdle);
  card.item.classList.toggle("waiting", Boolean(seat.waiting));
  card.item.classList.toggle("spent", left === SPENT);
  put(card.count, number(seat.requests));
  put(card.tokens, isIdle ? "no request yet" : many(seat.tokens, "token", "tokens"));
  card.notes.forEach((note, place) => { put(note, notes[place]); note.hidden = !notes[place]; });
  put(card.asked, seat.last_asked);
}

function showAll(state) {
  const names = state.seats.map(seat => seat.name);
  if (order !== JSON.stringify(names)) {
    at("seats").replaceChildren();
    cards = new Map(names.map(name => [name, makeCard(name)]));
    order = JSON.stringify(names);
    arrange();
  }
  put(at("class"), state.class);
  document.title = state.class;
  for (const name of ["requests", "tokens", "errors", "refused"]) put(at(name), number(state[name]));
  put(at("waiting"), number(state.seats.filter(seat => seat.waiting).length));
  for (const seat of state.seats) show(cards.get(seat.name), seat);
  clamp();
}

// Choose the columns, and then the size of the text, so that all cards fit into the window.
function arrange() {
  const list = at("seats"), count = cards.size;
  if (!count) return;
  const longest = Math.min(LONGEST_NAME, Math.max(...[...cards.keys()].map(name => name.length)));
  const wide = Math.max(WIDTH, (longest + DIGITS) * LETTER + 1);
  const height = list.clientHeight, width = list.clientWidth;
  let best = { size: 0, columns: 1 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const size = Math.min((height / rows - GAP) / HEIGHT, (width / columns - GAP) / wide);
    if (size > best.size) best = { size, columns };
  }
  list.style.setProperty("--columns", best.columns);
  list.style.setProperty("--size", `${Math.max(SMALLEST, Math.min(LARGEST, best.size))}px`);
  clamp();
}

// Show as many whole lines of what was asked as a card has room for.
function clamp() {
  if (!cards.size) return;
  const size = parseFloat(getComputedStyle(at("seats")).getPropertyValue("--size"));
  const rooms = [...cards.values()].map(({ item, head, facts }) =>
    item.clientHeight - head.offsetHeight - facts.offsetHeight - 0.4 * size);
  [...cards.values()].forEach(({ asked }, place) => {
    const lines = Math.floor((rooms[place] + 1) / (LINE * size));
    asked.hidden = lines < 1;
    asked.style.setProperty("-webkit-line-clamp", Math.max(1, lines));
  });
}

// Return a time of this day, or the day as well.
function clock(text) {
  const time = new Date(text), isToday = time.toDateString() === new Date().toDateString();
  return time.toLocaleString("en-GB", { timeStyle: "short", ...(isToday ? {} : { dateStyle: "long" }) });
}

function lost(reason) {
  const time = lastEvent ? ` The numbers are of ${lastEvent.toLocaleTimeString("en-GB")}.` : "";
  put(at("state"), reason + time);
  at("state").classList.add("lost");
  clamp();  // the cards are lower now, but stay where they are
}

function connect() {
  clearTimeout(watch);
  if (source) source.close();
  source = new EventSource(`${location.pathname}/events`);
  const current = source;
  const rest = () => {
    clearTimeout(watch);
    watch = setTimeout(() => { lost("Connection lost, trying again."); connect(); }, SILENCE);
  };
  rest();
  source.onmessage = event => {
    rest();
    const state = JSON.parse(event.data);
    lastEvent = new Date();
    put(at("state"), `Live, since ${clock(state.since)}. ${state.problem}`.trim());
    at("state").classList.remove("lost");
    showAll(state);
  };
  source.onerror = () => {
    if (current.readyState === EventSource.CLOSED) {
      lost("This address is no longer valid: the terminal shows the new one. Trying again.");
      clearTimeout(watch);
      watch = setTimeout(connect, AGAIN);
    } else {
      lost("Connection lost, trying again.");
    }
  };
}

function hide() {
  document.body.classList.toggle("hidden", at("hide").checked);
  history.replaceState(null, "", at("hide").checked ? "#hidden" : location.pathname);
}

at("hide").checked = location.hash === "#hidden";
at("hide").addEventListener("change", hide);
document.body.classList.toggle("hidden", at("hide").checked);
addEventListener("resize", arrange);
connect();
