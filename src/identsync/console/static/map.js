// The map of page "Карта": MapLibre over the page's own data. Nothing is asked of any other computer but tiles, where opted in.
"use strict";

(() => {
const MICRO = 1e6;
const NEAR = 14;  // from this zoom on single houses, for those who may see them
const NAMES = 11.2;
const MARGIN = 0.6;  // of the view's size that is loaded around it
const POLL = 5000;
const OPTIONAL = { picked: ["picked"], pin: ["pin"], town: ["town-fill", "town-line"], houses: ["house", "house-count"] };
const OPACITY = 0.85;
const PALETTE = ["map-1", "map-2", "map-3", "map-4", "map-5", "map-6"];
const LESS = ["map-less-1", "map-less-2", "map-less-3"];
const MORE = ["map-more-1", "map-more-2", "map-more-3"];
const EMPTY = { type: "FeatureCollection", features: [] };
let shown = null;  // the map on this page, if its part is open

const token_ = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const language = () => document.documentElement.lang;
const digits = (n, most = 0) => n.toLocaleString(language(), { maximumFractionDigits: most });
const feature = (geometry, properties = {}, id) => ({ type: "Feature", id, geometry, properties });
const collection = (features) => ({ type: "FeatureCollection", features });
const put = (tag, text, className = "") => Object.assign(document.createElement(tag), { textContent: text, className });

// Latitudes and longitudes by turns, as the server writes them, to what GeoJSON wants.
function pairs(flat) {
  const points = [];
  for (let at = 0; at < flat.length; at += 2) points.push([flat[at + 1] / MICRO, flat[at] / MICRO]);
  return points;
}

// A little smaller: the ground between two hexagons is their border, which costs less than drawing lines.
function drawnIn(points, share) {
  const [x, y] = [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
  return points.map((point) => [x + (point[0] - x) * share, y + (point[1] - y) * share]);
}

function circle(latitude, longitude, metres) {
  const up = metres / 111320;
  const points = [];
  for (let at = 0; at <= 72; at++) {
    const angle = (at * Math.PI) / 36;
    points.push([longitude + (up / Math.cos((latitude * Math.PI) / 180)) * Math.sin(angle), latitude + up * Math.cos(angle)]);
  }
  return points;
}

class CityMap {
  constructor(box) {
    this.box = box;
    this.frame = JSON.parse(box.dataset.frame);
    this.say = JSON.parse(box.dataset.say);
    this.pinning = this.frame.mode === "pin";
    this.cells = null;
    this.asked = "";
    this.focus = this.frame.home[0] || 0;
    this.colours = this.read();
    try {
      this.map = this.open();
    } catch {
      return this.apologise();
    }
    this.map.once("style.load", () => this.build());
    this.map.on("moveend", () => this.load());
    this.map.on("idle", () => { this.box.dataset.idle = this.cells || this.pinning ? this.map.getZoom().toFixed(2) : ""; });
    this.map.on("movestart", () => { this.box.dataset.idle = ""; });
    this.load(true);  // what comes before the style is there waits in this.data
    this.map.on("styleimagemissing", (event) => this.write(event.id));
    this.map.on("error", (event) => { if (!/tile|Failed to fetch|AJAX/i.test(String(event.error))) console.error(String(event.error)); });
  }

  open() {
    const [, latitude, longitude] = this.frame.pin ? [0, ...this.frame.pin] : this.frame.home.length ? this.frame.home : [0, 55.75 * MICRO, 60 * MICRO];
    const map = new maplibregl.Map({
      container: this.box,
      style: this.style(),
      center: [longitude / MICRO, latitude / MICRO],
      zoom: this.frame.pin ? 16 : this.frame.home.length ? (this.pinning ? 11.5 : 11.9) : 3,
      minZoom: 2, maxZoom: 18, fadeDuration: 0, attributionControl: false, dragRotate: false, pitchWithRotate: false, touchPitch: false,
      renderWorldCopies: false, refreshExpiredTiles: false,
      locale: { "NavigationControl.ZoomIn": this.say.zoom_in, "NavigationControl.ZoomOut": this.say.zoom_out, "ScaleControl.Meters": this.say.m, "ScaleControl.Kilometers": this.say.km },
    });
    map.touchZoomRotate.disableRotation();
    map.keyboard.disableRotation();
    map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
    map.addControl(new maplibregl.ScaleControl({ maxWidth: 120 }), "bottom-left");
    const credits = [this.box.dataset.osm === "1" || this.frame.tiles || this.frame.file ? this.say.osm : ""].filter(Boolean);
    if (credits.length) map.addControl(new maplibregl.AttributionControl({ compact: false, customAttribution: credits }), "bottom-right");
    return map;
  }

  apologise() {
    this.box.replaceChildren(put("p", this.say.no_gl, "empty"));
  }

  read() {
    const names = [...PALETTE, ...LESS, ...MORE, "map-same", "map-ground", "map-street", "map-edge", "map-name", "map-halo", "map-branch", "map-ring", "ink", "card", "accent", "muted"];
    return Object.fromEntries(names.map((name) => [name, token_(name)]));
  }

  // -- the style: a calm ground, streets, cells, rings, branches, houses ---------------------------------------------------

  style() {
    const c = this.colours;
    const sources = Object.fromEntries(["streets", "cells", "branches", "picked", "pin", "town"].map((id) => [id, { type: "geojson", data: EMPTY, tolerance: 0.2 }]));
    sources.houses = { type: "geojson", data: EMPTY, cluster: true, clusterRadius: 44, clusterMaxZoom: 16, clusterProperties: { people: ["+", ["get", "people"]] } };
    if (this.frame.tiles) sources.tiles = { type: "raster", tiles: [this.frame.tiles], tileSize: 256, maxzoom: 19 };
    const round = { "line-cap": "round", "line-join": "round" };
    const layers = [
      { id: "ground", type: "background", paint: { "background-color": c["map-ground"] } },
      ...(this.frame.tiles ? [{ id: "tiles", type: "raster", source: "tiles", paint: { "raster-saturation": -0.7, "raster-opacity": 0.75 } }] : []),
      { id: "town-fill", type: "fill", source: "town", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": c["map-edge"], "fill-opacity": 0.7 } },
      { id: "town-line", type: "line", source: "town", filter: ["==", ["geometry-type"], "LineString"], layout: round, paint: { "line-color": c["map-street"], "line-width": ["interpolate", ["exponential", 1.6], ["zoom"], 10, 0.6, 18, 14] } },
      { id: "cell", type: "fill", source: "cells", paint: { "fill-color": ["get", "colour"], "fill-opacity": ["interpolate", ["linear"], ["zoom"], NEAR - 0.5, OPACITY, NEAR + 0.5, this.frame.points ? 0.38 : 0.7] } },
      { id: "street", type: "line", source: "streets", paint: { "line-color": c["map-street"], "line-opacity": 0.65, "line-width": ["interpolate", ["exponential", 1.6], ["zoom"], 10, 0.7, 18, 18] } },
      { id: "picked", type: "line", source: "picked", paint: { "line-color": c.ink, "line-width": 2.5 } },
      { id: "ring", type: "line", source: "branches", filter: ["==", ["geometry-type"], "LineString"], paint: { "line-color": c["map-ring"], "line-width": 1.4, "line-dasharray": [3, 3] } },
      { id: "ring-name", type: "symbol", source: "branches", filter: ["==", ["geometry-type"], "LineString"], layout: { "icon-image": ["concat", "s:", ["get", "name"]], "symbol-placement": "line", "symbol-spacing": 900, "icon-rotation-alignment": "viewport", "icon-allow-overlap": true } },
      { id: "street-name", type: "symbol", source: "streets", minzoom: NAMES, filter: ["get", "longest"], layout: { "icon-image": ["concat", "s:", ["get", "name"]], "symbol-placement": "line-center", "icon-rotation-alignment": "map", "icon-keep-upright": true, "icon-padding": 6, "symbol-sort-key": ["-", ["get", "houses"]] } },
      { id: "house", type: "circle", source: "houses", minzoom: NEAR, paint: { "circle-color": c.accent, "circle-stroke-color": c.card, "circle-stroke-width": 1.5, "circle-opacity": 0.9, "circle-radius": ["interpolate", ["linear"], ["sqrt", ["get", "people"]], 1, 4.5, 5, 9, 20, 22] } },
      { id: "house-count", type: "symbol", source: "houses", minzoom: NEAR, filter: [">", ["get", "people"], 4], layout: { "icon-image": ["concat", "n:", ["to-string", ["get", "people"]]], "icon-allow-overlap": true } },
      { id: "branch", type: "circle", source: "branches", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-color": c["map-branch"], "circle-radius": ["case", ["get", "focus"], 8, 6], "circle-stroke-color": c.card, "circle-stroke-width": 2.5 } },
      { id: "branch-name", type: "symbol", source: "branches", minzoom: 8, filter: ["all", ["==", ["geometry-type"], "Point"], ["!=", ["get", "name"], ""]], layout: { "icon-image": ["concat", "b:", ["get", "name"]], "icon-anchor": "bottom", "icon-offset": [0, -10], "symbol-sort-key": ["case", ["get", "focus"], 0, 1] } },
      { id: "pin", type: "circle", source: "pin", paint: { "circle-color": c.accent, "circle-radius": 9, "circle-stroke-color": c.card, "circle-stroke-width": 3 } },
    ];
    const off = new Set(Object.values(OPTIONAL).flat());
    for (const layer of layers) if (off.has(layer.id)) layer.layout = { ...layer.layout, visibility: "none" };
    return { version: 8, sources, layers };
  }

  // Words are pictures drawn with the computer's own fonts: no glyphs to load. 's:' a street, 'b:' a branch, 'n:' a number.
  write(id) {
    if (this.map.hasImage(id)) return;
    const kind = id[0];
    const text = kind === "b" && id.length > 38 ? `${id.slice(2, 36)}…` : id.slice(2);
    if (!text) return;
    const ratio = Math.max(1, Math.round(devicePixelRatio));
    const size = kind === "b" ? 13 : 12;
    const canvas = document.createElement("canvas");
    let pen = canvas.getContext("2d");
    const font = `${kind === "s" ? 500 : 650} ${size * ratio}px ${getComputedStyle(document.body).fontFamily}`;
    pen.font = font;
    canvas.width = Math.ceil(pen.measureText(text).width) + 8 * ratio;
    canvas.height = Math.ceil(size * ratio * 1.5);
    pen = canvas.getContext("2d");
    Object.assign(pen, { font, textBaseline: "middle", textAlign: "center", lineJoin: "round", lineWidth: 3.5 * ratio });
    const [x, y] = [canvas.width / 2, canvas.height / 2 + ratio / 2];
    if (kind !== "n") { pen.strokeStyle = this.colours["map-halo"]; pen.strokeText(text, x, y); }
    pen.fillStyle = kind === "b" ? this.colours.ink : kind === "n" ? this.colours.card : this.colours["map-name"];
    pen.fillText(text, x, y);
    this.map.addImage(id, pen.getImageData(0, 0, canvas.width, canvas.height), { pixelRatio: ratio });
  }

  build() {
    this.restore();
    if (this.frame.file) this.set("town", "/map/town");
    if (this.pinning) this.watchPin();
    else this.watchCells();
  }

  restore() {
    this.ready = true;
    this.drawBranches();
    for (const [id, value] of Object.entries(this.data || {})) this.set(id, value);
  }

  repaint() {
    this.colours = this.read();
    if (!this.ready) return;
    this.ready = false;
    this.map.setStyle(this.style(), { diff: false });
    this.map.once("style.load", () => {
      this.restore();
      if (this.cells) this.drawCells();
      this.setPin(this.pin);
    });
  }

  // A layer of nothing is switched off: each costs a little in every frame.
  set(id, value) {
    this.data = { ...this.data, [id]: value };
    if (!this.ready) return;
    this.map.getSource(id).setData(value);
    const some = value === "/map/town" || value.type === "Feature" || value.features.length > 0;
    for (const layer of OPTIONAL[id] || []) this.map.setLayoutProperty(layer, "visibility", some ? "visible" : "none");
  }

  // -- branches and rings ------------------------------------------------------------------------------------------------

  drawBranches() {
    const { branches, radii } = this.frame;
    const point = ([id, name, latitude, longitude]) => feature({ type: "Point", coordinates: [longitude / MICRO, latitude / MICRO] }, { id, name, focus: id === this.focus });
    const home = branches.find(([id]) => id === this.focus);
    const ring = (metres) => feature({ type: "LineString", coordinates: circle(home[2] / MICRO, home[3] / MICRO, metres) }, { name: `${metres / 1000} ${this.say.km}` });
    this.map.getSource("branches").setData(collection([...branches.map(point), ...(home ? radii.map(ring) : [])]));
  }

  goBranch(id) {
    const branch = this.frame.branches.find((each) => each[0] === id);
    if (!branch) return;
    this.focus = id;
    this.drawBranches();
    this.go(branch[2], branch[3], 11.9);
  }

  go(latitude, longitude, zoom) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const near = this.map.getBounds().contains([longitude / MICRO, latitude / MICRO]);
    const how = { center: [longitude / MICRO, latitude / MICRO], zoom: Math.max(zoom, near ? this.map.getZoom() : 0) };
    if (calm || !near) this.map.jumpTo(how);
    else this.map.easeTo({ ...how, duration: 350 });
  }

  // -- what the view needs ---------------------------------------------------------------------------------------------------

  resolution() {
    const zoom = this.map.getZoom();
    return zoom < 9.3 ? 7 : zoom < 11.5 ? 8 : 9;
  }

  around() {
    const bounds = this.map.getBounds();
    const [south, west, north, east] = [bounds.getSouth(), bounds.getWest(), bounds.getNorth(), bounds.getEast()];
    const [up, right] = [(north - south) * MARGIN, (east - west) * MARGIN];
    return [south - up, west - right, north + up, east + right].map((value) => Math.round(value * MICRO));
  }

  covers(box) {
    if (!box) return false;
    const bounds = this.map.getBounds();
    return box[0] <= bounds.getSouth() * MICRO && box[1] <= bounds.getWest() * MICRO && box[2] >= bounds.getNorth() * MICRO && box[3] >= bounds.getEast() * MICRO;
  }

  query() {
    const query = new URLSearchParams(location.search);
    for (const name of ["tab", "lang", "place", "show", "group"]) query.delete(name);
    return query;
  }

  async load(anew = false) {
    if (anew) this.loaded = {};
    const loads = this.pinning ? [] : [this.loadCells(), this.loadHouses()];
    await Promise.all([...loads, this.loadStreets()]);  // in this order: the console answers one after another
  }

  // Loads /map/<name> unless what is loaded covers the view; an answer that comes after a newer question is left out.
  async fetched(name, key, more = {}) {
    const asked = `${this.query()} ${key}`;
    const last = this.loaded[name];
    if (last && last.asked === asked && this.covers(last.box)) return null;
    const box = this.around();
    const mine = (this.loaded[name] = { asked, box });
    const query = this.query();
    for (const [field, value] of Object.entries({ ...more, box: box.join(",") })) query.set(field, value);
    try {
      const answer = await fetch(`/map/${name}?${query}`);
      if (!answer.ok) throw new Error(answer.status);
      const value = await answer.json();
      return this.loaded[name] === mine ? value : null;
    } catch {
      if (this.loaded[name] === mine) delete this.loaded[name];
      if (name === "cells") this.tell(this.say.failed);
      clearTimeout(this.retry);
      this.retry = setTimeout(() => this.load(), POLL);
      return null;
    }
  }

  async loadStreets() {
    if (this.map.getZoom() < 9.5) return;
    const found = await this.fetched("streets", this.map.getZoom() < 12 ? "far" : "near");
    if (!found) return;
    const line = (part, properties) => feature({ type: "LineString", coordinates: pairs(part) }, properties);
    const longest = (parts) => parts.reduce((a, b) => (b.length > a.length ? b : a), []);
    this.set("streets", collection(found.streets.flatMap(([name, houses, parts]) => parts.map((part) => line(part, { name, houses, longest: part === longest(parts) })))));
  }

  async loadCells() {
    if (!this.cells) this.tell(this.say.wait);
    const found = await this.fetched("cells", this.resolution(), { res: this.resolution() });
    if (!found) return;
    this.cells = found;
    this.drawCells();
  }

  async loadHouses() {
    if (!this.frame.points || this.map.getZoom() < NEAR - 0.3) return;
    const found = await this.fetched("points", "");
    if (!found) return;
    this.set("houses", collection(found.points.map(([latitude, longitude, people, fresh]) => feature({ type: "Point", coordinates: [longitude / MICRO, latitude / MICRO] }, { people, fresh }))));
  }

  // -- cells -----------------------------------------------------------------------------------------------------------------

  value([, people, fresh, kopecks, , before]) {
    const { compared, metric } = this.cells;
    if (compared) return people - before;
    return { share: (100 * people) / Math.max(this.cells.people, 1), new: fresh, revenue: kopecks / 100 }[metric] ?? people;
  }

  colour(value) {
    const bounds = this.cells.breaks;
    const c = this.colours;
    const above = bounds.filter((bound) => bound <= Math.abs(value)).length;
    if (!this.cells.compared) return c[this.palette()[above]];
    if (!value) return c["map-same"];
    return c[(value > 0 ? MORE : LESS)[Math.min(above, 2)]];
  }

  // Few classes take colours from the whole scale.
  palette() {
    const count = this.cells.breaks.length + 1;
    return Array.from({ length: count }, (_one, at) => PALETTE[count === 1 ? 3 : Math.round((at * (PALETTE.length - 1)) / (count - 1))]);
  }

  drawCells() {
    this.near = this.map.getZoom() >= 13;
    const hexagon = (row, at) => {
      const ring = drawnIn(pairs(row[6]), this.near ? 0.99 : 0.97);
      ring.push(ring[0]);
      return feature({ type: "Polygon", coordinates: [ring] }, { at, colour: this.colour(this.value(row)) }, at);
    };
    this.set("cells", collection(this.cells.cells.map(hexagon)));
    this.set("picked", EMPTY);
    this.drawLegend();
    document.dispatchEvent(new CustomEvent("map-drawn"));
  }

  tell(text) {
    document.getElementById("geo-legend")?.replaceChildren(put("p", text));
  }

  name() {
    return this.cells.compared ? this.say.change : this.say[this.cells.metric || "people"];
  }

  amount(value) {
    const metric = this.cells.metric;
    if (!this.cells.compared && metric === "share") return digits(value, 2);
    return digits(Math.round(value));
  }

  // Rows of the legend: [colour, words], from the most to the least.
  classes() {
    const { breaks, compared } = this.cells;
    const c = this.colours;
    if (!compared) {
      const bounds = [0, ...breaks];
      const palette = this.palette();
      const least = this.cells.metric ? 0 : this.cells.least;
      const low = (at) => this.amount(at ? bounds[at] : least);
      const words = (at) => (at + 1 < bounds.length ? `${low(at)} – ${this.amount(bounds[at + 1])}` : `≥ ${low(at)}`);
      return bounds.map((_bound, at) => [c[palette[at]], words(at)]).reverse();
    }
    const steps = [1, ...breaks].slice(0, 3);
    const range = (at, sign) => (at + 1 < steps.length ? `${sign}${this.amount(steps[at])} … ${sign}${this.amount(steps[at + 1])}` : `${sign === "+" ? "≥" : "≤"} ${sign}${this.amount(steps[at])}`);
    const ups = steps.map((_step, at) => [c[MORE[at]], range(at, "+")]).reverse();
    const downs = steps.map((_step, at) => [c[LESS[at]], range(at, "−")]);
    return [...ups, [c["map-same"], "0"], ...downs];
  }

  drawLegend() {
    const legend = document.getElementById("geo-legend");
    if (!legend) return;
    if (!this.cells.cells.length) return this.tell(this.cells.people ? this.notShown() || this.say.nothing : this.say.nothing);
    const list = document.createElement("ul");
    for (const [colour, words] of this.classes()) {
      const row = document.createElement("li");
      const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      const shape = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
      picture.setAttribute("viewBox", "0 0 18 16");
      shape.setAttribute("points", "4.5,0.5 13.5,0.5 17.5,8 13.5,15.5 4.5,15.5 0.5,8");
      shape.setAttribute("fill", colour);
      shape.setAttribute("fill-opacity", OPACITY);
      picture.append(shape);
      row.append(picture, put("span", words));
      list.append(row);
    }
    const notes = [this.notShown(), this.frame.points && this.map.getZoom() < NEAR ? this.say.nearer : ""].filter(Boolean);
    legend.replaceChildren(put("b", this.name()), list, ...notes.map((note) => put("p", note)));
  }

  notShown() {
    return this.cells.hidden ? this.say.hidden.replace("{n}", digits(this.cells.hidden)) : "";
  }

  watchCells() {
    const map = this.map;
    map.on("mousemove", "cell", (event) => this.pick(event.features[0].properties.at));
    map.on("mouseleave", "cell", () => this.pick(null));
    map.on("click", "branch", (event) => this.goBranch(event.features[0].properties.id));
    map.on("click", "house", (event) => {
      if (event.features[0].properties.cluster) map.easeTo({ center: event.lngLat, zoom: map.getZoom() + 1.5, duration: 300 });
    });
    map.on("zoomend", () => {
      if (this.cells && this.near !== map.getZoom() >= 13) this.drawCells();
      else if (this.cells) this.drawLegend();
    });
  }

  pick(at) {
    if (at === this.picked) return;
    this.picked = at;
    const row = at === null ? null : this.cells.cells[at];
    const ring = row ? pairs(row[6]) : [];
    this.set("picked", row ? feature({ type: "LineString", coordinates: [...ring, ring[0]] }) : EMPTY);
    const card = document.getElementById("geo-card");
    card.hidden = !row;
    if (row) card.replaceChildren(...this.facts(row));
  }

  facts([, people, fresh, kopecks, rough, before]) {
    const { compared, least } = this.cells;
    const line = (name, value) => {
      const row = put("div", "");
      row.append(put("span", name), put("span", value));
      return row;
    };
    const number = (n) => (compared && !n ? this.say.under : digits(n));
    const rows = [compared ? put("b", `${people - before > 0 ? "+" : people < before ? "−" : ""}${digits(Math.abs(people - before))}`) : put("b", plural(people, this.say.patients[0]))];
    if (compared) return [...rows, line(this.say.was, number(before)), line(this.say.became, number(people))];
    rows.push(line(this.say.of_all, `${digits((100 * people) / Math.max(this.cells.people, 1), 1)} %`));
    rows.push(line(this.say.fresh, fresh && fresh < least ? this.say.under : digits(fresh)));
    if (kopecks) rows.push(line(this.say.paid, `${digits(Math.round(kopecks / 100))} ₽`));
    if (rough) rows.push(line(this.say.rough, digits(rough)));
    return rows;
  }

  // -- a pin -----------------------------------------------------------------------------------------------------------------

  watchPin() {
    const field = document.getElementById("geo-point");
    this.map.getCanvas().classList.add("geo-aim");
    this.setPin(this.frame.pin);
    this.map.on("click", ({ lngLat }) => {
      this.setPin([lngLat.lat * MICRO, lngLat.lng * MICRO]);
      const typed = document.getElementById("geo-point");
      typed.value = `${lngLat.lat.toFixed(6)}, ${lngLat.lng.toFixed(6)}`;
      typed.dispatchEvent(new Event("input", { bubbles: true }));
    });
    field?.addEventListener("change", () => {
      const read = /^\s*(-?\d+(?:\.\d+)?)\s*[,; ]\s*(-?\d+(?:\.\d+)?)\s*$/.exec(field.value);
      if (!read || Math.abs(read[1]) > 85 || Math.abs(read[2]) > 180) return;
      this.setPin([read[1] * MICRO, read[2] * MICRO]);
      this.go(read[1] * MICRO, read[2] * MICRO, 15);
    });
  }

  setPin(point) {
    this.pin = point;
    this.set("pin", point ? feature({ type: "Point", coordinates: [point[1] / MICRO, point[0] / MICRO] }) : EMPTY);
  }

  // -- what leaves the page ----------------------------------------------------------------------------------------------------

  table() {
    const query = this.query();
    query.set("res", this.resolution());
    return `/map/export?${query}`;
  }

  async picture() {
    const drawn = new Promise((done) => this.map.once("render", () => this.map.getCanvas().toBlob(done)));
    this.map.triggerRepaint();
    const image = await createImageBitmap(await drawn);
    const blob = await new Promise((done) => this.framed(image).toBlob(done, "image/png"));
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: "patients-map.png" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    notice(this.say.saved);
  }

  // The map with its title, legend and note on one sheet.
  framed(image) {
    const scale = image.width / this.box.clientWidth;
    const sheet = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height + 56 * scale });
    const pen = sheet.getContext("2d");
    pen.scale(scale, scale);
    const [width, c] = [image.width / scale, this.colours];
    const text = (words, x, y, font, colour = c.ink) => { pen.font = `${font} ${getComputedStyle(document.body).fontFamily}`; pen.fillStyle = colour; pen.fillText(words, x, y); };
    pen.fillStyle = c.card;
    pen.fillRect(0, 0, width, sheet.height / scale);
    pen.drawImage(image, 0, 56, width, image.height / scale);
    const measure = this.cells && (this.cells.compared || this.cells.metric) ? `: ${this.name().toLowerCase()}` : "";
    text(this.say.title + measure, 16, 26, "650 18px");
    text([this.chosen(), new Date().toLocaleDateString(language()), this.box.dataset.osm === "1" ? this.say.osm : ""].filter(Boolean).join(" · "), 16, 46, "13px", c.muted);
    if (this.cells?.cells.length) this.legendOn(pen, text, 12, image.height / scale + 56 - 40);
    this.scaleOn(pen, text, 14, image.height / scale + 56 - 14);
    return sheet;
  }

  scaleOn(pen, text, x, y) {
    const bar = this.box.querySelector(".maplibregl-ctrl-scale");
    if (!bar) return;
    pen.strokeStyle = this.colours["map-name"];
    pen.lineWidth = 2;
    pen.beginPath();
    [[x, y - 6], [x, y], [x + bar.offsetWidth, y], [x + bar.offsetWidth, y - 6]].forEach(([left, top], at) => (at ? pen.lineTo(left, top) : pen.moveTo(left, top)));
    pen.stroke();
    text(bar.textContent, x + 6, y - 5, "12px", this.colours["map-name"]);
  }

  legendOn(pen, text, x, bottom) {
    const rows = this.classes();
    const note = this.notShown();
    const height = rows.length * 18 + (note ? 34 : 16);
    pen.font = "12px sans-serif";
    pen.fillStyle = this.colours.card;
    pen.fillRect(x, bottom - height, Math.max(150, note ? pen.measureText(note).width + 30 : 0), height);
    rows.forEach(([colour, words], at) => {
      pen.fillStyle = colour;
      pen.globalAlpha = OPACITY;
      pen.fillRect(x + 10, bottom - height + 10 + at * 18, 16, 13);
      pen.globalAlpha = 1;
      text(words, x + 34, bottom - height + 21 + at * 18, "13px");
    });
    if (note) text(note, x + 10, bottom - 10, "12px", this.colours.muted);
  }

  // What is chosen in the form, in its own words.
  chosen() {
    const form = document.getElementById("geo-form");
    const named = [...form.querySelectorAll("select")].filter((field) => field.value).map((field) => field.selectedOptions[0].text);
    const ages = ["geo-age1", "geo-age2"].map((id) => document.getElementById(id).value);
    return [...named, ages.some(Boolean) ? `${ages[0] || 0}–${ages[1] || "…"}` : ""].filter(Boolean).join(", ");
  }

  close() {
    clearTimeout(this.retry);
    this.map?.remove();
  }
}

// "{n} пациент|{n} пациента|{n} пациентов": the same rule as i18n.py.
function plural(n, forms) {
  const choices = forms.split("|");
  const tens = Math.abs(n) % 100;
  const ones = tens % 10;
  const index = choices.length === 2 ? Number(n !== 1) : ones === 1 && tens !== 11 ? 0 : ones >= 2 && ones <= 4 && (tens < 12 || tens > 14) ? 1 : 2;
  return choices[Math.min(index, choices.length - 1)].replace("{n}", digits(n));
}

// -- the page around it ------------------------------------------------------------------------------------------------------

let address = location.search;
let version = page.dataset.version;

function mount() {
  const box = document.getElementById("geo-map");
  if (shown && shown.box !== box) { shown.close(); shown = null; }
  if (box && !shown) { shown = new CityMap(box); address = location.search; window.cityMap = shown.map; return; }
  if (!shown) return;
  const moved = location.search !== address || page.dataset.version !== version;
  [address, version] = [location.search, page.dataset.version];
  if (moved) { shown.load(true); follow(); }
}

// Another branch in the form moves the map there.
let branchShown = new URLSearchParams(location.search).get("branch");
function follow() {
  const branch = new URLSearchParams(location.search).get("branch");
  if (branch !== branchShown && branch) shown.goBranch(Number(branch));
  branchShown = branch;
}

// After "show all", or a step back, the fields say again what the address says.
function settle() {
  const form = document.getElementById("geo-form");
  for (const field of form ? form.elements : []) {
    if (field === document.activeElement && field.type !== "radio" && field.type !== "checkbox") continue;
    delete field.dataset.dirty;
    if (field.type === "radio" || field.type === "checkbox") field.checked = field.defaultChecked;
    else if (field.nodeName === "SELECT") field.value = ([...field.options].find((option) => option.defaultSelected) || field.options[0]).value;
    else if (field.type !== "hidden") field.value = field.defaultValue;
  }
}

page.addEventListener("drawn", () => { settle(); mount(); });
page.addEventListener("change", (event) => {
  if ("rough" in event.target.dataset) document.getElementById("geo-rough-off").disabled = event.target.checked;
}, true);
page.addEventListener("click", (event) => {
  if (!shown) return;
  const to = event.target.closest("[data-to], [data-to-branch]");
  if (to?.dataset.toBranch) shown.goBranch(Number(to.dataset.toBranch));
  else if (to) shown.go(...to.dataset.to.split(",").map(Number), 14.4);
  if (event.target.closest("#geo-png")) shown.picture().catch(() => notice(words.failed, "bad"));
  const csv = event.target.closest("#geo-csv");
  if (csv) csv.href = shown.table();
}, true);
const again = () => shown?.repaint();
new MutationObserver(again).observe(document.documentElement, { attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
mount();
})();
