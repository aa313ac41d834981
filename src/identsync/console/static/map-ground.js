// The ground of the map on page "Карта": its style, colours and words; what the other files named map-*.js draw upon.
// Nothing is asked of any other computer but tiles, where opted in.
"use strict";

const MICRO = 1e6;
const NEAR = 14;  // from this zoom on single houses, for those who may see them
const NAMES = 11.2;
const MARGIN = 0.6;  // of the view's size that is loaded around it
const POLL = 5000;
const OPTIONAL = { picked: ["picked"], pin: ["pin"], town: ["town-fill", "town-line"], houses: ["house", "house-count"] };
const GROUND = ["cells", "streets", "rings"];
const OPACITY = 0.85;
const PALETTE = ["map-1", "map-2", "map-3", "map-4", "map-5", "map-6"];
const LESS = ["map-less-1", "map-less-2", "map-less-3"];
const MORE = ["map-more-1", "map-more-2", "map-more-3"];
const EMPTY = { type: "FeatureCollection", features: [] };

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

function middle(points) {
  return [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
}

// A little smaller: the ground between two hexagons is their border, which costs less than drawing lines.
function drawnIn(points, share) {
  const [x, y] = middle(points);
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

// A street's name is a point in its middle: along a line MapLibre would place it anew in every frame. It turns as the
// street does, stays upright, and is there from the whole zoom on in which it is hardly longer than the street.
function named(line, name, houses) {
  const at = Math.max(1, line.length >> 1);
  const [a, b] = [line[at - 1], line[at]];
  const [east, north] = [(b[0] - a[0]) * Math.cos((a[1] * Math.PI) / 180), b[1] - a[1]];
  const angle = (Math.atan2(-north, east) * 180) / Math.PI;
  const upright = angle > 90 ? angle - 180 : angle <= -90 ? angle + 180 : angle;
  const length = line.slice(1).reduce((sum, point, before) => sum + away(line[before], point), 0);
  const from = Math.log2((2.3 * name.length * 78.27 * Math.cos((a[1] * Math.PI) / 180)) / Math.max(length, 0.01));
  return feature({ type: "Point", coordinates: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2] }, { name, angle: upright, from, rank: houses });
}

// Kilometres between two points, near enough for a town.
function away(a, b) {
  return Math.hypot((a[0] - b[0]) * Math.cos((a[1] * Math.PI) / 180), a[1] - b[1]) * 111.32;
}

// "{n} пациент|{n} пациента|{n} пациентов": the same rule as i18n.py.
function plural(n, forms) {
  const choices = forms.split("|");
  const tens = Math.abs(n) % 100;
  const ones = tens % 10;
  const index = choices.length === 2 ? Number(n !== 1) : ones === 1 && tens !== 11 ? 0 : ones >= 2 && ones <= 4 && (tens < 12 || tens > 14) ? 1 : 2;
  return choices[Math.min(index, choices.length - 1)].replace("{n}", digits(n));
}

class MapGround {
  open() {
    const [, latitude, longitude] = this.frame.pin ? [0, ...this.frame.pin] : this.frame.home.length ? this.frame.home : [0, 55.75 * MICRO, 60 * MICRO];
    const map = new maplibregl.Map({
      container: this.box,
      style: this.style(),
      center: [longitude / MICRO, latitude / MICRO],
      zoom: this.frame.pin ? 16 : this.frame.home.length ? (this.pinning ? 11.5 : 11.9) : 3,
      minZoom: 2, maxZoom: 18, attributionControl: false, dragRotate: false, pitchWithRotate: false, touchPitch: false,
      renderWorldCopies: false, refreshExpiredTiles: false,
      locale: { "NavigationControl.ZoomIn": this.say.zoom_in, "NavigationControl.ZoomOut": this.say.zoom_out, "ScaleControl.Meters": this.say.m, "ScaleControl.Kilometers": this.say.km },
    });
    map.touchZoomRotate.disableRotation();
    map.keyboard.disableRotation();
    map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
    const credits = [this.box.dataset.osm === "1" || this.frame.tiles || this.frame.file ? this.say.osm : ""].filter(Boolean);
    // On the left, since calls come in the right corner and whose map it is must stay readable.
    if (credits.length) map.addControl(new maplibregl.AttributionControl({ compact: false, customAttribution: credits }), "bottom-left");
    map.addControl(new maplibregl.ScaleControl({ maxWidth: 120 }), "bottom-left");
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
    const dark = parseInt(c["map-ground"].slice(1, 3), 16) < 128;
    const sources = Object.fromEntries(["ground", "branches", "picked", "pin", "town"].map((id) => [id, { type: "geojson", data: EMPTY, tolerance: 0.2 }]));
    sources.houses = { type: "geojson", data: EMPTY, cluster: true, clusterRadius: 44, clusterMaxZoom: 16, clusterProperties: { people: ["+", ["get", "people"]] } };
    if (this.frame.tiles) sources.tiles = { type: "raster", tiles: [this.frame.tiles], tileSize: 256, maxzoom: 19 };
    const round = { "line-cap": "round", "line-join": "round" };
    const layers = [
      { id: "ground", type: "background", paint: { "background-color": c["map-ground"] } },
      ...(this.frame.tiles ? [{ id: "tiles", type: "raster", source: "tiles", paint: { "raster-saturation": -0.7, "raster-opacity": 0.75, "raster-brightness-max": dark ? 0.3 : 1 } }] : []),
      { id: "town-fill", type: "fill", source: "town", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": c["map-edge"], "fill-opacity": 0.7 } },
      { id: "town-line", type: "line", source: "town", filter: ["==", ["geometry-type"], "LineString"], layout: round, paint: { "line-color": c["map-street"], "line-width": ["interpolate", ["exponential", 1.6], ["zoom"], 10, 0.6, 18, 14] } },
      { id: "cell", type: "fill", source: "ground", filter: ["has", "at"], paint: { "fill-antialias": false, "fill-color": ["get", "colour"], "fill-opacity": ["interpolate", ["linear"], ["zoom"], NEAR - 0.5, OPACITY, NEAR + 0.5, this.frame.points ? 0.38 : 0.7] } },
      { id: "street", type: "line", source: "ground", filter: ["has", "houses"], paint: { "line-color": c["map-street"], "line-opacity": 0.65, "line-width": ["interpolate", ["exponential", 1.6], ["zoom"], 10, 0.7, 18, 18] } },
      { id: "picked", type: "line", source: "picked", paint: { "line-color": c.ink, "line-width": 2.5 } },
      { id: "ring", type: "line", source: "ground", filter: ["has", "radius"], paint: { "line-color": c["map-ring"], "line-width": 1.4, "line-dasharray": [3, 3] } },
      { id: "ring-name", type: "symbol", source: "ground", filter: ["has", "ringed"], layout: { "icon-image": ["concat", "s:", ["get", "name"]], "icon-allow-overlap": true } },
      { id: "street-name", type: "symbol", source: "ground", minzoom: NAMES, filter: ["all", ["has", "angle"], ["<=", ["get", "from"], ["zoom"]]], layout: { "icon-image": ["concat", "s:", ["get", "name"]], "icon-rotate": ["get", "angle"], "icon-rotation-alignment": "map", "icon-padding": 6, "symbol-sort-key": ["-", ["get", "rank"]] } },
      { id: "house", type: "circle", source: "houses", minzoom: NEAR, paint: { "circle-color": c.accent, "circle-stroke-color": c.card, "circle-stroke-width": 1.5, "circle-opacity": 0.9, "circle-radius": ["interpolate", ["linear"], ["sqrt", ["get", "people"]], 1, 4.5, 5, 9, 20, 22] } },
      { id: "house-count", type: "symbol", source: "houses", minzoom: NEAR, filter: [">", ["get", "people"], 4], layout: { "icon-image": ["concat", "n:", ["to-string", ["get", "people"]]], "icon-allow-overlap": true } },
      { id: "branch", type: "circle", source: "branches", paint: { "circle-color": c["map-branch"], "circle-radius": ["case", ["get", "focus"], 8, 6], "circle-stroke-color": c.card, "circle-stroke-width": 2.5 } },
      { id: "branch-name", type: "symbol", source: "branches", minzoom: 8, filter: ["!=", ["get", "name"], ""], layout: { "icon-image": ["concat", "b:", ["get", "name"]], "icon-anchor": "bottom", "icon-offset": [0, -10], "symbol-sort-key": ["case", ["get", "focus"], 0, 1] } },
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

  // A layer of nothing is switched off: each costs a little in every frame.
  set(id, value) {
    this.data = { ...this.data, [id]: value };
    if (!this.ready) return;
    this.box.dataset.idle = "";
    if (GROUND.includes(id)) { this.layGround(); return; }
    this.map.getSource(id).setData(value);
    const some = value === "/map/town" || value.type === "Feature" || value.features.length > 0;
    for (const layer of OPTIONAL[id] || []) this.map.setLayoutProperty(layer, "visibility", some ? "visible" : "none");
  }

  // Cells, streets and rings are one source: each source costs a pass over the whole picture in every frame.
  layGround() {
    if (this.laying) return;
    this.laying = true;
    queueMicrotask(() => {
      this.laying = false;
      if (this.ready) this.map.getSource("ground").setData(collection(GROUND.flatMap((id) => this.data[id]?.features || [])));
    });
  }
}
