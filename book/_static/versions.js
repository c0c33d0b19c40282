// The same page in another version: a list made from versions.json, which tools.site lays beside published pages; without it, none.
document.addEventListener("DOMContentLoaded", async () => {
  const root = new URL(document.documentElement.dataset.content_root || "./", location.href);
  const found = location.protocol.startsWith("http") && await fetch(new URL("versions.json", root), { cache: "no-cache" }).catch(() => null);
  const { here, at } = found && found.ok ? await found.json().catch(() => ({})) : {};
  const place = document.querySelector(".sidebar-primary-item nav"); // a landmark (book/_templates)
  if (!place || Object.keys(at || {}).length < 2) return;
  const label = document.createElement("label"), select = document.createElement("select");
  label.className = "versions";
  label.append("Version ", select);
  for (const name in at) select.add(new Option(name, name, false, name === here));
  select.onchange = async () => {
    const other = new URL(at[select.value], root), page = new URL(location.href.slice(root.href.length), other);
    select.value = here; // what is shown, should the reader come back
    const there = await fetch(page, { method: "HEAD" }).catch(() => null);
    location.href = there && there.ok ? page : other;
  };
  place.append(label);
});
