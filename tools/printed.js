// What stands on an opened page, for tools/printed.py: its title, its text with folds open and names of its own, its styles.
([base, pages, page]) => {
  const article = document.querySelector("article"), own = pages[page] + "-";
  article.querySelectorAll("details").forEach(each => each.open = true);
  [...article.querySelectorAll("*")].filter(each => each instanceof HTMLElement && !["STYLE", "H1"].includes(each.tagName) && getComputedStyle(each).display === "none")
    .forEach(each => each.remove());
  article.querySelectorAll("script, button, input, .files, .headerlink, .copybtn, mjx-assistive-mml, .prev-next-footer").forEach(each => each.remove());
  const cache = document.getElementById("MJX-SVG-global-cache");
  if (cache) article.prepend(cache);

  article.querySelectorAll("img[src]").forEach(each => each.src = each.src);  // in full
  article.querySelectorAll("a[href]").forEach(each => {
    const [to, name] = new URL(each.getAttribute("href"), location.href).href.split("#"), inside = pages[to.slice(base.length)];
    if (inside) each.setAttribute("href", "#" + inside + (name ? "-" + decodeURIComponent(name) : ""));
    else if (to.startsWith("file:")) each.removeAttribute("href");
  });
  const known = new Set([...article.querySelectorAll("[id]")].map(each => each.id));
  article.querySelectorAll("style").forEach(each =>
    each.textContent = each.textContent.replace(/#([A-Za-z][\w-]*)/g, (all, id) => known.has(id) ? "#" + own + id : all));
  for (const each of article.querySelectorAll("*")) {
    if (each.id) each.id = own + each.id;
    for (const { name, value } of [...each.attributes]) {
      if (["for", "headers"].includes(name) || /^aria-(labelledby|describedby|controls|owns)$/.test(name))
        each.setAttribute(name, value.split(/\s+/).map(id => own + id).join(" "));
      else if (value.includes("url(#")) each.setAttribute(name, value.replaceAll("url(#", "url(#" + own));
      else if (/^(xlink:)?href$/.test(name) && value.startsWith("#") && !each.closest("a")) each.setAttribute(name, "#" + own + value.slice(1));
    }
  }
  for (const heading of [...article.querySelectorAll("h1, h2, h3, h4, h5")].reverse()) {  // the parts of the book come first
    const lower = document.createElement("h" + (+heading.tagName[1] + 1));
    for (const { name, value } of heading.attributes) lower.setAttribute(name, value);
    lower.append(...heading.childNodes);
    heading.replaceWith(lower);
  }
  const written = [...document.querySelectorAll("head style")].flatMap(style => [...style.sheet.cssRules].map(rule => rule.cssText));
  return {
    title: article.querySelector("h2").innerHTML,
    text: article.outerHTML,
    sheets: [...document.querySelectorAll("head link[rel=stylesheet]")].filter(link => link.media !== "print").map(link => link.href),
    rules: written,
  };
}
