// --- the walk -----------------------------------------------------------------------------------

let now = 0;
let timer = null;
const cards = [];
const graphs = [];
const firstBackward = walk.findIndex((moment) => moment.phase === "backward");
const forwardMoment = nets.map((_, number) => {
  const moments = [];
  for (let k = 0; k < firstBackward; k++) if (walk[k].at[number] !== null) moments[walk[k].at[number]] = k;
  return moments;
});

/** Where each net is at a moment: its own operation, or the one it has last come to. */
function placeOf(number, moment) {
  for (let k = moment; k >= 0; k--) {
    const i = walk[k].at[number];
    if (i !== null) return { i, waits: k !== moment };
  }
  return { i: 0, waits: true };
}

/** Whether a net has come to an operation in the current phase. */
function reachedAt(moment) {
  const { phase } = walk[moment];
  const places = nets.map((_, number) => placeOf(number, moment).i);
  return (number, i) => (phase === "forward" ? i <= places[number] : i >= places[number]);
}

function show(moment, address = true) {
  now = Math.min(Math.max(moment, 0), walk.length - 1);
  const { phase } = walk[now];
  const places = nets.map((_, number) => placeOf(number, now));
  const reached = reachedAt(now);
  const [low, high] = chart.range("backward");
  nets.forEach((net, number) => {
    const { i, waits } = places[number];
    drawCard(cards[number], net, i, phase, waits);
    const colourOf = (k) => {
      const norm = chart.value(net.ops[k], "backward"); // where no gradient comes, the dot is empty
      return phase === "forward" ? "140,140,145" : norm && normColour((Math.log10(norm) - low) / (high - low));
    };
    graphs[number].show(i, (k) => reached(number, k), colourOf);
  });
  chart.draw(now, reached);
  const slider = byId("slider");
  const said = nets.map((net, number) => `${nets.length > 1 ? net.name + ": " : ""}${net.ops[places[number].i].name} ${net.ops[places[number].i].path}`);
  slider.value = now;
  const text = `${t("where", { phase: t(phase), step: now + 1, all: walk.length })} · ${said.join(" · ")}`;
  slider.setAttribute("aria-valuetext", text);
  byId("where").textContent = text;
  if (address) {
    try {
      const through = byId("through").value;
      history.replaceState(null, "", `#step-${now + 1}${through === "both" ? "" : `-${through}`}`);
    } catch {
      // A page inside a notebook has no address of its own.
    }
  }
}

function fromAddress() {
  if (location.hash === "#backward") return firstBackward;
  const found = /^#step-(\d+)(?:-(branch|shortcut))?$/.exec(location.hash);
  byId("through").value = (adding && found && found[2]) || "both";
  return found ? Number(found[1]) - 1 : 0;
}

function playing(on) {
  byId("play").textContent = t(on ? "pause" : "play");
  byId("play").setAttribute("aria-pressed", String(on));
}

function pause() {
  clearInterval(timer);
  timer = null;
  playing(false);
}

function play() {
  if (now === walk.length - 1) show(0);
  playing(true);
  timer = setInterval(() => (now < walk.length - 1 ? show(now + 1) : pause()), 1000 / Number(byId("speed").value));
}

function step(by) {
  pause();
  show(now + by);
}

function goTo(number, i) {
  pause();
  const { phase } = walk[now];
  show(walk.findIndex((moment) => moment.phase === phase && moment.at[number] === i));
}

/** The next moment at which a net is at a residual addition. */
function nextAddition() {
  pause();
  const adds = (moment) => moment.at.some((i, number) => i !== null && nets[number].ops[i].addition);
  const found = walk.findIndex((moment, k) => k > now && adds(moment));
  if (found >= 0) show(found);
}

// --- everything put together ----------------------------------------------------------------------

nets.forEach((net) => (net.adds = net.ops.some((op) => op.addition)));
const adding = nets.some((net) => net.adds);
const heads = nets.map((net, number) => {
  const graph = new Graph(net, number, goTo);
  const card = make("article", { class: "op-card" });
  const head = make("h2", {});
  graphs.push(graph);
  cards.push(card);
  byId("nets").append(make("section", { class: "net", "data-number": number }, head, graph.box, card));
  byId("legend").append(make("span", {}, make("i", { class: `net${number}` }), net.name));
  return head;
});
byId("nets").classList.toggle("two", nets.length > 1);
byId("slider").max = walk.length - 1;

byId("first").onclick = () => step(-walk.length);
byId("previous").onclick = () => step(-1);
byId("next").onclick = () => step(1);
byId("last").onclick = () => step(walk.length);
byId("addition").onclick = nextAddition;
byId("addition").hidden = byId("through").parentNode.hidden = !adding;
byId("through").onchange = () => show(now);
byId("play").onclick = () => (timer ? pause() : play());
byId("speed").onchange = () => timer && (pause(), play());
byId("slider").oninput = (event) => step(Number(event.target.value) - now);
byId("chart").onclick = (event) => {
  const box = byId("chart").getBoundingClientRect();
  const share = (event.clientX - box.left - chart.left) / (box.width - chart.left - 8);
  const moment = Math.min(Math.max(Math.round(share * (firstBackward - 1)), 0), firstBackward - 1);
  pause();
  show(walk[now].phase === "forward" ? moment : walk.length - 1 - moment);
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || ["SELECT", "PRE"].includes(event.target.tagName)) return;
  const keys = {
    ArrowRight: () => step(1), ArrowLeft: () => step(-1), Home: () => step(-walk.length), End: () => step(walk.length), j: nextAddition,
  };
  if (event.target.tagName !== "BUTTON") keys[" "] = () => byId("play").click();
  if (keys[event.key]) {
    event.preventDefault();
    keys[event.key]();
  }
});
window.addEventListener("hashchange", () => show(fromAddress(), false));
window.addEventListener("resize", () => show(now, false));

/** All of the page in a language and in the theme that was chosen, and where it was. */
function speak(language) {
  setLanguage(language);
  showTheme();
  playing(timer !== null);
  nets.forEach((net, number) => {
    heads[number].textContent = t("lossOf", { net: net.name, loss: short(net.loss) });
    cards[number].setAttribute("aria-label", t("operationOf", { net: net.name }));
    graphs[number].label();
  });
  show(now, false);
}
byId("language").onchange = ({ target }) => {
  keep("language", target.value);
  speak(target.value);
};
window.addEventListener("storage", () => speak(keptLanguage())); // they were chosen on another page, or the one around this
byId("choices").hidden = factors.length > 0;

now = fromAddress();
speak(keptLanguage());
