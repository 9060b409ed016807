"""One module a page, each with `layout(...)` and, where it has numbers, `register(app, desk)`."""
