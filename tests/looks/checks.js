/* What axe does not see, measured in the page (WCAG 2.2 AA, and our own rules). Each check returns sentences; an empty list
   is a page without fault. `asked`: {least: px that a button must have, speech: 'en' or 'es'}. */
(asked) => {
  const all = selector => [...document.querySelectorAll(selector)];
  const name = one => {
    const words = (one.innerText || one.getAttribute('aria-label') || one.name || one.id || '').trim().replace(/\s+/g, ' ');
    return `${one.tagName.toLowerCase()}${one.className && one.className.baseVal === undefined ? '.' + String(one.className).split(' ').join('.') : ''} "${words.slice(0, 40)}"`;
  };
  const seen = one => {
    const box = one.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && one.checkVisibility({ visibilityProperty: true }) && !one.closest('.ec-hidden')
      && !one.closest('.ec-skip');
  };
  // ------------------------------------------------------------------------------------------------------- colors
  const parts = text => {
    const found = text.match(/rgba?\(([^)]+)\)/);
    const [r, g, b, a = 1] = found ? found[1].split(/[\s,/]+/).filter(Boolean).map(Number) : [0, 0, 0, 0];
    return { r, g, b, a };
  };
  const over = (top, below) => ({
    r: top.r * top.a + below.r * (1 - top.a), g: top.g * top.a + below.g * (1 - top.a), b: top.b * top.a + below.b * (1 - top.a), a: 1,
  });
  const ground = one => {
    const layers = [];
    for (let each = one; each; each = each.parentElement) layers.push(parts(getComputedStyle(each).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), { r: 255, g: 255, b: 255, a: 1 });
  };
  const light = color => {
    const [r, g, b] = [color.r, color.g, color.b].map(value => value / 255).map(
      part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const FIELDS = 'input:not([type=hidden]):not([type=submit]):not([type=button]):not(:disabled), select:not(:disabled), textarea:not(:disabled)';
  const native = one => ['checkbox', 'radio', 'file', 'color', 'range'].includes(one.type) && getComputedStyle(one).appearance !== 'none';
  const borders = () => all(FIELDS).filter(seen).filter(one => !native(one)).flatMap(one => {
    const style = getComputedStyle(one), outside = ground(one.parentElement), inside = ground(one);
    const sides = ['Top', 'Right', 'Bottom', 'Left'].filter(side => {
      const wide = parseFloat(style[`border${side}Width`]) >= 1 && style[`border${side}Style`] !== 'none';
      return !wide || contrast(over(parts(style[`border${side}Color`]), outside), outside) < 3;
    });
    return sides.length && contrast(inside, outside) < 3 ? [`border below 3:1: ${name(one)}`] : [];
  });
  // ------------------------------------------------------------------------------------------------------ targets
  const inSentence = one => {
    if (getComputedStyle(one).display !== 'inline') return false;
    const around = one.closest('p, li, td, dd, label, span, small') || one.parentElement;
    return around.innerText.trim().length > one.innerText.trim().length + 2;
  };
  const target = one => {
    const boxes = [one.getBoundingClientRect(), ...[...(one.labels || [])].filter(seen).map(label => label.getBoundingClientRect())];
    return { width: Math.max(...boxes.map(box => box.width)), height: Math.max(...boxes.map(box => box.height)) };
  };
  const MAIN = '.ec-button, .ec-choice, .ec-input, .ec-select, .ec-area, summary, .ec-head a';
  const targets = () => all('a[href], button, summary, input:not([type=hidden]):not(:disabled), select, textarea').filter(seen).flatMap(one => {
    if (one.tagName === 'A' && inSentence(one)) return [];
    const box = target(one), least = one.matches(MAIN) ? asked.least : 24;
    if (box.height >= least - 0.5 && box.width >= 23.5) {
      const drawn = one.getBoundingClientRect();
      return ['checkbox', 'radio'].includes(one.type) && Math.min(drawn.width, drawn.height) < 23.5 && !native(one)
        ? [`box below 24 px: ${name(one)}`] : [];
    }
    return [`target ${Math.round(box.width)}x${Math.round(box.height)} px, below ${least}: ${name(one)}`];
  });
  // ------------------------------------------------------------------------------------------------------- reflow
  const sideways = () => {
    const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    const found = all('body *').filter(seen).filter(one => !one.closest('.ec-scroll'))
      .filter(one => one.getBoundingClientRect().right > innerWidth + 1).slice(0, 3).map(name);
    return wide > 0 || found.length ? [`${wide} px too wide at ${innerWidth} px: ${found.join(', ')}`] : [];
  };
  // -------------------------------------------------------------------------------------------------------- focus
  const stops = () => all('a[href], button, summary, input:not([type=hidden]), select, textarea, [tabindex="0"]')
    .filter(one => !one.disabled && seen(one) && one.tabIndex >= 0);
  const focus = () => {
    const before = { x: scrollX, y: scrollY, on: document.activeElement };
    const found = stops().flatMap(one => {
      one.focus();
      if (document.activeElement !== one) return [`takes no focus: ${name(one)}`];
      const box = one.getBoundingClientRect(), said = [];
      const hits = [[0.5, 0.5], [0.1, 0.5], [0.9, 0.5], [0.5, 0.2], [0.5, 0.8]].filter(([x, y]) => {
        const top = document.elementFromPoint(box.left + box.width * x, box.top + box.height * y);
        return top && (one.contains(top) || top.contains(one) || [...(one.labels || [])].some(label => label.contains(top)));
      });
      if (!hits.length) said.push(`focus is hidden at ${innerWidth}x${innerHeight}: ${name(one)}`);
      const drawn = [one, ...(one.labels || [])].some(each => {
        const style = getComputedStyle(each);
        return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
      });
      if (!drawn) said.push(`focus is not drawn: ${name(one)}`);
      return said;
    });
    if (before.on) before.on.focus({ preventScroll: true });
    scrollTo(before.x, before.y);
    return found;
  };
  const order = () => all('[tabindex]').filter(one => one.tabIndex > 0).map(one => `tabindex above 0: ${name(one)}`);
  // ------------------------------------------------------------------------------------------------ forced colors
  const forced = () => {
    const canvas = getComputedStyle(document.body).backgroundColor;
    const bare = all('.ec-button, .ec-input, .ec-select, .ec-area, .ec-choice, .ec-notice, .ec-summary').filter(seen).filter(one => {
      const style = getComputedStyle(one);
      return !['Top', 'Left'].some(side => parseFloat(style[`border${side}Width`]) >= 1 && style[`border${side}Style`] !== 'none'
        && style[`border${side}Color`] !== canvas);
    });
    const flat = all('input[type=checkbox], input[type=radio]').filter(seen).filter(one => getComputedStyle(one).appearance === 'none'
      && getComputedStyle(one).forcedColorAdjust !== 'none');
    return [...bare.map(one => `no border in forced colors: ${name(one)}`),
      ...flat.map(one => `its tick is lost in forced colors: ${name(one)}`)];
  };
  // -------------------------------------------------------------------------------------------------------- words
  const words = () => {
    const found = [], summary = all('.ec-summary, .ec-notice--bad[role=alert][data-focus]').filter(seen)[0], wrong = /^Error:/.test(document.title);
    if (asked.speech && document.documentElement.lang !== asked.speech) found.push(`lang is ${document.documentElement.lang}`);
    if (!document.title.trim()) found.push('no title');
    if (summary && !wrong) found.push(`title does not begin with "Error:" (${document.title})`);
    if (!summary && wrong) found.push(`title says "Error:" without one (${document.title})`);
    if (summary && !summary.contains(document.activeElement)) found.push('the focus is not on the error summary');
    all('a[href^="#"]').filter(one => one.hash.length > 1 && !document.getElementById(one.hash.slice(1)))
      .forEach(one => found.push(`leads nowhere: ${one.hash}`));
    all('[aria-describedby], [aria-labelledby]').forEach(one => ['aria-describedby', 'aria-labelledby'].forEach(kind =>
      (one.getAttribute(kind) || '').split(' ').filter(id => id && !document.getElementById(id))
        .forEach(id => found.push(`${kind} names nothing: ${id}`))));
    if (all('h1').filter(seen).length !== 1) found.push(`${all('h1').filter(seen).length} headings of the first level`);
    return found;
  };
  // ------------------------------------------------------------------------------------------------- third parties
  const elsewhere = () => performance.getEntriesByType('resource').map(each => each.name)
    .filter(url => /^https?:/.test(url) && new URL(url).origin !== location.origin).map(url => `asks a third party: ${new URL(url).origin}`);
  const checks = { borders, targets, sideways, focus, order, forced, words, elsewhere };
  return asked.what.flatMap(what => checks[what]());
}
