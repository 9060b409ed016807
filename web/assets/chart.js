// The line through a chart, what it reads, and dragging to a range: no server is asked.
(function () {
  "use strict";

  const here = (window.driftline = window.driftline || {});
  const HOUR = 3600000;
  const DAY = 24 * HOUR;
  const CLICK = 5; // pixels a pointer may move and still click
  let known = {}; // readouts by their first row's kind, waiting for the chart that shows them

  // ---- numbers and times, as alerts.message writes them

  function number(value, digits = 3) {
    if (value === null || value === undefined) return "–";
    if (value === 0) return "0";
    const size = Math.floor(Math.log10(Math.abs(value)));
    if (size < -6 || size >= 15) return value.toExponential(digits - 1).replace(/-/g, "−");
    const decimals = Math.max(0, digits - 1 - size);
    const text = Math.abs(value).toLocaleString("en-US", {
      minimumFractionDigits: 0, maximumFractionDigits: Math.min(decimals, 20),
    });
    return value < 0 ? `−${text}` : text;
  }

  function percent(value, decimals = 0) {
    return value === null ? "–" : `${(100 * value).toFixed(decimals)}\u202f%`;
  }

  // A distance in a column of its own: as many decimals as its neighbours.
  function aligned(value) {
    return Math.abs(value) < 1 ? value.toFixed(3) : Math.abs(value) < 10 ? value.toFixed(2) : number(value);
  }

  function signed(value, decimals) {
    const text = Math.abs(value).toFixed(decimals);
    return Number(text) === 0 ? text : `${value < 0 ? "−" : "+"}${text}`;
  }

  function clock(zone, options) {
    return new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options });
  }

  function span(data, index) {
    const start = new Date(data.times[index]);
    const end = new Date(data.times[index] + data.step);
    const day = clock(data.zone, { weekday: "short", day: "numeric", month: "short" });
    const hour = clock(data.zone, { hour: "2-digit", minute: "2-digit" });
    const date = day.format(start).replace(",", "");
    if (data.step >= DAY) return date;
    return `${date} ${hour.format(start)}–${hour.format(end)}`;
  }

  // ---- what each kind of row says: [text, class] pairs, a line each

  const says = {
    confidence(row, at, data) {
      const value = row.values[at];
      if (value === null) return [[[`no ${data.noun}`, "quiet"]], ...limits(row)];
      const lines = [[[number(value), "big accent"], [`± ${number(row.half[at], 1)}`, "quiet"]]];
      if (row.expected !== null) lines.push([[`${number(row.expected)} expected`, ""]]);
      if (row.low[at] !== null) {
        lines.push([[`middle 80\u202f% ${number(row.low[at], 2)}–${number(row.high[at], 2)}`, "quiet"]]);
      }
      if (row.above && row.above[at] !== null) lines.push([[`${percent(row.above[at])} at or above`, ""]]);
      return [...lines, ...limits(row)];
    },
    distance(row, at) {
      const lines = row.rules.map((rule, k) => [
        [rule.values[at] === null ? "–" : `${number(rule.values[at], 2)}×`, k ? `tone-${rule.colour}` : `big tone-${rule.colour}`],
        [rule.name, "quiet"],
      ]);
      return [...lines.slice(0, 3), [["alarm = 1×", "hot"]]];
    },
    feature(row, at) {
      const value = row.values[at];
      if (value === null) return [[["–", "lead quiet"]]];
      const beyond = value > row.normal;
      const what = row.share
        ? `${row.label} ${percent(row.now[at])}, was ${percent(row.was)}`
        : `${number(row.now[at])}, was ${number(row.was)}`;
      return [[[aligned(value), beyond ? "lead strong" : "lead quiet"], [row.now[at] === null ? "" : what, "quiet"]]];
    },
    cohort(row, at) {
      const value = row.values[at];
      if (value === null) return [[["–", "lead quiet"]]];
      const scale = row.points ? 100 : 1;
      const digits = row.points ? (Math.abs(value) < 0.0995 ? 1 : 0) : 2;
      const beyond = Math.abs(value) > row.half[at];
      return [[
        [signed(value * scale, digits), beyond ? "lead strong" : "lead quiet"],
        [`± ${number(row.half[at] * scale, 1)}`, "quiet error"],
        [`n ${row.n[at].toLocaleString("en-US")}`, "quiet"],
      ]];
    },
    volume(row, at) {
      return [[[row.values[at].toLocaleString("en-US"), "strong"], [row.note, "quiet"]]];
    },
    missing(row, at) {
      if (row.values[at] === null) return [[["–", "lead quiet"]]];
      const usual = row.usual === null ? [] : [[`usually ${percent(row.usual)}`, "quiet"]];
      return [[[percent(row.values[at]), row.values[at] ? "lead strong" : "lead quiet"], ...usual]];
    },
    quantiles(row, at) {
      if (row.values[at] === null) return [[["–", "quiet"]]];
      return [
        [[number(row.high[at]), "quiet"], ["90\u202f%", "quiet"]],
        [[number(row.values[at]), "accent strong"], ["median", "accent"]],
        [[number(row.low[at]), "quiet"], ["10\u202f%", "quiet"]],
      ];
    },
    shares(row, at) {
      return row.parts.slice(0, 7).map((part) => [[percent(part.values[at]), "strong"], [part.name, "quiet"]]);
    },
  };

  function limits(row) {
    return row.threshold === null ? [] : [[[`threshold ${number(row.threshold)}`, "quiet"]]];
  }

  // ---- one chart

  function element(tag, name, parent) {
    const node = document.createElement(tag);
    node.className = name;
    if (parent) parent.append(node);
    return node;
  }

  function Chart(root, data) {
    this.root = root;
    this.surface = root.querySelector(".chart-surface");
    this.readout = root.querySelector(".chart-readout");
    this.list = data.narrow ? root.parentElement.querySelector(".chart-list") : null;
    this.data = data;
    this.surface.replaceChildren();
    this.line = element("div", "chart-line", this.surface);
    this.label = element("div", "chart-at", this.surface);
    this.brush = element("div", "chart-brush", this.surface);
    this.pinned = this.fromAddress();
    this.at = this.pinned;
    this.listen();
    this.build();
    this.move(this.at);
  }

  Chart.prototype.fromAddress = function () {
    const given = Date.parse(new URLSearchParams(window.location.search).get("at") || "");
    if (!Number.isNaN(given)) {
      const index = this.data.times.findIndex((t) => given >= t && given < t + this.data.step);
      if (index >= 0) return index;
    }
    return this.lastKnown();
  };

  Chart.prototype.lastKnown = function () {
    const lead = this.data.rows.find((row) => row.values) || this.data.rows[0];
    const values = lead ? lead.values || lead.rules?.[0]?.values || lead.parts?.[0]?.values || [] : [];
    for (let k = values.length - 1; k >= 0; k -= 1) if (values[k] !== null) return k;
    return this.data.times.length - 1;
  };

  Chart.prototype.build = function () {
    this.readout.replaceChildren();
    this.cells = this.data.narrow ? [] : this.data.rows.map((row) => {
      const cell = element("div", `readout-row readout-${row.kind}`, this.readout);
      cell.style.top = `${row.top}px`;
      cell.style.minHeight = `${row.height}px`;
      return cell;
    });
  };

  function write(cell, lines) {
    cell.replaceChildren(...lines.map((line) => {
      const row = document.createElement("div");
      for (const [text, name] of line) element("span", name, row).textContent = text;
      return row;
    }));
  }

  Chart.prototype.move = function (index) {
    const data = this.data;
    if (!data.times.length) return;
    this.at = Math.max(0, Math.min(data.times.length - 1, index));
    const centre = data.times[this.at] + data.step / 2;
    const share = (centre - data.start) / (data.end - data.start);
    this.line.style.left = `${100 * share}%`;
    this.label.textContent = span(data, this.at);
    this.label.style.left = `clamp(70px, ${100 * share}%, calc(100% - 70px))`;
    this.cells.forEach((cell, k) => write(cell, says[data.rows[k].kind](data.rows[k], this.at, data)));
    this.surface.setAttribute("aria-valuenow", this.at);
    this.surface.setAttribute("aria-valuetext", this.spoken());
    if (this.list) this.fill();
  };

  Chart.prototype.spoken = function () {
    const first = this.data.rows.slice(0, 2).map((row) =>
      says[row.kind](row, this.at, this.data).map((line) => line.map(([text]) => text).join(" ")).join(", "));
    return `${span(this.data, this.at)}: ${first.join("; ")}`;
  };

  // At 400 px the readout stands under the sheet, with what matters at the line.
  Chart.prototype.fill = function () {
    const data = this.data;
    const beyond = (row) => {
      const value = row.values[this.at];
      if (value === null) return false;
      return row.kind === "feature" ? value > row.normal : Math.abs(value) > row.half[this.at];
    };
    const pick = (kind, most) => data.rows.filter((row) => row.kind === kind && beyond(row)).slice(0, most);
    const rows = data.rows.filter((row) => ["confidence", "distance", "quantiles", "shares"].includes(row.kind));
    const chosen = [...rows, ...pick("feature", 4), ...pick("cohort", 3),
      ...data.rows.filter((row) => row.kind === "volume" || row.kind === "missing").slice(0, 2)];
    const head = document.createElement("div");
    head.className = "list-head";
    element("strong", "", head).textContent = span(data, this.at);
    element("span", "quiet", head).textContent = "touch the sheet, or ← →";
    const names = { confidence: "Score", distance: "Distance", volume: "Volume", quantiles: "Values", shares: "Shares" };
    this.list.replaceChildren(head, ...chosen.map((row) => {
      const line = document.createElement("div");
      line.className = "list-row";
      element("span", "list-name", line).textContent = row.name && row.kind !== "confidence" ? row.name : names[row.kind] || row.name;
      const cell = element("div", "list-values", line);
      write(cell, says[row.kind](row, this.at, data));
      return line;
    }));
  };

  Chart.prototype.indexAt = function (x) {
    const box = this.surface.getBoundingClientRect();
    const time = this.data.start + ((x - box.left) / box.width) * (this.data.end - this.data.start);
    const index = Math.floor((time - this.data.times[0]) / this.data.step);
    return Math.max(0, Math.min(this.data.times.length - 1, index));
  };

  // Pin the line and put it into the address, replacing: moving it is no step to go back over.
  Chart.prototype.pin = function (index) {
    this.move(index);
    this.pinned = this.at;
    const there = new URL(window.location.href);
    there.searchParams.set("at", new Date(this.data.times[this.at]).toISOString().slice(0, 16) + "Z");
    here.go(there.href, { replace: true });
  };

  Chart.prototype.zoom = function (first, last) {
    const there = new URL(window.location.href);
    const iso = (ms) => new Date(ms).toISOString().slice(0, 16) + "Z";
    for (const name of ["range", "at"]) there.searchParams.delete(name);
    there.searchParams.set("from", iso(Math.max(this.data.times[first], this.data.start)));
    there.searchParams.set("to", iso(Math.min(this.data.times[last] + this.data.step, this.data.end)));
    here.zooms = (here.zooms || 0) + 1;
    here.go(there.href);
  };

  Chart.prototype.open = function (y) {
    const top = y - this.root.getBoundingClientRect().top;
    const row = this.data.rows.find((r) => top >= r.top && top < r.top + r.height);
    if (row && row.href && (row.kind === "feature" || row.kind === "cohort" || row.kind === "missing")) {
      here.go(row.href);
      return true;
    }
    return false;
  };

  Chart.prototype.listen = function () {
    const surface = this.surface;
    let from = null;
    const drawn = (x) => {
      const box = surface.getBoundingClientRect();
      const [left, right] = [Math.min(from, x), Math.max(from, x)].map((v) => Math.max(0, Math.min(box.width, v - box.left)));
      Object.assign(this.brush.style, { display: "block", left: `${left}px`, width: `${right - left}px` });
    };
    const stop = () => {
      from = null;
      this.brush.style.display = "none";
    };
    surface.onpointermove = (event) => {
      this.move(this.indexAt(event.clientX));
      if (from !== null && Math.abs(event.clientX - from) > CLICK) drawn(event.clientX);
    };
    surface.onpointerdown = (event) => {
      if (event.pointerType === "touch") this.pin(this.indexAt(event.clientX));
      else if (event.button === 0) {
        from = event.clientX;
        surface.setPointerCapture(event.pointerId);
      }
    };
    surface.onpointerup = (event) => {
      if (from === null) {
        if (event.pointerType === "touch") this.pin(this.at);
        return;
      }
      const [a, b] = [this.indexAt(Math.min(from, event.clientX)), this.indexAt(Math.max(from, event.clientX))];
      const far = Math.abs(event.clientX - from) > CLICK;
      stop();
      if (far && b > a) this.zoom(a, b);
      else if (!this.open(event.clientY)) this.pin(b);
    };
    surface.onpointercancel = stop;
    surface.onpointerleave = (event) => {
      if (event.pointerType !== "touch") this.move(this.pinned);
    };
    surface.ondblclick = () => {
      if (here.zooms) {
        here.zooms -= 1;
        window.history.back();
      }
    };
  };

  Chart.prototype.key = function (event) {
    const day = Math.max(1, Math.round(DAY / this.data.step));
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) this.pin(this.at + by * (event.shiftKey ? day : 1));
    else if (event.key === "Home") this.pin(0);
    else if (event.key === "End" || event.key === ".") this.pin(this.lastKnown());
    else return false;
    return true;
  };

  // ---- charts come and go with the pages: data may come before its place is there

  const shown = new Map();

  function place() {
    for (const [root] of shown) if (!root.isConnected) shown.delete(root);
    document.querySelectorAll("[data-chart]").forEach((root) => {
      const data = known[root.dataset.chart];
      if (!data || shown.get(root)?.data === data) return;
      shown.set(root, new Chart(root, data));
    });
  }

  here.charts = {
    show(readout) {
      const path = readout.rows.some((row) => row.kind === "quantiles" || row.kind === "shares");
      known = { ...known, [path ? "path" : "sheet"]: readout };
      window.requestAnimationFrame(place);
    },
  };

  document.addEventListener("keydown", (event) => {
    if (event.metaKey || event.ctrlKey || event.altKey) return;
    const target = event.target;
    const chart = [...shown.values()].find((one) => one.root.isConnected);
    if (!chart || !(target === document.body || target === chart.surface || target.id === "page")) return;
    if (chart.key(event)) event.preventDefault();
  });

  window.addEventListener("popstate", () => {
    for (const chart of shown.values()) {
      if (!chart.root.isConnected) continue;
      chart.pinned = chart.fromAddress();
      chart.move(chart.pinned);
    }
  });
})();
