"""Roles that docutils writes into bibliographies and that screen readers, and axe, take for faults: a list without list items."""


def html_page_context(app, pagename, templatename, context, doctree):
    body = context.get("body", "")
    body = body.replace('<div role="list" class="citation-list">', '<div class="citation-list">')
    context["body"] = body.replace(' role="doc-biblioentry"', "")


def setup(app):
    app.connect("html-page-context", html_page_context)
    return {"parallel_read_safe": True, "version": "1"}
