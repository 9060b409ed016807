// Links inside the dashboard, keys, the menu, the theme: what the frame does without the server.
(function () {
  "use strict";

  const here = (window.driftline = window.driftline || {});

  // Go to an address of this site without loading the page anew.
  here.go = function (href, { replace = false, stay = false } = {}) {
    const there = new URL(href, window.location.href);
    if (there.origin !== window.location.origin) return;
    const elsewhere = there.pathname !== window.location.pathname;
    window.history[replace ? "replaceState" : "pushState"]({}, "", there);
    if (!replace) window.dispatchEvent(new PopStateEvent("popstate"));
    if (elsewhere && !stay) window.scrollTo(0, 0);
  };

  // Signed out meanwhile: the page asks for the password again.
  const ask = window.fetch;
  window.fetch = async function (...request) {
    const answer = await ask.apply(window, request);
    if (answer.status !== 401) return answer;
    window.location.reload();
    return new Promise(() => {}); // nobody needs this answer any more
  };

  function onLink(event) {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest("a[href]");
    if (!link || link.target || link.hasAttribute("download")) return;
    if (link.dataset.reload) {
      event.preventDefault();
      window.location.reload();
      return;
    }
    const href = link.getAttribute("href");
    if (href.startsWith("#")) return;
    const there = new URL(href, window.location.href);
    if (there.origin !== window.location.origin || there.protocol === "javascript:") return;
    event.preventDefault();
    const path = href.startsWith("?") ? window.location.pathname + (href === "?" ? "" : href) : href;
    here.go(path, { stay: Boolean(link.dataset.stay) });
    menu(false);
  }

  function menu(open) {
    document.documentElement.classList.toggle("menu-open", open);
    const button = document.getElementById("menu");
    if (button) button.setAttribute("aria-expanded", String(open));
  }

  function scheme() {
    const chosen = document.documentElement.dataset.theme;
    if (chosen) return chosen;
    return window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }
  here.scheme = scheme;

  function setTheme(theme) {
    document.documentElement.dataset.theme = theme;
    try {
      window.localStorage.setItem("driftline-theme", theme);
    } catch (error) {
      // Not remembered then.
    }
    window.dash_clientside.set_props("theme", { data: theme });
  }

  function search() {
    menu(false);
    window.dash_clientside.set_props("search", { value: null });
    window.dash_clientside.set_props("search-box", { opened: true });
    window.setTimeout(() => {
      const field = document.getElementById("search");
      if (field) field.focus();
    }, 60);
  }

  async function copy(button) {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
    window.setTimeout(() => { button.textContent = "Copy"; }, 1600);
  }

  function onClick(event) {
    const button = event.target.closest("button");
    if (button) {
      if (button.id === "menu") menu(!document.documentElement.classList.contains("menu-open"));
      else if (button.dataset.search) search();
      else if (button.dataset.themeToggle) setTheme(scheme() === "dark" ? "light" : "dark");
      else if (button.dataset.copy) copy(button);
      return;
    }
    onLink(event);
  }

  function typing(target) {
    return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
  }

  function press(id) {
    const link = document.getElementById(id);
    if (link) link.click();
  }

  function onKey(event) {
    if (event.key === "Escape") menu(false);
    if (event.metaKey || event.ctrlKey || event.altKey || typing(event.target)) return;
    if (event.key === "/") {
      event.preventDefault();
      search();
    } else if (event.key === "?") window.dash_clientside.set_props("keys", { opened: true });
    else if (event.key === "t") setTheme(scheme() === "dark" ? "light" : "dark");
    else if (event.key === "[") press("range-back");
    else if (event.key === "]") press("range-on");
  }

  document.addEventListener("click", onClick);
  document.addEventListener("keydown", onKey);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    if (!document.documentElement.dataset.theme) {
      window.dash_clientside.set_props("theme", { data: scheme() });
    }
  });
})();
