(() => {
  const root = document.getElementById("__ID__");
  if (!root || root.classList.contains("live")) return;
  root.classList.add("live");
  const D = JSON.parse(root.querySelector("script[type='application/json']").textContent), last = D.steps - 1;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let at = 0, goal = 0, playing = false, before = 0, shown = "";  // at: where the drawing is, in steps of tau; goal: where it goes
  const slider = `<input class="time" type="range" min="0" max="${last}" aria-label="training time tau">`;
  const knobs = `<button class="play" type="button"></button><span class="axis">training time τ</span>`;
  const head = (what, now) => `<p class="head"><b>${what}</b><span>${now} = <output></output></span></p>`;
  const build = html => root.querySelector(".still").insertAdjacentHTML("afterend", `<div class="app">${html}<p class="says" role="status" aria-live="polite"></p></div>`);

  // Numbers and words
  const digits = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  function power(k, spoken) {
    const exponent = D.tau[0] + k * D.tau[1], whole = Math.floor(exponent + 1e-4), first = Math.round(10 ** (exponent - whole));
    if (whole === 0) return String(first);
    if (spoken) return (first > 1 ? first + " times " : "") + "10 to the " + whole;
    return (first > 1 ? first + "·" : "") + "10" + String(whole).replace(/\d/g, d => digits[d]);
  }

  // Drawing, in CSS pixels
  const text = (x, y, s, more = "") => `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${s}</text>`;
  const line = (d, style) => `<path d="${d}" fill="none" ${style}/>`;
  const path = points => "M" + points.map(p => p.map(v => v.toFixed(1)).join()).join("L");

__OWN__
  const time = root.querySelector(".time"), play = root.querySelector(".play"), says = root.querySelector(".says"), tauOut = root.querySelector("output");
  function show() {
    const k = Math.min(Math.floor(at), last - 1), near = Math.round(at);
    draw(k, at - k, near);
    if (playing) time.value = near;
    if (shown === (shown = [choice(), near, playing].join())) return;
    play.innerHTML = `<svg viewBox="0 0 12 14" aria-hidden="true"><path d="${playing ? "M1 1h3.5v12H1zM7.5 1H11v12H7.5z" : "M1 0l11 7-11 7z"}"/></svg>${playing ? "Pause" : "Train"}`;
    says.setAttribute("aria-live", playing ? "off" : "polite");  // a screen reader hears where it stopped, not every step
    says.innerHTML = message(near);
    tauOut.value = power(near);
    time.setAttribute("aria-valuetext", power(near, true));
  }

  // Motion: the drawing follows the slider; Train moves both through training
  function step(now) {
    const dt = Math.max(0, Math.min(50, now - before)) / 1000, most = dt * (playing ? pace() : Math.max(10, 12 * Math.abs(goal - at)));
    before = now;
    at = calm.matches ? (playing ? Math.min(Math.floor(at) + Math.ceil(last / 24), goal) : goal) : at + Math.max(-most, Math.min(most, goal - at));
    if (at === goal) playing = false;
    show();
    if (at !== goal) calm.matches ? setTimeout(step, 500, 0) : requestAnimationFrame(step);
  }
  function go(to, plays = false) {
    const idle = at === goal;
    [goal, playing] = [to, plays];
    if (!plays) time.value = to;
    if (idle) { before = performance.now(); requestAnimationFrame(step); }
  }
  function toggle() {
    if (playing) return go(Math.round(at));
    if (at === goal && (at === last || at === least())) at = goal = 0;
    go(last, true);
  }
  const drag = e => { const box = stage.getBoundingClientRect(); go(Math.max(0, Math.min(last, Math.round((e.clientX - box.left - inset[0]) / (box.width - inset[0] - inset[1]) * last)))); };
  time.oninput = () => go(+time.value);
  play.onclick = toggle;
  root.addEventListener("keydown", e => { if (e.key === " " && e.target.type === "range") { e.preventDefault(); toggle(); } });
  stage.onpointerdown = e => { if (picked(e)) return; stage.setPointerCapture(e.pointerId); drag(e); };
  stage.onpointermove = e => { if (stage.hasPointerCapture(e.pointerId)) drag(e); };
  at = goal = time.value = least();
  new ResizeObserver(show).observe(root);
})();
