// The customer: presses the button, tries again with the same key, and shows what the server's books say.

const SHOPS = {
  with: ["With idempotently", "One layer in front of the handler."],
  without: ["Without idempotently", "The same handler, and nothing in front of it."],
};

// How a customer's program tries again when there was no answer.
const PAUSES = [300, 900, 1800];
const STORM = { tries: 5, patience: 150 };

const $ = (id) => document.getElementById(id);
const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const euros = (cents) => new Intl.NumberFormat("en-IE", { style: "currency", currency: "EUR" }).format(cents / 100);
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

// ---- The order. Its number is the idempotency key; it is kept, so that a reload asks again instead of anew.

const kept = localStorage.getItem("order");
let order = kept ? JSON.parse(kept) : fresh();
keep();

function fresh() {
  const letters = crypto.getRandomValues(new Uint32Array(2));
  return { id: `order-${[...letters].map((number) => number.toString(36).padStart(7, "0")).join("")}`, quantity: 1, presses: 0 };
}

function keep() {
  localStorage.setItem("order", JSON.stringify(order));
}

// ---- Paying.

/// One request. Answers with `null` where there was no answer.
async function ask(shop, from, faults, patience) {
  const headers = { "Content-Type": "application/json", "Idempotency-Key": `"${order.id}"`, "Shop-From": from };
  if (faults.slow) headers["Shop-Slow"] = "700";
  if (faults.lose) headers["Shop-Lose"] = "1";
  const body = JSON.stringify({ order: order.id, quantity: order.quantity });
  const signal = patience ? AbortSignal.timeout(patience) : null;
  try {
    const response = await fetch(`/${shop}/payments`, { method: "POST", headers, body, signal });
    return { response, body: await response.text() };
  } catch {
    return null;
  }
}

/// Asks until there is an answer, always with the same key.
async function pay(shop, sender, faults) {
  if (faults.storm) {
    for (let attempt = 1; attempt < STORM.tries; attempt += 1) {
      const answer = await ask(shop, `${sender}, try ${attempt}`, faults, STORM.patience);
      if (answer) return answer;
    }
    return ask(shop, `${sender}, try ${STORM.tries}`, faults);
  }
  for (const [index, pause] of [...PAUSES, null].entries()) {
    const answer = await ask(shop, `${sender}, try ${index + 1}`, faults);
    if (answer && answer.response.status !== 409) return answer;
    if (pause === null) return answer;
    show(shop, answer ?? "No answer: the connection was dropped.\nAsking again with the same key …");
    await sleep(pause);
  }
}

let underWay = 0;

async function press() {
  order.presses += 1;
  keep();
  const number = order.presses;
  const faults = Object.fromEntries(["slow", "lose", "storm", "tabs"].map((name) => [name, $(name).checked]));
  const senders = faults.tabs ? [`press ${number} tab 1`, `press ${number} tab 2`] : [`press ${number}`];
  underWay += 1;
  say(`Press ${number} is on its way to both shops.`);
  const answers = await Promise.all(
    Object.keys(SHOPS).map(async (shop) => {
      const all = await Promise.all(senders.map((sender) => pay(shop, sender, faults)));
      const answer = all.at(-1);
      show(shop, answer ?? "No answer, and no more tries.\nPress again: the key is the same.");
      return `${SHOPS[shop][0]}: ${summary(answer)}.`;
    }),
  );
  underWay -= 1;
  say(`Press ${number}. ${answers.join(" ")}`);
}

function summary(answer) {
  if (!answer) return "no answer";
  const { response, body } = answer;
  if (!response.ok) return `refused, ${response.status}`;
  const charge = `charge ${JSON.parse(body).charge}`;
  return response.headers.has("Idempotent-Replayed") ? `${charge}, the same answer again` : charge;
}

// ---- The page.

