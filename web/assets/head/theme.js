// Before the first paint: the theme a person chose, if they chose one; else the system's.
(function () {
  "use strict";
  try {
    const chosen = window.localStorage.getItem("driftline-theme");
    if (chosen === "light" || chosen === "dark") {
      document.documentElement.dataset.theme = chosen;
    }
  } catch (error) {
    // Storage may be closed to us; the system's theme is then right.
  }
})();
