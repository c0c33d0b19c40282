"""The site map: every page, also those that a build left as they were."""

from html import escape
from pathlib import Path


def write(app, exception):
    if exception or app.builder.format != "html":
        return
    pages = (escape(app.config.html_baseurl + app.builder.get_target_uri(name)) for name in sorted(app.env.found_docs))
    listed = "\n".join(f"<url><loc>{page}</loc></url>" for page in pages)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
    Path(app.outdir, "sitemap.xml").write_text(f"{head}{listed}\n</urlset>\n", encoding="utf-8")


def setup(app):
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "version": "1"}
