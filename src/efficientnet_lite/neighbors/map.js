"use strict";
(() => {
  const $ = id => document.getElementById(id);
  const facts = JSON.parse($("data").textContent);
  const thumbnails = $("thumbnails").textContent;
  const COLORS = 12, NONE = 65535;
  const SHAPES = ["circle", "square", "triangle", "diamond", "cross"];  // with twelve colors sixty signs
  const MOST_LISTED = 300, FEW_MOVING = 20000, FINGER_PX = 16, POINTER_PX = 10, PAD_PX = 26, CELL_PX = 58;
  const MOST_ZOOM = 200;

  function numbers(text, Kind) {
    const raw = atob(text), bytes = new Uint8Array(raw.length);
    for (let at = 0; at < raw.length; at++) bytes[at] = raw.charCodeAt(at);
    return new Kind(bytes.buffer);  // little-endian, as every browser's machine is
  }
  const xs = numbers(facts.x, Uint16Array), ys = numbers(facts.y, Uint16Array), count = xs.length;
  const pictures = facts.picture ? numbers(facts.picture, Uint32Array) : null;
  const starts = facts.starts ? numbers(facts.starts, Uint32Array) : null;
  for (const group of facts.groups) group.codes = numbers(group.codes, Uint16Array);
  let group = facts.groups[0] || null;
  let lowered = null;

  // Points in an order without meaning, the same every time: no class lies on top of the others.
  const order = new Uint32Array(count).map((_, at) => at);
  for (let at = count - 1, seed = 7; at > 0; at--) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const other = Math.floor(seed / 4294967296 * (at + 1)), kept = order[at];
    order[at] = order[other]; order[other] = kept;
  }

  const canvas = $("canvas"), card = $("card"), screen = canvas.getContext("2d", { alpha: false });
  const layer = document.createElement("canvas"), pen = layer.getContext("2d", { alpha: false });  // without what is pointed at
  const view = { zoom: 1, x: 0, y: 0 };  // x, y: where the middle of the map lies on the screen, from its middle
  let width = 1, height = 1, ratio = 1, colors = [], signs = new Map();
  let hidden = null;  // by code, whether it is switched off
  let alone = -1;  // the code that is pointed at in the list
  let matches = null, matching = [], turn = -1;
  let over = -1, kept = -1, moving = 0, asked = false, isStale = true;

  // One of both directions fills its 65536 steps, and both have the same scale; the other is as wide as it is.
  const extent = of => of.reduce(([low, high], each) => [Math.min(low, each), Math.max(high, each)], [65535, 0]);
  const [wide, high] = [extent(xs), extent(ys)].map(([low, high]) => Math.max(high - low, 1) / 65535);
  let scale = 1;  // pixels of all 65536 steps
  const left = at => width / 2 + view.x + (xs[at] / 65535 - .5) * scale;
  const top = at => height / 2 + view.y + (ys[at] / 65535 - .5) * scale;
  function rescale() {
    scale = view.zoom * Math.max(1, Math.min((width - 2 * PAD_PX) / wide, (height - 2 * PAD_PX) / high));
    size = Math.min(6, Math.max(1.4, 4.6 * Math.pow(2000 / count, .25) * Math.sqrt(Math.min(width, height) / 640)));
    size = Math.min(11, size * Math.min(2.4, Math.pow(Math.max(view.zoom, .8), .3)));
    signs = new Map();
  }
  let size = 1;  // of a sign, pixels from its middle
  const codeOf = at => group ? group.codes[at] : NONE;
  const isShown = at => !hidden || !hidden[codeOf(at)];
  const isFaint = at => (matches !== null && !matches[at]) || (alone >= 0 && codeOf(at) !== alone);

  function outline(pen, shape, x, y, r) {
    pen.beginPath();
    if (shape === "circle") pen.arc(x, y, r, 0, 7);
    else if (shape === "square") pen.rect(x - .88 * r, y - .88 * r, 1.76 * r, 1.76 * r);
    else if (shape === "triangle") { pen.moveTo(x, y - 1.2 * r); pen.lineTo(x + 1.12 * r, y + .8 * r); pen.lineTo(x - 1.12 * r, y + .8 * r); }
    else if (shape === "diamond") { pen.moveTo(x, y - 1.25 * r); pen.lineTo(x + 1.25 * r, y); pen.lineTo(x, y + 1.25 * r); pen.lineTo(x - 1.25 * r, y); }
    else {
      const a = .42 * r, b = 1.15 * r;
      for (const [dx, dy] of [[-a, -b], [a, -b], [a, -a], [b, -a], [b, a], [a, a], [a, b], [-a, b], [-a, a], [-b, a], [-b, -a], [-a, -a]]) pen.lineTo(x + dx, y + dy);
    }
    pen.closePath();
  }
  const colorOf = code => code === NONE ? colors[COLORS] : colors[code % COLORS];
  const shapeOf = code => code === NONE ? "circle" : SHAPES[code % SHAPES.length];

  // What one sign looks like, drawn once for each size.
  function sign(code) {
    const key = code === NONE ? -1 : code % (COLORS * SHAPES.length);
    let made = signs.get(key);
    if (!made) {
      const r = size * ratio, half = Math.ceil(1.3 * r + ratio);
      made = document.createElement("canvas");
      made.width = made.height = 2 * half;
      const inner = made.getContext("2d");
      outline(inner, shapeOf(code), half, half, r);
      inner.fillStyle = colorOf(code);
      inner.fill();
      if (size > 2.4) { inner.lineWidth = .8 * ratio; inner.strokeStyle = colors[COLORS + 1]; inner.stroke(); }
      signs.set(key, made);
    }
    return made;
  }

  const images = new Map();
  function address(at) {
    const place = pictures ? pictures[at] : 0;
    return place ? "data:image/webp;base64," + thumbnails.slice(starts[place - 1], starts[place]) : null;
  }
  function imageOf(at) {
    const place = pictures[at];
    let image = images.get(place);
    if (!image) {
      image = new Image();
      image.onload = draw;
      image.src = address(at);
    } else images.delete(place);
    images.set(place, image);  // the last used stand last
    if (images.size > 600) images.delete(images.keys().next().value);
    return image;
  }

  function draw() {
    isStale = true;
    drawOver();
  }
  function drawOver() {
    if (!asked) { asked = true; requestAnimationFrame(() => { asked = false; paint(); }); }
  }
  function paint() {
    if (isStale) paintLayer();
    isStale = false;
    screen.setTransform(1, 0, 0, 1, 0, 0);
    screen.drawImage(layer, 0, 0);
    screen.setTransform(ratio, 0, 0, ratio, 0, 0);
    for (const at of new Set([kept, over])) if (at >= 0) ring(screen, at);
  }
  function paintLayer() {
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.fillStyle = colors[COLORS + 1];
    pen.fillRect(0, 0, layer.width, layer.height);
    const drawn = moving ? Math.min(count, FEW_MOVING) : count, margin = 12;
    for (const faint of [true, false]) {
      if (faint && matches === null && alone < 0) continue;
      pen.globalAlpha = faint ? .13 : 1;
      for (let at = 0; at < drawn; at++) {
        const point = order[at];
        if (!isShown(point) || isFaint(point) !== faint) continue;
        const x = left(point), y = top(point);
        if (x < -margin || y < -margin || x > width + margin || y > height + margin) continue;
        const drawnSign = sign(codeOf(point));
        pen.drawImage(drawnSign, Math.round(x * ratio - drawnSign.width / 2), Math.round(y * ratio - drawnSign.height / 2));
      }
    }
    pen.globalAlpha = 1;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    if ($("pictures")?.checked) paintPictures();
  }

  // Pictures at points, none on another: those first in the order, and of the others what has room.
  function paintPictures() {
    const taken = new Map(), margin = CELL_PX;
    const cell = (x, y) => Math.floor(x / CELL_PX) * 65536 + Math.floor(y / CELL_PX);
    for (let at = 0; at < count; at++) {
      const point = order[at];
      if (!pictures[point] || !isShown(point) || isFaint(point)) continue;
      const x = left(point), y = top(point);
      if (x < -margin || y < -margin || x > width + margin || y > height + margin) continue;
      let free = true;
      for (let dx = -1; dx <= 1 && free; dx++) for (let dy = -1; dy <= 1 && free; dy++) {
        const near = taken.get(cell(x + dx * CELL_PX, y + dy * CELL_PX));
        if (near) for (const [nx, ny] of near) if (Math.abs(nx - x) < CELL_PX && Math.abs(ny - y) < CELL_PX) free = false;
      }
      if (!free) continue;
      const key = cell(x, y);
      if (!taken.has(key)) taken.set(key, []);
      taken.get(key).push([x, y]);
      const image = imageOf(point);
      if (!image.complete || !image.naturalWidth) continue;
      const scale = (CELL_PX - 8) / Math.max(image.naturalWidth, image.naturalHeight);
      const w = image.naturalWidth * scale, h = image.naturalHeight * scale;
      pen.fillStyle = colorOf(codeOf(point));
      pen.fillRect(x - w / 2 - 2.5, y - h / 2 - 2.5, w + 5, h + 5);
      pen.drawImage(image, x - w / 2, y - h / 2, w, h);
    }
  }
  function ring(pen, at) {
    const r = size + 4, x = left(at), y = top(at), code = codeOf(at);
    outline(pen, shapeOf(code), x, y, r - 2);
    pen.fillStyle = colorOf(code); pen.fill();
    pen.beginPath(); pen.arc(x, y, r + 2.5, 0, 7);
    pen.lineWidth = 4.5; pen.strokeStyle = colors[COLORS + 1]; pen.stroke();
    pen.lineWidth = 2.2; pen.strokeStyle = colors[COLORS + 2]; pen.stroke();
  }

  function nearest(x, y, reach) {
    let best = -1, least = reach * reach;
    for (let at = 0; at < count; at++) {
      const dx = left(at) - x, dy = top(at) - y, far = dx * dx + dy * dy;
      if (far < least && isShown(at) && !isFaint(at)) { least = far; best = at; }
    }
    return best;
  }

  // ------------------------------------------------------------------ the photo under the pointer
  function told(at) {
    return (group && codeOf(at) !== NONE ? group.names[codeOf(at)] + ", " : "") + facts.names[at];
  }
  function show() {
    const at = kept >= 0 ? kept : over;
    canvas.classList.toggle("over", over >= 0);
    card.hidden = at < 0;
    card.classList.toggle("kept", kept >= 0);
    if (at >= 0) {
      if (card.dataset.at !== String(at)) {
        card.dataset.at = at;
        card.scrollTop = 0;
        const source = address(at);
        $("picture").hidden = !source;
        if (source) { $("picture").src = source; $("picture").alt = told(at).slice(0, 200); }
        $("bare").hidden = !!source || !facts.picture;
        $("bare").textContent = "The photo is gone, or was changed.";
        $("what").parentElement.hidden = !group;
        if (group) $("what").textContent = codeOf(at) === NONE ? "none" : group.names[codeOf(at)];
        $("sign").replaceChildren(...(group ? [drawnSign(codeOf(at))] : []));
        $("path").textContent = facts.names[at];
      }
      place(at);
    }
    drawOver();
  }
  function place(at) {
    const x = left(at), y = top(at), w = card.offsetWidth, h = card.offsetHeight, gap = 16;
    const isRight = x + gap + w <= width - 4 || x < width / 2;
    const cx = Math.min(Math.max(4, isRight ? x + gap : x - gap - w), width - w - 4);
    let cy = Math.min(Math.max(4, y - h / 2), Math.max(4, height - h - 4));
    if (Math.abs(cx + w / 2 - x) < w / 2 + 6) cy = y > height / 2 ? Math.max(4, y - h - gap) : Math.min(y + gap, height - h - 4);
    if (width < 480) cy = y > height / 2 ? 4 : height - h - 4;  // of a phone's map the half without the photo
    card.style.transform = `translate(${Math.round(cx)}px, ${Math.round(cy)}px)`;
  }
  function keep(at, isSaid = true) {
    kept = at; over = -1;
    if (isSaid) $("said").textContent = at >= 0 ? told(at) : "";
    show();
  }

  // ------------------------------------------------------------------ moving
  let rest = 0;
  function moved() {
    moving = count > FEW_MOVING ? 1 : 0;
    clearTimeout(rest);
    rest = setTimeout(() => { moving = 0; draw(); }, 120);
    const farX = scale * wide / 2 + width / 2 - 60, farY = scale * high / 2 + height / 2 - 60;
    view.x = Math.min(Math.max(view.x, -farX), farX);
    view.y = Math.min(Math.max(view.y, -farY), farY);
    draw();
    show();
  }
  function zoomAt(factor, x = width / 2, y = height / 2) {
    const zoom = Math.min(MOST_ZOOM, Math.max(.5, view.zoom * factor)), by = zoom / view.zoom;
    view.x = (x - width / 2) * (1 - by) + view.x * by;
    view.y = (y - height / 2) * (1 - by) + view.y * by;
    view.zoom = zoom;
    rescale();
    moved();
  }
  function showAll() {
    view.zoom = 1; view.x = view.y = 0;
    rescale();
    moved();
  }
  function bring(at) {
    const x = left(at), y = top(at), edge = 40;
    if (x < edge || y < edge || x > width - edge || y > height - edge) {
      view.x += width / 2 - x; view.y += height / 2 - y;
      moved();
    }
  }
  function next(dx, dy) {
    const from = kept >= 0 ? kept : nearest(width / 2, height / 2, Infinity);
    if (from < 0) return;
    if (kept < 0) { bring(from); keep(from); return; }
    let best = -1, least = Infinity;
    for (let at = 0; at < count; at++) {
      if (at === from || !isShown(at) || isFaint(at)) continue;
      const x = left(at) - left(from), y = top(at) - top(from);
      const along = x * dx + y * dy, aside = Math.abs(x * dy) + Math.abs(y * dx);
      if (along > 0 && aside <= along && along + aside < least) { least = along + aside; best = at; }
    }
    if (best >= 0) { bring(best); keep(best); }
  }

  const fingers = new Map();
  let began = null;
  const spot = event => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  canvas.addEventListener("pointerdown", event => {
    if (event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, spot(event));
    began = fingers.size === 1 ? { at: spot(event), far: false } : null;
  });
  canvas.addEventListener("pointermove", event => {
    const [x, y] = spot(event), was = fingers.get(event.pointerId);
    if (!was) {
      if (event.pointerType !== "touch") { over = nearest(x, y, POINTER_PX + size); show(); }
      return;
    }
    if (fingers.size === 1) {
      if (began && Math.hypot(x - began.at[0], y - began.at[1]) > 5) began.far = true;
      if (!began || began.far) {
        canvas.classList.add("held");
        view.x += x - was[0]; view.y += y - was[1];
        over = -1;
        moved();
      }
      if (!began || began.far) fingers.set(event.pointerId, [x, y]);
    } else {
      const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
      const before = Math.hypot(was[0] - other[0], was[1] - other[1]), after = Math.hypot(x - other[0], y - other[1]);
      view.x += (x - was[0]) / 2; view.y += (y - was[1]) / 2;
      fingers.set(event.pointerId, [x, y]);
      zoomAt(before > 1 ? after / before : 1, (x + other[0]) / 2, (y + other[1]) / 2);
    }
  });
  function lifted(event) {
    if (event.type === "pointerup" && began && !began.far && fingers.size === 1) {
      keep(nearest(...spot(event), (event.pointerType === "touch" ? FINGER_PX : POINTER_PX) + size));
    }
    fingers.delete(event.pointerId);
    if (!fingers.size) canvas.classList.remove("held");
    began = null;
  }
  canvas.addEventListener("pointerup", lifted);
  canvas.addEventListener("pointercancel", lifted);
  canvas.addEventListener("pointerleave", () => { over = -1; show(); });
  canvas.addEventListener("wheel", event => {
    event.preventDefault();
    zoomAt(Math.exp(-event.deltaY * (event.deltaMode === 1 ? .05 : event.ctrlKey ? .01 : .0018)), ...spot(event));
  }, { passive: false });
  canvas.addEventListener("dblclick", event => zoomAt(2, ...spot(event)));
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", event => {
    const arrow = ARROWS[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (arrow && event.shiftKey) next(...arrow);
    else if (arrow) { view.x -= 60 * arrow[0]; view.y -= 60 * arrow[1]; moved(); }
    else if (event.key === "+" || event.key === "=") zoomAt(1.4);
    else if (event.key === "-" || event.key === "_") zoomAt(1 / 1.4);
    else if (event.key === "0") showAll();
    else if (event.key === "Enter") next(1, 0);
    else return;
    event.preventDefault();
  });
  document.addEventListener("keydown", event => { if (event.key === "Escape") keep(-1); });
  $("in").onclick = () => zoomAt(1.6);
  $("out").onclick = () => zoomAt(1 / 1.6);
  $("all").onclick = showAll;

  // ------------------------------------------------------------------ what is looked for
  function find() {
    const wanted = $("find").value.trim().toLowerCase();
    lowered ??= facts.names.map(name => name.toLowerCase());
    matching = []; turn = -1; matches = null;
    if (wanted) {
      const classes = group ? group.names.map(name => name.toLowerCase().includes(wanted)) : [];
      matches = new Uint8Array(count);
      for (let at = 0; at < count; at++) {
        if (lowered[at].includes(wanted) || (codeOf(at) !== NONE && classes[codeOf(at)])) { matches[at] = 1; matching.push(at); }
      }
    }
    const many = matching.length.toLocaleString("en");
    $("found").textContent = wanted ? `${many} of ${count.toLocaleString("en")}${matching.length ? ", Enter shows one after another" : ""}` : "";
    if (kept >= 0 && matches && !matches[kept]) keep(-1, false);
    draw();
  }
  $("find").addEventListener("input", find);
  $("find").addEventListener("keydown", event => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    for (let tried = 0; tried < matching.length; tried++) {
      turn = (turn + (event.shiftKey ? -1 : 1) + matching.length) % matching.length;
      if (isShown(matching[turn])) { bring(matching[turn]); keep(matching[turn]); return; }
    }
  });
  if ($("pictures")) $("pictures").onchange = draw;

  // ------------------------------------------------------------------ the classes
  const SVG = "http://www.w3.org/2000/svg";
  const PATHS = {
    circle: "M8 2.6a5.4 5.4 0 1 0 .01 0z", square: "M3 3h10v10H3z", triangle: "M8 1.6l6.2 11.4H1.8z",
    diamond: "M8 1l7 7-7 7-7-7z", cross: "M5.8 1.6h4.4v4.2h4.2v4.4h-4.2v4.2H5.8v-4.2H1.6V5.8h4.2z",
  };
  function drawnSign(code) {
    const svg = document.createElementNS(SVG, "svg"), path = document.createElementNS(SVG, "path");
    svg.setAttribute("viewBox", "0 0 16 16");
    svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", PATHS[shapeOf(code)]);
    path.style.fill = code === NONE ? "var(--none)" : `var(--${code % COLORS})`;
    svg.append(path);
    return svg;
  }
  function element(tag, kind, ...inner) {
    const made = document.createElement(tag);
    if (kind) made.className = kind;
    made.append(...inner);
    return made;
  }
  function item(code) {
    const name = code === NONE ? "none" : group.names[code], many = code === NONE ? group.without : group.counts[code];
    const box = element("input"), only = element("button", "", "only");
    box.type = "checkbox"; box.checked = !hidden[code];
    only.type = "button"; only.setAttribute("aria-label", `only ${name}`.slice(0, 200));
    const line = element("li", hidden[code] ? "off" : "", element("label", "", box, element("span", "sign", drawnSign(code)), element("bdi", "", name), element("span", "count", many.toLocaleString("en"))), only);
    line.title = name;
    box.onchange = () => { hidden[code] = box.checked ? 0 : 1; line.classList.toggle("off", !box.checked); switched(); };
    only.onclick = () => { hidden.fill(1); hidden[code] = 0; alone = -1; list(); switched(); $("list").querySelector(`[data-code="${code}"] button`)?.focus(); };
    line.dataset.code = code;
    const point = () => { alone = hidden[code] ? -1 : code; draw(); }, leave = () => { alone = -1; draw(); };
    for (const [kind, act] of [["pointerenter", point], ["focusin", point], ["pointerleave", leave], ["focusout", leave]]) line.addEventListener(kind, act);
    return line;
  }
  function switched() {
    if (kept >= 0 && !isShown(kept)) keep(-1, false);
    draw();
  }
  function list() {
    const wanted = $("narrow").value.trim().toLowerCase();
    const codes = group.names.map((_, code) => code).filter(code => group.names[code].toLowerCase().includes(wanted));
    const first = codes.slice(0, MOST_LISTED);
    if (group.without && !wanted) first.push(NONE);
    $("list").replaceChildren(...first.map(item));
    $("more").hidden = codes.length <= MOST_LISTED;
    $("more").textContent = `and ${(codes.length - MOST_LISTED).toLocaleString("en")} more: find them by name`;
  }
  function choose(number) {
    group = facts.groups[number];
    group.without ??= group.codes.reduce((sum, code) => sum + (code === NONE), 0);
    hidden = new Uint8Array(NONE + 1);
    alone = -1;
    delete card.dataset.at;
    $("kind").textContent = number || group.kind !== "class" ? "Parts" : `${group.names.length.toLocaleString("en")} ${group.names.length === 1 ? "class" : "classes"}`;
    $("narrow").hidden = group.names.length <= 24;
    $("narrow").value = "";
    list();
    draw();
    show();
  }
  const all = off => () => { hidden.fill(off); list(); switched(); };
  if (group) {
    $("every").onclick = all(0);
    $("none").onclick = all(1);
    $("narrow").oninput = list;
    if ($("by")) $("by").onchange = () => choose(Number($("by").value));
  }

  // ------------------------------------------------------------------ size and light
  function dress() {
    const style = getComputedStyle(document.documentElement), names = [...Array(COLORS).keys(), "none", "paper", "ink"];
    colors = names.map(name => style.getPropertyValue(`--${name}`).trim());
    signs = new Map();
    draw();
  }
  function fit() {
    const was = scale, box = $("map");
    if (box.clientWidth === width && box.clientHeight === height && ratio === (window.devicePixelRatio || 1)) return;
    width = box.clientWidth; height = box.clientHeight; ratio = window.devicePixelRatio || 1;
    canvas.width = layer.width = Math.round(width * ratio); canvas.height = layer.height = Math.round(height * ratio);
    rescale();
    view.x *= scale / was; view.y *= scale / was;
    draw();
    show();
    paint();  // at once: a canvas of another size is black until it is drawn on
  }
  dress();
  if (group) choose(0);
  fit();
  new ResizeObserver(fit).observe($("map"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", dress);
})();