const panels = Object.fromEntries(
  Object.entries(SHOPS).map(([shop, [title, what]]) => {
    const panel = $("shop").content.cloneNode(true).firstElementChild;
    const find = (selector) => panel.querySelector(selector);
    panel.id = shop;
    panel.setAttribute("aria-labelledby", `${shop}-title`);
    find("h2").id = `${shop}-title`;
    find("h2").textContent = title;
    find(".what").textContent = what;
    find(".timeline").setAttribute("aria-label", `Requests to the shop ${title.toLowerCase()}`);
    $("shops").append(panel);
    return [shop, find];
  }),
);

function say(words) {
  $("status").textContent = words;
  $("status").dataset.underWay = underWay;
}

function show(shop, answer) {
  const into = panels[shop](".answer");
  if (typeof answer === "string") {
    into.textContent = answer;
    return;
  }
  const { response, body } = answer;
  const lines = [`${response.status} ${response.statusText}`];
  for (const name of ["Idempotent-Replayed", "Retry-After", "Content-Type"]) {
    if (response.headers.has(name)) lines.push(`${name}: ${response.headers.get(name)}`);
  }
  into.textContent = [...lines, body].join("\n");
}

function showOrder() {
  $("order").textContent = order.id;
  $("quantity").value = order.quantity;
  $("price").textContent = euros($("price").value * order.quantity);
}

// ---- The picture, from the server's books.

let source;
let picture;
let ahead = 0; // How far the server's clock is ahead of this one.

function listen() {
  source?.close();
  source = new EventSource(`/orders/${encodeURIComponent(order.id)}/events`);
  source.onmessage = ({ data }) => {
    picture = JSON.parse(data);
    ahead = picture.now - Date.now();
    draw();
  };
}

function draw() {
  const requests = Object.keys(SHOPS).flatMap((shop) => picture[shop].requests);
  const bursts = inBursts(requests);
  for (const shop of Object.keys(SHOPS)) {
    drawLedger(panels[shop], $(`score-${shop}`), picture[shop].ledger);
    drawTimeline(panels[shop](".timeline"), shop, bursts);
  }
  // A bar grows while its request is under way.
  const grows = requests.some(isOpen) && !matchMedia("(prefers-reduced-motion: reduce)").matches;
  cancelAnimationFrame(draw.next);
  if (grows) draw.next = requestAnimationFrame(draw);
}

const isOpen = (request) => request.ended === null || (request.how === "waiting" && request.fate === "unheard");
const end = (request) => (isOpen(request) ? Date.now() + ahead : Math.max(request.ended, request.charged?.[0] ?? 0));

/// Requests that are near each other in time share one picture: the newest first, with both shops on one scale.
function inBursts(requests) {
  const bursts = [];
  for (const request of requests.toSorted((one, other) => one.began - other.began)) {
    const last = bursts.at(-1);
    if (last && request.began - last.end < 2000) {
      last.requests.push(request);
      last.end = Math.max(last.end, end(request));
    } else {
      bursts.push({ begin: request.began, end: end(request), requests: [request] });
    }
  }
  return bursts.reverse().slice(0, 3);
}

function drawTimeline(into, shop, bursts) {
  const firstCharge = Math.min(...picture[shop].ledger.charges.map((charge) => charge.number));
  const drawn = bursts.map((burst) => {
    const length = 1.04 * Math.max(burst.end - burst.begin, 1000);
    const place = (time) => `${(100 * (time - burst.begin)) / length}%`;
    const list = element("ol");
    const senders = new Set();
    for (const request of burst.requests.filter((request) => request.shop === shop)) {
      list.append(drawRequest(request, place, firstCharge, senders.has(request.from)));
      senders.add(request.from);
    }
    const item = element("li", "burst");
    item.append(list, drawScale(length));
    return item;
  });
  into.replaceChildren(...drawn);
}

