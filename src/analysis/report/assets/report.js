// Draws the figures of a page from the data in it. Nothing is loaded, nothing is sent.
(function () {
  "use strict";

  function draw(figure) {
    var content = JSON.parse(figure.querySelector("script").textContent);
    var target = figure.querySelector(".wl-plot");
    return Plotly.newPlot(target, content.data, content.layout, content.config).then(function () {
      figure.dataset.drawn = "yes";
    });
  }

  function drawAll() {
    var figures = Array.prototype.slice.call(document.querySelectorAll(".wl-figure"));
    // one after the other, so that the top of the page is there first
    return figures.reduce(function (before, figure) {
      return before.then(function () { return draw(figure); });
    }, Promise.resolve()).then(function () {
      document.documentElement.dataset.ready = "yes";
    });
  }

  function fit() {
    document.querySelectorAll(".wl-figure[data-drawn] .wl-plot").forEach(function (plot) {
      Plotly.Plots.resize(plot);
    });
  }

  function filterCards() {
    var words = this.value.toLowerCase().split(/\s+/);
    document.querySelectorAll(".wl-card").forEach(function (card) {
      var text = card.textContent.toLowerCase();
      card.hidden = !words.every(function (word) { return text.indexOf(word) >= 0; });
    });
    document.querySelectorAll(".wl-group").forEach(function (group) {
      group.hidden = !group.querySelector(".wl-card:not([hidden])");
    });
  }

  function start() {
    drawAll();
    window.addEventListener("beforeprint", fit);
    var filter = document.getElementById("wl-filter");
    if (filter) { filter.addEventListener("input", filterCards); }
  }

  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", start);
  } else {
    start();
  }
})();
