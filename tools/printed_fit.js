// Whatever is wider than the paper becomes as wide: formulas, tables, drawings.
() => {
  for (const each of document.querySelectorAll("div.math, mjx-container[display='true'], .dn-scroll, div.cell_output .output, table")) {
    const room = each.parentElement.clientWidth, wide = each.scrollWidth;
    if (room > 0 && wide > room + 1) each.style.zoom = room / wide;
  }
}
