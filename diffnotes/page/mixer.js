  // One panel: bars that fill above, the two losses below, on one axis of time
  build(`<div class="panel">${head(D.modes + " modes<i>, in families of like speed</i>", "<i>after training for </i>τ")}
    <svg class="plot stage" role="img"></svg>${slider}</div><div class="knobs">${knobs}</div>`);
  const stage = root.querySelector(".stage"), inset = [46, 12], best = D.test.indexOf(Math.min(...D.test));
  const least = () => best, pace = () => last / 9, picked = () => false, choice = () => 0;
  const exponent = k => D.tau[0] + k * D.tau[1], num = v => v.toPrecision(v < .1 ? 2 : 3);
  const fill = (family, k) => family.time.reduce((sum, t) => sum - Math.expm1(-(10 ** (exponent(k) - t))), 0) / family.time.length;

  function message(k) {
    const half = D.families.flatMap(family => family.time).filter(t => 10 ** (exponent(k) - t) > Math.LN2).length, test = D.test[k], times = test / D.test[best];
    const full = `At τ\u00a0=\u00a0${power(k)}, ${half || "none"} of the ${D.modes} modes ${half === 1 ? "is" : "are"} at least half learned`, now = `the test loss is ${num(test)}`;
    if (k === best) return `<b>Stop here.</b> ${full}: the signal is in, and ${now}, the least of this run.`;
    if (k < best) return `<b>Signal.</b> ${full}; what fills now lowers the test loss: ${now}.`;
    return `<b>Memory.</b> ${full}; taken together, what fills now serves the ${D.n} samples alone: ${now}, ${times < 1.05 ? "still near its least" : times.toFixed(1) + " times its least"}.`;
  }

  function draw(k, f, near) {
    const w = stage.clientWidth, h = stage.clientHeight, left = inset[0], right = w - inset[1], floor = h - 30, ground = Math.round(.4 * h), roof = ground + 44;
    const X = k => left + k / last * (right - left), x = e => X((e - D.tau[0]) / D.tau[1]), unit = D.width / D.tau[1] / last * (right - left);
    const y = v => floor - (Math.log10(v) - D.low) / -D.low * (floor - roof), mix = row => row[k] ** (1 - f) * row[k + 1] ** f, narrow = w < 420;
    const bars = D.families.map(family => {
      const tall = (ground - 44) * family.tall, full = tall * fill(family, at), count = family.time.length, lowers = family.effect < 0;
      const box = (size, more) => `<rect x="${(x(family.low) + 1.5).toFixed(1)}" y="${(ground - size).toFixed(1)}" width="${(unit - 3).toFixed(1)}" height="${size.toFixed(1)}" rx="2" ${more}/>`;
      return `<g class="${lowers ? "signal" : "memory"}"><title>${count} mode${count > 1 ? "s" : ""}, ${lowers ? "lower" : "raise"} the test loss by ${num(Math.abs(family.effect))}</title>`
        + box(tall, 'class="glass"') + box(full, 'class="liquid"') + text(x(family.low) + unit / 2, ground - tall - 6, count, 'class="count halo" text-anchor="middle"') + "</g>";
    }).join("");
    const curve = (row, from, to) => path(row.slice(from, to + 1).map((v, j) => [X(from + j), y(v)]));
    const end = (row, words, up, colour) => text(right - 16, y(row[last]) + up, words, `class="strong halo" text-anchor="end" style="fill:var(--${colour})"`);
    const now = (from, to) => line(`M${X(at).toFixed(1)},${from}V${to}`, 'stroke="var(--mute)" stroke-dasharray="2 3"');
    const dot = (row, r, colour) => `<circle cx="${X(at).toFixed(1)}" cy="${y(mix(row)).toFixed(1)}" r="${r}" fill="var(--${colour})" stroke="var(--bg)" stroke-width="2.5"/>`;
    root.style.setProperty("--late", at > best ? "100%" : "0%");
    stage.setAttribute("viewBox", `0 0 ${w} ${h}`);
    stage.setAttribute("aria-label", `Above, bars for families of modes, filled to ${D.families.map(family => Math.round(100 * fill(family, near)) + "%").join(", ")}. Below, test and training loss against training time.`);
    stage.innerHTML = text(left, 13, narrow ? "signal" : "signal: lowers the test loss", 'class="strong" style="fill:var(--now-ink)"')
      + text(right, 13, narrow ? "memory" : w < 520 ? "memory: raises it" : "memory: raises the test loss", 'class="strong" text-anchor="end" style="fill:var(--hot-ink)"')
      + D.marks.map(([v, tall]) => { const up = ground - (ground - 44) * tall; return line(`M${left},${up.toFixed(1)}H${right}`, 'stroke="var(--rule)"') + text(left - 8, up + 4, v, 'text-anchor="end"'); }).join("")
      + now(22, ground) + bars + line(`M${left},${ground + .5}H${right}`, 'stroke="var(--mute)"')
      + text(0, roof - 16, "Loss", 'class="strong" style="fill:var(--ink)"') + text(right, roof - 16, `test ${num(mix(D.test))}, training ${num(mix(D.train))}`, 'text-anchor="end" style="fill:var(--ink)"')
      + D.ticks.map(v => line(`M${left},${y(v)}H${right}`, 'stroke="var(--rule)"') + text(left - 8, y(v) + 4, v, 'text-anchor="end"')).join("")
      + Array.from({length: D.steps}, (_, j) => Math.abs(exponent(j) / 2 - Math.round(exponent(j) / 2)) < 1e-6 ? text(X(j), h - 2, power(j), 'text-anchor="middle"') : "").join("")
      + line(`M${left},${floor + .5}H${right}`, 'stroke="var(--mute)"') + now(roof - 8, floor)
      + line(curve(D.train, 0, last), 'stroke="var(--mute)" stroke-width="2"') + line(curve(D.test, 0, best), 'stroke="var(--now)" stroke-width="3"')
      + line(curve(D.test, best, last), 'stroke="var(--hot)" stroke-width="3"') + end(D.test, "test", -10, "hot-ink") + end(D.train, w < 520 ? "training" : `training, ${D.n} samples`, y(D.train[last]) - y(D.test[last]) > 22 ? -7 : 16, "mute")
      + `<circle cx="${X(best).toFixed(1)}" cy="${y(D.test[best]).toFixed(1)}" r="5" fill="var(--bg)" stroke="var(--now)" stroke-width="2.5"/>` + dot(D.train, 4.5, "mute") + dot(D.test, 8, "model");
  }
