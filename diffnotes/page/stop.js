  // Two panels, sliders for time and for the number of samples.  Each explorer has: stage, inset, least, pace, picked, choice, draw, message
  build(`<div class="panel gen">${head("What the model generates", "<i>after training for </i>τ")}
      <svg class="plot" role="img"></svg></div>
    <div class="panel gap">${head("Its divergence from the target", "KL")}
      <svg class="plot stage" role="img"></svg>${slider}</div>
    <div class="knobs which"><span>samples n</span>
      <span class="size"><input type="range" min="0" max="${D.n.length - 1}" value="0" aria-label="number of samples n">
      <span class="stops" aria-hidden="true">${D.n.map(n => `<span>${n}</span>`).join("")}</span></span>
      <label class="switch"><input type="checkbox" role="switch">population</label></div>
    <div class="knobs">${knobs}</div>`);
  const [size, all] = root.querySelectorAll(".which input"), [gen, gap] = root.querySelectorAll("svg.plot"), klOut = root.querySelector(".gap output");
  const bytes = s => Uint8Array.from(atob(s), c => c.charCodeAt(0));
  const model = bytes(D.model), target = bytes(D.target), rug = new Uint16Array(bytes(D.rug).buffer);
  const all_n = D.n.length, P = D.points, best = D.kl.map(row => row.indexOf(Math.min(...row)));
  const choice = () => all.checked ? all_n : +size.value, stage = gap, inset = [50, 82], least = () => best[choice()];
  const pace = () => choice() < all_n && Math.abs(at - least()) < .75 ? 1.2 : 4.5;  // more slowly about the minimum
  const choose = r => { all.checked = r === all_n; if (r < all_n) size.value = r; show(); };
  const picked = e => { if (e.target.dataset.n) choose(+e.target.dataset.n); return e.target.dataset.n; };
  size.oninput = () => choose(+size.value);
  all.onchange = () => show();
  root.querySelectorAll(".stops span").forEach((e, r) => e.onclick = () => choose(r));

  const short = v => v.toPrecision(2) + "\u00a0nats";
  function message(k) {
    const i = choice(), kl = D.kl[i][k], b = best[i], ratio = kl / D.kl[i][b], times = ratio.toFixed(1) + " times the least";
    const tau = j => `τ\u00a0=\u00a0${power(j)}`, samples = D.n[i] + " samples";
    if (i === all_n) return `<b>Nothing to memorise.</b> Trained on the population itself, the model only comes nearer: KL ${short(kl)} at ${tau(k)}.`;
    if (k === b) return `<b>Stop here.</b> With ${samples} the model is nearest to the target at ${tau(k)}: KL ${short(kl)}.`;
    if (k < b) return `<b>${ratio < 1.3 ? "Almost there." : "Too early."}</b> KL ${short(kl)}, ${times} that training on ${samples} gets to, at ${tau(b)}.`;
    if (ratio < 1.3) return `<b>A little late.</b> The model begins to learn its ${samples}, at little cost: KL ${short(kl)}, ${times}, at ${tau(b)}.`;
    return `<b>Too late.</b> The model now learns its ${samples}: KL ${short(kl)}, ${times}, which was at ${tau(b)}.`;
  }

  const smooth = c => path(c.slice(0, 1)) + c.slice(1).map((p, j) => {
    const o = c[j], l = c[j - 1] || o, r = c[j + 2] || p;  // Catmull-Rom through all points
    return "C" + [o[0] + (p[0] - l[0]) / 6, o[1] + (p[1] - l[1]) / 6, p[0] - (r[0] - o[0]) / 6, p[1] - (r[1] - o[1]) / 6, ...p].map(v => v.toFixed(1)).join();
  }).join("");
  const density = (data, peak, r) => Array.from({length: P}, (_, j) => data[r * P + j] * peak[r] / 255);

  function drawDensity(i, k, f) {
    const w = gen.clientWidth, h = gen.clientHeight, base = h - 44, n = D.n[i], span = D.high - D.low;
    const px = x => (x - D.low) / span * w, py = v => base - v / D.top * (base - 8), at_x = j => D.low + j / (P - 1) * span;
    const [now, then] = [0, 1].map(more => density(model, D.peak, i * D.steps + k + more)), mixed = now.map((v, j) => (1 - f) * v + f * then[j]);
    const [curve, truth] = [mixed, density(target, D.peakTarget, 0)].map(row => smooth(row.map((v, j) => [px(at_x(j)), py(v)])));
    let top = Math.ceil(P * 0.53);  // the label follows the highest point on the right
    for (let j = top; j < P * 0.85; j++) if (mixed[j] > mixed[top]) top = j;
    const columns = {}, ticks = [];  // samples in one column of pixels darken it
    rug.subarray(0, n || 0).forEach(v => { const x = Math.round(v / 65535 * w); columns[x] = (columns[x] || 0) + 1; });
    for (const x in columns) ticks[columns[x]] = (ticks[columns[x]] || "") + `M${+x + .5},${base + 4}v11`;
    gen.setAttribute("viewBox", `0 0 ${w} ${h}`);
    gen.setAttribute("aria-label", `Densities of the target, two equal modes, and of the model trained on ${n ? n + " samples" : "the population"}`);
    gen.innerHTML = `<path d="${truth}L${w},${base}L0,${base}Z" fill="var(--target)"/><path d="${curve}L${w},${base}L0,${base}Z" fill="var(--model)" fill-opacity=".16"/>`
      + line(`M0,${base + .5}H${w}`, 'stroke="var(--mute)"') + line(curve, 'stroke="var(--model)" stroke-width="2.5"')
      + text(px(-3), base - 7, "target", 'text-anchor="middle" style="fill:var(--ink)"')
      + text(px(at_x(top)), py(mixed[top]) - 9, "model", 'class="halo strong" text-anchor="middle" style="fill:var(--model-ink)"')
      + ticks.map((d, count) => line(d, `stroke="var(--hot)" stroke-width="1.25" stroke-opacity="${(1 - (1 - Math.min(.85, 7 / Math.sqrt(n))) ** count).toFixed(2)}"`)).join("")
      + text(w, base + 14, n ? n + " samples" : "no samples", 'class="strong" text-anchor="end" style="fill:var(--hot-ink)"')
      + [-6, -3, 0, 3, 6].map(x => text(px(x), base + 33, String(x).replace("-", "−"), 'text-anchor="middle"')).join("");
  }

  function drawGap(i, kl) {
    const w = gap.clientWidth, h = gap.clientHeight, left = 50, right = w - 82, floor = h - 26, b = best[i], n = D.n[i];
    const x = t => left + t / last * (right - left), y = v => 8 - Math.log10(v) / 4 * (floor - 8);
    const curve = (row, from = 0) => path(row.slice(from).map((v, j) => [x(from + j), y(v)]));
    const band = path([...D.q90[i].map((v, j) => [x(j), y(v)]), ...D.q10[i].map((v, j) => [x(j), y(v)]).reverse()]);
    const side = b > 12 ? [-7, "end"] : [7, "start"], harm = n && D.kl[i][last] > 1.3 * D.kl[i][b];
    gap.setAttribute("viewBox", `0 0 ${w} ${h}`);
    gap.setAttribute("aria-label", "KL divergence of the target from the model's density against training time, logarithmic axes, a curve for each number of samples");
    gap.innerHTML = [1, .1, .01, .001, .0001].map(v => line(`M${left},${y(v)}H${right}`, `stroke="var(${v < .0002 ? "--mute" : "--rule"})"`)
        + text(left - 8, y(v) + 4, v, 'text-anchor="end"')).join("")
      + [0, 6, 12, 18, 24].map(t => text(x(t), floor + 24, power(t), 'text-anchor="middle"')).join("")
      + D.kl.map((row, r) => r === i ? "" : line(curve(row), `stroke="var(--n${r})" stroke-opacity=".4" stroke-width="1.5" ${r === all_n ? 'stroke-dasharray="5 4"' : ""}`)).join("")
      + `<path d="${band}Z" fill="var(--now)" fill-opacity=".13"/>` + line(curve(D.kl[i]), `stroke="var(--now)" stroke-width="3" ${n ? "" : 'stroke-dasharray="7 4"'}`)
      + (harm ? line(curve(D.kl[i], b), 'stroke="var(--hot)" stroke-width="3"') : "")
      + (n ? line(`M${x(b)},${y(D.kl[i][b]) + 6}V${floor}`, 'stroke="var(--now)" stroke-dasharray="2 3"')
        + `<circle cx="${x(b)}" cy="${y(D.kl[i][b])}" r="5" fill="var(--bg)" stroke="var(--now)" stroke-width="2.5"/>`
        + text(x(b) + side[0], floor - 20, "stop here", `class="halo strong" text-anchor="${side[1]}" style="fill:var(--now-ink)"`) : "")
      + D.kl.map((row, r) => text(right + 14, y(row[last]) + 4, r < all_n ? (r === i ? "n = " : "") + D.n[r] : "population",
          `data-n="${r}" ${r === i ? 'class="strong"' : ""} style="fill:color-mix(in oklab,var(--n${r}) 65%,var(--ink))"`)).join("")
      + `<circle cx="${x(at).toFixed(1)}" cy="${y(kl).toFixed(1)}" r="8" fill="var(--model)" stroke="var(--bg)" stroke-width="2.5"/>`;
  }

  function draw(k, f, near) {
    const i = choice(), kl = D.kl[i][k] ** (1 - f) * D.kl[i][k + 1] ** f, late = i < all_n && at > best[i] ? Math.log2(kl / D.kl[i][best[i]]) : 0;
    root.style.setProperty("--now", `var(--n${i})`);
    root.style.setProperty("--late", Math.round(100 * Math.max(0, Math.min(1, (late - .4) / .5))) + "%");  // blue up to 1.3 times the least, orange from 1.9
    drawDensity(i, k, f);
    drawGap(i, kl);
    root.classList.toggle("all", all.checked);
    root.querySelectorAll(".stops span").forEach((e, j) => e.classList.toggle("on", j === i));
    klOut.value = short(D.kl[i][near]);
    size.setAttribute("aria-valuetext", D.n[size.value] + " samples");
  }
