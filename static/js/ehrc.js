/* Comforts only: every page works without this file. */
(function () {
  "use strict";
  var each = function (selector, act) { document.querySelectorAll(selector).forEach(act); };

  // A page out of the back/forward cache may show what is no longer true: ask the server.
  addEventListener("pageshow", function (event) { if (event.persisted) location.reload(); });

  // A second press on the same button does nothing while the first is on its way.
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (form.hasAttribute("data-busy")) { event.preventDefault(); return; }
    form.setAttribute("data-busy", "");
    setTimeout(function () { form.removeAttribute("data-busy"); }, 15000);
  });

  // <x data-count="name" data-zero=".." data-one=".." data-many="{n} .."> says how many boxes of that name are ticked.
  function count() {
    each("[data-count]", function (place) {
      var n = document.querySelectorAll('input[name="' + place.dataset.count + '"]:checked').length;
      var words = n === 0 ? place.dataset.zero : n === 1 ? place.dataset.one : place.dataset.many;
      if (words) place.textContent = words.replace("{n}", n);
    });
  }
  document.addEventListener("change", count);
  count();

  // <button data-copy="#id" data-done="Copied" hidden> appears where copying can work.
  each("[data-copy]", function (button) {
    if (!navigator.clipboard) return;
    button.hidden = false;
    button.addEventListener("click", function () {
      var from = document.querySelector(button.dataset.copy);
      navigator.clipboard.writeText((from.value || from.textContent).trim()).then(function () {
        button.textContent = button.dataset.done;
      }, function () { getSelection().selectAllChildren(from); });
    });
  });

  // Inside a frame of the EHR: offer the window.
  if (top !== self) each("[data-when-framed]", function (hint) { hint.hidden = false; });

  // <x data-poll> on a page: fetch it again every 3 s and put the new [data-live] regions in place of the old.
  function poll() {
    if (!document.querySelector("[data-poll]")) return;
    setTimeout(function () {
      fetch(location.href, { credentials: "same-origin", cache: "no-store" }).then(function (answer) {
        if (answer.redirected) { location.replace(answer.url); return ""; }
        return answer.ok ? answer.text() : "";
      }).then(function (text) {
        if (!text) return poll();
        var fresh = new DOMParser().parseFromString(text, "text/html").querySelectorAll("[data-live]");
        if (!fresh.length) { location.reload(); return; }
        each("[data-live]", function (old, i) {
          if (fresh[i] && fresh[i].innerHTML !== old.innerHTML) old.replaceWith(fresh[i]);
        });
        poll();
      }).catch(poll);
    }, 3000);
  }
  poll();
})();
