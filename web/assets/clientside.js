// What Dash asks the browser: figures in the colours of the theme, and choices into the address.
(function () {
  "use strict";

  const TOKEN = /var\((--[\w-]+)\)/g;
  const NARROW = window.matchMedia("(max-width: 760px)");
  const same = () => window.dash_clientside.no_update;

  // Put the theme's colours where a figure names tokens; arrays of numbers are left alone.
  function coloured(part, style) {
    if (typeof part === "string") {
      return part.includes("var(") ? part.replace(TOKEN, (_, name) => style.getPropertyValue(name).trim()) : part;
    }
    if (Array.isArray(part)) {
      return part.every((item) => typeof item === "number" || item === null) ? part : part.map((item) => coloured(item, style));
    }
    if (part && typeof part === "object" && !part.bdata) {
      return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, coloured(value, style)]));
    }
    return part;
  }

  function change(name, value) {
    const there = new URL(window.location.href);
    if (value) there.searchParams.set(name, value);
    else there.searchParams.delete(name);
    there.searchParams.delete("at");
    return there;
  }

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.driftline = {
    chart(data, theme) {
      if (!data || !theme) return same();
      if (data.readout) window.driftline.charts.show(data.readout);
      return coloured(data.figure, window.getComputedStyle(document.documentElement));
    },

    firstTheme() {
      return window.driftline.scheme();
    },

    scheme(theme) {
      return theme || same();
    },

    narrow() {
      NARROW.addEventListener("change", () => {
        window.dash_clientside.set_props("narrow", { data: NARROW.matches });
      });
      return NARROW.matches;
    },

    found(href) {
      if (href) {
        window.dash_clientside.set_props("search-box", { opened: false });
        window.driftline.go(href);
      }
      return same();
    },

    // Tell a screen reader of new results, at most once a minute, and not of the first.
    news(revision) {
      const now = Date.now();
      const told = window.driftline.told;
      if (!revision || (told && now - told < 60000)) return same();
      window.driftline.told = now;
      return told ? "New results are shown." : same();
    },

    // A person chose; a refresh that only repeats what the page shows is no choice.
    cohort(value, picked) {
      if (value && picked && value !== picked.cohort) {
        window.driftline.go(change("cohort", value === "all" ? null : value));
      }
      return same();
    },

    statistic(value, picked) {
      if (value && picked && value !== picked.statistic) {
        window.driftline.go(change("stat", value === "js" ? null : value));
      }
      return same();
    },

    dates(value, picked) {
      if (!value || !value[0] || !value[1] || !picked) return same();
      if (value[0] === picked.dates[0] && value[1] === picked.dates[1]) return same();
      const after = new Date(`${value[1]}T00:00:00Z`);
      after.setUTCDate(after.getUTCDate() + 1);
      const there = change("range", null);
      there.searchParams.set("from", value[0]);
      there.searchParams.set("to", after.toISOString().slice(0, 10));
      window.driftline.go(there);
      return same();
    },
  };
})();