function drawRequest(request, place, firstCharge, isResent) {
  const isAgain = request.charged && request.charged[1] !== firstCharge;
  const kind = isAgain ? "again" : request.how;
  const word = isAgain ? "charged again" : { waiting: isOpen(request) ? "under way" : "not run" }[request.how] ?? request.how;
  const fate = { lost: "answer lost", unheard: "client gave up" }[request.fate];
  // This page sends each try once; a browser sends one again by itself where a connection that it kept is closed.
  const from = isResent ? request.from.replace(/, try \d+$/, ", by the browser") : request.from;
  const words = element("div", "words");
  words.append(
    element("span", `how ${kind}`, [word, request.status].filter(Boolean).join(" ")),
    element("span", "from", [from, fate].filter(Boolean).join(" · ")),
  );

  const track = element("div", "track");
  track.setAttribute("aria-hidden", "true");
  const bar = element("i", `bar ${kind}`);
  const ends = end(request);
  bar.style.left = `min(${place(request.began)}, calc(100% - 1rem))`;
  bar.style.width = `calc(${place(ends)} - ${place(request.began)})`;
  track.append(bar);
  // The sign of an answer that nobody got is behind the end of its bar, where the coin may be.
  if (request.charged) mark(track, "coin", "€", place(request.charged[0]), 0, fate ? 1.9 : 0.625);
  if (fate) mark(track, "cut", "✕", place(request.ended), request.fate === "lost" ? 1.25 : 0.625, 0.625);

  const item = element("li", isOpen(request) ? "request open" : "request");
  item.append(words, track);
  return item;
}

function mark(track, className, sign, left, after, room) {
  const made = element("b", className, sign);
  made.style.left = `clamp(0.625rem, calc(${left} + ${after}rem), calc(100% - ${room}rem))`;
  track.append(made);
}

function drawScale(length) {
  const scale = element("div", "scale");
  scale.setAttribute("aria-hidden", "true");
  const step = [200, 500, 1000, 2000, 5000, 10000, 20000].find((step) => length / step < 5) ?? 60000;
  for (let time = 0; time < 0.97 * length; time += step) {
    const tick = element("span", "", `${time / 1000} s`);
    tick.style.left = `${(100 * time) / length}%`;
    scale.append(tick);
  }
  return scale;
}

function drawLedger(find, score, { charges, all }) {
  const sum = charges.reduce((cents, charge) => cents + charge.cents, 0);
  find(".count").textContent = ["Not charged", "✓ Charged once"][charges.length] ?? `✕ Charged ${charges.length} times`;
  score.querySelector(".count").textContent = ["No charge", "✓ 1 charge"][charges.length] ?? `✕ ${charges.length} charges`;
  for (const verdict of [find(".verdict"), score]) {
    verdict.querySelector(".sum").textContent = charges.length ? euros(sum) : "";
    verdict.className = `${verdict.className.split(" ")[0]} ${["", "once"][charges.length] ?? "more"}`;
  }
  find("tbody").replaceChildren(
    ...charges.map((charge) => {
      const row = element("tr");
      const time = new Date(charge.at).toLocaleTimeString("en-GB");
      row.append(element("td", "", `No. ${charge.number}`), element("td", "", time), element("td", "", euros(charge.cents)));
      return row;
    }),
  );
  find(".total").textContent = euros(sum);
  find(".all").textContent =
    `All orders of this shop: ${plural(all.orders, "order")} paid for, ${plural(all.charges, "charge")}, ${euros(all.cents)}.`;
}

// ---- The controls.

$("pay").addEventListener("click", press);
$("quantity").addEventListener("change", ({ target }) => {
  order.quantity = Number(target.value);
  keep();
  showOrder();
});
$("new-order").addEventListener("click", () => {
  order = fresh();
  keep();
  begin();
});
// Another tab has begun a new order, or pressed.
addEventListener("storage", ({ key, newValue }) => {
  if (key !== "order" || !newValue) return;
  const isOther = JSON.parse(newValue).id !== order.id;
  order = JSON.parse(newValue);
  isOther ? begin() : showOrder();
});
// A browser opens few connections to one server: a tab that nobody sees must not keep one.
document.addEventListener("visibilitychange", () => (document.hidden ? source.close() : listen()));

function begin() {
  for (const shop of Object.keys(SHOPS)) show(shop, "Nothing yet.");
  say("Nothing is paid for yet.");
  showOrder();
  listen();
}

begin();
if (order.presses > 0) say(`This order was here before the page was loaded, after ${plural(order.presses, "press")}. Pay again: its key is the same.`);
