// Cells of the incident list. Names stay text: React escapes them.
(function () {
  "use strict";

  const make = (...parts) => window.React.createElement(...parts);
  const cells = (window.dashAgGridComponentFunctions = window.dashAgGridComponentFunctions || {});

  cells.IncidentLink = function ({ data, narrow }) {
    const link = make("a", { href: data.href, className: "grid-link", title: data.title }, data.title);
    if (!narrow) return link;
    return make("span", { className: "grid-two" }, link, make("small", null, data.since_text));
  };

  cells.TextOf = function ({ data, colDef }) {
    return make("span", { className: "num" }, data[`${colDef.field}_text`]);
  };

  cells.StatePill = function ({ data }) {
    const state = data.state === "resolved" ? "normal" : data.state;
    return make(
      "span",
      { className: `pill pill-${state}` },
      make("span", { className: `mark mark-${state}`, "aria-hidden": "true" }),
      data.state_text,
    );
  };
})();
