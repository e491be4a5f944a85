/* Comforts only: every page works without this file. */
(() => {
  "use strict";
  var each = (selector, act) => document.querySelectorAll(selector).forEach(act);
  var focus = root => root.querySelector("[autofocus],[data-focus]")?.focus();

  // After Back: a kept page may be old, ask the server; else count what was put into the boxes.
  addEventListener("pageshow", event => event.persisted ? location.reload() : count());

  // A second press waits for the first.
  document.addEventListener("submit", event => {
    var form = event.target;
    if (form.hasAttribute("data-busy")) return event.preventDefault();
    form.setAttribute("data-busy", "");
    setTimeout(() => form.removeAttribute("data-busy"), 15000);
  });

  // <x data-count="name" data-zero data-one data-many="{n} .."> says how many boxes of that name are ticked.
  function count() {
    each("[data-count]", place => {
      var n = document.querySelectorAll('input[name="' + place.dataset.count + '"]:checked').length;
      var words = n === 0 ? place.dataset.zero : n === 1 ? place.dataset.one : place.dataset.many;
      if (words) place.textContent = words.replace("{n}", n);
    });
  }
  document.addEventListener("change", count);
  count();

  // <button data-copy="#id" data-done="Copied" hidden>, where copying works.
  each("[data-copy]", button => {
    if (!navigator.clipboard) return;
    button.hidden = false;
    button.addEventListener("click", () => {
      var from = document.querySelector(button.dataset.copy);
      navigator.clipboard.writeText((from.value || from.textContent).trim()).then(() => {
        button.textContent = button.dataset.done;
      }, () => getSelection().selectAllChildren(from));
    });
  });

  each("[data-print]", button => {
    button.hidden = false;
    button.addEventListener("click", () => print());
  });

  if (top !== self) each("[data-when-framed]", hint => hint.hidden = false);
  // Frames block autofocus.
  if (document.activeElement === document.body) focus(document);

  // <x data-poll>: fetch the page every 3 s and renew its [data-live] regions.
  function poll() {
    if (!document.querySelector("[data-poll]")) return;
    setTimeout(() => {
      fetch(location.href, { credentials: "same-origin", cache: "no-store" }).then(answer => {
        if (answer.redirected) { location.replace(answer.url); return ""; }
        return answer.ok ? answer.text() : "";
      }).then(text => {
        if (!text) return poll();
        var fresh = new DOMParser().parseFromString(text, "text/html").querySelectorAll("[data-live]");
        if (!fresh.length) return location.reload();
        each("[data-live]", (old, i) => {
          if (!fresh[i] || fresh[i].innerHTML === old.innerHTML) return;
          var held = old.contains(document.activeElement);
          old.replaceWith(fresh[i]);
          if (held) focus(fresh[i]);
        });
        poll();
      }).catch(poll);
    }, 3000);
  }
  poll();
})();
