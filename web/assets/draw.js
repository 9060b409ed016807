// Inline SVG from data: [tag, attributes, children]. Nothing is parsed as markup.
(function () {
  "use strict";

  const TAGS = new Set(["svg", "path", "rect", "circle", "line", "g", "text"]);
  const ATTRIBUTES = new Set([
    "viewBox", "width", "height", "role", "aria-label", "class", "d", "x", "y", "rx", "cx", "cy", "r",
    "x1", "x2", "y1", "y2",
  ]);

  function build([tag, attributes, children]) {
    if (!TAGS.has(tag)) throw new Error(`no such shape: ${tag}`);
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (ATTRIBUTES.has(key)) node.setAttribute(key, value);
    }
    for (const child of children) node.append(typeof child === "string" ? child : build(child));
    return node;
  }

  function draw(holder) {
    const text = holder.dataset.svg;
    if (holder.drawn === text) return;
    holder.drawn = text;
    const shape = build(JSON.parse(text));
    holder.replaceChildren(shape);
  }

  function look(node) {
    if (node.nodeType !== 1) return;
    if (node.dataset.svg) draw(node);
    node.querySelectorAll("[data-svg]").forEach(draw);
  }

  new MutationObserver((records) => {
    for (const record of records) {
      if (record.type === "attributes") draw(record.target);
      else record.addedNodes.forEach(look);
    }
  }).observe(document.documentElement, {
    subtree: true, childList: true, attributes: true, attributeFilter: ["data-svg"],
  });
})();
