// What a link inside the book leads to, a box, an equation, a claim or a word's meaning, beside the link: under a mouse, or at the focus of keys.
// Escape closes it.  The previews of a page (book/_ext/previews.py) are read when a link to it is first pointed at.
document.addEventListener("DOMContentLoaded", () => {
  const LABEL = /^(Theorem|Lemma|Corollary|Proposition|Remark|Assumption|Figure) [\w-]+/;  // as in previews.py
  const root = new URL(document.documentElement.dataset.content_root || "./", location.href), read = {};
  let link = null, tip = null, opening = 0, closing = 0;  // where the reader is, what is shown, what is about to happen
  const previews = page => read[page] ??= new Promise(done => {
    const script = document.createElement("script");
    script.src = `${root.href}_previews/${page}.js`;
    script.onload = script.onerror = () => done(window.previews?.[page] ?? {});
    document.head.append(script);
  });
  const target = to => {
    const page = to.href.split(/[?#]/)[0], name = decodeURIComponent(to.hash.slice(1)) || to.textContent.trim().match(LABEL)?.[0];
    return name && page.startsWith(root.href) && page.endsWith(".html") ? [page.slice(root.href.length, -5), name] : null;
  };
  const hide = () => {
    [opening, closing].forEach(clearTimeout);
    if (tip) window.MathJax?.typesetClear?.([tip]);
    tip?.remove();
    link?.removeAttribute("aria-describedby");
    tip = null;
  };
  const leave = () => { hide(); link = null; };
  const show = async (to, [page, name]) => {
    const html = (await previews(page))[name], box = document.createElement("div");
    if (!html || to !== link) return;
    Object.assign(box, { className: "preview", id: "preview", role: "tooltip", innerHTML: html });
    document.body.append(tip = box);
    await window.MathJax?.startup?.promise;
    await window.MathJax?.typesetPromise?.([box]);
    if (tip !== box) return;
    box.querySelectorAll("[id]").forEach(each => each.removeAttribute("id"));  // of formulas with a number
    const { clientWidth: wide, clientHeight: high } = document.documentElement;
    const at = to.getBoundingClientRect(), below = innerHeight - at.bottom, up = below < box.offsetHeight + 12 && at.top > below;
    box.style.maxHeight = `${Math.max(up ? at.top : below, 100) - 12}px`;
    box.style.left = `${scrollX + Math.max(12, Math.min(at.left, wide - box.offsetWidth - 12))}px`;
    box.style[up ? "bottom" : "top"] = `${up ? high - scrollY - at.top + 6 : scrollY + at.bottom + 6}px`;
    box.classList.add("ready");
    to.setAttribute("aria-describedby", "preview");
  };
  const reach = (node, delay) => {
    const to = node.closest?.("article a[href]:not(.headerlink, .sphinx-codeautolink-a)");
    const where = to instanceof HTMLAnchorElement && target(to);  // the map of proofs is SVG and has titles
    if (where && to !== link) {  // one that Escape has closed stays closed until the reader has been elsewhere
      leave();
      opening = setTimeout(show, delay, link = to, where);
    }
    return where;
  };
  document.addEventListener("pointerover", event => {
    clearTimeout(closing);
    if (event.pointerType === "touch" || reach(event.target, 200) || tip?.contains(event.target)) return;
    closing = setTimeout(() => link?.matches(":focus-visible") || leave(), 200);
  });
  document.addEventListener("focusin", event => event.target.matches(":focus-visible") && reach(event.target, 0));
  document.addEventListener("focusout", event => event.target === link && leave());
  document.addEventListener("keydown", event => event.key === "Escape" && hide());
  ["click", "pagehide"].forEach(each => addEventListener(each, hide));
});
